"""The built wheel: what it carries, and that it works from any working directory."""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pages import block

SOURCES = ("f4d_mmaction", "configs", "tools", "setup.py", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(root: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel from a copy, so that the repository stays clean."""
    source = tmp_path_factory.mktemp("source")
    for name in (*SOURCES, "model-index.yml"):
        path = root / name
        if path.is_dir():
            shutil.copytree(path, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.exists():
            shutil.copy(path, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-q"]
    subprocess.run([*command, "-w", str(source / "dist"), str(source)], check=True)
    (built,) = (source / "dist").glob("*.whl")
    return zipfile.ZipFile(built)


def test_wheel_installs_one_top_level_package(wheel: zipfile.ZipFile) -> None:
    """A top-level ``configs`` or ``tools`` would hide MMAction2's."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"f4d_mmaction"}
    assert "f4d_mmaction/py.typed" in wheel.namelist()


def test_wheel_carries_every_config_and_tool(wheel: zipfile.ZipFile, root: Path) -> None:
    carried = {name for name in wheel.namelist() if name.startswith("f4d_mmaction/.mim/")}
    for folder, pattern in (("configs", "*.py"), ("tools", "*.py"), ("tools", "*.sh")):
        for path in (root / folder).rglob(pattern):
            assert f"f4d_mmaction/.mim/{path.relative_to(root).as_posix()}" in carried


def test_package_index_shows_no_link_that_leads_nowhere(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(name).decode()
    assert "# f4d_mmaction" in text
    assert all(target.startswith("https:") for target in re.findall(r"\]\(([^)]*)\)", text))


def test_carried_config_builds_far_from_the_repository(
    wheel: zipfile.ZipFile, run_python: Callable, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    wheel.extractall(site)
    (tmp_path / "own.py").write_text(block("docs/inference.md", ".mim/configs"))
    code = (
        "from mmengine.config import Config\n"
        "cfg = Config.fromfile('own.py')\n"
        "import f4d_mmaction, pathlib\n"
        "from mmengine.registry import init_default_scope\n"
        "from mmaction.registry import MODELS\n"
        "home = pathlib.Path(f4d_mmaction.__file__).parent\n"
        "init_default_scope(cfg.default_scope)\n"
        "MODELS.build(cfg.model)\n"
        "print(home)\n"
    )
    done = run_python("-c", code, PYTHONPATH=str(site))
    assert done.stdout.strip() == str(site / "f4d_mmaction"), done.stderr[-2000:]
    script = site / "f4d_mmaction/.mim/tools/deployment/infer_onnx.py"  # finds the reader
    done = run_python(script, "--help", PYTHONPATH="")
    assert done.returncode == 0, done.stderr[-2000:]
