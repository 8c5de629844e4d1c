"""Favourites on disk: one PNG each, a small picture with the whole state inside, named as the person calls it."""
from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import platformdirs

from gui.jobs import Jobs
from gui.messages import Messages
from gui.requests import seed_of
from gui.saving import free_path, stem
from gui.words import readable
from renderer.content import stamped, unstamped
from renderer.images import load_picture, load_request, load_style, save_png, thumbnail
from renderer.types import Array, ModelInfo, RenderRequest, RenderResult, Source

SAVED_SIDE = 256                         # pixels of the picture in the file
SIDE = 96                                # of the one in memory
LIMIT = 2000                             # files read
MAX_NAME = 80                            # characters
DELETED = ".deleted"                     # files wait under this ending until the window closes


@dataclass(frozen=True, eq=False)
class Favourite:
    path: Path
    request: RenderRequest
    picture: np.ndarray                  # uint8 [h, w, 3], at most SIDE wide or high
    style: Array | None = None           # the w behind it [num_ws, w_dim], where no seed alone gives it

    @property
    def name(self) -> str:
        return self.path.stem


def default_folder() -> Path:
    return Path(platformdirs.user_data_dir("stylescope", appauthor=False)) / "favourites"


class Favourites:
    """Read and written by the worker, which replaces `entries` as a whole."""

    def __init__(self, jobs: Jobs, messages: Messages, folder: Path):
        self.folder = folder
        self.entries: tuple[Favourite, ...] = ()     # newest first
        self.deleted: Favourite | None = None        # the last one, which can be brought back
        self._jobs, self._messages = jobs, messages
        self._saved: tuple = (None, None, ())
        self.read()

    def read(self) -> None:
        """Anew from the folder; what can't be read is left out, with a message."""
        def job() -> None:
            files = [p for p in self.folder.glob("*.png") if not p.name.startswith(".")] if self.folder.is_dir() else []
            files = sorted(files, key=lambda p: p.stat().st_mtime_ns, reverse=True)[:LIMIT]
            self.entries = tuple(filter(None, map(self._read_file, files)))
        self._jobs.run("read the favourites", job)

    def _read_file(self, path: Path) -> Favourite | None:
        try:
            request = readable(unstamped(load_request(path)))
            return Favourite(path, request, thumbnail(load_picture(path), SIDE), load_style(path))
        except Exception as error:
            self._messages.say(f"A favourite was left out: {error}", error=True)
            return None

    def keep(self, result: RenderResult) -> None:
        """What is shown."""
        if result.picture is None:
            self._messages.say("There is nothing to keep yet", error=True)
            return

        def job() -> str:
            known = next((f for f in self.entries if f.request == result.request), None)
            if known:
                return f"Among the favourites already: {known.name}"
            self.folder.mkdir(parents=True, exist_ok=True)
            path = free_path(self.folder, first_name(result.request))
            state = stamped(result.request, self._jobs.progress)         # hashes the checkpoint, once
            style = None if result.ws is None or is_seed(result.request) else Array.of(result.ws[0])
            save_png(path, thumbnail(result.picture, SAVED_SIDE), state, style)
            self.entries = (Favourite(path, result.request, thumbnail(result.picture, SIDE), style), *self.entries)
            return f"Kept among the favourites as {path.stem}"
        self._jobs.run("keep the favourite", job)

    def rename(self, favourite: Favourite, name: str) -> None:
        name = file_name(name)
        if not name or name == favourite.name:
            return

        def job() -> None:
            renamed = replace(favourite, path=_moved(favourite.path, free_path(self.folder, name)))
            self.entries = tuple(renamed if f is favourite else f for f in self.entries)
        self._jobs.run("rename the favourite", job)

    def delete(self, favourite: Favourite) -> None:
        """Until the window closes it can be brought back."""
        def job() -> None:
            hidden = replace(favourite, path=_moved(favourite.path, _hidden(favourite.path)))
            self.entries = tuple(f for f in self.entries if f is not favourite)
            self.deleted = hidden
        self._jobs.run("delete the favourite", job)

    def bring_back(self) -> None:
        """The one deleted last."""
        hidden, self.deleted = self.deleted, None
        if hidden:
            self._jobs.run("bring the favourite back", lambda: self._bring_back(hidden))

    def _bring_back(self, hidden: Favourite) -> None:
        name = hidden.path.name.removeprefix(".").removesuffix(DELETED)
        shown = replace(hidden, path=_moved(hidden.path, free_path(self.folder, Path(name).stem)))
        self.entries = tuple(sorted((*self.entries, shown), key=lambda f: f.path.stat().st_mtime_ns, reverse=True))

    def close(self) -> None:
        """Deleted ones are gone now."""
        def job() -> None:
            for path in self.folder.glob(f".*{DELETED}"):
                path.unlink(missing_ok=True)
        self._jobs.run("delete the favourites", job)

    def saved(self, info: ModelInfo | None) -> tuple[Source, ...]:
        """Those that are a seed, or a w of this network's shape, as sources of the mixing table."""
        if self._saved[0] is not self.entries or self._saved[1] is not info:
            found = tuple(filter(None, map(source_of, self.entries))) if info else ()
            fitting = tuple(s for s in found if s.w is None or s.w.shape == (info.num_ws, info.w_dim))
            self._saved = self.entries, info, fitting
        return self._saved[2]


def source_of(favourite: Favourite) -> Source | None:
    """Its style as a source: a seed, or the w that was kept."""
    latent, name = favourite.request.latent, favourite.name
    if is_seed(favourite.request):
        return Source(seed_of(latent), name=name)
    if favourite.style is not None:
        return Source(w=favourite.style, name=name)
    if latent.w is not None:             # kept before the style was
        w = latent.w.numpy()
        return Source(w=Array.of(w if w.ndim == 2 else w[0]), name=name)
    return None


def is_seed(request: RenderRequest) -> bool:
    """A seed alone says where the style comes from."""
    latent = request.latent
    return latent.w is None and latent.z is None and latent.x % 1 == latent.y % 1 == 0 and not request.mix.rows


def first_name(request: RenderRequest) -> str:
    """'seed 12 stylegan3-t'."""
    network, _, latent = stem(request).rpartition("_")
    return f"{latent.replace('seed', 'seed ').replace('-y', ' y')} {network}"


def file_name(name: str) -> str:
    """`name` as any system takes it for a file, without an ending."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "-", name).strip().strip(".")
    while len(name.encode()) > 200 or len(name) > MAX_NAME:
        name = name[:-1]
    return name.strip()


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{DELETED}")


def _moved(path: Path, to: Path) -> Path:
    os.replace(path, to)
    return to
