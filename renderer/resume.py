"""Stage states kept from the latest walk, so that the next one starts where its inputs first differ.

Equal to a full run bit for bit: states are kept only from runs of the same stages on inputs equal by value, and a
stage's state is the same, bit for bit, watched or not (tests/renderer/test_strip.py): a layer with a fused op hands on
the fused result, whatever it shows of the steps beside it.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from nets.stages import Inputs, Stage, State, Watch, ignore
from renderer.types import StageTime, TapSummary

Before = Callable[[str, float], None]            # (stage name, fraction done), ahead of each stage run; may raise
Summarise = Callable[[str, Tensor], TapSummary]  # (tap name, its value [N, C, H, W])


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
        self._summaries: dict[int, list[TapSummary]] = {}    # by index of the stage: the latest
        self._fresh: set[int] = set()            # those of `_inputs`

    @property
    def bytes(self) -> int:
        """Held by states; a tensor that several share counts once."""
        storages = {}
        for state in self._states.values():
            for tensor in _tensors(state):
                storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return sum(storages.values())

    @property
    def strip(self) -> tuple[TapSummary, ...]:
        """The latest summaries in the network's order, marked where they are not of the latest inputs."""
        return tuple(replace(summary, current=i in self._fresh)
                     for i in sorted(self._summaries) for summary in self._summaries[i])

    def clear(self) -> None:
        for kept in (self._inputs, self._states, self._seconds, self._summaries, self._fresh):
            kept.clear()

    def observe(self, stages: Sequence[Stage], inputs: Sequence[Inputs], tap: str,
                before: Before = lambda name, fraction: None, synchronize: Callable[[], None] = lambda: None,
                summarise: Summarise | None = None, now: bool = True) -> Observed:
        """The value of `tap`, running only the stages that need to.

        `before(stage name, fraction done)` is called ahead of each stage run and may raise to abandon the walk: what
        ran until then is kept. `synchronize` is called after each, for its time. `summarise`: `strip` is of the stages
        that ran, too; unless `now`, it only tells which of its summaries are of other inputs.
        """
        last = next(i for i, stage in enumerate(stages) if any(t.name == tap for t in stage.taps))
        self._rewind(inputs if summarise else inputs[:last])
        start = self._start(last)
        state = self._states.get(start - 1, State())
        times = [StageTime(stage.name, self._seconds[stage.name], reused=True) for stage in stages[:start]]
        seen: dict[str, Tensor] = {}

        def look(name: str, value: Tensor) -> None:
            if name == tap:
                seen[tap] = value
        for i in range(start, last + 1):
            before(stages[i].name, i / (last + 1))
            state = self._run(i, stages[i], inputs[i], state, ignore if i < last else look, synchronize,
                              summarise if now else None)
            times.append(StageTime(stages[i].name, self._seconds[stages[i].name], reused=False))
        return Observed(seen[tap], tuple(times))

    def complete(self, stages: Sequence[Stage], inputs: Sequence[Inputs], before: Before, summarise: Summarise) -> None:
        """Makes `strip` one of these inputs, to the end of the walk, running what that takes."""
        self._rewind(inputs)
        state, reached = State(), 0              # the state before stage `reached`
        for last in (i for i in range(len(stages)) if i not in self._fresh):
            if self._start(last) > reached:
                reached = self._start(last)
                state = self._states[reached - 1]
            for i in range(reached, last + 1):
                before(stages[i].name, i / len(stages))
                state = self._run(i, stages[i], inputs[i], state, ignore, lambda: None, summarise)
            reached = last + 1

    def _run(self, index: int, stage: Stage, inputs: Inputs, state: State, watch: Watch,
             synchronize: Callable[[], None], summarise: Summarise | None) -> State:
        """The state after `stage`; kept, except that of one which was only looked at."""
        summaries: list[TapSummary] = []
        aside = 0.0                              # seconds that are not the stage's own

        def look(name: str, value: Tensor) -> None:
            nonlocal aside
            synchronize()
            began = time.perf_counter()
            summaries.append(summarise(name, value))
            watch(name, value)
            aside += time.perf_counter() - began
        is_new = summarise is not None and index not in self._fresh
        began = time.perf_counter()
        state = stage.run(state, inputs, look if is_new else watch)
        synchronize()
        self._seconds[stage.name] = time.perf_counter() - began - aside
        if is_new or watch is ignore:
            self._keep(index, inputs, state)
        if is_new:
            self._summaries[index] = summaries
            self._fresh.add(index)
        return state

    def _rewind(self, inputs: Sequence[Inputs]) -> None:
        """Drops the states that do not follow from `inputs`. Those past the last of `inputs` may be good for more."""
        known = min(len(inputs), len(self._inputs))
        same = next((i for i in range(known) if not equal(inputs[i], self._inputs[i])), known)
        if same < known:
            del self._inputs[same:]
            self._states = {i: state for i, state in self._states.items() if i < same}
            self._fresh = {i for i in self._fresh if i < same}

    def _start(self, last: int) -> int:
        """The stage from which `last` is reached soonest: the first after the latest state held before it."""
        return max((i + 1 for i in self._states if i < last), default=0)

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
