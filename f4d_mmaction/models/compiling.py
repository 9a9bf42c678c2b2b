"""Compiling: one graph for each input shape, without PyTorch's limits on their number."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch

try:
    from torch.compiler import is_compiling
except ImportError:  # before 2.3
    from torch._dynamo import is_compiling  # noqa: F401

# PyTorch's names before and since 2.6. All networks of a process share these limits, and beyond
# them a whole graph fails.
LIMITS = [f"{of}{on}_limit" for of in ("", "accumulated_") for on in ("cache_size", "recompile")]


def compile_each_shape(function: Callable, **options: Any) -> Callable:
    """Compile with one graph for each shape of the input; ``options`` are of `torch.compile`."""
    from torch._dynamo import config  # slow, so imported where something is compiled

    no_limit = {name: 2**16 for name in LIMITS if hasattr(config, name)}
    compiled = torch.compile(function, fullgraph=True, dynamic=False, **options)

    @wraps(function)
    def run(*args: object, **kwargs: object) -> object:
        with config.patch(no_limit):
            return compiled(*args, **kwargs)

    return run
