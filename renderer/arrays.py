"""Arrays on disk: .npy files in and out. No torch."""
from __future__ import annotations

import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from nets.errors import UserError
from renderer.images import write_whole


def read_npy(name: str, dims: tuple[int, ...] = (), shape: tuple[int, ...] | None = None) -> np.ndarray:
    """The array of numbers in a file, float32 or float64; of `shape`, or with one of `dims` as its dimensions.

    Raises UserError, naming the file, on anything else.
    """
    if os.path.exists(name) and not os.path.isfile(name):            # a pipe would wait for its writer
        raise UserError(f"{name}: is no ordinary file")
    try:
        array = np.load(name, allow_pickle=False)
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror or error}") from None
    except Exception:                    # a header is parsed as Python, and a damaged one fails in many ways
        raise UserError(f"{name}: not a NumPy .npy file of numbers") from None
    wanted = f"shape {shape}" if shape else f"{' or '.join(map(str, dims))} dimensions"
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or (
            array.shape != shape if shape else array.ndim not in dims):
        raise UserError(f"{name}: holds {getattr(array, 'dtype', 'several arrays')} "
                        f"{getattr(array, 'shape', '')}; numbers of {wanted} are needed")
    return array.astype(np.float32 if array.dtype != np.float64 else np.float64)


def read_transform(name: str) -> tuple[float, ...]:
    """The nine numbers of a 3x3 matrix, row by row. Raises UserError."""
    values = tuple(map(float, read_npy(name, shape=(3, 3)).ravel()))
    if not all(map(math.isfinite, values)):
        raise UserError(f"{name}: holds numbers that are not finite")
    return values


def write_npy(path: Path, array: np.ndarray) -> None:
    """Writes it as float32, whole or not at all. Raises UserError if the place cannot be written."""
    write_whole(path, lambda file: np.save(file, np.ascontiguousarray(array, dtype=np.float32)))


def write_stack(path: Path, parts: Iterable[np.ndarray], count: int) -> None:
    """Writes `count` arrays [1, ...] as one float32 [count, ...], holding one at a time; whole or not at all."""
    def write(file) -> None:
        for i, part in enumerate(parts):
            part = np.ascontiguousarray(part, dtype="<f4")
            if i == 0:
                shape = (count, *part.shape[1:])
                np.lib.format.write_array_header_1_0(
                    file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            file.write(part.data)
    write_whole(path, write)
