"""CIFAR-10 and CIFAR-100: their python pickles, in a folder, alone or in the .tar.gz; read, never run.

The format is that of the data sets' page (Krizhevsky, "Learning multiple layers of features from tiny images", 2009):
a dict with `data`, uint8 [n, 3072], the red plane first, and `labels`, or `fine_labels` and `coarse_labels`.
"""
from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nets.checkpoint.allowed import resolve
from nets.checkpoint.blob import Blob, Malformed
from nets.checkpoint.numpy_pickle import Array
from nets.checkpoint.reader import Reader
from nets.checkpoint.values import Opaque
from nets.errors import UserError, one_line
from train.convert.source import Source, numbered

TRAIN = (*(f"data_batch_{i}" for i in range(1, 6)), "train")
TEST = ("test_batch", "test")
FILES = {"train": TRAIN, "test": TEST, "all": TRAIN + TEST}
FOLDERS = ("cifar-10-batches-py", "cifar-100-python")    # within the .tar.gz
LABELS = ("labels", "fine_labels")
MOST_BYTES = 1 << 30                                     # of one file; the largest that there is takes 155 MB
SHAPE = (3, 32, 32)
UNREADABLE = (OSError, EOFError, tarfile.TarError, zlib.error)


def recognise(path: Path, part: str) -> Source | None:
    if path.is_dir():
        path = next((path / name for name in FOLDERS if (path / name).is_dir()), path)
        return Cifar(path, _in_folder(path, part)) if _is_set(path) else None
    if path.name.lower().endswith((".tar.gz", ".tgz", ".tar")):
        return Cifar(path, _in_tar(path, part))
    if path.name in TRAIN + TEST or path.suffix.lower() in (".pkl", ".pickle"):
        return Cifar(path, iter([(path.name, _bytes_of(path))]))
    return None


class Cifar(Source):
    """The pictures of all its files behind each other, numbered. All are held in memory: 3 KB a picture."""
    kind = "CIFAR"

    def __init__(self, path: Path, files: Iterator[tuple[str, bytes]]):
        super().__init__(path)
        pictures, self.labels = [], []
        for name, content in files:
            try:
                some, labels = read_batch(content)
            except Malformed as error:
                self.notes.append(one_line(f"skipped file {name}: {error.reason}"))
                continue
            pictures.append(some)
            self.labels += labels
        self._pictures = np.concatenate(pictures) if pictures else np.zeros((0, 32, 32, 3), np.uint8)
        self.names = numbered(len(self._pictures))

    def open(self, index: int) -> np.ndarray:
        return self._pictures[index]


def read_batch(content: bytes) -> tuple[np.ndarray, list[int]]:
    """uint8 [n, 32, 32, 3] and the class of each, of one pickled file. Raises Malformed."""
    root = Reader(Blob.of(content), resolve).read()
    fields = {_text(key): value for key, value in root.items()} if isinstance(root, dict) else {}
    data, labels = fields.get("data"), next((fields[name] for name in LABELS if name in fields), None)
    if not isinstance(data, Array) or labels is None:
        raise Malformed("is no file of CIFAR's pictures")
    labels = labels.load().tolist() if isinstance(labels, Array) else labels
    pixels = data.load().numpy()
    if pixels.dtype != np.uint8 or pixels.shape[1:] != (3072,):
        raise Malformed(f"holds pictures of another form than CIFAR's: {pixels.dtype} {list(pixels.shape)}")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(type(n) is int for n in labels):
        raise Malformed(f"has no class for each of its {len(pixels)} pictures")
    return pixels.reshape(-1, *SHAPE).transpose(0, 2, 3, 1), labels


def _text(key: Any) -> Any:
    """A dict's key as text: Python 2 wrote str, which Python 3 may have written again as bytes."""
    key = key.value if isinstance(key, Opaque) else key
    key = key.read(0, min(key.size, 64)) if isinstance(key, Blob) else key
    return key.decode("latin-1") if isinstance(key, bytes) else key


def _is_set(folder: Path) -> bool:
    """A folder may well have a file named 'train': CIFAR-100 has `meta` beside it."""
    return (folder / TRAIN[0]).is_file() or (folder / TEST[0]).is_file() or (
        (folder / "meta").is_file() and ((folder / "train").is_file() or (folder / "test").is_file()))


def _in_folder(folder: Path, part: str) -> Iterator[tuple[str, bytes]]:
    for name in FILES[part]:
        if (folder / name).is_file():
            yield name, _bytes_of(folder / name)


def _in_tar(path: Path, part: str) -> Iterator[tuple[str, bytes]]:
    """Read by name, never unpacked."""
    try:
        with tarfile.open(path) as archive:
            found = {PurePosixPath(member.name).name: member for member in archive if member.isfile()}
            for name in FILES[part]:
                if name in found:
                    _check_size(path, found[name].size)
                    yield name, archive.extractfile(found[name]).read()
    except UNREADABLE as error:
        raise UserError(one_line(f"{path}: is a damaged tar ({error}); get the file again")) from None


def _bytes_of(path: Path) -> bytes:
    _check_size(path, path.stat().st_size)
    return path.read_bytes()


def _check_size(path: Path, size: int) -> None:
    if size > MOST_BYTES:
        raise UserError(f"{path}: is larger than any file of CIFAR ({MOST_BYTES >> 20} MiB); give its own .tar.gz")
