"""Whether a configuration read from a file is one a network could have, before it is built: types, choices, sizes."""
from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from typing import Any

from cuda_ops.bias_act import ACTIVATIONS
from nets.config import AnyConfig, StyleGAN3Config
from nets.errors import UserError
from nets.plan import plan

from .blob import Malformed

MAX_INT, MAX_FLOAT, MAX_ITEMS = 1 << 16, 1e9, 64
LARGER = {"channel_base": 1 << 24}
SMALLER = {"resolution": 1 << 14, "num_layers": 64, "up_factor": 64, "down_factor": 64, "up_taps": 512,
           "down_taps": 512, "filter_size": 64, "lrelu_upsampling": 16, "conv_kernel": 15, "mbstd_num_channels": 64}
AT_LEAST_ONE = ("resolution", "img_channels", "w_dim", "channel_base", "channel_max", "channels", "start_size",
                "in_channels", "out_channels", "in_size", "out_size", "conv_kernel", "up_factor", "down_factor",
                "up_taps", "down_taps", "filter_size", "lrelu_upsampling", "mbstd_group_size")
SIGNED = ("padding",)
NOT_NEGATIVE = ("conv_clamp", "in_rate", "out_rate", "input_rate", "input_cutoff")
MAX_SIGNAL = 1 << 32         # numbers in one layer; the largest of StyleGAN3 at 1024 x 1024 holds under 2^30


def check_config(config: AnyConfig) -> None:
    """Raises Malformed with the field that no network could have."""
    _check_fields(config)
    width = config.resolution if isinstance(config, StyleGAN3Config) else config.resolution * 4 // _start_width(config)
    if width < 4 or (width & width - 1 and not isinstance(config, StyleGAN3Config)):
        raise Malformed(f"asks for a resolution of {config.resolution}, which this family cannot have")
    needed = 0 if isinstance(config, StyleGAN3Config) else width.bit_length() - 2
    if needed and config.channels is not None and len(config.channels) != needed:
        raise Malformed(f"gives {len(config.channels)} channel counts for {needed} resolutions")
    if isinstance(config, StyleGAN3Config):
        _check_layers(config)


def _check_layers(config: StyleGAN3Config) -> None:
    """Every layer takes in the size the one before puts out, and no signal on the way is absurdly large."""
    try:
        layers = plan(config)
    except (UserError, ValueError, TypeError, ArithmeticError) as error:
        raise Malformed(f"asks for layers that cannot be planned ({error})") from error
    layers = config.layers or layers
    size = (config.input_size, config.input_size) if config.input_size else layers[0].in_size
    for g in layers:
        out_size = [(n - g.down_taps) // g.down_factor + 1 for n in g.up_size]
        if g.in_size != size or tuple(out_size) != g.out_size:
            raise Malformed(f"describes a layer {g.name} whose sizes contradict one another")
        if g.out_channels * math.prod(g.up_size) > MAX_SIGNAL:
            raise Malformed(f"asks for signals of {g.out_channels}x{g.up_size[1]}x{g.up_size[0]} in layer {g.name}, "
                            "which no network of this kind has")
        size = g.out_size


def _start_width(config: AnyConfig) -> int:
    return getattr(config, "start_size", (4, 4))[1]


def _check_fields(config: Any) -> None:
    hints = _hints(type(config))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _fits(value, hints[field.name], field.name):
            shown = repr(value) if isinstance(value, (int, float, str, type(None))) else type(value).__name__
            raise Malformed(f"asks for {field.name} = {shown[:60]}, which no network of this kind can have")


_hints = functools.cache(typing.get_type_hints)


def _fits(value: Any, hint: Any, name: str) -> bool:
    if isinstance(hint, types.UnionType):
        return any(_fits(value, option, name) for option in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return isinstance(value, str) and value in typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return _fits_tuple(value, typing.get_args(hint), name)
    if dataclasses.is_dataclass(hint):
        if type(value) is hint:
            _check_fields(value)
        return type(value) is hint
    if hint is int:
        return type(value) is int and _least(name) <= value <= SMALLER.get(name, LARGER.get(name, MAX_INT))
    if hint is float:
        least = 0 if name in NOT_NEGATIVE else -MAX_FLOAT
        return type(value) in (int, float) and math.isfinite(value) and least <= value <= MAX_FLOAT
    if hint is str:
        return type(value) is str and (value in ACTIVATIONS if name == "activation" else _is_layer_name(value))
    return type(value) is hint                                      # bool, None


def _fits_tuple(value: Any, items: tuple, name: str) -> bool:
    if not isinstance(value, tuple) or len(value) > MAX_ITEMS:
        return False
    if items[-1] is Ellipsis:
        return all(_fits(item, items[0], name) for item in value)
    return len(value) == len(items) and all(_fits(item, hint, name) for item, hint in zip(value, items))


def _least(name: str) -> int:
    return -MAX_INT if name in SIGNED else 1 if name in AT_LEAST_ONE else 0


def _is_layer_name(value: str) -> bool:
    """A layer's name becomes a module's: an identifier that cannot hide one of the module's own attributes."""
    return len(value) <= 64 and value.isidentifier() and value[:1] == "L" and value[1:2].isdigit()
