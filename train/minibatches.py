"""The real pictures of a run in their order, read ahead by worker processes, in minibatches of the schedule."""
from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from renderer.datasets import UnfitPicture
from train.data import Shuffle, TrainingSet

MOST_UNFIT = 100                         # pictures in a row that cannot be read: it is not the pictures then


class Minibatch(NamedTuple):
    """One process's share of a minibatch."""
    pictures: Tensor                     # uint8 [N, C, H, W]
    labels: Tensor                       # float32 [N, label width]
    unfit: list[str]                     # one line for each picture that could not be read and gave way to the next


def minibatches(pictures: TrainingSet, seed: int, images: int, batch_at: Callable[[int], int], rank: int = 0,
                ranks: int = 1, workers: int = 0, pin: bool = False) -> Iterator[Minibatch]:
    """The minibatches of a run from `images` shown on, without end; of each, every `ranks`-th picture from `rank`.

    `batch_at`: images shown -> size of the whole next minibatch. `pin`: in memory from which a GPU copies faster. What
    comes depends on the first four arguments alone. Raises UnfitPicture when nothing can be read any more.
    """
    order = Shuffle(len(pictures), seed, images, rank, ranks)
    loader = DataLoader(_Readable(pictures), batch_sampler=_Batches(order, images, batch_at, ranks),
                        num_workers=workers, collate_fn=_collated, pin_memory=pin, worker_init_fn=_leave_signals,
                        generator=torch.Generator().manual_seed(seed), prefetch_factor=2 if workers else None)
    return iter(loader)


class _Batches(Sampler):
    """Indices dealt to this process, in lists: one for each minibatch."""

    def __init__(self, order: Shuffle, images: int, batch_at: Callable[[int], int], ranks: int):
        self._order, self._images, self._batch_at, self._ranks = order, images, batch_at, ranks

    def __iter__(self) -> Iterator[list[int]]:
        order, images = iter(self._order), self._images
        while True:
            batch = self._batch_at(images)
            yield [next(order) for _ in range(batch // self._ranks)]
            images += batch


class _Readable(Dataset):
    """The pictures; one that cannot be read gives way to the next one that can, with a word on it."""

    def __init__(self, pictures: TrainingSet):
        self._pictures = pictures

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, list[str]]:
        unfit = []
        while True:
            try:
                return *self._pictures[(index + len(unfit)) % len(self._pictures)], unfit
            except UnfitPicture as error:
                unfit.append(str(error))
                if len(unfit) == min(MOST_UNFIT, len(self._pictures)):
                    raise


def _collated(samples: list[tuple[Tensor, Tensor, list[str]]]) -> Minibatch:
    pictures, labels, unfit = zip(*samples)
    return Minibatch(torch.stack(pictures), torch.stack(labels), sum(unfit, []))


def _leave_signals(worker: int) -> None:
    """Ctrl+C and SIGTERM reach a whole group of processes; the main one finishes its step and needs its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
