"""Saving pictures: what is shown, what must be rendered first, the comparison, the window; the state is in each PNG."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath

import numpy as np

from gui.comparison import composed
from gui.jobs import Jobs
from gui.messages import Messages
from gui.requests import seed_of
from renderer.content import stamped
from renderer.images import save_png
from renderer.types import Compare, RenderRequest, RenderResult

LONGEST = 120                            # bytes of a file's name before the kind and the time
MENU_FRAMES = 2                          # until the menu in which the window was asked for has gone
Place = tuple[int, int, int, int]        # left, top, right, bottom in pixels of the window


class Saver:
    """Requests to be rendered for saving take turns before what the window shows."""

    def __init__(self, jobs: Jobs, messages: Messages, folder: Callable[[], Path]):
        self.folder = folder
        self._jobs, self._messages = jobs, messages
        self._waiting: deque[RenderRequest] = deque()
        self._window: tuple[str, Place | None] | None = None     # what of a frame's pixels is wanted
        self._frames = 0                 # until then

    @property
    def request(self) -> RenderRequest | None:
        """What has to be rendered next for saving."""
        return self._waiting[0] if self._waiting else None

    def render(self, request: RenderRequest) -> None:
        """Renders `request` and saves its picture."""
        self._waiting.append(request)

    def save_shown(self, result: RenderResult) -> None:
        if result.picture is None:
            self._messages.say("There is no picture to save yet", error=True)
        else:
            self._write(lambda: result.picture, result.request, what_is(result.request))

    def save_comparison(self, a: RenderResult, b: RenderResult, compare: Compare) -> None:
        """As it is shown, at the networks' resolution; a flip is saved side by side."""
        request = replace(a.request, compare=compare)
        mode = "side" if compare.mode == "flip" else compare.mode
        what = compare.error if mode == "difference" else mode
        self._write(lambda: composed(a, b, compare), request, f"{what_is(a.request)}_{what}")

    # -- the window ---------------------------------------------------------------------------------------------------

    def save_window(self, name: str = "window", place: Place | None = None) -> None:
        """All of the window, or a panel of it."""
        self._window, self._frames = (name, place), MENU_FRAMES

    def window_due(self) -> bool:
        """Asked once a frame: whether its pixels are to be handed to `window_drawn`."""
        self._frames -= self._window is not None
        return self._window is not None and self._frames < 0

    def window_drawn(self, pixels: np.ndarray, request: RenderRequest) -> None:
        """pixels: uint8 [H, W, 3]."""
        (name, place), self._window = self._window, None
        if place:
            left, top, right, bottom = place
            pixels = pixels[max(top, 0):bottom, max(left, 0):right]
        self._write(lambda: np.ascontiguousarray(pixels), request, safe(name))

    # -- rendered for saving ------------------------------------------------------------------------------------------

    def take(self, result: RenderResult) -> bool:
        """Whether `result` was rendered for saving, and so is not for the window."""
        if result.request != self.request:
            return False
        request = self._waiting.popleft()
        if result.picture is None:
            self._messages.say(f"Nothing was saved: {result.error}", error=True, details=result.details or "")
        else:
            self._write(lambda: result.picture, request, what_is(request))
        return True

    def forget(self) -> None:
        """Drops what still waits to be rendered."""
        self._waiting.clear()

    # -- files --------------------------------------------------------------------------------------------------------

    def _write(self, picture: Callable[[], np.ndarray], request: RenderRequest, what: str) -> None:
        folder, name = self.folder(), f"{stem(request)}_{what}_{time.strftime('%Y%m%d-%H%M%S')}"

        def job() -> str:
            folder.mkdir(parents=True, exist_ok=True)
            state = stamped(request, self._jobs.progress)        # hashes the checkpoint, once
            path = free_path(folder, name)
            save_png(path, picture(), state)
            return f"Saved {path}"
        self._jobs.run("save the picture", job)

    def show_folder(self) -> None:
        """In the system's file manager."""
        folder = self.folder()

        def job() -> str | None:
            folder.mkdir(parents=True, exist_ok=True)
            return None if open_folder(folder) else f"No file manager was found here. Pictures are saved in {folder}"
        self._jobs.run("show the folder", job)


def open_folder(folder: Path) -> bool:
    """Starts the system's file manager, without waiting for it; whether there is one."""
    if sys.platform == "win32":
        os.startfile(folder)
        return True
    program = shutil.which("open" if sys.platform == "darwin" else "xdg-open")
    if program is None:
        return False
    process = subprocess.Popen([program, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait(1.0) == 0    # it hands over to the file manager; where there is none it says so at once
    except subprocess.TimeoutExpired:
        return True


def what_is(request: RenderRequest) -> str:
    return "table" if request.table else "seeds" if request.seeds else request.tap


def stem(request: RenderRequest) -> str:
    """'stylegan3-t_seed12', 'net_x2.25-y0.50': the network's file and the seed, fit for a file name."""
    path = request.checkpoint.path
    name = path.removeprefix("demo:") if path.startswith("demo:") else PurePath(path.split("?")[0]).stem or "stylescope"
    latent = request.latent
    plane = f"seed{seed_of(latent)}" if latent.x % 1 == latent.y % 1 == 0 else f"x{latent.x:.2f}-y{latent.y:.2f}"
    source = "w" if latent.w else "z" if latent.z else plane
    return f"{safe(name)}_{source}"


def safe(name: str) -> str:
    """`name`, in any script, as every system takes it for a part of a file's name."""
    name = re.sub(r'[<>:"/\\|?*\s\x00-\x1f\x7f]+', "-", unicodedata.normalize("NFC", name)).strip("-. ")
    return name.encode()[:LONGEST].decode(errors="ignore") or "stylescope"


def free_path(folder: Path, name: str, suffix: str = ".png") -> Path:
    """A path that nothing is at yet."""
    path, count = folder / f"{name}{suffix}", 1
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}{suffix}"
    return path
