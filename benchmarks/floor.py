"""The least time a network can take here: what its layers must compute and move (nets.work), over rates measured beside
its runs."""
from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import torch
from torch.nn import functional as F

from nets.work import Work
from renderer.device import synchronize

NUM_SHAPES = 6                           # convolutions tried as the measure of arithmetic: the network's largest
MATRIX, COPIED = 2048, 2 ** 25           # rows and columns multiplied, numbers copied


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
