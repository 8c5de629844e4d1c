"""Networks of the TensorFlow tools (StyleGAN1, StyleGAN2, ADA), out of a read pickle (checkpoints.md part 2)."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from .blob import Malformed
from .tensors import Held, TensorSource
from .values import Instance

MAX_DEPTH = 4
NAMES = ("G", "D", "G_ema")              # of the tuple (G, D, Gs): Gs is the averaged generator


@dataclass(frozen=True)
class Network:
    """A network with its components taken in. `variables`: by their names within the component."""
    version: int | None
    kwargs: dict
    variables: dict[str, TensorSource]


def find_networks(root: Any) -> dict[str, Network]:
    """Empty if there is none."""
    if _is_network(root):
        return {"G_ema" if _components(root) else "D": _flatten(root)}
    if isinstance(root, (tuple, list)) and len(root) == 3 and all(map(_is_network, root)):
        return {name: _flatten(network) for name, network in zip(NAMES, root)}
    return {}


def _is_network(value: Any) -> bool:
    return isinstance(value, Instance) and "variables" in value.state and "static_kwargs" in value.state


def _components(network: Instance) -> list[Instance]:
    components = network.state.get("components")
    return [part for part in components.values() if _is_network(part)] if isinstance(components, dict) else []


def _flatten(network: Instance, depth: int = 0) -> Network:
    if depth > MAX_DEPTH:
        raise Malformed("has networks nested without end")
    state = network.state
    if not isinstance(state["variables"], list) or not isinstance(state["static_kwargs"], dict):
        raise Malformed("is damaged: a network's variables are no list")
    parts = [_flatten(part, depth + 1) for part in _components(network)]
    kwargs = {name: value for group in [*(part.kwargs for part in parts), state["static_kwargs"]]
              for name, value in group.items() if isinstance(name, str)}
    variables = dict(_variable(item) for item in state["variables"])
    for part in parts:
        variables |= part.variables
    version = state.get("version")
    return Network(version if isinstance(version, int) else None, kwargs, variables)


def _variable(item: Any) -> tuple[str, TensorSource]:
    if not isinstance(item, tuple) or len(item) != 2 or not isinstance(item[0], str):
        raise Malformed("is damaged: a variable has no name")
    name, value = item
    if isinstance(value, (int, float)):
        return name, Held(torch.tensor(float(value)))
    if not hasattr(value, "load"):
        raise Malformed(f"is damaged: the variable {name} is no array")
    return name, value
