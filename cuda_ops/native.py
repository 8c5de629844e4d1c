"""Calls into the C++ kernels, and why they can't run on a tensor."""
from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from cuda_ops import build, dispatch

DTYPES = {torch.float32: "f32", torch.bfloat16: "bf16"}


def why_not(x: Tensor) -> str:
    """Why no fused C++ kernel can run on x; empty: it can. The first call for a CPU tensor may build the kernels."""
    if x.device.type != "cpu":
        return f"the tensor is on {x.device.type}"
    if x.dtype not in DTYPES:
        return f"no fused C++ kernel computes in {str(x.dtype).removeprefix('torch.')}"
    library = build.outcome()
    return dispatch.Reason.of(library) if isinstance(library, build.BuildError) else ""


def call(name: str, x: Tensor, *arguments: Tensor | int | float | None) -> None:
    """Runs the kernel `name` for x's type on as many threads as torch uses.

    The C function is `void NAME_f32(const void* x, .., int64_t threads)`: tensors are pointers to their first element
    (None: null), ints int64_t, floats double. The caller sees to strides, and that every tensor is alive.
    """
    run = getattr(build.outcome(), f"{name}_{DTYPES[x.dtype]}")
    arguments = (x, *arguments, torch.get_num_threads())
    if run.argtypes is None:             # ctypes converts by itself, and quickly, once it knows the types
        run.restype, run.argtypes = None, [_C_TYPES.get(type(value), ctypes.c_void_p) for value in arguments]
    run(*[value if value is None or type(value) in _C_TYPES else value.data_ptr() for value in arguments])


_C_TYPES = {int: ctypes.c_int64, bool: ctypes.c_int64, float: ctypes.c_double}


def channels_last(x: Tensor) -> Tensor:
    """x [N, C, H, W] with its channels next to one another in memory: x itself where they are."""
    return x.contiguous(memory_format=torch.channels_last)


def empty_channels_last(x: Tensor, n: int, c: int, h: int, w: int) -> Tensor:
    """An uninitialised [n, c, h, w] of x's type, its channels next to one another in memory."""
    return torch.empty((n, c, h, w), dtype=x.dtype, memory_format=torch.channels_last)
