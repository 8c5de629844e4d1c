"""Sliced Wasserstein distance of patches from Laplacian pyramids (Karras et al. 2018, ProGAN, sec. 5): no detector."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from nets.errors import UserError
from train.metrics.features import Progress, silent

PATCH = 7                                # pixels
SMALLEST = 16                            # pixels of the coarsest level's shorter side
DIRECTIONS = 512
CHUNK = 1 << 23                          # projections held at a time: 32 MB
SCALE = 1e3                              # as the paper gives them


class Patches:
    """Random 7x7 patches of the pyramids' levels, `per_image` of each level and image, kept on the CPU.

    A level takes per_image C 49 x 4 bytes an image: 75 kB for 128 patches in colour.
    """

    def __init__(self, generator: torch.Generator, per_image: int = 128):
        self._generator, self._per_image = generator, per_image
        self._levels: dict[int, list[Tensor]] = {}       # shorter side in pixels -> patches [n, C, 7, 7]

    def add(self, images: Tensor) -> None:
        """Takes in images [N, C, H, W] of one size, any value range. Raises UserError if they are below 7 pixels."""
        if min(images.shape[2:]) < PATCH:
            raise UserError(f"SWD looks at patches of {PATCH} x {PATCH} pixels; the images have "
                            f"{images.shape[3]} x {images.shape[2]}")
        for level in pyramid(images.float()):
            self._levels.setdefault(min(level.shape[2:]), []).append(self._drawn(level).cpu())

    def _drawn(self, level: Tensor) -> Tensor:
        """Patches of a level [N, C, H, W]: [N per_image, C, 7, 7], anywhere within it."""
        windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)      # a view [N, C, H - 6, W - 6, 7, 7]
        shape = len(level), self._per_image
        y, x = (torch.randint(size, shape, generator=self._generator).to(level.device) for size in windows.shape[2:4])
        return windows[torch.arange(len(level), device=level.device)[:, None], :, y, x].flatten(0, 1)

    def tensors(self) -> dict[str, Tensor]:
        """What `of` makes the same patches from: each level's shorter side -> [n, C, 7, 7]."""
        return {str(side): torch.cat(parts) for side, parts in self._levels.items()}

    @classmethod
    def of(cls, tensors: dict[str, Tensor]) -> Patches:
        """From what `tensors` gave, whatever else is among it; for comparing, not for adding to."""
        found = cls(torch.Generator())
        found._levels = {int(side): [patches] for side, patches in tensors.items() if side.isdigit()}
        return found

    @property
    def sizes(self) -> dict[int, tuple[int, int]]:
        """From fine to coarse: the shorter side in pixels -> (number of patches, channels)."""
        return {side: (sum(len(part) for part in self._levels[side]), self._levels[side][0].shape[1])
                for side in sorted(self._levels, reverse=True)}

    def level(self, side: int) -> Tensor:
        """The normalised patches of one level, [n, C 49]."""
        return normalised(torch.cat(self._levels[side]))


def swd(real: Patches, fake: Patches, generator: torch.Generator, device: torch.device | str = "cpu",
        progress: Progress = silent) -> dict[int, float]:
    """A distance for each level, fine to coarse, by its shorter side in pixels; times 1000. Their mean is *the* SWD.

    Raises UserError if the two were given images of other sizes, or not equally many.
    """
    sizes = real.sizes
    if not sizes or sizes != fake.sizes:
        raise UserError("SWD compares equally many images of one size; the real and the generated ones differ")
    found = {}
    for i, side in enumerate(sizes):     # one at a time in memory
        found[side] = SCALE * sliced_wasserstein(*(p.level(side).to(device) for p in (real, fake)), generator)
        progress((i + 1) / len(sizes))
    return found


def sliced_wasserstein(a: Tensor, b: Tensor, generator: torch.Generator, directions: int = DIRECTIONS) -> float:
    """Mean over random unit directions of the 1-Wasserstein distance of point sets [n, F] projected on them.

    On a line the best transport pairs points in order (Rabin et al. 2011). Directions come from a CPU `generator`.
    """
    drawn = F.normalize(torch.randn(a.shape[1], directions, generator=generator), dim=0).T.to(a)
    distances = [(_sorted(p) - _sorted(q)).abs().mean(dim=1)
                 for p, q in ((part @ a.T, part @ b.T) for part in drawn.split(max(1, CHUNK // len(a))))]
    return torch.cat(distances).double().mean().item()


def _sorted(x: Tensor) -> Tensor:
    """Every row of x [K, n] in order. On the CPU by numpy, whose sort is vectorised: 20 times as fast as torch's."""
    return torch.from_numpy(np.sort(x.numpy(), axis=1)) if x.device.type == "cpu" else x.sort(dim=1).values


def normalised(patches: Tensor) -> Tensor:
    """Patches [n, C, 7, 7] with each channel at mean 0 and standard deviation 1 over them all: [n, C 49]."""
    std, mean = torch.std_mean(patches, dim=(0, 2, 3), keepdim=True, correction=0)
    return ((patches - mean) / std.clamp(min=1e-12)).flatten(1)


def pyramid(images: Tensor) -> list[Tensor]:
    """Burt and Adelson's Laplacian pyramid (1983) of [N, C, H, W], fine to coarse; the coarsest is not a difference.

    Halved, rounding up, while the shorter side stays at 16 pixels or more. Every level plus the next ones magnified
    gives the images back.
    """
    levels = []
    while (min(images.shape[2:]) + 1) // 2 >= SMALLEST:
        smaller = _filtered(images)[:, :, ::2, ::2]
        levels.append(images - magnified(smaller, images.shape[2:]))
        images = smaller
    return [*levels, images]


def magnified(images: Tensor, size: tuple[int, int]) -> Tensor:
    """[N, C, H, W] to `size`, 2H or 2H - 1 by 2W or 2W - 1: zeros between the pixels, then the pyramid's filter."""
    spread = images.new_zeros(*images.shape[:2], *size)
    spread[:, :, ::2, ::2] = images
    return _filtered(spread) * 4


def _filtered(images: Tensor) -> Tensor:
    """By the 5-tap binomial filter on both axes, the borders mirrored: [N, C, H, W], as given."""
    taps = images.new_tensor([1, 4, 6, 4, 1]) / 16
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect").flatten(0, 1)[:, None]
    return F.conv2d(F.conv2d(padded, taps.reshape(1, 1, 1, 5)), taps.reshape(1, 1, 5, 1)).reshape(images.shape)
