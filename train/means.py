"""Means of statistics between two ticks, over all samples and processes."""
from __future__ import annotations

import torch
from torch import Tensor

from train.processes import total_over_processes


class Means:
    """What was added since the means were last taken, as sums and numbers, kept where it is computed."""

    def __init__(self):
        self._sums: dict[str, Tensor] = {}           # float64 [2]: sum, number of values

    def add(self, values: dict[str, Tensor]) -> None:
        """Takes note of values [N] by name. Nothing is waited for: on a GPU they may not have been computed yet."""
        for name, value in values.items():
            total = value.detach().double().sum()
            added = torch.stack([total, torch.full_like(total, value.numel())])
            self._sums[name] = self._sums[name].to(added) + added if name in self._sums else added

    def take(self) -> dict[str, float]:
        """The mean of each, over all processes, which call this together; then there is nothing again."""
        sums, self._sums = self._sums, {}
        if not sums:
            return {}
        names = sorted(sums)
        totals = total_over_processes(torch.stack([sums[name] for name in names])).tolist()
        return {name: total / number for name, (total, number) in zip(names, totals)}

    def state(self) -> dict[str, Tensor]:
        return dict(self._sums)

    def restore(self, state: dict[str, Tensor]) -> None:
        self._sums = dict(state)
