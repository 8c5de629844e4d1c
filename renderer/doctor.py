"""What works on this machine, what doesn't, and what to do about it: one finding a line."""
from __future__ import annotations

import ctypes
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import torch

from cuda_ops import build, dispatch

PACKAGES = ("torch", "imgui-bundle", "glfw", "PyOpenGL", "numpy", "pillow", "safetensors")
LABELS = {"good": "ok     ", "missing": "--     ", "bad": "PROBLEM"}


class Finding(NamedTuple):
    state: str                           # 'good'; 'missing': Stylescope works without it; 'bad': it does not
    subject: str
    text: str

    def __str__(self) -> str:
        return f"{LABELS[self.state]}  {self.subject:<11} {self.text}"


def examine(window: Callable[[], str]) -> Iterator[Finding]:
    """All findings, in the order a person would ask. `window()` describes the OpenGL it can open, or raises."""
    yield python()
    yield display(window)
    yield dialogs()
    yield from devices()
    yield from kernels()
    yield nvrtc()
    yield from ops()
    yield from caches()


def python() -> Finding:
    supported = (3, 11) <= sys.version_info[:2] <= (3, 14)
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    remedy = "" if supported else "; Python 3.11 to 3.14 is supported: remove .venv and run `make run` with one of them"
    return Finding("good" if supported else "bad", "Python",
                   f"{platform.python_version()} on {platform.platform(terse=True)}; {versions}{remedy}")


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "is missing (`make run` installs it)"


def display(window: Callable[[], str]) -> Finding:
    try:
        return Finding("good", "window", window())
    except Exception as error:
        return Finding("missing", "window", str(error))


def dialogs() -> Finding:
    """portable-file-dialogs calls these programs on Linux."""
    if not sys.platform.startswith("linux"):
        return Finding("good", "dialogs", "the system's own")
    found = [name for name in ("zenity", "kdialog", "matedialog", "qarma") if shutil.which(name)]
    if found:
        return Finding("good", "dialogs", found[0])
    return Finding("missing", "dialogs", "no zenity or kdialog; the window uses its own file browser "
                                         "(install zenity for the desktop's)")


def devices() -> Iterator[Finding]:
    threads = torch.get_num_threads()
    yield Finding("good", "CPU", f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
                                 f"{threads} threads used by PyTorch")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            card = torch.cuda.get_device_properties(index)
            yield Finding("good", "CUDA", f"{card.name}, {card.total_memory / 2**30:.0f} GiB, "
                                          f"compute capability {card.major}.{card.minor}")
    elif torch.version.cuda is None:
        remedy = "; with an NVIDIA card: rm -r .venv; make run TORCH=default" if sys.platform != "darwin" else ""
        yield Finding("missing", "CUDA", f"this PyTorch is built without it{remedy}")
    else:
        yield Finding("missing", "CUDA", "no usable NVIDIA card or driver (nvidia-smi shows what the driver sees)")
    if torch.backends.mps.is_available():
        yield Finding("good", "Metal", "available")


def kernels() -> Iterator[Finding]:
    """The C++ kernels, built now if they never were: by what, for which instructions, where they lie; or why not."""
    library = build.outcome()
    if not isinstance(library, build.BuildError):
        yield Finding("good", "C++ kernels", build.about(library))
        return
    yield Finding("missing", "C++ kernels", f"{library}. PyTorch's own operations run instead")
    for line in library.details.splitlines():
        yield Finding("missing", "", line)


def nvrtc() -> Finding:
    """NVRTC compiles CUDA source at run time; PyTorch's CUDA builds bring it along."""
    if torch.version.cuda is None:
        return Finding("missing", "NVRTC", "comes with PyTorch's CUDA build; not needed on this one")
    major = torch.version.cuda.split(".")[0]
    for name in (f"libnvrtc.so.{major}", f"nvrtc64_{major}0_0.dll"):
        try:
            ctypes.CDLL(name)
            return Finding("good", "NVRTC", name)
        except OSError:
            continue
    return Finding("missing", "NVRTC", f"NVRTC {major} could not be loaded; reinstall PyTorch: rm -r .venv; make run")


def ops() -> Iterator[Finding]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for status in dispatch.status(device):
        yield Finding("good", "op", f"{status.op}: {status.backend} ({'; '.join(status.reasons) or 'the fastest'})")


def caches() -> Iterator[Finding]:
    from nets.checkpoint.fetch import cache_folder
    yield folder("downloads", cache_folder())
    yield folder("kernels", build.cache_folder())


def folder(subject: str, path: Path) -> Finding:
    """Whether `path` can be written, and what it holds."""
    existing = next(p for p in (path, *path.parents) if p.exists())
    if not os.access(existing, os.W_OK):
        return Finding("bad", subject, f"{path} can't be written: make it writable, or set XDG_CACHE_HOME")
    sizes = [p.stat().st_size for p in path.rglob("*") if p.is_file()] if path.exists() else []
    return Finding("good", subject, f"{path} ({len(sizes)} files, {sum(sizes) / 2**20:.0f} MiB)")
