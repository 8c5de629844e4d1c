"""The moving average of G: its half-life, its ramp, what it moves and what it copies."""
from __future__ import annotations

import copy

import pytest
import torch
from tiny_networks import tiny

from train.ema import ema_beta, update_ema


def test_half_life():
    assert ema_beta(32, 10 ** 9, 10, None) ** (10_000 / 32) == pytest.approx(0.5)
    assert ema_beta(32, 0, 10, None) == ema_beta(32, 10 ** 9, 10, 0.05)


@pytest.mark.parametrize("nimg, half_life", [(32, 1.6), (100_000, 5000), (200_000, 10_000), (400_000, 10_000)])
def test_the_ramp_keeps_the_half_life_to_a_part_of_the_run(nimg, half_life):
    assert ema_beta(64, nimg, 10, 0.05) == pytest.approx(0.5 ** (64 / half_life))


def test_parameters_move_and_buffers_are_copied():
    network, average = (tiny("sg2-skip", seed=seed).requires_grad_(True) for seed in (1, 2))
    before = copy.deepcopy(average)
    update_ema(average, network, 0.75)
    for (name, mean), old, value in zip(average.named_parameters(), before.parameters(), network.parameters()):
        torch.testing.assert_close(mean, 0.75 * old + 0.25 * value, msg=name)
        assert mean.requires_grad and mean.grad_fn is None
    assert all(torch.equal(a, b) for a, b in zip(average.buffers(), network.buffers(), strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(before.buffers(), network.buffers()))


def test_without_images_shown_the_ramped_average_is_the_network():
    network, average = tiny("sg2-skip", seed=1), tiny("sg2-skip", seed=2)
    update_ema(average, network, ema_beta(32, 0, 10, 0.05))
    assert all(torch.equal(a, b) for a, b in zip(average.parameters(), network.parameters()))
