"""The network a configuration describes."""
from __future__ import annotations

from torch import nn

from nets import stylegan1, stylegan2, stylegan3
from nets.config import (
    AnyConfig,
    DiscriminatorConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
    StyleGAN3Config,
)
from nets.discriminator import Discriminator

NETWORKS: dict[type, type[nn.Module]] = {
    StyleGAN1Config: stylegan1.Generator,
    StyleGAN2Config: stylegan2.Generator,
    StyleGAN3Config: stylegan3.Generator,
    DiscriminatorConfig: Discriminator,
    StyleGAN1DiscriminatorConfig: stylegan1.Discriminator,
}


def build(config: AnyConfig) -> nn.Module:
    """A freshly initialised network; its weights are drawn from torch's global generator."""
    return NETWORKS[type(config)](config)
