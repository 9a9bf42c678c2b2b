"""F4D for MMAction2: importing this package registers its models, transforms and hooks."""

from .compat import apply as _make_host_run
from .cpu_memory import ask_for_huge_pages as _ask_for_huge_pages

_ask_for_huge_pages()  # before PyTorch's first tensor
_make_host_run()  # before the first import of mmaction.models

from . import datasets, engine, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ["__version__", "datasets", "engine", "models"]
