"""What the words of a command line stand for, and how a value is put in such words. No torch.

Reading raises argparse.ArgumentTypeError, in one line. What is written reads as the same value.
"""
from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable

MAX_SEED = 2 ** 32 - 1                   # numpy.random.RandomState takes no other
MAX_SEEDS = 4_000_000                    # in one list
Classes = tuple[tuple[int, float], ...]


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ArgumentTypeError(f"'{text}' is not a finite number")
    return value


def whole(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ArgumentTypeError(f"'{text}' is not a whole number")
    return int(text)


def seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_SEED:
        raise ArgumentTypeError(f"'{text}' is no seed: a whole number from 0 to {MAX_SEED}")
    return int(text)


def position(text: str) -> tuple[float, float]:
    """'1.5,-2' -> (1.5, -2.0)."""
    parts = text.split(",")
    if len(parts) != 2:
        raise ArgumentTypeError(f"'{text}' is no position in the seed plane such as 1.5,2")
    return number(parts[0]), number(parts[1])


def channels(text: str) -> tuple[int, int, int]:
    """'0,1,2' -> (0, 1, 2)."""
    parts = text.split(",")
    if len(parts) != 3:
        raise ArgumentTypeError(f"'{text}' does not name three channels such as 0,1,2")
    return whole(parts[0]), whole(parts[1]), whole(parts[2])


def rows(text: str) -> tuple[int, ...]:
    """'7,0-3' -> (0, 1, 2, 3, 7)."""
    return tuple(sorted(set(_list(text, 4, "rows"))))


def seeds(text: str) -> tuple[int, ...]:
    """'7,0-3' -> (7, 0, 1, 2, 3): each once, in this order."""
    chosen = _list(text, 10, "seeds")
    if max(chosen) > MAX_SEED:
        raise ArgumentTypeError(f"'{text}' goes beyond the last seed, {MAX_SEED}")
    return chosen


def classes(text: str) -> Classes:
    """'3' -> ((3, 1.0),) and '3:0.5,7:0.5' -> ((3, 0.5), (7, 0.5)): the label is the weighted sum."""
    parts = [part.partition(":") for part in text.split(",")]
    try:
        return tuple((whole(index), number(weight) if colon else 1.0) for index, colon, weight in parts)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"'{text}' is no class such as 3, or a mix of classes such as 3:0.5,7:0.5") from None


def listed(numbers: Iterable[int]) -> str:
    """(7, 0, 1, 2, 3) -> '7,0-3'."""
    runs: list[list[int]] = []
    for n in numbers:
        if runs and n == runs[-1][-1] + 1:
            runs[-1][1:] = [n]
        else:
            runs.append([n])
    return ",".join("-".join(map(str, run)) for run in runs)


def listed_plainly(numbers: Iterable[int]) -> str:
    """(0, 1, 2) -> '0,1,2'."""
    return ",".join(map(str, numbers))


def weighed(classes: Classes) -> str:
    """((3, 0.5), (7, 1.0)) -> '3:0.5,7'."""
    return ",".join(str(index) if weight == 1 else f"{index}:{weight!r}" for index, weight in classes)


def _list(text: str, digits: int, what: str) -> tuple[int, ...]:
    """Numbers and spans of them, each once, in this order."""
    chosen: dict[int, None] = {}
    for part in text.split(","):
        ends = re.fullmatch(rf"\s*([0-9]{{1,{digits}}})(?:-([0-9]{{1,{digits}}}))?\s*", part)
        span = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else range(0)
        if not span:
            raise ArgumentTypeError(f"'{text}' is not a list of {what} such as 0-3,7")
        if len(chosen) + len(span) > MAX_SEEDS:
            raise ArgumentTypeError(f"'{text}' lists more than {MAX_SEEDS:,} {what}")
        chosen.update(dict.fromkeys(span))
    return tuple(chosen)
