"""Travelling over the seed plane: along x without end, or around a circle that closes."""
from __future__ import annotations

import math
from dataclasses import dataclass

LINE, CIRCLE = "Line", "Circle"
MAX_STEP = 0.25                          # seconds: a frame that came late jumps no further


@dataclass
class Travel:
    path: str = LINE
    speed: float = 1.0                   # seeds a second along the path
    radius: float = 1.0                  # of the circle, in seeds
    playing: bool = False
    center: tuple[float, float] | None = None        # of the circle, while it is travelled

    def circle(self, x: float, y: float) -> tuple[float, float]:
        """The center of the circle from (x, y): around it, or as near as all of the circle has seeds."""
        return self.center or (max(x, self.radius), max(y, self.radius))

    def advanced(self, x: float, y: float, seconds: float) -> tuple[float, float]:
        """The position `seconds` later."""
        distance = self.speed * min(seconds, MAX_STEP)
        if self.path == LINE:
            return x + distance, y
        self.center = self.circle(x, y)
        return around(x, y, self.center, self.radius, distance)


def around(x: float, y: float, center: tuple[float, float], radius: float, distance: float) -> tuple[float, float]:
    """`distance` further along a circle, counter-clockwise; from beside it, straight to the circle first."""
    dx, dy = x - center[0], y - center[1]
    away = math.hypot(dx, dy)
    angle = math.atan2(dy, dx)
    if away < radius:
        reached = min(away + distance, radius)
    else:
        reached = max(away - distance, radius)
    angle += (distance - abs(reached - away)) / radius
    return max(center[0] + reached * math.cos(angle), 0.0), max(center[1] + reached * math.sin(angle), 0.0)
