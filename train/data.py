"""Data sets as training reads them: pictures with labels, flipped ones among them, in an endless shuffled order."""
from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.datasets import Dataset, UnfitPicture
from train.labels import no_labels, read_labels


class TrainingSet(torch.utils.data.Dataset):
    """The pictures of a folder or zip, each with its label; what a `torch.utils.data.DataLoader` takes, workers too.

    `conditional`: labels are read from dataset.json, else rows are of width 0. `max_size`: so many pictures at most,
    chosen by `seed`. `mirror`: the pictures come again, flipped left to right, behind all of them. `channels` (1 to 4)
    converts all; else they are those of the first picture. Spec: training.md "Data sets". Raises UserError.
    """

    def __init__(self, path: str | os.PathLike, conditional: bool = False, mirror: bool = False,
                 max_size: int | None = None, seed: int = 0, channels: int | None = None):
        self._pictures = Dataset(path, channels)
        self._labels = read_labels(self._pictures) if conditional else no_labels(len(self._pictures))
        self._kept = _choose(len(self._pictures), max_size, seed)
        self._mirror = mirror
        self.shape = self._pictures.channels, *self._pictures.size       # (C, H, W) of every picture
        self.label_width = self._labels.width

    def __len__(self) -> int:
        return len(self._kept) * (1 + self._mirror)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """(uint8 [C, H, W], float32 [label_width]). Raises UnfitPicture, one line that names the picture."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        again, place = divmod(index, len(self._kept))
        kept = int(self._kept[place])
        picture = self._picture(kept)
        picture = picture[:, ::-1] if again else picture
        return torch.from_numpy(picture.transpose(2, 0, 1).copy()), self._labels.rows(kept)

    def random_labels(self, count: int, generator: torch.Generator) -> Tensor:
        """float32 [count, label_width]: of pictures drawn at random, on the CPU, so classes are as frequent as here."""
        drawn = torch.randint(len(self._kept), (count,), generator=generator)
        return self._labels.rows(torch.from_numpy(self._kept)[drawn])

    def labels_of(self, indices: np.ndarray) -> Tensor:
        """float32 [count, label_width] of these numbers of pictures, none of which is read."""
        return self._labels.rows(torch.from_numpy(self._kept[indices % len(self._kept)]))

    def check(self) -> Iterator[str | None]:
        """Reads every picture: None for one that can be trained with, or else the line that says why it cannot."""
        for kept in self._kept:
            try:
                self._picture(int(kept))
                yield None
            except UnfitPicture as error:
                yield str(error)

    def glance(self, index: int) -> None:
        """Raises UnfitPicture if the header of a picture, below the number without flips, says it cannot be used."""
        number = int(self._kept[index])
        *size, channels = self._pictures.glance(number)
        self._check_channels(number, channels)
        if tuple(size) != self._pictures.size:
            self._pictures.read(number)              # which says it in words

    def _picture(self, number: int) -> np.ndarray:
        picture = self._pictures.read(number)
        self._check_channels(number, picture.shape[2])
        return np.repeat(picture, self.shape[0] // picture.shape[2], axis=2)     # grey among RGB: three times the same

    def _check_channels(self, number: int, channels: int) -> None:
        if channels > self.shape[0]:
            raise UnfitPicture(f"{self._pictures.path}: {self._pictures.names[number]} is coloured, the first picture "
                               "is grey; make them alike, or set the number of channels")


class Shuffle(torch.utils.data.Sampler):
    """Indices below `size` without end, each once a round, in an order that changes from round to round.

    An index moves by up to `window` (a share of the set, at most 0.5) from one round to the next, give or take chance
    of the square root of the set: it comes back after (1 - window) to (1 + window) rounds, so never at once.
    `start`: where to go on, in indices given out since the very beginning, by all processes together; of them `rank`
    takes every `ranks`-th. The order follows from `seed` and place alone: a run that goes on at the number of images
    it had been shown sees those that it would have seen.
    """

    def __init__(self, size: int, seed: int, start: int = 0, rank: int = 0, ranks: int = 1, window: float = 0.5):
        self._size, self._seed, self._window = size, seed, window
        self._start, self._stride = start + rank, ranks

    def __iter__(self) -> Iterator[int]:
        place, end = self._start, 0
        for order in self._rounds():
            end += self._size
            while place < end:
                yield int(order[place - end])
                place += self._stride

    def _rounds(self) -> Iterator[np.ndarray]:
        """One order after the other: sorted by place plus a delay, which moves by the delay less its mean."""
        random = np.random.default_rng(self._seed)
        order = random.permutation(self._size)
        while True:
            yield order
            delayed = np.arange(self._size) + random.random(self._size) * 2 * self._window * self._size
            order = order[np.argsort(delayed, kind="stable")]


def to_images(pictures: Tensor) -> Tensor:
    """uint8 of any shape -> float32 in [-1, 1]: x / 127.5 - 1."""
    return pictures.float() / 127.5 - 1


def _choose(count: int, max_size: int | None, seed: int) -> np.ndarray:
    """int64, ascending: `max_size` of `count` numbers, or all where it is None or there are no more."""
    if max_size is not None and max_size < 1:
        raise UserError(f"a data set of {max_size} pictures cannot be trained with; the largest size must be 1 or more")
    return np.sort(np.random.default_rng(seed).permutation(count)[:max_size])
