"""Statistics of data sets, computed once: kept under a key of the pictures, the detector and the settings."""
from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from nets.replacing import replacing
from train.metrics.features import Progress, silent

BLOCK = 1 << 20                          # bytes read at a time


def cache_folder() -> Path:
    """Where statistics are kept."""
    return Path(platformdirs.user_cache_dir("stylescope")) / "statistics"


def kept(key: str, compute: Callable[[], dict[str, Tensor]], folder: Path | None = None) -> dict[str, Tensor]:
    """What `compute` gives, the first time; from then on what was kept of it under `key`, a name for files.

    A damaged file is as none. Where nothing can be written, nothing is kept: that only costs time later.
    """
    path = (folder or cache_folder()) / f"{key}.safetensors"
    try:
        return load_file(path)
    except (OSError, SafetensorError):
        tensors = compute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, temporary)
    except (OSError, SafetensorError):   # as for `load_file`, a full disk may be either
        pass
    return tensors


def key_of(**parts: str | int | float | bool | None) -> str:
    """A key that is the same only for the same parts: 64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def content_of(path: str | os.PathLike, progress: Progress = silent) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files, wherever they lie. Raises OSError."""
    path = Path(path)
    files = sorted(part for part in path.rglob("*") if part.is_file()) if path.is_dir() else [path]
    total, done, digest = sum(file.stat().st_size for file in files), 0, hashlib.sha256()
    for file in files:
        if file != path:
            name = file.relative_to(path).as_posix()
            digest.update(json.dumps([name, file.stat().st_size]).encode())      # so that no two folders run together
        for block in _blocks(file):
            digest.update(block)
            done += len(block)
            progress(done / total)
    return digest.hexdigest()


def _blocks(file: Path) -> Iterator[bytes]:
    with open(file, "rb") as opened:
        while block := opened.read(BLOCK):
            yield block
