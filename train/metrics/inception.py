"""Inception score: sure of each image, unsure of all (Salimans et al. 2016 sec. 4)."""
from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from nets.errors import UserError


class Score(NamedTuple):
    """Over the splits."""
    mean: float
    std: float                           # divided by their number


def inception_score(probabilities: Tensor, splits: int = 10) -> Score:
    """exp E KL(p(y|x) || p(y)) of class probabilities [N, K], in each of `splits` equal runs of images.

    p(y) is the split's own mean. At least 1, at most K. Raises UserError if there are fewer images than splits.
    """
    if len(probabilities) < splits:
        raise UserError(f"the inception score needs {splits} images; there are {len(probabilities)}")
    scores = torch.stack([_score(part.double()) for part in probabilities.tensor_split(splits)])
    return Score(scores.mean().item(), scores.std(correction=0).item())


def _score(p: Tensor) -> Tensor:
    """KL of every row against their mean, averaged = H(mean) - mean H(row); 0 log 0 = 0."""
    mean = p.mean(dim=0)
    return (torch.xlogy(p, p).sum(dim=1).mean() - torch.xlogy(mean, mean).sum()).exp()
