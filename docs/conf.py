"""Sphinx makes pages of the repository's Markdown and of every public name: `bash tools/docs.sh`.

The source folder is the repository's root, so that links between pages are the same everywhere.
"""

import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.ext import autosummary

ROOT = Path(__file__).parents[1]

project = "f4d_mmaction"
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/api/*", "configs/**/README.md"]
exclude_patterns = [".*", "build", "data", "work_dirs"]  # may be large
extensions = ["myst_parser", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
templates_path = [str(ROOT / "docs/templates")]
nitpicky = True  # also references of docstrings
nitpick_ignore_regex = [("py:(class|exc)", ".*")]  # types, most of them of other packages
html_theme = "furo"
html_title = project
html_show_copyright = False

myst_heading_anchors = 3
autosummary_ignore_module_all = False  # what `__all__` names is public
autosummary_imported_members = True
autosummary.WELL_KNOWN_ABBREVIATIONS += ("Fig.", "eq.")  # a summary does not end there
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints_format = "short"
maximum_signature_line_length = 88

CONTENTS = {
    "Use": "docs/getting_started docs/your_own_data docs/choosing_units docs/datasets "
    "docs/inference docs/deployment docs/troubleshooting",
    "Findings": "docs/paper docs/experiments docs/performance docs/performance_gpu "
    "docs/reliability",
    "Networks": "configs/recognition/*/README",
    "Reference": "docs/api docs/public CHANGELOG CONTRIBUTING",
}


def add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the table of contents into the README, where Markdown alone shows none."""
    if page == root_doc:
        for caption, pages in CONTENTS.items():
            head = f":caption: {caption}\n:hidden:\n:glob:"
            source[0] += "\n".join(("\n```{toctree}", head, "", *pages.split(), "```"))


def add_index(app: Sphinx, error: Exception | None) -> None:
    """Let the folder open with the README."""
    if not error:
        shutil.copy(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Sphinx) -> None:
    """Connect both."""
    app.connect("source-read", add_contents)
    app.connect("build-finished", add_index)
