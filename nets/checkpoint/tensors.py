"""Tensors that stay in their file until asked for: a shape, a dtype and a `load()`."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .blob import Blob, Malformed

MAX_DIMENSIONS = 8


class TensorSource(Protocol):
    """`load()` reads the tensor anew at every call; raises Malformed or OSError."""
    shape: tuple[int, ...]

    @property
    def dtype(self) -> torch.dtype: ...

    def load(self) -> Tensor: ...


def check_sizes(sizes: object) -> tuple[int, ...]:
    """A shape or strides as a tuple of plain ints. Raises Malformed."""
    plain = isinstance(sizes, (tuple, list)) and len(sizes) <= MAX_DIMENSIONS and all(type(n) is int for n in sizes)
    if not plain or any(n < 0 for n in sizes):
        raise Malformed("is damaged: it holds a tensor whose shape is not a list of sizes")
    return tuple(sizes)


def check_shape(shape: object, available_bytes: int) -> tuple[int, ...]:
    """`shape` as a tuple. Raises Malformed if it is none, or has more numbers than there are bytes."""
    sizes = check_sizes(shape)
    if math.prod(sizes) > available_bytes:
        claim = "x".join(map(str, sizes))
        raise Malformed(f"claims a tensor of {claim} numbers where it has {available_bytes} bytes",
                        "get the file again")
    return sizes


@dataclass(frozen=True)
class FileTensor:
    """Numbers lying one after the other in a file, the last dimension running fastest."""
    blob: Blob
    dtype: torch.dtype
    shape: tuple[int, ...]

    def load(self) -> Tensor:
        """A tensor that owns its memory, read straight into it."""
        blob = self.blob.decoded()
        size = math.prod(self.shape) * self.dtype.itemsize
        if size != blob.size:
            raise Malformed(f"has {blob.size} bytes for a tensor that takes {size}", "get the file again")
        flat = torch.empty(size, dtype=torch.uint8)
        blob.read_into(memoryview(flat.numpy()))
        return flat.view(self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Held:
    """A tensor in memory already."""
    tensor: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.tensor.shape)

    @property
    def dtype(self) -> torch.dtype:
        return self.tensor.dtype

    def load(self) -> Tensor:
        return self.tensor.detach().to("cpu", copy=True)
