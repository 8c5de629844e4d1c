"""The gradients of every phase against recordings, for four pairs of networks, and the averages they leave behind."""
from __future__ import annotations

import json

import pytest
import torch

from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN2Config, StyleGAN3Config
from nets.discriminator import Discriminator
from nets.stylegan2 import Generator as StyleGAN2
from nets.stylegan3 import Generator as StyleGAN3
from train.losses import ADVERSARIAL, path_length_penalty, path_lengths, squared_gradient

LIMIT = 1e-4                                         # float32 (reference README)
PAIRS = ["sg2", "sg2_resnet_skipD", "sg3_t", "sg3_r"]


def config_kwargs(kwargs: dict) -> dict:
    """A recording's keyword arguments in this project's names."""
    kwargs = {"resolution": kwargs["img_resolution"]} | {k: v for k, v in kwargs.items() if k != "img_resolution"}
    mapping, epilogue = kwargs.pop("mapping_kwargs", None), kwargs.pop("epilogue_kwargs", {})
    if mapping is not None:
        kwargs["mapping"] = MappingConfig(**mapping)
    if "resample_filter" in kwargs:
        kwargs["resample_filter"] = tuple(kwargs["resample_filter"])
    return kwargs | epilogue


def load(network, data, prefix):
    names = network.state_dict().keys()
    network.load_state_dict({name: torch.from_numpy(data[f"{prefix}.{name}"]) for name in names})
    return network.train()


class Pair:
    """G and D as recorded, and the four phases as training.md orders them."""

    def __init__(self, data, name):
        self.data, self.name = data, name
        self.meta = meta = json.loads(str(data[f"{name}.meta"]))
        g_config, generator = (StyleGAN3Config, StyleGAN3) if name.startswith("sg3") else (StyleGAN2Config, StyleGAN2)
        self.G = load(generator(g_config(**config_kwargs(meta["G_kwargs"]))), data, f"{name}.G")
        self.D = load(Discriminator(DiscriminatorConfig(**config_kwargs(meta["D_kwargs"]))), data, f"{name}.D")
        self.z, self.c, self.real = (self.array(key) for key in ("z", "c", "real"))
        if not self.c.shape[1]:
            self.c = None
        self.loss = ADVERSARIAL["nonsaturating"]

    def array(self, key):
        return torch.from_numpy(self.data[f"{self.name}.{key}"])

    def generator_main(self):
        return self.loss.generator(self.D(self.G(self.z, self.c), self.c)).mean()

    def generator_regularizer(self):
        n = len(self.z) // self.meta["pl_batch_shrink"]
        ws = self.G.mapping(self.z[:n], None if self.c is None else self.c[:n])
        lengths = path_lengths(self.G.synthesis(ws), ws, self.array("pl_noise_unit"))
        penalty, average = path_length_penalty(lengths, torch.tensor(self.meta["pl_mean_before"]),
                                               self.meta["pl_decay"])
        self.pl_mean_after = average.detach()
        return self.meta["pl_weight"] * penalty.mean()

    def discriminator_main(self):
        with torch.no_grad():
            ws = self.G.mapping(self.z, self.c, update_w_avg=True)
            fake = self.G.synthesis(ws, update_ema=True)
        return self.loss.fake(self.D(fake, self.c)).mean() + self.loss.real(self.D(self.real, self.c)).mean()

    def discriminator_regularizer(self):
        real = self.real.clone().requires_grad_()
        return self.meta["r1_gamma"] / 2 * squared_gradient(self.D(real, self.c), real).mean()

    def gradients(self, phase):
        """{name: gradient} of the trained network."""
        network = self.G if phase.startswith("G") else self.D
        loss = {"Gmain": self.generator_main, "Greg": self.generator_regularizer, "Dmain": self.discriminator_main,
                "Dreg": self.discriminator_regularizer}[phase]()
        names, parameters = zip(*network.named_parameters())
        return dict(zip(names, torch.autograd.grad(loss, parameters, allow_unused=True)))


@pytest.fixture(scope="module", params=PAIRS)
def recorded(request, reference):
    """The pair after its four phases, and their gradients, in the recorded order."""
    pair = Pair(reference("sg_loss.npz"), request.param)
    return pair, {phase: pair.gradients(phase) for phase in ("Gmain", "Greg", "Dmain", "Dreg")}


def relative_error(a, b):
    assert a.shape == b.shape
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("phase", ["Gmain", "Greg", "Dmain", "Dreg"])
def test_gradients(recorded, phase):
    pair, gradients = recorded
    prefix = f"{pair.name}.grad.{phase}."
    expected = {key.removeprefix(prefix): torch.from_numpy(pair.data[key]) for key in pair.data.files
                if key.startswith(prefix)}
    assert len(expected) > 10
    found = {name: g for name, g in gradients[phase].items() if not name.endswith("noise_strength")}
    assert set(expected) <= set(found)
    for name, gradient in found.items():
        gradient = torch.zeros(()) if gradient is None else gradient
        if name not in expected or not expected[name].any():
            assert not gradient.any(), f"{name} has a gradient where none was recorded"
        else:
            assert relative_error(gradient, expected[name]) < LIMIT, name


def test_path_length_average(recorded):
    pair, _ = recorded
    assert relative_error(pair.pl_mean_after, pair.array("pl_mean_after")) < LIMIT


def test_averages_after_the_fake_pass(recorded):
    """w_avg, and StyleGAN3's magnitudes, which are moved before their use: D's gradients above saw the new ones."""
    pair, _ = recorded
    state, prefix = pair.G.state_dict(), f"{pair.name}.G_after."
    keys = [key for key in pair.data.files if key.startswith(prefix)]
    assert len(keys) == (1 + sum("magnitude_ema" in name for name in state))
    for key in keys:
        before, after = pair.data[key.replace("G_after", "G")], torch.from_numpy(pair.data[key])
        assert relative_error(state[key.removeprefix(prefix)], after) < 1e-6
        assert (before != after.numpy()).any()
