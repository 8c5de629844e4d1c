"""One picture: what its header says, its pixels in one of three modes, its file for the set."""
from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from renderer import datasets
from train.convert.source import Skip
from train.convert.transforms import Frame

Image.init()
FORMATS = [name for name in (*datasets.FORMATS, "DIB", "GIF", "JPEG2000", "AVIF", "TGA", "PPM")  # none runs a program
           if name in Image.OPEN]                        # an older Pillow has no AVIF
DEEP = ("I", "F")                        # how the names of Pillow's modes of more than 8 bits begin
GREY = ("1", "L", "LA", *DEEP)
MOST_PIXELS = 1 << 27                    # 134 million: more is a decompression bomb, or of no use
ORIENTATION = 0x0112                     # EXIF's tag
JPEGS = ("JPEG", "MPO")                  # the second is what phones make: a JPEG with others behind it


class Header(NamedTuple):
    """What is known without decoding. `obstacle`: why training could not read the file as it is, or ''."""
    size: tuple[int, int]                # (W, H), upright
    is_colour: bool
    obstacle: str = ""


class Picture(NamedTuple):
    """`content`: a file's bytes, its name ending in `suffix`. `changes`: what was done to it unasked, in words."""
    content: bytes
    suffix: str
    changes: tuple[str, ...]


def look(source: BinaryIO | np.ndarray) -> Header:
    """Reads a picture's header. Raises Skip."""
    if isinstance(source, np.ndarray):
        return Header(source.shape[1::-1], source.ndim == 3)
    with readable(), source, Image.open(source, formats=FORMATS) as image:
        width, height = image.size
        if width * height > MOST_PIXELS:
            raise Skip(f"more than {MOST_PIXELS >> 20} x 2^20 pixels")
        turned = _orientation(image) >= 5
        return Header((height, width) if turned else (width, height), _is_colour(image), _obstacle(image))


def convert(source: BinaryIO | np.ndarray, mode: str, frame: Frame | None) -> Picture:
    """The picture in `mode` (L, RGB or RGBA) and the size of `frame`. A JPEG or PNG that is so already stays as it is,
    byte for byte; else it becomes a PNG. Raises Skip."""
    if isinstance(source, np.ndarray):
        image, changes = _in_mode(Image.fromarray(np.ascontiguousarray(source)), mode)
        framed, more = _framed(image, frame)
        return _written(framed, changes + more)
    with readable():
        with source:
            content = source.read()
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Skip("another picture than before")        # it was looked at
            upright, changes = _upright(image, mode)
            kept = _kept_suffix(image) if not changes and upright.mode == image.mode else ""
        framed, more = _framed(upright, frame)
        return Picture(content, kept, ()) if kept and framed is upright else _written(framed, changes + more)


@contextmanager
def readable() -> Iterator[None]:
    """Whatever goes wrong inside becomes a Skip: Pillow's readers raise anything on a damaged file."""
    try:
        yield
    except Skip:
        raise
    except Exception as error:
        raise Skip(_reason(error)) from None


def _reason(error: Exception) -> str:
    text = str(error).lower()
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MOST_PIXELS >> 20} x 2^20 pixels"
    if "truncated" in text or isinstance(error, EOFError):
        return "truncated"
    if isinstance(error, zipfile.BadZipFile):
        return "damaged in the zip"
    if isinstance(error, NotImplementedError):
        return "compressed in a way that cannot be read here"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "out of memory" if isinstance(error, MemoryError) else "damaged, or no picture"


def _orientation(image: Image.Image) -> int:
    """1: upright; 5 to 8: on its side. A damaged EXIF says nothing."""
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:                                    # as in `readable`
        return 1


def _is_colour(image: Image.Image) -> bool:
    if image.mode.startswith("P") and (palette := image.getpalette()):
        return not palette[::3] == palette[1::3] == palette[2::3]
    return not (image.mode in GREY or image.mode.startswith(DEEP))


def _obstacle(image: Image.Image) -> str:
    if image.mode.startswith(DEEP):
        return "of more than 8 bits a channel"
    return "" if image.format in (*datasets.FORMATS, "MPO") else f"of format {image.format}"


def _kept_suffix(image: Image.Image) -> str:
    return {"PNG": ".png", **dict.fromkeys(JPEGS, ".jpg")}.get(image.format, "")


def _framed(image: Image.Image, frame: Frame | None) -> tuple[Image.Image, tuple[str, ...]]:
    if frame is None:
        return image, ()
    enlarged = f"enlarged to {frame.width}x{frame.height}"
    return frame.fit(image), ((enlarged,) if frame.enlarges(image) else ())


def _written(image: Image.Image, changes: tuple[str, ...]) -> Picture:
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "PNG")         # of pixels alone: no profile, no EXIF
    return Picture(file.getvalue(), ".png", changes)


# -- to one of three modes --------------------------------------------------------------------------------------------

def _upright(image: Image.Image, mode: str) -> tuple[Image.Image, tuple[str, ...]]:
    """The first frame's pixels in `mode`, and what was changed."""
    is_deep_colour = image.format == "PNG" and ";16" in str(image.tile)      # Pillow takes the upper bytes of these
    image.load()
    still, changes = image, ()
    if _orientation(image) not in (0, 1):
        turned = ImageOps.exif_transpose(image)
        still, changes = turned or still, ("turned as its EXIF says",) if turned else ()
    if image.mode.startswith(DEEP):
        still = _in_8_bits(still)
    if image.mode.startswith(DEEP) or is_deep_colour:
        changes += ("16 bits a channel reduced to 8",)
    still, more = _in_mode(still, mode)
    still.load()
    return still, changes + more + (("first of several frames",) if _has_frames(image) else ())


def _in_8_bits(image: Image.Image) -> Image.Image:
    """Mode L: v 255 / 65535, rounded, as the PNG standard scales samples (sec. 13.12)."""
    if image.mode == "F":
        raise Skip("floating-point pixels")
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise Skip("more than 16 bits a channel")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8))


def _in_mode(image: Image.Image, mode: str) -> tuple[Image.Image, tuple[str, ...]]:
    changes: tuple[str, ...] = ()
    is_colour, before = _is_colour(image), image.mode
    if image.has_transparency_data and mode != "RGBA":
        with_alpha = image.convert("RGBA")
        is_opaque = with_alpha.getchannel("A").getextrema()[0] == 255
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, with_alpha).convert("RGB")
        changes += ("opaque alpha channel dropped" if is_opaque else "transparency put on black",)
    elif before not in ("1", "L", "RGB", "RGBA"):
        changes += (f"{before} made {mode}",)
    if is_colour and mode == "L":
        changes += ("colour made grey",)
    if not is_colour and mode != "L":
        changes += ("grey made RGB",)
    if before not in ("1", "L", "LA", "RGB", "RGBA", "P", "PA"):
        image = image.convert("RGB")                     # CMYK and the like know only this way
    return (image if image.mode == mode else image.convert(mode)), changes


def _has_frames(image: Image.Image) -> bool:
    """Asked for last, as a GIF is gone through for it."""
    try:
        return image.format not in JPEGS and getattr(image, "is_animated", False)
    except Exception:                                    # damaged behind the first
        return True
