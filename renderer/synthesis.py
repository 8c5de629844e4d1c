"""Runs a network's stages up to a tap, for any number of samples."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nets.errors import UserError
from nets.stages import Inputs, Stage, draw_noise
from renderer.device import synchronize
from renderer.info import clamp_of
from renderer.measures.summary import summary
from renderer.opened import Network
from renderer.resume import Observed, Resume, Summarise
from renderer.steps import Memo, Run
from renderer.types import ModelInfo, Synth, TapSummary

BATCH = 8                                # samples at a time


@dataclass(frozen=True, eq=False)
class Setting:
    """A network as one precision, backend and level of detail run it. `key` tells it from any other."""
    key: tuple
    network: Network
    stages: list[Stage]
    exact: list[Stage] | None            # the same in fp32; None: these are
    info: ModelInfo                      # with this level of detail's taps


class Synthesis:
    """w to the value of a tap, from the latest states that still hold. `budget`: bytes of states to keep."""

    def __init__(self, budget: int):
        self._full_budget = budget
        self.states = Resume(budget)
        self._noise = Memo()

    def clear(self) -> None:
        """For another setting: no state of before holds for it."""
        self.states.clear()
        self.states.budget = self._full_budget
        self._noise.clear()

    def make_room(self) -> None:
        """Memory ran out: drops all states, and keeps half as many from now on."""
        self.states.budget = self.states.bytes // 2
        self.states.clear()
        self._noise.clear()

    def observe(self, setting: Setting, ws: Tensor, synth: Synth, tap: str, run: Run, strip: bool = False,
                now: bool = True) -> Observed:
        """`tap` [N, C, H, W] for ws [N, num_ws, w_dim], BATCH samples at a time, and the last batch's times.

        `strip`: the stages that run are summarised; unless `now`, only what is known of them is marked as of before.
        """
        device = setting.network.device
        seen: list[Observed] = []
        for first, inputs in reversed(list(self._batches(setting, ws, synth))):      # so the first's states stay
            done = len(ws) - min(first + BATCH, len(ws))

            def before(stage: str, fraction: float, first: int = first, done: int = done) -> None:
                run.go_on()
                run.progress(f"Rendering {stage}", (done + fraction * min(BATCH, len(ws) - first)) / len(ws))
            seen.append(self.states.observe(setting.stages, inputs, tap, before, lambda: synchronize(device),
                                            summarise_in(setting) if strip and not first else None, now))
        if len(seen) == 1:
            return seen[0]
        return Observed(torch.cat([observed.value.cpu() for observed in reversed(seen)]), seen[-1].times)

    @property
    def strip(self) -> tuple[TapSummary, ...]:
        """The summaries there are, in the network's order; `current` as of the latest walk."""
        return self.states.strip

    def complete(self, setting: Setting, ws: Tensor, synth: Synth, run: Run) -> tuple[TapSummary, ...]:
        """The summaries of all taps for the first of ws, running what `observe` of the same left out."""
        def before(stage: str, fraction: float) -> None:
            run.go_on()
            run.progress("Looking at the other layers", fraction)
        _, inputs = next(self._batches(setting, ws, synth))
        self.states.complete(setting.stages, inputs, before, summarise_in(setting))
        return self.strip

    def _batches(self, setting: Setting, ws: Tensor, synth: Synth) -> Iterator[tuple[int, list[Inputs]]]:
        """(first sample, what each stage reads) of each BATCH samples."""
        noise = self._noise.get((setting.key, synth.noise, synth.noise_seed, len(ws)),
                                lambda: _draw_noise(setting.stages, synth, len(ws)))
        transform = _transform(synth, setting.network.device)
        for first in range(0, len(ws), BATCH):
            part = slice(first, first + BATCH)
            drawn = {name: n if n is None or len(n) == 1 else n[part] for name, n in noise.items()}
            yield first, [stage.inputs(ws[part], drawn, transform) for stage in setting.stages]


def summarise_in(setting: Setting) -> Summarise:
    """Summaries of this setting's taps, of the first sample."""
    taps, config = {tap.name: tap for tap in setting.info.taps}, setting.network.generator.config
    return lambda name, value: summary(value[0], taps[name], clamp_of(config, name))


def _draw_noise(stages: list[Stage], synth: Synth, num: int) -> dict[str, Tensor | None]:
    generator = torch.Generator().manual_seed(synth.noise_seed % 2 ** 63)
    if synth.noise not in ("const", "random", "none"):
        raise UserError(f"noise '{synth.noise}' is not one of const, random, none.")
    return draw_noise(stages, synth.noise, num, generator)


def _transform(synth: Synth, device: torch.device) -> Tensor | None:
    if synth.transform is None:
        return None
    if len(synth.transform) != 9:
        raise UserError(f"the input transform has {len(synth.transform)} numbers, it takes 3x3.")
    return torch.tensor(synth.transform, dtype=torch.float32, device=device).reshape(3, 3)
