"""Pictures that are files of their own: in a folder with all its subfolders, or in a zip."""
from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from nets.errors import UserError, one_line
from renderer.datasets import MOST_BYTES, SUFFIXES
from train.convert.source import Skip, Source, check_bytes, counted
from train.labels import FILE

MORE_SUFFIXES = (".gif", ".jpe", ".jfif", ".jp2", ".avif", ".tga", ".ppm", ".pgm", ".pnm")   # training reads them not
ALL_SUFFIXES = SUFFIXES + MORE_SUFFIXES
ENCRYPTED = 1                            # bit of a zip member's flags (APPNOTE 4.4.4)


def recognise(path: Path, part: str) -> Source | None:
    if path.is_dir():
        return Folder(path)
    return Zip(path) if zipfile.is_zipfile(path) or path.suffix.lower() == ".zip" else None


class Folder(Source):
    """Links to files are followed, links to folders are not: they may lead round in a circle."""
    kind = "folder"

    def __init__(self, path: Path):
        super().__init__(path)
        os.scandir(path).close()                         # raises OSError; further down it becomes a note
        found: list[str] = []
        for folder, folders, files in os.walk(path, onerror=self._note):
            folders[:] = [name for name in folders if not _is_hidden(name)]
            found += [(Path(folder) / name).relative_to(path).as_posix() for name in files]
            self.notes += [one_line(f"skipped folder {Path(folder) / name}: a link to a folder") for name in folders
                           if (Path(folder) / name).is_symlink()]
        self.names = _pictures(found, self.notes)

    def open(self, index: int) -> BinaryIO:
        path = self.path / self.names[index]
        check_bytes(path.stat().st_size)
        return open(path, "rb")

    def read_bytes(self, name: str) -> bytes | None:
        path = self.path / name
        return path.read_bytes() if path.is_file() and path.stat().st_size <= MOST_BYTES else None

    def _note(self, error: OSError) -> None:
        self.notes.append(one_line(f"skipped folder {error.filename}: {error.strerror}"))
        self.obstacle = "it has subfolders that cannot be read"


class Zip(Source):
    """Members are read by name, never unpacked: where their names would lead does not matter here."""
    kind = "zip"

    def __init__(self, path: Path):
        super().__init__(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise UserError(f"{path}: is a damaged zip ({one_line(str(error), 100)}); get the file again") from None
        self._members = {info.filename: info for info in self._archive.infolist() if not info.is_dir()}
        self.names = _pictures(self._members, self.notes)

    def open(self, index: int) -> BinaryIO:
        return self._open(self._members[self.names[index]])

    def read_bytes(self, name: str) -> bytes | None:
        info = self._members.get(name)
        return None if info is None or info.file_size > MOST_BYTES else self._open(info).read()

    def close(self) -> None:
        self._archive.close()

    def _open(self, info: zipfile.ZipInfo) -> BinaryIO:
        check_bytes(info.file_size)
        if info.flag_bits & ENCRYPTED:
            raise Skip("encrypted")
        return self._archive.open(info)


def _pictures(names: Iterable[str], notes: list[str]) -> list[str]:
    """Those named as pictures, sorted; a note counts the others."""
    shown = [name for name in names if not any(map(_is_hidden, PurePosixPath(name.replace("\\", "/")).parts))]
    pictures = sorted(name for name in shown if name.lower().endswith(ALL_SUFFIXES))
    others = Counter(PurePosixPath(name).suffix.lower() or "none" for name in shown
                     if not name.lower().endswith(ALL_SUFFIXES) and name != FILE)
    if others:
        listed = ", ".join(f"{count} of suffix {suffix}" for suffix, count in sorted(others.items())[:5])
        notes.append(one_line(f"skipped {counted(sum(others.values()), 'file')} not named as pictures: {listed}"))
    return pictures


def _is_hidden(name: str) -> bool:
    """What begins with a dot is left behind by other programs; but '..' is somebody's way out of the zip."""
    return name == "__MACOSX" or name.startswith(".") and name.strip(".") != ""
