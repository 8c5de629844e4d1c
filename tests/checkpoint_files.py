"""Checkpoint files as the published tools write them, made from this project's networks, for tests to read back."""
from __future__ import annotations

import contextlib
import io
import pickle
import sys
import types
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nets.build import build
from nets.config import AnyConfig

TRAP = "raise RuntimeError('embedded code must not run')"
HOOKS = ("_backward_hooks", "_forward_hooks", "_forward_pre_hooks", "_state_dict_hooks", "_load_state_dict_pre_hooks")


def random_network(config: AnyConfig, seed: int = 0) -> nn.Module:
    """A network with every parameter and buffer drawn, none at its initial value; filters stay filters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(config)
        for name, tensor in network.state_dict().items():
            if not name.endswith(("_filter", "transform")):
                tensor.copy_(torch.randn(tensor.shape) * 0.5 + 0.1)
            if name.endswith("magnitude_ema"):
                tensor.copy_(torch.rand([]) + 0.5)
    return network.eval().requires_grad_(False)


# -- globals that exist only while a file is written ------------------------------------------------------------------

@contextlib.contextmanager
def fake_modules(**contents: dict[str, Any]) -> Iterator[None]:
    """Lets pickle find `contents['a__b']['name']` as the global `a.b name`."""
    added = {}
    for path, names in contents.items():
        parts = path.split("__")
        added |= {".".join(parts[:i]): types.ModuleType(".".join(parts[:i])) for i in range(1, len(parts) + 1)}
        for name, value in names.items():
            value.__module__, value.__qualname__, value.__name__ = ".".join(parts), name, name
            setattr(added[".".join(parts)], name, value)
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


class EasyDict(dict):
    """A dict of a class of its own, as kwargs often are."""


def _reconstruct_persistent_obj(meta: dict) -> None:
    raise AssertionError("only its name is pickled")


class Persistent:
    """A module as the PyTorch tools reduce it."""

    def __init__(self, class_name: str, state: dict):
        self.meta = {"type": "class", "version": 6, "module_src": TRAP, "class_name": class_name, "state": state}

    def __reduce__(self):
        return _reconstruct_persistent_obj, (self.meta,)


class ZipStoragePickler(pickle.Pickler):
    """Storages in torch.save's zip format."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, torch.storage.TypedStorage):
            data = io.BytesIO()
            torch.save(value, data)
            return torch.storage._load_from_bytes, (data.getvalue(),)
        return NotImplemented


def dump_persistent(root: Any, protocol: int = 4, zip_storages: bool = False) -> bytes:
    """The pickle of a snapshot made of `Persistent`, `EasyDict` and plain values."""
    data = io.BytesIO()
    with fake_modules(torch_utils__persistence={"_reconstruct_persistent_obj": _reconstruct_persistent_obj},
                      dnnlib__util={"EasyDict": EasyDict}):
        (ZipStoragePickler if zip_storages else pickle.Pickler)(data, protocol).dump(root)
    return data.getvalue()


# -- PyTorch ----------------------------------------------------------------------------------------------------------

CLASS_NAMES = {"synthesis": "SynthesisNetwork", "mapping": "MappingNetwork", "input": "SynthesisInput",
               "torgb": "ToRGBLayer", "affine": "FullyConnectedLayer"}


def persist(network: nn.Module, kwargs: dict, attributes: dict[str, dict] | None = None, path: str = "",
            ) -> Persistent | nn.Module:
    """`network` as a persistent object, made with `kwargs`. `attributes`: plain attributes by dotted module path."""
    if isinstance(network, nn.Embedding):
        return network                                   # an ordinary module of PyTorch's own, as in StyleGAN-XL
    attributes = attributes or {}
    children = {name: persist(child, {}, attributes, f"{path}.{name}" if path else name)
                for name, child in network.named_children()}
    transient = set(network._non_persistent_buffers_set)
    state = {
        "training": False,
        "_parameters": OrderedDict(network._parameters),
        "_buffers": OrderedDict((k, v) for k, v in network._buffers.items() if k not in transient),
        "_non_persistent_buffers_set": transient,
        **{hook: OrderedDict() for hook in HOOKS},
        "_modules": OrderedDict(children),
        **attributes.get(path, {}),
        "_init_args": (), "_init_kwargs": kwargs,
    }
    default = {"": "Generator" if "synthesis" in children else "Discriminator"}.get(path, "Conv2dLayer")
    return Persistent(CLASS_NAMES.get(path.rpartition(".")[2], default), state)


