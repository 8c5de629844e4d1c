"""The presets: the papers' configurations, completed for a data set and a number of GPUs (training.md "Presets")."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from nets.config import (
    AnyConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    MappingConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
    StyleGAN3Config,
)
from nets.errors import UserError
from train.config import Adam, Augmentation, BySize, Ema, Growing, TrainConfig, reached
from train.phases import LossConfig

ARCHITECTURES = ("orig", "skip", "resnet")           # of the nine combinations (StyleGAN2 fig. 7, table 2)


class Data(NamedTuple):
    """What a preset has to know of the data set."""
    size: tuple[int, int]                # (H, W)
    channels: int = 3
    c_dim: int = 0                       # 0: without labels


class Situation(NamedTuple):
    """What a preset's rules depend on."""
    resolution: int                      # the longer side
    pixels: int                          # R², or H W
    batch: int
    gpus: int


Rule = float | Callable[[Situation], float]
Networks = tuple[GeneratorConfig, DiscriminatorConfig | StyleGAN1DiscriminatorConfig]


@dataclass(frozen=True)
class Preset:
    """One column of the table. A `Rule` is a number or depends on the situation; the defaults are StyleGAN2's."""
    networks: Callable[[Preset, Data, int, Situation], Networks]
    lr: Rule = 0.002
    d_lr: Rule | None = None             # None: as `lr`
    batch: Callable[[int, int], int] = lambda resolution, gpus: 32
    mbstd_group: Rule = 4
    channel_base: Rule = 32768
    mapping_layers: int = 8
    w_avg_beta: float = 0.995
    g_arch: Literal["orig", "skip", "resnet", "growing"] = "skip"
    d_arch: Literal["orig", "skip", "resnet", "growing"] = "resnet"
    conv_clamp: float | None = None      # 256: with half precision in mind, which then is for the 4 highest resolutions
    gamma: Rule = 10
    d_reg_interval: int | None = 16
    g_reg_interval: int | None = 4
    mixing: float = 0.9
    ema_kimg: Rule = 10
    ema_ramp: float | None = None
    always_moves_w_avg: bool = False
    growing: Growing | None = None
    augment: Literal["none", "ada"] = "none"
    blur: bool = False


# -- networks ---------------------------------------------------------------------------------------------------------

def _stylegan1(preset: Preset, data: Data, group: int, at: Situation) -> Networks:
    common = _common(preset, data, at)
    mapping = MappingConfig(preset.mapping_layers, label="concat", scale_bias=False, w_avg_beta=preset.w_avg_beta)
    return StyleGAN1Config(mapping=mapping, **common), StyleGAN1DiscriminatorConfig(mbstd_group_size=group, **common)


def _traditional(preset: Preset, data: Data, group: int, at: Situation) -> Networks:
    """StyleGAN fig. 1a. Without mapping layers w is z, and the label beside it."""
    generator, discriminator = _stylegan1(preset, data, group, at)
    w_dim = generator.z_dim * (2 if data.c_dim else 1)
    return dataclasses.replace(generator, w_dim=w_dim, use_styles=False, use_noise=False, use_instance_norm=False,
                               use_pixel_norm=True, const_input=False), discriminator


