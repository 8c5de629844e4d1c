"""What the strip of layers costs: full passes with summaries of all taps against ones without, in the same run.

`dragged`: how much more the passes take while requests follow each other, when most are not looked at.

Usage: strip.py [DEVICE] [RESOLUTION ..]; networks of random weights in the papers' sizes.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch  # noqa: E402

from nets.build import build  # noqa: E402
from nets.config import StyleGAN2Config, StyleGAN3Config  # noqa: E402
from nets.stages import all_taps, draw_noise  # noqa: E402
from renderer.device import synchronize  # noqa: E402
from renderer.info import clamp_of, tap_info  # noqa: E402
from renderer.measures.summary import summary  # noqa: E402
from renderer.resume import Resume  # noqa: E402
from renderer.strip import EVERY  # noqa: E402

REPEATS = 4
BUDGET = 1 << 30
NETWORKS = {
    "stylegan2": lambda resolution: StyleGAN2Config(resolution, channel_base=1 << (14 if resolution < 512 else 15)),
    "stylegan3-t": lambda resolution: StyleGAN3Config(resolution, channel_base=1 << (14 if resolution < 512 else 15)),
}


def clock_of(device: torch.device):
    """On the CPU its own time, which other programs take nothing from."""
    return time.process_time if device.type == "cpu" else time.perf_counter


def measure(name: str, resolution: int, device: torch.device) -> None:
    torch.manual_seed(0)
    generator = build(NETWORKS[name](resolution)).to(device).eval().requires_grad_(False)
    stages = generator.synthesis.stages()
    taps, noise = {tap.name: tap_info(tap) for tap in all_taps(stages)}, draw_noise(stages, "const", 1)
    spent, clock = 0.0, clock_of(device)

    def summarise(tap, value):
        nonlocal spent
        began = clock()
        seen = summary(value[0], taps[tap], clamp_of(generator.config, tap))
        spent += clock() - began
        return seen

    def seconds(summarised: bool, now: bool = True) -> float:
        """A pass in which everything runs."""
        ws = torch.randn(1, generator.num_ws, generator.w_dim).to(device)
        began = clock()
        resume.observe(stages, [stage.inputs(ws, noise) for stage in stages], "image",
                       synchronize=lambda: synchronize(device), summarise=summarise if summarised else None, now=now)
        return clock() - began
    resume = Resume(BUDGET)
    taken = {False: [], True: []}
    for repeat in range(REPEATS):
        if repeat == 1:
            spent = 0.0                          # after warming up
        for summarised in taken:
            taken[summarised].append(seconds(summarised))
    without, within = (1e3 * min(times[1:]) for times in taken.values())
    more, alone = 100 * (within / without - 1), 1e3 * spent / (REPEATS - 1)
    drags = [sum(seconds(True, i == 0) for i in range(EVERY)) / EVERY for _ in range(REPEATS - 1)]
    dragged = 100 * (1e3 * min(drags) / without - 1)
    print(f"{name:12} {resolution:5} {len(taps):5} {without:10.1f} {within:10.1f} {more:8.1f} % {alone:10.1f} "
          f"{dragged:8.1f} %", flush=True)


def main() -> None:
    device = torch.device(sys.argv[1] if len(sys.argv) > 1 else "cpu")
    resolutions = [int(word) for word in sys.argv[2:]] or [256, 1024]
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads; full passes, best of "
          f"{REPEATS - 1}, ms (on the CPU of its own time)")
    print(f"{'network':12} {'size':>5} {'taps':>5} {'without':>10} {'with':>10} {'more':>10} {'summaries':>10} "
          f"{'dragged':>10}")
    with torch.inference_mode():
        for resolution in resolutions:
            for name in NETWORKS:
                measure(name, resolution, device)


if __name__ == "__main__":
    main()
