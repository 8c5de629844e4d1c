"""The CUDA kernels on a card: compiled at run time by NVRTC, kept as cubins by hash, launched on torch's stream.

NVRTC comes with PyTorch's CUDA wheels, so neither toolkit nor host compiler is needed. Import asks for nothing; a
kernel is compiled when it is first launched, and its cubin published by one rename: there is no lock to wait for.
Compiling is tested for every architecture; loading and launching have not yet run on hardware.
"""
from __future__ import annotations

import ctypes
import hashlib
import io
import json
import os
import tempfile
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from cuda_ops import dispatch
from cuda_ops.build import KERNELS, BuildError, cache_folder
from cuda_ops.cuda_launch import Argument, Launch

OLDEST = 75                              # compute capability 7.5, Turing
INSTALL = "install cuda-core, and nvidia-cuda-nvrtc of the CUDA version of PyTorch (pip)"
STATIC_SHARED_BYTES = 48 * 1024          # beyond, a kernel's shared memory has to be asked for (CUDA guide, 7.5-12.1)

_failure: BuildError | None = None       # the first failed compile or load; the reference runs from then on


class Cubin(NamedTuple):
    """Machine code for one architecture; `symbols` names each kernel in it, `log` is what NVRTC and ptxas said."""
    code: bytes
    symbols: dict[str, str]
    log: str = ""


# --- what there is ---------------------------------------------------------------------------------------------------

@lru_cache
def installed() -> tuple[str, tuple[int, ...]] | str:
    """(version, architectures from 7.5 up) of NVRTC: ('13.0', (75, 80, ..)), or why it can't be used."""
    try:
        import cuda.core  # noqa: F401 (looked for here, used below)
        from cuda.bindings import nvrtc
        version, known = nvrtc.nvrtcVersion(), nvrtc.nvrtcGetSupportedArchs()
    except Exception as error:           # absent, or its library: the loaders raise several types
        return f"NVRTC was not found ({str(error).splitlines()[0]}); {INSTALL}" if str(error) else f"NVRTC: {INSTALL}"
    if version[0] or known[0]:
        return f"NVRTC does not work (error {int(version[0] or known[0])}); {INSTALL}"
    return f"{version[1]}.{version[2]}", tuple(arch for arch in known[1] if arch >= OLDEST)


