"""Colour augmentation: one affine map of the RGB values of every picture.

Source: ADA (Karras et al. 2020) app. B.2; spec training.md "Colour". Matrices are float64 and act on (r, g, b, 1).
"""
from __future__ import annotations

from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import pad

from train.augment.draws import Drawn

_GREY = torch.full((3, 3), 1 / 3, dtype=torch.float64)                          # v vᵀ, v = (1, 1, 1)/√3: the grey axis
_IDENTITY = torch.eye(3, dtype=torch.float64)
_REST = _IDENTITY - _GREY
_ACROSS = torch.tensor([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], dtype=torch.float64) / 3 ** 0.5     # x -> v × x


def colour_transform(drawn: Drawn, channels: int) -> Tensor | None:
    """C [N, channels, channels + 1]: colours become C[..., :-1] colour + C[..., -1]; None if no such transform is on.

    Pictures of one channel are taken for grey ones, and grey has neither hue nor saturation. Raises ValueError for
    other numbers of channels than 1 and 3.
    """
    factors = _factors(drawn, channels)
    if not factors:
        return None
    if channels not in (1, 3):
        raise ValueError(f"colour augmentation takes images of 1 or 3 channels, not {channels}")
    rgb = reduce(lambda so_far, factor: factor @ so_far, factors)[:, :3]
    if channels == 3:
        return rgb
    mean = rgb.mean(1, keepdim=True)                                            # [N, 1, 4]
    return torch.cat([mean[..., :3].sum(2, keepdim=True), mean[..., 3:]], 2)


def recolour(x: Tensor, transform: Tensor) -> Tensor:
    """x [N, C, H, W] with the colours `transform` [N, C, C + 1] gives them."""
    transform = transform.to(x)
    return torch.baddbmm(transform[:, :, -1:], transform[:, :, :-1], x.flatten(2)).reshape(x.shape)


def _factors(drawn: Drawn, channels: int) -> list[Tensor]:
    """Every enabled transform as [N, 4, 4], the first to act first."""
    factors = []
    if drawn.brightness is not None:
        factors.append(_brighter(drawn.brightness[..., None].double()))
    if drawn.contrast is not None:
        factors.append(_linear(drawn.contrast[..., None] * _IDENTITY))
    if drawn.lumaflip is not None:
        factors.append(_linear(_IDENTITY - 2 * _GREY * drawn.lumaflip[..., None]))
    if drawn.hue is not None and channels > 1:
        angle = drawn.hue[..., None].double()
        factors.append(_linear(_GREY + angle.cos() * _REST + angle.sin() * _ACROSS))             # Rodrigues' formula
    if drawn.saturation is not None and channels > 1:
        factors.append(_linear(_GREY + _REST * drawn.saturation[..., None]))
    return factors


def _brighter(amount: Tensor) -> Tensor:
    """[N, 1, 1] -> [N, 4, 4]"""
    return torch.eye(4, dtype=torch.float64) + pad(amount.expand(-1, 3, 1), (3, 0, 0, 1))


def _linear(rgb: Tensor) -> Tensor:
    """[N, 3, 3] -> [N, 4, 4]"""
    return pad(rgb, (0, 1, 0, 1)) + torch.diag(torch.tensor([0, 0, 0, 1], dtype=torch.float64))
