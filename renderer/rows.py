"""The rows of w by name: coarse, middle and fine (StyleGAN sec. 3.1). No torch."""
from __future__ import annotations

from renderer.types import ModelInfo

Rows = tuple[int, ...]


def range_rows(name: str, info: ModelInfo) -> Rows:
    """Rows of w behind 'Coarse', 'Middle', 'Fine' (inspection.md "Style"), 'All' or 'None'."""
    every = range(info.num_ws)
    if name in ("All", "None"):
        return tuple(every) if name == "All" else ()
    if info.family == "stylegan3":
        split = {"Coarse": range(0, 7), "Middle": range(0), "Fine": range(7, info.num_ws)}[name]
        return tuple(row for row in every if row in split)
    low, high = {"Coarse": (4, 8), "Middle": (16, 32), "Fine": (64, 1 << 20)}[name]
    return tuple(row for row in every if low <= 4 << (row // 2) <= high)
