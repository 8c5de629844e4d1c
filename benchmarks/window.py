"""How long the window's frames take while it animates, imports PyTorch, refines estimates, loads and renders 300 MB.

    python benchmarks/window.py

Aim: 95 % of frames under 50 ms with software OpenGL on two cores. A frame is from one look at the events to the next;
the picture is panned in every one, as by a hand that drags it, so that none can be skipped. Opens its own Xvfb where
there is none to open a window on.
"""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "gui")]

from gui.placement import Placement  # noqa: E402
from renderer.inspection import Droplets, Inspection, Sticking, Truncation  # noqa: E402
from renderer.types import RenderRequest  # noqa: E402

AIM = 0.05                               # seconds, 95th percentile
LARGE = {"resolution": 32, "channel_base": 65536, "channel_max": 1024}      # a StyleGAN2 of 300 MB, 2 s a picture


def write_large(path: Path) -> None:
    """In a process of its own, so that this one has not imported torch before it is measured."""
    code = ("import sys, torch; from nets.build import build; from nets.config import StyleGAN2Config; "
            "from nets.checkpoint import save_native; torch.manual_seed(0); "
            f"save_native(sys.argv[1], {{'G_ema': build(StyleGAN2Config(**{LARGE}))}})")
    subprocess.run([sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)


class Bench:
    """The window's own loop, with every frame timed."""

    def __init__(self):
        from gui import app, settings, window
        sys.setswitchinterval(app.SWITCH_INTERVAL)
        self.window = window.Window("Stylescope")
        self.app = app.App(self.window, settings.Settings(), RenderRequest())
        self.side, self.seconds = 1, 0.0
        self.frame()
        print(f"first frame: {1000 * self.seconds:.0f} ms")

    def measure(self, name: str, until, limit: float = 60.0) -> None:
        """Draws without a pause until `until()`; prints the frame times."""
        times, start = [], time.perf_counter()
        while not times or (not until() and time.perf_counter() - start < limit):
            self.frame()
            times.append(self.seconds)
        times.sort()
        p50, p95 = times[len(times) // 2], times[int(0.95 * (len(times) - 1))]
        verdict = "" if p95 < AIM else "   above the aim"
        print(f"{name:<28} {time.perf_counter() - start:6.1f} s {len(times):5d} frames   p50 {1000 * p50:5.1f}   "
              f"p95 {1000 * p95:6.1f}   max {1000 * times[-1]:6.1f} ms{verdict}", flush=True)

    def frame(self) -> None:
        began = time.perf_counter()
        viewer, self.side = self.app.desk.viewer, -self.side
        viewer.placement = Placement((0.5 + 0.01 * self.side, 0.5), 400.0)
        self.window.wait(0)
        self.app._frame()
        self.seconds = time.perf_counter() - began

    def open(self, path: str) -> None:
        self.app.request = replace(self.app.request, checkpoint=replace(self.app.request.checkpoint, path=path))

    def inspect(self, inspection: Inspection) -> None:
        """Opens its panel and starts it."""
        self.app.restore(replace(self.app.request, inspect=inspection))

    def idle(self) -> bool:
        return self.app.thread.activity() is None

    def answered(self) -> bool:
        return self.app._answered() and self.idle()

    def loaded(self) -> bool:
        return self.app.result.request.checkpoint.path == self.app.request.checkpoint.path or self.rendering()

    def rendering(self) -> bool:
        activity = self.app.thread.activity()
        return activity is not None and activity.text.startswith("Rendering")


def main() -> None:
    os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp()
    if not os.environ.get("DISPLAY"):
        import driver
        os.environ["DISPLAY"] = driver.Display().name
    with tempfile.TemporaryDirectory() as folder:
        large = Path(folder) / "large.safetensors"
        write_large(large)
        print(f"{large.name}: {large.stat().st_size / 1e6:.0f} MB; {os.cpu_count()} cores")
        bench = Bench()
        first = time.perf_counter()
        bench.measure("importing PyTorch", lambda: bench.idle() and time.perf_counter() > first + 0.5)
        bench.open("demo:stylegan2")
        bench.measure("opening a demo", bench.answered)
        bench.app.desk.latent.playing = True
        end = time.perf_counter() + 5
        bench.measure("animating", lambda: time.perf_counter() > end)
        bench.app.desk.latent.playing = False
        end = time.perf_counter() + 3
        bench.measure("nothing else going on", lambda: time.perf_counter() > end)
        for inspection in (Droplets(samples=500), Sticking(samples=500), Truncation(samples=500)):
            bench.inspect(inspection)
            bench.measure(f"refining {inspection.kind}", lambda end=time.perf_counter() + 8: time.perf_counter() > end)
        end = time.perf_counter() + 5
        bench.app.desk.latent.playing = True
        bench.measure("animating meanwhile", lambda: time.perf_counter() > end)
        bench.app.desk.latent.playing = False
        bench.app.desk.reset_layout()
        bench.open(str(large))
        bench.frame()
        bench.measure("loading 300 MB", bench.loaded)
        bench.measure("rendering 300 MB", bench.answered)
        for seed in (5.0, 6.0):
            bench.app.request = replace(bench.app.request, latent=replace(bench.app.request.latent, x=seed))
            bench.frame()
            bench.measure("rendering another seed", bench.answered)
        bench.app.close()


if __name__ == "__main__":
    main()
