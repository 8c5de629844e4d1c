"""What images are drawn from: the same from the same seed, mixed as often and where the papers say."""
from __future__ import annotations

import math

import pytest
import torch
from tiny_networks import tiny

from train.latents import draw_cutoff, draw_latents


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def flat(latents):
    return [latents.z, latents.other_z, torch.tensor(latents.cutoff), *latents.noise.values()]


def test_a_seed_fixes_everything_and_another_nothing():
    G = tiny("sg2-skip")
    a, b, c = (flat(draw_latents(G, 4, None, seeded(seed), mixing_prob=1)) for seed in (1, 1, 2))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not any(torch.equal(x, y) for x, y in zip(a, c) if x.ndim)
    assert not torch.equal(a[0], a[1])


def test_every_sample_has_noise_of_its_own_for_every_layer_that_takes_any():
    G = tiny("sg2-skip")
    noise = draw_latents(G, 3, None, seeded(0)).noise
    assert {name: list(maps.shape) for name, maps in noise.items()} == {
        "b4.conv1": [3, 1, 4, 4],
        **{f"b{r}.conv{i}": [3, 1, r, r] for r in (8, 16, 32) for i in (0, 1)},
    }
    assert all(not torch.equal(maps[0], maps[1]) for maps in noise.values())
    assert draw_latents(tiny("sg3-t"), 3, None, seeded(0)).noise == {}


def test_while_growing_only_layers_that_exist_have_noise():
    assert max(len(maps[0, 0]) for maps in draw_latents(tiny("sg1"), 1, None, seeded(0), lod=1.5).noise.values()) == 16


@pytest.mark.parametrize("num_ws, lod, last", [(8, None, 7), (8, 0.5, 7), (8, 1.5, 5), (8, 3, 1), (2, 0, 1)])
def test_cutoffs_are_uniform_over_the_rows_in_use(num_ws, lod, last):
    generator, num = seeded(3), 2000
    counts = torch.bincount(torch.tensor([draw_cutoff(num_ws, 0.9, generator, lod) for _ in range(num)]),
                            minlength=num_ws + 1) / num
    expected = torch.zeros(num_ws + 1)
    expected[1:last + 1], expected[num_ws] = 0.9 / last, 0.1
    deviation = (expected * (1 - expected) / num).sqrt()             # of a binomial share
    assert ((counts - expected).abs() <= 4.5 * deviation).all()


@pytest.mark.parametrize("num_ws, probability", [(8, 0.0), (1, 1.0)])
def test_no_mixing_where_there_is_none(num_ws, probability):
    assert all(draw_cutoff(num_ws, probability, seeded(i)) == num_ws for i in range(50))


def test_shares_of_a_batch_together_are_the_batch():
    G = tiny("sg2-conditional")
    labels = torch.eye(3)[torch.tensor([0, 1, 2, 1, 0, 2])]
    whole = draw_latents(G, 6, labels, seeded(0), mixing_prob=1)
    for rank in range(2):
        share = whole.take(slice(rank, None, 2))
        assert torch.equal(share.z, whole.z[[rank, rank + 2, rank + 4]])
        assert torch.equal(share.c, labels[rank::2]) and torch.equal(share.other_z, whole.other_z[rank::2])
        assert share.cutoff == whole.cutoff
        assert all(torch.equal(share.noise[name], maps[rank::2]) for name, maps in whole.noise.items())


def test_latents_are_normal():
    z = draw_latents(tiny("sg3-t"), 4000, None, seeded(0)).z
    assert abs(z.mean()) < 4.5 / math.sqrt(z.numel()) and abs(z.var() - 1) < 4.5 * math.sqrt(2 / z.numel())
