"""A run's folder: its configuration, log, statistics, status, sample grids and snapshots, and who may write them.

What a full disk keeps from being written is named once and left out: a run goes on as long as it can be continued.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import time
import traceback
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nets.errors import UserError, one_line
from nets.replacing import replacing
from train.grids import save_grid
from train.lock import Lock
from train.stats import append, append_stats, rewind_stats
from train.status import Status

if TYPE_CHECKING:
    from train.events import Events

FORMAT_VERSION = 1
CONFIG, LOG, PAUSE, STOP = "config.json", "log.txt", "pause", "stop"
LONGEST = 100                            # bytes of a folder's name behind its number


class RunFolder:
    """One run's folder, written by this process alone until `close`. Made by `create`, opened again by `open`.

    `path`; `config`: what config.json holds.
    """

    def __init__(self, path: Path, config: dict[str, Any], quiet: bool = False):
        self.path, self.config = path, config
        self._quiet, self._failing = quiet, set()
        self._lock = Lock(path / "lock")
        self._remove_left_overs()
        self._events: Events | None = None
        self._status = Status(path, self._attempt)

    @classmethod
    def create(cls, outdir: str | os.PathLike, name: str, config: dict[str, Any], quiet: bool = False) -> RunFolder:
        """A new folder NNNNN-`name` in `outdir`, numbered behind all that are there. Raises UserError."""
        outdir = Path(outdir)
        config = {"format_version": FORMAT_VERSION} | config
        try:
            outdir.mkdir(parents=True, exist_ok=True)
            number, claim = _claim(outdir)
            try:
                _write_config(claim / CONFIG, config)
                path = claim.rename(outdir / f"{number:05d}-{fit_for_a_folder(name)}")
            except BaseException:
                shutil.rmtree(claim, ignore_errors=True)
                raise
        except OSError as error:
            raise UserError(one_line(f"{outdir}: no run can be written there: {error.strerror or error}; "
                                     "choose another place with --outdir")) from None
        return cls(path, config, quiet)

    @classmethod
    def open(cls, path: str | os.PathLike, quiet: bool = False) -> RunFolder:
        """The folder of a run that was begun, wishes of before forgotten.

        Raises UserError if it is none, or another process writes there.
        """
        path = Path(path)
        folder = cls(path, read_config(path), quiet)
        folder.forget_wishes()
        return folder

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, Exception):
            is_plain = isinstance(error, UserError)
            self._log(_stamped(str(error) if is_plain else "".join(traceback.format_exception(error))))
            if not self._status.has_ended:
                self.status(state="failed", error=one_line(str(error)) or kind.__name__)
        self.close()

    def close(self) -> None:
        """Lets go of the folder. A run that did not say how it ended was stopped."""
        if not self._status.has_ended:
            self.status(state="stopped")
        self._status.close()
        if self._events:
            self._events.close()
        self._lock.close()

    # -- words and numbers --------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """Adds lines to log.txt, each with the time, and prints them unless quiet. Raises nothing."""
        lines = _stamped(text)
        self._log(lines)
        self._print(lines)

    def add_stats(self, values: Mapping[str, float]) -> None:
        """One line of stats.jsonl, with "images" in it, and TensorBoard scalars; what is not finite is left out."""
        self._attempt("stats.jsonl", lambda: append_stats(self.path, values))
        self._attempt("events.out.tfevents", lambda: self._tensorboard().add(int(values["images"]), values))

    def rewind(self, images: int) -> None:
        """Drops the statistics of more than `images` shown: a run that is continued there finds them anew."""
        self._attempt("stats.jsonl", lambda: rewind_stats(self.path, images))
        self._attempt("events.out.tfevents", lambda: self._tensorboard().purge(images + 1))

    def status(self, **changes: Any) -> None:
        """Changes entries of status.json: state, doing, images, total_images, error. Cheap; see `Status`."""
        self._status.change(**changes)

    # -- wishes -------------------------------------------------------------------------------------------------------

    def wish(self) -> Literal["run", "pause", "stop"]:
        """What the files that anybody may put here ask for: `stop`, `pause`."""
        if os.path.exists(self.path / STOP):
            return "stop"
        return "pause" if os.path.exists(self.path / PAUSE) else "run"

    def forget_wishes(self) -> None:
        for name in (PAUSE, STOP):
            self._attempt(name, lambda name=name: (self.path / name).unlink(missing_ok=True))

    # -- pictures and networks ----------------------------------------------------------------------------------------

    def save_grid(self, name: str, pictures: np.ndarray, columns: int) -> Path | None:
        """Pictures uint8 [N, C, H, W] as `name`.png or, if large, .jpg. None where it could not be written."""
        return self._attempt("sample grids", lambda: save_grid(self.path / name, pictures, columns))

    def snapshot_path(self, images: int) -> Path:
        return self.path / f"snapshot-{images:012d}.safetensors"

    def snapshots(self) -> list[Path]:
        """Those that are there, the newest last."""
        return snapshots(self.path)

    # -- what may go wrong --------------------------------------------------------------------------------------------

    def _attempt(self, what: str, action: Callable[[], Any]) -> Any:
        """Runs `action`; if the disk refuses, says so once, until it succeeds again, and returns None."""
        try:
            result = action()
        except (OSError, UserError) as error:
            if what not in self._failing:
                self._failing.add(what)
                refused = isinstance(error, OSError)
                reason = f"{what}: cannot be written: {error.strerror or error}" if refused else error
                line = f"{reason}; the run goes on without"
                self._print(_stamped(line)) if what == LOG else self.say(line)
            return None
        self._failing.discard(what)
        return result

    def _log(self, lines: str) -> None:
        self._attempt(LOG, lambda: append(self.path / LOG, lines))

    def _tensorboard(self) -> Events:
        if self._events is None:
            from train.events import Events  # late: it takes seconds to import
            self._events = Events(self.path)
        return self._events

    def _print(self, lines: str) -> None:
        if self._quiet or sys.stdout is None:
            return
        try:
            encoding = sys.stdout.encoding or "utf-8"
            sys.stdout.write(lines.encode(encoding, "backslashreplace").decode(encoding))
            sys.stdout.flush()
        except (OSError, ValueError):                    # its reader has gone; ValueError: it is closed
            self._quiet = True
            _discard_stdout()

    def _remove_left_overs(self) -> None:
        for path in self.path.glob(".*.part"):
            with contextlib.suppress(OSError):
                path.unlink()


def read_config(path: Path) -> dict[str, Any]:
    """What a run's config.json holds. Raises UserError, naming the folder, if it is no run's."""
    try:
        config = json.loads((path / CONFIG).read_bytes())
        version = config["format_version"]
    except FileNotFoundError:
        reason = f"is no run's folder, it has no {CONFIG}" if path.exists() else "is not there"
        raise UserError(f"{path}: {reason}") from None
    except OSError as error:
        raise UserError(f"{path}: {CONFIG} cannot be read: {error.strerror or error}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise UserError(f"{path}: {CONFIG} is damaged, or not of a run") from None
    if version != FORMAT_VERSION:
        raise UserError(one_line(f"{path}: is a run of format version {version}, this program reads {FORMAT_VERSION}"))
    return config


def snapshots(path: Path) -> list[Path]:
    """The networks saved in a run's folder, the newest last."""
    return sorted(Path(path).glob(f"snapshot-{'[0-9]' * 12}.safetensors"))


