"""The open network as an estimate sees it: any latent, noise and input transform, and the taps on the way."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from nets.generator import Generator
from nets.stages import Edit, State, draw_noise, ignore
from renderer.latents import latent_ws
from renderer.steps import Run
from renderer.synthesis import Setting
from renderer.types import ModelInfo, RenderRequest, Synth, TapInfo


class Subject:
    """Everything is computed as `request` says (precision, backend, psi, noise, ..) unless an argument says otherwise.

    `request` and `run` are of what is being answered now: in what an estimate does not depend on, they change on its
    way. Between two stages `run` is asked whether to go on.
    """

    def __init__(self, setting: Setting, request: RenderRequest):
        self.setting, self.request = setting, request
        self.run = Run(request)

    @property
    def generator(self) -> Generator:
        return self.setting.network.generator

    @property
    def info(self) -> ModelInfo:
        return self.setting.info

    @property
    def device(self) -> torch.device:
        return self.setting.network.device

    def taps(self, *steps: str) -> tuple[TapInfo, ...]:
        """In network order; with `steps` those whose last part is one of them: 'act', 'out', 'image'."""
        return tuple(tap for tap in self.info.taps if not steps or tap.name.rpartition(".")[2] in steps)

    def ws(self) -> Tensor:
        """The request's own w [N, num_ws, w_dim]: mapped, truncated, mixed."""
        return latent_ws(self.generator.mapping, self.request.latent, self.request.mix)

    def ws_of(self, seed: int) -> Tensor:
        """w [1, num_ws, w_dim] of a seed, with the request's truncation and class, not mixed."""
        latent = replace(self.request.latent, x=float(seed), y=0.0, z=None, w=None)
        return latent_ws(self.generator.mapping, latent, type(self.request.mix)())

    def noise(self, synth: Synth | None = None, num: int = 1) -> dict[str, Tensor | None]:
        """Noise of each stage that takes any, by stage name: [1 or num, 1, H, W], before its strength."""
        synth = synth or self.request.synth
        drawn = torch.Generator().manual_seed(synth.noise_seed % 2 ** 63)
        return draw_noise(self.setting.stages, synth.noise, num, drawn)

    def transform(self) -> Tensor | None:
        """The request's own input transform [3, 3]."""
        given = self.request.synth.transform
        return None if given is None else torch.tensor(given, dtype=torch.float32, device=self.device).reshape(3, 3)

    def look(self, ws: Tensor, taps: Iterable[str] = ("image",), noise: dict[str, Tensor | None] | None = None,
             transform: Tensor | None = None, see: Callable[[str, Tensor], None] | None = None,
             edits: Mapping[str, Edit] = MappingProxyType({})) -> dict[str, Tensor]:
        """The values [N, C, H, W] of `taps` for ws [N, num_ws, w_dim], from one walk that ends at the last of them.

        `noise`: as the method of that name gives it. `transform` [3, 3]: in place of the request's. `see(tap, value)`:
        is handed the values, in network order, instead of their being kept and returned. `edits`: of stages, by name.
        """
        wanted, seen, stages = set(taps), {}, self.setting.stages
        last = max(i for i, stage in enumerate(stages) if any(tap.name in wanted for tap in stage.taps))
        noise = self.noise(num=len(ws)) if noise is None else noise
        transform = self.transform() if transform is None else transform

        def watch(name: str, value: Tensor) -> None:
            if name in wanted:
                see(name, value) if see else seen.update({name: value})
        state = State()
        for stage in stages[:last + 1]:
            self.run.go_on()
            *inner, result = (tap.name for tap in stage.taps)
            makes_image = result.endswith("image")
            is_inner = makes_image or any(name in wanted for name in inner)      # to watch costs what fused ops spare
            inputs = stage.inputs(ws, noise, transform)._replace(edit=edits.get(stage.name))
            state = stage.run(state, inputs, watch if is_inner and {*inner, result} & wanted else ignore)
            if not is_inner:
                watch(result, state.x)
        return seen
