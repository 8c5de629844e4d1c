"""A StyleGAN3 as it would be without its filters, for experiments: one tap in their place (StyleGAN3 sec. 2, 3)."""
from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor

from nets.stylegan3 import SynthesisNetwork


def with_one_tap(synthesis: SynthesisNetwork, layers: Iterable[str]) -> SynthesisNetwork:
    """The same network, all tensors shared but the filters of `layers`, which are named as in `synthesis.layers`.

    There a sample of the higher rate comes from one of the lower: samples are repeated to upsample, every n-th is kept
    to downsample. So what the non-linearity adds beyond Nyquist stays in the signal, as an alias.
    """
    shared = {id(tensor): tensor for tensor in (*synthesis.parameters(), *synthesis.buffers())}
    changed = copy.deepcopy(synthesis, shared)
    for layer in (getattr(changed, name) for name in layers):
        if layer.up_filter is not None:
            layer.up_filter = _centred(layer.up_filter, layer.geometry.up_factor)
        if layer.down_filter is not None:
            layer.down_filter = _centred(layer.down_filter, 1)
    return changed


def _centred(f: Tensor, count: int) -> Tensor:
    """A box of `count` taps in the middle of a filter [taps] or [taps, taps], of sum 1; zeros around."""
    taps = f.shape[-1]
    box = torch.zeros(taps, dtype=f.dtype, device=f.device)
    box[(taps - count) // 2:][:count] = 1 / count
    return box if f.ndim == 1 else torch.outer(box, box)
