"""A launch of a CUDA kernel as a value, apart from who carries it out: a card, or an emulation in tests."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

Size = tuple[int, int, int]                          # x, y, z
Argument = Tensor | int | float | None

C_TYPES = {torch.float32: "float", torch.float16: "half16", torch.bfloat16: "bfloat16"}     # of kernels/numbers.cuh


@dataclass(frozen=True)
class Launch:
    """One kernel over a grid of blocks, each argument as the kernel's parameter of that place.

    Tensors are pointers to their first element (None: null), ints `int` (32 bits: a kernel multiplies sizes in
    `long long`), floats `float`; a bool is an `int`. The caller sees to strides, and that every tensor is alive.
    """
    source: str                                      # file in cuda_ops/kernels: 'upfirdn2d.cu'
    kernel: str                                      # as C++ writes it: 'upfirdn2d<float, 2, 1, 12>'
    grid: Size                                       # blocks; y and z at most 65535
    block: Size                                      # threads, 1024 at most in all
    arguments: tuple[Argument, ...]
    shared_bytes: int = 0                            # of `extern __shared__` memory; above 48 KB the runner asks for it


class Runner(Protocol):
    """Why launches cannot run on x (empty: they can), and the run itself, on x's device and its current stream."""

    def why_not(self, x: Tensor) -> str: ...

    def launch(self, x: Tensor, launch: Launch) -> None: ...


_runner: Runner | None = None                        # None: the card


def set_runner(runner: Runner | None) -> Runner | None:
    """Every launch from here on is carried out by `runner`; returns the one before."""
    global _runner
    before, _runner = _runner, runner
    return before


def why_not(x: Tensor) -> str:
    """Why no fused CUDA kernel can run on x; empty: it can."""
    if x.dtype not in C_TYPES:
        return f"no fused CUDA kernel computes in {str(x.dtype).removeprefix('torch.')}"
    return _current().why_not(x)


def launch(x: Tensor, record: Launch) -> None:
    """Runs `record` on x's device; a grid without blocks does nothing."""
    if 0 not in record.grid:
        _current().launch(x, record)


def _current() -> Runner:
    if _runner is not None:
        return _runner
    from cuda_ops import nvrtc  # a module with the functions of Runner
    return nvrtc


def layout(x: Tensor) -> torch.memory_format:
    """How a kernel takes x [N, C, H, W]: channels-last if it is that and not also NCHW; else NCHW."""
    last = not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
