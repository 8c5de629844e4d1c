"""Runs CUDA kernels on the CPU, thread by thread, and tells what a card would not: see cuda_emulation.h.

Found, each an EmulationError that names kernel, block and thread: reads and writes outside arguments and shared memory,
to the byte; threads that part at a barrier; results that depend on the order of threads or blocks (a missing barrier);
undefined behaviour of C++ (misaligned vectors among it); shared memory used before it is written; sizes no card takes.
"""
from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from cuda_ops import cuda_launch, dispatch
from cuda_ops.cuda_launch import Launch, Runner

HERE = Path(__file__).parent
KERNELS = Path(cuda_launch.__file__).parent / "kernels"
RUNTIME_FLAGS = ("-std=c++17", "-O1", "-Wall")
KERNEL_FLAGS = ("-std=c++17", "-O0", "-Wall", "-g1", "-Wno-unknown-pragmas", "-Wno-sign-compare", "-ffp-contract=off",
                "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
COMPILER = os.environ.get("CXX") or "g++"
SECONDS = 120                                        # after which a launch hangs


class EmulationError(RuntimeError):
    """A kernel did what CUDA does not allow."""


class Emulator:
    """A `cuda_launch.Runner` for tensors on the CPU. Programs are kept in `folder`, one per set of kernels."""

    def __init__(self, folder: Path, sources: Path = KERNELS):
        self.folder, self.sources = folder, sources
        self._programs: dict[tuple[str, str], tuple[Path, int]] = {}

    def why_not(self, x: Tensor) -> str:
        return "" if x.device.type == "cpu" else f"the emulation takes tensors on the CPU, not on {x.device.type}"

    def build(self, source: str, *kernels: str) -> None:
        """Compiles the kernels that are not there yet, together: quicker than one by one when they come."""
        kernels = tuple(k for k in kernels if (source, k) not in self._programs)
        if not kernels:
            return
        folder = self.folder / hashlib.sha256(repr((source, kernels)).encode()).hexdigest()[:16]
        folder.mkdir(parents=True)
        for path in self.sources.glob("*.cu*"):
            (folder / path.name).write_text(_in_cpp(path))
        (folder / "main.cpp").write_text(_main(source, kernels))
        _compile(source, *KERNEL_FLAGS, "-I", str(HERE), "main.cpp", self._runtime(), "-o", "program", cwd=folder)
        self._programs |= {(source, k): (folder / "program", i) for i, k in enumerate(kernels)}

    def _runtime(self) -> str:
        """The emulation itself, compiled once."""
        path = self.folder / "cuda_emulation.o"
        if not path.exists():
            _compile("the emulation", *RUNTIME_FLAGS, "-c", str(HERE / "cuda_emulation.cpp"), "-o", path.name,
                     cwd=self.folder)
        return str(path)

    def launch(self, x: Tensor, launch: Launch) -> None:
        """Raises EmulationError with what the kernel did wrong, if it did."""
        self.build(launch.source, launch.kernel)
        program, index = self._programs[launch.source, launch.kernel]
        given, results = program.with_name("arguments"), program.with_name("results")
        tensors = [a for a in launch.arguments if isinstance(a, Tensor)]
        given.write_bytes(b"".join(_content(t) for t in tensors))
        words = [index, *launch.grid, *launch.block, launch.shared_bytes, given, results,
                 *map(_word, launch.arguments)]
        done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=SECONDS,
                              env=os.environ | {"ASAN_OPTIONS": "detect_leaks=0"})
        if done.returncode:
            raise EmulationError(_sentence(done.stderr))
        self._take_back(launch, results)

    def _take_back(self, launch: Launch, results: Path) -> None:
        """What the kernel may write to, in the order of its parameters: the program leaves out those that are const."""
        with open(results, "rb") as file:
            written = iter(file.readline().decode().strip())
            for a in launch.arguments:
                if next(written) == "w" and isinstance(a, Tensor):
                    ctypes.memmove(a.data_ptr(), file.read(_size(a)), _size(a))


