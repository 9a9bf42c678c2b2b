"""Compiling: one graph for each input shape, without PyTorch's limits on their number."""

from collections.abc import Callable
from functools import wraps

import torch
from torch._dynamo import config as dynamo

# PyTorch's names before and since 2.6. All networks of a process share these limits, and beyond
# them a whole graph fails.
LIMITS = (
    "cache_size_limit",
    "accumulated_cache_size_limit",
    "recompile_limit",
    "accumulated_recompile_limit",
)
NO_LIMIT = {name: 2**16 for name in LIMITS if hasattr(dynamo, name)}

is_compiling = getattr(torch.compiler, "is_compiling", None) or torch._dynamo.is_compiling  # < 2.3


def every_shape(compiled: Callable) -> Callable:
    """Return a function of `torch.compile` that has a graph for each shape of its input."""

    @wraps(compiled)
    def run(*args: object, **kwargs: object) -> object:
        with dynamo.patch(NO_LIMIT):
            return compiled(*args, **kwargs)

    return run
