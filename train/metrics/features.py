"""Features of many images, taken in batch by batch: all of them, or their mean and covariance alone."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from nets.errors import UserError

Progress = Callable[[float], None]       # told the share that is done, 0..1; may raise to give up


def silent(share: float) -> None:
    """The progress that nobody watches."""


class Collected:
    """The first `limit` rows of what is added, kept on the CPU as `dtype`."""

    def __init__(self, limit: int, dtype: torch.dtype = torch.float32):
        self.limit, self.dtype, self.count = limit, dtype, 0
        self._parts: list[Tensor] = []

    def add(self, rows: Tensor) -> None:
        """Takes in rows [N, ...], as many as there is room for."""
        part = rows[:self.limit - self.count].detach()
        if len(part):
            self._parts.append(part.to("cpu", self.dtype, copy=True))
            self.count += len(part)

    @property
    def full(self) -> bool:
        return self.count == self.limit

    def rows(self) -> Tensor:
        """Everything kept, in order: [count, ...]. Raises UserError if that is nothing."""
        if not self._parts:
            raise UserError("no image was measured: the data set is empty")
        if len(self._parts) > 1:         # joined once, so that the parts' memory goes
            self._parts = [torch.cat(self._parts)]
        return self._parts[0]


class Gaussian:
    """Mean and covariance of features [F], in float64, without keeping them.

    Batches are joined by the update of Chan, Golub and LeVeque 1979, which has no cancellation where the mean is
    large against the deviation.
    """

    def __init__(self):
        self.count = 0
        self.mean: Tensor | None = None          # float64 [F]
        self._scatter: Tensor | None = None      # float64 [F, F]: sum of (x - mean)(x - mean)^T

    def add(self, features: Tensor) -> None:
        """Takes in features [N, F], N > 0."""
        x = features.detach().cpu().double()
        mean = x.mean(dim=0)
        scatter = (x - mean).T @ (x - mean)
        if self.mean is None:
            self.count, self.mean, self._scatter = len(x), mean, scatter
            return
        step, total = mean - self.mean, self.count + len(x)
        self._scatter += scatter + torch.outer(step, step) * (self.count * len(x) / total)
        self.mean += step * (len(x) / total)
        self.count = total

    @property
    def covariance(self) -> Tensor:
        """Divided by the number of features, not by one less: float64 [F, F]."""
        return self._scatter / self.count

    def tensors(self) -> dict[str, Tensor]:
        """What `of` makes the same Gaussian from; there must be features."""
        return {"count": torch.tensor(self.count), "mean": self.mean.clone(), "scatter": self._scatter.clone()}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> Gaussian:
        """From what `tensors` gave."""
        found = cls()
        found.count, found.mean, found._scatter = int(tensors["count"]), tensors["mean"], tensors["scatter"]
        return found
