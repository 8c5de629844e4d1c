"""Distances of pictures: pixels by definition, and a TorchScript detector called as metrics.md says."""
import pickle
import zipfile

import numpy as np
import pytest
import torch
from torch import Tensor

from nets.errors import UserError
from renderer.measures.perceptual import detector_input, load_lpips, squared_pixels

CPU = torch.device("cpu")


class Detector(torch.nn.Module):
    """Stands in for VGG16: its features are means over quarters of the picture, in 0..255."""

    def forward(self, x: Tensor, resize_images: bool = True, return_lpips: bool = False) -> Tensor:
        assert not resize_images and return_lpips and x.size(1) == 3
        return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


class Other(torch.nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def detector(tmp_path):
    def saved(module: torch.nn.Module) -> str:
        path = str(tmp_path / "detector.pt")
        torch.jit.script(module).save(path)
        return path
    return saved


def images(*shape: int) -> tuple[Tensor, Tensor]:
    return tuple(torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)) * 2 - 1)


def test_pixels():
    a, b = images(4, 3, 8, 6)
    expected = ((a.double().numpy() - b.double().numpy()) ** 2).reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(squared_pixels(a, b), expected, rtol=1e-13)


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (2, 1, 16, 16), (1, 3, 512, 512)])
def test_lpips_is_the_squared_distance_of_features(detector, shape):
    a, b = images(*shape)
    found = load_lpips(detector(Detector()), CPU)(a, b)
    quarters = [x.double().expand(-1, 3, -1, -1).reshape(len(x), 3, 2, shape[2] // 2, 2, shape[3] // 2).mean(dim=(3, 5))
                for x in (a, b)]
    expected = ((quarters[0] - quarters[1]) * 127.5).square().sum(dim=(1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-4)       # float32 means


def test_the_detector_sees_bytes_values_at_256_pixels():
    x = torch.full((1, 1, 600, 600), -1.0)
    x[..., :2, :2] = torch.tensor([[1.0, -1.0], [-1.0, 1.0]])
    seen = detector_input(x)
    assert seen.shape == (1, 3, 300, 300)                        # 600 // 256 = 2: a whole factor, and no other
    assert seen[0, :, 0, 0].tolist() == [127.5] * 3 and seen[0, 0, 1:, 1:].unique().item() == 0


def test_what_is_no_detector_is_refused(tmp_path, detector):
    with pytest.raises(UserError, match="is not there"):
        load_lpips(str(tmp_path / "vgg16.pt"), CPU)
    pickled = tmp_path / "vgg16.pkl"
    pickled.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(UserError, match="hold code and are refused"):
        load_lpips(str(pickled), CPU)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.txt", "a")
    with pytest.raises(UserError, match="can read"):
        load_lpips(str(tmp_path / "a.zip"), CPU)
    a, b = images(1, 3, 16, 16)
    with pytest.raises(UserError, match="does not give LPIPS"):
        load_lpips(detector(Other()), CPU)(a, b)
