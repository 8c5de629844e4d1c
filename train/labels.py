"""Labels of a data set: what its dataset.json says, as rows that the networks take."""
from __future__ import annotations

import json

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from nets.errors import UserError, one_line
from renderer.datasets import Dataset

FILE = "dataset.json"                    # {"labels": [[relative path, class int or vector], ...]}, or null
MOST_CLASSES = 1 << 16                   # more are numbers of something else: a year with its day, an id


class Labels:
    """One label a picture: classes counted from 0, which become one-hot rows, or vectors of equal length.

    `values`: integers [n] or floats [n, width]; `width` of a row: the highest class plus one, or the vectors' length.
    """

    def __init__(self, values: np.ndarray):
        self._values = torch.from_numpy(values)
        self._are_classes = values.ndim == 1
        self.width = int(values.max()) + 1 if self._are_classes else values.shape[1]

    def rows(self, indices: Tensor | int) -> Tensor:
        """float32 [..., width] of the pictures of these numbers."""
        values = self._values[indices]
        return one_hot(values, self.width).float() if self._are_classes else values


def no_labels(count: int) -> Labels:
    """Rows of width 0, for training without labels."""
    return Labels(np.zeros((count, 0), np.float32))


def read_labels(pictures: Dataset) -> Labels:
    """The label of each of `pictures.names`. Raises UserError, naming the set and what doesn't fit."""
    where = f"{pictures.path}: {FILE}"
    given = _by_name(pictures, where)
    missing = [name for name in pictures.names if name not in given]
    if missing:
        raise UserError(f"{where} has no label for {len(missing)} of {len(pictures)} pictures, the first: {missing[0]}")
    values = [given[name] for name in pictures.names]
    if all(type(value) is int for value in values):
        return Labels(_classes(values, where))
    return Labels(_vectors(values, where))


def _by_name(pictures: Dataset, where: str) -> dict[str, object]:
    content = pictures.read_bytes(FILE)
    try:
        listed = None if content is None else json.loads(content)["labels"]
        given = {name.replace("\\", "/"): value for name, value in listed or ()}       # as Windows may have written it
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f'{where} is not of the form {{"labels": [[path, label], ...]}}') from None
    if not given:
        raise UserError(f"{where} {'is missing' if content is None else 'holds no labels'}; train without --cond, or "
                        "make the set with labels: python -m train data SOURCE -o DEST --labels folders")
    return given


def _classes(values: list[int], where: str) -> np.ndarray:
    low, high = min(values), max(values)
    if low < 0 or high >= MOST_CLASSES:
        raise UserError(one_line(f"{where} names class {low if low < 0 else high}; classes are counted from 0, "
                                 f"to {MOST_CLASSES - 1} at most"))
    return np.array(values, np.int64)


def _vectors(values: list, where: str) -> np.ndarray:
    lengths = {len(value) if isinstance(value, list) else None for value in values}
    if None in lengths or len(lengths) > 1 or lengths == {0}:
        raise UserError(f"{where} mixes labels of different kinds; all must be classes (whole numbers), "
                        "or vectors of one length")
    try:
        vectors = np.array(values, np.float32)
    except (ValueError, TypeError, OverflowError):
        vectors = np.zeros(())
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise UserError(f"{where} has vectors that hold something else than finite numbers")
    return vectors
