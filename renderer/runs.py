"""Training runs as their folders tell of them: what they are, how they go, what they are asked to do. No torch.

A folder may vanish, and every file in it be half-written or damaged, at any time: then less is known.
"""
from __future__ import annotations

import errno
import json
import math
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import platformdirs
from PIL import Image

from nets.errors import UserError, one_line

SILENCE = 20.0                           # seconds without a heartbeat after which a run may have died
LIVE = ("starting", "running", "paused")
STATES = (*LIVE, "stopped", "finished", "failed")        # that status.json names; besides there are:
DIED, UNKNOWN = "died", "unknown"
PAUSE, STOP = "pause", "stop"            # files that ask for it
MOST_RUNS = 500                          # of a folder, the newest
TAIL = 1 << 15                           # bytes of the log, and of the statistics, that are looked at
SMALL = 1024                             # pixels of a side: of smaller pictures no smaller ones are made
KILLED = "its process is gone without a word: it was killed, or the machine went down; what it saved last is whole"


@dataclass(frozen=True)
class Run:
    """What is known of a run now."""
    path: str
    state: str                           # of STATES, DIED or UNKNOWN
    doing: str = ""                      # 'G main'
    images: int = 0                      # shown so far
    total: int | None = None             # .. and in all
    error: str = ""                      # why it failed or died, in one line
    started: float = 0.0                 # unix seconds
    updated: float = 0.0                 # .. of its last word
    host: str = ""
    wish: str = ""                       # PAUSE or STOP, if it is asked to; else empty
    rate: float | None = None            # images a second
    eta: float | None = None             # seconds of training that were left when it last knew
    command: str = ""                    # that started it
    about: str = ""                      # 'stylegan2 on faces: 70000 pictures, 256 x 256'
    snapshot: str = ""                   # path of its newest network
    resumable: bool = False              # it has saved a state to go on from

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def is_live(self) -> bool:
        return self.state in LIVE

    @property
    def share(self) -> float:
        """How far it is, 0..1."""
        return min(self.images / self.total, 1.0) if self.total else 0.0


class Sheet(NamedTuple):
    """A grid of generated pictures."""
    images: int                          # shown by then
    path: str


def default_outdir() -> Path:
    return Path(platformdirs.user_documents_dir()) / "Stylescope" / "training-runs"


# -- many runs --------------------------------------------------------------------------------------------------------

class Shelf:
    """Looks at the same runs again and again, and reads only what has changed."""

    def __init__(self):
        self._config, self._status = Known(_read_json), Known(_read_json)
        self._last_line = Known(_last_statistics)

    def look(self, folders: Sequence[str | os.PathLike]) -> tuple[Run, ...]:
        """The runs in `folders`, and those that are runs themselves; what was started last comes first."""
        paths = dict.fromkeys(path for folder in folders for path in run_folders(Path(folder).expanduser()))
        runs = [run for path in paths if (run := self.run(path))]
        return tuple(sorted(runs, key=lambda run: (run.started, run.name), reverse=True))

    def run(self, path: Path) -> Run | None:
        """None: it has vanished."""
        config, status = self._config(path / "config.json"), self._status(path / "status.json")
        if config is None and status is None and not is_run(path):
            return None
        last, status = self._last_line(path / "stats.jsonl") or {}, status or {}
        state, error = state_of(path, status, time.time())
        networks = sorted(path.glob(f"snapshot-{'[0-9]' * 12}.safetensors"))
        total = number(status, "total_images")
        return Run(
            str(path), state, text(status, "doing"), int(number(status, "images") or 0), total and int(total), error,
            number(status, "started") or _changed(path / "config.json"), number(status, "updated") or 0.0,
            text(status, "host"), wish_of(path), number(last, "img_per_s"), number(last, "eta"),
            text(config, "command"), about(config or {}), str(networks[-1]) if networks else "",
            any(path.glob("state-*.safetensors")))


class Known:
    """What `read` makes of a file, read again when the file is another; None where it can't be read."""

    def __init__(self, read: Callable[[Path], Any]):
        self._read = read
        self._found: dict[Path, tuple[tuple, Any]] = {}

    def __call__(self, path: Path) -> Any:
        try:
            status = path.stat()
            mark = status.st_mtime_ns, status.st_size, status.st_ino
            if path not in self._found or self._found[path][0] != mark:
                self._found[path] = mark, self._read(path)
        except OSError:
            self._found.pop(path, None)
        return self._found[path][1] if path in self._found else None


def run_folders(folder: Path) -> list[Path]:
    """`folder`, if it is a run's, else those in it that are; [] where it can't be read."""
    if is_run(folder):
        return [folder]
    with suppress(OSError):
        found = [Path(entry.path) for entry in os.scandir(folder) if re.match(r"\d+-", entry.name)]
        return [path for path in sorted(found, key=_number)[-MOST_RUNS:] if is_run(path)]
    return []


def is_run(path: Path) -> bool:
    return (path / "config.json").is_file() or (path / "status.json").is_file()


def _number(path: Path) -> int:
    return int(path.name.partition("-")[0])


def about(config: dict) -> str:
    """'stylegan2 on faces: 70000 pictures, 256 x 256'."""
    run, data = (part if isinstance(part := config.get(key), dict) else {} for key in ("run", "data"))
    name, count, size = Path(text(data, "path")).stem, number(data, "images"), data.get("size")
    words = [f"{count:.0f} pictures"] if count else []
    if isinstance(size, list) and len(size) == 2:
        words.append(one_line(f"{size[1]} × {size[0]}", 40))
    on = f"{text(run, 'cfg')} on {name}" if name else text(run, "cfg")
    return f"{on}: {', '.join(words)}" if words else on


