"""What the pages name is there: links, pictures, scripts and configs; the site of them is whole."""

import importlib
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from mmaction.registry import MODELS
from pages import PAGES, ROOT

PUBLIC = ("apis", "datasets.transforms", "engine", "engine.hooks", "models", "visualization")


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


def test_api_page_has_what_builds_registered_blocks() -> None:
    page = (ROOT / "docs/api.md").read_text()
    builders = [each for each in MODELS.module_dict.values() if inspect.isfunction(each)]
    own = [each for each in builders if each.__module__.startswith("f4d_mmaction")]
    assert len(own) > 1
    assert not [each for each in own if f"{each.__module__}.{each.__name__}\n" not in page]


def test_site_is_built_without_a_warning_and_every_link_in_it_leads_somewhere(
    tmp_path: Path,
) -> None:
    """From a copy: Sphinx writes a source for each public name beside the others."""
    source, site = tmp_path / "source", tmp_path / "site"
    large = (".git", ".venv", "venv", "build", "data", "work_dirs", ".mypy_cache", ".ruff_cache")
    passing = shutil.ignore_patterns("__pycache__", ".pytest_cache", ".hypothesis")
    shutil.copytree(
        ROOT,
        source,
        ignore=lambda at, names: passing(at, names) | set(large if Path(at) == ROOT else ()),
    )
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs", ".", site],
        cwd=source,
        check=True,
    )
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    for page, text in pages.items():
        for link in map(urlsplit, re.findall(r'(?:href|src)="([^"]*)"', text)):
            there = (page.parent / unquote(link.path)).resolve() if link.path else page
            anchor = link.fragment and not link.scheme
            assert link.scheme or there.is_file(), (page, link)
            assert not anchor or f'id="{link.fragment}"' in pages[there], (page, link)
    for name in PUBLIC:
        module = importlib.import_module(f"f4d_mmaction.{name}")
        for public in module.__all__:
            full = f"{module.__name__}.{public}"
            assert f'id="{full}"' in pages[site / f"docs/api/{full}.html"]
