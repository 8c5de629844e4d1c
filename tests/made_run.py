"""A run's folder as training writes it, without training: statistics of a made-up course, grids, snapshots, status."""
from __future__ import annotations

import json
import math
import shutil
import socket
import time
from pathlib import Path

import numpy as np

from train.folder import RunFolder

TOTAL = 1_000_000                        # images


class MadeRun:
    """Written by this process, as by a run's: its lock is held and its heart beats until `close`."""

    def __init__(self, outdir: Path, name: str = "stylegan2-shapes", snapshot: Path | None = None):
        """`snapshot`: the checkpoint that its snapshots are copies of."""
        self.folder = RunFolder.create(outdir, name, {
            "train": {}, "run": {"cfg": "stylegan2"},
            "data": {"path": "/data/shapes.zip", "images": 5000, "size": [64, 64], "channels": 3, "c_dim": 0},
            "command": "python -m train run --outdir runs --data shapes.zip --cfg stylegan2"}, quiet=True)
        self.path, self._snapshot, self.images = self.folder.path, snapshot, 0
        self.folder.say("stylegan2 at 64 x 64")
        self.folder.save_grid("reals", grid(7), 8)
        self.folder.status(state="running", total_images=TOTAL, doing="G main")

    def go(self, ticks: int, kimg: float = 4.0, snap: int = 5) -> None:
        """So many ticks further; every `snap` of them with grid, metric, snapshot and state."""
        for _ in range(ticks):
            self.images += round(1000 * kimg)
            is_snap = self.images % round(1000 * kimg * snap) == 0
            self.folder.add_stats(values_at(self.images) | ({"metric.swd": swd(self.images)} if is_snap else {}))
            self.folder.say(f"kimg {self.images / 1000:g}")
            if is_snap:
                self.save()
        self.folder.status(images=self.images)
        self.folder._status._write()     # as its heart does, within 5 s

    def save(self) -> None:
        self.folder.save_grid(f"fakes-{self.images:012d}", grid(self.images), 8)
        if self._snapshot:
            shutil.copy(self._snapshot, self.folder.snapshot_path(self.images))
        (self.path / f"state-{self.images:012d}.safetensors").write_bytes(b"made up")

    def end(self, state: str, error: str | None = None) -> None:
        self.folder.status(state=state, error=error, doing="")
        self.folder.close()


def values_at(images: int) -> dict[str, float]:
    kimg = images / 1000
    wave, course = math.sin(kimg), math.exp(-kimg / 200)
    return {
        "images": images, "kimg": kimg, "step": images // 32, "time": time.time(), "elapsed": kimg * 80, "lod": 0.0,
        "batch": 32, "lr_g": 0.002, "lr_d": 0.002, "p": 0.1 * (1 - course), "r_t": 0.5 + 0.1 * wave,
        "path_length_mean": 2 - course, "nonfinite": 0, "memory_gb": 1.5, "img_per_s": 12.5 + wave, "eta": 5e4,
        "seconds.data": 1.0, "seconds.g_main": 30 + wave, "seconds.d_main": 40.0, "G.loss": 1 + 0.3 * wave + course,
        "G.score": 0.2 * wave, "D.real_score": 1.1 - course, "D.fake_score": -0.9 + 0.1 * wave,
        "D.real_loss": 0.5 + 0.1 * wave, "D.fake_loss": 0.6, "D.penalty": 0.01 + course,
        "G.path_length": 2 + 0.2 * wave, "G.path_penalty": 0.1 + 0.05 * wave}


def swd(images: int) -> float:
    return 20 + 100 * math.exp(-images / 2e5)


def grid(seed: int, count: int = 32, side: int = 32) -> np.ndarray:
    """uint8 [count, 3, side, side]: discs of their own colours, larger for larger seeds."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:side, :side] / side - 0.5
    radius = 0.1 + 0.3 * min(seed / TOTAL * 5, 1.0)
    inside = (np.hypot(x, y) < radius)[None, None]
    colours, grounds = random.integers(0, 256, (2, count, 3, 1, 1))
    return np.where(inside, colours, grounds).astype(np.uint8)


def remains(outdir: Path, name: str, state: str, age: float, pid: int | None, **entries) -> Path:
    """A folder as a process that is gone left it, its last heartbeat `age` seconds ago."""
    path = outdir / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"format_version": 1, "command": "python -m train run"}))
    (path / "lock").write_text(f"process {pid}")
    (path / "status.json").write_text(json.dumps({
        "state": state, "doing": "G main", "images": 40000, "total_images": TOTAL, "pid": pid,
        "host": socket.gethostname(), "started": time.time() - age - 100, "updated": time.time() - age,
        "error": None} | entries))
    return path
