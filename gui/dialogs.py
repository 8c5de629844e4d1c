"""Asking for a file or a folder without blocking: the system's dialog in the background, or the window's browser."""
from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from imgui_bundle import portable_file_dialogs as native

from gui.browser import Browser

Answer = Callable[[str], None]
CHECKPOINTS = ("Checkpoints", "*.pkl *.safetensors *.pt *.png *.json")
LATENTS = ("Latents", "*.npz *.npy")
NAMES = ("Class names", "*.txt *.json")


class Dialogs:
    """One question at a time; the answer is handed to `then` in a later frame, a cancelled one never."""

    def __init__(self):
        self._native: native.open_file | native.select_folder | None = None
        self._browser: Browser | None = None
        self._then: Answer = lambda path: None

    def ask_file(self, title: str, folder: str, then: Answer, kind: tuple[str, str] = CHECKPOINTS) -> None:
        """`kind`: what is asked for, and its patterns, which a native dialog shows at first."""
        self._ask(lambda: native.open_file(title, folder, [*kind, "All files", "*"]), Browser(title, folder), then)

    def ask_folder(self, title: str, folder: str, then: Answer) -> None:
        self._ask(lambda: native.select_folder(title, folder), Browser(title, folder, folders_only=True), then)

    def _ask(self, open_native, browser: Browser, then: Answer) -> None:
        if self.open:
            return
        self._then = then
        if has_native():
            self._native = open_native()
        else:
            self._browser = browser

    @property
    def open(self) -> bool:
        return self._native is not None or self._browser is not None

    @property
    def polling(self) -> bool:
        """Frames are needed to notice the answer."""
        return self._native is not None

    def draw(self) -> None:
        """Draws the browser if it is open, and hands over an answer that has arrived."""
        answer = None
        if self._native is not None and self._native.ready(0):
            answer, self._native = self._native.result(), None
        elif self._browser is not None:
            self._browser.draw()
            if self._browser.done:
                answer, self._browser = self._browser.chosen, None
        if answer:
            self._then(answer if isinstance(answer, str) else answer[0])


def has_native() -> bool:
    """Without these programs the library answers at once, as if cancelled."""
    if not sys.platform.startswith("linux"):
        return True
    return any(shutil.which(program) for program in ("zenity", "kdialog", "matedialog", "qarma"))


def folder_of(path: str) -> str:
    """The folder to start in for a path that was opened last."""
    folder = Path(path).expanduser().parent
    return str(folder if path and folder.is_dir() else Path.home())
