"""Networks of the PyTorch tools (StyleGAN2-ADA, StyleGAN3, StyleGAN-XL, StyleGAN-Human, forks), out of a read pickle.

A module is known by its `__dict__`: parameters, buffers, child modules, the arguments it was made with, and plain
attributes (checkpoints.md part 1).
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .blob import Malformed
from .tensors import TensorSource
from .values import Instance

MAX_MODULES, MAX_DEPTH = 10_000, 32
NAMES = ("G", "D", "G_ema")


@dataclass(frozen=True)
class Module:
    """A pickled module. `kwargs`: what it was made with; `attributes`: its plain attributes."""
    class_name: str
    kwargs: dict
    attributes: dict
    tensors: dict[str, TensorSource]             # its own parameters and persistent buffers
    children: dict[str, Module]

    def child(self, path: str) -> Module | None:
        """The module at a dotted path below this one."""
        module: Module | None = self
        for name in path.split("."):
            module = module.children.get(name) if module else None
        return module

    def said(self, name: str, default: Any = None) -> Any:
        """A value as the module was made with it, else as it holds it."""
        return self.kwargs.get(name, self.attributes.get(name, default))

    def state(self) -> dict[str, TensorSource]:
        """Tensors by their state-dict names."""
        return dict(self._walk(""))

    def _walk(self, prefix: str) -> Iterator[tuple[str, TensorSource]]:
        for name, tensor in self.tensors.items():
            yield prefix + name, tensor
        for name, module in self.children.items():
            yield from module._walk(f"{prefix}{name}.")


def find_modules(root: Any) -> dict[str, Module]:
    """The networks of a snapshot: a dict with some of G, D and G_ema, or one network by itself. Empty if none."""
    if isinstance(root, Instance):
        module = _Converter().convert(root)
        return {"G_ema" if "synthesis" in module.children else "D": module}
    if not isinstance(root, dict):
        return {}
    return {name: _Converter().convert(root[name]) for name in NAMES if isinstance(root.get(name), Instance)}


class _Converter:
    """Turns one network's instances into modules; refuses cycles and networks of absurdly many modules."""

    def __init__(self):
        self._left = MAX_MODULES

    def convert(self, instance: Instance, depth: int = 0) -> Module:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            raise Malformed("has modules nested without end")
        state = instance.state
        children = {name: self.convert(child, depth + 1) for name, child in _entries(state, "_modules").items()
                    if isinstance(child, Instance)}
        attributes = {name: value for name, value in state.items() if isinstance(name, str) and name[:1] != "_"}
        transient = state.get("_non_persistent_buffers_set")
        buffers = {name: buffer for name, buffer in _entries(state, "_buffers").items()
                   if not isinstance(transient, (set, frozenset)) or name not in transient}
        tensors = {name: tensor for name, tensor in {**_entries(state, "_parameters"), **buffers}.items()
                   if hasattr(tensor, "load")}
        return Module(instance.cls.name, _entries(state, "_init_kwargs"), attributes, tensors, children)


def _entries(state: dict, name: str) -> dict[str, Any]:
    values = state.get(name)
    return {key: value for key, value in values.items() if isinstance(key, str)} if isinstance(values, dict) else {}
