"""What is remembered between runs: recent files, window size, layout. Written whole or not at all."""
from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from gui.words import readable
from renderer.images import write_whole

RECENT_LIMIT = 12
CLOSED_AT_FIRST = ("Training", "New run")          # titles of panels that are opened when they are asked for
RANGES = {"width": (320, 16384), "height": (240, 16384), "zoom": (0.5, 3.0)}


@dataclass(frozen=True)
class Settings:
    recents: tuple[str, ...] = ()        # newest first
    width: int = 1280                    # of the window, at 100 %
    height: int = 800
    position: tuple[int, ...] = ()       # x, y of the window on the desktop; empty: the system's choice
    maximized: bool = False
    zoom: float = 1.0                    # times the monitor's scale
    theme: str = "dark"                  # or 'light'
    greeted: bool = False                # the first steps were shown
    capture_folder: str = ""             # empty: the person's pictures folder
    new_run: str = ""                    # what was filled in for a training run, as JSON (gui.runform)
    outdir: str = ""                     # where new training runs go; empty: renderer.runs.default_outdir()
    run_folders: tuple[str, ...] = ()    # others whose runs are listed, newest first
    hidden: tuple[str, ...] = CLOSED_AT_FIRST    # titles of panels
    switches: tuple[str, ...] = ()       # of panels, that are not as they are at first
    layout: str = ""                     # ImGui's ini text, at 100 %; empty: the default layout

    def with_recent(self, path: str) -> Settings:
        kept = tuple(p for p in self.recents if p != path)
        return dataclasses.replace(self, recents=(path, *kept)[:RECENT_LIMIT])

    def with_second(self, path: str) -> Settings:
        """A network that was opened beside another: after the newest, unless it is known."""
        if path in self.recents[:2]:
            return self
        kept = tuple(p for p in self.recents if p != path)
        return dataclasses.replace(self, recents=(*kept[:1], path, *kept[1:])[:RECENT_LIMIT])

    def without_recent(self, path: str) -> Settings:
        return dataclasses.replace(self, recents=tuple(p for p in self.recents if p != path))

    def with_run_folder(self, folder: str) -> Settings:
        """A folder of training runs that was opened, or that one was started in."""
        kept = tuple(f for f in self.run_folders if f != folder)
        return dataclasses.replace(self, run_folders=(folder, *kept)[:RECENT_LIMIT])

    def with_capture_folder(self, folder: str) -> Settings:
        return dataclasses.replace(self, capture_folder=folder)


def default_file() -> Path:
    return Path(platformdirs.user_config_dir("stylescope", appauthor=False)) / "window.json"


def load(file: Path) -> Settings:
    """What is damaged in the file is as it was at first, the rest as it was."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return Settings()
    values = values if isinstance(values, dict) else {}
    fields = {f.name: _checked(values.get(f.name), f.default, int if "int" in f.type else str)
              for f in dataclasses.fields(Settings)}
    known = {name: value for name, value in fields.items() if value is not None}
    return Settings(**known | {name: min(max(known[name], low), high)
                               for name, (low, high) in RANGES.items() if name in known})


def _checked(value, default, item: type):
    """`value`, if it is like `default` (a tuple has items of type `item`); None: it isn't."""
    if isinstance(default, tuple):
        is_like = isinstance(value, list) and all(type(v) is item for v in value)
        return readable(tuple(value)) if is_like else None
    if isinstance(default, float) and type(value) is int:
        value = float(max(min(value, 2 ** 31), -2 ** 31))
    if type(value) is not type(default) or isinstance(value, float) and not math.isfinite(value):
        return None
    return readable(value)


def save(settings: Settings, file: Path) -> None:
    """Raises OSError if the folder can't be made, UserError if the file can't be written."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(settings), indent=1)
    write_whole(file, lambda out: out.write(text.encode()))
