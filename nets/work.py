"""What each layer of a network has to compute and to move, counted from its shapes.

Arithmetic is that of each layer's cheapest exact direct form: a strided transposed convolution for up=2 (of nearest-
neighbour upsampling the box joins the blur), FIR filters separable and polyphase, or tap by tap where they are radial.
Bytes: a layer's input, weights and result, once each. Additions per pixel (noise, bias, activation, normalisation) and
StyleGAN2's upsampling of the image, under a thousandth together, are left out.
"""
from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import singledispatch

import torch
from torch import Tensor, nn

from cuda_ops import dispatch
from nets import generator, layers, stylegan1, stylegan2, stylegan3
from nets.stages import draw_noise, walk


@dataclass(frozen=True)
class Work:
    """What one layer has to do. `shape`: (N, I, O, k, H, W) of its convolution, H x W being counted pixels."""
    name: str
    conv: float                          # floating-point operations, a multiplication and an addition being two
    fir: float
    bytes: float
    dtype: torch.dtype
    shape: tuple[int, ...] | None = None


def count(network: nn.Module, run: Callable[[nn.Module], object]) -> list[Work]:
    """The work of every layer that `run` calls; it runs on a copy of `network` on the meta device: shapes, no numbers.
    """
    shapes, done = _counting(network)
    with torch.no_grad(), dispatch.use("reference"):
        run(shapes)
    return done


def count_stages(synthesis: generator.SynthesisNetwork, lod: float | None = None) -> dict[str, list[Work]]:
    """The work of each stage, by its name, for one sample; `lod`: level of detail, None for the configuration's."""
    shapes, done = _counting(synthesis)
    stages, ws = shapes.stages(lod), torch.empty(1, synthesis.num_ws, synthesis.w_dim, device="meta")
    noise, counted = draw_noise(stages, "const", 1), {}
    with torch.no_grad(), dispatch.use("reference"):
        for stage, _ in walk(stages, [stage.inputs(ws, noise) for stage in stages]):
            counted[stage.name] = done.copy()
            done.clear()
    return counted


def _counting(network: nn.Module) -> tuple[nn.Module, list[Work]]:
    """A copy on the meta device, without the numbers of `network`, and the list that its layers add their work to."""
    parameters = {id(p): nn.Parameter(p.to("meta"), requires_grad=False) for p in network.parameters()}
    buffers = {id(b): b.to("meta") for b in network.buffers()}
    network, done = copy.deepcopy(network, parameters | buffers), []

    def called(name: str) -> Callable:
        def hook(module: nn.Module, arguments: tuple, y: Tensor) -> None:
            done.append(_work(module, name, arguments[0], y))
        return hook
    for name, module in network.named_modules():
        if _work.dispatch(type(module)) is not _work.dispatch(object):
            module.register_forward_hook(called(name))
    return network, done


@singledispatch
def _work(module: nn.Module, name: str, x: Tensor, y: Tensor) -> Work:
    raise NotImplementedError(f"no count for {type(module).__name__}")


@_work.register
def _(module: layers.Dense, name, x, y):
    return _convolution(module.weight[:, :, None, None], name, x, y, (1, 1))


@_work.register
def _(module: stylegan1.Layer, name, x, y):
    taps = module.up + len(module.config.blur_filter or (1,)) - 1           # the box and the blur as one filter
    return _block_layer(module, taps, name, x, y)


@_work.register
def _(module: stylegan2.Layer, name, x, y):
    return _block_layer(module, len(module.config.resample_filter), name, x, y)


def _block_layer(module: stylegan1.Layer | stylegan2.Layer, taps: int, name: str, x: Tensor, y: Tensor) -> Work:
    if module.up == 1:
        return _convolution(module.weight, name, x, y, y.shape[2:])
    rows = module.up * x.shape[2] + 1                                       # of the transposed convolution
    return _convolution(module.weight, name, x, y, x.shape[2:], separable(y.shape[1], taps, rows, y.shape[2:]))


@_work.register
def _(module: stylegan1.Epilogue, name, x, y):
    return Work(name, 0, 0, x.nbytes + y.nbytes, x.dtype)


@_work.register
def _(module: stylegan2.ToRGB, name, x, y):
    return _convolution(module.weight, name, x, y, y.shape[2:])


@_work.register
def _(module: layers.Conv2d, name, x, y):
    """A pointwise convolution trades places with its filter, so that both run at the low rate."""
    (o, i, k, _), fir = module.weight.shape, 0
    if module.up > 1:
        fir = separable(o, module.resample_filter.shape[-1] / module.up, x.shape[2], y.shape[2:])
    elif module.down > 1:
        fir = separable(i, module.resample_filter.shape[-1], x.shape[2], (y if k == 1 else x).shape[2:])
    return _convolution(module.weight, name, x, y, min(x.shape[2:], y.shape[2:]), fir)


@_work.register
def _(module: stylegan3.FourierInput, name, w, y):
    """Every feature's samples from two coordinates, and their mixing."""
    mixing = _convolution(module.weight[:, :, None, None], name, w, y, y.shape[2:])
    return replace(mixing, conv=mixing.conv + 4 * y.numel())


@_work.register
def _(module: stylegan3.Layer, name, x, y):
    g, channels, fir = module.geometry, y.shape[1], 0
    h, w = (size + g.conv_kernel - 1 for size in x.shape[2:])
    up_size = g.up_size[::-1]                                               # height, width
    if g.up_taps > 1:
        fir += separable(channels, g.up_taps / g.up_factor, h, up_size)
    if g.down_taps > 1 and g.radial_down:
        fir += 2 * channels * g.down_taps ** 2 * y.shape[2] * y.shape[3]
    elif g.down_taps > 1:
        fir += separable(channels, g.down_taps, up_size[0], y.shape[2:])
    return _convolution(module.weight, name, x, y, (h, w), fir)


def separable(channels: int, taps: float, rows: int, size: Sequence[int]) -> float:
    """A sample's operations in a filter from `rows` of input to `size` (H, W), along x and then along y. `taps`: those
    that meet samples and not inserted zeros."""
    return 2 * channels * taps * (rows + size[0]) * size[1]


def _convolution(weight: Tensor, name: str, x: Tensor, y: Tensor, pixels: Sequence[int], fir: float = 0) -> Work:
    """`pixels` (H, W): where the weights are applied. `fir`: of one sample."""
    (o, i, k, _), (h, w), num = weight.shape, pixels, len(x)
    moved = x.nbytes + y.nbytes + weight.numel() * x.element_size()
    return Work(name, 2 * num * weight.numel() * h * w, num * fir, moved, x.dtype, (num, i, o, k, h, w))