# -- is it alive? -----------------------------------------------------------------------------------------------------

def state_of(path: Path, status: dict, now: float) -> tuple[str, str]:
    """The state and, if it ended badly, the reason. `now`: unix seconds."""
    state, error = text(status, "state"), text(status, "error")
    if state not in STATES:
        return UNKNOWN, "its status.json is missing or damaged"
    silent = now - (number(status, "updated") or 0.0) > SILENCE
    if state in LIVE and silent and text(status, "host") == socket.gethostname() and _is_gone(path, status):
        return DIED, KILLED
    return state, (error or "it did not say why") if state == "failed" else ""


def _is_gone(path: Path, status: dict) -> bool:
    """Whether the run's process on this machine has ended. Its number may be another's by now, but not its lock."""
    pid = number(status, "pid")
    if os.name != "nt" and pid is not None:
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):         # another user's
            pass
    return is_free(path / "lock")


def is_free(lock: Path) -> bool:
    """Whether no process holds a lock of train/lock.py. It is held for a moment here, shared."""
    try:
        file = open(lock, "rb+" if os.name == "nt" else "rb")
    except FileNotFoundError:
        return True
    except OSError:
        return False
    with file:
        try:
            _try(file.fileno())
        except OSError as error:
            return error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK, errno.ENOLCK)
    return True


if os.name == "nt":
    import msvcrt

    def _try(descriptor: int) -> None:
        for how in (msvcrt.LK_NBLCK, msvcrt.LK_UNLCK):
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)
            msvcrt.locking(descriptor, how, 1)
else:
    import fcntl

    def _try(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


# -- wishes -----------------------------------------------------------------------------------------------------------

def wish_of(path: Path) -> str:
    return next((wish for wish in (STOP, PAUSE) if (path / wish).exists()), "")


def ask(path: str | os.PathLike, wish: str) -> None:
    """Asks a run to PAUSE, until `go_on`, or to STOP. Raises UserError."""
    try:
        (Path(path) / wish).touch()
    except OSError as error:
        raise UserError(one_line(f"{path}: the run cannot be asked to {wish}: {error.strerror or error}")) from None


def go_on(path: str | os.PathLike) -> None:
    """Takes back what it was asked. Raises UserError."""
    try:
        for wish in (PAUSE, STOP):
            (Path(path) / wish).unlink(missing_ok=True)
    except OSError as error:
        raise UserError(one_line(f"{path}: the run cannot be asked to go on: {error.strerror or error}")) from None


# -- what is in a folder ----------------------------------------------------------------------------------------------

def sheets(path: str | os.PathLike) -> tuple[Sheet, ...]:
    """The sample grids, oldest first."""
    with suppress(OSError):
        found = [(match, entry.path) for entry in os.scandir(path)
                 if (match := re.fullmatch(r"fakes-(\d{12})\.(png|jpg)", entry.name))]
        return tuple(sorted(Sheet(int(match[1]), file) for match, file in found))
    return ()


def reals(path: str | os.PathLike) -> str:
    """The grid of pictures of the set; '' if there is none."""
    return next((str(file) for suffix in ("png", "jpg") if (file := Path(path, f"reals.{suffix}")).is_file()), "")


def load_sheet(path: str | os.PathLike) -> np.ndarray:
    """uint8 [H, W, 3], read-only. Raises UserError, naming the file, if it can't be read."""
    try:
        with Image.open(path, formats=["PNG", "JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there any more") from None
    except (SyntaxError, ValueError, OSError, MemoryError, Image.DecompressionBombError):
        raise UserError(f"{path}: cannot be read, it is damaged or too large") from None


def log_of(path: str | os.PathLike) -> tuple[str, ...]:
    """The last lines of its log."""
    try:
        content = _tail(Path(path, "log.txt"))
    except OSError:
        return ()
    return tuple(content.decode("utf-8", "replace").replace("\0", " ").splitlines())


def levels(picture: np.ndarray) -> tuple[np.ndarray, ...]:
    """`picture`, uint8 [H, W, 3], at the full size, at half of it and so on, so that any size is made of few pixels."""
    found = [picture]
    while max(found[-1].shape) > SMALL:
        found.append(np.asarray(Image.fromarray(found[-1]).reduce(2)))
    return tuple(found)


def _tail(path: Path) -> bytes:
    """The whole lines among the last TAIL bytes."""
    with open(path, "rb") as file:
        begin = max(file.seek(0, os.SEEK_END) - TAIL, 0)
        file.seek(begin)
        content = file.read(TAIL)
    return content.partition(b"\n")[2] if begin else content


def _last_statistics(path: Path) -> dict:
    """The newest line that can be read, and what is known of the pace from those before."""
    found: dict = {}
    for line in _tail(path).splitlines()[-20:]:
        with suppress(ValueError, RecursionError):
            values = json.loads(line)
            found |= values if isinstance(values, dict) else {}
    return found


def _read_json(path: Path) -> dict | None:
    """None where it is no JSON object."""
    with suppress(ValueError, RecursionError):
        values = json.loads(path.read_bytes())
        return values if isinstance(values, dict) else None
    return None


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def number(values: Any, key: str) -> float | None:
    """A finite number; None: there is none."""
    value = values.get(key) if isinstance(values, dict) else None
    if type(value) not in (int, float) or abs(value) > sys.float_info.max or not math.isfinite(value):
        return None
    return float(value)


def text(values: Any, key: str) -> str:
    value = values.get(key) if isinstance(values, dict) else None
    return one_line(value, 2000) if isinstance(value, str) else ""


def kinds(values: dict) -> Iterator[str]:
    """Names of the numbers in a line of statistics."""
    return (key for key in values if number(values, key) is not None)
