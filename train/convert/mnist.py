"""MNIST and sets of its form: idx3-ubyte files of pictures, idx1-ubyte of classes beside them, gzipped or not.

The format is that of LeCun's page: 0, 0, type (8: unsigned bytes), number of dimensions, then each as a big-endian
32-bit integer, then the numbers.
"""
from __future__ import annotations

import math
import re
import zlib
from pathlib import Path

import numpy as np

from nets.errors import UserError, one_line
from train.convert.source import Source, numbered

PICTURES = re.compile(r"(.*)images([-.])idx3-ubyte(\.gz)?", re.IGNORECASE)
MOST_BYTES = 4 << 30
CHUNK = 1 << 16


def recognise(path: Path, part: str) -> Source | None:
    if path.is_file():
        return Mnist([path], path) if PICTURES.fullmatch(path.name) else None
    folder = path / "raw" if (path / "raw").is_dir() else path       # as torchvision keeps it
    found = {_stem(file): file for file in sorted(folder.iterdir(), reverse=True) if PICTURES.fullmatch(file.name)}
    if not found:
        return None
    tests = {stem for stem in found if "t10k" in stem or "test" in stem}
    chosen = [stem for stem in sorted(found) if part == "all" or (stem in tests) == (part == "test")]
    if part != "all" and len(chosen) > 1:
        raise UserError(one_line(f"{path}: holds {len(chosen)} sets ({', '.join(chosen)}); give the idx3-ubyte file "
                                 "of one as SOURCE"))
    return Mnist([found[stem] for stem in chosen], path)


class Mnist(Source):
    """Grey pictures of all its files behind each other, numbered, and held in memory."""
    kind = "MNIST"

    def __init__(self, files: list[Path], path: Path):
        super().__init__(path)
        self._pictures: list[np.ndarray] = []
        labels: list[int] = []
        for file in files:
            pictures = self._read(file, 3)
            classes = next((self._read(other, 1) for other in _label_files(file) if other.is_file()), None)
            if classes is not None and len(classes) < len(pictures):
                raise UserError(f"{file}: has {len(classes)} classes beside it for {len(pictures)} pictures; "
                                "get both files again")
            self._pictures += list(pictures)
            labels += [] if classes is None else classes[:len(pictures)].tolist()
        self.labels = labels if labels and len(labels) == len(self._pictures) else None
        if labels and self.labels is None:
            self.notes.append("note: labels left out: one of the files has none beside it")
        self.names = numbered(len(self._pictures))

    def open(self, index: int) -> np.ndarray:
        return self._pictures[index]

    def _read(self, file: Path, dimensions: int) -> np.ndarray:
        array, claimed = read_idx(file, dimensions)
        if len(array) < claimed:
            self.notes.append(f"skipped {claimed - len(array)} of {claimed} entries of {file.name}: truncated")
        return array


def read_idx(path: Path, dimensions: int) -> tuple[np.ndarray, int]:
    """uint8 [n, ..] of that many dimensions, as far as the file goes, and the n that it claims. Raises UserError."""
    content = _unpacked(path, 4 + 4 * dimensions)
    if len(content) < 4 + 4 * dimensions or content[:4] != bytes([0, 0, 8, dimensions]):
        raise UserError(f"{path}: is no idx{dimensions}-ubyte file; get the file again")
    count, *shape = np.frombuffer(content, ">u4", dimensions, 4).tolist()
    size = math.prod(shape)
    if not size or count * size > MOST_BYTES:
        raise UserError(f"{path}: claims {count} entries of {'x'.join(map(str, shape))} numbers; get the file again")
    content = _unpacked(path, 4 + 4 * dimensions + count * size)[4 + 4 * dimensions:]
    whole = len(content) // size
    return np.frombuffer(content, np.uint8, whole * size).reshape(whole, *shape), count


def _unpacked(path: Path, size: int) -> bytes:
    """The first `size` bytes, or as many as there are before a truncated or damaged end."""
    unpack = zlib.decompressobj(wbits=31).decompress if path.suffix.lower() == ".gz" else lambda chunk, most: chunk
    content = bytearray()
    with open(path, "rb") as file:
        while len(content) < size and (chunk := file.read(CHUNK)):
            try:
                content += unpack(chunk, size - len(content))
            except zlib.error:
                break
    return bytes(content[:size])


def _stem(file: Path) -> str:
    return PICTURES.fullmatch(file.name)[1].lower()


def _label_files(file: Path) -> list[Path]:
    """Where the classes of a file of pictures may lie, which may be gzipped where it is not."""
    start, dot, _ = PICTURES.fullmatch(file.name).groups()
    return [file.with_name(f"{start}labels{dot}idx1-ubyte{gz}") for gz in ("", ".gz")]
