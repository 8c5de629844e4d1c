"""A synthesis network as a flat, ordered list of stages, and the walk along it.

`forward` of every network is the end of this walk, so training and viewing share one path. A tap is where the walk
is looked at; resuming is where it starts; between two stages is where it may be abandoned and where time is measured.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

Watch = Callable[[str, Tensor], None]    # called with (tap name, its value [N, C, H, W]) as a stage computes it
Edit = Callable[[Tensor], Tensor]        # [N, C, H, W] -> [N, C, H, W]: what an experiment puts in place of a step


class State(NamedTuple):
    """What flows from stage to stage. No stage writes into the state it was given."""
    x: Tensor | None = None              # features [N, C, H, W]
    image: Tensor | None = None          # image so far [N, img_channels, h, w]
    skip: Tensor | None = None           # StyleGAN2 'resnet': the block's input, until it joins the block's output


@dataclass(frozen=True)
class Tap:
    """A signal that can be looked at. Frequencies in cycles per image."""
    name: str                            # 'b64.conv0.act'
    shape: tuple[int, int, int]          # channels, height, width
    w_row: int | None = None             # the row of w behind it
    rate: float | None = None            # sampling rate; None: width (the signal covers the image exactly)
    cutoff: float | None = None          # StyleGAN3 f_c
    stopband: float | None = None        # StyleGAN3 f_t


class Inputs(NamedTuple):
    """What one stage reads besides the state. Fields a stage does not read are None."""
    w: Tensor | None = None              # [N, w_dim]
    noise: Tensor | None = None          # [1 or N, 1, H, W], before its strength; None: no noise
    transform: Tensor | None = None      # [3, 3], in place of the input's own buffer
    update_ema: bool = False             # training: move magnitude averages before their use
    edit: Edit | None = None             # StyleGAN1: in place of the layer's instance normalisation


def ignore(name: str, value: Tensor) -> None:
    """The watch that watches nothing."""


@dataclass(frozen=True)
class Stage:
    """One step of synthesis: a layer, a ToRGB or the final image."""
    name: str                            # 'b64.conv0', 'b64.torgb', 'L7_276_645', 'image'
    run: Callable[[State, Inputs, Watch], State]
    taps: tuple[Tap, ...]                # in the order they are computed; the last is the stage's result
    w_row: int | None = None
    noise_const: Tensor | None = None    # [H, W] buffer; None: this stage takes no noise
    reads_transform: bool = False

    def inputs(self, ws: Tensor | None, noise: dict[str, Tensor | None], transform: Tensor | None = None,
               update_ema: bool = False) -> Inputs:
        """Selects this stage's share of `ws` [N, num_ws, w_dim], `noise` (by stage name) and `transform` [3, 3]."""
        return Inputs(
            w=None if self.w_row is None else ws[:, self.w_row],
            noise=noise.get(self.name),
            transform=transform if self.reads_transform else None,
            update_ema=update_ema,
        )


def draw_noise(stages: Sequence[Stage], mode: str, num: int, generator: torch.Generator | None = None,
               ) -> dict[str, Tensor | None]:
    """Noise for every stage that takes any, drawn up front and in stage order.

    `mode`: 'const' (the buffers), 'random' (N(0,1) for each of `num` samples, drawn on the CPU so that a seed means the
    same picture on every device) or 'none'. Returns {stage name: [1 or num, 1, H, W] or None}.
    """
    noise: dict[str, Tensor | None] = {}
    for stage in stages:
        if stage.noise_const is None:
            continue
        const = stage.noise_const
        if mode == "const":
            noise[stage.name] = const[None, None]
        elif mode == "random":
            drawn = torch.randn(num, 1, *const.shape, generator=generator)
            noise[stage.name] = drawn.to(const.device)
        elif mode == "none":
            noise[stage.name] = None
        else:
            raise ValueError(f"noise mode '{mode}' is not one of const, random, none")
    return noise


def walk(stages: Iterable[Stage], inputs: Iterable[Inputs], state: State = State(), watch: Watch = ignore,
         ) -> Iterator[tuple[Stage, State]]:
    """Runs the stages in order, yielding each with the state after it. Stop iterating to abandon the walk."""
    for stage, given in zip(stages, inputs, strict=True):
        state = stage.run(state, given, watch)
        yield stage, state


def synthesize(stages: Sequence[Stage], ws: Tensor, noise: dict[str, Tensor | None], transform: Tensor | None = None,
               update_ema: bool = False, watch: Watch = ignore) -> Tensor:
    """The image [N, C, H, W] at the end of the walk."""
    state = State()
    inputs = [stage.inputs(ws, noise, transform, update_ema) for stage in stages]
    for _, reached in walk(stages, inputs, watch=watch):
        state = reached
    return state.image


def all_taps(stages: Sequence[Stage]) -> tuple[Tap, ...]:
    return tuple(tap for stage in stages for tap in stage.taps)
