"""Pictures of many: how a style-mixing table and a grid of seeds are laid out and put together. No torch."""
from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from nets.errors import UserError
from renderer.colormaps import BACKDROP
from renderer.labels import Labels
from renderer.types import Cells, MixTable, SeedGrid, Source

MOST_PIXELS = 400_000_000                # of one picture


class Plan(NamedTuple):
    """Which pictures stand where, in reading order."""
    name: str
    columns: int
    count: int                           # of pictures
    shown: tuple[int | None, ...]        # as Cells.shown
    across: tuple[str, ...]              # each column's label
    down: tuple[str, ...]                # each row's label

    @property
    def rows(self) -> int:
        return math.ceil(len(self.shown) / self.columns)


def table_plan(table: MixTable) -> Plan:
    """A corner that stays empty and A's sources across, then in each row a source of B and its mixtures."""
    if not table.across and not table.down:
        raise UserError("the mixing table has no sources.")
    columns, rows = 1 + len(table.across), 1 + len(table.down)
    across, down = (("", *map(source_name, side)) if table.labels else () for side in (table.across, table.down))
    return Plan("Mixing table", columns, columns * rows - 1, (None,) * (columns * rows), across, down)


def seeds_plan(grid: SeedGrid) -> Plan:
    if not grid.seeds:
        raise UserError("the grid of seeds has no seeds.")
    if grid.columns < 0:
        raise UserError(f"a grid of seeds cannot have {grid.columns} columns.")
    columns = min(grid.columns or math.ceil(math.sqrt(len(grid.seeds))), len(grid.seeds))
    rows = [grid.seeds[i:i + columns] for i in range(0, len(grid.seeds), columns)]
    labels = tuple(map(seeds_name, rows)) if grid.labels else ()
    return Plan("Grid of seeds", columns, len(grid.seeds), grid.seeds, (), labels)


def source_name(source: Source) -> str:
    return source.name or ("saved w" if source.w is not None else f"seed {source.seed}")


def seeds_name(seeds: tuple[int, ...]) -> str:
    """'seed 3', 'seeds 8 to 15', 'seeds 5, 9, 2'."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) > 2 and seeds == tuple(range(seeds[0], seeds[0] + len(seeds))):
        return f"seeds {seeds[0]} to {seeds[-1]}"
    return f"seeds {', '.join(map(str, seeds))}"


def compose(plan: Plan, size: tuple[int, int], pictures: Iterable[np.ndarray | None],
            ) -> dict:
    """Of RenderResult: the picture, its cells of `size` (height, width), notes.

    `pictures`: of each cell [height, width, 3] in reading order; None: it stays empty. Raises UserError, before any is
    asked for, if there would be more than MOST_PIXELS.
    """
    height, width = plan.rows * size[0], plan.columns * size[1]
    if height * width > MOST_PIXELS:
        raise UserError(f"the {plan.name.lower()} would have {width} x {height} pixels, {height * width / 1e6:.0f} "
                        f"megapixels, and at most {MOST_PIXELS / 1e6:.0f} are drawn: choose fewer pictures or a "
                        "smaller layer.")
    labels = Labels(plan.across, plan.down, size)
    picture = np.full((labels.top + height, labels.left + width, 3), BACKDROP, np.uint8)
    labels.draw(picture)
    for i, cell in enumerate(pictures):
        if cell is not None:
            y, x = labels.top + i // plan.columns * size[0], labels.left + i % plan.columns * size[1]
            picture[y:y + size[0], x:x + size[1]] = cell
    notes = ()
    if any(plan.across + plan.down) and not labels.fits:
        notes = (f"pictures of {size[1]} x {size[0]} pixels are too small for labels beside them.",)
    cells = Cells(plan.columns, size, (labels.top, labels.left), plan.shown)
    picture.flags.writeable = False
    return {"picture": picture, "cells": cells, "notes": notes}
