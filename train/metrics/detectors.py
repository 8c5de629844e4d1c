"""The networks that metrics see with: found or asked for before any work, called as they were published."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import platformdirs
import torch
from torch import Tensor

from nets.checkpoint.fetch import Progress, fetch, is_url
from nets.errors import UserError
from renderer.measures.detectors import open_detector

Features = Callable[[Tensor], Tensor]    # uint8 [N, 1 or 3, H, W] -> rows [N, F] on the detector's device


class Detector(NamedTuple):
    """A file that was published, and may not be passed on with this program."""
    file: str
    network: str

    @property
    def source(self) -> str:
        return (f"{self.file}, the {self.network} TorchScript file published with StyleGAN2-ADA's metrics; "
                "--detector PATH names it")


INCEPTION = Detector("inception-2015-12-05.pt", "Inception-V3")
VGG16 = Detector("vgg16.pt", "VGG16")


def cache_folder() -> Path:
    """Where detectors are looked for if none is named."""
    return Path(platformdirs.user_cache_dir("stylescope")) / "detectors"


def locate(detector: Detector, given: str = "", folder: Path | None = None,
           progress: Progress = lambda text, share: None) -> str:
    """The path of a detector's file. `given`: the file, a folder that has it, or an address to download it from once.

    Nothing given: it is in `folder`, the cache's. Raises UserError, naming the file, its source and the flag.
    VGG16's path is what renderer.measures.perceptual.load_lpips takes, too, for the perceptual path length.
    """
    if given and is_url(given):
        return str(fetch(given, progress))
    path = Path(given) if given else (folder or cache_folder()) / detector.file
    path = path / detector.file if path.is_dir() else path
    if not path.is_file():
        raise UserError(f"{path}: is not there, and the metric needs {detector.source}")
    return str(path)


def load_features(detector: Detector, path: str, device: torch.device) -> Features:
    """Pooled features, Inception's for FID and KID, VGG16's for precision and recall. Raises UserError."""
    return _caller(detector, path, device, return_features=True)


def load_probabilities(path: str, device: torch.device) -> Features:
    """Inception's class probabilities, by a softmax that leaves out the output layer's bias. Raises UserError."""
    call = _caller(INCEPTION, path, device, no_output_bias=True)

    def probabilities(images: Tensor) -> Tensor:
        found = call(images)
        if (found < 0).any() or ((found.float().sum(dim=1) - 1).abs() > 1e-2).any():     # float16 sums stay within
            raise UserError(f"{path}: does not give class probabilities. Use {INCEPTION.source}")
        return found
    return probabilities


def as_bytes(images: Tensor) -> Tensor:
    """[N, C, H, W] from -1..1 to what detectors see and files hold: uint8, truncated (training.md)."""
    return (images.float() * 127.5 + 128).clamp(0, 255).to(torch.uint8)


def _caller(detector: Detector, path: str, device: torch.device, **flags: bool) -> Features:
    module = open_detector(path, device, detector.source)

    def call(images: Tensor) -> Tensor:
        images = images.to(device).expand(-1, 3, -1, -1)     # grey is repeated
        try:
            with torch.no_grad():
                return module(images, **flags)
        except RuntimeError as error:
            if "out of memory" in str(error):
                raise
            raise UserError(f"{path}: does not answer as a detector does. Use {detector.source}") from None
    return call
