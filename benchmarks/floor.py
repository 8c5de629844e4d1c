"""The least time a network can take here: what its layers must compute and move, over rates measured beside its runs.

Arithmetic is that of each layer's cheapest exact direct form: a strided transposed convolution for up=2 (of nearest-
neighbour upsampling the box joins the blur), FIR filters separable and polyphase, or tap by tap where they are radial.
Bytes: a layer's input, weights and result, once each. Additions per pixel (noise, bias, activation, normalisation) and
StyleGAN2's upsampling of the image, under a thousandth together, are left out.
"""
from __future__ import annotations

import copy
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops import dispatch
from nets import layers, stylegan1, stylegan2, stylegan3
from renderer.device import synchronize

NUM_SHAPES = 6                           # convolutions tried as the measure of arithmetic: the network's largest
MATRIX, COPIED = 2048, 2 ** 25           # rows and columns multiplied, numbers copied


@dataclass(frozen=True)
class Work:
    """What one layer has to do. `shape`: (N, I, O, k, H, W) of its convolution, H x W being counted pixels."""
    name: str
    conv: float                          # floating-point operations, a multiplication and an addition being two
    fir: float
    bytes: float
    dtype: torch.dtype
    shape: tuple[int, ...] | None = None


# --- counting --------------------------------------------------------------------------------------------------------

def count(network: nn.Module, run: Callable[[nn.Module], object]) -> list[Work]:
    """The work of every layer that `run` calls; it runs on a copy of `network` on the meta device: shapes, no numbers.
    """
    network, done = copy.deepcopy(network).to("meta"), []

    def called(name: str) -> Callable:
        def hook(module: nn.Module, arguments: tuple, y: Tensor) -> None:
            done.append(_work(module, name, arguments[0], y))
        return hook
    for name, module in network.named_modules():
        if _work.dispatch(type(module)) is not _work.dispatch(object):
            module.register_forward_hook(called(name))
    with torch.no_grad(), dispatch.use("reference"):
        run(network)
    return done


@singledispatch
def _work(module: nn.Module, name: str, x: Tensor, y: Tensor) -> Work:
    raise NotImplementedError(f"no count for {type(module).__name__}")


@_work.register
def _(module: layers.Dense, name, x, y):
    return _convolution(module.weight[:, :, None, None], name, x, y, (1, 1))


@_work.register
def _(module: stylegan1.Layer, name, x, y):
    taps = module.up + len(module.config.blur_filter or (1,)) - 1           # the box and the blur as one filter
    return _block_layer(module, taps, name, x, y)


@_work.register
def _(module: stylegan2.Layer, name, x, y):
    return _block_layer(module, len(module.config.resample_filter), name, x, y)


def _block_layer(module: stylegan1.Layer | stylegan2.Layer, taps: int, name: str, x: Tensor, y: Tensor) -> Work:
    if module.up == 1:
        return _convolution(module.weight, name, x, y, y.shape[2:])
    rows = module.up * x.shape[2] + 1                                       # of the transposed convolution
    return _convolution(module.weight, name, x, y, x.shape[2:], separable(y.shape[1], taps, rows, y.shape[2:]))


@_work.register
def _(module: stylegan1.Epilogue, name, x, y):
    return Work(name, 0, 0, x.nbytes + y.nbytes, x.dtype)


@_work.register
def _(module: stylegan2.ToRGB, name, x, y):
    return _convolution(module.weight, name, x, y, y.shape[2:])


@_work.register
def _(module: layers.Conv2d, name, x, y):
    """A pointwise convolution trades places with its filter, so that both run at the low rate."""
    (o, i, k, _), fir = module.weight.shape, 0
    if module.up > 1:
        fir = separable(o, module.resample_filter.shape[-1] / module.up, x.shape[2], y.shape[2:])
    elif module.down > 1:
        fir = separable(i, module.resample_filter.shape[-1], x.shape[2], (y if k == 1 else x).shape[2:])
    return _convolution(module.weight, name, x, y, min(x.shape[2:], y.shape[2:]), fir)


@_work.register
def _(module: stylegan3.FourierInput, name, w, y):
    """Every feature's samples from two coordinates, and their mixing."""
    mixing = _convolution(module.weight[:, :, None, None], name, w, y, y.shape[2:])
    return replace(mixing, conv=mixing.conv + 4 * y.numel())


@_work.register
def _(module: stylegan3.Layer, name, x, y):
    g, channels, fir = module.geometry, y.shape[1], 0
    h, w = (size + g.conv_kernel - 1 for size in x.shape[2:])
    up_size = g.up_size[::-1]                                               # height, width
    if g.up_taps > 1:
        fir += separable(channels, g.up_taps / g.up_factor, h, up_size)
    if g.down_taps > 1 and g.radial_down:
        fir += 2 * channels * g.down_taps ** 2 * y.shape[2] * y.shape[3]
    elif g.down_taps > 1:
        fir += separable(channels, g.down_taps, up_size[0], y.shape[2:])
    return _convolution(module.weight, name, x, y, (h, w), fir)


