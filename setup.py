"""Installs f4d_mmaction; its wheel carries configs and tools inside the package, under ``.mim``."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
CARRIED = ("configs", "tools", "model-index.yml")


class BuildWithConfigs(build_py):
    """Copy configs and tools into the built package.

    A top-level ``configs`` or ``tools`` package would hide MMAction2's.
    """

    def run(self) -> None:
        """Build, then copy."""
        super().run()
        if getattr(self, "editable_mode", False):
            return  # an editable install reads the repository itself
        target = Path(self.build_lib) / "f4d_mmaction" / ".mim"
        for name in CARRIED:
            source = ROOT / name
            if name in ("configs", "tools") and not source.is_dir():
                raise FileNotFoundError(f"{source} is missing: build from the whole repository")
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "ruff.toml")
                shutil.copytree(source, target / name, dirs_exist_ok=True, ignore=ignore)
            elif source.is_file():
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)


version: dict = {}
exec((ROOT / "f4d_mmaction" / "version.py").read_text(), version)

# Neither MMEngine nor mmcv is required here: mmcv, mmcv-lite and the maintained forks install the
# same modules, and requiring one would overwrite another. `import f4d_mmaction` says what to do
# where they are missing.
standalone = ["mmengine>=0.10,<1", "mmcv-lite>=2.0.1,<2.2"]
web = ["gradio>=6"]  # themes and styles moved in 6
docs = ["sphinx>=8.1", "myst-parser>=4", "furo"]
export = ["onnx>=1.16", "onnxruntime>=1.18", "onnxscript>=0.1"]
test = [
    *docs,
    *export,
    *web,
    "ipykernel",  # with nbclient runs the notebook
    "nbclient",
    "tensorboard",
    "seaborn",  # of MMAction2's own plots
    "selenium>=4.10",
    "pytest>=7",
    "setuptools>=70.1",  # builds the wheel that is tested
    "pytest-xdist>=3",
    "pytorchcv==0.0.67",  # has SE and CBAM; later versions want torchvision
    "hypothesis>=6",
    "codespell>=2.4",
    "mypy>=2.4",
    "ruff>=0.12",
]

# A package index shows the README alone: pictures and links of the repository lead nowhere there.
README = (ROOT / "README.md").read_text(encoding="utf-8")
README = re.sub(r"!\[[^]]*\]\((?!https:)[^)]*\)\n*", "", README)
README = re.sub(r"\[([^]]*)\]\((?!https:)[^)]*\)", r"\1", README)
README += "\nPaths are those of the source distribution, which holds the pages and pictures.\n"

setup(
    name="f4d_mmaction",
    version=version["__version__"],
    description="F4D: factorized 4D CNNs with attention for video-level recognition, on MMAction2",
    long_description=README,
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    author="The f4d_mmaction authors",
    project_urls={  # the repository has no public address yet
        "Paper": "https://arxiv.org/abs/2401.08609",
        "Host": "https://github.com/open-mmlab/mmaction2",
    },
    keywords=[
        *("action recognition", "video classification", "video-level", "4D convolution"),
        *("attention", "MMAction2", "OpenMMLab", "PyTorch"),
    ],
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    packages=find_packages(include=["f4d_mmaction", "f4d_mmaction.*"]),
    package_data={"f4d_mmaction": ["py.typed"]},
    cmdclass={"build_py": BuildWithConfigs},
    python_requires=">=3.10",
    install_requires=[
        "torch>=2.0",
        "mmaction2>=1.2,<2",
        "importlib_metadata",  # mmaction2 1.2 imports it without asking for it
        "decord>=0.6",
        "numpy",
        "av>=14.2,<20",
        "packaging",
        "pebble>=5",  # kills a worker whose decoder crashes or hangs
        "matplotlib",
        "rich",
        "scipy",
    ],
    extras_require={
        "standalone": standalone,
        "docs": docs,
        "web": web,
        "export": export,
        "hdf5": ["h5py"],  # of tools/extract_features.py
        "tensorboard": ["tensorboard"],
        "test": test,
    },
)
