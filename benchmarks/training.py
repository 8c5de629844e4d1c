"""Training steps of every preset: images per second, forward and backward, by the fused ops and by the reference.

    python -m benchmarks.training [--presets stylegan2 ..] [--resolution 64] [--batch N] [--width 0.125]
        [--precision fp32|bf16|fp16] [--backend auto|cuda|cpu|reference] [--threads N] [--runs 9] [--json]

Milliseconds of each phase for a whole minibatch, medians. Images per second: of a step of which every regulariser is
run as often as the preset says. Augmentation, blur, optimisers and reading pictures are left out; growing networks are
fully grown. `--width` scales every layer's channels: 1 is the preset.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch

from benchmarks.floor import seconds_of
from benchmarks.networks import backend_name
from benchmarks.options import parse
from cuda_ops import dispatch
from nets.build import build
from nets.config import AnyConfig
from renderer.device import PRECISIONS, describe
from train.config import Growing, TrainConfig
from train.latents import draw_latents
from train.phases import Phases
from train.presets import PRESETS, Data, preset

PHASES = ("G main", "G reg", "D main", "D reg")
MBSTD_GROUP = 4                          # at most, so that small batches hold whole groups


class Phase(NamedTuple):
    """`run`: forward and backward; `every`: how many steps it is run in once."""
    run: Callable[[], object]
    every: int


class Row(NamedTuple):
    """One line of the report: median seconds of each phase, of the backend and of the reference."""
    preset: str
    resolution: int
    batch: int
    width: float
    precision: str
    backend: str
    every: dict[str, int]
    seconds: dict[str, float]
    reference_seconds: dict[str, float]

    @property
    def images_per_second(self) -> float:
        return self.batch / self._step(self.seconds)

    @property
    def reference_images_per_second(self) -> float:
        return self.batch / self._step(self.reference_seconds)

    def _step(self, seconds: dict[str, float]) -> float:
        return sum(taken / self.every[name] for name, taken in seconds.items())

    def as_json(self) -> dict:
        return self._asdict() | {"images_per_second": self.images_per_second,
                                 "reference_images_per_second": self.reference_images_per_second}

    def as_text(self) -> str:
        phases = "".join(f"{1e3 * self.seconds[name]:9.1f}" if name in self.seconds else f"{'-':>9}" for name in PHASES)
        fused, reference = self.images_per_second, self.reference_images_per_second
        return f"{self.preset:<16}{self.backend:<15}{phases}{fused:10.2f}{reference:11.2f}{fused / reference:7.2f}"


HEADER = (f"{'preset':<31}{''.join(f'{name:>9}' for name in PHASES)}{'fused':>10}{'reference':>11}{'ratio':>7}\n"
          f"{'':<31}{len(PHASES) * '       ms'}{'img/s':>10}{'img/s':>11}")


def phases(config: TrainConfig, precision: str, device: torch.device) -> dict[str, Phase]:
    """The phases of a step on one minibatch of noise, by name."""
    torch.manual_seed(0)
    G, D = (build(network).to(device).train() for network in (config.generator, config.discriminator))
    G.synthesis.precision = D.precision = PRECISIONS[precision]
    lod = 0.0 if config.growing else None
    run = Phases(G, D, config.loss, lod=lod)
    num, random = config.batch, torch.Generator().manual_seed(0)
    latents = draw_latents(G, num, None, random, config.mixing, lod)
    real = torch.randn(num, config.generator.img_channels, *G.synthesis.resolution, device=device)
    found = {"G main": Phase(partial(run.generator_main, latents), 1)}
    if config.g_reg_interval:
        lengths = partial(run.generator_regularizer, latents, torch.randn_like(real), torch.zeros((), device=device))
        found["G reg"] = Phase(lengths, config.g_reg_interval)
    is_inside = config.d_reg_interval is None
    found["D main"] = Phase(partial(run.discriminator_main, latents, real, None, regularize=is_inside), 1)
    if not is_inside:
        found["D reg"] = Phase(partial(run.discriminator_regularizer, latents, real, None), config.d_reg_interval)
    return {name: Phase(partial(_run, phase.run, (G, D)), phase.every) for name, phase in found.items()}


def _run(phase: Callable[[], object], networks: tuple[torch.nn.Module, ...]) -> None:
    for network in networks:
        network.zero_grad(set_to_none=True)
    phase()


def configuration(name: str, resolution: int, batch: int, width: float) -> TrainConfig:
    """The preset's; growing networks have this batch at all levels of detail."""
    config = preset(name, Data((resolution, resolution)), mbstd_group=min(batch, MBSTD_GROUP))
    return dataclasses.replace(config, batch=batch, batch_gpu=batch, growing=config.growing and Growing(),
                               generator=_scaled(config.generator, width),
                               discriminator=_scaled(config.discriminator, width))


def _scaled(network: AnyConfig, width: float) -> AnyConfig:
    return dataclasses.replace(network, channel_base=round(width * network.channel_base),
                               channel_max=round(width * network.channel_max))


def measure(name: str, resolution: int, batch: int, width: float, precision: str, backend: str, device: torch.device,
            runs: int) -> Row:
    """Backend, and every third time the reference, in turns, so that both meet the machine in the same mood."""
    config = configuration(name, resolution, batch, width)
    parts = phases(config, precision, device)
    seconds: dict[str, dict[str, list[float]]] = {which: {part: [] for part in parts} for which in ("own", "reference")}
    for turn in range(-1, runs):             # -1 builds kernels, warms up
        for which, taken in seconds.items():
            if which == "own" or turn < 0 or turn % 3 == 0:
                with dispatch.use(backend if which == "own" else which):
                    for part, phase in parts.items():
                        taken[part].append(seconds_of(phase.run, device))
    own, reference = ({part: statistics.median(taken[1:]) for part, taken in seconds[which].items()}
                      for which in seconds)
    return Row(name, resolution, batch, width, precision, backend_name(backend, device),
               {part: phase.every for part, phase in parts.items()}, own, reference)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.splitlines()[0])
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=list(PRESETS), metavar="NAME",
                        help=f"of {', '.join(PRESETS)}")
    parser.add_argument("--resolution", type=int, help="default: 256 on a GPU, 64 elsewhere")
    parser.add_argument("--batch", type=int, help="default: 32 on a GPU, 4 elsewhere")
    parser.add_argument("--width", type=float, help="default: 1 on a GPU, 0.125 elsewhere")
    given, device = parse(parser, arguments)
    resolution, batch, width = (256, 32, 1.0) if device.type == "cuda" else (64, 4, 0.125)
    resolution, batch, width = given.resolution or resolution, given.batch or batch, given.width or width
    report = sys.stderr if given.json else sys.stdout
    print(f"torch {torch.__version__}, {describe(device)}, {resolution}x{resolution}, batch {batch}, "
          f"{given.precision}, channels x {width:g}, medians of {given.runs}\n\n{HEADER}", file=report)
    rows = []
    for name in given.presets:
        rows.append(measure(name, resolution, batch, width, given.precision, given.backend, device, given.runs))
        print(rows[-1].as_text(), file=report, flush=True)
    if given.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))


if __name__ == "__main__":
    main()
