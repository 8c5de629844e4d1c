"""The mapping network: z and label -> w, its moving average, and truncation (StyleGAN sec. 2, app. B)."""
from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn

from cuda_ops.bias_act import ACTIVATIONS
from nets.config import MappingConfig
from nets.errors import UserError
from nets.layers import Dense, normalize_2nd_moment


def truncate(ws: Tensor, w_avg: Tensor, psi: float = 1.0, cutoff: int | None = None) -> Tensor:
    """w_avg + psi (w - w_avg) for the first `cutoff` rows of ws [N, num_ws, w_dim], all of them if None.

    `w_avg`: [w_dim], or [N, w_dim] for one average per sample.
    """
    if psi == 1:
        return ws
    near = w_avg.unsqueeze(-2).lerp(ws[:, :cutoff], psi)
    return near if cutoff is None else torch.cat([near, ws[:, cutoff:]], dim=1)


class MappingNetwork(nn.Module):
    """z [N, z_dim], label c [N, c_dim] -> ws [N, num_ws, w_dim]; [N, w_dim] if `num_ws` is None.

    `z_dim` 0 maps labels alone (z is then None), `c_dim` 0 latents alone. Without `num_ws` there is no moving average.
    Raises UserError on a z or a label of another shape.
    """

    def __init__(self, config: MappingConfig, z_dim: int, c_dim: int, w_dim: int, num_ws: int | None = None):
        super().__init__()
        self.config, self.z_dim, self.c_dim, self.w_dim, self.num_ws = config, z_dim, c_dim, w_dim, num_ws
        width = z_dim + (self._build_embedding() if c_dim else 0)
        hidden = config.hidden_dim or w_dim
        widths = [width] + [hidden] * (config.num_layers - 1) + [w_dim] * (config.num_layers > 0)
        if widths[-1] != w_dim:
            raise UserError(f"a mapping network without layers gives w of width {width}, not {w_dim}.")
        gain = ACTIVATIONS[config.activation].gain
        gains = {} if config.scale_bias else {"weight_gain": gain, "act_gain": 1.0}
        for i in range(config.num_layers):
            self.add_module(f"fc{i}", Dense(widths[i], widths[i + 1], activation=config.activation,
                                            lr_multiplier=config.lr_multiplier, **gains))
        if num_ws is not None:
            self.register_buffer("w_avg", torch.zeros([c_dim, w_dim] if config.w_avg_per_class else [w_dim]))

    def _build_embedding(self) -> int:
        """Creates the label's layers and returns the width they give."""
        config = self.config
        if config.label == "concat":
            width = config.embed_dim or self.z_dim
            self.embed = nn.Linear(self.c_dim, width, bias=False)
            nn.init.normal_(self.embed.weight)
            return width
        width = config.embed_dim or self.w_dim
        if config.label == "embed":
            self.embed = Dense(self.c_dim, width)
            return width
        self.embed = nn.Embedding(self.c_dim, width)
        self.embed_proj = Dense(width, self.z_dim, activation=config.activation)
        return self.z_dim

    def forward(self, z: Tensor | None, c: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None,
                update_w_avg: bool = False) -> Tensor:
        """`psi`, `cutoff`: see `truncate`. `update_w_avg` moves the average by this batch, before its use."""
        z, c = self._check(z, c)
        w = self._join(z, c)
        for i in range(self.config.num_layers):
            w = getattr(self, f"fc{i}")(w)
        if update_w_avg:
            self._move_average(w.detach(), c)
        if self.num_ws is None:
            return w
        return truncate(w.unsqueeze(1).expand(-1, self.num_ws, -1), self.average(c), psi, cutoff)

    def average(self, c: Tensor | None = None) -> Tensor:
        """The centre that truncation pulls to: [w_dim], or with averages per class [N, w_dim], those of the labels."""
        return self.w_avg[c.argmax(dim=1)] if self.config.w_avg_per_class else self.w_avg

    def _join(self, z: Tensor | None, c: Tensor | None) -> Tensor:
        """Latent and label, normalised, side by side."""
        config = self.config
        if config.label == "concat":
            x = torch.cat([z, self.embed(c)], dim=1) if self.c_dim else z
            return normalize_2nd_moment(x) if config.normalize_z else x
        parts = []
        if self.z_dim:
            parts.append(normalize_2nd_moment(z) if config.normalize_z else z)
        if self.c_dim:
            parts.append(normalize_2nd_moment(self._embed(c)))
        return torch.cat(parts, dim=1)

    def _embed(self, c: Tensor) -> Tensor:
        return self.embed(c) if self.config.label == "embed" else self.embed_proj(self.embed(c.argmax(dim=1)))

    @torch.no_grad()
    def _move_average(self, w: Tensor, c: Tensor | None) -> None:
        step = 1 - self.config.w_avg_beta
        if not self.config.w_avg_per_class:
            self.w_avg.lerp_(w.mean(dim=0), step)
            return
        classes = c.argmax(dim=1)
        for k in classes.unique():
            self.w_avg[k] = self.w_avg[k].lerp(w[classes == k].mean(dim=0), step)

    def _check(self, z: Tensor | None, c: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """z and c in the parameters' type, or a UserError that says what does not fit."""
        dtype = next(chain(self.parameters(), self.buffers())).dtype
        if self.z_dim and (z is None or z.ndim != 2 or z.shape[1] != self.z_dim):
            raise UserError(f"z has shape {_shape(z)}, this network takes [N, {self.z_dim}].")
        if self.c_dim and c is None:
            raise UserError(f"this network is conditional: it takes a label of width {self.c_dim} (classes 0 to "
                            f"{self.c_dim - 1}).")
        num = len(z) if self.z_dim else len(c)
        if c is not None and list(c.shape) != [num, self.c_dim]:
            raise UserError(f"the label has shape {_shape(c)}, this network takes [{num}, {self.c_dim}].")
        return (z.to(dtype) if self.z_dim else None), (c.to(dtype) if self.c_dim else None)


def _shape(x: Tensor | None) -> str:
    return "none" if x is None else str(list(x.shape))
