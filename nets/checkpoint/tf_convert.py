"""Configurations and tensors of the TensorFlow networks, turned into this project's (checkpoints.md part 2).

Pure functions of a network's variables and keyword arguments; nothing is loaded until a converted tensor is. Options
that a file does not give are read off the variables, and are otherwise the defaults of that generation.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from nets.config import (
    DiscriminatorConfig,
    MappingConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
)

from .blob import Malformed
from .tensors import Held, TensorSource
from .tf_variables import Variables, const, conv, dense, noise, plus_one

ADA_VERSION = 5
FUSED_FROM = 128                         # resolution from which fused_scale='auto' takes the fused path (networks.md)
STYLEGAN1_FMAP_BASE, STYLEGAN2_FMAP_BASE = 8192, 16384
KNOWN = {
    "num_channels", "resolution", "label_size", "fmap_base", "fmap_decay", "fmap_max", "latent_size", "dlatent_size",
    "mapping_fmaps", "mapping_layers", "mapping_lrmul", "mapping_nonlinearity", "mapping_func", "synthesis_func",
    "dlatent_broadcast", "normalize_latents", "truncation_psi", "truncation_cutoff", "dlatent_avg_beta",
    "style_mixing_prob", "structure", "nonlinearity", "use_wscale", "mapping_use_wscale", "use_styles", "use_noise",
    "randomize_noise", "use_pixel_norm", "use_instance_norm", "const_input_layer", "fused_scale", "blur_filter",
    "dtype", "architecture", "resample_kernel", "fused_modconv", "mbstd_group_size", "mbstd_num_features",
    "conv_clamp", "num_fp16_res", "label_fmaps",
}
Kwargs = Mapping[str, Any]
Tensors = dict[str, TensorSource]


def convert_generator(variables: Mapping[str, Any], kwargs: Kwargs, version: int | None = None,
                      ) -> tuple[StyleGAN1Config | StyleGAN2Config, Tensors]:
    """Configuration and tensors of a generator.

    `variables`: by name, full ('G_synthesis/4x4/Conv/weight') or as the component has it; arrays, numbers or tensor
    sources. `kwargs`: the static kwargs, those of components included. `version`: of the pickled Network.
    Raises Malformed.
    """
    own = Variables(variables)
    _check_wscale(kwargs)
    if own.matching(".*/mod_weight"):
        config = _stylegan2_config(own, kwargs, version)
        return config, _stylegan2_tensors(own, config)
    config = _stylegan1_config(own, kwargs)
    return config, _stylegan1_tensors(own, config, kwargs.get("fused_scale", "auto"))


def convert_discriminator(variables: Mapping[str, Any], kwargs: Kwargs, version: int | None = None,
                          ) -> tuple[StyleGAN1DiscriminatorConfig | DiscriminatorConfig, Tensors]:
    """Configuration and tensors of a discriminator; arguments as in `convert_generator`."""
    own = Variables(variables)
    _check_wscale(kwargs)
    if "Output/weight" in own:
        config = _discriminator_config(own, kwargs, version)
    else:
        config = _stylegan1_discriminator_config(own, kwargs)
    return config, _discriminator_tensors(own, config)


def unknown_kwargs(kwargs: Kwargs) -> list[str]:
    return sorted(set(kwargs) - KNOWN)


# -- StyleGAN1's generator --------------------------------------------------------------------------------------------

def _stylegan1_config(own: Variables, kwargs: Kwargs) -> StyleGAN1Config:
    first = _first_scope(own)
    takes_w = own.get(f"{first}/StyleMod/weight", own.get("4x4/Dense/weight"))
    w_dim = kwargs.get("dlatent_size", takes_w.shape[0] if takes_w is not None else 512)
    return StyleGAN1Config(
        **_common(own, kwargs, STYLEGAN1_FMAP_BASE), w_dim=w_dim, z_dim=kwargs.get("latent_size", 512),
        img_channels=kwargs.get("num_channels", own.need("ToRGB_lod0/weight").shape[-1]),
        c_dim=_label_size(own, kwargs, "LabelConcat/weight"), blur_filter=_taps(kwargs, "blur_filter", (1, 2, 1)),
        use_styles=f"{first}/StyleMod/weight" in own, use_noise=f"{first}/Noise/weight" in own,
        use_instance_norm=kwargs.get("use_instance_norm", True), use_pixel_norm=kwargs.get("use_pixel_norm", False),
        const_input=first == "4x4/Const", lod=own.lod, mapping=_mapping(own, kwargs, w_dim, "concat", scale_bias=False),
    )


def _first_scope(own: Variables) -> str:
    return "4x4/Const" if "4x4/Const/const" in own else "4x4/Dense"


def _stylegan1_tensors(own: Variables, config: StyleGAN1Config, fused_scale: Any) -> Tensors:
    tensors = _mapping_tensors(own, config.w_dim)
    if config.const_input:
        tensors["synthesis.b4.const"] = const(own.need("4x4/Const/const"))
    else:
        tensors["synthesis.b4.dense.weight"] = dense(own.need("4x4/Dense/weight"))
    tensors |= _epilogue(own, "synthesis.b4.conv0", _first_scope(own), 0)
    last = len(own.resolutions) - 1
    for index, r in enumerate(own.resolutions):
        block, conv1 = f"synthesis.b{r}", f"{r}x{r}/Conv1" if index else "4x4/Conv"
        if index:
            is_fused = r >= FUSED_FROM if fused_scale == "auto" else bool(fused_scale)
            tensors[f"{block}.conv0.weight"] = conv(own.need(f"{r}x{r}/Conv0_up/weight"), flip=is_fused)
            tensors |= _epilogue(own, f"{block}.conv0", f"{r}x{r}/Conv0_up", 2 * index)
        tensors[f"{block}.conv1.weight"] = conv(own.need(f"{conv1}/weight"))
        tensors |= _epilogue(own, f"{block}.conv1", conv1, 2 * index + 1)
        tensors |= _rgb(own, f"{block}.torgb", f"ToRGB_lod{last - index}", (config.img_channels, own.width(r)))
    return tensors


def _epilogue(own: Variables, target: str, scope: str, noise_index: int) -> Tensors:
    tensors: Tensors = {f"{target}.bias": own.need(f"{scope}/bias")}
    if f"{scope}/Noise/weight" in own:
        tensors[f"{target}.noise_strength"] = own[f"{scope}/Noise/weight"]
        tensors[f"{target}.noise_const"] = noise(own.need(f"noise{noise_index}"))
    if f"{scope}/StyleMod/weight" in own:
        tensors |= _layer(own, f"{target}.affine", f"{scope}/StyleMod", dense)
    return tensors


# -- StyleGAN2's generator --------------------------------------------------------------------------------------------

def _stylegan2_config(own: Variables, kwargs: Kwargs, version: int | None) -> StyleGAN2Config:
    rgbs = own.matching(r"(\d+x\d+/ToRGB|ToRGB_lod\d+)/weight")
    architecture = _architecture(own, kwargs, rgbs)
    w_dim = kwargs.get("dlatent_size", own.need("4x4/Conv/mod_weight").shape[0])
    is_ada = version == ADA_VERSION or "LabelEmbed/weight" in own
    return StyleGAN2Config(
        **_common(own, kwargs, STYLEGAN2_FMAP_BASE), w_dim=w_dim, z_dim=kwargs.get("latent_size", 512),
        img_channels=kwargs.get("num_channels", own[rgbs[0]].shape[-1]), architecture=architecture,
        c_dim=_label_size(own, kwargs, "LabelEmbed/weight" if is_ada else "LabelConcat/weight"),
        resample_filter=_taps(kwargs, "resample_kernel", (1, 3, 3, 1)), conv_clamp=kwargs.get("conv_clamp"),
        num_fp16_res=kwargs.get("num_fp16_res") or 0, scaled_weights=True,
        use_noise="4x4/Conv/noise_strength" in own, lod=own.lod if architecture == "growing" else 0.0,
        mapping=_mapping(own, kwargs, w_dim, "embed" if is_ada else "concat", scale_bias=True),
    )


def _stylegan2_tensors(own: Variables, config: StyleGAN2Config) -> Tensors:
    tensors = _mapping_tensors(own, config.w_dim)
    tensors["synthesis.b4.const"] = const(own.need("4x4/Const/const"))
    last = len(own.resolutions) - 1
    for index, r in enumerate(own.resolutions):
        block, scope = f"synthesis.b{r}", f"{r}x{r}"
        if index:
            tensors |= _modulated(own, f"{block}.conv0", f"{scope}/Conv0_up", 2 * index - 1, flip=True)
        tensors |= _modulated(own, f"{block}.conv1", f"{scope}/Conv1" if index else "4x4/Conv", 2 * index)
        if f"{scope}/Skip/weight" in own:
            tensors[f"{block}.skip.weight"] = conv(own[f"{scope}/Skip/weight"], flip=True)
        rgb = f"ToRGB_lod{last - index}" if config.architecture == "growing" else f"{scope}/ToRGB"
        if f"{rgb}/weight" in own:
            tensors |= _modulated(own, f"{block}.torgb", rgb)
    return tensors


def _modulated(own: Variables, target: str, scope: str, noise_index: int | None = None, flip: bool = False) -> Tensors:
    tensors: Tensors = {
        f"{target}.weight": conv(own.need(f"{scope}/weight"), flip),
        f"{target}.bias": own.need(f"{scope}/bias"),
        f"{target}.affine.weight": dense(own.need(f"{scope}/mod_weight")),
        f"{target}.affine.bias": plus_one(own.need(f"{scope}/mod_bias")),
    }
    if f"{scope}/noise_strength" in own:
        tensors[f"{target}.noise_strength"] = own[f"{scope}/noise_strength"]
        tensors[f"{target}.noise_const"] = noise(own.need(f"noise{noise_index}"))
    return tensors


# -- discriminators ---------------------------------------------------------------------------------------------------

def _stylegan1_discriminator_config(own: Variables, kwargs: Kwargs) -> StyleGAN1DiscriminatorConfig:
    return StyleGAN1DiscriminatorConfig(
        **_common(own, kwargs, STYLEGAN1_FMAP_BASE), **_minibatch(own, kwargs, 4),
        img_channels=kwargs.get("num_channels", own.need("FromRGB_lod0/weight").shape[-2]),
        c_dim=_label_size(own, kwargs, output="4x4/Dense1/weight"),
        blur_filter=_taps(kwargs, "blur_filter", (1, 2, 1)), lod=own.lod,
    )


def _discriminator_config(own: Variables, kwargs: Kwargs, version: int | None) -> DiscriminatorConfig:
    rgbs = own.matching(r"(\d+x\d+/FromRGB|FromRGB_lod\d+)/weight")
    architecture = _architecture(own, kwargs, rgbs)
    is_ada, width, features = "LabelEmbed/weight" in own, own.width(4), own.need("Output/weight").shape[-1]
    return DiscriminatorConfig(
        **_common(own, kwargs, STYLEGAN2_FMAP_BASE), **_minibatch(own, kwargs, None if version == ADA_VERSION else 4),
        img_channels=kwargs.get("num_channels", own[rgbs[0]].shape[-2]), architecture=architecture,
        c_dim=_label_size(own, kwargs, "LabelEmbed/weight" if is_ada else "", "" if is_ada else "Output/weight"),
        resample_filter=_taps(kwargs, "resample_kernel", (1, 3, 3, 1)), conv_clamp=kwargs.get("conv_clamp"),
        num_fp16_res=kwargs.get("num_fp16_res") or 0, lod=own.lod if architecture == "growing" else 0.0,
        fc_dim=_unless(width, own.need("4x4/Dense0/weight").shape[-1]),
        label="projection" if is_ada else "dot", cmap_dim=_unless(width, features) if is_ada else None,
        mapping=_label_mapping(own, kwargs, features) if is_ada else MappingConfig(),
    )


def _discriminator_tensors(own: Variables, config: StyleGAN1DiscriminatorConfig | DiscriminatorConfig) -> Tensors:
    tensors: Tensors = {}
    last = len(own.resolutions) - 1
    is_growing = "FromRGB_lod0/weight" in own
    for index, r in enumerate(own.resolutions):
        if is_growing:
            shape = own.width(r), config.img_channels
            tensors |= _rgb(own, f"b{r}.fromrgb", f"FromRGB_lod{last - index}", shape)
        for name, target in (("FromRGB", "fromrgb"), ("Conv0", "conv0"), ("Conv1_down", "conv1"), ("Skip", "skip"),
                             ("Conv", "conv"), ("Dense0", "fc")):
            if f"{r}x{r}/{name}/weight" in own:
                tensors |= _layer(own, f"b{r}.{target}", f"{r}x{r}/{name}", dense if name == "Dense0" else conv)
    tensors |= _layer(own, "b4.out", "Output" if "Output/weight" in own else "4x4/Dense1", dense)
    return tensors | _label_tensors(own) | _dense_layers(own, "Mapping")


def _minibatch(own: Variables, kwargs: Kwargs, group_size: int | None) -> dict[str, Any]:
    """Of the statistics: the group is an option, the channels they add are seen before the last convolution."""
    inputs = own.need("4x4/Conv/weight").shape[-2] if len(own.need("4x4/Conv/weight").shape) == 4 else 0
    return {"mbstd_group_size": kwargs.get("mbstd_group_size", group_size),
            "mbstd_num_channels": inputs - own.need("8x8/Conv1_down/weight").shape[-1]}


# -- mapping networks -------------------------------------------------------------------------------------------------

def _mapping(own: Variables, kwargs: Kwargs, w_dim: int, label: str, scale_bias: bool) -> MappingConfig:
    embed = own.get("LabelEmbed/weight", own.get("LabelConcat/weight"))
    usual = kwargs.get("latent_size", 512) if label == "concat" else w_dim
    return MappingConfig(
        **_dense_widths(own, "Dense", w_dim), label=label, scale_bias=scale_bias,
        embed_dim=_unless(usual, embed.shape[-1]) if embed is not None else None,
        lr_multiplier=kwargs.get("mapping_lrmul", 0.01), normalize_z=kwargs.get("normalize_latents", True),
        activation=kwargs.get("mapping_nonlinearity", "lrelu"), w_avg_beta=kwargs.get("dlatent_avg_beta") or 0.995,
    )


def _label_mapping(own: Variables, kwargs: Kwargs, features: int) -> MappingConfig:
    """Of ADA's discriminator, whose embedded label is compared with the image's features."""
    return MappingConfig(
        **_dense_widths(own, "Mapping", features), embed_dim=_unless(features, own["LabelEmbed/weight"].shape[-1]),
        lr_multiplier=kwargs.get("mapping_lrmul", 0.1), activation=kwargs.get("mapping_nonlinearity", "lrelu"),
    )


def _dense_widths(own: Variables, name: str, last: int) -> dict[str, Any]:
    layers = own.count(name)
    return {"num_layers": layers,
            "hidden_dim": _unless(last, own[f"{name}0/weight"].shape[-1]) if layers > 1 else None}


def _mapping_tensors(own: Variables, w_dim: int) -> Tensors:
    """A network saved without the average of w gets zero: only truncation needs it."""
    average: Tensors = {"mapping.w_avg": own.get("dlatent_avg", Held(torch.zeros(w_dim)))}
    return average | _label_tensors(own) | _dense_layers(own, "Dense")


def _label_tensors(own: Variables) -> Tensors:
    scope = next((scope for scope in ("LabelEmbed", "LabelConcat") if f"{scope}/weight" in own), None)
    return _layer(own, "mapping.embed", scope, dense) if scope else {}


def _dense_layers(own: Variables, name: str) -> Tensors:
    tensors: Tensors = {}
    for i in range(own.count(name)):
        tensors |= _layer(own, f"mapping.fc{i}", f"{name}{i}", dense)
    return tensors


# -- parts ------------------------------------------------------------------------------------------------------------

def _layer(own: Variables, target: str, scope: str, convert: Callable[[TensorSource], TensorSource]) -> Tensors:
    tensors = {f"{target}.weight": convert(own.need(f"{scope}/weight"))}
    return tensors | ({f"{target}.bias": own[f"{scope}/bias"]} if f"{scope}/bias" in own else {})


def _rgb(own: Variables, target: str, scope: str, shape: tuple[int, int]) -> Tensors:
    """ToRGB or FromRGB [out, in] of one level of detail. Networks that never grew have that of lod 0 alone: zeros stand
    for the others, which they don't use."""
    if f"{scope}/weight" in own or scope.endswith("lod0"):
        return _layer(own, target, scope, conv)
    return {f"{target}.weight": Held(torch.zeros(*shape, 1, 1)), f"{target}.bias": Held(torch.zeros(shape[0]))}


