"""Detectors: asked for before any work, refused in one line, called as they were published."""
from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nets.errors import UserError
from train.metrics.detectors import INCEPTION, VGG16, as_bytes, load_features, load_probabilities, locate

CPU = torch.device("cpu")


class Means(torch.nn.Module):
    """Stands in for Inception: features are the channels' means; probabilities their softmax, biased or not."""

    def forward(self, x: Tensor, return_features: bool = False, no_output_bias: bool = False) -> Tensor:
        assert x.dtype == torch.uint8 and x.size(1) == 3
        means = x.float().mean(dim=(2, 3))
        if return_features:
            return means
        return torch.softmax(means / 255 if no_output_bias else means / 255 + torch.arange(3), dim=1)


class Logits(torch.nn.Module):
    def forward(self, x: Tensor, no_output_bias: bool = False) -> Tensor:
        return x.float().mean(dim=(2, 3))


@pytest.fixture
def saved(tmp_path):
    def save(module: torch.nn.Module) -> str:
        path = str(tmp_path / "detector.pt")
        torch.jit.script(module).save(path)
        return path
    return save


def pictures(channels: int) -> Tensor:
    return torch.randint(256, (4, channels, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_detectors_are_called_as_published(saved, channels):
    path, x = saved(Means()), pictures(channels)
    means = x.float().mean(dim=(2, 3)).expand(-1, 3)
    torch.testing.assert_close(load_features(INCEPTION, path, CPU)(x), means)
    torch.testing.assert_close(load_probabilities(path, CPU)(x), torch.softmax(means / 255, dim=1))


def test_what_does_not_answer_as_a_detector_is_named(saved):
    path = saved(Logits())
    with pytest.raises(UserError, match="class probabilities. Use inception-2015-12-05.pt.*--detector"):
        load_probabilities(path, CPU)(pictures(3))
    with pytest.raises(UserError, match="does not answer.*vgg16.pt.*--detector"):
        load_features(VGG16, path, CPU)(pictures(3))


def test_pickles_are_refused_and_never_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "ran",)
    path = tmp_path / "vgg16.pkl"
    for write in (lambda: path.write_bytes(pickle.dumps(Trap())), lambda: torch.save(Trap(), path)):
        write()
        with pytest.raises(UserError, match="TorchScript.*Use vgg16.pt.*--detector") as error:
            load_features(VGG16, str(path), CPU)
        assert str(path) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()


def test_detectors_are_found_by_name_folder_address_or_in_the_cache(tmp_path):
    file = tmp_path / VGG16.file
    file.touch()
    renamed = tmp_path / "mine.pt"
    renamed.touch()
    assert locate(VGG16, str(tmp_path)) == locate(VGG16, str(file)) == locate(VGG16, folder=tmp_path) == str(file)
    assert locate(VGG16, file.as_uri()) == str(file)
    assert locate(INCEPTION, str(renamed)) == str(renamed)


@pytest.mark.parametrize("given", ["", "folder", "nowhere.pt"])
def test_a_missing_detector_is_named_with_its_source_and_flag(tmp_path, given):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError) as error:
        locate(INCEPTION, str(tmp_path / given) if given else "", tmp_path)
    message = str(error.value)
    assert all(part in message for part in (str(tmp_path), INCEPTION.file, "published with", "--detector PATH"))
    assert "\n" not in message


def test_bytes_are_truncated():
    x = torch.tensor([-2.0, -1.0, -0.9, 0.0, 0.999, 1.0, 3.0]).reshape(1, 1, 1, -1)
    expected = [int(min(max(127.5 * v + 128, 0), 255)) for v in x.flatten().tolist()]
    assert as_bytes(x).flatten().tolist() == expected
