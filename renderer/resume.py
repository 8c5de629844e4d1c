"""Stage states kept from the latest walk, so that the next one starts where its inputs first differ.

Equal to a full run bit for bit: states are kept only from unwatched runs of the same stages on inputs equal by value.
A watched stage may run its steps one by one (StyleGAN3), so the one that holds the tap runs beside the kept states.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.stages import Inputs, Stage, State, ignore
from renderer.types import StageTime


class Observed(NamedTuple):
    """A tap's value and what each stage up to it took."""
    value: Tensor                        # [N, C, H, W]
    times: tuple[StageTime, ...]


class Resume:
    """Runs stages up to a tap, resuming from kept states. `clear` it when the stages, or what they compute in, change.

    `budget`: bytes of states to keep; over it the largest go first (they save the least time a byte), of equals the
    earlier. A walk resumes from the latest state still held before the change.
    """

    def __init__(self, budget: int):
        self.budget = budget
        self._inputs: list[Inputs] = []          # of the stages whose states are, or were, held
        self._states: dict[int, State] = {}      # by index of the stage they follow
        self._seconds: dict[str, float] = {}     # by stage name: the latest run

    @property
    def bytes(self) -> int:
        """Held by states; a tensor that several share counts once."""
        storages = {}
        for state in self._states.values():
            for tensor in _tensors(state):
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return sum(storages.values())

    def clear(self) -> None:
        self._inputs.clear()
        self._states.clear()
        self._seconds.clear()

    def observe(self, stages: Sequence[Stage], inputs: Sequence[Inputs], tap: str,
                before: Callable[[str, float], None] = lambda name, fraction: None,
                synchronize: Callable[[], None] = lambda: None) -> Observed:
        """The value of `tap`, running only the stages that need to.

        `before(stage name, fraction done)` is called ahead of each stage run and may raise to abandon the walk: what
        ran until then is kept. `synchronize` is called after each, for its time.
        """
        last = next(i for i, stage in enumerate(stages) if any(t.name == tap for t in stage.taps))
        start = self._rewind(inputs[:last])
        state = self._states.get(start - 1, State())
        times = [StageTime(stage.name, self._seconds[stage.name], reused=True) for stage in stages[:start]]
        seen: dict[str, Tensor] = {}
        for i in range(start, last + 1):
            before(stages[i].name, i / (last + 1))
            began = time.perf_counter()
            state = stages[i].run(state, inputs[i], ignore if i < last else seen.__setitem__)
            synchronize()
            self._seconds[stages[i].name] = time.perf_counter() - began
            times.append(StageTime(stages[i].name, self._seconds[stages[i].name], reused=False))
            if i < last:
                self._keep(i, inputs[i], state)
        return Observed(seen[tap], tuple(times))

    def _rewind(self, inputs: Sequence[Inputs]) -> int:
        """Drops the states that do not follow from `inputs`; returns the first stage to run."""
        known = min(len(inputs), len(self._inputs))
        same = next((i for i in range(known) if not equal(inputs[i], self._inputs[i])), known)
        if same < known:                         # else states past the tap stay good for a later tap
            del self._inputs[same:]
            self._states = {i: state for i, state in self._states.items() if i < same}
        return max((i + 1 for i in self._states if i < same), default=0)

    def _keep(self, index: int, inputs: Inputs, state: State) -> None:
        if index == len(self._inputs):
            self._inputs.append(inputs)
        self._states[index] = state
        while self._states and self.bytes > self.budget:
            del self._states[max(self._states, key=lambda i: (_size(self._states[i]), -i))]


def equal(a: Inputs, b: Inputs) -> bool:
    """By value; NaN equals nothing, which only means running a stage again."""
    return all(_same(x, y) for x, y in zip(a, b))


def _same(x, y) -> bool:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return x is y or (x.dtype == y.dtype and torch.equal(x, y))
    return x is y or (type(x) is type(y) is bool and x == y)


def _tensors(state: State) -> list[Tensor]:
    return [tensor for tensor in state if tensor is not None]


def _size(state: State) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in _tensors(state))
