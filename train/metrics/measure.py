"""A measurement: metrics chosen and everything they need found before any work, then one generator after another."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from nets.errors import UserError
from nets.generator import Generator
from renderer.measures.detectors import open_detector
from train.metrics.fakes import Fakes
from train.metrics.names import KINDS, check_names, label
from train.metrics.reals import Reals
from train.metrics.separability import SOURCE
from train.metrics.setting import CPU, Found, Metric, Setting

Tell = Callable[[str, float], None]      # told what is done and its share, 0..1; may raise to give up

MOST_PIXELS = 1 << 21                    # of a batch
MOST_BATCH = 32


def tell_nobody(text: str, share: float) -> None:
    """The progress that nobody watches."""


class Measurement:
    """Metrics `names`, keys of names.KINDS, of any number of generators, the same images each time.

    `data`: folder or zip; `labelled`: labels are drawn from it, else all classes are alike; `channels`: of the
    generators. `images`: generated ones instead of each metric's own number, which the results' names then say.
    `detectors`: a file, a folder or an address, else the cache's folder; `classifiers`: TorchScript files, of `ls`.
    `batch`: images at a time (None: by their size). `workers`: processes that read the set. `cache`: where its
    statistics are kept. Raises UserError, before any work, for whatever is unknown, missing or refused.
    """

    def __init__(self, names: Sequence[str], data: str | None = None, *, labelled: bool = False,
                 channels: int | None = None, images: int | None = None, detectors: str = "",
                 classifiers: Sequence[str] = (), seed: int = 0, batch: int | None = None, workers: int = 0,
                 cache: Path | None = None):
        check_names(names)
        for what, value, least in ("images", images, 1), ("batch", batch, 1), ("seed", seed, 0):
            if value is not None and value < least:
                raise UserError(f"{what} is {value}; it must be at least {least}")
        self.names = tuple(dict.fromkeys(names))
        self._kinds = [KINDS[name] for name in self.names]
        self._check_inputs(data, classifiers)
        self._found = Found({kind.detector for kind in self._kinds if kind.detector}, detectors)
        self._images, self._seed, self._batch, self._classifiers = images, seed, batch, tuple(classifiers)
        self.labels_come_from_data = labelled and data is not None
        self._reals = Reals(data, labelled, channels, workers, cache) if data else None

    def _check_inputs(self, data: str | None, classifiers: Sequence[str]) -> None:
        for name, kind in zip(self.names, self._kinds):
            if kind.needs_data and not data:
                raise UserError(f"{name} compares with a data set; name it: --data FOLDER or --data SET.zip")
            if kind.needs_classifiers and not classifiers:
                raise UserError(f"{name} needs classifiers of attributes; name them: --classifier FILE, {SOURCE}")
        for path in classifiers:
            open_detector(path, CPU, SOURCE)

    # -- what fits ----------------------------------------------------------------------------------------------------

    def check(self, G: Generator) -> None:
        """Raises UserError if G cannot be measured so; `measure` checks, too."""
        has_transform = any(stage.reads_transform for stage in G.synthesis.stages())
        for name, kind in zip(self.names, self._kinds):
            if kind.needs_transform and not has_transform:
                raise UserError(f"{name}: this network has no input transform, so its input cannot be moved: that "
                                "takes a StyleGAN3")
            if kind.needs_z and not G.z_dim:
                raise UserError(f"{name}: this network has no z, its pictures come of classes alone")
            if (kind.detector or kind.needs_classifiers) and G.img_channels not in (1, 3):
                raise UserError(f"{name}: detectors see grey or RGB pictures; this network's have {G.img_channels} "
                                "channels")
        if self._reals:
            self._check_data(G)

    def _check_data(self, G: Generator) -> None:
        (channels, height, width), path = self._reals.set.shape, self._reals.path
        if (height, width) != tuple(G.resolution):
            raise UserError(f"{path}: has pictures of {width}x{height}, the network's are {G.resolution[1]}x"
                            f"{G.resolution[0]}; convert the set: python -m train data {path} -o DEST --resolution "
                            f"{G.resolution[1]}x{G.resolution[0]}")
        if channels != G.img_channels:
            raise UserError(f"{path}: has pictures of {channels} channels, the network's have {G.img_channels}")
        if self.labels_come_from_data and self._reals.set.label_width != G.c_dim:
            raise UserError(f"{path}: has labels of {self._reals.set.label_width}, the network takes {G.c_dim}")

    def remarks(self, G: Generator) -> list[str]:
        """What the numbers depend on, in lines for people: how many images, which labels. Complete after `measure`."""
        counts = {self.label(name): self._count(kind.images) for name, kind in zip(self.names, self._kinds)}
        if self._reals:
            counts |= {self.label(name): min(counts[self.label(name)], len(self._reals))
                       for name in ("swd", "spectrum") if name in self.names}
        said = [f"{name}: {count:,} generated" for name, count in counts.items()]
        if self._reals:
            left_out = f", {self._reals.unfit} of which cannot be read" if self._reals.unfit else ""
            said.append(f"data set: {len(self._reals):,} pictures{left_out}")
        if G.c_dim and not self.labels_come_from_data:
            said.append(f"labels: all {G.c_dim} classes alike, for none are drawn from a data set")
        return said

    def label(self, name: str) -> str:
        """What the result of a metric is called."""
        return label(name, self._images)

    # -- measuring ----------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def measure(self, G: Generator, tell: Tell = tell_nobody, lod: float | None = None) -> dict[str, float]:
        """Values by name, parts of a metric as 'pr50k3_full.recall'; the same for the same G on the same machine.

        G is left as it is, and so are the global random generators. `lod`: level of detail of a growing G.
        """
        self.check(G)
        device = next(G.parameters()).device
        setting = Setting(device, self._reals, self._found, {}, self._classifiers, self._seed,
                          lambda text: lambda share: tell(text, share))
        metrics = {name: kind.make(setting, self._count(kind.images)) for name, kind in zip(self.names, self._kinds)}
        fakes = Fakes(G, self._seed, self._reals.label if self.labels_come_from_data and G.c_dim else None, lod)
        self._generate(fakes, list(metrics.values()), tell)
        results = {}
        for name, metric in metrics.items():
            found = metric.finish(lambda share, name=name: tell(self.label(name), share))
            results |= {f"{self.label(name)}.{part}".rstrip("."): value for part, value in found.items()}
        return results

    def _generate(self, fakes: Fakes, metrics: list[Metric], tell: Tell) -> None:
        """All metrics see the same images, each as many as it takes."""
        total, height_width = max(metric.count for metric in metrics), fakes.G.resolution
        step = self._batch or max(4, min(MOST_BATCH, MOST_PIXELS // (height_width[0] * height_width[1])))
        for start in range(0, total, step):
            for metric in metrics:
                if start < metric.count:
                    metric.take(fakes, range(start, min(start + step, metric.count)))
            tell(f"image {min(start + step, total):,} of {total:,}", min(start + step, total) / total)

    def _count(self, own: int) -> int:
        return own if self._images is None else self._images