def separable(channels: int, taps: float, rows: int, size: Sequence[int]) -> float:
    """A sample's operations in a filter from `rows` of input to `size` (H, W), along x and then along y. `taps`: those
    that meet samples and not inserted zeros."""
    return 2 * channels * taps * (rows + size[0]) * size[1]


def _convolution(weight: Tensor, name: str, x: Tensor, y: Tensor, pixels: Sequence[int], fir: float = 0) -> Work:
    """`pixels` (H, W): where the weights are applied. `fir`: of one sample."""
    (o, i, k, _), (h, w), num = weight.shape, pixels, len(x)
    moved = x.nbytes + y.nbytes + weight.numel() * x.element_size()
    return Work(name, 2 * num * weight.numel() * h * w, num * fir, moved, x.dtype, (num, i, o, k, h, w))


# --- measuring -------------------------------------------------------------------------------------------------------

class Rates:
    """What the machine does a second, measured a little at a time: call `measure` between the runs it is to judge."""

    def __init__(self, work: Sequence[Work], device: torch.device, matrix: int = MATRIX, copied: int = COPIED):
        self._device = device
        self._source = torch.ones(copied, device=device)
        self._target = torch.empty_like(self._source)
        self._bytes_copied: list[float] = []
        self._seconds: dict[str, list[float]] = {}
        self._probes: dict[str, tuple[torch.dtype, float, Callable]] = {}
        for dtype in dict.fromkeys([torch.float32, *(w.dtype for w in work)]):
            self._add_probes(dtype, [w for w in work if w.dtype == dtype], matrix)
        for _, _, run in self._probes.values():
            run()                        # warms up

    def _add_probes(self, dtype: torch.dtype, work: list[Work], matrix: int) -> None:
        m = torch.randn(matrix, matrix, device=self._device).to(dtype)
        self._probes[f"{_short(dtype)} matmul {matrix}"] = dtype, 2 * matrix ** 3, lambda: m @ m
        for shape in largest_shapes(work):
            num, i, o, k, h, w = shape
            x = torch.randn(num, i, h, w, device=self._device).to(dtype).contiguous(memory_format=torch.channels_last)
            weight = torch.randn(o, i, k, k, device=self._device).to(dtype)
            self._probes[f"{_short(dtype)} conv {i}-{o} {k}x{k} at {w}x{h}"] = (
                dtype, 2 * num * weight.numel() * h * w,
                lambda x=x, weight=weight, k=k: F.conv2d(x, weight, padding=k // 2))

    @torch.inference_mode()
    def measure(self) -> None:
        for name, (_, _, run) in self._probes.items():
            self._seconds.setdefault(name, []).append(seconds_of(run, self._device))
        taken = seconds_of(lambda: self._target.copy_(self._source), self._device)
        self._bytes_copied.append(2 * self._source.nbytes / taken)

    @property
    def bandwidth(self) -> float:
        """Bytes read and written per second by a copy: median."""
        return statistics.median(self._bytes_copied)

    def arithmetic(self, dtype: torch.dtype) -> tuple[float, float, float, str]:
        """Of the quickest way to multiply in `dtype`, or in float32 if that is quicker: operations per second (median,
        least, most) and its name."""
        def rate(name: str) -> float:
            return self._probes[name][1] / statistics.median(self._seconds[name])
        best = max((n for n, probe in self._probes.items() if probe[0] in (dtype, torch.float32)), key=rate)
        flops, seconds = self._probes[best][1], self._seconds[best]
        return rate(best), flops / max(seconds), flops / min(seconds), best

    def describe(self, dtype: torch.dtype) -> str:
        rate, least, most, name = (v / 1e9 if isinstance(v, float) else v for v in self.arithmetic(dtype))
        copies = [v / 1e9 for v in (self.bandwidth, min(self._bytes_copied), max(self._bytes_copied))]
        return (f"{rate:.0f} GFLOP/s ({least:.0f} .. {most:.0f}; {name}), "
                f"{copies[0]:.1f} GB/s ({copies[1]:.1f} .. {copies[2]:.1f})")

    def floor(self, work: Iterable[Work]) -> float:
        """Seconds: each layer's arithmetic or its traffic, whichever takes longer."""
        rates = {dtype: self.arithmetic(dtype)[0] for dtype in {w.dtype for w in work}}
        return sum(max((w.conv + w.fir) / rates[w.dtype], w.bytes / self.bandwidth) for w in work)


def largest_shapes(work: Iterable[Work]) -> list[tuple[int, ...]]:
    """Shapes of the convolutions that most of the arithmetic is spent in."""
    flops: Counter[tuple[int, ...]] = Counter()
    for w in work:
        if w.shape:
            flops[w.shape] += w.conv
    return [shape for shape, _ in flops.most_common(NUM_SHAPES)]


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    began = time.perf_counter()
    run()
    synchronize(device)
    return time.perf_counter() - began


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
