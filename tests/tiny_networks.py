"""Tiny networks of every family and variant, and how to count the stages that run."""
from __future__ import annotations

import dataclasses

import torch
from stage_checks import randomize

from nets.build import build
from nets.config import GeneratorConfig, MappingConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.stages import Stage

_WIDTH = {"z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 8}
_MAPPING = {"mapping": MappingConfig(num_layers=2)}
_SG1 = {**_WIDTH, "mapping": MappingConfig(num_layers=2, label="concat", scale_bias=False)}
_SG3 = {**_WIDTH, **_MAPPING, "num_layers": 5, "margin_size": 4}
_TRADITIONAL = {"const_input": False, "use_styles": False, "use_noise": False, "use_instance_norm": False}

TINY: dict[str, GeneratorConfig] = {
    "sg1": StyleGAN1Config(32, **_SG1),
    "sg1-lod": StyleGAN1Config(32, **_SG1, lod=1.25),
    "sg1-traditional": StyleGAN1Config(32, **{**_SG1, "mapping": MappingConfig(num_layers=0, label="concat")},
                                       **_TRADITIONAL),
    "sg2-skip": StyleGAN2Config(32, **_WIDTH, **_MAPPING),
    "sg2-resnet": StyleGAN2Config(32, **_WIDTH, **_MAPPING, architecture="resnet", conv_clamp=0.6),
    "sg2-orig": StyleGAN2Config(32, **_WIDTH, **_MAPPING, architecture="orig", img_channels=1),
    "sg2-growing": StyleGAN2Config(32, **_WIDTH, **_MAPPING, architecture="growing", lod=0.5),
    "sg2-oblong": StyleGAN2Config(16, **_WIDTH, **_MAPPING, start_size=(4, 2)),
    "sg2-conditional": StyleGAN2Config(16, **_WIDTH, **_MAPPING, c_dim=3),
    "sg3-t": StyleGAN3Config(32, **_SG3),
    "sg3-r": StyleGAN3Config(32, **_SG3, conv_kernel=1, use_radial_filters=True),
}


def tiny(name: str, seed: int = 0, **changes) -> torch.nn.Module:
    """A random network of that configuration, the same on every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = randomize(build(dataclasses.replace(TINY[name], **changes)), seed)
    if isinstance(network.config, StyleGAN3Config):
        network.synthesis.input.affine.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return network


def counted(stages: list[Stage], ran: list[str]) -> list[Stage]:
    """The same stages, each adding its name to `ran` whenever it runs."""
    def counting(stage: Stage) -> Stage:
        def run(*args):
            ran.append(stage.name)
            return stage.run(*args)
        return dataclasses.replace(stage, run=run)
    return [counting(stage) for stage in stages]


def stage_names(name: str) -> list[str]:
    return [stage.name for stage in tiny(name).synthesis.stages()]


def good(result):
    """The result, which must be no error."""
    assert result.error is None, (result.error, result.details)
    return result
