"""The configuration of a pickled PyTorch module: what it was made with, what it holds, its tensors' shapes."""
from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from nets.config import AnyConfig, DiscriminatorConfig, LayerGeometry, MappingConfig, StyleGAN2Config, StyleGAN3Config

from .blob import Malformed
from .tensors import TensorSource
from .torch_pickle import Module

Tensors = dict[str, TensorSource]

KNOWN = {
    "z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "num_ws", "mapping_kwargs", "synthesis_kwargs",
    "block_kwargs", "epilogue_kwargs", "channel_base", "channel_max", "num_fp16_res", "conv_clamp", "architecture",
    "resample_filter", "activation", "use_noise", "num_layers", "num_critical", "first_cutoff", "first_stopband",
    "last_stopband_rel", "margin_size", "output_scale", "conv_kernel", "filter_size", "lrelu_upsampling",
    "use_radial_filters", "magnitude_ema_beta", "lr_multiplier", "embed_features", "layer_features", "w_avg_beta",
    "freeze_layers", "mbstd_group_size", "mbstd_num_channels", "cmap_dim", "fused_modconv_default",
    "fp16_channels_last",
}


def config_of(module: Module, is_ada: bool) -> AnyConfig:
    """`is_ada`: the file is of StyleGAN2-ADA, whose classes have other defaults than StyleGAN3's.

    Raises Malformed if the module is no network of these families.
    """
    tensors = module.state()
    if "synthesis.input.freqs" in tensors:
        return _stylegan3(module, tensors)
    if "synthesis.b4.const" in tensors:
        return _stylegan2(module, tensors, is_ada)
    if "b4.out.weight" in tensors and "b4.fc.weight" in tensors:
        return _discriminator(module, tensors, is_ada)
    raise Malformed(f"holds a {module.class_name}, which is no network of StyleGAN2 or StyleGAN3",
                    "only their generators and discriminators can be read from such a file")


def unknown_kwargs(module: Module) -> list[str]:
    """Names the network was made with that this program gives no meaning."""
    groups = [value for value in module.kwargs.values() if isinstance(value, dict)]
    names = {name for group in [module.kwargs, *groups] for name in group if isinstance(name, str)}
    return sorted(names - KNOWN)


class Facts:
    """Looks a value up in several places, the most explicit first."""

    def __init__(self, *sources: Any):
        self.sources = [source for source in sources if isinstance(source, dict)]

    @classmethod
    def about(cls, module: Module, group: str = "", *parts: Module | None) -> Facts:
        """The module's kwargs, a group nested in them, and then what its parts were made with and hold."""
        found = [part for part in parts if part is not None]
        return cls(module.kwargs.get(group), module.kwargs, *(part.kwargs for part in found),
                   module.attributes, *(part.attributes for part in found))

    def get(self, name: str, default: Any = None) -> Any:
        value = next((source[name] for source in self.sources if name in source), default)
        return int(value) if isinstance(value, float) and type(default) is int and value.is_integer() else value

    def filter(self) -> tuple:
        taps = self.get("resample_filter", (1, 3, 3, 1))
        return tuple(taps) if isinstance(taps, (list, tuple)) else (1,)      # None: identity


def _stylegan2(module: Module, tensors: Tensors, is_ada: bool) -> StyleGAN2Config:
    synthesis = module.child("synthesis")
    blocks = _blocks(synthesis)
    facts = Facts.about(module, "synthesis_kwargs", synthesis, *blocks.values(), synthesis.child("b4.conv1"))
    height, width = tensors["synthesis.b4.const"].shape[1:]
    base, most = facts.get("channel_base", 32768), facts.get("channel_max", 512)
    return StyleGAN2Config(
        resolution=_width(facts.get("img_resolution", max(blocks)), height, width),
        img_channels=facts.get("img_channels", 3),
        z_dim=facts.get("z_dim", 512), c_dim=facts.get("c_dim", 0), w_dim=facts.get("w_dim", 512),
        channel_base=base, channel_max=most,
        channels=_channels(base, most, sorted(blocks), lambda r: tensors.get(f"synthesis.b{r}.conv1.weight")),
        architecture=facts.get("architecture", _generator_architecture(tensors, blocks)),
        resample_filter=facts.filter(), activation=facts.get("activation", "lrelu"),
        conv_clamp=facts.get("conv_clamp", None if is_ada else 256),
        num_fp16_res=_num_fp16(facts, blocks, 0 if is_ada else 4),
        use_noise="synthesis.b4.conv1.noise_strength" in tensors,
        start_size=(height, width),
        mapping=_mapping(module, tensors, 8, 0.995 if is_ada else 0.998),
    )


