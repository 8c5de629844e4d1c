"""Renders pictures of many: the style-mixing table and the grid of seeds."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from renderer import latents, many, modes, view
from renderer.info import tap_named
from renderer.steps import Memo, Run
from renderer.synthesis import Setting, Synthesis
from renderer.types import RenderRequest


class Gallery:
    """Renders one picture after the other, and remembers only the whole: their taps could be gigabytes."""

    def __init__(self, synthesis: Synthesis):
        self._synthesis, self._whole = synthesis, Memo()

    def clear(self) -> None:
        self._whole.clear()

    def show(self, run: Run, setting: Setting, request: RenderRequest) -> None:
        """Fills `run` in for `request.table`, or else `request.seeds`."""
        latent, mapping = replace(request.latent, x=0.0, y=0.0, z=None, w=None), setting.network.generator.mapping
        if request.table is not None:
            name, plan, mix = "table", many.table_plan(request.table), None
            each = partial(latents.table_ws, mapping, latent, request.table)
        else:
            name, plan, mix = "seeds", many.seeds_plan(request.seeds), request.mix
            each = partial(latents.seeds_ws, mapping, latent, mix, request.seeds.seeds)
        key = setting.key, latent, mix, request.synth, request.tap, request.view, request.table, request.seeds
        size = modes.shown_size(tap_named(setting.info, request.tap).shape, request.view.mode)
        run.add(**run.step(name, self._whole, key, lambda: many.compose(
            plan, size, self._pictures(run, setting, request, plan, each))))

    def _pictures(self, run: Run, setting: Setting, request: RenderRequest, plan: many.Plan, each: partial,
                  ) -> Iterator[np.ndarray | None]:
        parts = (run.part(i, plan.count, f"{plan.name}: picture") for i in range(plan.count))
        for ws in each():
            if ws is None:
                yield None
            else:
                value = self._synthesis.observe(setting, ws, request.synth, request.tap, next(parts)).value
                yield view.picture(value[0], request.view)
