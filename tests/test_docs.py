"""What the pages name is there: links, pictures, scripts and configs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *(*ROOT.glob("docs/**/*.md"), *ROOT.glob("configs/**/*.md")),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    local = [target.partition("#")[0] for target in targets if "://" not in target]
    missing = [target for target in local if target and not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_tools_and_configs_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"(?<![\w./])(?:tools|configs)/[\w./-]+\.(?:py|sh)\b", text)
    assert not [path for path in named if not (ROOT / path).exists()]


def test_model_of_the_readme_runs() -> None:
    """At its sizes in units and frames, with fewer pixels."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "videos" in block
    ]
    names: dict = {}
    exec(code.replace("224, 224", "32, 32"), names)
    assert names["features"].shape[:3] == (2, 2048, 10 * 2)
