"""The presets against training.md's table, typed out anew; what they describe can be built and takes a step."""
from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from nets.build import build
from nets.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.errors import UserError
from train.config import Adam, Growing, TrainConfig, from_json, is_new_phase, to_json
from train.presets import ARCHITECTURES, PRESETS, Data, preset, with_architectures
from train.summary import count_parameters, describe


def square(resolution: int, **others) -> Data:
    return Data((resolution, resolution), **others)


def tiny(config: TrainConfig) -> TrainConfig:
    """The same run with few channels."""
    few, z_dim = {"channel_base": 64, "channel_max": 4}, 8
    generator = dataclasses.replace(config.generator, z_dim=z_dim, w_dim=config.generator.w_dim * z_dim // 512, **few)
    return dataclasses.replace(config, generator=generator,
                               discriminator=dataclasses.replace(config.discriminator, **few))


# -- the table --------------------------------------------------------------------------------------------------------

TABLE = [  # name, R, GPUs: lr G, D, batch, mbstd, base G, D, mapping, gamma, EMA kimg, ramp, mixing, R1 and PL every
    ("stylegan1", 1024, 8, .003, .003, 32, 4, 16384, 16384, 8, 10, 10, None, .9, None, None),
    ("stylegan1", 32, 8, .001, .001, 64, 4, 16384, 16384, 8, 10, 10, None, .9, None, None),
    ("traditional", 256, 8, .002, .002, 32, 4, 16384, 16384, 0, 10, 10, None, 0, None, None),
    ("stylegan2", 1024, 8, .002, .002, 32, 4, 32768, 32768, 8, 10, 10, None, .9, 16, 4),
    ("stylegan2-auto", 256, 1, .0025, .0025, 16, 4, 16384, 16384, 2, .8192, 5, .05, .9, 16, 4),
    ("stylegan2-auto", 512, 8, .0025, .0025, 64, 4, 32768, 32768, 2, .8192, 20, .05, .9, 16, 4),
    ("stylegan2-auto", 1024, 2, .002, .002, 8, 4, 32768, 32768, 2, 26.2144, 2.5, .05, .9, 16, 4),
    ("stylegan2-auto", 1024, 128, .002, .002, 128, 1, 32768, 32768, 2, 1.6384, 40, .05, .9, 16, 4),
    ("paper256", 256, 8, .0025, .0025, 64, 8, 16384, 16384, 8, 1, 20, None, .9, 16, 4),
    ("paper512", 512, 8, .0025, .0025, 64, 8, 32768, 32768, 8, .5, 20, None, .9, 16, 4),
    ("paper1024", 1024, 8, .002, .002, 32, 4, 32768, 32768, 8, 2, 10, None, .9, 16, 4),
    ("cifar", 32, 2, .0025, .0025, 64, 32, 32768, 32768, 2, .01, 500, .05, 0, 16, None),
    ("stylegan3-t", 128, 8, .0025, .002, 32, 4, 32768, 32768, 2, .5, 10, .05, 0, 16, None),
    ("stylegan3-t", 1024, 8, .0025, .002, 32, 4, 32768, 32768, 2, 32, 10, .05, 0, 16, None),
    ("stylegan3-r", 256, 8, .0025, .002, 32, 4, 65536, 32768, 2, 2, 10, .05, 0, 16, None),
    ("stylegan3-r", 512, 8, .0025, .002, 32, 4, 65536, 32768, 2, 8, 10, .05, 0, 16, None),
    ("stylegan2-a", 256, 8, .002, .002, 32, 4, 16384, 16384, 8, 10, 10, None, .9, None, None),
    ("stylegan2-b", 256, 8, .002, .002, 32, 4, 16384, 16384, 8, 10, 10, None, .9, None, None),
    ("stylegan2-c", 256, 8, .002, .002, 32, 4, 16384, 16384, 8, 10, 10, None, .9, 16, None),
    ("stylegan2-d", 256, 8, .002, .002, 32, 4, 16384, 16384, 8, 10, 10, None, .9, 16, 4),
    ("stylegan2-e", 256, 8, .002, .002, 32, 4, 16384, 16384, 8, 100, 10, None, .9, 16, 4),
    ("stylegan2-f", 256, 8, .002, .002, 32, 4, 32768, 32768, 8, 10, 10, None, .9, 16, 4),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row[0]}-{row[1]}-{row[2]}")
def test_the_table(row):
    name, resolution, gpus, g_lr, d_lr, batch, *expected = row
    config = preset(name, square(resolution), gpus)
    found = [config.discriminator.mbstd_group_size, config.generator.channel_base, config.discriminator.channel_base,
             config.generator.mapping.num_layers, config.loss.gamma, config.ema.kimg, config.ema.ramp, config.mixing,
             config.d_reg_interval, config.g_reg_interval]
    assert found == [value if value is None else pytest.approx(value, rel=1e-12) for value in expected]
    at_full_resolution = config.at(25_000)
    assert at_full_resolution == (0, batch, batch // gpus, Adam(g_lr).lazy(expected[-1]), Adam(d_lr).lazy(expected[-2]))
    assert (config.batch, config.batch_gpu) == (batch, batch // gpus)


def test_every_preset_is_in_the_table():
    assert {row[0] for row in TABLE} == set(PRESETS)


@pytest.mark.parametrize("resolution, gpus, batch", [
    (32, 1, 32), (64, 1, 32), (64, 2, 64), (64, 8, 64), (256, 4, 64), (512, 1, 8), (2048, 1, 2), (256, 100, 100)])
def test_auto_batch(resolution, gpus, batch):
    assert preset("stylegan2-auto", square(resolution), gpus).batch == batch


def test_what_else_sets_them_apart():
    networks = {name: preset(name, square(256), 8) for name in PRESETS}
    assert [name for name, config in networks.items() if config.growing] == [
        "stylegan1", "stylegan2-a", "stylegan2-b", "stylegan2-c", "stylegan2-d", "traditional"]
    assert [name for name, config in networks.items() if config.blur] == ["stylegan3-r"]
    assert [name for name, config in networks.items() if isinstance(config.generator, StyleGAN1Config)] == [
        "stylegan1", "stylegan2-a", "traditional"]
    assert [name for name, config in networks.items() if isinstance(config.generator, StyleGAN3Config)] == [
        "stylegan3-t", "stylegan3-r"]
    assert [(name, config.generator.architecture, config.discriminator.architecture)
            for name, config in networks.items() if isinstance(config.generator, StyleGAN2Config)] == [
        *((name, "skip", "resnet") for name in ("stylegan2", "stylegan2-auto", "paper256", "paper512", "paper1024")),
        ("cifar", "skip", "orig"), *((f"stylegan2-{letter}", "growing", "growing") for letter in "bcd"),
        ("stylegan2-e", "skip", "resnet"), ("stylegan2-f", "skip", "resnet")]
    r = networks["stylegan3-r"].generator
    assert (r.conv_kernel, r.use_radial_filters, r.channel_max) == (1, True, 1024)
    assert {config.generator.mapping.w_avg_beta for name, config in networks.items() if "3" in name} == {0.998}
    assert {config.generator.mapping.w_avg_beta for name, config in networks.items() if "3" not in name} == {0.995}


def test_published_size():
    """StyleGAN3 fig. 3 left, row A: StyleGAN2 at 256 x 256 in ADA's paper256 setting has 24.767 million parameters."""
    assert round(count_parameters(preset("paper256", square(256), 8).generator) / 1e6, 3) == 24.767


# -- what depends on time ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kimg, lod", [
    (0, 7), (600, 7), (750, 6.75), (900, 6.5), (1200, 6), (1800, 6), (2100, 5.5), (7200, 1), (7800, 1), (8250, .25),
    (8400, 0), (9000, 0), (25000, 0)])
def test_growing_to_1024(kimg, lod):
    assert Growing().lod(kimg, 1024) == pytest.approx(lod)


def test_growing_is_continuous_and_durations_are_options():
    growing = Growing(start=4, steady_kimg=1, fade_kimg=3)
    lods = [growing.lod(step / 100, 64) for step in range(2000)]
    assert lods[0] == 4 and lods[-1] == 0 and max(a - b for a, b in zip(lods, lods[1:])) < 0.01 / 3 + 1e-9
    assert lods == sorted(lods, reverse=True)
    assert [Growing(steady_kimg=2, fade_kimg=0).lod(kimg, 32) for kimg in (0, 1.9, 2, 4)] == [2, 2, 1, 0]


def test_stylegan1_over_time():
    """Batch and learning rate are those of the resolution faded in."""
    config = preset("stylegan1", square(1024), 8)
    found = [(config.at(kimg).lod, config.at(kimg).batch, config.at(kimg).batch_gpu, config.at(kimg).g_adam.lr)
             for kimg in (0, 600, 601, 1200, 2400, 3600, 4800, 6000, 7200, 8400)]
    assert [row[1] for row in found] == [256, 256, 128, 128, 64, 32, 32, 32, 32, 32]
    assert [row[2] for row in found] == [32, 32, 16, 16, 8, 4, 4, 4, 4, 4]
    assert [row[3] for row in found] == [.001] * 6 + [.0015, .002, .003, .003]


def test_a_batch_of_ones_own_keeps_the_proportion():
    config = preset("stylegan1", square(256), 2, batch=16)
    assert [config.at(kimg).batch for kimg in (0, 1200, 2400, 3600, 6000)] == [128, 64, 32, 16, 16]
    ada = preset("stylegan2-auto", square(256), 1, batch=8)
    assert (ada.loss.gamma, ada.ema.kimg) == (pytest.approx(0.0002 * 256 ** 2 / 8), 2.5)
    assert preset("stylegan3-t", square(256), 1, batch=8).loss.gamma == 8
    assert preset("stylegan3-t", square(256), 1, batch=8).generator.magnitude_ema_beta == 0.5 ** (8 / 20000)


def test_optimisers_begin_anew_at_whole_levels():
    config = preset("stylegan1", square(32), 1)
    lods = [config.at(kimg).lod for kimg in range(0, 4000, 10)]
    changes = [10 * (i + 1) for i, (a, b) in enumerate(zip(lods, lods[1:])) if is_new_phase(a, b)]
    assert changes == [610, 1200, 1810, 2400]           # a fade begins, it ends, the next one


def test_lazy_optimisers():
    """lr c and beta^c with c = k / (k + 1); a network without lazy regulariser keeps its own."""
    assert Adam(0.002).lazy(16) == Adam(0.002 * 16 / 17, (0.0, 0.99 ** (16 / 17)))
    assert Adam(0.002).lazy(None) == Adam(0.002)
    moment = preset("stylegan3-t", square(256), 8).at(0)
    assert moment.g_adam == Adam(0.0025) and moment.d_adam == Adam(0.002).lazy(16)
    config = preset("stylegan2", square(256), 8)
    assert config.at(0).g_adam == Adam(0.002).lazy(4)
    unregularized = dataclasses.replace(config, loss=dataclasses.replace(config.loss, regularizer="none"))
    assert unregularized.at(0).d_adam == Adam(0.002)


def test_transferred():
    config = preset("stylegan3-r", square(256), 8).transferred()
    assert (config.ema.kimg, config.ema.ramp, config.blur, config.augmentation.kimg) == (10, None, False, 100)


# -- networks ---------------------------------------------------------------------------------------------------------

def step(config: TrainConfig) -> None:
    torch.manual_seed(0)
    generator, discriminator = build(config.generator), build(config.discriminator)
    c = torch.eye(config.generator.c_dim)[[0, 1]] if config.generator.c_dim else None
    images = generator(torch.randn(2, generator.z_dim), c, noise="random" if "3" not in generator.variant else "const")
    discriminator(images, c).sum().backward()
    for network in (generator, discriminator):
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert gradients and all(g.isfinite().all() for g in gradients) and any(g.any() for g in gradients)


@pytest.mark.parametrize("c_dim", [0, 3])
@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_and_steps(name, c_dim):
    step(tiny(preset(name, square(16, channels=1, c_dim=c_dim))))


@pytest.mark.parametrize("d_arch", ARCHITECTURES)
@pytest.mark.parametrize("g_arch", ARCHITECTURES)
def test_nine_architectures(g_arch, d_arch):
    config = with_architectures(tiny(preset("stylegan2-e", square(16))), g_arch, d_arch)
    assert (config.generator.architecture, config.discriminator.architecture) == (g_arch, d_arch)
    step(config)


@pytest.mark.parametrize("size", [(8, 16), (16, 8), (12, 16), (16, 4)])
def test_pictures_that_are_not_square(size):
    config = tiny(preset("stylegan2-auto", Data(size)))
    assert config.generator.size == size
    assert config.loss.gamma == pytest.approx(0.0002 * size[0] * size[1] / 32)
    assert tuple(build(config.discriminator).resolution) == size
    step(config)


# -- JSON, words, errors ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", PRESETS)
def test_json_and_back(name):
    config = preset(name, square(64, c_dim=5), 2)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


@pytest.mark.parametrize("change", [{"generator": {}}, {"loss": {"gama": 1}}, {"new": 1}, {"ema": 3}, {"batch": None},
                                    {"discriminator": {"kind": "dragon", "config": {}}}], ids=repr)
def test_foreign_json_is_one_line(change):
    with pytest.raises(UserError, match="this is not the configuration of a run") as error:
        from_json(to_json(preset("stylegan2", square(16))) | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("arguments, message", [
    (("stylegan4", square(64)), "there is no preset 'stylegan4'; choose one of stylegan1, "),
    (("stylegan2", square(100)), "pictures of 100x100 do not fit: .* convert the data set with --resolution"),
    (("stylegan2", square(4)), "pictures of 4x4 do not fit"),
    (("stylegan2", Data((16, 6))), "pictures of 6x16 do not fit"),
    (("stylegan3-t", Data((32, 64))), "pictures of 64x32 are not square"),
    (("stylegan1", Data((32, 64))), "pictures of 64x32 are not square"),
    (("stylegan2", square(64), 3), r"a batch of 32 cannot be dealt out to 3 GPU\(s\); choose a multiple of 3"),
    (("stylegan2", square(64), 1, 0), "a batch of 0 cannot be dealt out"),
    (("stylegan2", square(64), 1, 6), "a micro-batch of 6 cannot be split into minibatch-stddev groups of 4"),
])
def test_doomed_runs_are_refused(arguments, message):
    with pytest.raises(UserError, match=message) as error:
        preset(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change, message", [
    ({"batch_gpu": 5}, "a batch of 32 is not made of micro-batches of 5"),
    ({"batch_gpu": 0}, "a batch of 32 is not made of micro-batches of 0"),
    ({"d_reg_interval": 0}, "d_reg_interval is 0; it must be at least 1"),
    ({"mixing": -0.5}, "mixing is -0.5; it must be at least 0"),
    ({"growing": Growing()}, "these networks do not grow"),
    ({"growing": Growing(steady_kimg=0, fade_kimg=0)}, "have no length"),
])
def test_settings_that_cannot_be(change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(preset("stylegan2", square(64)), **change)


@pytest.mark.parametrize("part, change, message", [
    ("loss", {"adversarial": "l2"}, "there is no loss 'l2'; choose one of nonsaturating, saturating, wgan, hinge"),
    ("loss", {"regularizer": "r3"}, "there is no regularizer 'r3'; choose one of r1, r2, gp, none"),
    ("augmentation", {"mode": "some"}, "there is no augmentation 'some'; choose one of none, ada, fixed"),
    ("augmentation", {"pipe": "abc"}, "there is no augmentation pipeline 'abc'; choose one of blit, "),
    ("augmentation", {"p": 1.5}, "an augmentation probability of 1.5 is not between 0 and 1"),
])
def test_names_that_stand_for_nothing(part, change, message):
    config = preset("stylegan2", square(64))
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, **{part: dataclasses.replace(getattr(config, part), **change)})


def test_architectures_are_stylegan2s():
    with pytest.raises(UserError, match="the generator of this preset has no choice of architecture"):
        with_architectures(preset("stylegan3-t", square(64)), g_arch="skip")
    with pytest.raises(UserError, match="there is no architecture 'dense'; choose one of orig, skip, resnet"):
        with_architectures(preset("stylegan2", square(64)), d_arch="dense")


def test_words():
    """Every number of the run at its start; nothing is drawn for it."""
    config = tiny(preset("stylegan1", square(16, c_dim=2), 2))
    before = torch.get_rng_state()
    text = describe(config)
    assert torch.get_rng_state().equal(before)
    generator = build(config.generator)
    assert f"{sum(p.numel() for p in generator.parameters()):,} parameters" in text
    lines = dict(line.split(maxsplit=1) for line in text.splitlines())
    assert lines["batch"] == "128 = 2 GPU(s) x 1 micro-batch(es) of 64"
    assert lines["loss"] == "nonsaturating, r1 10 in every step"
    assert lines["8²"] == "from 0 kimg, batch 256, lr 0.001 and 0.001"
    assert lines["16²"] == "from 1200 kimg, batch 128, lr 0.001 and 0.001"
    text = describe(tiny(preset("stylegan3-r", Data((64, 64)))))
    assert "r1 0.125 every 16 steps" in text and "lr 0.00188235" in text and "from 10 pixels to none" in text
    assert "64x32x3" in describe(tiny(preset("stylegan2-auto", Data((32, 64)))))
