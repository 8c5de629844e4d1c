"""What all generators share: a mapping network before a synthesis network, and synthesis as a walk along stages."""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nets.config import GeneratorConfig, StyleGAN1Config, StyleGAN2Config
from nets.errors import UserError
from nets.growing import check_lod, upsample_nearest
from nets.mapping import MappingNetwork
from nets.stages import Inputs, Stage, State, Tap, Watch, draw_noise, ignore, synthesize


class SynthesisNetwork(nn.Module):
    """ws [N, num_ws, w_dim] -> image [N, img_channels, H, W]. A family lists its `stages`; `forward` walks them."""

    num_ws: int
    w_dim: int
    variant: str                                    # 'skip', 'T', 'traditional', ..
    resolution: tuple[int, int]                     # (H, W)
    precision: torch.dtype = torch.float32          # float16: of the layers marked for it; bfloat16: of all layers

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


class BlockSynthesis(SynthesisNetwork):
    """A synthesis network of blocks b4, b8, .., one per resolution (StyleGAN1 and 2), each a module with `stages`.

    `grows`: whether it ends at an earlier block for a lod above 0. `num_fp16_res`: how many of the highest resolutions
    run in float16, 0 for the 4 that the family's half-precision files choose.
    """

    def __init__(self, config: StyleGAN1Config | StyleGAN2Config, blocks: Sequence[nn.Module], grows: bool,
                 num_fp16_res: int = 0):
        super().__init__()
        self.config, self.w_dim, self.grows = config, config.w_dim, grows
        self.num_blocks, self.num_fp16_res = len(blocks), num_fp16_res or 4
        for index, block in enumerate(blocks):
            self.add_module(f"b{4 << index}", block)

    def stages(self, lod: float | None = None) -> list[Stage]:
        lod = check_lod(lod, self.config.lod, self.num_blocks - 1 if self.grows else 0)
        stages = []
        for index in range(self.num_blocks - math.floor(lod)):
            level = self.num_blocks - 1 - index
            stages += getattr(self, f"b{4 << index}").stages(self._dtype(index), level, lod)
        return stages + [self._image_stage(2 ** math.floor(lod))]

    def _dtype(self, index: int) -> torch.dtype:
        """What the features of a block are computed in; the first one always keeps the parameters' type.

        bfloat16 has float32's range, so no block need be kept from it.
        """
        is_marked = self.precision == torch.bfloat16 or self.num_blocks - index <= self.num_fp16_res
        in_half = index > 0 and is_marked and self.precision != torch.float32
        return self.precision if in_half else next(self.parameters()).dtype

    def _image_stage(self, factor: int) -> Stage:
        """The image; while growing, every pixel repeated `factor` times up to the full resolution."""
        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            image = upsample_nearest(state.image, factor)
            watch("image", image)
            return State(image=image)
        return Stage("image", run, (Tap("image", (self.config.img_channels, *self.resolution)),))


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
