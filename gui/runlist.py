"""The list of training runs: name, state, how far, how fast, how long still, and why one ended badly."""
from __future__ import annotations

import time
from collections.abc import Sequence

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import report, theme, widgets
from renderer.runs import DIED, PAUSE, SILENCE, STOP, Run

LINES = 3.0                              # heights of text of a row
INKS = {"running": "green", "starting": "green", "paused": "warning", "failed": "error", DIED: "error"}
RESUMES = "Goes on from what it saved last, as a process of its own"


class RunList:
    """Draws the runs; returns the path that is chosen now, and the run whose Resume was pressed, if any."""

    def __call__(self, runs: Sequence[Run], chosen: str, notes: dict[str, str], height: float,
                 ) -> tuple[str, Run | None]:
        """`notes`: what to say of a run in place of its state, by path."""
        resumed = None
        with imgui_ctx.begin_child("runs", ImVec2(0, height)):
            for run in runs:
                with imgui_ctx.push_id(run.path):
                    picked, again = _row(run, run.path == chosen, notes.get(run.path, ""))
                chosen = run.path if picked else chosen
                resumed = run if again else resumed
        report.mark("Runs")
        return chosen, resumed

    @staticmethod
    def height_of(count: int) -> float:
        """Of so many rows."""
        return count * (row_height() + imgui.get_style().item_spacing.y)


def row_height() -> float:
    return LINES * imgui.get_text_line_height() + theme.em(0.5)


def _row(run: Run, chosen: bool, note: str) -> tuple[bool, bool]:
    """Whether it was picked, and whether to resume it."""
    start, width = imgui.get_cursor_screen_pos(), imgui.get_content_region_avail().x
    at = imgui.get_cursor_pos()
    imgui.set_next_item_allow_overlap()
    picked = imgui.selectable("##row", chosen, 0, ImVec2(width, row_height()))[0]
    report.mark(run.name)
    widgets.hint("\n".join(filter(None, (run.path, run.about, note or run.error))))
    after, again = imgui.get_cursor_pos(), False
    if run.state in ("failed", DIED, "stopped") and run.resumable and not note:
        side = imgui.calc_text_size("Resume").x + theme.em(0.5)
        imgui.set_cursor_pos(ImVec2(at.x + width - side - theme.em(0.05), at.y + theme.em(0.15)))
        lit = "text" if chosen else "accent_text"
        again = widgets.small_toggle("Resume", True, RESUMES, f"Resume {run.name}", lit=lit)
        width -= side + theme.em(0.3)
    imgui.set_cursor_pos(after)
    imgui.dummy(ImVec2(0, 0))
    _words(run, note, start, width, imgui.get_content_region_avail().x, chosen)
    return picked, again


def _words(run: Run, note: str, start: ImVec2, width: float, whole: float, chosen: bool) -> None:
    """Name and state; the bar; numbers, or the reason."""
    draw, line, pad = imgui.get_window_draw_list(), imgui.get_text_line_height(), theme.em(0.3)
    state, ink = state_words(run, note), theme.ink("text" if chosen else INKS.get(run.state, "dim"))
    left, top, room = start.x + pad, start.y + pad / 2, width - 2 * pad
    side = imgui.calc_text_size(state).x
    draw.add_text(ImVec2(left, top), theme.ink("text"), widgets.shorten(run.name, max(room - side - pad, theme.em(4))))
    draw.add_text(ImVec2(left + room - side, top), ink, state)
    _bar(run, ImVec2(left, top + line + pad / 2), whole - 2 * pad)
    words = run.error or numbers(run)
    draw.add_text(ImVec2(left, top + 2 * line + pad), theme.ink("text" if chosen else "error" if run.error else "dim"),
                  widgets.shorten(words, whole - 2 * pad))


def _bar(run: Run, low: ImVec2, width: float) -> None:
    draw, height = imgui.get_window_draw_list(), imgui.get_text_line_height()
    bar, rounding = theme.em(0.45), theme.em(0.2)
    words = kimg_words(run)
    room = width - imgui.calc_text_size(words).x - theme.em(0.6)
    top = low.y + (height - bar) / 2
    draw.add_rect_filled(ImVec2(low.x, top), ImVec2(low.x + room, top + bar), theme.ink("frame_active"), rounding)
    if run.share:
        end = ImVec2(low.x + max(run.share * room, bar), top + bar)
        draw.add_rect_filled(ImVec2(low.x, top), end, theme.ink("accent" if run.is_live else "faint"), rounding)
    draw.add_text(ImVec2(low.x + width - imgui.calc_text_size(words).x, low.y), theme.ink("text"), words)


# -- words ------------------------------------------------------------------------------------------------------------

def state_words(run: Run, note: str = "", now: float | None = None) -> str:
    """'running', 'pausing', 'running, silent for 3 min'. `now`: unix seconds."""
    if note:
        return note
    asked = {(PAUSE, True): "pausing", (STOP, True): "stopping"}.get((run.wish, run.is_live))
    if asked and not (run.wish == PAUSE and run.state == "paused"):
        return asked
    if run.state == "paused" and not run.wish:
        return "going on"
    silent = (time.time() if now is None else now) - run.updated
    if run.is_live and silent > SILENCE:
        return f"{run.state}, silent for {duration(silent)}"
    return run.state


def kimg_words(run: Run) -> str:
    """'40 of 1000 kimg'."""
    done = f"{run.images / 1000:.4g}"
    return f"{done} of {run.total / 1000:.6g} kimg" if run.total else f"{done} kimg"


def numbers(run: Run, now: float | None = None) -> str:
    """'12.3 img/s · 3 h 12 min left · G main'."""
    words = []
    if run.is_live and run.rate:
        words.append(f"{run.rate:.4g} img/s")
    if run.state == "running" and run.rate and run.total:
        words.append(f"{duration(max(run.total - run.images, 0) / run.rate)} left")
    if run.is_live and run.doing:
        words.append(run.doing)
    if not run.is_live:
        words.append(run.about)
    return "  ·  ".join(words) or run.about


def duration(seconds: float) -> str:
    """'2 d 3 h', '3 h 12 min', '12 min', '40 s'."""
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    if hours >= 48:
        return f"{hours // 24} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
