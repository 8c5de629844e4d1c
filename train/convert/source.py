"""Where pictures come from: what every kind of source offers, and which kind a path is."""
from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

from nets.errors import UserError
from renderer.datasets import MOST_BYTES
from train.writing import Label

PARTS = ("train", "test", "all")         # of sets that come with pictures held back for tests


class Skip(Exception):
    """A picture that cannot be used. Its text says why in a few words, alike for all of which the same is true."""


class Source:
    """Pictures by number. `names`: relative paths with slashes, as a person would look for them, in sorted order.

    `labels`: one a picture, where the source itself has them. `notes`: lines on what was found wrong or passed over.
    """
    kind = ""                            # in words
    obstacle = ""                        # why training could not read the source itself, beside what its pictures are

    def __init__(self, path: Path):
        self.path = path
        self.names: list[str] = []
        self.labels: list[Label] | None = None
        self.notes: list[str] = []

    def open(self, index: int) -> BinaryIO | np.ndarray:
        """A file to read the encoded picture from, or its pixels, uint8 [H, W] or [H, W, 3]; from any thread.

        Raises Skip, or what the file system and the container's format raise.
        """
        raise NotImplementedError

    def read_bytes(self, name: str) -> bytes | None:
        """What a file beside the pictures holds, such as dataset.json; None where there is none."""
        return None

    def close(self) -> None:
        """Lets go of what is open."""


def check_bytes(size: int) -> None:
    """Raises Skip for a file that holds nothing, or more than a picture would."""
    if size == 0:
        raise Skip("empty")
    if size > MOST_BYTES:
        raise Skip(f"larger than {MOST_BYTES >> 20} MiB")


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def numbered(count: int) -> list[str]:
    """Names of pictures that have none, a thousand in a folder."""
    return [f"{i // 1000:04d}/img{i:08d}" for i in range(count)]


def open_source(path: Path, part: str = "train") -> Source:
    """The source at `path`, of the kind its contents say. Raises UserError, one line that names the place."""
    from train.convert import cifar, files, lmdbs, mnist
    try:
        if not path.exists():
            raise UserError(f"{path}: is not there")
        for module in (lmdbs, cifar, mnist, files):
            if source := module.recognise(path, part):
                break
        else:
            raise UserError(f"{path}: is no source of pictures; give a folder or zip of pictures, an LMDB, "
                            "CIFAR's python pickles or .tar.gz, or MNIST's idx3-ubyte files")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    if not source.names:
        raise UserError(f"{path}: holds no pictures; " + "; ".join(source.notes or [_nothing(source, part)]))
    return source


def _nothing(source: Source, part: str) -> str:
    return "it is empty" if source.kind in ("folder", "zip", "LMDB") else f"nothing of --part {part} is in it"
