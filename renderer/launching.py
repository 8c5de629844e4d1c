"""Training's processes, started from here: one that outlives its starter, or one that is waited for. No torch.

They are talked to as a person would: by the command line of `python -m train`, its output and its exit status.
"""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from nets.errors import UserError, one_line

ROOT = Path(__file__).resolve().parents[1]               # where `python -m train` is found
POLL = 0.1                               # seconds
STAMP = len("2026-01-31 12:00:00 ")      # before every line of a run's log
MOST_TAIL = 1 << 14                      # bytes of a log that its last line is looked for in
_PERCENT = re.compile(rb"^([^\r\n:]*): +(\d+)%\|")


def typed(arguments: Sequence[str]) -> str:
    """`python -m train` with `arguments`, as it would be typed in the program's folder."""
    words = ["python", "-m", "train", *arguments]
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


# -- a process of its own ---------------------------------------------------------------------------------------------

class Started:
    """A process that goes on when this one ends. `log`: the file with all it says."""

    def __init__(self, process: subprocess.Popen, log: Path, begin: int):
        self.pid, self.log = process.pid, log
        self._process, self._begin = process, begin      # bytes that stood in the log before
        threading.Thread(target=process.wait, name="training's end", daemon=True).start()      # or it stays a zombie

    @property
    def status(self) -> int | None:
        """Its exit status; negative: minus the signal that ended it; None: it runs."""
        return self._process.returncode

    def last_line(self) -> str:
        """Of what it said; '' if that is nothing."""
        try:
            return _last_line(_tail(self.log, self._begin))
        except OSError:
            return ""

    def folder(self) -> Path | None:
        """The run's, once it is there: what the process says first, behind the time."""
        try:
            with open(self.log, "rb") as file:
                file.seek(self._begin)
                said = file.read(MOST_TAIL).decode("utf-8", "replace")
        except OSError:
            return None
        places = (Path(line[STAMP:]) for line in said.split("\n")[:-1] if line[STAMP:])
        return next((place for place in places if place.is_absolute() and (place / "config.json").is_file()), None)


def start(arguments: Sequence[str], log: str | os.PathLike) -> Started:
    """`python -m train` with `arguments`, in a session of its own, its output appended to `log`.

    Paths in `arguments` are to be absolute. Raises UserError where the log cannot be written or nothing be started.
    """
    log = Path(log)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as file:
            file.write(f"$ {typed(arguments)}\n".encode("utf-8", "replace"))
            file.flush()
            begin = file.tell()
            return Started(_popen(arguments, stdout=file, stderr=subprocess.STDOUT, **_apart()), log, begin)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(one_line(f"{getattr(error, 'filename', None) or log}: training cannot be started: {reason}")
                        ) from None


def new_log() -> Path:
    """A file for the output of a process that has no folder yet; in the person's cache."""
    folder = Path(platformdirs.user_cache_dir("stylescope", appauthor=False)) / "training"
    return folder / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.monotonic_ns() % 10 ** 6:06}.log"


def _popen(arguments: Sequence[str], **how) -> subprocess.Popen:
    return subprocess.Popen([python(), "-m", "train", *arguments], stdin=subprocess.DEVNULL, cwd=ROOT,
                            env=os.environ | {"PYTHONUNBUFFERED": "1", "PYTHONUTF8": "1"}, **how)


def _apart() -> dict[str, Any]:
    """Neither the end of a terminal nor Ctrl+C in it reaches the process."""
    if os.name == "nt":
        return {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def python() -> str:
    """The program that runs training; STYLESCOPE_PYTHON, where given, stands in for it."""
    return os.environ.get("STYLESCOPE_PYTHON") or sys.executable


# -- a question -------------------------------------------------------------------------------------------------------

class Progress(NamedTuple):
    what: str                            # 'converting'
    share: float                         # 0..1


def ask(arguments: Sequence[str], told: Callable[[Progress | None], None] = lambda progress: None) -> str:
    """What `python -m train` with `arguments` prints, once it has ended well.

    `told` is called several times a second, with how far it is where it says so; what it raises ends the process.
    Raises UserError with the line it ended with otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="stylescope-") as folder:
        output, errors = Path(folder, "output"), Path(folder, "errors")
        try:
            with open(output, "wb") as out, open(errors, "wb") as err:
                process = _popen(arguments, stdout=out, stderr=err)
        except (OSError, ValueError) as error:
            raise UserError(one_line(f"training cannot be asked: {error}")) from None
        try:
            while process.poll() is None:
                told(_progress(_tail(errors)))
                _wait(process)
        finally:
            _end(process)
        if process.returncode:
            raise UserError(_last_line(_tail(errors)) or _died(process.returncode))
        return output.read_text("utf-8", "replace")


def _wait(process: subprocess.Popen) -> None:
    try:
        process.wait(POLL)
    except subprocess.TimeoutExpired:
        pass


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _died(status: int) -> str:
    return f"the process ended without a word, by signal {-status}" if status < 0 else \
        f"the process ended without a word, with status {status}"


def _tail(path: Path, begin: int = 0) -> bytes:
    """What a file ends with, of what stands behind `begin`."""
    with open(path, "rb") as file:
        file.seek(max(begin, file.seek(0, os.SEEK_END) - MOST_TAIL))
        return file.read()


def _last_line(text: bytes) -> str:
    lines = [line for line in re.split(rb"[\r\n]+", text) if line.strip()]
    return one_line(lines[-1].decode("utf-8", "replace")) if lines else ""


def _progress(said: bytes) -> Progress | None:
    """Of the newest bar in `said`."""
    found = [match for line in re.split(rb"[\r\n]+", said) if (match := _PERCENT.match(line))]
    return Progress(found[-1][1].decode(), int(found[-1][2]) / 100) if found else None


@dataclass(frozen=True)
class Look:
    """What a run would be. `text`: lines of 'name   value'; `settings`: {"train", "run"}, as in its config.json."""
    text: str
    settings: dict[str, Any]

    def value(self, place: str) -> Any:
        """Of an option's `place`; None where the configuration has none."""
        found = self.settings
        for name in place.split(".") if place else ("",):
            found = found.get(name) if isinstance(found, dict) else None
        return found


def look(arguments: Sequence[str], told: Callable[[Progress | None], None] = lambda progress: None) -> Look:
    """What `python -m train` with `arguments` of a run would do. Raises UserError with why it would not."""
    values = json.loads(ask([*arguments, "--dry-run", "json"], told))
    return Look(values.pop("text"), values)


# -- what training offers ---------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Option:
    """One of `python -m train run`; as in train.run_options."""
    name: str
    kind: str                            # text, path, whole, number, choice, switch, names, size, command
    group: str
    help: str
    place: str                           # in a run's config.json: 'train.loss.gamma'
    metavar: str | None
    choices: tuple[str, ...] | None
    default: Any
    may_change: bool


@dataclass(frozen=True)
class Offer:
    options: tuple[Option, ...]
    presets: dict[str, str]              # a line on each


@cache
def offer() -> Offer:
    """The options and presets of `python -m train run`; asked for once. Raises UserError."""
    values = json.loads(ask(["options", "--json"]))
    options = [Option(**option | {"choices": option["choices"] and tuple(option["choices"])})
               for option in values["options"]]
    return Offer(tuple(options), values["presets"])