def _architecture(own: Variables, kwargs: Kwargs, rgbs: list[str]) -> str:
    if not rgbs:
        raise Malformed("has a network without a layer for its images")
    if "_lod" in rgbs[0]:
        return "growing"
    seen = "resnet" if "8x8/Skip/weight" in own else "skip" if len(rgbs) > 1 else "orig"
    return kwargs.get("architecture", seen)


def _common(own: Variables, kwargs: Kwargs, fmap_base: int) -> dict[str, Any]:
    """What all networks have. TensorFlow's fmap_base is half of channel_base."""
    base, most = kwargs.get("fmap_base", fmap_base), kwargs.get("fmap_max", 512)
    if not isinstance(base, (int, float)) or not isinstance(most, int) or not math.isfinite(base):
        raise Malformed("asks for a number of feature maps that is none")
    return {"resolution": kwargs.get("resolution", own.resolutions[-1]),
            "activation": kwargs.get("nonlinearity", "lrelu"),
            "channel_base": int(2 * base), "channel_max": most, "channels": own.channels(int(2 * base), most)}


def _taps(kwargs: Kwargs, name: str, default: tuple[float, ...]) -> tuple[float, ...]:
    """None is the identity."""
    return tuple(kwargs.get(name, default) or (1,))


def _label_size(own: Variables, kwargs: Kwargs, weight: str = "", output: str = "") -> Any:
    """Classes: as said, else as many as the label's layer takes in, or as there are scores."""
    if "label_size" in kwargs:
        return kwargs["label_size"]
    if weight in own:
        return own[weight].shape[0]
    scores = own[output].shape[-1] if output in own else 1
    return scores if scores > 1 else 0


def _unless(usual: Any, value: int) -> int | None:
    """None stands for the usual."""
    return None if value == usual else value


def _check_wscale(kwargs: Kwargs) -> None:
    if kwargs.get("use_wscale", True) is not True or kwargs.get("mapping_use_wscale", True) is not True:
        raise Malformed("was trained without equalised learning rates, which this program's networks have")
