"""The bars: menus with a summary on top; what is happening, or was said last, at the bottom."""
from __future__ import annotations

import time
from collections.abc import Callable

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.messages import Message, Messages
from gui.words import file_size, milliseconds
from renderer.types import Activity, RenderResult

PATIENCE = 0.3                           # seconds of work before it is spoken of


class StatusBar:
    def __init__(self, messages: Messages, activity: Callable[[], Activity | None], readout: Callable[[], str],
                 cancel: Callable[[], None]):
        self._messages, self._activity, self._readout, self._cancel = messages, activity, readout, cancel
        self._wanted = False             # the list of messages is to be opened

    def open(self) -> None:
        """Shows all messages."""
        self._wanted = True

    def __call__(self) -> None:
        """At the bottom of the window: work in progress, else what is under the cursor, else the last message."""
        with widgets.edge_bar("Status", imgui.Dir.down, "sunken", (0.6, 0.1)):
            self._content()

    def _content(self) -> None:
        imgui.align_text_to_frame_padding()
        activity, message = self._activity(), self._messages.latest
        if activity and time.monotonic() - activity.since > PATIENCE:
            self._progress(activity)
        elif self._readout():
            widgets.text(self._readout(), "dim")
        elif message:
            self._message(message)
        else:
            widgets.text("Ready", "faint")
        self._list()

    def _progress(self, activity: Activity) -> None:
        spent = time.monotonic() - activity.since
        widgets.text(f"{activity.text}   {spent:.1f} s")
        bar = theme.em(11)
        imgui.same_line(imgui.get_window_width() - bar - 2 * imgui.get_frame_height() - theme.em(1.4))
        fraction = activity.fraction if activity.fraction is not None else -0.7 * time.monotonic()
        imgui.progress_bar(fraction, ImVec2(bar, imgui.get_frame_height()), "" if activity.fraction is None else None)
        report.mark("Progress")
        imgui.same_line()
        if widgets.icon(fonts.CLOSE, "Cancel", "Cancel (Esc)"):
            self._cancel()

    def _message(self, message: Message) -> None:
        glyph, color = (fonts.WARNING, "error") if message.error else (fonts.INFO, "dim")
        widgets.text(glyph, color)
        imgui.same_line(0, theme.em(0.5))
        room = imgui.get_window_width() - imgui.get_cursor_pos_x() - 2 * imgui.get_frame_height() - theme.em(1.2)
        widgets.clipped(message.text, "text" if message.error else "dim", room)
        report.mark("Message")
        if imgui.is_item_clicked():
            self.open()
        imgui.same_line(imgui.get_window_width() - 2 * imgui.get_frame_height() - theme.em(0.8))
        if widgets.icon(fonts.COPY, "Copy", "Copies this message"):
            imgui.set_clipboard_text(message.text)

    def _list(self) -> None:
        """The button for all messages, at the right, and their list."""
        imgui.same_line(imgui.get_window_width() - imgui.get_frame_height() - theme.em(0.6))
        why_not = "" if self._messages.all() else "Nothing was said yet"
        if widgets.icon(fonts.LIST, "Messages", "All messages since the window opened", why_not) or self._wanted:
            imgui.open_popup("messages")
        self._wanted = False
        imgui.set_next_window_size_constraints(ImVec2(theme.em(20), 0), imgui.get_main_viewport().size * 0.8)
        with imgui_ctx.begin_popup("messages") as popup:
            if popup:
                _all(self._messages)


def _all(messages: Messages) -> None:
    """Every message, newest first, with its details in a fold."""
    if not messages.all():
        widgets.text("Nothing was said yet", "dim")
        return
    if widgets.button(f"{fonts.COPY}  Copy all", name="Copy all"):
        imgui.set_clipboard_text("\n".join(map(in_full, messages.all())))
    for index, message in enumerate(reversed(messages.all())):
        with imgui_ctx.push_id(index):
            if widgets.icon(fonts.COPY, "Copy", "Copies it, details too"):
                imgui.set_clipboard_text(in_full(message))
            imgui.same_line()
            widgets.text(time.strftime("%H:%M:%S", time.localtime(message.at)), "faint")
            imgui.same_line()
            widgets.wrapped(message.text, "error" if message.error else "text", theme.em(44))
            if message.details:
                with imgui_ctx.tree_node("Details") as fold:
                    if fold:
                        widgets.text(message.details, "dim")


def in_full(message: Message) -> str:
    """A message with its time and details, as it is copied."""
    when = time.strftime("%H:%M:%S", time.localtime(message.at))
    return f"{when}  {message.text}\n{message.details}".rstrip()


def summary(result: RenderResult) -> str:
    """'CPU · fused ops · fp32 · 41 ms · 310 MB'."""
    if not result.times:
        return ""
    kinds = {"reference" if op.backend == "reference" else "fused" for op in result.ops}
    backends = f"{' + '.join(sorted(kinds)) or 'no'} ops"
    device = result.device.partition(" (")[0]
    took, memory = milliseconds(result.seconds), file_size(result.memory_bytes)
    return "  ·  ".join((device, backends, result.precision, took, memory))
