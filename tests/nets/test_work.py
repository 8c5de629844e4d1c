"""The work of layers, counted as a hand counts it."""
from __future__ import annotations

import copy

import pytest
import torch
from tiny_networks import TINY, tiny

from nets.build import build
from nets.config import DiscriminatorConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.layers import Conv2d
from nets.plan import plan
from nets.work import Work, count, count_stages

SMALL = {"z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 16}


def counted(config, num=1) -> dict[str, Work]:
    synthesis = build(config).synthesis
    return {w.name: w for w in count(synthesis, lambda s: s(torch.empty(num, s.num_ws, s.w_dim, device="meta")))}


@pytest.mark.parametrize("num", [1, 3])
def test_stylegan2_by_hand(num):
    """16 channels at 4 x 4, 8 at 8 x 8: 4 + 4 taps a pixel after the transposed convolution of 9 x 9 pixels."""
    work = counted(StyleGAN2Config(8, **SMALL), num)
    assert work["b4.conv1"].conv == num * 2 * 9 * 16 * 16 * 4 * 4
    assert work["b8.conv0"].conv == num * 2 * 9 * 16 * 8 * 4 * 4
    assert work["b8.conv0"].fir == num * 2 * 8 * (4 * 9 * 8 + 4 * 8 * 8)
    assert work["b8.torgb"].conv == num * 2 * 3 * 8 * 8 * 8
    assert work["b8.conv1.affine"].conv == num * 2 * 8 * 8
    assert work["b8.conv1"].bytes == 4 * (2 * num * 8 * 8 * 8 + 9 * 8 * 8) and work["b8.conv1"].fir == 0
    layers = [w for w in work.values() if w.name.split(".")[-1] in ("conv0", "conv1", "torgb")]
    assert len(layers) == 5


def test_stylegan1_by_hand():
    """Its box of 2 and blur of 3 taps are one filter of 4."""
    work = counted(StyleGAN1Config(8, **SMALL | {"channel_base": 64}))
    assert work["b8.conv0"].conv == 2 * 9 * 16 * 8 * 4 * 4
    assert work["b8.conv0"].fir == 2 * 8 * (4 * 9 * 8 + 4 * 8 * 8)
    assert work["b8.conv1"].conv == 2 * 9 * 8 * 8 * 8 * 8 and work["b8.conv1"].fir == 0
    assert work["b4.conv0"].conv == 0


@pytest.mark.parametrize("radial", [False, True])
def test_stylegan3_by_hand(radial):
    config = StyleGAN3Config(16, num_layers=6, conv_kernel=1 if radial else 3, use_radial_filters=radial, **SMALL)
    work = counted(config)
    g = next(g for g in plan(config) if g.up_factor > 1 and g.down_factor > 1 and g.radial_down == radial)
    k, c, high, out = g.conv_kernel, g.out_channels, g.up_size[0], g.out_size[0]
    wide = g.in_size[0] + k - 1
    up = (g.up_taps // g.up_factor) * (wide * high + high * high)
    down = g.down_taps ** 2 * out * out if radial else g.down_taps * (high * out + out * out)
    assert work[g.name].conv == 2 * g.in_channels * c * k * k * wide * wide
    assert work[g.name].fir == 2 * c * (up + down)


def test_discriminator_by_hand():
    """4 taps along each axis: at the full rate before the 3 x 3 convolution, at the reduced one before the pointwise.
    """
    judge = build(DiscriminatorConfig(8, channel_base=64, channel_max=16))
    work = {w.name: w for w in count(judge, lambda d: d(torch.empty(2, 3, 8, 8, device="meta")))}
    assert work["b8.conv1"].conv == 2 * 2 * 9 * 8 * 16 * 4 * 4
    assert work["b8.conv1"].fir == 2 * 2 * 8 * 4 * (8 * 8 + 8 * 8)
    assert work["b8.skip"].fir == 2 * 2 * 8 * 4 * (8 * 4 + 4 * 4)
    assert work["b8.skip"].conv == 2 * 2 * 8 * 16 * 4 * 4


def test_pointwise_upsampling_by_hand():
    conv = Conv2d(3, 5, 1, up=2)
    work, = count(conv, lambda m: m(torch.empty(1, 3, 4, 6, device="meta")))
    assert work.conv == 2 * 3 * 5 * 4 * 6 and work.fir == 2 * 5 * 2 * (4 * 12 + 8 * 12)


@pytest.mark.parametrize("config, conv, fir", [
    (StyleGAN2Config(256, channel_base=16384), 30, 0),
    (StyleGAN3Config(256), 463, 13),
    (StyleGAN3Config(256, channel_base=65536, channel_max=1024, conv_kernel=1, use_radial_filters=True), 199, 59)],
    ids=["stylegan2", "stylegan3-t", "stylegan3-r"])
@pytest.mark.slow
def test_networks_of_the_papers_sizes(config, conv, fir):
    """Published for orientation, without dense layers and Fourier features: within 2 %, or the digits given."""
    work = counted(config)
    assert sum(w.conv for w in work.values()) / 1e9 == pytest.approx(conv, rel=0.02)
    assert sum(w.fir for w in work.values()) / 1e9 == pytest.approx(fir, abs=1)


@pytest.mark.parametrize("name", TINY)
def test_stages_have_all_the_work(name):
    """Each stage by its name, together what one pass takes; the network is left as it was."""
    synthesis = tiny(name).synthesis
    before = copy.deepcopy(synthesis.state_dict())
    stages = count_stages(synthesis)
    whole = count(synthesis, lambda s: s(torch.empty(1, s.num_ws, s.w_dim, device="meta")))
    assert list(stages) == [stage.name for stage in synthesis.stages()] and not stages["image"]
    assert [work for done in stages.values() for work in done] == whole
    assert all(torch.equal(value, before[key]) for key, value in synthesis.state_dict().items())
    assert all(parameter.device.type == "cpu" for parameter in synthesis.parameters())


def test_a_network_that_has_not_grown():
    """At level of detail 1 the last block is not there; the picture is the one before's."""
    synthesis = tiny("sg1").synthesis
    whole, grown = count_stages(synthesis), count_stages(synthesis, 1.0)
    assert {name.split(".")[0] for name in set(whole) - set(grown)} == {"b32"}
    assert {name for name in grown if whole[name] != grown[name]} == {"b16.torgb"}
    assert whole["b16.torgb"] == [] and grown["b16.torgb"][0].conv == 2 * 3 * 4 * 16 * 16
