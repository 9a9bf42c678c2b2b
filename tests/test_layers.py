"""Imports inside the package go down only, those inside functions too."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import f4d_mmaction

PACKAGE = Path(f4d_mmaction.__file__).parent
# From the bottom. A module imports its own layer and those before it.
LAYERS = (
    "version",
    "restricted_pickle",
    "compat",
    "json_lines",
    "structures",
    "datasets",
    "models",
    "visualization",
    "apis",
    "engine",
    "analysis",
)
FILES = sorted({*PACKAGE.rglob("*.py")} - {PACKAGE / "__init__.py", *PACKAGE.glob(".mim/**/*.py")})


def module_of(path: Path) -> list[str]:
    return [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]


def imported_by(path: Path) -> Iterator[str]:
    """Layers that a file of the package imports anywhere in its code."""
    own = module_of(path)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = own[: -node.level] if node.level else []
            module = base + (node.module.split(".") if node.module else [])
            names = [[*module, alias.name] for alias in node.names]
        else:
            continue
        yield from (name[1] for name in names if name[0] == PACKAGE.name and name[1:])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_has_a_layer_and_no_import_goes_up(path: Path) -> None:
    own = LAYERS.index(module_of(path)[1])
    for name in imported_by(path):
        if name in LAYERS:  # other names are attributes of the package
            assert LAYERS.index(name) <= own


def test_an_import_upward_is_seen() -> None:
    """The walk reads relative and absolute imports, those inside functions included."""
    found = set(imported_by(PACKAGE / "engine" / "hooks" / "pictures.py"))
    assert {"apis", "datasets", "visualization"} <= found
