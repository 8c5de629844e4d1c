"""NumPy arrays, scalars and dtypes as pickles hold them."""
from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .blob import Blob, Malformed
from .tensors import FileTensor, check_shape
from .values import Global, Instance

# Type codes of plain numbers, and the torch type of the same bits.
NUMBERS = {"f2": torch.float16, "f4": torch.float32, "f8": torch.float64, "b1": torch.bool, "u1": torch.uint8,
           "i1": torch.int8, "i2": torch.int16, "i4": torch.int32, "i8": torch.int64}


def as_blob(value: Any) -> Blob:
    """Bytes however a pickle holds them: in the file, in memory, or as Python 2's str."""
    if isinstance(value, Blob):
        return value
    if isinstance(value, (str, bytes)):
        return Blob.of(value.encode("latin-1") if isinstance(value, str) else value)
    raise Malformed("is damaged: it has no bytes where an array's should be")


class Dtype:
    """A NumPy dtype: `code` such as 'f4', `order` '<' or '>'."""
    __slots__ = ("code", "order")

    def __init__(self, code: Any, align: Any = False, copy: Any = True):
        self.code, self.order = code, "<"

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", ">", "|", "="):
            raise Malformed("is damaged: a dtype's state is not one")
        self.order = ">" if state[1] == ">" else "<"

    @property
    def is_number(self) -> bool:
        return isinstance(self.code, str) and self.code in NUMBERS

    def numpy(self) -> np.dtype:
        return np.dtype(self.code).newbyteorder(self.order)


class Array:
    """An ndarray, a tensor source once its state is set."""
    __slots__ = ("_dtype", "_blob", "_fortran", "shape")

    def __init__(self):
        self.shape: tuple[int, ...] = ()
        self._dtype = self._blob = None

    def set_state(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Malformed("is damaged: an array's state is not one")
        _, shape, dtype, fortran, data = state
        self.fill(shape, dtype, fortran, data)

    def fill(self, shape: Any, dtype: Any, fortran: Any, data: Any) -> Array:
        if not isinstance(dtype, Dtype) or not dtype.is_number:
            raise Malformed("holds an array of something other than numbers")
        self._blob, self._dtype, self._fortran = as_blob(data), dtype, bool(fortran)
        self.shape = check_shape(shape, self._blob.size)
        if math.prod(self.shape) * dtype.numpy().itemsize > self._blob.size:
            raise Malformed(f"has {self._blob.size} bytes for an array of shape {self.shape}", "get the file again")
        return self

    @property
    def dtype(self) -> torch.dtype:
        return NUMBERS[self._checked().code]

    def load(self) -> Tensor:
        order = self._checked().order
        shape = self.shape[::-1] if self._fortran else self.shape
        tensor = FileTensor(self._blob, self.dtype, shape).load()
        if order == ">":
            tensor.numpy().byteswap(inplace=True)
        return tensor.permute(*reversed(range(tensor.ndim))).contiguous() if self._fortran else tensor

    def _checked(self) -> Dtype:
        if self._dtype is None:
            raise Malformed("is damaged: an array has no contents")
        return self._dtype


def reconstruct(cls: Any, shape: Any, code: Any) -> Array:
    """numpy's `_reconstruct`: an empty array, whose state follows."""
    return Array()


def from_buffer(data: Any, dtype: Any, shape: Any, order: Any = "C") -> Array:
    """numpy's `_frombuffer` of protocol 5."""
    return Array().fill(shape, dtype, order == "F", data)


def scalar(dtype: Any, data: Any = b"") -> Any:
    """numpy's `scalar`: a number, or an inert instance for text, dates and the like."""
    if not isinstance(dtype, Dtype) or not dtype.is_number:
        return Instance(Global("numpy", "generic"))
    blob = as_blob(data)
    if blob.size != dtype.numpy().itemsize:
        raise Malformed("is damaged: a number has too many or too few bytes")
    return np.frombuffer(blob.read(), dtype.numpy())[0].item()
