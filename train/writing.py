"""Writing a data set: a zip, or a folder, of encoded pictures and their labels, whole or not at all."""
from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from nets.errors import UserError
from renderer.images import write_whole
from train.labels import FILE

Label = int | list[float] | None


class Entry(NamedTuple):
    """`name`: its relative path with slashes; `content`: the bytes of the picture's file."""
    name: str
    content: bytes
    label: Label = None


def write_set(dest: str | os.PathLike, entries: Iterable[Entry]) -> None:
    """Makes `dest`, a zip if it is named so, else a folder that isn't there yet or is empty, and its dataset.json.

    Entries are taken one by one; if that raises, nothing is left behind. Raises UserError where it can't be made.
    """
    dest = Path(dest)
    if dest.suffix.lower() == ".zip":
        write_whole(dest, lambda file: _write_zip(file, entries))
    else:
        _write_folder(dest, entries)


def _write_zip(file, entries: Iterable[Entry]) -> None:
    """Stored, as pictures are compressed already; of one fixed date, so that the same entries make the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _write(entries, lambda name, content: archive.writestr(zipfile.ZipInfo(name), content))


def _write_folder(dest: Path, entries: Iterable[Entry]) -> None:
    if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
        raise UserError(f"{dest}: is there already; choose a new folder, or a name that ends in .zip")
    temporary = dest.with_name(f".{dest.name}.{os.getpid()}.part")
    try:
        temporary.mkdir()
        _write(entries, lambda name, content: _write_file(temporary / name, content))
        os.replace(temporary, dest)
    except OSError as error:
        raise UserError(f"{dest}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write(entries: Iterable[Entry], put: Callable[[str, bytes], None]) -> None:
    labels = []
    for name, content, label in entries:
        put(name, content)
        labels.append([name, label])
    labelled = any(label is not None for _, label in labels)
    put(FILE, json.dumps({"labels": labels if labelled else None}).encode())


def _write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
