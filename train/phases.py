"""The phases of a training step: each runs its networks once and adds to the gradients of the one it trains.

Order of a step: generator_main, generator_regularizer, discriminator_main, discriminator_regularizer; StyleGAN1 runs
discriminator_main with its regulariser inside, then generator_main. Spec: training.md "Loss".
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from nets.generator import Generator
from nets.stages import synthesize
from train.latents import Latents
from train.losses import (
    ADVERSARIAL,
    AdversarialLoss,
    Loss,
    gradient_penalty,
    path_length_penalty,
    path_lengths,
    squared_gradient,
)
from train.processes import mean_over_processes, share_averages

Show = Callable[[Tensor], Tensor]        # images [N, C, H, W] -> what the discriminator is shown of them
Stats = dict[str, Tensor]                # {'D.real_score': one value per sample [N]}, detached


@dataclass(frozen=True)
class LossConfig:
    """What is minimised. `gamma` is the weight of R1 or R2; the gradient penalty has one of its own."""
    adversarial: str = "nonsaturating"   # key of losses.ADVERSARIAL
    regularizer: Literal["r1", "r2", "gp", "none"] = "r1"
    gamma: float = 10.0
    pl_weight: float = 2.0
    pl_batch_shrink: int = 2             # path lengths of the first N / shrink samples
    pl_decay: float = 0.01
    always_moves_w_avg: bool = False     # ADA's code: in every phase; otherwise in D's pass over fakes alone


def unchanged(images: Tensor) -> Tensor:
    """The `Show` of a discriminator that sees images as they are."""
    return images


@dataclass(frozen=True)
class Phases:
    """The four phases for G and D in training mode, on one micro-batch.

    `show` applies blur and augmentation, drawn for the pass, to fakes and reals alike; `lod`: level of detail of
    growing networks. Each phase adds the gradient of its mean loss to `.grad` of the network it trains and touches no
    other's; over micro-batches they sum. `gain`: the interval of a lazy regulariser (StyleGAN2 app. B).
    """
    G: Generator
    D: nn.Module
    config: LossConfig = LossConfig()
    show: Show = unchanged
    lod: float | None = None

    def generator_main(self, latents: Latents) -> Stats:
        with frozen(self.D):
            scores = self._score(self._images(self._ws(latents), latents), latents.c)
            losses = self._loss.generator(scores)
            losses.mean().backward()
        return _stats({"G.score": scores, "G.loss": losses})

    def generator_regularizer(self, latents: Latents, y: Tensor, average: Tensor, gain: float = 1,
                              ) -> tuple[Stats, Tensor]:
        """Path length regularisation (StyleGAN2 sec. 3.2) of the first latents.

        `y`: N(0, 1), [N, C, H, W] shaped as the images; `average`: the mean length so far, a scalar that starts at 0.
        Returns the new average beside the statistics.
        """
        first = slice(max(len(latents.z) // self.config.pl_batch_shrink, 1))
        latents, y = latents.take(first), y[first]
        ws = self._ws(latents)
        lengths = path_lengths(self._images(ws, latents), ws, y)
        penalties, average = path_length_penalty(lengths, average, self.config.pl_decay,
                                                 lambda lengths: mean_over_processes(lengths.mean()))
        (gain * self.config.pl_weight * penalties.mean()).backward()
        return _stats({"G.path_length": lengths, "G.path_penalty": penalties}), average.detach()

    def discriminator_main(self, latents: Latents, real: Tensor, labels: Tensor | None, regularize: bool = False,
                           between: Tensor | None = None) -> Stats:
        """Fakes, which move w_avg and StyleGAN3's magnitudes, then reals [N, C, H, W] with their labels [N, c_dim].

        `regularize`: with the regulariser, at gain 1, in the same passes (StyleGAN1; StyleGAN2's configs A and B).
        `between`: see `discriminator_regularizer`.
        """
        fake, kind = self._fakes(latents, moves_averages=True), self.config.regularizer if regularize else "none"
        stats = self._judge(fake, latents.c, "fake", self._loss.fake, kind == "r2")
        stats |= self._judge(real, labels, "real", self._loss.real, kind == "r1")
        return stats | (self._judge_between(real, fake, labels, 1, between) if kind == "gp" else {})

    def discriminator_regularizer(self, latents: Latents, real: Tensor, labels: Tensor | None, gain: float = 1,
                                  between: Tensor | None = None) -> Stats:
        """R1 over `real`, R2 over images of `latents`, or the gradient penalty at points between the two.

        `between` [N]: where these are, uniform in 0 .. 1; only the gradient penalty reads it.
        """
        kind = self.config.regularizer
        if kind == "r1":
            return self._judge(real, labels, "real", None, True, gain)
        if kind == "r2":
            return self._judge(self._fakes(latents), latents.c, "fake", None, True, gain)
        return self._judge_between(real, self._fakes(latents), labels, gain, between) if kind == "gp" else {}

    def _judge(self, images: Tensor, labels: Tensor | None, name: str, loss: Loss | None, is_penalized: bool,
               gain: float = 1) -> Stats:
        """One pass of D: `loss` of the scores (None: none), and gamma/2 |dD/dx|² at the images before `show`."""
        images = images.detach().requires_grad_(is_penalized)
        scores, losses = self._score(images, labels), {}
        if loss:
            losses[f"D.{name}_loss"] = loss(scores)
        if is_penalized:
            losses["D.penalty"] = self.config.gamma / 2 * squared_gradient(scores, images)
        (gain * sum(values.mean() for values in losses.values())).backward()
        return _stats({f"D.{name}_score": scores} | losses)

    def _judge_between(self, real: Tensor, fake: Tensor, labels: Tensor | None, gain: float,
                       between: Tensor) -> Stats:
        penalties = gradient_penalty(lambda images: self._score(images, labels), real, fake, between)
        (gain * penalties.mean()).backward()
        return _stats({"D.penalty": penalties})

    @property
    def _loss(self) -> AdversarialLoss:
        return ADVERSARIAL[self.config.adversarial]

    def _ws(self, latents: Latents, moves_w_avg: bool = False) -> Tensor:
        """[N, num_ws, w_dim], mixed; the second styles move no average."""
        z, c, other_z, cutoff, _ = latents
        ws = self.G.mapping(z, c, update_w_avg=moves_w_avg or self.config.always_moves_w_avg)
        if cutoff == self.G.num_ws:
            return ws
        return torch.cat([ws[:, :cutoff], self.G.mapping(other_z, c)[:, cutoff:]], dim=1)

    def _images(self, ws: Tensor, latents: Latents, moves_magnitudes: bool = False) -> Tensor:
        return synthesize(self.G.synthesis.stages(self.lod), ws, latents.noise, update_ema=moves_magnitudes)

    @torch.no_grad()
    def _fakes(self, latents: Latents, moves_averages: bool = False) -> Tensor:
        images = self._images(self._ws(latents, moves_averages), latents, moves_averages)
        if moves_averages:
            share_averages(self.G)
        return images

    def _score(self, images: Tensor, labels: Tensor | None) -> Tensor:
        return self.D(self.show(images), labels, self.lod)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Within the block gradients pass through the network, and its parameters neither ask for any nor cost any."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)


def _stats(values: dict[str, Tensor]) -> Stats:
    return {name: v.detach().flatten() for name, v in values.items()}


def replace_nonfinite(network: nn.Module, limit: float = 1e5) -> dict[str, int]:
    """Gradients that are nan become 0, infinite ones ±`limit`, in place. Returns {parameter: how many}, if any.

    To be called once gradients are summed over micro-batches and processes, before the optimiser's step.
    """
    gradients = {name: p.grad for name, p in network.named_parameters() if p.grad is not None}
    if not gradients:
        return {}
    counts = torch.stack([g.numel() - g.isfinite().sum() for g in gradients.values()]).tolist()
    found = {name: count for name, count in zip(gradients, counts) if count}
    for name in found:
        torch.nan_to_num_(gradients[name], nan=0.0, posinf=limit, neginf=-limit)
    return found
