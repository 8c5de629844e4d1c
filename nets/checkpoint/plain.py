"""A file's keyword arguments as JSON can hold them."""
from __future__ import annotations

import math
from typing import Any

from .values import Global, Instance

MAX_DEPTH, MAX_ITEMS = 8, 10_000


def plain(value: Any) -> Any:
    """Numbers, text and containers as they are; whatever else as its name. Too deep or too many: '…'."""
    return _plain(value, MAX_DEPTH, [MAX_ITEMS])


def _plain(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0 or depth == 0:
        return "…"
    if isinstance(value, float) and not math.isfinite(value):        # JSON has no word for it
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key)[:200]: _plain(item, depth - 1, left) for key, item in list(value.items())[:left[0] + 1]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth - 1, left) for item in list(value)[:left[0] + 1]]
    if isinstance(value, Global):
        return str(value)
    return str(value.cls) if isinstance(value, Instance) else type(value).__name__
