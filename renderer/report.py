"""What an inspection found, as figures that any face can draw or write: pictures, plots, tables, facts. No torch."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Scale:
    """What the colours of a picture mean: a colour bar beside it."""
    colormap: str                        # of renderer.colormaps
    low: float                           # value of its first colour
    high: float                          # value of its last
    label: str                           # 'Energy of a pixel'
    unit: str = ""                       # 'dB', '%', 'x median'


@dataclass(frozen=True, eq=False)
class Picture:
    name: str                            # of the file it is saved in: 'energy_b64.conv0.act'
    title: str                           # one line
    pixels: np.ndarray                   # uint8 [H, W, 3], read-only
    scale: Scale | None = None
    tip: str = ""                        # its definition, in a sentence or two, with the paper's section
    tap: str | None = None               # the layer that a click leads to
    group: str = ""                      # pictures of one group stand side by side, the same size
    spot: tuple[float, float] | None = None      # (y, x) to mark, in shares of the height and the width


@dataclass(frozen=True)
class Axis:
    label: str                           # 'Frequency'
    unit: str = ""                       # 'cycles per image'
    logarithmic: bool = False
    low: float | None = None             # None: as the curves need
    high: float | None = None
    ticks: tuple[str, ...] = ()          # names of x = 0, 1, 2, ..: layers


@dataclass(frozen=True, eq=False)
class Curve:
    name: str                            # in the legend
    x: np.ndarray                        # float [n]
    y: np.ndarray                        # float [n]; NaN: no value here
    low: np.ndarray | None = None        # float [n]: 95 % confidence interval
    high: np.ndarray | None = None
    dots: bool = False                   # values of things apart, as of layers: marked one by one


@dataclass(frozen=True, eq=False)
class Plot:
    name: str                            # of the file its numbers are saved in
    title: str
    x: Axis
    y: Axis
    curves: tuple[Curve, ...]
    marks: tuple[tuple[float, str], ...] = ()        # vertical lines: (x, name)
    levels: tuple[tuple[float, str], ...] = ()       # horizontal ones: (y, name)
    tip: str = ""


@dataclass(frozen=True)
class Table:
    name: str
    title: str
    columns: tuple[str, ...]             # 'Peak ratio', 'Share (%)': units in brackets
    rows: tuple[tuple[str | float | None, ...], ...]
    taps: tuple[str | None, ...] = ()    # for each row: the layer that a click leads to
    flagged: tuple[bool, ...] = ()       # for each row: whether it stands out
    tips: tuple[str, ...] = ()           # for each column: its definition
    tip: str = ""


@dataclass(frozen=True)
class Fact:
    """One number with its name: 'EQ-T 63.2 dB, 62.8 .. 63.7'."""
    name: str                            # 'eq_t'
    label: str                           # 'EQ-T'
    value: float | str
    unit: str = ""
    low: float | None = None             # 95 % confidence interval
    high: float | None = None
    tip: str = ""


Figure = Picture | Plot | Table | Fact


@dataclass(frozen=True, eq=False)
class Report:
    """Figures in the order to show them in; names are unique within a report."""
    kind: str                            # of renderer.inspection.KINDS
    figures: tuple[Figure, ...]
    done: int                            # samples taken in so far
    total: int                           # that were asked for
    remarks: tuple[str, ...] = ()        # one sentence each: the conclusion first, then what to know
    refusal: str = ""                    # why there is nothing to look into here, in one sentence

    @property
    def complete(self) -> bool:
        return self.done >= self.total
