"""Style-mixing view: what coarse, middle and fine rows of w carry from one picture to another (StyleGAN fig. 3)."""
from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from torch import Tensor

from nets.errors import UserError
from renderer import words
from renderer.inspection import Mixing
from renderer.inspections.pictures import LEVELS, picture
from renderer.inspections.stepwise import Stepwise
from renderer.latents import mixed
from renderer.many import compose, table_plan
from renderer.report import Picture, Report, Table
from renderer.rows import range_rows
from renderer.subject import Subject
from renderer.types import MixTable, ModelInfo, sources

CARRIES = {                              # StyleGAN sec. 3.1, fig. 3, of networks trained on faces
    "coarse": "4 x 4 and 8 x 8: pose, face shape, glasses",
    "middle": "16 x 16 and 32 x 32: features of the face, hair style",
    "fine": "64 x 64 and up: colours and fine structure",
    "chosen": "",
}
TIP = ("Sources A across, B down; each cell is the picture of its B with these rows of w taken from its A "
       "(StyleGAN sec. 3.1, fig. 3)")
COLUMNS = {
    f"From A ({LEVELS})": "RMS difference of a mixture from its A's picture, in levels from 0 to 255; mean over cells",
    f"From B ({LEVELS})": "The same from its B's picture",
    "Change (%)": "Mean distance of the mixtures from B over the mean distance of A from B: at 0 the rows do nothing",
}
Cell = tuple[str, int | None, int | None]        # range, index of A, index of B; None: without one, a source itself


class Estimate(Stepwise):
    """Draws the sources, then one mixture after the other."""

    def __init__(self, inspection: Mixing, subject: Subject):
        self._subject, self._inspection = subject, inspection
        self._ranges = _ranges(inspection, subject.info)
        if not inspection.sources_a or not inspection.sources_b:
            raise UserError("a mixing table needs sources_a and sources_b: a seed or more in each.")
        a, b = range(len(inspection.sources_a)), range(len(inspection.sources_b))
        todo: list[Cell] = [*(("", i, None) for i in a), *(("", None, j) for j in b),
                            *((name, i, j) for name in self._ranges for j in b for i in a)]
        self._cells: dict[Cell, np.ndarray] = {}
        self._distances: dict[str, list[tuple[float, float, float]]] = {name: [] for name in self._ranges}
        self._tables: dict[str, tuple[int, Picture]] = {}        # drawn last, with how many cells there were then
        self._table(next(iter(self._ranges)))                    # refuses what is too large, before any work
        super().__init__([partial(self._draw, cell) for cell in todo])

    def _draw(self, cell: Cell) -> None:
        (name, a, b), shown = cell, picture(self._subject.look(self._ws(*cell))["image"])
        if name:
            of_a, of_b = self._cells["", a, None], self._cells["", None, b]
            self._distances[name].append((_distance(shown, of_a), _distance(shown, of_b), _distance(of_a, of_b)))
        self._cells[cell] = shown

    def _ws(self, name: str, a: int | None, b: int | None) -> Tensor:
        of_a, of_b = (None if i is None else self._subject.ws_of(seeds[i]) for i, seeds in (
            (a, self._inspection.sources_a), (b, self._inspection.sources_b)))
        if of_a is None or of_b is None:
            return of_b if of_a is None else of_a
        return mixed(of_b, of_a, self._ranges[name])

    # -- report -------------------------------------------------------------------------------------------------------

    def made(self) -> Report:
        begun = [name for name in self._ranges if any(cell[0] == name for cell in self._cells)]
        tables = [self._table(name) for name in begun or list(self._ranges)[:1]]
        changes = {name: changes for name in begun if (changes := self._changes(name))}
        rows = tuple((name, words.listed(self._ranges[name]), *values) for name, values in changes.items())
        table = Table("changes", "What the rows of A change", ("Range", "Rows", *COLUMNS), rows,
                      tips=("", "Of w, taken from A", *COLUMNS.values()))
        return Report(Mixing.kind, (*tables, table), self.done, self.total, _remarks(changes))

    def _table(self, name: str) -> Picture:
        """Drawn anew only where a cell has come."""
        cells = list(self._in_order(name))
        known = sum(cell in self._cells for cell in cells)
        if self._tables.get(name, (-1, None))[0] != known:
            given = self._inspection
            plan = table_plan(MixTable(sources(*given.sources_a), sources(*given.sources_b), self._ranges[name]))
            size = self._subject.info.resolution
            shown = compose(plan, size, (None if cell is None else self._cells.get(cell) for cell in cells))["picture"]
            rows, carries = words.listed(self._ranges[name]), CARRIES[name]
            self._tables[name] = known, Picture(f"mixing_{name}", f"{name.capitalize()} rows ({rows}) from A", shown,
                                                tip=f"{TIP}. {carries}".rstrip(". "))
        return self._tables[name][1]

    def _in_order(self, name: str) -> Iterator[Cell | None]:
        """A table's cells in reading order: an empty corner and A's sources, then each B and its mixtures."""
        yield None
        a = range(len(self._inspection.sources_a))
        yield from (("", i, None) for i in a)
        for j in range(len(self._inspection.sources_b)):
            yield "", None, j
            yield from ((name, i, j) for i in a)

    def _changes(self, name: str) -> tuple[float, ...] | None:
        """COLUMNS of the mixtures there are so far; None: there are none."""
        if not self._distances[name]:
            return None
        from_a, from_b, apart = np.mean(self._distances[name], axis=0).tolist()
        return from_a, from_b, 100 * from_b / apart if apart else math.nan


def _ranges(inspection: Mixing, info: ModelInfo) -> dict[str, tuple[int, ...]]:
    """The rows of each table by its range's name."""
    if inspection.rows:
        foreign = [row for row in inspection.rows if not 0 <= row < info.num_ws]
        if foreign:
            raise UserError(f"w has rows 0 to {info.num_ws - 1} in this network, and no row {foreign[0]}.")
        return {"chosen": tuple(sorted(set(inspection.rows)))}
    there = {name: rows for name in ("coarse", "middle", "fine") if (rows := range_rows(name.capitalize(), info))}
    if inspection.part == "each":
        return there
    if inspection.part not in there:
        raise UserError(f"this network has no {inspection.part} rows of w; it has {', '.join(there)}.")
    return {inspection.part: there[inspection.part]}


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    """RMS difference of two pictures uint8 [H, W, 3]."""
    return float(np.sqrt(np.square(np.subtract(a, b, dtype=np.float32)).mean(dtype=np.float64)))


def _remarks(changes: dict[str, tuple[float, ...]]) -> tuple[str, ...]:
    if not changes:
        return ()
    told = ", ".join(f"{name} rows {change:.0f} %" for name, (*_, change) in changes.items())
    return (f"What the rows of A change, as a share of the difference between A and B: {told}.",)
