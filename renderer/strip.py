"""The strip of layers: summaries of all taps, by the pass that renders the picture and then to the network's end."""
from __future__ import annotations

from torch import Tensor

from renderer.steps import Memo, Run
from renderer.synthesis import Setting, Synthesis
from renderer.types import RenderRequest, TapSummary

EVERY = 4                                # passes in haste: one of them is summarised


class Strip:
    """Remembers the whole strip of the latest w, noise and transform, whichever tap is looked at."""

    def __init__(self, synthesis: Synthesis):
        self._synthesis, self._whole = synthesis, Memo()
        self._in_haste = 0               # passes one after the other

    def clear(self) -> None:
        self._whole.clear()

    def due(self, run: Run) -> bool:
        """Whether this pass is summarised: in haste that would cost a third of the pictures."""
        self._in_haste = self._in_haste + 1 if run.in_haste else 0
        return self._in_haste % EVERY == 0

    def fill(self, run: Run, setting: Setting, request: RenderRequest, ws: Tensor) -> None:
        """Sets `run`'s strip to what is known of it after the pass, and in `run.rest` the work that is left."""
        key = setting.key, request.latent, request.mix, request.synth

        def whole() -> tuple[TapSummary, ...]:
            return self._whole.get(key, lambda: self._synthesis.complete(setting, ws, request.synth, run))
        known = self._whole.value if self._whole.key == key else self._synthesis.strip
        if len(known) == len(setting.info.taps) and all(summary.current for summary in known):
            known = whole()              # nothing is left to run
        else:
            run.rest["strip"] = whole
        run.add(strip=known)
