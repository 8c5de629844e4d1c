"""What is derived from a network's weights once, and kept while they live and do not change."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

BUDGET = 2 ** 30                         # bytes; over it, what was used least recently goes first

_kept = WeakTensorKeyDictionary()        # parameter -> {name: [its state, given, value, time of the last use]}
_now = count()


def is_keepable(w: Tensor) -> bool:
    """Whether w outlives the call and tells of changes: a module's parameter, outside of training."""
    return isinstance(w, nn.Parameter) and not w.is_inference() and not (torch.is_grad_enabled() and w.requires_grad)


def kept(w: Tensor, name: str, make: Callable[..., Tensor], *given: Tensor | None) -> Tensor:
    """make(w, *given), made anew only when w was written to, moved or converted, when `given` has other values than
    last time, or when it gave way to others.

    Writing through `w.data` goes unnoticed: PyTorch does not count it.
    """
    if not is_keepable(w) or torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given):
        return make(w, *given)
    state = w._version, w.data_ptr(), w.dtype, w.shape
    entries = _kept.setdefault(w, {})
    if name not in entries or entries[name][0] != state or not _are_equal(entries[name][1], given):
        with torch.inference_mode(False), torch.no_grad():       # what is made may later be part of a recording
            copies = [None if t is None else t.clone() for t in given]
            entries[name] = [state, copies, make(w.detach(), *given), 0]
        _make_room(entries[name])
    entries[name][3] = next(_now)
    return entries[name][2]


def kept_bytes() -> int:
    return sum(_bytes(entry) for entries in _kept.values() for entry in entries.values())


def forget() -> None:
    """Frees everything kept."""
    _kept.clear()


def _make_room(newest: list) -> None:
    while kept_bytes() > BUDGET:
        others = [(entry[3], w, name) for w, entries in _kept.items() for name, entry in entries.items()
                  if entry is not newest]
        if not others:
            return
        _, w, name = min(others, key=lambda other: other[0])
        del _kept[w][name]


def _bytes(entry: list) -> int:
    return entry[2].untyped_storage().nbytes()


def _are_equal(ones: Sequence[Tensor | None], others: Sequence[Tensor | None]) -> bool:
    return all(a is b or a is not None and b is not None and a.dtype == b.dtype and torch.equal(a, b)
               for a, b in zip(ones, others, strict=True))
