"""Fréchet distance of two Gaussians (FID is that of Inception features; Heusel et al. 2017 eq. 6)."""
from __future__ import annotations

import torch
from torch import Tensor

from nets.errors import UserError
from train.metrics.features import Gaussian


def frechet_distance(a: Gaussian, b: Gaussian) -> float:
    """|m_a - m_b|² + tr(A + B - 2 (A B)^½), A and B the covariances. Raises UserError where features are not finite.

    With A = P P^T and B = Q Q^T, tr (A B)^½ is the sum of the singular values of P^T Q: real whatever the rank, and
    without the root of a matrix that is not symmetric.
    """
    covariances = a.covariance, b.covariance
    if not all(part.isfinite().all() for part in covariances):
        raise UserError("features are not finite: FID has no value; look for NaN in the generated images")
    traces = sum(part.trace() for part in covariances)
    shared = torch.linalg.svdvals(_factor(covariances[0]).T @ _factor(covariances[1])).sum()
    return ((a.mean - b.mean).square().sum() + traces - 2 * shared).item()


def _factor(covariance: Tensor) -> Tensor:
    """P with P P^T = covariance: float64 [F, F]. Negative eigenvalues are rounding."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt()