def _discriminator(module: Module, tensors: Tensors, is_ada: bool) -> DiscriminatorConfig:
    blocks = _blocks(module)
    epilogue, mbstd = module.child("b4"), module.child("b4.mbstd")
    first = blocks[max(blocks)]
    facts = Facts.about(module, "block_kwargs", first, first.child("conv0"))
    last = Facts.about(module, "epilogue_kwargs", epilogue)
    base, most = facts.get("channel_base", 32768), facts.get("channel_max", 512)
    conv, out = tensors["b4.conv.weight"].shape, tensors["b4.out.weight"].shape
    channels, c_dim = conv[0], facts.get("c_dim", 0)
    height, width = _start_size(tensors["b4.fc.weight"].shape[1] // channels)
    return DiscriminatorConfig(
        resolution=_width(facts.get("img_resolution", max(blocks)), height, width),
        img_channels=facts.get("img_channels", 3), c_dim=c_dim, channel_base=base, channel_max=most,
        channels=_channels(base, most, sorted({4, *blocks}), lambda r: tensors.get(
            f"b{r}.conv0.weight" if r > 4 else "b4.conv.weight")),
        architecture=facts.get("architecture", _discriminator_architecture(tensors, blocks)),
        resample_filter=facts.filter(), activation=facts.get("activation", "lrelu"),
        conv_clamp=facts.get("conv_clamp", None if is_ada else 256),
        num_fp16_res=_num_fp16(facts, blocks, 0 if is_ada else 4),
        start_size=(height, width),
        mbstd_group_size=last.get("mbstd_group_size", mbstd.said("group_size", 4) if mbstd else 4),
        mbstd_num_channels=conv[1] - channels,
        freeze_layers=facts.get("freeze_layers", 0),
        fc_dim=_unless(channels, tensors["b4.fc.weight"].shape[0]),
        cmap_dim=_unless(channels, out[0]) if c_dim else None,
        mapping=_mapping(module, tensors, 8, 0.998) if c_dim else MappingConfig(),
    )


def _stylegan3(module: Module, tensors: Tensors) -> StyleGAN3Config:
    synthesis, source = module.child("synthesis"), module.child("synthesis.input")
    layers = _layers(synthesis)
    facts = Facts.about(module, "synthesis_kwargs", synthesis)
    geometry = tuple(_geometry(name, layer) for name, layer in layers.items())
    default = StyleGAN3Config(resolution=0)
    same = ("num_critical", "first_cutoff", "first_stopband", "last_stopband_rel", "margin_size", "output_scale",
            "conv_kernel", "filter_size", "lrelu_upsampling", "use_radial_filters", "conv_clamp", "z_dim", "c_dim",
            "w_dim", "img_channels", "channel_base", "channel_max", "magnitude_ema_beta")
    size = _pair(source.said("size"))
    return StyleGAN3Config(
        resolution=facts.get("img_resolution"), num_layers=len(layers) - 1,
        num_fp16_res=facts.get("num_fp16_res", 4),
        input_size=size[0] if size else None, input_rate=source.said("sampling_rate"),
        input_cutoff=source.said("bandwidth"),
        layers=geometry if None not in geometry else None,
        mapping=_mapping(module, tensors, 2, 0.998),
        **{name: facts.get(name, getattr(default, name)) for name in same},
    )


# -- parts ------------------------------------------------------------------------------------------------------------

def _mapping(module: Module, tensors: Tensors, num_layers: int, w_avg_beta: float) -> MappingConfig:
    mapping = module.child("mapping")
    if mapping is None:
        raise Malformed("has a network without its mapping network")
    facts = Facts(module.kwargs.get("mapping_kwargs"), mapping.kwargs, mapping.attributes)
    first = mapping.child("fc0")
    widths = [layer.tensors["weight"].shape[0] for _, layer in _numbered(mapping, r"fc(\d{1,3})")]
    average = tensors.get("mapping.w_avg")
    is_table = "mapping.embed_proj.weight" in tensors
    return MappingConfig(
        num_layers=facts.get("num_layers", len(widths) or num_layers),
        hidden_dim=_unless(widths[-1], widths[0]) if widths else None,
        embed_dim=_embed_dim(tensors, widths),
        lr_multiplier=facts.get("lr_multiplier", _learning_rate(first)),
        label="table" if is_table else "embed",
        activation=facts.get("activation", first.said("activation", "lrelu") if first else "lrelu"),
        w_avg_beta=facts.get("w_avg_beta") or w_avg_beta,
        w_avg_per_class=average is not None and len(average.shape) == 2,
    )


def _embed_dim(tensors: Tensors, widths: list[int]) -> int | None:
    """Width of the label's embedding: [width, c_dim] of a dense layer, [c_dim, width] of a table; usually w_dim."""
    embed = tensors.get("mapping.embed.weight")
    if embed is None or len(embed.shape) != 2:
        return None
    if "mapping.embed_proj.weight" in tensors:
        return embed.shape[1]
    return _unless(widths[-1] if widths else None, embed.shape[0])


def _geometry(name: str, layer: Module) -> LayerGeometry | None:
    """A StyleGAN3 layer's own signal plan; None if it does not hold one."""
    names = {
        "in_channels": "in_channels", "out_channels": "out_channels", "in_rate": "in_sampling_rate",
        "out_rate": "out_sampling_rate", "in_cutoff": "in_cutoff", "out_cutoff": "out_cutoff",
        "in_half_width": "in_half_width", "out_half_width": "out_half_width", "conv_kernel": "conv_kernel",
        "up_factor": "up_factor", "down_factor": "down_factor", "up_taps": "up_taps", "down_taps": "down_taps",
        "is_torgb": "is_torgb", "radial_down": "down_radial", "use_fp16": "use_fp16", "conv_clamp": "conv_clamp",
        "critically_sampled": "is_critically_sampled",
    }
    held, padding = layer.attributes, layer.attributes.get("padding")
    sizes = _pair(held.get("in_size")), _pair(held.get("out_size"))
    if not set(names.values()) <= set(held) or not isinstance(padding, (list, tuple)) or None in sizes:
        return None
    return LayerGeometry(name=name, in_size=sizes[0], out_size=sizes[1], padding=tuple(padding),
                         **{field: held[attribute] for field, attribute in names.items()})


def _pair(value: Any) -> tuple | None:
    """(width, height) from a number, a list or a small array."""
    if hasattr(value, "load"):
        value = value.load().tolist() if value.shape == (2,) else None
    if isinstance(value, int):
        return value, value
    return tuple(value) if isinstance(value, (list, tuple)) and len(value) == 2 else None


def _layers(synthesis: Module) -> dict[str, Module]:
    """StyleGAN3's layers in order, ToRGB last."""
    layers = dict(_numbered(synthesis, r"L(\d{1,3})_.*"))
    if not layers:
        raise Malformed("has a StyleGAN3 network without layers")
    return layers


def _numbered(module: Module, pattern: str) -> list[tuple[str, Module]]:
    """Children whose names match, in the order of the number in them."""
    found = [(int(match[1]), name) for name in module.children if (match := re.fullmatch(pattern, name))]
    return [(name, module.children[name]) for _, name in sorted(found)]


def _unless(usual: int | None, value: int) -> int | None:
    """None stands for the usual."""
    return None if value == usual else value


def _learning_rate(layer: Module | None) -> Any:
    """A dense layer's multiplier; it is what scales its bias."""
    return 0.01 if layer is None else layer.said("lr_multiplier", layer.said("bias_gain", 0.01))


def _blocks(module: Module) -> dict[int, Module]:
    """Blocks b4, b8, .. by resolution."""
    blocks = {int(name[1:]): block for name, block in module.children.items() if re.fullmatch(r"b\d{1,5}", name)}
    if len(blocks) < 2:
        raise Malformed("has a network with fewer than two resolutions")
    return blocks


def _width(resolution: Any, start_height: int, start_width: int) -> Any:
    """Of an image whose height is `resolution`, grown from a constant of that size."""
    square = not isinstance(resolution, int) or start_height == start_width or not start_height
    return resolution if square else resolution * start_width // start_height


def _start_size(area: int) -> tuple[int, int]:
    return (4, area // 4) if area else (4, 4)


def _channels(base: Any, most: Any, resolutions: list[int], weight: Callable[[int], TensorSource | None],
              ) -> tuple[int, ...] | None:
    """Widths as the tensors have them; None where they follow the formula."""
    found = tuple(source.shape[0] for r in resolutions if (source := weight(r)) is not None and source.shape)
    if len(found) != len(resolutions) or not isinstance(base, int) or not isinstance(most, int):
        return None
    return None if found == tuple(min(base // r, most) for r in resolutions) else found


def _num_fp16(facts: Facts, blocks: dict[int, Module], default: int) -> Any:
    """Of the highest resolutions; where kwargs are silent the blocks tell."""
    marked = [block.said("use_fp16") for resolution, block in blocks.items() if resolution > 4]
    counted = default if None in marked else sum(mark is True for mark in marked)
    return facts.get("num_fp16_res", counted)


def _generator_architecture(tensors: Tensors, blocks: dict[int, Module]) -> str:
    if any(f"synthesis.b{r}.skip.weight" in tensors for r in blocks):
        return "resnet"
    return "skip" if "synthesis.b4.torgb.weight" in tensors else "orig"


def _discriminator_architecture(tensors: Tensors, blocks: dict[int, Module]) -> str:
    if any(f"b{r}.skip.weight" in tensors for r in blocks):
        return "resnet"
    return "skip" if "b4.fromrgb.weight" in tensors else "orig"
