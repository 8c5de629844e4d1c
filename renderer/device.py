"""The device a network runs on: choosing it, naming it, its precision and its memory."""
from __future__ import annotations

import os
import sys
from functools import lru_cache

import torch

from nets.config import AnyConfig
from nets.errors import UserError

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str = "auto") -> torch.device:
    """'auto': CUDA if there, MPS if it works, else the CPU. Raises UserError if the one asked for cannot run."""
    reasons = {"cuda": why_no_cuda, "mps": why_no_mps, "cpu": lambda: ""}
    if name == "auto":
        name = next(device for device, why_not in reasons.items() if not why_not())
    if name not in reasons:
        raise UserError(f"device '{name}' is not one of auto, {', '.join(reasons)}.")
    reason = reasons[name]()
    if reason:
        raise UserError(f"device {name} cannot run: {reason}; the CPU always can (device auto or cpu).")
    if name == "cuda":                   # float32 means float32: TF32 keeps 10 bits of 23
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    return torch.device(name)


@lru_cache
def why_no_cuda() -> str:
    """Empty: it runs."""
    if not torch.backends.cuda.is_built():
        return "this PyTorch was built without CUDA"
    return "" if torch.cuda.is_available() else "PyTorch finds no CUDA device (no NVIDIA card, or no driver for it)"


@lru_cache
def why_no_mps() -> str:
    """Empty: it runs, which a small convolution has just shown."""
    if not torch.backends.mps.is_available():
        return "this is no Mac whose GPU this PyTorch supports"
    try:
        ones = torch.ones(1, 1, 3, 3, device="mps")
        works = torch.nn.functional.conv2d(ones, ones).item() == 9
    except RuntimeError as error:
        return f"the Apple GPU refused a first convolution ({error})"
    return "" if works else "the Apple GPU computed a first convolution wrongly"


def leave_a_thread_to_the_window() -> None:
    """One core less for the calling thread's torch work; for the render thread beside a window, not for batch work."""
    torch.set_num_threads(max(1, min(torch.get_num_threads(), cores() - 1)))


def cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(device: torch.device) -> str:
    """'CPU (1 of 2 threads)', 'NVIDIA H200', 'Apple GPU'."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return "Apple GPU" if device.type == "mps" else f"CPU ({torch.get_num_threads()} of {cores()} threads)"


def choose_precision(name: str, device: torch.device, config: AnyConfig) -> str:
    """A key of PRECISIONS. 'auto': fp32 on the CPU, elsewhere fp16 if the file runs layers in half precision."""
    if name == "auto":
        return "fp16" if device.type != "cpu" and runs_half(config) else "fp32"
    if name not in PRECISIONS:
        raise UserError(f"precision '{name}' is not one of auto, {', '.join(PRECISIONS)}.")
    return name


def runs_half(config: AnyConfig) -> bool:
    """Whether the file itself marks layers for half precision."""
    layers = getattr(config, "layers", None) or ()
    return any(layer.use_fp16 for layer in layers) if layers else getattr(config, "num_fp16_res", 0) > 0


def synchronize(device: torch.device) -> None:
    """Waits for the device's queue, so that a clock read next has seen the work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def empty_cache(device: torch.device) -> None:
    """Gives unused memory back to the system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def memory_bytes(device: torch.device) -> int:
    """In use: of the device as torch counts it, on the CPU of the process; 0 where that cannot be read."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.current_allocated_memory()
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return _peak_bytes()


def _peak_bytes() -> int:
    """The process's largest resident size so far, for systems without /proc."""
    try:
        import resource
    except ImportError:                  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device, or the machine, had no memory left for an allocation."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in (
        "can't allocate memory", "not enough memory", "out of memory"))
