"""A spectrum as a figure: the picture with axes and the scale of its colours, black on white."""
from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from renderer.colormaps import colours
from renderer.types import SpectrumResult

SIDE = 512                               # pixels of the picture at least
TEXT = 15                                # height of letters, pixels
LEFT, TOP, RIGHT, BOTTOM = 70, 40, 110, 60


def framed(spectrum: SpectrumResult, range_db: float, colormap: str, title: str) -> np.ndarray:
    """uint8 [H, W, 3]: every bin of the spectrum is a square of whole pixels."""
    scale = max(1, math.ceil(SIDE / max(spectrum.picture.shape[:2])))
    picture = spectrum.picture.repeat(scale, 0).repeat(scale, 1)
    height, width, _ = picture.shape
    figure = Image.new("RGB", (LEFT + width + RIGHT, TOP + height + BOTTOM), "white")
    figure.paste(Image.fromarray(picture), (LEFT, TOP))
    draw = ImageDraw.Draw(figure)
    draw.font = ImageFont.load_default(TEXT)
    draw.text((LEFT + width / 2, TOP / 2), title, "black", anchor="mm")
    _axes(draw, spectrum, width, height)
    _scale(figure, draw, (LEFT + width + 18, TOP, LEFT + width + 36, TOP + height), range_db, colormap)
    return np.array(figure)


def _axes(draw: ImageDraw.ImageDraw, spectrum: SpectrumResult, width: int, height: int) -> None:
    """Ticks at the middles of bins: zero frequency is bin (H // 2, W // 2), and up is positive."""
    draw.rectangle((LEFT - 1, TOP - 1, LEFT + width, TOP + height), outline="black")
    rows, columns = spectrum.picture.shape[:2]
    for share in (-0.5, -0.25, 0.0, 0.25, 0.5):
        x = LEFT + min(max((columns // 2 + share * columns + 0.5) / columns, 0), 1) * width
        y = TOP + min(max((rows // 2 - share * rows + 0.5) / rows, 0), 1) * height
        draw.line((x, TOP + height, x, TOP + height + 6), "black")
        draw.line((LEFT - 7, y, LEFT - 1, y), "black")
        draw.text((x, TOP + height + 10), _number(share * spectrum.extent[1]), "black", anchor="mt")
        draw.text((LEFT - 11, y), _number(share * spectrum.extent[0]), "black", anchor="rm")
    draw.text((LEFT + width / 2, TOP + height + 32), "cycles per image", "black", anchor="mt")


def _scale(figure: Image.Image, draw: ImageDraw.ImageDraw, place: tuple[int, int, int, int], range_db: float,
           colormap: str) -> None:
    x0, y0, x1, y1 = place
    rows = np.linspace(255, 0, y1 - y0).round().astype(int)
    figure.paste(Image.fromarray(colours(colormap)[rows][:, None].repeat(x1 - x0, 1)), (x0, y0))
    draw.rectangle((x0 - 1, y0 - 1, x1, y1), outline="black")
    for share, words in ((0.0, f"+{range_db:g}"), (0.5, "0 dB"), (1.0, f"-{range_db:g}")):
        draw.text((x1 + 8, y0 + share * (y1 - y0)), words, "black", anchor="lm")


def _number(value: float) -> str:
    return f"{value:.4g}"
