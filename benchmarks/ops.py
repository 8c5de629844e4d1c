"""The ops on layers of real networks: time, share of what this machine can do, and zero-insertion for comparison.

    python benchmarks/ops.py [cpu|cuda]

Limits are measured in the same run: copy bandwidth and float32 matrix product. An op is bound by whichever of the two
its compulsory traffic (every input read once, the result written once) and its multiplications need longer at; "of
limit" is that time over the measured one. "naive" inserts the zeros and convolves at the high rate.
"""
from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from cuda_ops.bias_act import bias_act  # noqa: E402
from cuda_ops.conv2d_resample import conv2d_resample  # noqa: E402
from cuda_ops.filtered_lrelu import filtered_lrelu  # noqa: E402
from cuda_ops.modulated_conv2d import modulated_conv2d, modulated_conv2d_sg3  # noqa: E402
from cuda_ops.upfirdn2d import filter2d, setup_filter, upsample2d  # noqa: E402
from nets.config import LayerGeometry, StyleGAN3Config  # noqa: E402
from nets.filters import lowpass  # noqa: E402
from nets.plan import plan  # noqa: E402

SECONDS = 0.5                                        # what repeating a measurement may take, beyond the least
FIR = setup_filter([1, 3, 3, 1])


@dataclass(frozen=True)
class Row:
    """One op at one layer. `flops` counts multiplications and additions that polyphase cannot avoid."""
    op: str
    layer: str
    x: tuple[int, ...]                               # input shape
    run: Callable[[Tensor], Tensor]
    flops: float
    weights: int = 0                                 # numbers read besides x
    naive: Callable[[Tensor], Tensor] | None = None


# --- zero-insertion, for comparison ----------------------------------------------------------------------------------

def naive_upfirdn2d(x: Tensor, f: Tensor | None, up: int = 1, down: int = 1, padding=(0, 0, 0, 0), gain: float = 1,
                    ) -> Tensor:
    n, c, h, w = x.shape
    if up > 1:
        zeros = x.new_zeros(n, c, h * up, w * up)
        zeros[:, :, ::up, ::up] = x
        x = zeros
    x = F.pad(x, padding)
    if f is not None:
        f = f * gain ** (f.ndim / 2)
        for taps in ([f] if f.ndim == 2 else [f[None, :], f[:, None]]):
            x = F.conv2d(x, taps.expand(c, 1, *taps.shape), groups=c)
    return x[:, :, ::down, ::down]


def naive_upsample2d(x: Tensor) -> Tensor:
    return naive_upfirdn2d(x, FIR.to(x.device), up=2, padding=(2, 1, 2, 1), gain=4)


def naive_filtered_lrelu(x: Tensor, fu: Tensor, fd: Tensor, b: Tensor, up: int, down: int, padding, clamp: float,
                         ) -> Tensor:
    x = naive_upfirdn2d(x + b[:, None, None], fu, up=up, padding=padding, gain=up ** 2)
    x = (F.leaky_relu(x, 0.2) * 2 ** 0.5).clamp(-clamp, clamp)
    return naive_upfirdn2d(x, fd, down=down)


