"""The data set that generated images are measured against: its pictures, its labels, and statistics of it, kept."""
from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from nets.errors import UserError
from renderer.datasets import UnfitPicture
from train.data import TrainingSet
from train.metrics.features import Progress, silent
from train.metrics.kept import cache_folder, content_of, kept, key_of

BATCH = 32                               # pictures read at a time; what is drawn from them depends on it


class Reals:
    """All pictures of a set, x-flips off. `labelled`: with their labels. Raises UserError, naming the set.

    `channels` converts, as in TrainingSet; `workers`: processes that read; `cache`: where statistics are kept.
    """

    def __init__(self, path: str | os.PathLike, labelled: bool = False, channels: int | None = None, workers: int = 0,
                 cache: Path | None = None):
        self.path = path
        self.set = TrainingSet(path, conditional=labelled, channels=channels)
        self._workers, self._cache = workers, cache or cache_folder()
        self.unfit = 0                   # pictures that could not be read, as far as they were asked for
        self._content = ""
        self._held: dict[str, dict[str, Tensor]] = {}    # what the cache could not take

    def __len__(self) -> int:
        return len(self.set)

    def label(self, random: np.random.Generator) -> Tensor:
        """float32 [label width], that of a picture drawn from the set."""
        drawn = torch.Generator().manual_seed(int(random.integers(2 ** 63)))
        return self.set.random_labels(1, drawn)[0]

    def statistics(self, add: Callable[[Tensor], None], made: Callable[[], dict[str, Tensor]], limit: int | None,
                   progress: Progress = silent, **parts: str | int) -> dict[str, Tensor]:
        """`made()` once `add` was given all pictures, or `limit` drawn from them, as uint8 [n, C, H, W]; or what was
        kept of that under `parts`: the metric, its detector, its settings.

        Its "unfit" is the number of pictures that cannot be read. Raises UserError if none can.
        """
        key = key_of(data=self._digest(progress), channels=self.set.shape[0], limit=limit, **parts)

        def compute() -> dict[str, Tensor]:
            unfit, wanted = 0, min(limit or len(self), len(self))
            for pictures, missed, done in self._batches(wanted):
                unfit += missed
                if len(pictures):
                    add(pictures)
                progress(done / wanted)
            return made() | {"unfit": torch.tensor(unfit)}
        found = self._held.get(key) or kept(key, compute, self._cache)
        if not (self._cache / f"{key}.safetensors").is_file():
            self._held[key] = found
        self.unfit = max(self.unfit, int(found["unfit"]))
        return found

    def _digest(self, progress: Progress) -> str:
        """Of the whole set; it is read for that once in a run."""
        self._content = self._content or content_of(self.path, progress)
        return self._content

    def _batches(self, wanted: int) -> Iterator[tuple[Tensor, int, int]]:
        """(pictures [n, C, H, W], how many could not be read, how many there are up to here)."""
        order = np.random.default_rng(0).permutation(len(self)) if wanted < len(self) else np.arange(len(self))
        loader = DataLoader(_Readable(self.set), batch_size=BATCH, sampler=order.tolist(), collate_fn=list,
                            num_workers=self._workers, worker_init_fn=_leave_signals,
                            generator=torch.Generator())         # else the global one moves
        done = 0
        for found in loader:
            good = [picture for picture in found if isinstance(picture, Tensor)][:wanted - done]
            done += len(good)
            yield torch.stack(good) if good else torch.empty(0), sum(isinstance(one, str) for one in found), done
            if done == wanted:
                return
        if not done:
            raise UserError(f"{self.path}: none of its {len(self)} pictures can be read")


def _leave_signals(worker: int) -> None:
    """Ctrl+C and SIGTERM reach a whole group of processes; the main one alone decides what they mean."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class _Readable(Dataset):
    """Pictures, or the line that says why one cannot be read."""

    def __init__(self, pictures: TrainingSet):
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, index: int) -> Tensor | str:
        try:
            return self._pictures[index][0]
        except UnfitPicture as error:
            return str(error)
