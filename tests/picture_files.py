"""Pictures as people have them, for the tests of the data command."""
from __future__ import annotations

import io

import numpy as np
from PIL import Image

LEVELS = np.random.RandomState(0).randint(0, 256, (16, 16, 3)).astype(np.uint8)


def encoded(picture: np.ndarray | Image.Image, format: str = "PNG", **options) -> bytes:
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def png(side: int = 16, seed: int = 0, channels: int = 3) -> bytes:
    shape = (side, side, channels) if channels > 1 else (side, side)
    return encoded(np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8))


def jpeg(side: int = 16, seed: int = 0, mode: str = "RGB", orientation: int = 0) -> bytes:
    small = np.random.RandomState(seed).randint(0, 256, (4, 4, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation or 1
    return encoded(Image.fromarray(small).resize((side, side)).convert(mode), "JPEG", quality=95, exif=exif)


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(opened(content))
