"""The performance panel: where the work runs, why there, and how long each part took."""
from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from gui.words import file_size, milliseconds
from renderer.types import Checkpoint, Reason, RenderRequest, RenderResult, StageTime

DEVICES, PRECISIONS = ("auto", "cpu", "cuda", "mps"), ("auto", "fp32", "bf16", "fp16")
BACKENDS = ("auto", "reference", "cpu", "cuda")
UNTRIED = ("The CUDA path has not yet run on hardware: its kernels are compiled for every architecture, "
           "and ran in an emulation of CUDA on the CPU")


class FrameTimes:
    """How long the window's own frames take, seconds."""

    def __init__(self):
        self._all: deque[float] = deque(maxlen=120)
        self._shown, self._shown_at = (0.0, 0.0), -math.inf

    def add(self, seconds: float) -> None:
        self._all.append(seconds)

    def quantiles(self) -> tuple[float, float]:
        """Median and 95th percentile; they stand still for a second, to be read and not to be drawn in every frame."""
        if time.monotonic() - self._shown_at > 1 and self._all:
            ordered, self._shown_at = sorted(self._all), time.monotonic()
            self._shown = ordered[len(ordered) // 2], ordered[int(0.95 * len(ordered))]
        return self._shown


class PerformancePanel:
    title = "Performance"

    def __init__(self, frames: FrameTimes):
        self._frames = frames

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        request = replace(request, checkpoint=_choices(request.checkpoint, result.reasons))
        if not result.times:
            return request
        frame, slow = self._frames.quantiles()
        widgets.fact("Runs on", f"{result.device.partition(' (')[0]}, {result.precision}", result.device)
        _rounding(result)
        widgets.fact("Request", milliseconds(result.seconds), "From the request to its picture")
        widgets.fact("Memory", file_size(result.memory_bytes), "Of the process on the CPU, of the device elsewhere")
        widgets.fact("Layer states", file_size(result.cache_bytes),
                     "Kept, so that a change re-runs only the layers behind it")
        widgets.fact("Window", f"{1000 * frame:.0f} / {1000 * slow:.0f} ms",
                     "Drawing the window itself: median and 95th percentile of its last 120 frames")
        _stages(result.times)
        _ops(result)
        return request


def _choices(checkpoint: Checkpoint, reasons: tuple[Reason, ...]) -> Checkpoint:
    """`reasons` are of the network shown: on another device they may be others."""
    device = _menu("Device", checkpoint.device, DEVICES, "auto: CUDA if there, else Metal, else the CPU", reasons)
    precision = _menu("Precision", checkpoint.precision, PRECISIONS,
                      "bf16: every layer's convolutions in bfloat16; fp16: the layers that the file marks for it; "
                      "auto: fp32 on the CPU, elsewhere what the file asks for", reasons)
    for reason in reasons:
        if (reason.chooser, reason.option) == ("precision", precision):
            widgets.wrapped(reason.text, "dim")
            report.mark("Precision note")
    backend = _menu("Backend", checkpoint.backend, BACKENDS,
                    f"Which implementation of the ops runs; auto: of each op the fastest that can. {UNTRIED}", reasons)
    return replace(checkpoint, device=device, precision=precision, backend=backend)


def _menu(name: str, value: str, options: tuple[str, ...], tip: str, reasons: tuple[Reason, ...]) -> str:
    """A menu whose options say what speaks against them; those that can't run can't be chosen."""
    against = {reason.option: reason for reason in reasons if reason.chooser == name.lower()}
    tips = [against[option].text if option in against else "" for option in options]
    why_nots = ["" if option not in against or against[option].runs else against[option].text for option in options]
    return widgets.menu(name, value, options, "auto", tip, tips=tips, why_nots=why_nots)


def _rounding(result: RenderResult) -> None:
    """The error of a precision other than fp32, in the picture in view."""
    if result.precision == "fp32" or result.stats is None:         # of a table and a grid there is none
        return
    found = result.rounding
    words = f"{found.psnr_db:.1f} dB, max {found.largest:.2g}, RMS {found.rms:.2g}" if found else "…"
    widgets.fact("Against fp32", words, "Peak signal to noise of the picture in view against the same in fp32, and "
                 "its largest and its root mean square error in 8-bit levels. It is rendered in fp32 for "
                 "that when nothing else is to do")


def _stages(times: tuple[StageTime, ...]) -> None:
    widgets.section("Steps of the last request")
    longest = max((t.seconds for t in times if not t.reused), default=0.0) or 1.0
    for step in times:
        _stage(step, longest)


def _stage(step: StageTime, longest: float) -> None:
    """Name and time over a bar as long as the time."""
    at, room, height = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail().x, imgui.get_text_line_height()
    if not step.reused:
        end = ImVec2(at.x + max(room * step.seconds / longest, 1.0), at.y + height)
        imgui.get_window_draw_list().add_rect_filled(at, end, theme.ink("accent_low", 0.7), theme.em(0.1))
    words = "kept" if step.reused else milliseconds(step.seconds)
    start, width = imgui.get_cursor_pos_x(), imgui.calc_text_size(words).x
    widgets.clipped(step.name, "faint" if step.reused else "text", room - width - theme.em(1))
    imgui.same_line(start + room - width)
    widgets.text(words, "faint" if step.reused else "text")


def _ops(result: RenderResult) -> None:
    widgets.section("Backend of every op")
    alike: dict[tuple, list[str]] = {}
    for op in result.ops:
        alike.setdefault((op.backend, op.reasons), []).append(op.op)
    for (backend, reasons), names in alike.items():
        widgets.wrapped(f"{', '.join(names)}: {backend}", "text")
        report.mark(f"Ops on {backend}")
        widgets.hint(UNTRIED if backend == "cuda" else "")
        for reason in reasons:
            widgets.wrapped(reason, "faint")
            widgets.hint(UNTRIED if reason.startswith("cuda:") else "")
    for details in dict.fromkeys(op.details for op in result.ops if op.details):
        with imgui_ctx.tree_node("What the compiler said") as fold:
            report.mark("What the compiler said")
            if fold:
                widgets.wrapped(details, "dim")
