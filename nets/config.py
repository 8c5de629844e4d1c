"""What a network is, as frozen configurations: everything needed to build one, nothing about its weights.

`channels(r) = min(channel_base / r, channel_max)` throughout (TensorFlow's fmap_base is channel_base / 2);
an explicit `channels` tuple (one width per resolution 4, 8, .., R) overrides the formula.
All are plain values, so `dataclasses.asdict` is their JSON form and `from_dict` the way back.
"""
from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class MappingConfig:
    """z, label -> w (networks.md "Mapping")."""
    num_layers: int = 8
    hidden_dim: int | None = None        # width of the layers but the last; None: w_dim
    embed_dim: int | None = None         # width of the label embedding; None: z_dim for 'concat', else w_dim
    lr_multiplier: float = 0.01
    label: Literal["embed", "concat", "table"] = "embed"
    # embed: dense with bias, z and y normalised each by itself   (ADA and later)
    # concat: y = c @ W, normalised together with z               (StyleGAN1, StyleGAN2-TF)
    # table: embedding rows, then a dense projection to z_dim      (StyleGAN-XL)
    normalize_z: bool = True
    scale_bias: bool = True              # False in StyleGAN1: sqrt 2 sits in the weight, the bias stays unscaled
    activation: str = "lrelu"
    w_avg_beta: float = 0.998
    w_avg_per_class: bool = False        # StyleGAN-XL: w_avg is [c_dim, w_dim]


@dataclass(frozen=True)
class StyleGAN1Config:
    """StyleGAN1 (Karras et al. 2019, fig. 1b); with the last five options, its ablations and fig. 1a."""
    resolution: int
    img_channels: int = 3
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    channel_base: int = 16384
    channel_max: int = 512
    channels: tuple[int, ...] | None = None
    blur_filter: tuple[float, ...] = (1, 2, 1)
    activation: str = "lrelu"
    use_styles: bool = True
    use_noise: bool = True
    use_instance_norm: bool = True
    use_pixel_norm: bool = False
    const_input: bool = True             # False: a dense layer from w, the traditional input
    lod: float = 0.0                     # the level of detail the file was saved at
    mapping: MappingConfig = field(default_factory=lambda: MappingConfig(
        label="concat", scale_bias=False, w_avg_beta=0.995))


@dataclass(frozen=True)
class StyleGAN2Config:
    """StyleGAN2 (Karras et al. 2020, fig. 2d, 7). 'growing' is the "revised" progressive network of configs B-D."""
    resolution: int                      # the width if start_size is not square
    img_channels: int = 3
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    channel_base: int = 32768
    channel_max: int = 512
    channels: tuple[int, ...] | None = None
    architecture: Literal["skip", "resnet", "orig", "growing"] = "skip"
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    num_fp16_res: int = 0                # how many of the highest resolutions the file runs in half precision
    scaled_weights: bool = False         # TensorFlow files: w / sqrt(I k²) before demodulation
    use_noise: bool = True
    start_size: tuple[int, int] = (4, 4)  # (height, width) of the constant; (4, 2) in StyleGAN-Human
    lod: float = 0.0                     # 'growing' only
    mapping: MappingConfig = field(default_factory=MappingConfig)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        return self.resolution * self.start_size[0] // self.start_size[1], self.resolution


@dataclass(frozen=True)
class LayerGeometry:
    """A StyleGAN3 layer's signal plan (sec. 3, fig. 4c). Rates and cutoffs: cycles per image; sizes (width, height)."""
    name: str                            # 'L7_276_645'
    in_channels: int
    out_channels: int
    in_size: tuple[int, int]
    out_size: tuple[int, int]
    in_rate: float
    out_rate: float
    in_cutoff: float
    out_cutoff: float
    in_half_width: float
    out_half_width: float
    conv_kernel: int
    up_factor: int
    down_factor: int
    up_taps: int
    down_taps: int
    padding: tuple[int, int, int, int]   # x0, x1, y0, y1 of the upsampled signal
    is_torgb: bool = False
    radial_down: bool = False
    use_fp16: bool = False
    conv_clamp: float | None = 256
    critically_sampled: bool = False

    @property
    def up_size(self) -> tuple[int, int]:
        """(width, height) of the signal the activation is applied to."""
        x0, x1, y0, y1 = self.padding
        width, height = ((size + self.conv_kernel - 1) * self.up_factor - (self.up_taps - 1) for size in self.in_size)
        return width + x0 + x1, height + y0 + y1