def fit_for_a_folder(name: str) -> str:
    """`name` with a dash for what is no letter, digit or one of `.+_-`, and no longer than all systems take."""
    name = re.sub(r"[^\w.+-]+", "-", unicodedata.normalize("NFC", name))
    name = name.encode(errors="ignore")[:LONGEST].decode(errors="ignore")
    return name.strip(".-") or "run"


def _claim(outdir: Path) -> tuple[int, Path]:
    """A number behind all in `outdir`, and a hidden folder named after it that keeps others from taking it.

    Another process may have been given the number, and its folder the final name, since this one looked: so it looks
    again once it has the claim. From then on nobody else can be given it.
    """
    while True:
        number = 1 + max(_numbers(outdir), default=-1)
        claim = outdir / f".{number:05d}"
        try:
            claim.mkdir()
        except FileExistsError:
            continue
        if list(_numbers(outdir)).count(number) == 1:
            return number, claim
        claim.rmdir()


def _numbers(outdir: Path):
    for name in os.listdir(outdir):
        match = re.match(r"\.?(\d+)(-|$)", name)
        if match:
            yield int(match[1])


def _write_config(path: Path, config: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _stamped(text: str) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S ")
    return "".join(f"{stamp}{line}\n" for line in text.splitlines())


def _discard_stdout() -> None:
    """What stdout still holds goes nowhere; else Python would fail at its end to pass it on (docs, signal, SIGPIPE)."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
