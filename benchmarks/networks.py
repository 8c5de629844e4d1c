"""Whole networks as the viewer runs them, and training steps: fused and reference time against this machine's floor.

    python -m benchmarks.networks [--networks stylegan2-256 ..] [--precision fp32|bf16|fp16]
        [--backend auto|cuda|cpu|reference] [--threads N] [--runs 9] [--json]

"fresh w": for w not seen before, the figure of the ratio; "same w": for the one just used, with whatever is kept of it.
Medians; the rates under the floor are measured between the runs (floor.py). "peak": what a process of its own took at
most beyond the loaded network, first run included.
"""
from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.floor import COPIED, MATRIX, Rates, seconds_of
from benchmarks.options import parse
from cuda_ops import dispatch
from nets.build import build
from nets.config import DiscriminatorConfig, GeneratorConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.generator import Generator
from nets.stages import draw_noise, synthesize
from nets.work import Work, count
from renderer.device import PRECISIONS, describe
from renderer.memory import give_back

R = {"channel_base": 65536, "channel_max": 1024, "conv_kernel": 1, "use_radial_filters": True}
NETWORKS: dict[str, GeneratorConfig] = {
    "stylegan2-256": StyleGAN2Config(256, channel_base=16384),
    "stylegan2-512": StyleGAN2Config(512),
    "stylegan2-1024": StyleGAN2Config(1024),
    "stylegan3-t-256": StyleGAN3Config(256),
    "stylegan3-t-512": StyleGAN3Config(512),
    "stylegan3-t-1024": StyleGAN3Config(1024),
    "stylegan3-r-256": StyleGAN3Config(256, **R),
    "stylegan3-r-512": StyleGAN3Config(512, **R),
    "stylegan1-256": StyleGAN1Config(256),
    "stylegan1-1024": StyleGAN1Config(1024),
}
TRAINING: dict[str, GeneratorConfig] = {
    "stylegan2-64-train": StyleGAN2Config(64, channel_base=16384),
    "stylegan2-128-train": StyleGAN2Config(128, channel_base=16384),
    "stylegan3-t-64-train": StyleGAN3Config(64, channel_base=16384),
    "stylegan3-t-128-train": StyleGAN3Config(128, channel_base=16384),
}
BATCH = 4                                # samples of a training step


class Case(NamedTuple):
    """Something to be timed. `run` takes what `draw` gives: w [N, num_ws, w_dim]."""
    run: Callable[[Tensor], object]
    draw: Callable[[], Tensor]
    work: list[Work]


class Row(NamedTuple):
    """One line of the report. Seconds are medians."""
    network: str
    precision: str
    backend: str
    seconds: float
    same_w_seconds: float
    floor_seconds: float
    reference_seconds: float
    conv: float                          # operations
    fir: float
    peak_bytes: int | None
    rates: str

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor_seconds

    def as_json(self) -> dict:
        return {key: getattr(self, key) for key in ("network", "precision", "backend", "seconds", "floor_seconds",
                                                    "ratio", "reference_seconds")}

    def as_text(self) -> str:
        peak = "-" if self.peak_bytes is None else f"{self.peak_bytes / 2 ** 20:.0f}"
        times = (self.seconds, self.same_w_seconds, self.floor_seconds, self.reference_seconds)
        fresh, same, floor, reference = (f"{1e3 * seconds:10.1f}" for seconds in times)
        return (f"{self.network:<22}{self.precision:<6}{self.backend:<15}{fresh}{same}{floor}{self.ratio:7.2f}"
                f"{reference}{self.conv / 1e9:8.1f} +{self.fir / 1e9:6.2f}{peak:>9}   {self.rates}")


HEADER = (f"{'network':<43}{'fresh w':>10}{'same w':>10}{'floor':>10}{'ratio':>7}{'reference':>10}{'conv + FIR':>16}"
          f"{'peak':>9}   arithmetic and copying beside the runs: median (least .. most)\n"
          f"{'':<43}{'ms':>10}{'ms':>10}{'ms':>10}{'':>7}{'ms':>10}{'GFLOP':>16}{'MiB':>9}")


# --- cases -----------------------------------------------------------------------------------------------------------

def viewing(config: GeneratorConfig, precision: str, device: torch.device) -> Case:
    """One sample through the synthesis network, nothing resumed."""
    synthesis = _generator(config, device).synthesis
    synthesis.precision = PRECISIONS[precision]
    stages = synthesis.stages()
    noise = draw_noise(stages, "const", 1)

    @torch.inference_mode()
    def run(ws: Tensor) -> Tensor:
        return synthesize(stages, ws, noise)

    def draw() -> Tensor:
        return torch.randn(1, synthesis.num_ws, synthesis.w_dim, device=device)
    return Case(run, draw, count(synthesis, lambda s: s(_meta(draw()))))


