"""How far apart pictures look: LPIPS by the VGG16 file that the metrics use, else plain pixels (metrics.md "ppl")."""
from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from nets.errors import UserError
from renderer.measures.detectors import open_detector
from renderer.measures.moments import as_double

Distance = Callable[[Tensor, Tensor], Tensor]    # two batches of images [N, C, H, W], -1..1 -> squared distances [N]
SIDE = 256                               # pixels of what the detector sees
SOURCE = "vgg16.pt, the TorchScript file published with StyleGAN2-ADA's metrics"


def squared_pixels(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared difference of the values of images [N, C, H, W]: float64 [N]."""
    return (as_double(a) - as_double(b)).square().mean(dim=(1, 2, 3))


def load_lpips(path: str, device: torch.device) -> Distance:
    """LPIPS by the TorchScript detector in a file, whose features' squared distance it is. Raises UserError."""
    detector = open_detector(path, device, SOURCE)

    def lpips(a: Tensor, b: Tensor) -> Tensor:
        try:
            features = detector(detector_input(torch.cat([a, b])), resize_images=False, return_lpips=True)
        except RuntimeError as error:
            if "out of memory" in str(error):
                raise
            raise UserError(f"{path}: does not give LPIPS features. Use {SOURCE}") from None
        return squared_features(*features.chunk(2))
    return lpips


def detector_input(images: Tensor) -> Tensor:
    """[N, C, H, W] from -1..1 to 0..255: averaged down to 256 x 256 by a whole factor, grey repeated to 3 channels."""
    factor = max(1, min(images.shape[2:]) // SIDE)
    images = functional.avg_pool2d(images.float(), factor) if factor > 1 else images.float()
    images = images * 127.5 + 127.5
    return images.repeat(1, 3, 1, 1) if images.shape[1] == 1 else images


def squared_features(a: Tensor, b: Tensor) -> Tensor:
    """Squared distance of features [N, F]: float64 [N]."""
    return (as_double(a) - as_double(b)).square().flatten(1).sum(dim=1)
