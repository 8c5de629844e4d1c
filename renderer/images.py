"""Pictures on disk: PNG with the state inside, grids. No torch."""
from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, PngImagePlugin

from nets.errors import UserError
from renderer import png, state
from renderer.types import Array, Latent, RenderRequest

KEYWORD = "stylescope"                   # of the PNG's iTXt chunk that holds the state
STYLE_KEYWORD = "stylescope-w"           # .. and of the one that holds a w, as the state of nothing else


def save_png(path: str | os.PathLike, picture: np.ndarray, request: RenderRequest | None = None,
             style: Array | None = None) -> None:
    """Writes uint8 `picture` [H, W], [H, W, 3] or [H, W, 4], whole or not at all, with `request` inside.

    `style`: the w [num_ws, w_dim] that the request led to, for use without its network. Raises UserError if the place
    cannot be written.
    """
    info = PngImagePlugin.PngInfo()
    if request is not None:
        info.add_itxt(KEYWORD, state.to_json(request))   # uncompressed: readers limit what they inflate
    if style is not None:
        info.add_itxt(STYLE_KEYWORD, state.to_json(RenderRequest(latent=Latent(w=style))))
    write_whole(Path(path), lambda file: Image.fromarray(picture).save(file, "PNG", pnginfo=info))


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Lets `write` fill a temporary file beside `path`, then puts it in place. Raises UserError if that can't be."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(temporary, "wb") as file:
                write(file)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


def load_request(path: str | os.PathLike) -> RenderRequest:
    """The request in a preset (.json) or a screenshot (.png); which of both its first bytes say.

    Raises UserError, naming the file, if it cannot be read or holds no state.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():         # a pipe would wait for its writer
            raise UserError("is no ordinary file")
        with open(path, "rb") as file:
            is_png = file.read(len(png.SIGNATURE)) == png.SIGNATURE
        if not is_png and path.stat().st_size > state.MOST_CHARACTERS:
            raise UserError("is too large for a state")
        text = _read_itxt(path) if is_png else path.read_text(encoding="utf-8")
        return state.from_json(text)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is neither a Stylescope state (JSON) nor a PNG") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def load_style(path: str | os.PathLike) -> Array | None:
    """The w that `save_png` was given; None if there is none. Raises UserError, naming the file, if it is damaged."""
    try:
        text = _texts(Path(path)).get(STYLE_KEYWORD)
        return state.from_json(text).latent.w if text else None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def load_picture(path: str | os.PathLike) -> np.ndarray:
    """uint8 [H, W, 3] of a PNG. Raises UserError, naming the file, if it cannot be read."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise UserError(f"{path}: is not there") from None
    except (SyntaxError, ValueError, OSError, Image.DecompressionBombError):
        raise UserError(f"{path}: is a damaged PNG") from None


def thumbnail(picture: np.ndarray, side: int) -> np.ndarray:
    """uint8 [h, w, 3], `side` wide or high at most: each pixel the mean of the area it covers; never magnified."""
    height, width, _ = picture.shape
    longest = max(height, width, side)
    size = max(round(width * side / longest), 1), max(round(height * side / longest), 1)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def grid(pictures: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Equal pictures [H, W, C] row by row in `columns` (default: as square as can be), the rest black."""
    columns = columns or math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    height, width, channels = pictures[0].shape
    sheet = np.zeros((rows * height, columns * width, channels), pictures[0].dtype)
    for i, picture in enumerate(pictures):
        y, x = i // columns * height, i % columns * width
        sheet[y:y + height, x:x + width] = picture
    return sheet


def _read_itxt(path: Path) -> str:
    text = _texts(path).get(KEYWORD)
    if text is None:
        raise UserError("holds no Stylescope state; screenshots and pictures rendered by Stylescope do")
    return text


def _texts(path: Path) -> dict[str, str]:
    try:
        return png.texts(path)
    except (png.Damaged, OSError):
        raise UserError("is a damaged PNG") from None