def architecture(capability: tuple[int, int]) -> int | str:
    """The architecture to compile for on a card of compute capability (major, minor), or why there is none.

    Machine code runs on cards of its major version and its minor version or later.
    """
    nvrtc, card = installed(), 10 * capability[0] + capability[1]
    if isinstance(nvrtc, str):
        return nvrtc
    fitting = [arch for arch in nvrtc[1] if arch // 10 == card // 10 and arch <= card]
    if fitting:
        return max(fitting)
    return f"NVRTC {nvrtc[0]} does not compile for compute capability {capability[0]}.{capability[1]}"


@lru_cache
def _architecture(device: torch.device) -> int | str:
    if torch.version.hip:
        return "the kernels are for NVIDIA's cards"
    return architecture(torch.cuda.get_device_capability(device))


def why_not(x: Tensor) -> str:
    """Why no kernel can run on x's device; empty: it can. Nothing is compiled to answer."""
    if x.device.type != "cuda":
        return f"the tensor is on {x.device.type}"
    if _failure is not None:
        return dispatch.Reason.of(_failure)
    found = _architecture(x.device)
    return found if isinstance(found, str) else ""


# --- compiling -------------------------------------------------------------------------------------------------------

def compile_kernels(source: str, kernels: tuple[str, ...], arch: int) -> Cubin:
    """`kernels` (as C++ writes them: 'f<float, 2>') of a file in cuda_ops/kernels. Raises BuildError."""
    from cuda.core import Program, ProgramOptions
    options = ProgramOptions(name=source, arch=f"sm_{arch}", include_path=str(KERNELS), ptxas_options=["-v"])
    log = io.StringIO()
    try:
        program = Program((KERNELS / source).read_text(), "c++", options)
        code = program.compile("cubin", name_expressions=kernels, logs=log)
    except Exception as error:
        details = f"{', '.join(kernels)}: {error}\n{log.getvalue()}"
        raise BuildError(f"{source} could not be compiled for sm_{arch}", details) from error
    symbols = {name: symbol.decode() for name, symbol in code.symbol_mapping.items()}
    return Cubin(bytes(code.code), symbols, log.getvalue())


def cubin(source: str, kernel: str, arch: int) -> Cubin:
    """One kernel, from the cache where it is. A damaged file is made anew; where nothing can be written nothing is."""
    path = cache_folder() / _file_name(source, kernel, arch)
    kept = _read(path)
    if kept is None:
        kept = compile_kernels(source, (kernel,), arch)
        _write(path, kept)
    return kept


def _file_name(source: str, kernel: str, arch: int) -> str:
    """Of everything that the code depends on: all CUDA sources, the kernel, its architecture, NVRTC and this file."""
    digest = hashlib.sha256()
    for path in (*sorted(KERNELS.glob("*.cu")), *sorted(KERNELS.glob("*.cuh")), Path(__file__)):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    digest.update(repr((source, kernel, arch, installed()[0])).encode())
    return f"{Path(source).stem}-sm{arch}-{digest.hexdigest()[:20]}.cubin"


def _read(path: Path) -> Cubin | None:
    """SHA-256 of the rest, a line of JSON (symbols), machine code."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    symbols, code = content[32:].split(b"\n", 1)
    return Cubin(code, json.loads(symbols))


def _write(path: Path, made: Cubin) -> None:
    content = json.dumps(made.symbols).encode() + b"\n" + made.code
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=path.parent, ignore_cleanup_errors=True) as folder:
            part = Path(folder) / path.name
            part.write_bytes(hashlib.sha256(content).digest() + content)
            os.replace(part, path)
    except OSError:                      # a cache that can't be written: in memory, for this process only
        pass


# --- launching -------------------------------------------------------------------------------------------------------

def launch(x: Tensor, record: Launch) -> None:
    """Runs `record` on x's device, on the stream that is torch's current one there. Raises BuildError, or CUDA's."""
    from cuda.core import LaunchConfig, Stream
    from cuda.core import launch as launch_kernel
    kernel = _kernel(record.source, record.kernel, _architecture(x.device))
    config = LaunchConfig(grid=record.grid, block=record.block, shmem_size=record.shared_bytes)
    with torch.cuda.device(x.device):
        if record.shared_bytes > STATIC_SHARED_BYTES:
            _allow_shared(kernel, record.shared_bytes, x.device.index)
        stream = Stream.from_handle(torch.cuda.current_stream(x.device).cuda_stream)
        launch_kernel(stream, config, kernel, *map(_c_value, record.arguments))


@cache
def _kernel(source: str, kernel: str, arch: int):
    """A kernel ready to be launched on any card of that architecture."""
    global _failure
    try:
        made = cubin(source, kernel, arch)
        return _load(made, kernel)
    except BuildError as error:
        _failure = error
        raise


def _load(made: Cubin, kernel: str):
    from cuda.core import ObjectCode
    try:
        return ObjectCode.from_cubin(made.code, name=kernel, symbol_mapping=made.symbols).get_kernel(kernel)
    except Exception as error:
        message = f"the driver does not take the CUDA kernel {kernel}; a newer driver may"
        raise BuildError(message, str(error)) from error


@cache
def _allow_shared(kernel, size: int, device: int) -> None:
    """Asks for `size` bytes of dynamic shared memory a block, on a card by its index."""
    from cuda.bindings import driver
    attribute = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    error, = driver.cuKernelSetAttribute(attribute, size, kernel.handle, device)
    if error:
        raise RuntimeError(f"a block needs {size} bytes of shared memory, which this card does not give ({error.name})")


def _c_value(value: Argument) -> int | ctypes.c_int32 | ctypes.c_float:
    """As `Launch` says: pointers (plain ints, to cuda.core), 32-bit ints, floats."""
    if value is None or isinstance(value, Tensor):
        return 0 if value is None else value.data_ptr()
    if isinstance(value, float):
        return ctypes.c_float(value)
    if not -2 ** 31 <= value < 2 ** 31:
        raise ValueError(f"a kernel's sizes fit into 32 bits; {value} does not")
    return ctypes.c_int32(value)
