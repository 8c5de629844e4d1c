"""A first look at a data set, quick whatever its size: a few of its pictures, sizes, labels. No torch."""
from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from nets.errors import UserError
from renderer.datasets import Dataset, UnfitPicture
from renderer.images import thumbnail

SHOWN = 12                               # pictures
GLANCED = 400                            # whose sizes are looked at, spread over the set
SIDE = 96                                # pixels of a picture shown
SMALLEST = 8                             # side of pictures that networks can have


@dataclass(frozen=True, eq=False)
class Glimpse:
    """`sizes`: {(W, H): how many} of the pictures glanced at; `unreadable`: how many of them cannot be read."""
    path: str
    count: int
    channels: int
    sizes: dict[tuple[int, int], int]
    unreadable: int
    labels: str                          # '4 classes'; '' where there are none
    folders: int                         # that pictures lie in; they could be classes
    pictures: tuple[np.ndarray, ...]     # uint8 [h, w, 3]

    @property
    def trouble(self) -> str:
        """Why training could not use it as it is, as far as a glance tells; '' if it could."""
        if len(self.sizes) > 1:
            return f"its pictures have different sizes, such as {' and '.join(map(_written, list(self.sizes)[:2]))}"
        (width, height), = self.sizes
        longest = max(width, height)
        if longest < SMALLEST or longest & (longest - 1):
            return f"its pictures are {width}x{height}, and networks have 8, 16, 32, 64, .. pixels on the longer side"
        if self.unreadable:
            return "some of its pictures cannot be read"
        return ""

    @property
    def side(self) -> int:
        """The power of two that enlarges the median picture by a quarter at most."""
        sides = sorted(side for size, count in self.sizes.items() for side in [min(size)] * count)
        return max(1 << (sides[len(sides) // 2] * 5 // 4).bit_length() - 1, SMALLEST)

    def __str__(self) -> str:
        """'7,000 pictures, 64x64 RGB, 4 classes'."""
        kind = {1: "grey", 3: "RGB"}[self.channels]
        size = f"{_written(next(iter(self.sizes)))} " if len(self.sizes) == 1 else "several sizes, "
        folders = f" in {self.folders} folders" if self.folders > 1 and not self.labels else ""
        return f"{self.count:,} picture{'s' * (self.count != 1)}{folders}, {size}{kind}, {self.labels or 'no labels'}"


def glimpse(path: str | os.PathLike) -> Glimpse:
    """Of a folder or zip of pictures. Raises UserError, naming the place."""
    pictures = Dataset(path)
    sizes, unreadable = Counter(), 0
    for index in _spread(len(pictures), GLANCED):
        try:
            height, width, _ = pictures.glance(index)
            sizes[width, height] += 1
        except UnfitPicture:
            unreadable += 1
    if not sizes:
        raise UserError(f"{path}: none of the pictures that were tried can be read")
    folders = {PurePosixPath(name).parts[0] for name in pictures.names if "/" in name}
    return Glimpse(str(path), len(pictures), pictures.channels, dict(sizes.most_common()), unreadable,
                   _labels(pictures), len(folders), _shown(pictures))


def free_name(source: str | os.PathLike, end: str) -> Path:
    """Beside `source`, 'NAME`end`.zip', that is not there yet."""
    path = Path(source)
    stem = path.name if path.is_dir() else path.name.partition(".")[0]
    names = (f"{stem}{end}{'' if number == 1 else f'-{number}'}.zip" for number in range(1, 10000))
    return next(place for name in names if not (place := path.parent / name).exists())


def _spread(count: int, most: int) -> list[int]:
    return sorted({round(i * (count - 1) / max(min(count, most) - 1, 1)) for i in range(min(count, most))})


def _shown(pictures: Dataset) -> tuple[np.ndarray, ...]:
    found = []
    for index in _spread(len(pictures), SHOWN):
        try:
            found.append(thumbnail(_rgb(pictures.read_any(index)), SIDE))
        except UnfitPicture:
            continue
    return tuple(found)


def _rgb(picture: np.ndarray) -> np.ndarray:
    return picture.repeat(3, 2) if picture.shape[2] == 1 else picture


def _labels(pictures: Dataset) -> str:
    """Of dataset.json; what is wrong with it, training says."""
    try:
        listed = json.loads(pictures.read_bytes("dataset.json") or b"{}").get("labels")
        values = [value for _, value in listed or ()]
    except (UserError, ValueError, TypeError, AttributeError, RecursionError):
        return "labels that cannot be read"
    if not values:
        return ""
    if all(type(value) is int for value in values):
        count = max(values) + 1
        return f"{count} class{'es' * (count != 1)}"
    return f"labels of {len(values[0])} numbers" if isinstance(values[0], list) else "labels that cannot be read"


def _written(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
