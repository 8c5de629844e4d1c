"""Sample grids: how many pictures, which of them, and the file. Spec: training.md "Runs"."""
from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image

from nets.errors import UserError
from renderer.datasets import UnfitPicture
from renderer.images import grid, write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from train.data import TrainingSet

SCREEN = 7680, 4320                      # pixels across and down, divided by a picture's
COLUMNS, ROWS = (7, 32), (4, 32)         # fewest and most
MOST_PIXELS = 1 << 23                    # of a PNG; beyond, a JPEG holds it in a tenth of the bytes


LOOKED_AT = 1 << 16                      # labels of so many pictures, drawn at random; classes as rare as that stay out


class Layout(NamedTuple):
    columns: int
    rows: int


class Samples(NamedTuple):
    """Real pictures, row by row, and the labels to generate their likes for."""
    pictures: np.ndarray                 # uint8 [N, C, H, W]
    labels: np.ndarray                   # float32 [N, label width]


def grid_layout(size: tuple[int, int]) -> Layout:
    """How many pictures of `size` (H, W) a grid shows."""
    height, width = size
    return Layout(int(np.clip(SCREEN[0] // width, *COLUMNS)), int(np.clip(SCREEN[1] // height, *ROWS)))


def grid_samples(data: TrainingSet, layout: Layout, seed: int = 0) -> Samples:
    """Pictures drawn at random, or, where many share a label, rows of one label each.

    Labels come in order, or as many as there are rows at random. What is too few for the grid repeats, what cannot be
    read is passed over. Raises UserError where nothing can be.
    """
    indices = np.random.default_rng(seed).permutation(len(data))[:LOOKED_AT]
    groups = _by_label(data, indices) if data.label_width else {}
    if 0 < 2 * len(groups) <= len(indices):              # else nearly every picture has a label of its own
        labels = sorted(list(groups)[:layout.rows], reverse=True)        # one-hot rows: class 0 first
        rows = [_read(data, np.roll(groups[labels[row % len(labels)]], -(row // len(labels)) * layout.columns),
                      layout.columns) for row in range(layout.rows)]
    else:
        rows = [_read(data, indices, layout.columns * layout.rows)]
    found = [sample for row in rows for sample in row]
    if not found:
        raise UserError("none of the pictures drawn for the sample grid can be read; "
                        "see python -m train data SOURCE --check")
    return Samples(*(np.stack([part.numpy() for part in parts]) for parts in zip(*found)))


def _by_label(data: TrainingSet, indices: np.ndarray) -> dict[bytes, np.ndarray]:
    """Indices of each label, in their order; labels, as bytes, as they are first met."""
    groups: dict[bytes, list[int]] = {}
    for part in np.array_split(indices, -(-len(indices) // 1024)):       # one-hot rows of all would fill the memory
        for index, label in zip(part, data.labels_of(part).numpy()):
            groups.setdefault(label.tobytes(), []).append(index)
    return {label: np.array(members) for label, members in groups.items()}


def _read(data: TrainingSet, indices: np.ndarray, count: int) -> list[tuple[Tensor, Tensor]]:
    """`count` pictures with their labels, from the front; again from the front where there are fewer."""
    found = []
    for index in indices:
        if len(found) == count:
            break
        with contextlib.suppress(UnfitPicture):
            found.append(data[int(index)])
    return [found[i % len(found)] for i in range(count)] if found else []


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
