"""Steps of every recipe: they learn, average, follow their schedule, and go on from a state bit for bit."""
from __future__ import annotations

import dataclasses

import pytest
import torch
from tiny_training import CLASSES, minibatch, tiny, tiny_run, trained

from train.config import Augmentation, Ema, Growing
from train.ema import ema_beta
from train.loop import Training
from train.phases import LossConfig
from train.presets import ARCHITECTURES, Data, preset, with_architectures
from train.state import pack, unpack


def weights(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def assert_same(one: Training, other: Training):
    for name, network in one.networks().items():
        expected = other.networks()[name].state_dict()
        assert all(torch.equal(value, expected[key]) for key, value in network.state_dict().items()), name
    assert one.state()["random"].equal(other.state()["random"])
    assert one.state()["normal"].equal(other.state()["normal"])
    assert one.p == other.p and one.means.take() == other.means.take()


def copied(state):
    """The state as a file would hold it."""
    tensors = {}
    return unpack(pack(state, tensors), tensors)


@pytest.mark.parametrize("name", ["stylegan1", "stylegan2-auto", "stylegan3-r"])
def test_a_recipe_of_each_family_learns_and_goes_on_exactly(name):
    """Five steps: path lengths and R1 come twice and once. StyleGAN1 fades in 16² from 8² meanwhile."""
    config = tiny_run(name)
    if config.growing:
        config = dataclasses.replace(config, growing=Growing(8, 0.016, 0.016, config.growing.batches))
    unbroken = trained(config, 2)
    before = {name: weights(network) for name, network in unbroken.networks().items()}
    state = copied(unbroken.state())
    trained(config, 3, unbroken)
    for which, network in unbroken.networks().items():
        moved = [key for key, _ in network.named_parameters() if not torch.equal(network.state_dict()[key],
                                                                                before[which][key])]
        assert len(moved) >= len(list(network.parameters())) // 2, which
    assert unbroken.nonfinite() is None and unbroken.bad == {}

    resumed = Training(config, lambda count, generator: None)
    resumed.restore(state)
    assert_same(trained(config, 3, resumed), unbroken)


def test_means_are_finite_and_named_as_the_phases_name_them():
    means = trained(tiny_run("stylegan2"), 2).means.take()
    assert set(means) == {"G.loss", "G.score", "G.path_length", "G.path_penalty", "D.fake_loss", "D.fake_score",
                          "D.real_loss", "D.real_score", "D.penalty"}
    assert all(torch.tensor(list(means.values())).isfinite())


@pytest.mark.parametrize("g_arch", ARCHITECTURES)
@pytest.mark.parametrize("d_arch", ARCHITECTURES)
def test_the_nine_architectures(g_arch, d_arch):
    config = with_architectures(tiny_run("stylegan2-e"), g_arch, d_arch)
    training = Training(config, lambda count, generator: None)
    before = weights(training.G), weights(training.D)
    trained(config, 1, training)
    for network, old in zip((training.G, training.D), before):
        assert all(not torch.equal(value, old[name]) for name, value in network.named_parameters()
                   if name.endswith("weight")) and training.nonfinite() is None


@pytest.mark.parametrize("adversarial, regularizer", [("wgan", "gp"), ("hinge", "r2"), ("saturating", "none")])
def test_other_losses(adversarial, regularizer):
    config = tiny_run("stylegan2", loss=LossConfig(adversarial, regularizer))
    one, other = trained(config, 2), trained(config, 1)
    other = trained(config, 1, other)
    assert_same(one, other)
    assert one.nonfinite() is None


def test_labels_reach_both_networks():
    training = trained(tiny_run("stylegan2", CLASSES), 1)
    for network in (training.G, training.D):
        assert network.mapping.embed.weight.grad.any()


def test_the_average_follows_the_networks_by_its_half_life():
    config = tiny_run("stylegan2", ema=Ema(0.008, None))
    training = Training(config, lambda count, generator: None)
    start = weights(training.G_ema)
    trained(config, 1, training)
    beta = ema_beta(8, 0, 0.008, None)
    assert beta == 0.5
    for name, mean in training.G_ema.named_parameters():
        expected = start[name].lerp(training.G.get_parameter(name), 0.5)
        torch.testing.assert_close(mean, expected.detach())
    assert torch.equal(training.G_ema.mapping.w_avg, training.G.mapping.w_avg) and not training.G_ema.training


def test_regularisers_come_lazily():
    """R1 every third and path lengths every second minibatch here; their parts are named while they run."""
    config, seen = tiny_run("stylegan2", d_reg_interval=3, g_reg_interval=2), []
    training = Training(config, lambda count, generator: None)
    for step in range(4):
        seen.append([])
        training.step(*minibatch(step), seen[-1].append)
    g, d = "G path lengths", "D regulariser"
    assert seen == [["G main", g, "D main", d], ["G main", "D main"], ["G main", g, "D main"], ["G main", "D main", d]]


def test_stylegan1_trains_the_discriminator_first_with_r1_inside():
    config, seen = tiny_run("stylegan1"), []
    training = Training(config, lambda count, generator: None)
    training.step(*minibatch(0), seen.append)
    assert seen == ["D main", "G main"] and "D.penalty" in training.means.take()


def test_growing_follows_the_schedule_and_begins_optimisers_anew():
    """16 images at a resolution, 16 to fade: lod 2 for one step of 16, then steps of 8 from lod 1 on, and so forth."""
    growing = Growing(start=4, steady_kimg=0.016, fade_kimg=0.016, batches=((4, 16), (8, 8)), lrs=((8, 5e-4),))
    training = Training(tiny_run("stylegan1", growing=growing), lambda count, generator: None)
    found = []
    for step in range(8):
        now = training.now
        training.step(*minibatch(step, now.batch))
        ages = {state["step"].item() for state in training._d_adam.state.values()}
        found.append((now.lod, now.batch, training._d_adam.param_groups[0]["lr"], max(ages)))
    assert found == [(2, 16, 1e-3, 1), (2, 16, 1e-3, 2), (1, 8, 5e-4, 1), (1, 8, 5e-4, 2), (1, 8, 5e-4, 3),
                     (0.5, 8, 5e-4, 1), (0, 8, 5e-4, 1), (0, 8, 5e-4, 2)]


def test_ada_moves_p_every_fourth_step_by_what_d_says():
    config = tiny_run("stylegan2", augmentation=Augmentation("ada", "bgc", 0.5, kimg=0.1))
    training, ps = Training(config, lambda count, generator: None), []
    for step in range(8):
        training.step(*minibatch(step))
        ps.append(training.p)
    assert ps[:3] == [0.5] * 3 and ps[4:7] == [ps[3]] * 3
    moved = 8 * 4 / (1000 * 0.1)
    assert abs(ps[3] - 0.5) == pytest.approx(moved) and -1 <= training.r_t <= 1


def test_augmentation_and_blur_change_what_d_sees():
    """At p = 1 and 10 pixels of blur D's pictures differ from the reals, alike for G and D; without both they don't."""
    plain = Training(tiny_run("stylegan2"), lambda count, generator: None)
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert plain._show(images) is images
    changed = Training(tiny_run("stylegan2", augmentation=Augmentation("fixed", "bgc", 1.0)), lambda *_: None)
    first, second = changed._show(images), changed._show(images)
    assert not torch.allclose(first, images) and not torch.allclose(first, second)
    blurred = Training(tiny_run("stylegan2", blur=True), lambda *_: None)
    assert blurred._show(images).std() < 0.3 * images.std()
    blurred.images = 10 ** 9
    assert blurred._show(images) is images


def test_gradients_that_are_not_finite_are_reported_and_networks_checked():
    config = tiny_run("stylegan2")
    training = trained(config, 1)
    training.D.b16.conv0.weight.data.view(-1)[0] = float("nan")
    assert training.nonfinite() == "D.b16.conv0.weight"
    trained(config, 1, training)
    assert any(name.startswith("G.") for name in training.bad) and any(name.startswith("D.") for name in training.bad)


def test_oblong_pictures_train():
    config = tiny(preset("stylegan2", Data((16, 8)), batch=4))
    training = Training(config, lambda count, generator: None)
    pictures = torch.randint(256, (4, 3, 16, 8), dtype=torch.uint8)
    training.step(pictures, torch.zeros(4, 0))
    assert training.nonfinite() is None