def naive_modulated_conv2d(x: Tensor, w: Tensor, s: Tensor, up: int = 1) -> Tensor:
    w = w * s[:, None, :, None, None]
    w = (w * (w.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt())[0]
    if up > 1:
        return F.conv2d(naive_upfirdn2d(x, FIR.to(x.device), up=2, padding=(3, 2, 3, 2), gain=4), w.flip(2, 3))
    return F.conv2d(x, w, padding=w.shape[2] // 2)


# --- layers ----------------------------------------------------------------------------------------------------------

def stylegan2_rows(device: str) -> list[Row]:
    f = FIR.to(device)

    def conv(layer: str, i: int, o: int, size: int, up: int = 1) -> Row:
        """`size`: of the input."""
        w, s = torch.randn(o, i, 3, 3, device=device), torch.randn(1, i, device=device)
        flops = 2 * o * (i * 9 * size ** 2 + (16 * (up * size) ** 2 if up > 1 else 0))
        run = partial(modulated_conv2d, weight=w, style=s, up=up, padding=1, resample_filter=f, flip_weight=up == 1)
        naive = partial(naive_modulated_conv2d, w=w, s=s, up=up) if up > 1 else None
        return Row("modulated_conv2d" + " up 2" * (up > 1), layer, (1, i, size, size), run, flops, w.numel(), naive)

    def act(layer: str, c: int, size: int) -> Row:
        b = torch.randn(c, device=device)
        return Row("bias_act lrelu", layer, (1, c, size, size), partial(bias_act, b=b, act="lrelu"), 3 * c * size ** 2)

    down = torch.randn(64, 32, 3, 3, device=device)
    return [
        act("SG2 256 b256.conv1", 64, 256), act("SG2 1024 b1024.conv1", 32, 1024),
        Row("upsample2d", "SG2 1024 b1024 image", (1, 3, 512, 512), partial(upsample2d, f=f),
            2 * 4 * 3 * 1024 ** 2, naive=naive_upsample2d),
        Row("filter2d", "SG2 1024 b1024.conv0 FIR", (1, 32, 1024, 1024), partial(filter2d, f=f),
            2 * 16 * 32 * 1024 ** 2),
        conv("SG2 b4.conv1", 512, 512, 4), conv("SG2 b64.conv1", 512, 512, 64),
        conv("SG2 256 b256.conv0", 128, 64, 128, up=2), conv("SG2 1024 b1024.conv0", 64, 32, 512, up=2),
        Row("conv2d_resample down 2", "D 1024 b1024.conv1", (1, 32, 1024, 1024),
            lambda x: conv2d_resample(x, down, f, down=2, padding=1),
            2 * 16 * 32 * 1024 ** 2 + 2 * 64 * 32 * 9 * 512 ** 2, down.numel()),
    ]


def stylegan3_rows(device: str) -> list[Row]:
    t = plan(StyleGAN3Config(256, channel_base=16384))
    r = plan(StyleGAN3Config(256, channel_base=32768, channel_max=1024, conv_kernel=1, use_radial_filters=True))
    rows = []
    for name, layers in (("SG3-T 256", t), ("SG3-R 256", r)):
        for g in (layers[4], layers[9]):
            rows += [_sg3_conv(f"{name} {g.name}", g, device), _sg3_act(f"{name} {g.name}", g, device)]
    return rows


def _sg3_conv(layer: str, g: LayerGeometry, device: str) -> Row:
    k, size = g.conv_kernel, g.in_size[0]
    w, s = torch.randn(g.out_channels, g.in_channels, k, k, device=device), torch.randn(1, g.in_channels, device=device)
    flops = 2 * w.numel() * (size + k - 1) ** 2
    run = partial(modulated_conv2d_sg3, weight=w, style=s, padding=k - 1)
    return Row("modulated_conv2d_sg3", layer, (1, g.in_channels, size, size), run, flops, w.numel())


def _sg3_act(layer: str, g: LayerGeometry, device: str) -> Row:
    rate, c, size = g.in_rate * g.up_factor, g.out_channels, g.in_size[0] + g.conv_kernel - 1
    fu = lowpass(g.up_taps, g.in_cutoff, 2 * g.in_half_width, rate).to(device)
    fd = lowpass(g.down_taps, g.out_cutoff, 2 * g.out_half_width, rate, g.radial_down).to(device)
    b, up, down = torch.randn(c, device=device), g.up_factor, g.down_factor
    high, out, per_phase = size * up, g.out_size[0], g.up_taps / up
    flops = 2 * c * (per_phase * (size * high + high * high)
                     + (g.down_taps ** 2 * out ** 2 if g.radial_down else g.down_taps * (high * out + out * out)))
    arguments = dict(fu=fu, fd=fd, b=b, up=up, down=down, padding=g.padding, clamp=256)
    return Row("filtered_lrelu", layer, (1, c, size, size), partial(filtered_lrelu, **arguments), flops,
               naive=partial(naive_filtered_lrelu, **arguments))


# --- measuring -------------------------------------------------------------------------------------------------------

def run_times(run: Callable[[], object], device: str, at_least: int = 3) -> list[float]:
    """Seconds of as many runs as fit, after one that warms up."""
    def timed() -> float:
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start
    first = timed()
    return [timed() for _ in range(max(at_least, min(20, int(SECONDS / first))))]


def limits(device: str) -> tuple[float, float]:
    """Bytes copied (read and written) and float32 operations of a matrix product, both per second, at best."""
    a = torch.ones(2 ** 25, device=device)
    b = torch.empty_like(a)
    m = torch.randn(2048, 2048, device=device)
    bandwidth = 2 * a.nbytes / min(run_times(lambda: b.copy_(a), device))
    return bandwidth, 2 * len(m) ** 3 / min(run_times(lambda: m @ m, device))


def report(row: Row, bandwidth: float, throughput: float, device: str) -> str:
    x = torch.randn(row.x, device=device)
    if device == "cpu":
        x = x.contiguous(memory_format=torch.channels_last)    # as features are inside a network
    result = row.run(x)
    traffic = 4 * (x.numel() + result.numel() + row.weights)
    seconds = statistics.median(run_times(lambda: row.run(x), device))
    memory, arithmetic = traffic / bandwidth, row.flops / throughput
    amount, unit = (traffic, "GB/s") if memory > arithmetic else (row.flops, "GFLOP/s")
    rate = f"{amount / seconds / 1e9:6.1f} {unit:<8}"
    naive = "-"
    if row.naive:
        torch.testing.assert_close(row.naive(x), result, rtol=1e-3, atol=1e-3)
        naive = f"{1e3 * statistics.median(run_times(lambda: row.naive(x), device, at_least=1)):.2f}"
    shape = "x".join(map(str, row.x[1:]))
    return (f"{row.op:<23}{row.layer:<27}{shape:<16}{1e3 * seconds:9.2f}  {rate}"
            f"{100 * max(memory, arithmetic) / seconds:6.0f} % {naive:>9}")


@torch.inference_mode()
def main(device: str) -> None:
    bandwidth, throughput = limits(device)
    print(f"{device}, {torch.get_num_threads()} threads: copy {bandwidth / 1e9:.1f} GB/s, "
          f"matrix product {throughput / 1e9:.0f} GFLOP/s\n")
    print(f"{'op':<23}{'layer':<27}{'input':<16}{'ms':>9}  {'rate':<15}{'of limit':>9}{'naive ms':>10}")
    for row in stylegan2_rows(device) + stylegan3_rows(device):
        print(report(row, bandwidth, throughput, device), flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "cpu")
