"""Ways between two latents, and where to stop on them."""
from __future__ import annotations

import math

import numpy as np

GOLDEN = (math.sqrt(5) - 1) / 2


def slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """From a to b [n], float64, along the great circle at even angles (Shoemake 1985), t from 0 to 1.

    The length goes evenly from that of a to that of b. Neither may be 0, nor may they point in opposite directions.
    """
    lengths = np.linalg.norm(a), np.linalg.norm(b)
    a, b = a / lengths[0], b / lengths[1]
    angle = 2 * math.atan2(np.linalg.norm(a - b), np.linalg.norm(a + b))     # exact for small angles too
    if angle == 0:
        shares = 1 - t, t
    else:
        shares = math.sin((1 - t) * angle) / math.sin(angle), math.sin(t * angle) / math.sin(angle)
    return (shares[0] * a + shares[1] * b) * (lengths[0] + (lengths[1] - lengths[0]) * t)


def spread(count: int) -> list[float]:
    """The middles of `count` equal parts of 0..1, in an order in which the first few reach all of it already."""
    order = sorted(range(count), key=lambda i: i * GOLDEN % 1)
    return [(i + 0.5) / count for i in order]
