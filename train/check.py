"""The look at a data set and the disk before the first step: what would end a run hours later ends it now, in one line.
"""
from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from nets.errors import UserError, one_line
from renderer.datasets import UnfitPicture
from train.config import TrainConfig
from train.data import TrainingSet
from train.memory import in_words
from train.presets import Data
from train.settings import RunOptions
from train.summary import count_parameters

THREADS = 16                             # that wait for the disk, most of the time
BAR_FROM = 2000                          # pictures


class Summary(NamedTuple):
    """What a run trains on. As JSON: `_asdict()`."""
    path: str
    images: int                          # used; each once, without flips
    size: tuple[int, int]                # (H, W)
    channels: int
    c_dim: int

    @property
    def data(self) -> Data:
        return Data(self.size, self.channels, self.c_dim)

    def __str__(self) -> str:
        kind = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGB and alpha"}[self.channels]
        labels = f", labels of width {self.c_dim}" if self.c_dim else ""
        return f"{self.path}: {self.images:,} pictures of {self.size[1]}x{self.size[0]}, {kind}{labels}"


def check_set(options: RunOptions, seed: int = 0, show: bool = True) -> Summary:
    """Opens every picture that would be used, and the labels with `options.cond`; pixels of damaged-looking ones alone.

    `show`: a bar on standard error, if that is a terminal. Raises UserError with the number of pictures that are unfit,
    the first of them, and what to do.
    """
    pictures = TrainingSet(options.data, options.cond, False, options.max_images, seed, options.channels)
    channels, height, width = pictures.shape
    unfit = [line for line in _looked_at(pictures, show) if line]
    if unfit:
        raise UserError(one_line(f"{len(unfit):,} of {len(pictures):,} pictures cannot be trained with, the first: "
                                 f"{unfit[0]}; make a set of the good ones: python -m train data {options.data} "
                                 f"-o NEW.zip --resolution {width}x{height}"))
    return Summary(options.data, len(pictures), (height, width), channels, pictures.label_width)


def _looked_at(pictures: TrainingSet, show: bool) -> Iterator[str | None]:
    def look(index: int) -> str | None:
        try:
            pictures.glance(index)
        except UnfitPicture as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as pool, _bar(len(pictures), show) as progress:
        for line in pool.map(look, range(len(pictures)), chunksize=64):
            progress()
            yield line


@contextmanager
def _bar(total: int, show: bool):
    import sys
    if not (show and total >= BAR_FROM and sys.stderr and sys.stderr.isatty()):
        yield lambda: None
        return
    from tqdm import tqdm
    with tqdm(total=total, desc="looking at the data set", unit=" pictures", leave=False, dynamic_ncols=True) as bar:
        yield lambda: bar.update() and None


def check_enough(summary: Summary, config: TrainConfig) -> None:
    """Raises UserError where a minibatch would show a picture twice."""
    shown = summary.images * (1 + config.mirror)
    if shown < config.batch:
        raise UserError(f"{summary.path}: {shown} pictures are fewer than a minibatch of {config.batch}; choose a "
                        "smaller --batch, add --mirror, or more pictures")


def check_unchanged(summary: Summary, before: dict) -> None:
    """Raises UserError where the set is not the one that a run began with; its order would be another."""
    for what in "images", "size", "channels", "c_dim":
        then, now = before.get(what), getattr(summary, what)
        if then is not None and (tuple(then) if isinstance(then, list) else then) != now:
            raise UserError(one_line(f"{summary.path}: is not the set this run began with: {what} {now}, then {then}; "
                                     "name that set with --data, or start a new run from its snapshot"))


# -- the disk ---------------------------------------------------------------------------------------------------------

def check_place(folder: str | os.PathLike) -> None:
    """Raises UserError unless `folder` can be written to, or made."""
    place = _existing(Path(folder))
    if not place.is_dir():
        raise UserError(f"{place}: is a file; choose a folder with --outdir")
    if not os.access(place, os.W_OK | os.X_OK):
        raise UserError(f"{place}: cannot be written to; choose another --outdir")


def check_disk(folder: str | os.PathLike, config: TrainConfig, states: int = 2) -> None:
    """Room for a snapshot, the training states kept and the next, while it is written. Raises UserError."""
    G, D = count_parameters(config.generator), count_parameters(config.discriminator)
    networks = 4 * (2 * G + D)
    needed = networks + (states + 1) * (networks + 8 * (G + D))          # in a state, Adam's two moments besides
    place = _existing(Path(folder))
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(f"{place}: {in_words(free)} are free, a snapshot and {states + 1} training states take "
                        f"{in_words(needed)}; make room, or choose another --outdir")


def _existing(path: Path) -> Path:
    return next((place for place in (path, *path.parents) if place.exists()), Path(path.anchor or "."))


def check_channels(channels: int | None) -> None:
    if channels is not None and channels not in (1, 2, 3, 4):
        raise UserError(f"--channels {channels}: choose 1, 2, 3 or 4")
