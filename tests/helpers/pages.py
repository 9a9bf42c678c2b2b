"""Pages of the repository and the Python in them."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")]
PAGES += ROOT.glob("configs/**/*.md")
PYTHON = re.compile(r"^( *)```python\n(.*?)^\1```|<<'PY'\n(.*?)^PY$", re.S | re.M)


def python_of(page: Path) -> Iterator[str]:
    """Every block of Python, and what a shell block feeds to Python."""
    for _, block, typed in PYTHON.findall(page.read_text(encoding="utf-8")):
        yield textwrap.dedent(block or typed)


def block(page: str, part: str) -> str:
    """The only block of a page that has ``part``; naming it here says that a test runs it."""
    (code,) = [code for code in python_of(ROOT / page) if part in code]
    return code
