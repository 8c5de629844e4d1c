"""A run's statistics over time, read as they grow, smoothed, and thinned out to what a screen can show. No torch."""
from __future__ import annotations

import json
import math
import os
from array import array
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from renderer.runs import kinds, number

FILE = "stats.jsonl"


@dataclass(frozen=True, eq=False)
class Statistics:
    """Columns of equal length, float64, read-only; NaN: not known in this tick. `kimg` rises."""
    kimg: np.ndarray = field(default_factory=lambda: np.empty(0))
    columns: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kimg)

    def known(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """kimg and values where there are any."""
        values = self.columns.get(name)
        if values is None:
            return np.empty(0), np.empty(0)
        there = ~np.isnan(values)
        return self.kimg[there], values[there]

    def says_something(self, name: str) -> bool:
        """Whether a value is there that is not zero."""
        values = self.columns.get(name)
        return values is not None and bool(np.any(np.nan_to_num(values) != 0))


class StatisticsFile:
    """A run's stats.jsonl, read on from where it was read last; anew where it is another file or has become shorter."""

    def __init__(self, folder: str | Path):
        self._path = Path(folder) / FILE
        self._forget()

    def _forget(self) -> None:
        self._file, self._read, self._rows = None, 0, 0
        self._columns: dict[str, array] = {}
        self._newest = Statistics()

    def read(self) -> Statistics:
        """The same object as before where nothing is new. Raises nothing: what can't be read is passed over."""
        try:
            with open(self._path, "rb") as file:
                content = self._news(file)
        except OSError:
            self._forget()
            return self._newest
        lines, newline, _ = content.rpartition(b"\n")
        self._read += len(lines) + len(newline)
        if self._take(lines.split(b"\n")):
            self._newest = self._frozen()
        return self._newest

    def _news(self, file) -> bytes:
        status = os.fstat(file.fileno())
        if status.st_ino != self._file or status.st_size < self._read:
            self._forget()
            self._file = status.st_ino
        file.seek(self._read)
        return file.read()

    def _take(self, lines: list[bytes]) -> bool:
        """Adds what the lines hold; whether that is anything."""
        before = self._rows
        for line in lines:
            with suppress(ValueError, RecursionError):
                values = json.loads(line)
                if isinstance(values, dict) and number(values, "kimg") is not None:
                    self._add({name: values[name] for name in kinds(values)})
        return self._rows > before

    def _add(self, values: dict[str, float]) -> None:
        for name in values.keys() - self._columns.keys():
            self._columns[name] = array("d", [math.nan]) * self._rows
        for name, column in self._columns.items():
            column.append(values.get(name, math.nan))
        self._rows += 1

    def _frozen(self) -> Statistics:
        columns = {name: np.array(column) for name, column in self._columns.items()}
        order = np.argsort(columns["kimg"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        return Statistics(columns.pop("kimg"), columns)


# -- pure -------------------------------------------------------------------------------------------------------------

def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """Each value's mean with those before it, `weight` (0 <= weight < 1) as much for every step back.

    sum_k weight^k y[t - k] / sum_k weight^k. Sums over 2, 4, 8, .. steps back are each made of two of the half length:
    sums of products of the same sign, so that one outlier takes no digits from what comes after it is forgotten.
    """
    if not weight or len(y) < 2:
        return y
    sums, counts, step = y.astype(float), np.ones(len(y)), 1
    while step < len(y) and weight ** step > 1e-12:      # below, nothing changes in what is drawn
        for values in (sums, counts):
            values[step:] = values[step:] + weight ** step * values[:-step]
        step *= 2
    return sums / counts


def thinned(x: np.ndarray, y: np.ndarray, low: float, high: float, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """The points with `low` <= x <= `high`, and one more at each end; of many only the least and the largest y in each
    of `parts` equal runs of points, in their order, so that no peak is lost. x rises, and nothing is NaN.
    """
    begin, end = max(int(np.searchsorted(x, low)) - 1, 0), int(np.searchsorted(x, high, "right")) + 1
    x, y = x[begin:end], y[begin:end]
    if len(x) <= 2 * parts:
        return x, y
    length = -(-len(x) // parts)
    padded = np.pad(y, (0, -len(y) % length), mode="edge").reshape(-1, length)
    starts = np.arange(len(padded)) * length
    ends = np.stack([padded.argmin(1), padded.argmax(1)], 1)
    places = np.minimum(np.sort(ends, 1) + starts[:, None], len(x) - 1).ravel()
    places = np.unique(np.concatenate([[0], places, [len(x) - 1]]))
    return x[places], y[places]
