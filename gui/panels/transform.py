"""The transform panel: moves and turns StyleGAN3's input features, and with them the picture."""
from __future__ import annotations

import math
from dataclasses import replace

from gui import widgets
from renderer.types import RenderRequest, RenderResult

ONLY_3 = "Only StyleGAN3 has an input that can be moved: Fourier features (StyleGAN3 sec. 3)"
SHIFT = "Shifts the Fourier features of the input (StyleGAN3 sec. 3): the content moves by this share of the image"
TURN = ("Rotates the Fourier features of the input, counter-clockwise (StyleGAN3 sec. 3); the content of variant R "
        "turns with them, that of T does not quite")


class TransformPanel:
    title = "Transform"

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info = result.info
        why_not = "Open a network first" if info is None else "" if info.has_transform else ONLY_3
        x, y, angle = parts(request.synth.transform)
        new_x = widgets.slider("Move x", x, -0.5, 0.5, 0.0, "%.3f widths", SHIFT + ", to the right", why_not)
        new_y = widgets.slider("Move y", y, -0.5, 0.5, 0.0, "%.3f heights", SHIFT + ", downwards", why_not)
        turned = widgets.slider("Turn", angle, -180.0, 180.0, 0.0, "%.1f°", TURN, why_not)
        if (new_x, new_y, turned) == (x, y, angle):
            return request
        return replace(request, synth=replace(request.synth, transform=matrix(new_x, new_y, turned)))


def matrix(x: float, y: float, degrees: float) -> tuple[float, ...] | None:
    """What is written into the input's `transform`: the inverse of [[c, s, x], [-s, c, y], [0, 0, 1]], row by row.

    The content moves right and down by x, y (image widths, heights) and turns counter-clockwise. None for no change.
    """
    if (x, y, degrees) == (0.0, 0.0, 0.0):
        return None
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return (c, -s, s * y - c * x, s, c, -s * x - c * y, 0.0, 0.0, 1.0)


def parts(transform: tuple[float, ...] | None) -> tuple[float, float, float]:
    """x, y, degrees that `matrix` made `transform` of."""
    if transform is None:
        return 0.0, 0.0, 0.0
    c, s = transform[0], transform[3]
    u, v = transform[2], transform[5]
    digits = 6                           # hides the rounding of the way there and back, so that sliders stand still
    values = -(c * u + s * v), s * u - c * v, math.degrees(math.atan2(s, c))
    return tuple(round(value, digits) + 0.0 for value in values)      # + 0.0: no negative zero
