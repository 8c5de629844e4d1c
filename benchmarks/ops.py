"""The ops on layers of real networks: fused and reference time against the floor of this machine.

    python -m benchmarks.ops [--ops filtered_lrelu ..] [--precision fp32|bf16|fp16] [--backend auto|cuda|cpu|reference]
        [--threads N] [--runs 9] [--json]

The floor is the longer of two times: arithmetic (separable polyphase FIR; tap by tap where it is radial) and traffic
(every input read once, the result written once), over rates measured between the runs (floor.py).
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.floor import COPIED, MATRIX, Rates, seconds_of
from benchmarks.options import parse
from cuda_ops import dispatch
from cuda_ops.bias_act import bias_act
from cuda_ops.conv2d_resample import Fir, conv2d_resample
from cuda_ops.filtered_lrelu import filtered_lrelu
from cuda_ops.modulated_conv2d import modulated_conv2d, modulated_conv2d_sg3
from cuda_ops.noise_act import noise_act
from cuda_ops.style_epilogue import style_epilogue
from cuda_ops.upfirdn2d import filter2d, setup_filter, upsample2d
from nets.config import LayerGeometry, StyleGAN3Config
from nets.filters import lowpass
from nets.plan import plan
from nets.work import Work, separable
from renderer.device import PRECISIONS, describe

TAPS = (1, 3, 3, 1)                                  # StyleGAN2's filter


class Row(NamedTuple):
    """One op at one layer. Operations: a multiplication and an addition are two."""
    op: str
    layer: str
    x: tuple[int, ...]                               # input shape
    run: Callable[[Tensor], Tensor]
    conv: float = 0
    fir: float = 0
    weight: Tensor | None = None                     # read besides x


# --- layers ----------------------------------------------------------------------------------------------------------

def block_rows(device: torch.device, base: int = 32768) -> list[Row]:
    """StyleGAN1 and 2, the largest layers with base / 32 pixels a side: 32768 for those of 1024 x 1024."""
    f, size, channels = setup_filter(TAPS).to(device), base // 32, 32
    high, low = (size, size), (size // 2, size // 2)
    down = torch.randn(2 * channels, channels, 3, 3, device=device)
    blurred = separable(channels, len(TAPS), size, high)
    return [
        _bias_act("SG2 conv1 high", (1, channels, *high), device),
        _bias_act("SG2 conv1 middle", (1, 4 * channels, size // 4, size // 4), device),
        Row("upsample2d", "SG2 image", (1, 3, *low), partial(upsample2d, f=f),
            fir=separable(3, len(TAPS) / 2, low[0], high)),
        Row("filter2d", "SG2 conv0 FIR", (1, channels, *high), partial(filter2d, f=f), fir=blurred),
        _modulated("SG2 b4.conv1", min(base // 4, 512), min(base // 4, 512), 4, device),
        _modulated("SG2 b64.conv1", min(base // 64, 512), min(base // 64, 512), 64, device),
        _modulated("SG2 conv1 high", channels, channels, size, device),
        _modulated("SG2 conv0 high", 2 * channels, channels, size // 2, device, up=2),
        Row("noise_act", "SG2 conv0 high", (1, channels, size + 1, size + 1),
            partial(noise_act, noise=torch.randn(1, 1, *high, device=device), strength=torch.tensor(0.1, device=device),
                    b=torch.randn(channels, device=device), act="lrelu", clamp=256, fir=Fir(f, (1, 1, 1, 1), 4)),
            fir=separable(channels, len(TAPS), size + 1, high)),
        Row("style_epilogue", "SG1 conv0 high", (1, channels // 2, size + 1, size + 1),
            partial(style_epilogue, **_style(channels // 2, size, device), is_enlarged=True,
                    blur=torch.tensor([0.25, 0.5, 0.25], device=device)),
            fir=separable(channels // 2, 4, size + 1, high)),
        Row("style_epilogue", "SG1 conv1 high", (1, channels // 2, *high),
            partial(style_epilogue, **_style(channels // 2, size, device))),
        Row("conv2d_resample", "D conv1 high, down 2", (1, channels, *high),
            lambda x: conv2d_resample(x, down.to(x.dtype), f, down=2, padding=1),
            2 * down.numel() * low[0] * low[1], blurred, down),
    ]


def _bias_act(layer: str, shape: tuple[int, ...], device: torch.device) -> Row:
    return Row("bias_act", layer, shape, partial(bias_act, b=torch.randn(shape[1], device=device), act="lrelu"))


def _style(c: int, size: int, device: torch.device) -> dict[str, Tensor]:
    numbers = partial(torch.randn, device=device)
    return {"noise": numbers(1, 1, size, size), "strength": numbers(c), "b": numbers(c), "scale": numbers(1, c),
            "shift": numbers(1, c)}


def _modulated(layer: str, i: int, o: int, size: int, device: torch.device, up: int = 1) -> Row:
    """`size`: of the input."""
    w, s = torch.randn(o, i, 3, 3, device=device), torch.randn(1, i, device=device)
    run = partial(modulated_conv2d, weight=w, style=s, up=up, padding=1, flip_weight=up == 1,
                  resample_filter=setup_filter(TAPS).to(device))
    fir = separable(o, len(TAPS), up * size + 1, (up * size, up * size)) if up > 1 else 0
    return Row("modulated_conv2d", layer + ", up 2" * (up > 1), (1, i, size, size), run, 2 * w.numel() * size ** 2, fir,
               w)


def stylegan3_rows(device: torch.device, resolution: int = 256, channels: int = 512) -> list[Row]:
    """`channels`: of config T at most; R has twice as many."""
    t = plan(StyleGAN3Config(resolution, channel_base=64 * channels, channel_max=channels))
    r = plan(StyleGAN3Config(resolution, channel_base=128 * channels, channel_max=2 * channels, conv_kernel=1,
                             use_radial_filters=True))
    return [row for config, geometries in (("T", t), ("R", r)) for g in (geometries[4], geometries[9])
            for row in _stylegan3_layer(f"SG3-{config} {g.name}", g, device)]


def _stylegan3_layer(layer: str, g: LayerGeometry, device: torch.device) -> list[Row]:
    k, c, size, rate = g.conv_kernel, g.out_channels, g.in_size[0], g.in_rate * g.up_factor
    w, s = torch.randn(c, g.in_channels, k, k, device=device), torch.randn(1, g.in_channels, device=device)
    wide, up_size, out_size = size + k - 1, g.up_size[::-1], g.out_size[::-1]
    fu = lowpass(g.up_taps, g.in_cutoff, 2 * g.in_half_width, rate).to(device)
    fd = lowpass(g.down_taps, g.out_cutoff, 2 * g.out_half_width, rate, g.radial_down).to(device)
    fir = separable(c, g.up_taps / g.up_factor, wide, up_size)
    fir += (2 * c * g.down_taps ** 2 * out_size[0] * out_size[1] if g.radial_down
            else separable(c, g.down_taps, up_size[0], out_size))
    return [
        Row("modulated_conv2d_sg3", layer, (1, g.in_channels, size, size),
            partial(modulated_conv2d_sg3, weight=w, style=s, padding=k - 1), 2 * w.numel() * wide ** 2, weight=w),
        Row("filtered_lrelu", layer, (1, c, wide, wide),
            partial(filtered_lrelu, fu=fu, fd=fd, b=torch.randn(c, device=device), up=g.up_factor, down=g.down_factor,
                    padding=g.padding, clamp=256), fir=fir),
    ]


# --- measuring -------------------------------------------------------------------------------------------------------

class Result(NamedTuple):
    """Seconds are medians."""
    op: str
    layer: str
    precision: str
    backend: str
    seconds: float
    floor_seconds: float
    ratio: float
    reference_seconds: float


@torch.inference_mode()
def measure(row: Row, precision: str, backend: str, device: torch.device, runs: int, matrix: int = MATRIX,
            copied: int = COPIED) -> tuple[Result, str]:
    """The times, and in words the rates behind the floor. Fused, reference and rates in turns."""
    x = torch.randn(row.x, device=device).to(PRECISIONS[precision])
    if device.type == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)          # as features are inside a network
    times: dict[str, list[float]] = {backend: [], "reference": []}
    for name in times:                                               # warms up
        y = _timed(row.run, x, name, device)[1]
    rates = Rates([_work(row, x, y)], device, matrix, copied)
    for _ in range(runs):
        for name, seconds in times.items():
            seconds.append(_timed(row.run, x, name, device)[0])
        rates.measure()
    seconds, reference = statistics.median(times[backend]), statistics.median(times["reference"])
    with dispatch.use(backend):
        used = next((s.backend for s in dispatch.status(device) if s.op == row.op), "composed")
    floor = rates.floor([_work(row, x, y)])
    return (Result(row.op, row.layer, precision, used if backend == "auto" else backend, seconds, floor,
                   seconds / floor, reference), rates.describe(x.dtype))


def _timed(run: Callable[[Tensor], Tensor], x: Tensor, backend: str, device: torch.device) -> tuple[float, Tensor]:
    kept: list[Tensor] = []
    with dispatch.use(backend):
        return seconds_of(lambda: kept.append(run(x)), device), kept[0]


def _work(row: Row, x: Tensor, y: Tensor) -> Work:
    weights, shape = 0, None
    if row.weight is not None:
        o, i, k, _ = row.weight.shape
        weights, shape = row.weight.numel() * x.element_size(), (len(x), i, o, k, *y.shape[2:])
    return Work(row.op, row.conv, row.fir, x.nbytes + y.nbytes + weights, x.dtype, shape)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ops", description=__doc__.splitlines()[0])
    parser.add_argument("--ops", nargs="+", metavar="NAME", help="these only")
    given, device = parse(parser, arguments)
    rows = block_rows(device) + stylegan3_rows(device)
    unknown = set(given.ops or ()) - {row.op for row in rows}
    if unknown:
        parser.error(f"no row for {', '.join(sorted(unknown))}; there are {', '.join({row.op: 0 for row in rows})}")
    report = sys.stderr if given.json else sys.stdout
    print(f"torch {torch.__version__}, {describe(device)}, {given.precision}, medians of {given.runs}\n\n"
          f"{'op':<23}{'layer':<24}{'input':<17}{'':<10}{'ms':>9}{'floor':>9}{'ratio':>7}{'reference':>11}"
          "   arithmetic and copying beside the runs: median (least .. most)", file=report)
    results = []
    for row in rows:
        if given.ops is None or row.op in given.ops:
            result, rates = measure(row, given.precision, given.backend, device, given.runs)
            results.append(result)
            print(f"{result.op:<23}{result.layer:<24}{'x'.join(map(str, row.x[1:])):<17}{result.backend:<10}"
                  f"{1e3 * result.seconds:9.2f}{1e3 * result.floor_seconds:9.2f}{result.ratio:7.2f}"
                  f"{1e3 * result.reference_seconds:11.2f}   {rates}", file=report, flush=True)
    if given.json:
        print(json.dumps([result._asdict() for result in results], indent=2))


if __name__ == "__main__":
    main()