def geometry_attributes(network: nn.Module) -> dict[str, dict]:
    """The plain attributes that StyleGAN3's layers and input carry."""
    found: dict[str, dict] = {"synthesis.input": {
        "size": np.array(network.synthesis.input.size), "sampling_rate": network.synthesis.input.rate,
        "bandwidth": network.synthesis.input.cutoff}}
    for g in network.synthesis.layers:
        found[f"synthesis.{g.name}"] = {
            "in_channels": g.in_channels, "out_channels": g.out_channels, "in_size": np.array(g.in_size),
            "out_size": np.array(g.out_size), "in_sampling_rate": g.in_rate, "out_sampling_rate": g.out_rate,
            "in_cutoff": np.float64(g.in_cutoff), "out_cutoff": np.float64(g.out_cutoff),
            "in_half_width": g.in_half_width, "out_half_width": g.out_half_width, "conv_kernel": g.conv_kernel,
            "up_factor": g.up_factor, "down_factor": g.down_factor, "up_taps": g.up_taps, "down_taps": g.down_taps,
            "padding": list(g.padding), "is_torgb": g.is_torgb, "down_radial": g.radial_down, "use_fp16": g.use_fp16,
            "conv_clamp": g.conv_clamp, "is_critically_sampled": g.critically_sampled}
    return found


# -- TensorFlow -------------------------------------------------------------------------------------------------------

class Network:
    """What a TensorFlow network is pickled as."""

    def __init__(self, state: dict):
        self.__dict__ = state


def tf_network(name: str, variables: dict[str, Any], kwargs: dict, components: dict[str, Network] | None = None,
               version: int = 4, function: str = "G_main") -> Network:
    return Network({"version": version, "name": name, "static_kwargs": kwargs, "components": dict(components or {}),
                    "build_module_src": TRAP, "build_func_name": function, "variables": list(variables.items())})


def tf_generator(variables: dict[str, Any], kwargs: dict, version: int = 4, name: str = "Gs") -> Network:
    """Variables distributed over the network and its two components, as the tools do."""
    is_mapping = {key: key.startswith(("Dense", "Label")) for key in variables}
    own = {key: value for key, value in variables.items() if key in ("lod", "dlatent_avg")}
    mapping = {key: value for key, value in variables.items() if is_mapping[key]}
    synthesis = {key: value for key, value in variables.items() if key not in own and not is_mapping[key]}
    parts = {"synthesis": tf_network("G_synthesis", synthesis, kwargs, version=version, function="G_synthesis"),
             "mapping": tf_network("G_mapping", mapping, kwargs, version=version, function="G_mapping")}
    return tf_network(name, own, kwargs, parts, version)


def dump_tf(root: Any, protocol: int = 3) -> bytes:
    with fake_modules(dnnlib__tflib__network={"Network": Network}):
        return pickle.dumps(root, protocol)


def tf_dense(weight: Tensor) -> np.ndarray:
    return np.ascontiguousarray(weight.numpy().T)


def tf_conv(weight: Tensor, flip: bool = False) -> np.ndarray:
    weight = weight.numpy().transpose(2, 3, 1, 0)
    return np.ascontiguousarray(weight[::-1, ::-1] if flip else weight)


def tf_variables(network: nn.Module, fused_from: int = 128) -> dict[str, Any]:
    """A network's weights as TensorFlow variables by name (checkpoints.md part 2, read backwards)."""
    state = network.state_dict()
    is_generator = hasattr(network, "synthesis")
    is_first = "StyleGAN1" in type(network.config).__name__
    size = network.config.resolution
    label = "LabelConcat" if is_first or network.config.mapping.label == "concat" else "LabelEmbed"
    variables: dict[str, Any] = {}
    for key, tensor in state.items():
        parts = key.split(".")
        if parts[0] == "synthesis":
            parts = parts[1:]
        if parts[0] == "mapping":
            variables |= _mapping_variable(parts[1:], tensor, label, is_generator)
        elif is_generator:
            variables |= _synthesis_variable(parts, tensor, size, is_first, network.config, fused_from)
        else:
            variables |= _discriminator_variable(parts, tensor, size, is_first, network.config)
    return variables


