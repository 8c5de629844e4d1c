"""Pictures made of many: which cell is where, what it is called, and what a click on it leads to. Pure."""
from __future__ import annotations

from dataclasses import replace

import numpy as np

from gui.requests import at_seed
from renderer.many import source_name
from renderer.types import Array, Cells, Latent, Mix, MixTable, RenderRequest, Source

Box = tuple[int, int, int, int]          # x0, y0, x1, y1 in pixels of the picture


def cell_at(cells: Cells, x: int, y: int) -> int | None:
    """Index of the cell with the picture's pixel (x, y); None where there is none."""
    column, row = (x - cells.origin[1]) // cells.size[1], (y - cells.origin[0]) // cells.size[0]
    index = row * cells.columns + column
    return index if row >= 0 and 0 <= column < cells.columns and index < len(cells.shown) else None


def box_of(cells: Cells, index: int) -> Box:
    row, column = divmod(index, cells.columns)
    top, left = cells.origin[0] + row * cells.size[0], cells.origin[1] + column * cells.size[1]
    return left, top, left + cells.size[1], top + cells.size[0]


def channel_at(cells: Cells, size: tuple[int, int], y: np.ndarray,
               x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(channel, y, x) in a signal of `size` (height, width), of pixels (x, y) of its sheet; channel -1: none there.

    Where cells are smaller than the signal, a pixel stands for several; it is the one in their middle.
    """
    y, x = y - cells.origin[0], x - cells.origin[1]
    row, column = y // cells.size[0], x // cells.size[1]
    index = row * cells.columns + column
    inside = (row >= 0) & (column >= 0) & (column < cells.columns) & (index < len(cells.shown))
    shown = np.array([-1 if channel is None else channel for channel in cells.shown])
    y, x = ((2 * (v % small) + 1) * large // (2 * small) for v, small, large in zip((y, x), cells.size, size))
    return np.where(inside, shown[np.where(inside, index, 0)], -1), y, x


# -- what a cell is, and leads to -------------------------------------------------------------------------------------

def named(request: RenderRequest, cells: Cells, index: int) -> str:
    """'seed 17: click to look at it'; '' for a cell with nothing in it. Channels are named with their values."""
    if request.table is not None:
        across, down = pair(request.table, cells, index)
        names = [f"{letter} {source_name(source)}" for letter, source in (("A", across), ("B", down)) if source]
        return f"{' in '.join(names)}: click to go there" if names else ""
    seed = cells.shown[index]
    return f"seed {seed}: click to go there" if request.seeds is not None and seed is not None else ""


def chosen(request: RenderRequest, cells: Cells, index: int) -> RenderRequest:
    """After a click on a cell: that channel, that seed, or that very mix, live."""
    shown = cells.shown[index]
    if request.table is not None:
        return _mixed(request, *pair(request.table, cells, index))
    if request.seeds is not None:
        return request if shown is None else replace(request, seeds=None, latent=at_seed(request.latent, shown))
    if request.view.mode != "sheet" or shown is None:
        return request
    return replace(request, view=replace(request.view, mode="channel", channel=shown))


def pair(table: MixTable, cells: Cells, index: int) -> tuple[Source | None, Source | None]:
    """(A across, B down) of a table's cell; None where a cell of the first row or column shows one source alone."""
    row, column = divmod(index, cells.columns)
    heads = cells.columns - len(table.across)            # 1 where the sources' own pictures come first
    row, column = row - heads, column - heads
    return (table.across[column] if 0 <= column < len(table.across) else None,
            table.down[row] if 0 <= row < len(table.down) else None)


def _mixed(request: RenderRequest, across: Source | None, down: Source | None) -> RenderRequest:
    base = down or across
    if base is None:
        return request
    mix = Mix(across, request.table.rows) if across and down else replace(request.mix, rows=())
    return replace(request, latent=_at(request.latent, base), mix=mix, table=None)


def _at(latent: Latent, source: Source) -> Latent:
    if source.w is None:
        return at_seed(latent, source.seed)
    return replace(latent, z=None, w=Array.of(source.w.numpy()[None]))
