"""What 16 bits cost: the picture rendered again in fp32, once it has been answered, and the two compared."""
from __future__ import annotations

from dataclasses import replace
from functools import partial

from torch import Tensor

from renderer.modes import pick
from renderer.steps import Memo, Run
from renderer.synthesis import Setting, Synthesis
from renderer.types import RenderRequest, Rounding, View
from renderer.view import levels


class Exact:
    """Renders in fp32 what another precision has rendered, and remembers the latest."""

    def __init__(self):
        self._synthesis, self._signal, self._rounding = Synthesis(budget=0), Memo(), Memo()

    def clear(self) -> None:
        self._synthesis.clear()
        self._signal.clear()
        self._rounding.clear()

    def fill(self, run: Run, setting: Setting, request: RenderRequest, ws: Tensor, signal: Tensor) -> None:
        """Sets `run`'s rounding if little is missing, else leaves it to `run.rest`; nothing in fp32 itself."""
        if setting.exact is None:
            return
        work = partial(self.rounding, run, setting, request, ws, signal)
        if self._signal.key == _key(setting, request):
            run.add(rounding=work())
        else:
            run.rest["rounding"] = work

    def rounding(self, run: Run, setting: Setting, request: RenderRequest, ws: Tensor, signal: Tensor) -> Rounding:
        """Of `signal` [N, C, H, W], which is `request.tap` for ws [N, num_ws, w_dim]."""
        aside = Run(run.request, run.abandoned, lambda _, done: run.progress("Rendering in fp32 to compare", done))
        key, exact = _key(setting, request), replace(setting, stages=setting.exact or setting.stages)
        reference = self._signal.get(
            key, lambda: self._synthesis.observe(exact, ws, request.synth, request.tap, aside).value)
        return self._rounding.get((key, request.view), lambda: compare(signal, reference, request.view))


def _key(setting: Setting, request: RenderRequest) -> tuple:
    return setting.key, request.latent, request.mix, request.synth, request.tap


def compare(x: Tensor, exact: Tensor, view: View) -> Rounding:
    """Of a tap [N, C, H, W] and the same in fp32, each as `view` shows it."""
    largest, squares, count = 0.0, 0.0, 0
    for pair in zip(x, exact, strict=True):
        one, other = (levels(pick(sample, view), view) for sample in pair)
        error = (one - other).double()
        largest = max(largest, error.abs().amax().item())
        squares, count = squares + error.square().sum().item(), count + error.numel()
    return Rounding(largest, (squares / count) ** 0.5)
