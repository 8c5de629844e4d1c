"""Loads PyTorch's libraries without holding Python's lock, which `import torch` would keep from the window."""
from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from pathlib import Path


def load_torch_libraries() -> None:
    """A foreign call, unlike `ctypes.CDLL` or an import, releases the lock: 250 ms on the CPU build, more on others.

    What can't be loaded here is left to `import torch`, which will say why.
    """
    found = importlib.util.find_spec("torch")
    if not sys.platform.startswith("linux") or found is None or found.origin is None:
        return
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.argtypes, dlopen.restype = [ctypes.c_char_p, ctypes.c_int], ctypes.c_void_p
    for name, mode in (("libtorch_global_deps.so", os.RTLD_NOW | os.RTLD_GLOBAL),       # as `import torch` opens them
                       ("libtorch_python.so", os.RTLD_NOW)):
        path = Path(found.origin).parent / "lib" / name
        if path.is_file():
            dlopen(os.fsencode(path), mode)
