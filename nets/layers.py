"""Layers shared by the networks: dense and convolution at an equalised learning rate, normalisations, growing.

Equalised learning rate (ProGAN sec. 4.1): weights are stored near N(0, 1) and scaled at run time by gain/sqrt(fan_in).
"""
from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops.bias_act import ACTIVATIONS, bias_act
from cuda_ops.conv2d_resample import conv2d_resample
from cuda_ops.upfirdn2d import setup_filter
from nets.errors import UserError


class Dense(nn.Module):
    """x [N, in_features] -> act(x Wᵀ + b) * gain [N, out_features].

    W is the stored weight times weight_gain * lr_multiplier / sqrt(in_features), b the stored bias times lr_multiplier.
    `bias_init` (one number, or one per output) and `weight_init` (standard deviation) hold before lr_multiplier is
    divided out. `act_gain` None takes the activation's own.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, activation: str = "linear",
                 lr_multiplier: float = 1.0, bias_init: float | Sequence[float] = 0.0, weight_init: float = 1.0,
                 weight_gain: float = 1.0, act_gain: float | None = None):
        super().__init__()
        self.activation, self.act_gain, self.lr_multiplier = activation, act_gain, lr_multiplier
        self.coef = weight_gain * lr_multiplier / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) * (weight_init / lr_multiplier))
        bias_init = torch.as_tensor(bias_init, dtype=torch.float32).expand(out_features)
        self.bias = nn.Parameter(bias_init / lr_multiplier) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x * self.coef, self.weight.to(x.dtype))
        b = None if self.bias is None else (self.bias * self.lr_multiplier).to(x.dtype)
        return bias_act(x, b, act=self.activation, gain=self.act_gain)


class Conv2d(nn.Module):
    """x [N, C_in, H, W] -> act(conv(x) + b), optionally resampled by 2 with an FIR filter (ops.md "conv2d_resample").

    Zero-padded to the same size. W is the stored weight [C_out, C_in, k, k] times weight_gain / sqrt(C_in k²); with
    up > 1 it is a true convolution, else a correlation. `act_gain` None takes the activation's own; the result is
    clamped to ±conv_clamp. `save_filter` False keeps the filter out of the state dict.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True,
                 activation: str = "linear", up: int = 1, down: int = 1,
                 resample_filter: Sequence[float] | None = (1, 3, 3, 1), conv_clamp: float | None = None,
                 weight_gain: float = 1.0, act_gain: float | None = None, save_filter: bool = True):
        super().__init__()
        self.activation, self.up, self.down, self.conv_clamp = activation, up, down, conv_clamp
        self.act_gain = ACTIVATIONS[activation].gain if act_gain is None else act_gain
        self.padding = kernel_size // 2
        self.coef = weight_gain / math.sqrt(in_channels * kernel_size ** 2)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.register_buffer("resample_filter", setup_filter(resample_filter), persistent=save_filter)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """`gain` multiplies the result, clamp included."""
        x = conv2d_resample(x, (self.weight * self.coef).to(x.dtype), self.resample_filter, up=self.up,
                            down=self.down, padding=self.padding, flip_weight=self.up == 1)
        b = None if self.bias is None else self.bias.to(x.dtype)
        clamp = None if self.conv_clamp is None else self.conv_clamp * gain
        return bias_act(x, b, act=self.activation, gain=self.act_gain * gain, clamp=clamp)


def for_picture(x: Tensor) -> Tensor:
    """Features as ToRGB takes them: bfloat16 has just the 8 bits that a picture shows, so it goes on in float32."""
    return x.float() if x.dtype == torch.bfloat16 else x


def normalize_2nd_moment(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x / sqrt(mean(x²) + eps) along `dim`: of latents and labels; along the channels it is ProGAN's pixel norm."""
    return x * (x.square().mean(dim, keepdim=True) + eps).rsqrt()


def minibatch_stddev(x: Tensor, group_size: int | None, num_channels: int = 1) -> Tensor:
    """Appends `num_channels` maps of the spread within groups of samples (ProGAN sec. 3, networks.md).

    x [N, C, H, W] -> [N, C + num_channels, H, W]. Of N samples in groups of G = min(group_size, N) (None: N), sample n
    belongs to group n mod (N / G). Raises UserError if G does not divide N.
    """
    if num_channels == 0:
        return x
    num, channels, height, width = x.shape
    group = min(group_size or num, num)
    if num % group:
        raise UserError(f"a minibatch of {num} cannot be split into groups of {group} for the minibatch statistics.")
    y = x.reshape(group, num // group, num_channels, channels // num_channels, height, width)
    y = (y.var(dim=0, correction=0) + 1e-8).sqrt().mean(dim=(2, 3, 4))        # [N / G, num_channels]
    y = y.repeat(group, 1)[:, :, None, None].expand(-1, -1, height, width)
    return torch.cat([x, y], dim=1)


def check_images(image: Tensor, c: Tensor | None, channels: int, size: tuple[int, int], c_dim: int) -> None:
    """Raises UserError unless a discriminator of `channels` and `size` (H, W) can score image and label c."""
    height, width = size
    if image.ndim != 4 or list(image.shape[1:]) != [channels, height, width]:
        raise UserError(f"images have shape {list(image.shape)}, "
                        f"this network takes [N, {channels}, {height}, {width}].")
    if c_dim and (c is None or list(c.shape) != [len(image), c_dim]):
        given = "no label is given" if c is None else f"labels have shape {list(c.shape)}"
        raise UserError(f"{given}, this network takes [{len(image)}, {c_dim}].")