def training(config: GeneratorConfig, precision: str, device: torch.device) -> Case:
    """The generator's step: forward through it and a frozen discriminator, and back.

    Backward, every convolution runs once for its input's gradient and, in the generator, once for its weights'.
    """
    synthesis = _generator(config, device).synthesis.train().requires_grad_()
    judge = build(DiscriminatorConfig(config.resolution, channel_base=config.channel_base)).to(device)
    judge.requires_grad_(False)
    synthesis.precision = judge.precision = PRECISIONS[precision]

    def run(ws: Tensor) -> None:
        synthesis.zero_grad()
        F.softplus(-judge(synthesis(ws))).mean().backward()

    def draw() -> Tensor:
        return torch.randn(BATCH, synthesis.num_ws, synthesis.w_dim, device=device)
    made = count(synthesis, lambda s: s(_meta(draw())))
    judged = count(judge, lambda d: d(torch.empty(BATCH, 3, *synthesis.resolution, device="meta")))
    return Case(run, draw, [replace(w, conv=passes * w.conv, fir=2 * w.fir, bytes=passes * w.bytes)
                            for passes, work in ((3, made), (2, judged)) for w in work])


def case(name: str, precision: str, device: torch.device) -> Case:
    torch.manual_seed(0)
    if name in TRAINING:
        return training(TRAINING[name], precision, device)
    return viewing(NETWORKS[name], precision, device)


def _generator(config: GeneratorConfig, device: torch.device) -> Generator:
    """Of random weights, its noise switched on."""
    generator = build(config).to(device).eval().requires_grad_(False)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.constant_(parameter, 0.1)
    return generator


def _meta(x: Tensor) -> Tensor:
    return x.to("meta")


# --- measuring -------------------------------------------------------------------------------------------------------

def measure(name: str, precision: str, backend: str, device: torch.device, runs: int, matrix: int = MATRIX,
            copied: int = COPIED) -> Row:
    """Everything in turns, so that all of it meets the machine in the same mood."""
    run, draw, work = case(name, precision, device)
    rates = Rates(work, device, matrix, copied)
    fresh, same, reference = [], [], []

    def timed(backend: str, ws: Tensor) -> float:
        with dispatch.use(backend):
            return seconds_of(lambda: run(ws), device)
    timed(backend, draw())               # builds kernels, warms up
    for turn in range(runs):
        ws = draw()
        fresh.append(timed(backend, ws))
        same.append(timed(backend, ws))
        if turn % 3 == 0:
            reference.append(timed("reference", ws))
        rates.measure()
    medians = map(statistics.median, (fresh, same))
    return Row(name, precision, backend_name(backend, device), *medians, rates.floor(work),
               statistics.median(reference), sum(w.conv for w in work), sum(w.fir for w in work),
               peak_bytes(name, precision, backend, device), rates.describe(max(work, key=lambda w: w.conv).dtype))


def backend_name(backend: str, device: torch.device) -> str:
    """What 'auto' stands for on `device`: 'cpu', 'cpu+reference', .."""
    if backend != "auto":
        return backend
    return "+".join(dict.fromkeys(sorted(status.backend for status in dispatch.status(device))))


def peak_bytes(name: str, precision: str, backend: str, device: torch.device) -> int | None:
    """Taken at most by one run beyond what was taken before it, in a process of its own. None: not to be known here."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, name, precision, backend, device, torch.get_num_threads()).result()


def _peak(name: str, precision: str, backend: str, device: torch.device, threads: int) -> int | None:
    torch.set_num_threads(threads)
    run, draw, _ = case(name, precision, device)
    ws = draw()
    with dispatch.use(backend):
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            run(ws)
            return torch.cuda.max_memory_allocated(device) - before
        give_back()
        try:
            Path("/proc/self/clear_refs").write_text("5")        # the peak becomes the present: proc(5)
        except OSError:
            return None
        before = _status_bytes("VmRSS")
        run(ws)
        return _status_bytes("VmHWM") - before


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.networks", description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=[*NETWORKS, *TRAINING], default=[*NETWORKS, *TRAINING],
                        metavar="NAME", help=f"of {', '.join([*NETWORKS, *TRAINING])}")
    given, device = parse(parser, arguments)
    report = sys.stderr if given.json else sys.stdout
    print(f"torch {torch.__version__}, {describe(device)}, batch 1 ({BATCH} in training), medians of {given.runs}\n\n"
          f"{HEADER}", file=report)
    rows = []
    for name in given.networks:
        rows.append(measure(name, given.precision, given.backend, device, given.runs))
        print(rows[-1].as_text(), file=report, flush=True)
    if given.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))


if __name__ == "__main__":
    main()
