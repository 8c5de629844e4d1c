"""What is derived from a network's weights once, and kept while they live and do not change."""
from __future__ import annotations

from collections.abc import Callable
from itertools import count

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

BUDGET = 2 ** 30                         # bytes; over it, what was used least recently goes first

_kept = WeakTensorKeyDictionary()        # parameter -> {name: [its state, value, time of the last use]}
_now = count()


def is_keepable(w: Tensor) -> bool:
    """Whether w outlives the call and tells of changes: a module's parameter, outside of training."""
    return isinstance(w, nn.Parameter) and not w.is_inference() and not (torch.is_grad_enabled() and w.requires_grad)


def kept(w: Tensor, name: str, make: Callable[[Tensor], Tensor]) -> Tensor:
    """make(w), made anew only when w was written to, moved or converted, or when it gave way to others.

    Writing through `w.data` goes unnoticed: PyTorch does not count it.
    """
    if not is_keepable(w):
        return make(w)
    state = w._version, w.data_ptr(), w.dtype, w.shape
    entries = _kept.setdefault(w, {})
    if name not in entries or entries[name][0] != state:
        entries[name] = [state, make(w.detach()), 0]
        _make_room(entries[name])
    entries[name][2] = next(_now)
    return entries[name][1]


def kept_bytes() -> int:
    return sum(_bytes(entry) for entries in _kept.values() for entry in entries.values())


def forget() -> None:
    """Frees everything kept."""
    _kept.clear()


def _make_room(newest: list) -> None:
    while kept_bytes() > BUDGET:
        others = [(entry[2], w, name) for w, entries in _kept.items() for name, entry in entries.items()
                  if entry is not newest]
        if not others:
            return
        _, w, name = min(others, key=lambda other: other[0])
        del _kept[w][name]


def _bytes(entry: list) -> int:
    return entry[1].untyped_storage().nbytes()
