"""To one size: cropped, resized, padded. Shrinking takes the mean of the area, growing is Lanczos' (3 lobes)."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

TRANSFORMS = ("center-crop", "center-crop-wide", "pad")


class Frame(NamedTuple):
    """What pictures are brought to. `center-crop`: cut to width:height about the centre, then resized.

    `center-crop-wide`: the same, then put on a black square of `width` (StyleGAN's LSUN Car). `pad`: shrunk until it is
    within, never magnified, then put in the middle of black.
    """
    width: int
    height: int
    transform: str = "center-crop"

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) of every result."""
        return (self.width, self.width if self.transform == "center-crop-wide" else self.height)

    def fit(self, image: Image.Image) -> Image.Image:
        """`image`, of mode L, LA, RGB or RGBA, in `size`; itself where nothing is to be done."""
        if self.transform == "pad":
            scale = max(image.width / self.width, image.height / self.height, 1)
            image = resize(image, (max(round(image.width / scale), 1), max(round(image.height / scale), 1)))
        else:
            image = resize(_cropped(image, self.width / self.height), (self.width, self.height))
        return _on_black(image, self.size)

    def enlarges(self, image: Image.Image) -> bool:
        return self.transform != "pad" and (image.width < self.width or image.height < self.height)


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """`image` in `size` (W, H)."""
    if image.size == size:
        return image
    if size[0] > image.width or size[1] > image.height:
        return image.resize(size, Image.Resampling.LANCZOS)
    if image.width % size[0] == 0 == image.height % size[1]:
        return image.reduce((image.width // size[0], image.height // size[1]))       # the same mean, 5 times as fast
    if image.mode == "RGBA":
        return image.resize(size, Image.Resampling.BOX)  # Pillow's weighs colours by their alpha
    rows = _means(np.asarray(image), size[1])
    pixels = _means(rows.swapaxes(0, 1), size[0]).swapaxes(0, 1)
    return Image.fromarray((pixels + 0.5).astype(np.uint8))


def _means(pixels: np.ndarray, count: int) -> np.ndarray:
    """float32 [count, ..]: means over equal parts of the first axis; a number on the border counts by its share.

    Pillow's BOX takes whole pixels alone, more of them here than there unless the ratio is a whole number.
    """
    borders = np.arange(count + 1) * (len(pixels) / count)
    first = np.minimum(borders.astype(int), len(pixels) - 1)
    share = (borders - first).astype(np.float32).reshape(-1, *[1] * (pixels.ndim - 1))
    before = share * pixels[first]                       # of the border's pixel, what lies before it
    sums = np.add.reduceat(pixels, first[:-1], axis=0, dtype=np.float32)
    sums[-1] -= pixels[-1]                               # reduceat goes to the very end; that pixel comes by its share
    return (sums - before[:-1] + before[1:]) / np.float32(len(pixels) / count)


def _cropped(image: Image.Image, ratio: float) -> Image.Image:
    """The largest part of width:height `ratio` about the centre."""
    width = min(image.width, max(round(image.height * ratio), 1))
    height = min(image.height, max(round(image.width / ratio), 1))
    if (width, height) == image.size:
        return image
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _on_black(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    if image.size == size:
        return image
    sheet = Image.new(image.mode, size, (0,) * (len(image.mode) - 1) + (255,) if image.mode.endswith("A") else 0)
    sheet.paste(image, ((size[0] - image.width) // 2, (size[1] - image.height) // 2))
    return sheet
