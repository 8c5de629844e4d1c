"""Improved precision and recall: is a point within the balls around the others? (Kynkäänniemi et al. 2019 sec. 2)."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from nets.errors import UserError
from train.metrics.features import Progress, silent

BLOCK = 1 << 26                          # distances held at a time: 256 MB


class PrecisionRecall(NamedTuple):
    """Shares, 0..1."""
    precision: float                     # of generated points that lie within the data set's manifold
    recall: float                        # of the data set's points that lie within the generated ones'


def precision_recall(real: Tensor, fake: Tensor, k: int = 3, device: torch.device | str = "cpu",
                     progress: Progress = silent) -> PrecisionRecall:
    """Of features [N, F] and [M, F], any float type; distances are float32's.

    A manifold is the union of closed balls around its points, each as wide as the distance to the k-th nearest other
    one. Raises UserError if there are no k others.
    """
    if min(len(real), len(fake)) <= k:
        raise UserError(f"precision and recall need {k + 1} images of each kind; "
                        f"there are {len(real)} real and {len(fake)} generated ones")
    centre = real.float().mean(dim=0)        # moves no distance, and leaves products less to cancel
    real, fake = ((features.float() - centre).to(device) for features in (real, fake))
    work = len(real) ** 2 + len(fake) ** 2 + len(real) * len(fake)
    radii, done = [], 0
    for points in (real, fake):
        radii.append(torch.cat([d.kthvalue(k + 1, dim=1).values for _, d in _distances(points, points)]))
        done += len(points) ** 2
        progress(done / work)
    hits, covered = 0, torch.zeros(len(real), dtype=torch.bool, device=device)
    for rows, distances in _distances(fake, real):
        hits += (distances <= radii[0]).any(dim=1).sum().item()
        covered |= (distances <= radii[1][rows, None]).any(dim=0)
        done += distances.numel()
        progress(done / work)
    return PrecisionRecall(hits / len(fake), covered.float().mean().item())


def _distances(a: Tensor, b: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """(rows, distances of a[rows] to all of b): [n, len(b)], in blocks that fit into memory."""
    step = max(1, BLOCK // len(b))
    for first in range(0, len(a), step):
        rows = slice(first, min(first + step, len(a)))
        yield rows, torch.cdist(a[rows], b)
