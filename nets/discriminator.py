"""The discriminator of StyleGAN2 and StyleGAN3: skip, resnet, orig, and growing (Karras et al. 2020, fig. 7)."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops.upfirdn2d import downsample2d, setup_filter
from nets.config import DiscriminatorConfig, channels_at
from nets.growing import check_lod, fade, is_shown
from nets.layers import Conv2d, Dense, check_images, minibatch_stddev
from nets.mapping import MappingNetwork

NUM_FP16_RES = 4                         # highest resolutions in half precision where the file marks none


class Block(nn.Module):
    """Features x [N, C, H, W] of one resolution to [N, C', H/2, W/2] of the next: conv0, conv1, a residual skip."""

    def __init__(self, config: DiscriminatorConfig, resolution: int, has_fromrgb: bool):
        super().__init__()
        channels, out_channels = channels_at(config, resolution), channels_at(config, resolution // 2)
        options = {"activation": config.activation, "conv_clamp": config.conv_clamp}
        halved = {"down": 2, "resample_filter": config.resample_filter}
        if has_fromrgb:
            self.fromrgb = Conv2d(config.img_channels, channels, 1, **options)
        self.conv0 = Conv2d(channels, channels, 3, **options)
        self.conv1 = Conv2d(channels, out_channels, 3, **options, **halved)
        self.skip = Conv2d(channels, out_channels, 1, bias=False, **halved) if config.architecture == "resnet" else None
        self.register_buffer("resample_filter", setup_filter(config.resample_filter))

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.conv0(x))
        return y if self.skip is None else (y + self.skip(x)) * math.sqrt(0.5)


class Epilogue(nn.Module):
    """Features of the last resolution -> minibatch statistics -> conv 3x3 -> two dense layers: [N, out_features]."""

    def __init__(self, config: DiscriminatorConfig, out_features: int, has_fromrgb: bool):
        super().__init__()
        self.config = config
        channels, (height, width) = channels_at(config, 4), config.start_size
        if has_fromrgb:
            self.fromrgb = Conv2d(config.img_channels, channels, 1, activation=config.activation)
        self.conv = Conv2d(channels + config.mbstd_num_channels, channels, 3, activation=config.activation,
                           conv_clamp=config.conv_clamp)
        hidden = config.fc_dim or channels
        self.fc = Dense(channels * height * width, hidden, activation=config.activation)
        self.out = Dense(hidden, out_features)

    def forward(self, x: Tensor) -> Tensor:
        x = minibatch_stddev(x, self.config.mbstd_group_size, self.config.mbstd_num_channels)
        return self.out(self.fc(self.conv(x).flatten(1)))


class Discriminator(nn.Module):
    """image [N, img_channels, H, W], label c [N, c_dim] -> score [N, 1]; it depends on the batch. Raises UserError.

    Level k has the resolution R / 2^k; `precision` is what the levels marked for it run in.
    """

    precision: torch.dtype = torch.float32

    def __init__(self, config: DiscriminatorConfig):
        super().__init__()
        self.config, self.c_dim, self.img_channels = config, config.c_dim, config.img_channels
        self.max_level = int(math.log2(config.resolution // config.start_size[1]))
        self.resolution = config.start_size[0] << self.max_level, config.resolution       # (H, W)
        has_fromrgb = [level == 0 or config.architecture in ("skip", "growing") for level in range(self.max_level + 1)]
        for level in range(self.max_level):
            resolution = 4 << (self.max_level - level)
            self.add_module(f"b{resolution}", Block(config, resolution, has_fromrgb[level]))
        cmap_dim = config.cmap_dim or channels_at(config, 4)
        is_projection = config.c_dim > 0 and config.label == "projection"
        self.b4 = Epilogue(config, cmap_dim if is_projection else max(config.c_dim, 1), has_fromrgb[-1])
        self.mapping = MappingNetwork(config.mapping, 0, config.c_dim, cmap_dim) if is_projection else None
        self._freeze(config.freeze_layers)

    def forward(self, image: Tensor, c: Tensor | None = None, lod: float | None = None) -> Tensor:
        """`lod`: level of detail a growing network begins at; None: the configuration's."""
        config = self.config
        check_images(image, c, self.img_channels, self.resolution, self.c_dim)
        lod = check_lod(lod, config.lod, self.max_level if config.architecture == "growing" else 0)
        return self._score(self.b4(self._features(image, lod)), c)

    def _features(self, image: Tensor, lod: float) -> Tensor:
        first = math.floor(lod)
        x = self._from_rgb(_average(image, first), first)
        for level in range(first, self.max_level):
            x = self._block(level)(x).to(self._dtype(level + 1))
            if self.config.architecture == "skip":
                image = downsample2d(image, self._block(level).resample_filter)
                x = x + self._from_rgb(image, level + 1)
            elif self.config.architecture == "growing" and is_shown(level + 1, lod):
                x = fade(x, self._from_rgb(_average(image, level + 1), level + 1), lod - level)
        return x

    def _block(self, level: int) -> nn.Module:
        return getattr(self, f"b{4 << (self.max_level - level)}")

    def _from_rgb(self, image: Tensor, level: int) -> Tensor:
        return self._block(level).fromrgb(image.to(self._dtype(level)))

    def _dtype(self, level: int) -> torch.dtype:
        """What a level is computed in; the last one always keeps the parameters' type."""
        in_half = level < min(self.config.num_fp16_res or NUM_FP16_RES, self.max_level)
        return self.precision if in_half and self.precision != torch.float32 else self.b4.out.weight.dtype

    def _score(self, features: Tensor, c: Tensor | None) -> Tensor:
        """[N, out_features] -> [N, 1]. Labels by projection as in ADA, or one score per class as in StyleGAN."""
        if not self.c_dim:
            return features
        if self.mapping is None:
            return (features * c.to(features)).sum(dim=1, keepdim=True)
        return (features * self.mapping(None, c)).sum(dim=1, keepdim=True) / math.sqrt(features.shape[1])

    def _freeze(self, num_layers: int) -> None:
        """Freeze-D (ADA sec. 4.3): the first layers' parameters become buffers, counted from the image inwards."""
        layers = [getattr(self._block(level), name, None) for level in range(self.max_level)
                  for name in ("fromrgb", "conv0", "conv1", "skip")]
        for layer in [layer for layer in layers if layer is not None][:num_layers]:
            for name, value in list(layer.named_parameters()):
                delattr(layer, name)
                layer.register_buffer(name, value.detach())


def _average(image: Tensor, level: int) -> Tensor:
    return F.avg_pool2d(image, 2 ** level) if level else image
