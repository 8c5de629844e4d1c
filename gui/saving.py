"""Saving pictures: what is shown, what must be rendered first, or the window itself; with the state inside each PNG."""
from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path, PurePath

import numpy as np

from gui.jobs import Jobs
from gui.messages import Messages
from renderer.images import save_png
from renderer.types import RenderRequest, RenderResult


class Saver:
    """Requests to be rendered for saving take turns before what the window shows."""

    def __init__(self, jobs: Jobs, messages: Messages, folder: Callable[[], Path]):
        self.folder = folder
        self._jobs, self._messages = jobs, messages
        self._waiting: deque[RenderRequest] = deque()
        self.window_wanted = False       # the next frame's pixels are to be handed to `window_drawn`

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
            self._write(result.picture, result.request, what_is(result.request))

    def save_window(self) -> None:
        self.window_wanted = True

    def window_drawn(self, pixels: np.ndarray, request: RenderRequest) -> None:
        self.window_wanted = False
        self._write(pixels, request, "window")

    def take(self, result: RenderResult) -> bool:
        """Whether `result` was rendered for saving, and so is not for the window."""
        if result.request != self.request:
            return False
        request = self._waiting.popleft()
        if result.picture is None:
            self._messages.say(f"Nothing was saved: {result.error}", error=True, details=result.details or "")
        else:
            self._write(result.picture, request, what_is(request))
        return True

    def forget(self) -> None:
        """Drops what still waits to be rendered."""
        self._waiting.clear()

    def _write(self, picture: np.ndarray, request: RenderRequest, what: str) -> None:
        folder, name = self.folder(), f"{stem(request)}_{what}_{time.strftime('%Y%m%d-%H%M%S')}"

        def job() -> str:
            folder.mkdir(parents=True, exist_ok=True)
            path = free_path(folder, name)
            save_png(path, picture, request)
            return f"Saved {path}"
        self._jobs.run("save the picture", job)


def what_is(request: RenderRequest) -> str:
    return "table" if request.table else request.tap


def stem(request: RenderRequest) -> str:
    """'stylegan3-t_seed12': the network's file and the seed, fit for a file name."""
    path = request.checkpoint.path
    name = path.removeprefix("demo:") if path.startswith("demo:") else PurePath(path.split("?")[0]).stem or "stylescope"
    latent = request.latent
    source = "w" if latent.w else "z" if latent.z else f"seed{round(latent.x) + 100 * round(latent.y)}"
    return re.sub(r'[<>:"/\\|?*\s]+', "-", f"{name}_{source}")


def free_path(folder: Path, name: str, suffix: str = ".png") -> Path:
    """A path that nothing is at yet."""
    path, count = folder / f"{name}{suffix}", 1
    while path.exists():
        count += 1
        path = folder / f"{name}-{count}{suffix}"
    return path
