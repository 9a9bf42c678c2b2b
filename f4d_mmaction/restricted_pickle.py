"""Reading checkpoints without running their code, for PyTorch before 2.6.

PyTorch's weights-only unpickler accepts no additional types before 2.4, and too little of NumPy
before 2.6. Instead, Python's unpickler in its slow form is restricted to the same rules: names come
from a list, only those are called, and only their instances are given a state.
"""

from __future__ import annotations

import io
import pickle
from _codecs import encode
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterable
from types import SimpleNamespace
from typing import ClassVar


def restricted_pickle(allowed: Iterable[type | tuple[object, str]]) -> SimpleNamespace:
    """Return a ``pickle_module`` for ``torch.load`` that knows tensors and what is ``allowed``.

    Args:
        allowed: Types, and pairs of an object and the name that stands for it in a file.
    """
    import torch
    from torch._weights_only_unpickler import _get_allowed_globals

    named = {**_get_allowed_globals(), "_codecs.encode": encode, "torch.device": torch.device}
    named |= {str(dtype): dtype for dtype in (torch.bool, torch.uint8, torch.bfloat16)}
    for item in allowed:
        value, name = item if isinstance(item, tuple) else (item, None)
        named[name or f"{value.__module__}.{value.__qualname__}"] = value
    values = list(named.values())
    values += [item for item in allowed if isinstance(item, type)]  # NumPy names several alike

    class Unpickler(pickle._Unpickler):
        """Python's unpickler, by these rules."""

        def find_class(self, module: str, name: str) -> object:
            module, name = NAME_MAPPING.get((module, name), (module, name))
            wanted = f"{IMPORT_MAPPING.get(module, module)}.{name}"
            if wanted not in named:
                raise pickle.UnpicklingError(f"Weights only load failed: GLOBAL {wanted} refused")
            return named[wanted]

        def load_reduce(self) -> None:
            self._require(any(self.stack[-2] is value for value in values), self.stack[-2])
            super().load_reduce()

        def load_newobj(self) -> None:
            self._require(any(self.stack[-2] is value for value in values), self.stack[-2])
            super().load_newobj()

        def load_build(self) -> None:
            self._require(any(type(self.stack[-2]) is value for value in values), self.stack[-2])
            super().load_build()

        def load_append(self) -> None:
            self._require(type(self.stack[-2]) is list, self.stack[-2])
            super().load_append()

        def load_appends(self) -> None:
            self._require(type(self.metastack[-1][-1]) is list, self.metastack[-1][-1])
            super().load_appends()

        def load_additems(self) -> None:
            self._require(type(self.metastack[-1][-1]) is set, self.metastack[-1][-1])
            super().load_additems()

        def refuse(self) -> None:
            raise pickle.UnpicklingError("Weights only load failed: an operation that is refused")

        def _require(self, fulfilled: bool, value: object) -> None:
            if not fulfilled:
                raise pickle.UnpicklingError(
                    f"Weights only load failed: {type(value).__name__} is refused here"
                )

        dispatch: ClassVar[dict] = {
            **pickle._Unpickler.dispatch,
            pickle.REDUCE[0]: load_reduce,
            pickle.NEWOBJ[0]: load_newobj,
            pickle.BUILD[0]: load_build,
            pickle.APPEND[0]: load_append,
            pickle.APPENDS[0]: load_appends,
            pickle.ADDITEMS[0]: load_additems,
            pickle.INST[0]: refuse,
            pickle.OBJ[0]: refuse,
            pickle.NEWOBJ_EX[0]: refuse,
            pickle.EXT1[0]: refuse,
            pickle.EXT2[0]: refuse,
            pickle.EXT4[0]: refuse,
        }

    def load(file: io.BufferedIOBase, **options: object) -> object:
        return Unpickler(file, **options).load()

    return SimpleNamespace(__name__=__name__, Unpickler=Unpickler, load=load)
