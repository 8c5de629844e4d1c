"""The grid of seeds, page by page: pure functions of the request."""
from __future__ import annotations

import math
from dataclasses import replace

from gui.requests import MAX_SEED, at_seed, seed_of
from renderer.types import RenderRequest, SeedGrid


def grid_from(seed: int, columns: int, rows: int) -> SeedGrid:
    """`seed` and those that follow."""
    first = min(max(seed, 0), MAX_SEED + 1 - columns * rows)
    return SeedGrid(tuple(range(first, first + columns * rows)), columns)


def cells_of(grid: SeedGrid) -> tuple[int, int]:
    """(columns, rows)."""
    columns = grid.columns or math.ceil(math.sqrt(len(grid.seeds)))
    return columns, math.ceil(len(grid.seeds) / columns)


def resized(request: RenderRequest, columns: int, rows: int) -> RenderRequest:
    return replace(request, seeds=grid_from(request.seeds.seeds[0], columns, rows))


def turned(request: RenderRequest, pages: int) -> RenderRequest:
    """So many pages further; the latent goes to the page's first seed."""
    if request.seeds is None:
        return request
    columns, rows = cells_of(request.seeds)
    grid = grid_from(request.seeds.seeds[0] + pages * columns * rows, columns, rows)
    return replace(request, seeds=grid, latent=at_seed(request.latent, grid.seeds[0]))


def followed(before: RenderRequest, after: RenderRequest) -> RenderRequest:
    """`after`, its grid begun anew from the latent's seed if that was moved out of it."""
    grid, seed = after.seeds, seed_of(after.latent)
    if grid is None or grid != before.seeds or seed == seed_of(before.latent) or seed in grid.seeds:
        return after
    return replace(after, seeds=grid_from(seed, *cells_of(grid)))
