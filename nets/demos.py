"""Small built-in networks, one of each family: freshly initialised and untrained, to try the window on.

A fresh network shows little: its w_avg is 0, its noise off, its picture flat or out of range. `calibrate` sets from
samples what training would have found, so that every control has an effect to be seen.
"""
from __future__ import annotations

import torch
from torch import Tensor

from nets import stylegan3
from nets.build import build
from nets.config import GeneratorConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.generator import Generator
from nets.stages import State, ignore

_SMALL = {"z_dim": 64, "w_dim": 64}
_SMALL3 = {"num_layers": 10, "channel_base": 768, "channel_max": 20} | _SMALL

DEMOS: dict[str, GeneratorConfig] = {
    "stylegan1": StyleGAN1Config(128, channel_base=2048, channel_max=64, **_SMALL),
    "stylegan2": StyleGAN2Config(128, channel_base=2048, channel_max=64, **_SMALL),
    "stylegan2-conditional": StyleGAN2Config(64, channel_base=2048, channel_max=64, architecture="resnet", c_dim=10,
                                             **_SMALL),
    "stylegan3-t": StyleGAN3Config(64, **_SMALL3),
    "stylegan3-r": StyleGAN3Config(64, conv_kernel=1, use_radial_filters=True, **_SMALL3),
}
NOTE = "untrained demo network, freshly initialised: it shows how such a network works, its pictures mean nothing"

SEED = 0
NOISE_STRENGTH = 0.1                     # of noise N(0, 1) against features of about unit variance
STYLE_STRENGTH = 0.5                     # how far w moves StyleGAN3's styles from 1, against a fresh affine's 1
IMAGE_STD = 0.4                          # of the pictures, on the scale -1 .. 1
NUM_LATENTS, NUM_PICTURES = 1000, 6      # samples behind w_avg, and behind everything else


def build_demo(name: str) -> Generator:
    """The demo network `name`, a key of DEMOS, the same one on every call. The global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        network = build(DEMOS[name]).eval().requires_grad_(False)
        calibrate(network)
    return network


@torch.no_grad()
def calibrate(network: Generator) -> None:
    """Sets w_avg, noise strengths, the constant, StyleGAN3's magnitudes and biases, and the contrast of the picture."""
    z = torch.randn(NUM_LATENTS, network.z_dim)
    c = torch.eye(network.c_dim)[torch.arange(NUM_LATENTS) % network.c_dim] if network.c_dim else None
    ws = network.mapping(z, c)
    network.mapping.w_avg.copy_(ws[:, 0].mean(dim=0))
    synthesis, ws = network.synthesis, ws[:NUM_PICTURES]
    if isinstance(synthesis, stylegan3.SynthesisNetwork):
        image, torgbs = _calibrate_layers(synthesis, ws), [getattr(synthesis, synthesis.layers[-1].name)]
    else:
        _calibrate_blocks(synthesis)
        image, torgbs = synthesis(ws), [block.torgb for block in synthesis.children() if block.torgb is not None]
    for torgb in torgbs:
        torgb.weight.mul_(IMAGE_STD / image.std())
        torgb.bias.mul_(IMAGE_STD / image.std())


def _calibrate_blocks(synthesis: torch.nn.Module) -> None:
    for name, parameter in synthesis.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(NOISE_STRENGTH)
        elif name.endswith(".const"):
            parameter.normal_()          # StyleGAN1's starts as 1 everywhere, without any structure


def _calibrate_layers(synthesis: stylegan3.SynthesisNetwork, ws: Tensor) -> Tensor:
    """Layer by layer: magnitude_ema as measured, a bias that centres each channel. Returns the image."""
    state = State()
    for stage in synthesis.stages():
        inputs = stage.inputs(ws, {})
        layer = getattr(synthesis, stage.name, None)
        if isinstance(layer, stylegan3.Layer):
            layer.affine.weight.mul_(STYLE_STRENGTH)
            layer.magnitude_ema.copy_(state.x.square().mean())
            taps: dict[str, Tensor] = {}
            stage.run(state, inputs, taps.__setitem__)
            layer.bias.copy_(-taps[f"{stage.name}.conv"].mean(dim=(0, 2, 3)))
        state = stage.run(state, inputs, ignore)
    return state.image
