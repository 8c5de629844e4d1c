"""The numbers of a run over time, stats.jsonl: one flat JSON object a line, the oldest first."""
from __future__ import annotations

import contextlib
import errno
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

from renderer.images import write_whole

FILE = "stats.jsonl"
Values = dict[str, float]


def read_stats(folder: Path) -> list[Values]:
    """The lines of a run's stats.jsonl, in order; half-written and damaged ones are passed over."""
    try:
        lines = (Path(folder) / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    return [values for values in map(_parse, lines) if values is not None]


def finite(values: Mapping[str, float]) -> Values:
    """Those that are numbers, as Python's own; a tensor of one element is one. Not NaN, inf, None."""
    given = {name: value if isinstance(value, int) else float(value) for name, value in values.items()
             if value is not None}
    return {name: value for name, value in given.items() if math.isfinite(value)}


def append(path: Path, text: str) -> None:
    """Adds `text` to a file, all of it or nothing. Raises OSError."""
    content = text.encode(errors="backslashreplace")
    with open(path, "ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            with contextlib.suppress(OSError):
                file.truncate(end)
            raise


def append_stats(folder: Path, values: Mapping[str, float]) -> None:
    """One line more, on the disk or not at all; what is no finite number is left out. Raises OSError."""
    append(folder / FILE, json.dumps(finite(values), allow_nan=False) + "\n")


def rewind_stats(folder: Path, images: int) -> None:
    """Drops the lines of more than `images` shown, and damaged ones. Raises UserError, all of them still there."""
    kept = [values for values in read_stats(folder) if values.get("images", math.inf) <= images]
    text = "".join(json.dumps(values) + "\n" for values in kept)
    write_whole(folder / FILE, lambda file: file.write(text.encode()))


def _parse(line: bytes) -> Values | None:
    try:
        values = json.loads(line)
    except ValueError:                                   # UnicodeDecodeError too
        return None
    return values if isinstance(values, dict) else None
