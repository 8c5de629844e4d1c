"""Every transform of augmentation against recordings at given percentiles, and the filters behind them."""
from __future__ import annotations

import json

import pytest
import torch

from train.augment import Drawn, Numbers, Pipeline, augment, draw
from train.augment.geometry import SYM6
from train.augment.pictures import BANK

LIMIT = 1e-4                                         # float32 (reference README)
CASES = 48


class Percentile(Numbers):
    """Every number at one percentile, as the recordings have it: normals are erfinv(2p-1), without √2."""

    def __init__(self, percentile: float):
        self.percentile = torch.tensor(percentile)

    def uniform(self, *shape):
        return self.percentile.expand(shape)

    def normal(self, *shape):
        return torch.erfinv(2 * self.percentile - 1).expand(shape)


def drawn_at(percentile: float, pipeline: Pipeline, shape) -> Drawn:
    drawn = draw(pipeline, 1, shape, Percentile(percentile))
    if drawn.rotate is None:
        return drawn
    return drawn._replace(rotate=drawn.rotate * torch.tensor([1.0, 0.0]))       # recorded without the second rotation


def relative(a, b) -> float:
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("case", range(CASES))
def test_transforms_equal_the_recordings(reference, backend, case):
    data = reference("sg_augment.npz")
    cases = json.loads(str(data["meta"]))
    assert len(cases) == CASES
    meta = cases[case]
    key, percentile, square = meta.pop("key"), meta.pop("percentile"), meta.pop("square")
    images = torch.from_numpy(data["square_image" if square else "image"])
    result = augment(images, drawn_at(percentile, Pipeline(**meta), images.shape))
    assert relative(result, torch.from_numpy(data[key])) < LIMIT


def test_filters_equal_the_recordings(reference):
    data = reference("sg_augment.npz")
    rounding = torch.finfo(torch.float32).eps
    assert (SYM6 - torch.from_numpy(data["Hz_geom"])).abs().max() <= rounding
    assert (BANK - torch.from_numpy(data["Hz_fbank"])).abs().max() <= rounding
