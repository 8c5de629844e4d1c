"""What is remembered between runs: recent files, window size, layout. Written atomically; a damaged file is ignored."""
from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

RECENT_LIMIT = 12


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
    hidden: tuple[str, ...] = ()         # titles of panels
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

    def with_capture_folder(self, folder: str) -> Settings:
        return dataclasses.replace(self, capture_folder=folder)


def default_file() -> Path:
    return Path(platformdirs.user_config_dir("stylescope", appauthor=False)) / "window.json"


def load(file: Path) -> Settings:
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
        return Settings(**{f.name: _checked(values[f.name], f.default, int if "int" in f.type else str)
                           for f in dataclasses.fields(Settings) if f.name in values})
    except (OSError, ValueError, TypeError):
        return Settings()


def _checked(value, default, item: type):
    value = tuple(map(item, value)) if isinstance(default, tuple) else value
    if isinstance(default, float) and isinstance(value, int):
        value = float(value)
    if type(value) is not type(default):
        raise TypeError(f"{value!r} is not like {default!r}")
    return value


def save(settings: Settings, file: Path) -> None:
    """Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(dataclasses.asdict(settings), indent=1), encoding="utf-8")
    os.replace(part, file)