@contextmanager
def emulated(emulator: Runner) -> Iterator[None]:
    """Within the block every op of this thread runs its CUDA implementation, emulated; fresh memory is NaN."""
    before, strict = cuda_launch.set_runner(emulator), torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)         # fills what torch.empty returns
    try:
        with dispatch.use("cuda"):
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        cuda_launch.set_runner(before)


@contextmanager
def planned(emulator: Emulator) -> Iterator[list[Launch]]:
    """Within the block launches are only noted, and results NaN; then all their kernels are built at once, which takes
    half the time of building each when it is launched."""
    notes = _Notes()
    with emulated(notes):
        yield notes.launches
    for source in {launch.source for launch in notes.launches}:
        emulator.build(source, *dict.fromkeys(launch.kernel for launch in notes.launches if launch.source == source))


class _Notes:
    """A `cuda_launch.Runner` that runs nothing."""

    def __init__(self):
        self.launches: list[Launch] = []

    def why_not(self, x: Tensor) -> str:
        return ""

    def launch(self, x: Tensor, launch: Launch) -> None:
        self.launches.append(launch)


def missing() -> str:
    """What this machine lacks to emulate; empty: nothing."""
    return "" if shutil.which(COMPILER) else f"the emulation of CUDA is compiled by {COMPILER}, which is not here"


# --- source ----------------------------------------------------------------------------------------------------------

_DYNAMIC = re.compile(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w ]+?)\s+(\w+)\[\];")
_STATIC = re.compile(r"__shared__\s+(?:__align__\(\d+\)\s+)?([\w:<>, ]+?)\s+(\w+)\s*((?:\[[^\]]+\])*);")


def _in_cpp(path: Path) -> str:
    """The source with its shared variables made known to the emulation, line by line as it was."""
    text = _DYNAMIC.sub(r'\1* \2 = emulation::dynamic_shared<\1>();', path.read_text())
    text = _STATIC.sub(r'auto& \2 = emulation::shared<\1\3>("\2", [] {});', text)
    return f'#line 1 "{path}"\n{text}'


def _compile(what: str, *words: str, cwd: Path) -> None:
    done = subprocess.run([COMPILER, *words], cwd=cwd, capture_output=True, text=True)
    if done.returncode or done.stderr:
        raise EmulationError(f"{what} does not compile without warnings:\n{done.stderr}")


def _main(source: str, kernels: tuple[str, ...]) -> str:
    rows = "\n".join(f'    emulation::describe<{k}>("{k}", {k}),' for k in kernels)
    return (f'#include "cuda_emulation.h"\n#include "{source}"\n\n'
            f"static const emulation::Kernel kernels[] = {{\n{rows}\n}};\n\n"
            "int main(int count, char** words) { return emulation::main(count, words, kernels); }\n")


# --- arguments -------------------------------------------------------------------------------------------------------

def _size(x: Tensor) -> int:
    """Bytes from the first element to behind the last."""
    if x.numel() == 0:
        return 0
    return (1 + sum((size - 1) * stride for size, stride in zip(x.shape, x.stride()))) * x.element_size()


def _content(x: Tensor) -> bytes:
    return ctypes.string_at(x.data_ptr(), _size(x)) if x.numel() else b""


def _word(value) -> str:
    if value is None:
        return "n"
    if isinstance(value, Tensor):
        return f"p{_size(value)}"
    if isinstance(value, float):
        return f"f{value.hex()}"
    if not -2 ** 31 <= value < 2 ** 31:
        raise EmulationError(f"{value} is no 32-bit int")
    return f"i{int(value)}"


def _sentence(output: str) -> str:
    """The line of the emulation, with the compiler's word on where in the source, first; then all of it."""
    lines = output.strip().splitlines()
    ours = [line for line in lines if line.startswith("kernel ")]
    undefined = [line for line in lines if "runtime error" in line]
    return "\n".join((ours[-1:] or ["the emulation ended without a word"]) + undefined + ["", *lines])
