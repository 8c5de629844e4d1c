"""Linear separability: can a plane in latent space tell an attribute of the images? (StyleGAN sec. 4.2)."""
from __future__ import annotations

import math

import torch
from torch import Tensor

from nets.errors import UserError
from renderer.measures.detectors import open_detector
from renderer.measures.perceptual import SIDE
from train.metrics.fakes import Fakes
from train.metrics.features import Collected, Progress
from train.metrics.setting import Setting

SOURCE = "a TorchScript classifier of one attribute: float32 [N, 3, H, W] in -1..1 -> a logit each, [N] or [N, 1]"
STEPS = 100                              # of Newton's method, which takes about ten
CLOSE = 1e-6                             # gradient, relative to that at the start, at which it stops


class Separability:
    """2^(sum of H(Y|X)) in bits over attributes Y, X the side of the plane, for z and for w (row 0).

    Of the images, the half that each classifier is most sure of counts.
    """

    def __init__(self, setting: Setting, count: int):
        self.count, self._device = count, setting.device
        self._classifiers = [(path, open_detector(path, setting.device, SOURCE)) for path in setting.classifiers]
        self._z, self._w, self._logits = Collected(count), Collected(count), Collected(count)

    def take(self, fakes: Fakes, numbers: range) -> None:
        z, c, noise = fakes.draw(numbers)
        ws = fakes.G.mapping(z, c)
        images = classifier_input(fakes.images(ws, noise))
        self._logits.add(torch.stack([_logits(path, see, images) for path, see in self._classifiers], dim=1))
        self._z.add(z)
        self._w.add(ws[:, 0])

    def finish(self, progress: Progress) -> dict[str, float]:
        logits, latents, entropies = self._logits.rows(), {"z": self._z, "w": self._w}, {"z": 0.0, "w": 0.0}
        for i, found in enumerate(logits.T):
            sure = found.abs().argsort(descending=True, stable=True)[:max(self.count // 2, 2)]
            for j, (space, collected) in enumerate(latents.items()):
                points, labels = collected.rows()[sure].to(self._device), (found[sure] > 0).to(self._device)
                entropies[space] += conditional_entropy(labels, side_of_plane(points, labels))
                progress((2 * i + j + 1) / (2 * logits.shape[1]))
        return {space: 2 ** entropy for space, entropy in entropies.items()}


def classifier_input(images: Tensor) -> Tensor:
    """[N, C, H, W], averaged down to 256 x 256 by a whole factor, grey repeated to 3 channels: -1..1."""
    factor = max(1, min(images.shape[2:]) // SIDE)
    images = torch.nn.functional.avg_pool2d(images.float(), factor)
    return images.clamp(-1, 1).expand(-1, 3, -1, -1)


def conditional_entropy(labels: Tensor, given: Tensor) -> float:
    """H(Y|X) in bits of two lists of booleans [N]."""
    counts = torch.stack([((given == x) & (labels == y)).sum() for x in (False, True) for y in (False, True)])
    joint = counts.double().reshape(2, 2) / len(labels)
    marginal = joint.sum(dim=1, keepdim=True)
    return (torch.xlogy(marginal, marginal).sum() - torch.xlogy(joint, joint).sum()).item() / math.log(2)


def side_of_plane(points: Tensor, labels: Tensor) -> Tensor:
    """On which side of the plane that tells `labels` [N] best each of `points` [N, F] lies: booleans [N]."""
    if labels.all() or not labels.any():
        return labels
    return _margins(points, linear_svm(points, labels)) > 0


def linear_svm(points: Tensor, labels: Tensor, cost: float = 1.0) -> Tensor:
    """(normal, offset) [F + 1] of the linear support vector machine: the v that makes least
    |v|² / 2 + cost sum max(0, 1 - y v·(x, 1))², y = ±1.

    Convex and once differentiable; by Newton's method on the points within the margin, each step halved until it
    helps (Mangasarian 2002; Keerthi and DeCoste 2005). Float64, deterministic.
    """
    x = torch.cat([points, points.new_ones(len(points), 1)], dim=1).double()
    y = labels.double() * 2 - 1
    v, first = x.new_zeros(x.shape[1]), 0.0
    for _ in range(STEPS):
        slack = (1 - y * (x @ v)).clamp(min=0)
        within = x[slack > 0]
        gradient = v - 2 * cost * (x.T @ (y * slack))
        first = first or gradient.norm()
        if gradient.norm() <= CLOSE * first:
            break
        step = torch.linalg.solve(torch.eye(len(v)).to(x) + 2 * cost * within.T @ within, gradient)
        v = _descended(x, y, v, step, gradient @ step, cost)
    return v


def _descended(x: Tensor, y: Tensor, v: Tensor, step: Tensor, slope: Tensor, cost: float) -> Tensor:
    """v less as much of `step` as lowers the objective by a share of what its slope promises (Armijo's rule)."""
    def objective(u: Tensor) -> Tensor:
        return u @ u / 2 + cost * (1 - y * (x @ u)).clamp(min=0).square().sum()
    start, share = objective(v), 1.0
    while share > 1e-9 and objective(v - share * step) > start - 1e-4 * share * slope:
        share /= 2
    return v - share * step


def _margins(points: Tensor, v: Tensor) -> Tensor:
    return points.double() @ v[:-1] + v[-1]


def _logits(path: str, see: torch.jit.ScriptModule, images: Tensor) -> Tensor:
    """[N]. Raises UserError where the classifier answers with something else."""
    try:
        found = see(images)
    except RuntimeError as error:
        if "out of memory" in str(error):
            raise
        found = None
    if isinstance(found, Tensor) and found.numel() == len(images) and found.isfinite().all():
        return found.reshape(len(images)).float()
    raise UserError(f"{path}: does not answer as it should; --classifier takes {SOURCE}")
