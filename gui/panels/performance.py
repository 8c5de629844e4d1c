"""The performance panel: where the work runs, why there, and how long each part took."""
from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import replace

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.words import file_size, milliseconds
from renderer.types import Checkpoint, RenderRequest, RenderResult, StageTime

DEVICES, PRECISIONS = ("auto", "cpu", "cuda", "mps"), ("auto", "fp32", "bf16", "fp16")
BACKENDS = ("auto", "reference", "cpu", "cuda")


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
        request = replace(request, checkpoint=_choices(request.checkpoint))
        if not result.times:
            return request
        frame, slow = self._frames.quantiles()
        widgets.fact("Runs on", f"{result.device.partition(' (')[0]}, {result.precision}", result.device)
        widgets.fact("Request", milliseconds(result.seconds), "From the request to its picture")
        widgets.fact("Memory", file_size(result.memory_bytes), "Of the process on the CPU, of the device elsewhere")
        widgets.fact("Layer states", file_size(result.cache_bytes),
                     "Kept, so that a change re-runs only the layers behind it")
        widgets.fact("Window", f"{1000 * frame:.0f} / {1000 * slow:.0f} ms",
                     "Drawing the window itself: median and 95th percentile of its last 120 frames")
        _stages(result.times)
        _ops(result)
        return request


def _choices(checkpoint: Checkpoint) -> Checkpoint:
    device = widgets.menu("Device", checkpoint.device, DEVICES, "auto", "auto: CUDA if there, else Metal, else the CPU")
    precision = widgets.menu("Precision", checkpoint.precision, PRECISIONS, "auto",
                             "auto: fp32 on the CPU, elsewhere what the file asks for")
    backend = widgets.menu("Backend", checkpoint.backend, BACKENDS, "auto",
                           "Which implementation of the ops runs; one that can't run here says so")
    return replace(checkpoint, device=device, precision=precision, backend=backend)


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
        for reason in reasons:
            widgets.wrapped(reason, "faint")
