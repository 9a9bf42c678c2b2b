"""Reading checkpoints without running their code, for PyTorch before 2.6.

PyTorch's weights-only unpickler accepts no additional types before 2.4, and too little of NumPy
before 2.6. Instead, Python's unpickler in its slow form is restricted to the same rules: names come
from a list, only those are called, and only their instances are given a state.
"""

import io
import pickle
from _codecs import encode
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import ClassVar


def restricted_pickle(allowed: Iterable[type | tuple[object, str]]) -> SimpleNamespace:
    """Return a ``pickle_module`` for ``torch.load`` that knows tensors and what is ``allowed``.

    That is types, and pairs of an object and the name that stands for it in a file.
    """
    import torch
    from torch._weights_only_unpickler import _get_allowed_globals

    named = {**_get_allowed_globals(), "_codecs.encode": encode, "torch.device": torch.device}
    named |= {str(dtype): dtype for dtype in (torch.bool, torch.uint8, torch.bfloat16)}
    kinds = [item for item in allowed if isinstance(item, type)]
    named |= {f"{kind.__module__}.{kind.__qualname__}": kind for kind in kinds}
    named |= {item[1]: item[0] for item in allowed if isinstance(item, tuple)}
    values = [*named.values(), *kinds]  # NumPy names several alike

    # What each operation of a pickle works on, and which values of it are allowed.
    rules = {
        pickle.REDUCE: (lambda unpickler: unpickler.stack[-2], values),
        pickle.NEWOBJ: (lambda unpickler: unpickler.stack[-2], values),
        pickle.BUILD: (lambda unpickler: type(unpickler.stack[-2]), values),
        pickle.APPEND: (lambda unpickler: type(unpickler.stack[-2]), [list]),
        pickle.APPENDS: (lambda unpickler: type(unpickler.metastack[-1][-1]), [list]),
        pickle.ADDITEMS: (lambda unpickler: type(unpickler.metastack[-1][-1]), [set]),
    }
    never = (pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX, pickle.EXT1, pickle.EXT2, pickle.EXT4)
    rules |= dict.fromkeys(never, (lambda unpickler: "an operation", []))

    class Unpickler(pickle._Unpickler):
        dispatch: ClassVar[dict] = {
            **pickle._Unpickler.dispatch,
            **{code[0]: _guarded(code, *rule) for code, rule in rules.items()},
        }

        def find_class(self, module: str, name: str) -> object:
            module, name = NAME_MAPPING.get((module, name), (module, name))
            wanted = f"{IMPORT_MAPPING.get(module, module)}.{name}"
            if wanted not in named:
                raise pickle.UnpicklingError(f"Weights only load failed: GLOBAL {wanted} refused")
            return named[wanted]

    def load(file: io.BufferedIOBase, encoding: str = "ASCII") -> object:
        return Unpickler(file, encoding=encoding).load()

    return SimpleNamespace(__name__=__name__, Unpickler=Unpickler, load=load)


def _guarded(code: bytes, subject: Callable, allowed: list) -> Callable:
    """Return an operation of Python's unpickler that refuses what is not allowed."""
    operation = pickle._Unpickler.dispatch[code[0]]

    def run(unpickler: pickle.Unpickler) -> None:
        value = subject(unpickler)
        if not any(value is known for known in allowed):
            raise pickle.UnpicklingError(f"Weights only load failed: {value} is refused here")
        operation(unpickler)

    return run
