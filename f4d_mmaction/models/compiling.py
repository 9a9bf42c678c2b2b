"""Compiling: one graph for each input shape, without PyTorch's limits on their number."""

from collections.abc import Callable
from functools import wraps

import torch

# PyTorch's names before and since 2.6. All networks of a process share these limits, and beyond
# them a whole graph fails.
LIMITS = (
    "cache_size_limit",
    "accumulated_cache_size_limit",
    "recompile_limit",
    "accumulated_recompile_limit",
)

is_compiling = getattr(torch.compiler, "is_compiling", None) or torch._dynamo.is_compiling  # < 2.3


def every_shape(compiled: Callable) -> Callable:
    """Return a function of `torch.compile` that has a graph for each shape of its input."""
    from torch._dynamo import config  # slow, so imported where something is compiled

    no_limit = {name: 2**16 for name in LIMITS if hasattr(config, name)}

    @wraps(compiled)
    def run(*args: object, **kwargs: object) -> object:
        with config.patch(no_limit):
            return compiled(*args, **kwargs)

    return run
