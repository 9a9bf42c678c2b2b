"""F4D for MMAction2: importing this package fixes known host bugs and registers modules."""

from .compat import apply as _make_host_run

_make_host_run()  # before the first import of mmaction.models

from . import datasets, engine, models  # noqa: E402
from .version import __version__  # noqa: E402

__all__ = ["__version__", "datasets", "engine", "models"]
