"""`python -m benchmarks.nvrtc`: every CUDA kernel compiled for some architectures: registers, shared memory, spills.

Needs no card. Writes benchmarks/results/nvrtc_resources.txt; `--arch 75 90` chooses others.
"""
from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cuda_ops import bias_act, filtered_lrelu, nvrtc, upfirdn2d
from cuda_ops.cuda_launch import C_TYPES

RESULTS = Path(__file__).parent / "results" / "nvrtc_resources.txt"
ARCHITECTURES = (75, 90)                             # Turing, the oldest; Hopper


class Resources(NamedTuple):
    """Of one kernel on one architecture, as ptxas reports them."""
    source: str
    kernel: str
    arch: int
    registers: int
    shared_bytes: int                                # static
    stack_bytes: int
    spilled_bytes: int                               # stores and loads


def catalogue() -> dict[str, list[str]]:
    """All that the ops launch, by source file; {T} stands for a type of cuda_launch.C_TYPES."""
    tiles = [(*up, *down, *taps, channels) for up, down, taps in upfirdn2d.SPECIALISED for channels in (1, 32)]
    layers = [f"{up}, {down}, {6 * up}, {6 * down}, 0, 0, {str(radial_up).lower()}, {str(radial_down).lower()}, {rows}"
              for (up, down, radial_up, radial_down), rows in filtered_lrelu.SPECIALISED.items()]
    return {
        "filtered_lrelu.cu": [f"{kernel}, {states}>" for states in ("NONE", "WRITE", "READ") for kernel in
                              (*(f"filtered_lrelu<{{T}}, {layer}" for layer in layers), "filtered_lrelu_any<{T}")],
        "noise_act.cu": ["noise_act_fir<{T}, 4, 4, 1>", "noise_act_fir<{T}, 4, 4, 32>", "noise_act<{T}>"],
        "style_epilogue.cu": ["style_factors<1>", "style_factors<16>", "style_apply<{T}>",
                              *(f"style_act<{{T}}, {c}, {flag}>" for c in (1, 16) for flag in ("false", "true"))],
        "bias_act.cu": [*(f"bias_act<{{T}}, act::{act}>" for act in bias_act.ACTIVATIONS), "bias_act_slope<{T}>"],
        "upfirdn2d.cu": [*(f"upfirdn2d<{{T}}, {', '.join(map(str, tile))}>" for tile in tiles), "upfirdn2d_any<{T}>"],
    }


def of_types(kernels: list[str], types: tuple[str, ...] = tuple(C_TYPES.values())) -> tuple[str, ...]:
    return tuple(dict.fromkeys(kernel.replace("{T}", name) for name in types for kernel in kernels))


def resources(source: str, kernels: tuple[str, ...], arch: int) -> list[Resources]:
    """`kernels` compiled together. Raises BuildError."""
    cubin = nvrtc.compile_kernels(source, kernels, arch)
    named = {symbol: kernel for kernel, symbol in cubin.symbols.items()}
    return [Resources(source, named[symbol], arch, *numbers) for symbol, *numbers in _ptxas(cubin.log)]


def _ptxas(log: str) -> Iterator[tuple[str, int, int, int, int]]:
    """Of each entry function: symbol, registers, bytes of shared memory, of stack, spilled."""
    for part in log.split("Compiling entry function '")[1:]:
        spills = re.search(r"(\d+) bytes stack.* (\d+) bytes spill stores, (\d+) bytes spill loads", part)
        stack, stores, loads = map(int, spills.groups())
        shared = re.search(r"(\d+) bytes smem", part)
        yield (part.split("'")[0], int(re.search(r"Used (\d+) registers", part)[1]), int(shared[1]) if shared else 0,
               stack, stores + loads)


def table(rows: list[Resources]) -> str:
    """A line a kernel, a column an architecture: registers, and shared memory, stack and spills where there are any."""
    archs = sorted({row.arch for row in rows})
    lines = [f"{'':58}" + "".join(f"{f'sm_{arch}':>16}" for arch in archs)]
    for kernel in dict.fromkeys(row.kernel for row in rows):
        cells = {row.arch: _cell(row) for row in rows if row.kernel == kernel}
        lines.append(f"{kernel:58}" + "".join(f"{cells[arch]:>16}" for arch in archs))
    return "\n".join(lines)


def _cell(row: Resources) -> str:
    """'48 r 15.1 K', with '!' and bytes for what is spilled."""
    shared = f" {row.shared_bytes / 1024:.1f} K" if row.shared_bytes else ""
    stack = f" {row.stack_bytes} s" if row.stack_bytes else ""
    return f"{row.registers} r{shared}{stack}" + (f" !{row.spilled_bytes}" if row.spilled_bytes else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arch", type=int, nargs="+", default=ARCHITECTURES, help="compute capabilities, times ten")
    found = nvrtc.installed()
    if isinstance(found, str):
        parser.exit(1, found + "\n")
    rows = []
    for arch in parser.parse_args().arch:
        for source, kernels in catalogue().items():
            print(f"{source} for sm_{arch}", flush=True)
            rows += resources(source, of_types(kernels), arch)
    text = (f"NVRTC {found[0]}; r: registers a thread, K: KiB of static shared memory a block, s: bytes of stack, "
            f"!: bytes spilled\n\n{table(rows)}\n")
    RESULTS.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
