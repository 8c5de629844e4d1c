"""The gradients of every phase against recordings, for four pairs of networks, and the averages they leave behind."""
from __future__ import annotations

import json

import pytest
import torch

from cuda_ops import dispatch
from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN2Config, StyleGAN3Config
from nets.discriminator import Discriminator
from nets.stylegan2 import Generator as StyleGAN2
from nets.stylegan3 import Generator as StyleGAN3
from train.latents import Latents
from train.phases import LossConfig, Phases

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


class Recorded:
    """G and D as recorded, and the phases in the recorded order, gradients cleared in between."""

    def __init__(self, data, name, device):
        self.data, self.name, self.device = data, name, device
        meta = json.loads(str(data[f"{name}.meta"]))
        g_config, generator = (StyleGAN3Config, StyleGAN3) if name.startswith("sg3") else (StyleGAN2Config, StyleGAN2)
        self.G = load(generator(g_config(**config_kwargs(meta["G_kwargs"]))), data, f"{name}.G").to(device)
        self.D = load(Discriminator(DiscriminatorConfig(**config_kwargs(meta["D_kwargs"]))), data, f"{name}.D")
        self.phases = Phases(self.G, self.D.to(device), LossConfig(
            gamma=meta["r1_gamma"], pl_weight=meta["pl_weight"], pl_batch_shrink=meta["pl_batch_shrink"],
            pl_decay=meta["pl_decay"]))
        self.run(torch.tensor(meta["pl_mean_before"], device=device))

    def run(self, pl_mean):
        z, c, real, y = (self.array(key) for key in ("z", "c", "real", "pl_noise_unit"))
        c = c if c.shape[1] else None
        latents = Latents(z, c, z, self.G.num_ws, {})
        phases, self.gradients = self.phases, {}
        self.keep("Gmain", phases.generator_main(latents))
        stats, self.pl_mean_after = phases.generator_regularizer(latents, torch.cat([y, y]), pl_mean)
        self.keep("Greg", stats)
        self.keep("Dmain", phases.discriminator_main(latents, real, c))
        self.keep("Dreg", phases.discriminator_regularizer(latents, real, c))

    def keep(self, phase, stats):
        """The gradients of the trained network; the other one must have none."""
        assert all(values.isfinite().all() and not values.requires_grad for values in stats.values())
        trained, other = (self.G, self.D) if phase.startswith("G") else (self.D, self.G)
        assert all(p.grad is None for p in other.parameters()) and all(p.requires_grad for p in other.parameters())
        self.gradients[phase] = {name: p.grad for name, p in trained.named_parameters()}
        trained.zero_grad(set_to_none=True)

    def array(self, key):
        return torch.from_numpy(self.data[f"{self.name}.{key}"]).to(self.device)


BACKENDS = {"reference": "cpu", "cpu": "cpu", "cuda": "cuda"}


@pytest.fixture(scope="module", params=[(name, backend) for name in PAIRS for backend in BACKENDS],
                ids=lambda pair: "-".join(pair))
def recorded(request, reference):
    """The pair after its four phases, on every backend that can run here."""
    name, backend = request.param
    if backend == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    reason = dispatch.why_not(backend, BACKENDS[backend])
    if reason:
        pytest.skip(reason)
    with dispatch.use(backend):
        return Recorded(reference("sg_loss.npz"), name, BACKENDS[backend])


def relative_error(a, b):
    assert a.shape == b.shape
    a, b = a.cpu(), b.cpu()
    return ((a - b).norm() / b.norm()).item()


@pytest.mark.parametrize("phase", ["Gmain", "Greg", "Dmain", "Dreg"])
def test_gradients(recorded, phase):
    prefix = f"{recorded.name}.grad.{phase}."
    expected = {key.removeprefix(prefix): torch.from_numpy(recorded.data[key]) for key in recorded.data.files
                if key.startswith(prefix)}
    assert len(expected) > 10
    found = {name: g for name, g in recorded.gradients[phase].items() if not name.endswith("noise_strength")}
    assert set(expected) <= set(found)
    for name, gradient in found.items():
        gradient = torch.zeros(()) if gradient is None else gradient
        if name not in expected or not expected[name].any():
            assert not gradient.any(), f"{name} has a gradient where none was recorded"
        else:
            assert relative_error(gradient, expected[name]) < LIMIT, name


def test_path_length_average(recorded):
    assert relative_error(recorded.pl_mean_after, recorded.array("pl_mean_after")) < LIMIT


def test_averages_after_the_fake_pass(recorded):
    """w_avg, and StyleGAN3's magnitudes, which are moved before their use: D's gradients above saw the new ones."""
    state, prefix = recorded.G.state_dict(), f"{recorded.name}.G_after."
    keys = [key for key in recorded.data.files if key.startswith(prefix)]
    assert len(keys) == (1 + sum("magnitude_ema" in name for name in state))
    for key in keys:
        before, after = recorded.data[key.replace("G_after", "G")], torch.from_numpy(recorded.data[key])
        assert relative_error(state[key.removeprefix(prefix)], after) < 1e-6
        assert (before != after.numpy()).any()
