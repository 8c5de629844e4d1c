"""What generator and discriminator are trained to minimise: adversarial losses and their regularisers.

Functions of scores, images and latents, without networks or state: the training loop decides what passes through
augmentation, and when. Spec: training.md "Loss".
"""
from __future__ import annotations

from collections.abc import Callable
from math import prod, sqrt
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Loss = Callable[[Tensor], Tensor]                    # scores [N, 1] -> losses [N, 1]


class AdversarialLoss(NamedTuple):
    """The generator's loss of the scores of its images, and the discriminator's of fake and of real scores.

    The discriminator's loss is the sum of its two, so fakes and reals may run in passes of their own.
    """
    generator: Loss
    fake: Loss
    real: Loss


ADVERSARIAL: dict[str, AdversarialLoss] = {
    # Goodfellow et al. 2014 sec. 3: the non-saturating form is the default of StyleGAN 1 to 3
    "nonsaturating": AdversarialLoss(lambda fake: softplus(-fake), softplus, lambda real: softplus(-real)),
    "saturating": AdversarialLoss(lambda fake: -softplus(fake), softplus, lambda real: softplus(-real)),
    # Arjovsky et al. 2017, with ProGAN's drift term that keeps real scores near 0 (Karras et al. 2018 app. A.1)
    "wgan": AdversarialLoss(lambda fake: -fake, lambda fake: fake, lambda real: 1e-3 * real.square() - real),
    # Lim and Ye 2017
    "hinge": AdversarialLoss(lambda fake: -fake, lambda fake: relu(1 + fake), lambda real: relu(1 - real)),
}


def squared_gradient(scores: Tensor, images: Tensor) -> Tensor:
    """|dD/dx|² of every image: `scores` [N, 1] of `images` [N, C, H, W], which require gradients -> [N].

    Summed over pixels and channels, and itself differentiable. gamma/2 times its mean is R1 over real images, R2 over
    generated ones (Mescheder et al. 2018). `images` are those before blur and augmentation, which scores include.
    """
    gradient, = torch.autograd.grad(scores.sum(), images, create_graph=True)
    return gradient.square().sum((1, 2, 3))


def gradient_penalty(score: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, between: Tensor) -> Tensor:
    """10 (|dD/dx| - 1)² at a point between every real and fake image [N, C, H, W] -> [N].

    Gulrajani et al. 2017 sec. 4. `score`: images -> [N, 1]; `between` [N]: where, uniform from 0, the real one, to 1.
    """
    between = real.lerp(fake, between.to(real)[:, None, None, None]).detach().requires_grad_()
    return 10 * (squared_gradient(score(between), between).sqrt() - 1).square()


def path_lengths(images: Tensor, ws: Tensor, noise: Tensor) -> Tensor:
    """How far images move per step of w: |J_w^T y| of every sample -> [N] (StyleGAN2 sec. 3.2).

    `images` [N, C, H, W] are computed from `ws` [N, num_ws, w_dim]; `noise`: N(0, 1), shaped as the images. The square
    is summed over w_dim and averaged over num_ws. Differentiable.
    """
    y = noise / sqrt(prod(images.shape[2:]))
    gradient, = torch.autograd.grad((images * y).sum(), ws, create_graph=True)
    return gradient.square().sum(2).mean(1).sqrt()


def path_length_penalty(lengths: Tensor, average: Tensor, decay: float = 0.01,
                        mean: Callable[[Tensor], Tensor] = Tensor.mean) -> tuple[Tensor, Tensor]:
    """((length - a)² [N], a) for `lengths` [N] and a, the scalar moving average, after a step of `decay` towards them.

    Twice the mean of the penalty is StyleGAN2's eq. 4. Gradients flow through a; what is kept until the next call is
    `a.detach()`. It starts at 0. `mean`: of the lengths, where other processes have some too.
    """
    average = average.lerp(mean(lengths), decay)
    return (lengths - average).square(), average
