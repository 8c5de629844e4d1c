"""What speaks against the options of device, precision and backend on this machine."""
from __future__ import annotations

from collections.abc import Iterator

import torch

from cuda_ops import dispatch
from cuda_ops.processor import multiplies_bfloat16
from renderer.device import why_no_cuda, why_no_mps
from renderer.types import Reason


def reasons(device: torch.device) -> tuple[Reason, ...]:
    """For the choosers, of a network on `device`. The first call for a CPU may build the kernels."""
    return tuple(reason for reason in (*_devices(), *_precisions(device), *_backends(device)) if reason.text)


def _devices() -> Iterator[Reason]:
    yield Reason("device", "cuda", why_no_cuda(), runs=False)
    yield Reason("device", "mps", why_no_mps(), runs=False)


def _precisions(device: torch.device) -> Iterator[Reason]:
    if device.type == "cpu":
        yield Reason("precision", "bf16", slow_bfloat16(), runs=True)
        yield Reason("precision", "fp16", "a CPU computes fp16 by way of fp32: slower than fp32 here", runs=True)


def slow_bfloat16() -> str:
    """Why bf16 gains nothing on this CPU; empty: it does."""
    return "" if multiplies_bfloat16() else "this CPU has no bfloat16 instructions: bf16 is slower than fp32 here"


def _backends(device: torch.device) -> Iterator[Reason]:
    for backend in dispatch.BACKENDS:
        yield Reason("backend", backend, dispatch.why_not(backend, device), runs=False)
