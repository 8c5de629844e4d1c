"""What a metric is, and what it has to work with: the set, detectors found beforehand, classifiers."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from nets.errors import UserError
from renderer.measures.detectors import open_detector
from train.metrics.detectors import INCEPTION, Detector, Features, load_features, load_probabilities, locate
from train.metrics.fakes import Fakes
from train.metrics.features import Progress
from train.metrics.kept import content_of
from train.metrics.reals import Reals

CPU = torch.device("cpu")


class Metric(Protocol):
    """One measurement of one generator: sees its images in order, then says what they amount to."""
    count: int                           # images or pairs, from number 0 on

    def take(self, fakes: Fakes, numbers: range) -> None:
        """Looks at the images of these numbers, which are below `count`."""

    def finish(self, progress: Progress) -> dict[str, float]:
        """Values by the part they are of: '' is the metric itself, 'precision' one of two."""


class Found:
    """Detectors that some metrics need: located and opened once, to be refused in time; loaded when used.

    `given`: a file, a folder of files, an address, or nothing for the cache's folder. Raises UserError.
    """

    def __init__(self, needed: set[Detector], given: str = ""):
        if len(needed) > 1 and given and not Path(given).is_dir():
            files = " and ".join(sorted(detector.file for detector in needed))
            raise UserError(f"{given}: is one file where these metrics need two; --detector FOLDER with {files}")
        self.paths = {detector: locate(detector, given) for detector in sorted(needed)}
        self._contents: dict[Detector, str] = {}
        for detector, path in self.paths.items():
            open_detector(path, CPU, detector.source)

    def content(self, detector: Detector) -> str:
        """The digest of its file."""
        if detector not in self._contents:
            self._contents[detector] = content_of(self.paths[detector])
        return self._contents[detector]


class Setting(NamedTuple):
    """What metrics share while one generator is measured."""
    device: torch.device
    reals: Reals | None
    found: Found
    loaded: dict[tuple[Detector, str], Features]         # filled as metrics ask
    classifiers: tuple[str, ...]         # TorchScript files, of `ls`
    seed: int
    progress: Callable[[str], Progress]  # what is being done -> whom to tell its share

    def features(self, detector: Detector) -> Features:
        """Its features of uint8 images; loaded once, and asked once for images that several metrics see."""
        return self._load(detector, "features", lambda path: load_features(detector, path, self.device))

    def probabilities(self) -> Features:
        """Inception's class probabilities."""
        return self._load(INCEPTION, "probabilities", lambda path: load_probabilities(path, self.device))

    def statistics(self, what: str, add: Callable[[Tensor], None], made: Callable[[], dict[str, Tensor]],
                   limit: int | None = None, **parts: str | int) -> dict[str, Tensor]:
        """See `Reals.statistics`; `what` names the statistic for the key and the person who waits for it."""
        return self.reals.statistics(add, made, limit, self.progress(f"{what} of the data set"), what=what, **parts)

    def _load(self, detector: Detector, call: str, load: Callable[[str], Features]) -> Features:
        if (detector, call) not in self.loaded:
            self.loaded[detector, call] = remembering(load(self.found.paths[detector]))
        return self.loaded[detector, call]


def remembering(see: Features) -> Features:
    """`see`, which gives for the images it was given last what it gave then."""
    last: list[Tensor] = []

    def seen(images: Tensor) -> Tensor:
        if not last or last[0] is not images:
            last[:] = images, see(images)
        return last[1]
    return seen
