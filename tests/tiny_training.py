"""Tiny runs of every preset, and random pictures to train them with."""
from __future__ import annotations

import dataclasses
import io

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import one_hot

from train.config import TrainConfig
from train.loop import Training
from train.presets import Data, preset

CLASSES = 3


def tiny(config: TrainConfig) -> TrainConfig:
    """The same run with few channels; StyleGAN3 with few layers."""
    few, z_dim = {"channel_base": 64, "channel_max": 4}, 8
    layers = {"num_layers": 5, "margin_size": 4} if hasattr(config.generator, "num_layers") else {}
    generator = dataclasses.replace(config.generator, z_dim=z_dim, w_dim=config.generator.w_dim * z_dim // 512, **few,
                                    **layers)
    return dataclasses.replace(config, generator=generator,
                               discriminator=dataclasses.replace(config.discriminator, **few))


def tiny_run(name: str, c_dim: int = 0, batch: int = 8, batch_gpu: int = 4, **changes) -> TrainConfig:
    """Preset `name` at 16², with `changes` of its TrainConfig."""
    group = {"cifar": 4, "stylegan1": 4}.get(name)
    config = tiny(preset(name, Data((16, 16), c_dim=c_dim), batch=batch))
    if group:
        config = dataclasses.replace(config, discriminator=dataclasses.replace(config.discriminator,
                                                                               mbstd_group_size=group))
    return dataclasses.replace(config, batch_gpu=batch_gpu, **changes)


def random_labels(count: int, generator: torch.Generator, width: int = CLASSES) -> torch.Tensor:
    return one_hot(torch.randint(width, (count,), generator=generator), width).float()


def minibatch(step: int, num: int = 8, width: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures and labels of a step, always the same."""
    generator = torch.Generator().manual_seed(1000 + step)
    pictures = torch.randint(256, (num, 3, 16, 16), generator=generator, dtype=torch.uint8)
    return pictures, random_labels(num, generator, width) if width else torch.zeros(num, 0)


def trained(config: TrainConfig, steps: int, training: Training | None = None) -> Training:
    """A run after `steps` more steps."""
    width = config.generator.c_dim
    training = training or Training(config, lambda count, generator: random_labels(count, generator, width))
    for step in range(training.steps, training.steps + steps):
        training.step(*minibatch(step, training.now.batch, width))
    return training


def png(seed: int, size=(16, 16)) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def assert_equal(one, other):
    """Trees of a training state, apart from the time it took."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one.keys() - {"elapsed"}:
            assert_equal(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for a, b in zip(one, other):
            assert_equal(a, b)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other
