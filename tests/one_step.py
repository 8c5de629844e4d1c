"""One step of training: a tiny pair in float64, its phases, and all they take, the same on every call."""
from __future__ import annotations

import torch
from stage_checks import to_double
from tiny_networks import tiny

from nets.build import build
from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN1DiscriminatorConfig
from train.latents import draw_latents
from train.phases import LossConfig, Phases

NUM = 4


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def discriminator(G, **changes):
    size = {"img_channels": G.img_channels, "c_dim": G.c_dim, "channel_base": 64, "channel_max": 8}
    if "sg1" in G.name:
        config = StyleGAN1DiscriminatorConfig(G.resolution[1], **size, **changes)
    else:
        start = getattr(G.config, "start_size", (4, 4))
        config = DiscriminatorConfig(G.resolution[1], **size, start_size=start, mapping=MappingConfig(2), **changes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return build(config)


class Step:
    """Phases of a tiny pair in float64, and all they take."""

    def __init__(self, name="sg2-conditional", lod=None, num=NUM, phases=None, d=None, **config):
        self.G = tiny(name)
        self.G.name = name
        growing = {"architecture": "growing"} if name == "sg2-growing" else {}
        self.D = discriminator(self.G, **growing, **(d or {}))
        for network in (self.G, self.D):
            to_double(network).train().requires_grad_(True)
        labels = torch.eye(self.G.c_dim)[torch.arange(num) % self.G.c_dim] if self.G.c_dim else None
        self.latents = draw_latents(self.G, num, labels, seeded(), lod=lod)
        self.latents = self.latents._replace(noise={k: v.double() for k, v in self.latents.noise.items()})
        shape = num, self.G.img_channels, *self.G.resolution
        self.real, self.y = (torch.randn(shape, generator=seeded(seed)).double() for seed in (1, 2))
        self.labels, self.between = labels, torch.rand(num, generator=seeded(3)).double()
        self.phases = Phases(self.G, self.D, LossConfig(**config), lod=lod, **(phases or {}))

    def gmain(self, samples=slice(None)):
        return self.phases.generator_main(self.latents.take(samples))

    def greg(self, samples=slice(None), gain=1):
        average = torch.tensor(0.3, dtype=torch.float64)
        return self.phases.generator_regularizer(self.latents.take(samples), self.y[samples], average, gain)[0]

    def dmain(self, samples=slice(None), regularize=False):
        labels = None if self.labels is None else self.labels[samples]
        return self.phases.discriminator_main(self.latents.take(samples), self.real[samples], labels, regularize,
                                              self.between[samples])

    def dreg(self, samples=slice(None), gain=1):
        labels = None if self.labels is None else self.labels[samples]
        return self.phases.discriminator_regularizer(self.latents.take(samples), self.real[samples], labels, gain,
                                                     self.between[samples])

    def gradients(self, *runs):
        """{name: gradient} of both networks after `runs`, which start from none."""
        for network in (self.G, self.D):
            network.zero_grad(set_to_none=True)
        for run in runs:
            run()
        return {f"{which}.{name}": p.grad.clone() for which, network in (("G", self.G), ("D", self.D))
                for name, p in network.named_parameters() if p.grad is not None}


def check_close(found, expected, factor=1.0):
    assert found.keys() == expected.keys() and len(found) > 3
    for name in found:
        scale = expected[name].abs().max().item() + 1e-30
        torch.testing.assert_close(found[name], factor * expected[name], rtol=1e-9, atol=1e-9 * factor * scale,
                                   msg=lambda text, name=name: f"{name}: {text}")