@dataclass(frozen=True)
class StyleGAN3Config:
    """StyleGAN3 (Karras et al. 2021), config T. Config R: conv_kernel 1, use_radial_filters, doubled channels."""
    resolution: int
    img_channels: int = 3
    z_dim: int = 512
    c_dim: int = 0
    w_dim: int = 512
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2 ** 2.1
    last_stopband_rel: float = 2 ** 0.3
    margin_size: int = 10
    output_scale: float = 0.25
    num_fp16_res: int = 4
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: float | None = 256
    magnitude_ema_beta: float = 0.999
    flexible_layers: bool = True         # ablation: False gives every layer of one sampling rate the same band limits
    input_size: int | None = None        # of the Fourier features; None: planned from the fields above
    input_rate: float | None = None
    input_cutoff: float | None = None
    layers: tuple[LayerGeometry, ...] | None = None   # a file's own geometry, ToRGB last; None: planned
    mapping: MappingConfig = field(default_factory=lambda: MappingConfig(num_layers=2))


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Discriminator of StyleGAN2 and StyleGAN3; 'growing' belongs to configs B-D."""
    resolution: int
    img_channels: int = 3
    c_dim: int = 0
    channel_base: int = 32768
    channel_max: int = 512
    channels: tuple[int, ...] | None = None
    architecture: Literal["skip", "resnet", "orig", "growing"] = "resnet"
    resample_filter: tuple[float, ...] = (1, 3, 3, 1)
    activation: str = "lrelu"
    conv_clamp: float | None = None
    num_fp16_res: int = 0
    start_size: tuple[int, int] = (4, 4)
    mbstd_group_size: int | None = 4     # None: the whole minibatch
    mbstd_num_channels: int = 1
    freeze_layers: int = 0
    fc_dim: int | None = None            # width of the first dense layer; None: channels(4)
    label: Literal["projection", "dot"] = "projection"   # sum(out * mapping(c)) / sqrt, or sum(out * c)
    cmap_dim: int | None = None          # None: channels(4)
    lod: float = 0.0
    mapping: MappingConfig = field(default_factory=MappingConfig)


@dataclass(frozen=True)
class StyleGAN1DiscriminatorConfig:
    """Discriminator of StyleGAN1 (and of ProGAN), progressive."""
    resolution: int
    img_channels: int = 3
    c_dim: int = 0
    channel_base: int = 16384
    channel_max: int = 512
    channels: tuple[int, ...] | None = None
    blur_filter: tuple[float, ...] = (1, 2, 1)
    activation: str = "lrelu"
    mbstd_group_size: int | None = 4
    mbstd_num_channels: int = 1
    lod: float = 0.0


GeneratorConfig = StyleGAN1Config | StyleGAN2Config | StyleGAN3Config
AnyConfig = GeneratorConfig | DiscriminatorConfig | StyleGAN1DiscriminatorConfig

CONFIGS: dict[str, type] = {
    "stylegan1": StyleGAN1Config,
    "stylegan2": StyleGAN2Config,
    "stylegan3": StyleGAN3Config,
    "discriminator": DiscriminatorConfig,
    "stylegan1-discriminator": StyleGAN1DiscriminatorConfig,
}


def kind_of(config: AnyConfig) -> str:
    """The key of CONFIGS this configuration belongs to."""
    return next(kind for kind, cls in CONFIGS.items() if type(config) is cls)


def channels_at(config: AnyConfig, resolution: int) -> int:
    """Feature channels at `resolution` (a power of two from 4 up)."""
    if config.channels is not None:
        return config.channels[resolution.bit_length() - 3]
    return min(config.channel_base // resolution, config.channel_max)


def from_dict(kind: str, values: dict) -> AnyConfig:
    """The configuration that `dataclasses.asdict` made `values` of. Raises KeyError or TypeError on foreign content."""
    return _restore(CONFIGS[kind], values)


def _restore(cls: type, values: dict):
    hints = typing.get_type_hints(cls)
    unknown = set(values) - set(hints)
    if unknown:
        raise TypeError(f"unknown {cls.__name__} fields {sorted(unknown)}")
    return cls(**{key: _restore_value(hints[key], value) for key, value in values.items()})


def _restore_value(hint, value):
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        if dataclasses.is_dataclass(option) and isinstance(value, dict):
            return _restore(option, value)
        if typing.get_origin(option) is tuple and isinstance(value, (list, tuple)):
            item = typing.get_args(option)[0]
            return tuple(_restore_value(item, v) for v in value)
    return value
