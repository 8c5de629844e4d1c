"""What all generators share: the mapping in front of the synthesis network, and synthesis as a walk along its stages."""
from __future__ import annotations

import torch
from torch import Tensor, nn

from nets.config import GeneratorConfig
from nets.errors import UserError
from nets.mapping import MappingNetwork
from nets.stages import Stage, Watch, draw_noise, ignore, synthesize


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> image [N, img_channels, H, W]. A family lists its `stages`; `forward` walks them."""

    num_ws: int
    w_dim: int
    variant: str                                    # 'skip', 'T', 'traditional', ..
    resolution: tuple[int, int]                     # (H, W)
    precision: torch.dtype = torch.float32          # float16 or bfloat16: what the layers marked for it run in

    def stages(self, lod: float | None = None) -> list[Stage]:
        """The layers that exist at level of detail `lod` (None: the configuration's), in order, `image` last."""
        raise NotImplementedError

    def forward(self, ws: Tensor, noise: str = "const", lod: float | None = None, transform: Tensor | None = None,
                update_ema: bool = False, generator: torch.Generator | None = None, watch: Watch = ignore) -> Tensor:
        """`noise`: const, random (drawn from `generator`) or none. `transform` [3, 3]: StyleGAN3's input transform.

        `update_ema`: see `stages.Inputs`; `watch` sees every tap. Raises UserError on ws of another shape, on an
        unknown noise mode and on a `lod` this network does not have.
        """
        if ws.ndim != 3 or list(ws.shape[1:]) != [self.num_ws, self.w_dim]:
            raise UserError(f"w has shape {list(ws.shape)}, this network takes [N, {self.num_ws}, {self.w_dim}].")
        if noise not in ("const", "random", "none"):
            raise UserError(f"noise '{noise}' is not one of const, random, none.")
        stages = self.stages(lod)
        return synthesize(stages, ws, draw_noise(stages, noise, len(ws), generator), transform, update_ema, watch)


class Generator(nn.Module):
    """z [N, z_dim], label c [N, c_dim] -> image [N, img_channels, H, W]."""

    def __init__(self, config: GeneratorConfig, synthesis: SynthesisNetwork):
        super().__init__()
        self.config = config
        self.z_dim, self.c_dim, self.w_dim = config.z_dim, config.c_dim, config.w_dim
        self.img_channels = config.img_channels
        self.num_ws, self.resolution = synthesis.num_ws, synthesis.resolution
        self.synthesis = synthesis
        self.mapping = MappingNetwork(config.mapping, self.z_dim, self.c_dim, self.w_dim, self.num_ws)

    @property
    def variant(self) -> str:
        return self.synthesis.variant

    def forward(self, z: Tensor, c: Tensor | None = None, psi: float = 1.0, cutoff: int | None = None,
                noise: str = "const", lod: float | None = None, transform: Tensor | None = None,
                generator: torch.Generator | None = None) -> Tensor:
        """`psi`, `cutoff`: truncation; the rest as in `SynthesisNetwork.forward`. Raises UserError on bad shapes."""
        return self.synthesis(self.mapping(z, c, psi, cutoff), noise, lod, transform, generator=generator)
