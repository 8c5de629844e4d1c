"""How far apart the average power spectra of real and of generated images are, in dB (after StyleGAN3 app. A)."""
from __future__ import annotations

import torch
from torch import Tensor

from nets.errors import UserError
from renderer.measures.spectrum import FLOOR, Average, Sums


class Spectra:
    """The average spectra of real and of generated images of one size, over their channels too, image by image."""

    def __init__(self, size: tuple[int, int]):
        """`size`: (height, width) in pixels."""
        self.real, self.fake = (Average(size, rate=size[1], interp=1) for _ in range(2))

    def add_real(self, images: Tensor) -> None:
        """Takes in images [N, C, H, W], on the same scale as `add_fake`'s."""
        _add(self.real, images)

    def add_fake(self, images: Tensor) -> None:
        _add(self.fake, images)

    def real_tensors(self) -> dict[str, Tensor]:
        """What `set_real` takes for the real images added so far."""
        return {name: torch.as_tensor(value, dtype=torch.float64) for name, value in self.real.sums._asdict().items()}

    def set_real(self, tensors: dict[str, Tensor]) -> None:
        """Real images are those of which `real_tensors` gave these."""
        self.real = Average(self.real.size, rate=self.real.rate, interp=1)
        self.real.add(Sums(tensors["power"], tensors["cross"], int(tensors["channels"]), tensors["values"].item(),
                           tensors["squares"].item()))

    def difference(self) -> float:
        """Mean over all frequencies of |10 log10(S_fake / S_real)|, both whitened by the real mean and deviation.

        No power at all counts as -300 dB. Raises UserError before both kinds are added.
        """
        if not self.real.channels or not self.fake.channels:
            raise UserError("spectra need a real and a generated image at least; the data set is empty")
        mean, std = self.real.mean, self.real.std
        real, fake = (average.centred(average.half(mean, std)).clamp(min=FLOOR) for average in (self.real, self.fake))
        return (10 * (fake / real).log10()).abs().mean().item()


def _add(average: Average, images: Tensor) -> None:
    if tuple(images.shape[2:]) != average.size:
        raise UserError(f"spectra compare images of one size, {average.size[1]} x {average.size[0]}; "
                        f"one has {images.shape[3]} x {images.shape[2]}")
    for image in images:
        average.add(average.of(image))