def _mapping_variable(parts: list[str], tensor: Tensor, label: str, is_generator: bool) -> dict[str, Any]:
    if parts == ["w_avg"]:
        return {"dlatent_avg": tensor.numpy()}
    scope = parts[0].replace("fc", "Dense" if is_generator else "Mapping").replace("embed", label)
    return {f"{scope}/{parts[1]}": tf_dense(tensor) if parts[1] == "weight" else tensor.numpy()}


def _scope(block: str, layer: str, size: int, is_growing: bool) -> str:
    r = int(block[1:])
    if layer in ("torgb", "fromrgb"):
        side = "ToRGB" if layer == "torgb" else "FromRGB"
        return f"{side}_lod{size.bit_length() - r.bit_length()}" if is_growing else f"{r}x{r}/{side}"
    if r == 4 and layer == "conv1":
        return "4x4/Conv"
    return f"{r}x{r}/" + {"conv0": "Conv0_up", "conv1": "Conv1", "skip": "Skip"}[layer]


def _synthesis_variable(parts: list[str], tensor: Tensor, size: int, is_first: bool, config: AnyConfig,
                        fused_from: int) -> dict[str, Any]:
    block, layer, *rest = parts
    r, leaf, log2 = int(block[1:]), ".".join(rest), int(block[1:]).bit_length() - 1
    if layer == "const":
        return {"4x4/Const/const": tensor[None].numpy()}
    if layer == "dense":
        return {"4x4/Dense/weight": tf_dense(tensor)}
    if leaf == "resample_filter" or layer == "resample_filter":
        return {}
    scope = _scope(block, layer, size, is_first or config.architecture == "growing")
    if is_first and r == 4 and layer == "conv0":
        scope = "4x4/Const" if config.const_input else "4x4/Dense"
    is_up = layer in ("conv0", "skip") and r > 4
    if leaf == "weight":
        return {f"{scope}/weight": tf_conv(tensor, flip=is_up and (not is_first or r >= fused_from))}
    if leaf == "noise_const":
        first, second = (2 * log2 - 4, 2 * log2 - 3) if is_first else (2 * log2 - 5, 2 * log2 - 4)
        return {f"noise{first if layer == 'conv0' else second}": tensor[None, None].numpy()}
    if is_first:
        names = {"bias": "bias", "noise_strength": "Noise/weight", "affine.weight": "StyleMod/weight",
                 "affine.bias": "StyleMod/bias"}
        return {f"{scope}/{names[leaf]}": tf_dense(tensor) if leaf == "affine.weight" else tensor.numpy()}
    if leaf == "affine.bias":
        return {f"{scope}/mod_bias": tensor.numpy() - np.float32(1)}
    if leaf == "noise_strength":
        return {f"{scope}/noise_strength": np.float32(tensor.item())}            # a scalar, as in the real files
    names = {"bias": "bias", "affine.weight": "mod_weight"}
    return {f"{scope}/{names[leaf]}": tf_dense(tensor) if leaf == "affine.weight" else tensor.numpy()}


def _discriminator_variable(parts: list[str], tensor: Tensor, size: int, is_first: bool, config: AnyConfig,
                            ) -> dict[str, Any]:
    block, layer, leaf = (*parts, "")[:3]
    r = int(block[1:])
    if "resample_filter" in (layer, leaf):
        return {}
    names = {"conv0": f"{r}x{r}/Conv0", "conv1": f"{r}x{r}/Conv1_down", "skip": f"{r}x{r}/Skip", "conv": "4x4/Conv",
             "fc": "4x4/Dense0", "out": "4x4/Dense1" if is_first else "Output"}
    scope = names.get(layer) or _scope(block, layer, size, is_first or config.architecture == "growing")
    if leaf == "bias":
        return {f"{scope}/bias": tensor.numpy()}
    return {f"{scope}/weight": tf_dense(tensor) if tensor.ndim == 2 else tf_conv(tensor)}
