"""Data sets: a folder or zip of pictures, of one size. No torch."""
from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from nets.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
MOST_BYTES = 1 << 28                     # of one picture's file
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}          # Pillow's names, by number of channels
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile,
              zlib.error, Image.DecompressionBombError)          # what Pillow and zipfile raise on damaged files


class UnfitPicture(UserError):
    """A picture that can't be read, or has another size than the rest."""


class Dataset:
    """The pictures of a folder, subfolders included, or of a zip, by name in sorted order.

    `names`: relative paths with slashes; `size`: (H, W) and `channels`, those of the first one that can be read.
    Pictures are grey or RGB, as each is stored, unless `channels` (1 to 4: grey, + alpha, RGB, + alpha) converts all.
    May go to other processes, forked or spawned. Raises UserError, naming the place, where there is no picture.
    """

    def __init__(self, path: str | os.PathLike, channels: int | None = None):
        self.path = path = Path(path)
        self._mode = MODES[channels] if channels else None
        self._is_folder = path.is_dir()
        try:
            self.names = sorted(self._files() if self._is_folder else self._members())
        except FileNotFoundError:
            raise UserError(f"{path}: is not there") from None
        except (OSError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or "it is no zip"
            raise UserError(f"{path}: cannot be read as a data set: {reason}") from None
        if not self.names:
            raise UserError(f"{path}: holds no pictures ({', '.join(SUFFIXES)})")
        height, width, self.channels = self._first_shape()
        self.size = height, width

    def __len__(self) -> int:
        return len(self.names)

    def read(self, index: int) -> np.ndarray:
        """uint8 [H, W, C]. Raises UnfitPicture, naming the picture; others may be good all the same."""
        picture = self.read_any(index)
        if picture.shape[:2] != self.size:
            (height, width), (h, w) = picture.shape[:2], self.size
            raise UnfitPicture(f"{self.path}: {self.names[index]} is {width}x{height}, the others are {w}x{h}")
        return picture

    def read_any(self, index: int) -> np.ndarray:
        """uint8 [H, W, C] of whatever size. Raises UnfitPicture."""
        return self._picture(self.names[index])

    def glance(self, index: int) -> tuple[int, int, int]:
        """(H, W, C) by the header alone, far quicker than `read`. Raises UnfitPicture.

        A file in a folder that does not end as its format does is read in full, for what it holds may be cut.
        """
        name = self.names[index]
        with self._picked(name, whole=False) as (image, file):
            if self._is_folder and not _ends_well(image.format, file):
                return self._picture(name).shape
            width, height = image.size
            return height, width, len(self._target(image.mode))

    def read_bytes(self, name: str) -> bytes | None:
        """What a file beside the pictures holds, such as dataset.json; None where there is none. Raises UserError."""
        try:
            with self._open(name) as file:
                return file.read()
        except (FileNotFoundError, KeyError):
            return None
        except UNREADABLE as error:
            raise UserError(f"{self.path}: {name} cannot be read: {error}") from None

    def __getstate__(self) -> dict:
        return {name: value for name, value in vars(self).items() if name != "_opened"}

    def _first_shape(self) -> tuple[int, int, int]:
        problem = None
        for name in self.names:
            try:
                return self._picture(name).shape
            except UnfitPicture as error:
                problem = problem or error
        raise UserError(f"none of its {len(self)} pictures can be read; the first: {problem}")

    def _picture(self, name: str) -> np.ndarray:
        with self._picked(name) as (image, _):
            pixels = np.asarray(image.convert(self._target(image.mode)))
        return pixels[:, :, None] if pixels.ndim == 2 else pixels

    @contextmanager
    def _picked(self, name: str, whole: bool = True) -> Iterator[tuple[Image.Image, io.BufferedIOBase]]:
        """A picture, its pixels not read yet, and its file. What goes wrong within the block is the picture's fault."""
        where = f"{self.path}: {name}"
        try:
            with self._open(name, whole) as file, Image.open(file, formats=FORMATS) as image:
                if image.mode.startswith(("I", "F")):
                    raise UnfitPicture(f"{where} has more than 8 bits a channel")
                yield image, file
        except UNREADABLE:
            raise UnfitPicture(f"{where} is a damaged picture") from None

    def _target(self, mode: str) -> str:
        """Pillow's name of what a picture of `mode` becomes."""
        return self._mode or ("L" if mode in ("1", "L", "LA") else "RGB")

    def _open(self, name: str, whole: bool = True) -> io.BufferedIOBase:
        archive = None if self._is_folder else self._archive()
        size = archive.getinfo(name).file_size if archive else (self.path / name).stat().st_size
        if size > MOST_BYTES:
            raise UnfitPicture(f"{self.path}: {name} is larger than {MOST_BYTES >> 20} MiB")
        if archive is None:
            return open(self.path / name, "rb")
        if not whole:
            return archive.open(name)
        return io.BytesIO(archive.read(name))            # seeking in a compressed member would begin anew each time

    def _archive(self) -> zipfile.ZipFile:
        """Opened once a process: a forked one that went on with its parent's file would move the place it reads at."""
        process, archive = getattr(self, "_opened", (None, None))
        if process != os.getpid():
            archive = zipfile.ZipFile(self.path)
            self._opened = os.getpid(), archive
        return archive

    def _members(self) -> list[str]:
        return [i.filename for i in self._archive().infolist() if not i.is_dir() and _is_picture(i.filename)]

    def _files(self) -> list[str]:
        found = []
        for folder, _, files in os.walk(self.path, onerror=_raise):
            relative = Path(folder).relative_to(self.path)
            found += [(relative / file).as_posix() for file in files if (Path(folder) / file).is_file()]
        return [name for name in found if _is_picture(name)]


def is_dataset(path: str | os.PathLike) -> bool:
    """Whether it is to be read as a data set: a folder, or a file named .zip; a checkpoint is neither."""
    return Path(path).is_dir() or Path(path).suffix.lower() == ".zip"


def _is_picture(name: str) -> bool:
    """By its name; what begins with a dot is hidden, and left behind by other programs."""
    parts = PurePosixPath(name).parts
    return name.lower().endswith(SUFFIXES) and not any(part.startswith((".", "__MACOSX")) for part in parts)


ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}


def _ends_well(format: str, file: io.BufferedIOBase) -> bool:
    """Whether the file's last bytes are those that end its format, if that has such."""
    end = ENDS.get(format, b"")
    file.seek(-len(end), os.SEEK_END)
    return file.read() == end


def _raise(error: OSError) -> None:
    raise error


