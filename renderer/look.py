"""Looking at a tap: its picture, its numbers and its spectrum, each remembered apart."""
from __future__ import annotations

from torch import Tensor

from renderer import modes, view
from renderer.images import grid
from renderer.info import clamp_of, previous_nyquist, tap_named
from renderer.measures.spectrum import power
from renderer.steps import Memo, Run
from renderer.synthesis import Setting
from renderer.types import RenderRequest, SpectrumResult, View

COPIED_BYTES = 64 << 20                  # of a tap's values, from another device


class Look:
    """What is seen of the latest signal. A new gain draws again what was picked, a new range of the spectrum its
    picture."""

    def __init__(self):
        self._numbers, self._picked, self._view, self._power, self._spectrum = (Memo() for _ in range(5))

    def clear(self) -> None:
        for memo in vars(self).values():
            memo.clear()

    def show(self, run: Run, setting: Setting, request: RenderRequest, signal: Tensor, key: tuple) -> None:
        """Fills `run` in for `signal` [N, C, H, W], which `key` tells from any other."""
        clamp, part = clamp_of(setting.network.generator.config, request.tap), modes.of_pick(request.view)

        def look() -> dict:
            picked = self._picked.get((key, part), lambda: [modes.pick(sample, part) for sample in signal])
            numbers = self._numbers.get(key, lambda: _numbers(signal[0], request.tap, clamp))
            return {**numbers, **_drawn(picked, tuple(signal.shape[1:]), request.view)}
        run.add(**run.step("view", self._view, (key, request.view), look))
        if request.spectrum is not None:
            self._show_spectrum(run, setting, request, signal[0], key)

    def _show_spectrum(self, run: Run, setting: Setting, request: RenderRequest, x: Tensor, key: tuple) -> None:
        wanted, tap = request.spectrum, tap_named(setting.info, request.tap)
        key = key, wanted.channel, wanted.beta

        def spectrum() -> SpectrumResult:
            s = self._power.get(key, lambda: power(_channels(x, wanted.channel), wanted.beta, run.go_on))
            return view.spectrum(s, wanted, tap, previous_nyquist(setting.network.generator.config, tap))
        run.known["spectrum"] = run.step("spectrum", self._spectrum, (key, wanted), spectrum)


def _numbers(x: Tensor, tap: str, clamp: float | None) -> dict:
    """Of RenderResult: the values of x [C, H, W] themselves, and what they amount to."""
    known = {"stats": view.stats(x, tap, clamp)}
    if x.device.type == "cpu" or x.nbytes <= COPIED_BYTES:
        return {"values": view.as_numpy(x), **known}
    return {"notes": (f"this layer's values take {x.nbytes >> 20} MiB, more than the {COPIED_BYTES >> 20} MiB that are "
                      "copied from the device for each picture: none are shown under the cursor.",), **known}


def _drawn(picked: list[modes.Picked], shape: tuple[int, int, int], wanted: View) -> dict:
    """Of RenderResult: the picture of each sample of a tap [C, H, W], several as a grid."""
    drawn = [view.draw(sample, shape, wanted) for sample in picked]
    if len(drawn) == 1:
        return drawn[0]._asdict()
    limits = drawn[0].limits if len({one.limits for one in drawn}) == 1 else None
    return {"picture": view.read_only(grid([one.picture for one in drawn])), "limits": limits}


def _channels(x: Tensor, channel: int | None) -> Tensor:
    """One channel of x [C, H, W], the last one if there are not so many, or all."""
    if channel is None:
        return x
    channel = min(max(channel, 0), len(x) - 1)
    return x[channel:channel + 1]