def _stylegan2(preset: Preset, data: Data, group: int, at: Situation) -> Networks:
    common = _common(preset, data, at) | {
        "conv_clamp": preset.conv_clamp, "num_fp16_res": 4 if preset.conv_clamp else 0,
        "start_size": (data.size[0] * 4 // at.resolution, data.size[1] * 4 // at.resolution)}
    mapping = MappingConfig(preset.mapping_layers, w_avg_beta=preset.w_avg_beta)
    return (StyleGAN2Config(architecture=preset.g_arch, mapping=mapping, **common),
            DiscriminatorConfig(architecture=preset.d_arch, mbstd_group_size=group, **common))


def _stylegan3_t(preset: Preset, data: Data, group: int, at: Situation) -> Networks:
    common = _common(preset, data, at)
    generator = StyleGAN3Config(mapping=MappingConfig(preset.mapping_layers, w_avg_beta=preset.w_avg_beta),
                                magnitude_ema_beta=0.5 ** (at.batch / 20e3), **common)
    return generator, DiscriminatorConfig(mbstd_group_size=group, conv_clamp=256, num_fp16_res=4, **common)


def _stylegan3_r(preset: Preset, data: Data, group: int, at: Situation) -> Networks:
    """Twice the channels in the generator alone (StyleGAN3 sec. 3.2, configuration R)."""
    generator, discriminator = _stylegan3_t(preset, data, group, at)
    return dataclasses.replace(generator, conv_kernel=1, use_radial_filters=True, channel_max=1024,
                               channel_base=2 * generator.channel_base), discriminator


def _common(preset: Preset, data: Data, at: Situation) -> dict:
    return {"resolution": data.size[1], "img_channels": data.channels, "c_dim": data.c_dim,
            "channel_base": int(_value(preset.channel_base, at))}


# -- the table --------------------------------------------------------------------------------------------------------

BATCHES: BySize = ((8, 256), (16, 128), (32, 64), (64, 32))

STYLEGAN1 = Preset(
    _stylegan1, lr=0.001, channel_base=16384, d_reg_interval=None, g_reg_interval=None,
    growing=Growing(batches=((4, 512), *BATCHES), lrs=((128, 0.0015), (256, 0.002), (512, 0.003))))
STYLEGAN2 = Preset(_stylegan2)
AUTO = dataclasses.replace(
    STYLEGAN2, lr=lambda at: 0.002 if at.resolution >= 1024 else 0.0025, mapping_layers=2, conv_clamp=256,
    batch=lambda resolution, gpus: max(min(gpus * min(4096 // resolution, 32), 64), gpus),
    mbstd_group=lambda at: min(at.batch // at.gpus, 4), channel_base=lambda at: 16384 if at.resolution < 512 else 32768,
    gamma=lambda at: 0.0002 * at.pixels / at.batch, ema_kimg=lambda at: 10 * at.batch / 32, ema_ramp=0.05,
    always_moves_w_avg=True, augment="ada")
PAPER = dataclasses.replace(
    AUTO, lr=0.0025, batch=lambda resolution, gpus: 64, mbstd_group=8, channel_base=32768, mapping_layers=8,
    ema_kimg=20, ema_ramp=None)
STYLEGAN3 = Preset(
    _stylegan3_t, lr=0.0025, d_lr=0.002, mapping_layers=2, w_avg_beta=0.998, g_reg_interval=None, mixing=0,
    gamma=lambda at: at.pixels / 2 ** 15 * 32 / at.batch,          # 0.5 at 128², 2 at 256², 8 at 512², 32 at 1024²
    ema_kimg=lambda at: 10 * at.batch / 32, ema_ramp=0.05, augment="ada")
# StyleGAN2's ablations differ from StyleGAN2 in what table 1 of that paper names, and are listed from the end
CONFIG_E = dataclasses.replace(STYLEGAN2, channel_base=16384, gamma=100)
CONFIG_D = dataclasses.replace(CONFIG_E, gamma=10, g_arch="growing", d_arch="growing", growing=Growing(batches=BATCHES))
CONFIG_C = dataclasses.replace(CONFIG_D, g_reg_interval=None)
CONFIG_B = dataclasses.replace(CONFIG_C, d_reg_interval=None)

PRESETS: dict[str, Preset] = {
    "stylegan1": STYLEGAN1,
    "stylegan2": STYLEGAN2,
    "stylegan2-auto": AUTO,
    "paper256": dataclasses.replace(PAPER, channel_base=16384, gamma=1),
    "paper512": dataclasses.replace(PAPER, gamma=0.5),
    "paper1024": dataclasses.replace(PAPER, lr=0.002, batch=lambda resolution, gpus: 32, mbstd_group=4, gamma=2,
                                     ema_kimg=10),
    "cifar": dataclasses.replace(PAPER, mbstd_group=32, mapping_layers=2, conv_clamp=None, d_arch="orig", gamma=0.01,
                                 ema_kimg=500, ema_ramp=0.05, mixing=0, g_reg_interval=None),
    "stylegan2-a": dataclasses.replace(CONFIG_B, networks=_stylegan1),     # table 1 of StyleGAN2, from StyleGAN1 ..
    "stylegan2-b": CONFIG_B,                                               # + demodulation
    "stylegan2-c": CONFIG_C,                                               # + lazy regularisation
    "stylegan2-d": CONFIG_D,                                               # + path lengths
    "stylegan2-e": CONFIG_E,                                               # + new networks, no growing
    "stylegan2-f": STYLEGAN2,                                              # + large networks
    "stylegan3-t": STYLEGAN3,
    "stylegan3-r": dataclasses.replace(STYLEGAN3, networks=_stylegan3_r, blur=True),
    "traditional": dataclasses.replace(STYLEGAN1, networks=_traditional, mapping_layers=0, mixing=0),
}


# -- from the table to a run ------------------------------------------------------------------------------------------

def preset(name: str, data: Data, gpus: int = 1, batch: int | None = None, batch_gpu: int | None = None,
           mbstd_group: int | None = None) -> TrainConfig:
    """The run that preset `name`, a key of PRESETS, means for a data set on `gpus` processes.

    `batch`: instead of the preset's, at the full resolution; smaller ones keep their proportion to it. What depends on
    the batch follows it. `batch_gpu`: default all of a process's share at a time; `mbstd_group`: instead of the
    preset's. Raises UserError on an unknown name, on pictures the networks cannot have, and on numbers that
    do not go together.
    """
    if name not in PRESETS:
        raise UserError(f"there is no preset '{name}'; choose one of {', '.join(PRESETS)}.")
    chosen, resolution = PRESETS[name], max(data.size)
    _check_size(chosen, data)
    usual = reached(chosen.growing.batches if chosen.growing else (), resolution, chosen.batch(resolution, gpus))
    batch = usual if batch is None else batch
    if batch < 1 or batch % gpus:
        raise UserError(f"a batch of {batch} cannot be dealt out to {gpus} GPU(s); choose a multiple of {gpus}.")
    chosen = chosen if mbstd_group is None else dataclasses.replace(chosen, mbstd_group=mbstd_group)
    at = Situation(resolution, math.prod(data.size), batch, gpus)
    return _complete(chosen, data, at, usual, batch // gpus if batch_gpu is None else batch_gpu)


def _complete(chosen: Preset, data: Data, at: Situation, usual_batch: int, batch_gpu: int) -> TrainConfig:
    lr = _value(chosen.lr, at)
    generator, discriminator = chosen.networks(chosen, data, int(_value(chosen.mbstd_group, at)), at)
    loss = LossConfig(gamma=_value(chosen.gamma, at), always_moves_w_avg=chosen.always_moves_w_avg)
    return TrainConfig(
        generator, discriminator, at.batch, batch_gpu, Adam(lr),
        Adam(lr if chosen.d_lr is None else _value(chosen.d_lr, at)), at.gpus, loss, chosen.d_reg_interval,
        chosen.g_reg_interval, chosen.mixing, Ema(_value(chosen.ema_kimg, at), chosen.ema_ramp),
        _scaled(chosen.growing, at.batch / usual_batch), Augmentation(chosen.augment), chosen.blur)


def _scaled(growing: Growing | None, factor: float) -> Growing | None:
    batches = [(size, round(batch * factor)) for size, batch in growing.batches] if growing else []
    return growing and dataclasses.replace(growing, batches=tuple(batches))


def with_architectures(config: TrainConfig, g_arch: str | None = None, d_arch: str | None = None) -> TrainConfig:
    """`config` with other ones of ARCHITECTURES, for StyleGAN2's networks. Raises UserError on what has none."""
    generator = _with_architecture(config.generator, StyleGAN2Config, g_arch, "generator")
    return dataclasses.replace(config, generator=generator, discriminator=_with_architecture(
        config.discriminator, DiscriminatorConfig, d_arch, "discriminator"))


def _with_architecture(config: AnyConfig, kind: type, name: str | None, role: str) -> AnyConfig:
    if name is None:
        return config
    if not isinstance(config, kind) or config.architecture == "growing":
        raise UserError(f"the {role} of this preset has no choice of architecture; choose stylegan2 or stylegan2-e.")
    if name not in ARCHITECTURES:
        raise UserError(f"there is no architecture '{name}'; choose one of {', '.join(ARCHITECTURES)}.")
    return dataclasses.replace(config, architecture=name)


def _check_size(chosen: Preset, data: Data) -> None:
    """The longer side 2^n, at least 8; the shorter one is a whole number of pixels where the longer one is 4."""
    (height, width), resolution = data.size, max(data.size)
    shown, remedy = f"pictures of {width}x{height}", "convert the data set with --resolution"
    if resolution < 8 or resolution & resolution - 1 or height * 4 % resolution or width * 4 % resolution:
        raise UserError(f"{shown} do not fit: the longer side must be 8, 16, 32, .. and both whole quarters of it; "
                        f"{remedy}.")
    if height != width and chosen.networks is not _stylegan2:
        raise UserError(f"{shown} are not square, which this preset needs; {remedy}, or choose a stylegan2 preset.")


def _value(rule: Rule, at: Situation) -> float:
    return rule(at) if callable(rule) else rule

