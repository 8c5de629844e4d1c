"""How a run is carried out, beside what is trained (config.py): where, on what data, how often it reports. No torch."""
from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Literal

from nets.errors import UserError, one_line

Device = Literal["auto", "cpu", "cuda"]
Backend = Literal["auto", "reference", "cpu", "cuda"]
Precision = Literal["auto", "fp32", "fp16", "bf16"]


@dataclass(frozen=True)
class RunOptions:
    """Plain values, so that `dataclasses.asdict` is nearly JSON. Raises UserError on numbers no run could have."""
    outdir: str                          # the folder of run folders
    data: str                            # folder or zip of pictures
    cfg: str                             # key of presets.PRESETS
    desc: str = ""                       # ends the run folder's name
    cond: bool = False                   # with the labels of the set
    max_images: int | None = None        # so many pictures of the set at most, chosen by the seed
    channels: int | None = None          # 1 to 4: all pictures are converted; None: as the first one
    resume_from: str | None = None       # the checkpoint the weights were copied from
    metrics: tuple[str, ...] = ("swd",)
    metric_images: int | None = None     # generated pictures a metric; None: its own number
    tick: float = 4.0                    # kimg
    snap: int = 10                       # ticks between snapshots; 0: only at the end
    workers: int = 2                     # processes that read pictures, for each process that trains
    device: Device = "auto"
    backend: Backend = "auto"
    precision: Precision = "auto"
    grid: tuple[int, int] | None = None  # (columns, rows) of sample grids; None: as many as fill 8K
    detectors: str | None = None         # folder of detector files
    keep: int = 2                        # training states kept

    def __post_init__(self):
        for name, least in ("snap", 0), ("workers", 0), ("keep", 1), ("max_images", 1), ("metric_images", 1):
            if (value := getattr(self, name)) is not None and value < least:
                raise UserError(f"{name} is {value}; it must be at least {least}.")
        if not 0 < self.tick < float("inf"):
            raise UserError(f"a tick of {self.tick:g} kimg has no length; choose a positive number.")
        if self.grid is not None and min(self.grid) < 1:
            raise UserError("a sample grid needs at least one column and one row.")
        for name in "device", "backend", "precision":
            known = typing.get_args(typing.get_type_hints(RunOptions)[name])
            if (value := getattr(self, name)) not in known:
                raise UserError(one_line(f"there is no {name} '{value}'; choose one of {', '.join(known)}."))


def to_json(options: RunOptions) -> dict:
    """`options` as JSON values."""
    return dataclasses.asdict(options)


def from_json(values: dict) -> RunOptions:
    """The options that `to_json`, and JSON on the way, made `values` of. Raises UserError on anything else."""
    try:
        return RunOptions(**{name: tuple(value) if isinstance(value, list) else value
                             for name, value in values.items()})
    except (TypeError, AttributeError) as error:
        raise UserError(one_line(f"these are not the options of a run ({error})")) from error
