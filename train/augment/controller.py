"""How much to augment: p rises while D recognises the training set too well, and falls when it does not.

Source: ADA (Karras et al. 2020) sec. 3.1, the heuristic r_t; spec training.md "p".
"""
from __future__ import annotations

from dataclasses import dataclass, field
from math import copysign

import torch
from torch import Tensor

INTERVAL = 4                                         # minibatches between updates


def _nothing_seen() -> Tensor:
    return torch.zeros(2, dtype=torch.float64)


@dataclass
class Controller:
    """The probability p of augmentation, and what D said of real images since p last changed.

    Of several processes each observes its own scores; they add up `signs` before `update` and so agree on p.
    """
    p: float = 0.0
    target: float = 0.6                              # of r_t = E[sign D(real)], 0: no overfitting, 1: complete
    kimg: float = 500.0                              # real images, in thousands, in which p can go from 0 to 1
    signs: Tensor = field(default_factory=_nothing_seen)                        # [2] their sum and their number

    def observe(self, scores: Tensor) -> None:
        """Takes note of D's `scores` [N, 1] of augmented real images, of D's main phase and its regulariser's."""
        signs = scores.detach().sign().double()
        seen = torch.stack([signs.sum(), torch.full_like(signs.sum(), signs.numel())])
        self.signs = self.signs.to(scores.device) + seen

    def update(self, images: int) -> float | None:
        """Moves p for the `images` shown since the last update, at least 0 and at most 1, and begins to observe anew.

        Returns r_t; None, and p as it was, if nothing was observed.
        """
        total, number = self.signs.tolist()
        self.signs = _nothing_seen()
        if not number:
            return None
        overfit = total / number
        if overfit != self.target:
            self.p += copysign(images / (1000 * self.kimg), overfit - self.target)
        self.p = min(max(self.p, 0.0), 1.0)
        return overfit

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs to go on exactly, for `restore`."""
        return {"p": torch.tensor(self.p, dtype=torch.float64), "signs": self.signs.cpu().clone()}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.p, self.signs = state["p"].item(), state["signs"].clone()
