"""From a request's latent to w: seeds, the seed plane, labels, truncation, mixing (StyleGAN sec. 3.1, 4, app. B)."""
from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from nets.errors import UserError
from nets.mapping import MappingNetwork, truncate
from renderer.types import Array, Latent, Mix, MixTable, Source

MAX_PSI = 1e30                           # more is too much for float32
ROW_STRIDE = 100                         # seeds from one row of the seed plane to the next


def latent_ws(mapping: MappingNetwork, latent: Latent, mix: Mix = Mix()) -> Tensor:
    """ws [N, num_ws, w_dim] on the mapping's device: mapped, truncated, then mixed.

    A given `latent.w` is neither mapped nor truncated; the mixed-in seed always is. Raises UserError on arrays of other
    shapes, and on a label missing or out of range where one is needed.
    """
    ws = _given_ws(mapping, latent.w) if latent.w is not None else _mapped_ws(mapping, latent)
    if not mix.rows:
        return ws
    return mixed(ws, source_ws(mapping, mix.source, latent), mix.rows)


def table_ws(mapping: MappingNetwork, latent: Latent, table: MixTable) -> Iterator[Tensor | None]:
    """The mixing table in reading order, each cell ws [1, num_ws, w_dim]: an empty corner and sources A across, then
    in each row a source B and B with `table.rows` of each A (sec. 3.1, fig. 3)."""
    across = []
    yield None
    for source in table.across:
        across.append(source_ws(mapping, source, latent))
        yield across[-1]
    for source in table.down:
        b = source_ws(mapping, source, latent)
        yield b
        yield from (mixed(b, a, table.rows) for a in across)


def seeds_ws(mapping: MappingNetwork, latent: Latent, mix: Mix, seeds: tuple[int, ...]) -> Iterator[Tensor]:
    """Each seed's ws [1, num_ws, w_dim], as `latent_ws` gives it for that seed."""
    other = source_ws(mapping, mix.source, latent) if mix.rows else None
    for seed in seeds:
        ws = source_ws(mapping, Source(seed), latent)
        yield ws if other is None else mixed(ws, other, mix.rows)


def mixed(ws: Tensor, other: Tensor, rows: tuple[int, ...]) -> Tensor:
    """ws [N, num_ws, w_dim] with these rows taken from `other` [1, num_ws, w_dim]."""
    ws, rows = ws.clone(), sorted(set(rows))
    ws[:, rows] = other[:, rows]
    return ws


def source_ws(mapping: MappingNetwork, source: Source, latent: Latent) -> Tensor:
    """ws [1, num_ws, w_dim] of a source; a seed takes the label and the truncation of `latent`."""
    if source.w is not None:
        return _given_ws(mapping, source.w, f"the w of '{source.name}'" if source.name else "a source's w")[:1]
    c = label(latent.classes, mapping.c_dim, mapping.w_avg.device)
    return _truncated(mapping, _map_seed(mapping, source.seed, c), c, latent)


def random_z(seed: int, z_dim: int) -> np.ndarray:
    """The seed's z: float64 [1, z_dim]. Seeds wrap at 2^32, negative ones too."""
    return np.random.RandomState(seed % 2 ** 32).randn(1, z_dim)


def corners(x: float, y: float) -> list[tuple[int, float]]:
    """(seed, weight) of the seed plane's points around (x, y), seed = x + 100 y; only weights above 0.

    At whole numbers that is one seed of weight 1, so its w comes out unchanged.
    """
    if not (math.isfinite(x) and math.isfinite(y)):
        raise UserError(f"the seed plane has no point ({x}, {y}).")
    x0, y0 = math.floor(x), math.floor(y)
    fx, fy = x - x0, y - y0
    weighted = [(x0 + i + ROW_STRIDE * (y0 + j), (fx if i else 1 - fx) * (fy if j else 1 - fy))
                for j in (0, 1) for i in (0, 1)]
    return [(seed, weight) for seed, weight in weighted if weight > 0]


def label(classes: tuple[tuple[int, float], ...], c_dim: int, device: torch.device | str = "cpu") -> Tensor | None:
    """The label [1, c_dim]: `classes`' weighted sum of one-hot rows; None for an unconditional network.

    Raises UserError, naming the range, if a class is missing or does not exist.
    """
    if c_dim == 0:
        return None
    if not classes:
        raise UserError(f"this network is conditional: choose a class from 0 to {c_dim - 1}.")
    weights = [0.0] * c_dim
    for index, weight in classes:
        if not 0 <= index < c_dim:
            raise UserError(f"there is no class {index}: this network has classes 0 to {c_dim - 1}.")
        weights[index] += weight
    return torch.tensor([weights], dtype=torch.float32, device=device)


def tensor_of(array: Array, device: torch.device | str) -> Tensor:
    """The array as float32."""
    return torch.from_numpy(array.numpy().astype(np.float32)).to(device)


def _given_ws(mapping: MappingNetwork, w: Array, name: str = "w") -> Tensor:
    ws = tensor_of(w, mapping.w_avg.device)
    ws = ws[None] if ws.ndim == 2 else ws
    if ws.ndim != 3 or list(ws.shape[1:]) != [mapping.num_ws, mapping.w_dim] or not len(ws):
        raise UserError(f"{name} has shape {list(w.shape)}, this network takes [N, {mapping.num_ws}, {mapping.w_dim}].")
    return ws


def _mapped_ws(mapping: MappingNetwork, latent: Latent) -> Tensor:
    device = mapping.w_avg.device
    c = label(latent.classes, mapping.c_dim, device)
    if latent.z is None:
        ws = sum(weight * _map_seed(mapping, seed, c) for seed, weight in corners(latent.x, latent.y))
    else:
        z = tensor_of(latent.z, device)
        if z.ndim != 2 or z.shape[1] != mapping.z_dim or not len(z):
            raise UserError(f"z has shape {list(latent.z.shape)}, this network takes [N, {mapping.z_dim}].")
        c = None if c is None else c.expand(len(z), -1)
        ws = mapping(z, c)
    return _truncated(mapping, ws, c, latent)


def _map_seed(mapping: MappingNetwork, seed: int, c: Tensor | None) -> Tensor:
    z = torch.from_numpy(random_z(seed, mapping.z_dim).astype(np.float32))
    return mapping(z.to(mapping.w_avg.device), c)


def _truncated(mapping: MappingNetwork, ws: Tensor, c: Tensor | None, latent: Latent) -> Tensor:
    if latent.cutoff is not None and latent.cutoff < 0:
        raise UserError(f"the truncation cutoff {latent.cutoff} is not a number of rows.")
    if abs(latent.psi) > MAX_PSI:
        raise UserError(f"the truncation psi {latent.psi:g} is beyond ±{MAX_PSI:g}.")
    return truncate(ws, mapping.average(c), latent.psi, latent.cutoff)
