"""Sample grids: how many pictures, which of them, and the file. Spec: training.md "Runs"."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from renderer.images import grid, write_whole

if TYPE_CHECKING:
    from torch import Tensor

SCREEN = 7680, 4320                      # pixels across and down, divided by a picture's
COLUMNS, ROWS = (7, 32), (4, 32)         # fewest and most
MOST_PIXELS = 1 << 23                    # of a PNG; beyond, a JPEG holds it in a tenth of the bytes


class Layout(NamedTuple):
    columns: int
    rows: int


def grid_layout(size: tuple[int, int]) -> Layout:
    """How many pictures of `size` (H, W) a grid shows."""
    height, width = size
    return Layout(int(np.clip(SCREEN[0] // width, *COLUMNS)), int(np.clip(SCREEN[1] // height, *ROWS)))


def to_pixels(images: Tensor) -> np.ndarray:
    """Images in [-1, 1], of any shape -> uint8, round(127.5 x + 127.5), clipped; NaN is 0."""
    return (images.float() * 127.5 + 127.5).nan_to_num(0).round().clip(0, 255).byte().cpu().numpy()


def save_grid(path: Path, pictures: np.ndarray, columns: int) -> Path:
    """Pictures uint8 [N, C, H, W] row by row, as `path`.png or, if large, .jpg. Raises UserError."""
    sheet = grid(list(pictures.transpose(0, 2, 3, 1)), columns)
    image = Image.fromarray(sheet[:, :, 0] if sheet.shape[2] == 1 else sheet)
    is_small = image.width * image.height <= MOST_PIXELS or "A" in image.mode
    form, options = ("PNG", {}) if is_small else ("JPEG", {"quality": 95, "subsampling": 0})
    path = path.with_name(path.name + (".png" if is_small else ".jpg"))
    write_whole(path, lambda file: image.save(file, form, **options))
    return path
