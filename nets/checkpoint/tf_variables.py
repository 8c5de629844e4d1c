"""TensorFlow variables: names within a network, layouts, and what their shapes tell (checkpoints.md part 2)."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .blob import Malformed
from .tensors import Held, TensorSource

HEAD = re.compile(r"\d+x\d+|(To|From)RGB_lod\d+|Dense\d+|Mapping\d+|LabelConcat|LabelEmbed|Output|noise\d+|lod|"
                  "dlatent_avg")


class Variables(dict[str, TensorSource]):
    """A network's variables by their names within it: '4x4/Conv/weight', whatever its component is called.

    Made of arrays, numbers or tensor sources under full names ('G_synthesis/4x4/Conv/weight') or own ones.
    """

    def __init__(self, variables: Mapping[str, Any]):
        super().__init__((_own_name(name), value if hasattr(value, "load") else Held(torch.from_numpy(np.array(value))))
                         for name, value in variables.items())

    def need(self, name: str) -> TensorSource:
        if name not in self:
            raise Malformed(f"lacks the variable {name}", "it may come from a variant this program does not know")
        return self[name]

    def matching(self, pattern: str) -> list[str]:
        return [name for name in self if re.fullmatch(pattern, name)]

    def count(self, name: str) -> int:
        """How many layers NAME0, NAME1, .. there are."""
        return next(i for i in range(len(self) + 1) if f"{name}{i}/weight" not in self)

    @cached_property
    def resolutions(self) -> list[int]:
        """Those that layers are named after, smallest first."""
        found = sorted({int(match[1]) for name in self if (match := re.match(r"(\d{1,5})x\1/", name))})
        if not found or found != [4 << i for i in range(len(found))]:
            raise Malformed("has no layers for the resolutions 4, 8, 16, ..")
        return found

    def width(self, resolution: int) -> int:
        """Feature channels there: those of a layer that every network has."""
        names = ("Conv",) if resolution == 4 else ("Conv0", "Conv1")
        weights = (self.get(f"{resolution}x{resolution}/{name}/weight") for name in names)
        return next((weight.shape[-1] for weight in weights if weight is not None and weight.shape), 0)

    def channels(self, base: int, most: int) -> tuple[int, ...] | None:
        """Feature channels by resolution; None where they follow the formula."""
        found = tuple(self.width(r) for r in self.resolutions)
        return None if found == tuple(min(base // r, most) for r in self.resolutions) else found

    @property
    def lod(self) -> float:
        return float(self["lod"].load()) if "lod" in self and self["lod"].shape == () else 0.0


def _own_name(name: str) -> str:
    parts = name.split("/")
    while len(parts) > 1 and not HEAD.fullmatch(parts[0]):
        parts = parts[1:]
    return "/".join(parts)


@dataclass(frozen=True)
class Converted:
    """A variable with its axes in another order, perhaps flipped, reshaped to `shape`, plus a constant."""
    source: TensorSource
    axes: tuple[int, ...]
    shape: tuple[int, ...]
    flip: tuple[int, ...] = ()           # axes after the permutation
    add: float = 0.0

    @property
    def dtype(self) -> torch.dtype:
        return self.source.dtype

    def load(self) -> Tensor:
        tensor = self.source.load().permute(self.axes).flip(self.flip).reshape(self.shape)
        return tensor + self.add if self.add else tensor.contiguous()


def dense(source: TensorSource) -> Converted:
    """[in, out] -> [out, in]."""
    _check_rank(source, 2)
    return Converted(source, (1, 0), source.shape[::-1])


def conv(source: TensorSource, flip: bool = False) -> Converted:
    """[kh, kw, in, out] -> [out, in, kh, kw], with `flip` turned by 180 degrees."""
    _check_rank(source, 4)
    kh, kw, inputs, outputs = source.shape
    return Converted(source, (3, 2, 0, 1), (outputs, inputs, kh, kw), flip=(2, 3) if flip else ())


def const(source: TensorSource) -> Converted:
    """[1, C, 4, 4] -> [C, 4, 4]."""
    return _without_axes(source, 1)


def noise(source: TensorSource) -> Converted:
    """[1, 1, r, r] -> [r, r]."""
    return _without_axes(source, 2)


def plus_one(source: TensorSource) -> Converted:
    """[C] -> [C]: a style's bias, of which the file holds the part beyond 1."""
    _check_rank(source, 1)
    return Converted(source, (0,), source.shape, add=1.0)


def _without_axes(source: TensorSource, count: int) -> Converted:
    _check_rank(source, 4)
    if source.shape[:count] != (1,) * count:
        raise Malformed(f"has a constant or a noise map of shape {list(source.shape)}")
    return Converted(source, (0, 1, 2, 3), source.shape[count:])


def _check_rank(source: TensorSource, rank: int) -> None:
    if len(source.shape) != rank:
        raise Malformed(f"has a weight of shape {list(source.shape)} where one of {rank} dimensions belongs")
