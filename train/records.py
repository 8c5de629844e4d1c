"""What the first process of a run writes down: statistics, sample grids, metrics, snapshots and states."""
from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from nets.checkpoint import NetworkRecord, save_native
from nets.errors import UserError
from train.config import TrainConfig
from train.data import TrainingSet
from train.folder import RunFolder
from train.grids import Layout, grid_layout, grid_samples, to_pixels
from train.loop import Training
from train.metrics.measure import Measurement
from train.settings import RunOptions
from train.state import save_state
from train.stopwatch import Stopwatch
from train.watchdog import METRIC, PICTURES

SECONDS = {PICTURES: "data", "G main": "g_main", "G path lengths": "g_reg", "D main": "d_main",
           "D regulariser": "d_reg"}     # parts of a step by their names in stats.jsonl


def measurement(options: RunOptions) -> Measurement:
    """What measures the metrics of a run. Raises UserError where one of them cannot be."""
    return Measurement(options.metrics, options.data, labelled=options.cond, channels=options.channels,
                       images=options.metric_images, detectors=options.detectors or "", workers=options.workers)


class Records:
    """Writes into `folder` how `training` goes. Raises UserError before any work where a metric cannot be measured."""

    def __init__(self, folder: RunFolder, config: TrainConfig, options: RunOptions, training: Training,
                 pictures: TrainingSet, stopwatch: Stopwatch):
        self.folder, self.config, self.options = folder, config, options
        self.training, self.stopwatch = training, stopwatch
        self._measurement = measurement(options) if options.metrics else None
        if self._measurement:
            self._measurement.check(training.G_ema)
        self._layout = Layout(*options.grid) if options.grid else grid_layout(training.G.resolution)
        self._samples = grid_samples(pictures, self._layout, config.seed)
        self._images, self._total = training.images, stopwatch.total         # at the last tick

    # -- numbers ------------------------------------------------------------------------------------------------------

    def tick(self, values: dict[str, float]) -> None:
        """A line in stats.jsonl and one in the log: `values` and what is known besides."""
        training, now = self.training, self.training.now
        ada = {"r_t": training.r_t} if training.r_t is not None else {}
        values = {
            "images": training.images, "kimg": training.kimg, "step": training.steps, "time": time.time(),
            "elapsed": self.stopwatch.total, "lod": now.lod, "batch": now.batch, "lr_g": now.g_adam.lr,
            "lr_d": now.d_adam.lr, "p": training.p, "path_length_mean": training.path_average.item(),
            "memory_gb": _memory_gb(training.device)} | ada | self._rates() | values
        self.folder.add_stats(values)
        self.folder.say(line_of(values))
        self._images, self._total = training.images, self.stopwatch.total

    def _rates(self) -> dict[str, float]:
        """Of the training since the last tick; snapshots and metrics apart."""
        images, seconds = self.training.images - self._images, self.stopwatch.total - self._total
        parts = self.stopwatch.take()
        if images <= 0 or seconds <= 0:
            return {}
        rate = images / seconds
        left = max(self.config.kimg * 1000 - self.training.images, 0)
        return {"img_per_s": rate, "eta": left / rate} | {
            f"seconds.{key}": 1000 * parts[name] / images for name, key in SECONDS.items() if name in parts}

    def measure(self, watch: Callable[[str], None]) -> dict[str, float]:
        """The metrics of the average generator: {'metric.swd': 12.3}."""
        if not self._measurement:
            return {}
        lod = self.training.now.lod if self.config.growing else None
        try:
            found = self._measurement.measure(self.training.G_ema, lambda text, share: watch(f"{METRIC} {text}"), lod)
        except UserError as error:
            self.folder.say(f"nothing was measured, the run goes on: {error}")
            return {}
        return {f"metric.{name}": value for name, value in found.items()}

    # -- pictures and networks ----------------------------------------------------------------------------------------

    def reals(self) -> None:
        self.folder.save_grid("reals", self._samples.pictures, self._layout.columns)

    def fakes(self) -> None:
        """The same latents in every grid, with the labels of the real pictures, untruncated."""
        self.folder.save_grid(f"fakes-{self.training.images:012d}", self._fakes(), self._layout.columns)

    @torch.no_grad()
    def _fakes(self) -> np.ndarray:
        G, now = self.training.G_ema, self.training.now
        labels = torch.from_numpy(self._samples.labels).to(self.training.device)
        z = torch.randn(len(labels), G.z_dim, generator=torch.Generator().manual_seed(self.config.seed)).to(labels)
        lod = now.lod if self.config.growing else None
        parts = zip(z.split(now.batch_gpu), labels.split(now.batch_gpu))
        return np.concatenate([to_pixels(G(z, c if G.c_dim else None, lod=lod)) for z, c in parts])

    def snapshot(self, measured: dict[str, float]) -> Path:
        """Raises CheckpointError."""
        training, path = self.training, self.folder.snapshot_path(self.training.images)
        summary = {"cfg": self.options.cfg, "data": Path(self.options.data).name, "images": training.images,
                   "kimg": training.kimg, "metrics": measured}
        save_native(path, {name: self._record(network) for name, network in training.networks().items()}, summary)
        return path

    def _record(self, network: torch.nn.Module) -> NetworkRecord:
        """A growing network is saved at the level of detail it has come to."""
        record = NetworkRecord.of(network)
        if not self.config.growing:
            return record
        config = dataclasses.replace(record.config, lod=self.training.now.lod)
        return dataclasses.replace(record, config=config, kwargs=dataclasses.asdict(config))

    def state(self) -> Path:
        """Raises UserError."""
        tree = {"training": self.training.state(), "elapsed": self.stopwatch.total}
        return save_state(self.folder.path, self.training.images, tree, self.options.keep)


# -- lines ------------------------------------------------------------------------------------------------------------

SHOWN = (("lod", "lod {:.2f}"), ("img_per_s", "{:.1f} img/s"), ("G.loss", "G {:.3f}"), ("D.fake_score", "fake {:+.2f}"),
         ("D.real_score", "real {:+.2f}"), ("D.penalty", "penalty {:.3g}"), ("G.path_length", "path {:.3g}"),
         ("p", "p {:.3f}"), ("memory_gb", "{:.1f} GB"))


def line_of(values: dict[str, float]) -> str:
    """'kimg 48.0  12.1 img/s  G 0.693  ..  metric swd 12.3  3:12:05 left'."""
    metrics = [f"{name.removeprefix('metric.')} {value:.4g}" for name, value in values.items()
               if name.startswith("metric.")]
    left = [f"{tqdm.format_interval(values['eta'])} left"] if values.get("eta") else []
    return "  ".join([f"kimg {values['kimg']:g}", *(form.format(values[name]) for name, form in SHOWN
                                                    if values.get(name) or name == "G.loss" and name in values),
                      *metrics, *left])


def _memory_gb(device: torch.device) -> float:
    """Of a GPU: the most that tensors held since the last call. Else: the most that this process ever had."""
    if device.type == "cuda":
        most = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return most / 1e9
    try:
        import resource
    except ImportError:                              # Windows
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9
