"""The demo data set: furry heads of four kinds, drawn by formulas, for trying out and testing training.

What the papers look at is in it: a fine stochastic texture that belongs to the object (fur), eyes and marks, free
position, rotation, scale, gaze and colour, and classes. Every picture follows from seed and number alone.
"""
from __future__ import annotations

import colorsys
import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from PIL import Image

from nets.errors import UserError
from train.writing import Entry, write_set

KINDS = ("bear", "cat", "hare", "hedgehog")          # by class
AHEAD = 256                                          # pictures painted before they are taken
MOST_THREADS = 8                                     # Python runs between their array operations one at a time
OUTLINE_ANGLES = 2048
HAIRS_PER_PIXEL = 0.7                                # of the picture's width, around the head: 1.5 to 3 pixels a hair
HAIR_DEPTH = 0.2                                     # of the ragged outline, heads
HAIR_LENGTHS = 14                                    # from the middle to beyond the longest ears
LONGEST = 2.2                                        # radius that these cover, in heads


class Head(NamedTuple):
    """What one picture shows. Lengths are in half widths of the picture, or in heads: radii of this one."""
    kind: int
    centre: np.ndarray                   # (x, y), y downwards
    radius: float
    angle: float                         # clockwise, radians
    fur: np.ndarray                      # RGB in 0..1, as all colours
    marks: np.ndarray
    ground: np.ndarray                   # two colours [2, 3]
    ground_angle: float
    stripes: tuple[float, float, float]  # waves per head, phase, strength 0..1
    curl: float                          # radians that a hair bends per head
    gaze: np.ndarray                     # of the pupils off the eyes' middle, heads
    hairs: np.ndarray                    # brightness of each [around, along], 0..1


def draw_head(index: int, resolution: int, seed: int = 0) -> Head:
    """Draws all that picture `index` shows at random; only the number of hairs depends on the resolution."""
    random = np.random.default_rng([seed, index])
    turn = random.uniform(0, 2 * pi)
    hue = random.uniform()
    return Head(
        kind=int(random.integers(len(KINDS))), centre=random.uniform(-0.35, 0.35, 2), radius=random.uniform(0.35, 0.6),
        angle=random.uniform(-pi, pi), fur=_colour(hue, random.uniform(0.2, 0.8), random.uniform(0.5, 0.95)),
        marks=_colour(hue + random.normal(0, 0.1), random.uniform(0.1, 0.9), random.uniform(0.15, 0.6)),
        ground=np.stack([_colour(random.uniform(), random.uniform(0, 0.5), random.uniform(0.2, 0.9)) for _ in "ab"]),
        ground_angle=random.uniform(-pi, pi),
        stripes=(random.uniform(0.8, 2), random.uniform(0, 2 * pi), random.uniform()), curl=random.normal(0, 0.4),
        gaze=0.08 * random.uniform() ** 0.5 * np.array([cos(turn), sin(turn)]),
        hairs=random.random((max(round(HAIRS_PER_PIXEL * resolution), 12), HAIR_LENGTHS), np.float32))


def paint(head: Head, resolution: int) -> np.ndarray:
    """uint8 [resolution, resolution, 3]: ground, fur, marks, eyes and nose over each other, edges a pixel wide."""
    side = (np.arange(resolution, dtype=np.float32) * 2 + 1) / resolution - 1
    picture = _ground(head, side)
    x, y = ((side - np.float32(centre)) / np.float32(head.radius) for centre in head.centre)
    reach = OUTLINES[head.kind][0].max() + HAIR_DEPTH
    columns, rows = _span(abs(x) < reach), _span(abs(y) < reach)     # the rest is ground, and need not be gone through
    c, s = np.float32(cos(head.angle)), np.float32(sin(head.angle))
    x, y, here = x[columns], y[rows, None], picture[:, rows, columns]
    u, v = c * x + s * y, c * y - s * x                              # in heads, upright
    pixels = head.radius * resolution / 2                            # one head
    _add_fur(here, head, u, v, pixels)
    _add_face(here, head, u, v, pixels)
    return (picture * 255 + 0.5).clip(0, 255).astype(np.uint8).transpose(1, 2, 0)


def demo_entries(images: int, resolution: int, seed: int = 0) -> Iterator[Entry]:
    """The set's pictures as PNG files, each with its class, painted by a few threads."""
    def entry(index: int) -> Entry:
        head, file = draw_head(index, resolution, seed), io.BytesIO()
        Image.fromarray(paint(head, resolution)).save(file, "PNG", compress_level=1)       # fur hardly compresses
        return Entry(f"{index:07d}.png", file.getvalue(), head.kind)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_THREADS)) as pool:
        for start in range(0, images, AHEAD):
            yield from pool.map(entry, range(start, min(start + AHEAD, images)))


def write_demo(dest: str | os.PathLike, images: int, resolution: int, seed: int = 0,
               progress: Callable[[int], None] = lambda done: None) -> None:
    """Writes `images` pictures of `resolution` pixels a side to the zip or folder `dest`, with classes.

    `progress` is told how many are done. Raises UserError for numbers out of range, or where it can't be written.
    """
    if images < 1 or not 8 <= resolution <= 4096:
        raise UserError(f"{images} pictures of {resolution} pixels a side: the demo set takes at least 1 picture, "
                        "and 8 to 4096 pixels")
    def counted() -> Iterator[Entry]:
        for done, entry in enumerate(demo_entries(images, resolution, seed), 1):
            yield entry
            progress(done)
    write_set(dest, counted())


def _span(where: np.ndarray) -> slice:
    """From the first to the last that is true."""
    found = np.flatnonzero(where)
    return slice(found[0], found[-1] + 1)


def _colour(hue: float, saturation: float, value: float) -> np.ndarray:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _cover(picture: np.ndarray, colour: np.ndarray, opacity: np.ndarray) -> None:
    """Lays a colour, one for all or [3, H, W], over `picture` [3, H, W], where `opacity` [H, W] in 0..1 says."""
    colour = colour if colour.ndim == 3 else colour[:, None, None]
    picture += opacity * (colour - picture)


def _edge(inside: np.ndarray, pixels: float) -> np.ndarray:
    """Opacity of what begins where the distance `inside` is 0; `pixels` make one unit of it."""
    return (inside * np.float32(pixels) + np.float32(0.5)).clip(0, 1)


def _ground(head: Head, side: np.ndarray) -> np.ndarray:
    """float32 [3, H, W]: from one colour to the other, with a slow wave across."""
    c, s = np.float32(cos(head.ground_angle)), np.float32(sin(head.ground_angle))
    along, across = c * side + s * side[:, None], c * side[:, None] - s * side
    share = (0.5 + 0.35 * along + 0.1 * np.sin(3 * across + head.stripes[1])).clip(0, 1).astype(np.float32)
    one, other = head.ground[:, :, None, None]
    return one + share * (other - one)


def _outline(kind: int) -> tuple[np.ndarray, np.ndarray]:
    """Radius in heads by angle, and the share of a radial step that leads straight away from the outline."""
    angle = np.arange(OUTLINE_ANGLES) * (2 * pi / OUTLINE_ANGLES)
    aside = abs(np.angle(np.exp(1j * (angle + pi / 2))))             # from straight up, which is -pi/2
    def ears(at: float, half_width: float) -> np.ndarray:
        return 1 - (abs(aside - at) / half_width).clip(0, 1)         # 1 at their tips, 0 beside them
    radius = 1 + {
        "bear": 0.3 * np.sqrt(1 - (1 - ears(0.8, 0.32)) ** 2),
        "cat": 0.6 * ears(0.65, 0.35),
        "hare": 1.1 * np.sqrt(1 - (1 - ears(0.3, 0.22)) ** 2),
        "hedgehog": 0.3 * abs(np.sin(9.5 * aside)) * (aside < 7 * pi / 9.5),
    }[KINDS[kind]]
    steepness = np.gradient(radius, 2 * pi / OUTLINE_ANGLES) / radius
    return radius.astype(np.float32), (1 / np.hypot(1, steepness)).astype(np.float32)


OUTLINES = [_outline(kind) for kind in range(len(KINDS))]


def _hair(head: Head, turn: np.ndarray, r: np.ndarray) -> np.ndarray:
    """Brightness 0..1 at `turn`, in whole turns, and radius `r`, in heads: the table's, interpolated, round about."""
    around, along = head.hairs.shape
    a = turn + np.float32(head.curl / (2 * pi)) * r
    a = (a - np.floor(a)) * around
    b = (r * np.float32((along - 1) / LONGEST)).clip(0, along - 1.001)
    i, j = a.astype(np.int32), b.astype(np.int32)
    fa, fb = a - i, b - j
    flat = np.concatenate([head.hairs, head.hairs[:2]]).ravel()      # a may round up to the very end
    at = i * along + j
    near = flat[at] + fa * (flat[at + along] - flat[at])
    far = flat[at + 1] + fa * (flat[at + along + 1] - flat[at + 1])
    return near + fb * (far - near)


def _add_fur(picture: np.ndarray, head: Head, u: np.ndarray, v: np.ndarray, pixels: float) -> None:
    """Hairs from the middle outwards; where they crowd below 1 to 2 pixels each they fade to their mean."""
    r, turn = np.sqrt(u * u + v * v), np.arctan2(v, u) * np.float32(0.5 / pi)
    width = r * np.float32(pixels * 2 * pi / len(head.hairs))
    hair = (_hair(head, turn, r) - np.float32(0.5)) * (width - 1).clip(0, 1)
    angle = (turn * OUTLINE_ANGLES).astype(np.int32)                 # -half to half: from the table's end if negative
    radius, straight = (table[angle] for table in OUTLINES[head.kind])
    waves, phase, strength = head.stripes
    mark = np.float32(strength) * _edge(np.sin(np.float32(2 * pi * waves) * v + np.float32(phase)), 2)
    fur = head.fur[:, None, None] + mark * (head.marks - head.fur)[:, None, None]
    light = (1 - np.float32(0.25) * r * r).clip(0.4, 1) + np.float32(0.9) * hair
    _cover(picture, fur * light, _edge((radius + np.float32(HAIR_DEPTH) * hair - r) * straight, pixels))


def _add_face(picture: np.ndarray, head: Head, u: np.ndarray, v: np.ndarray, pixels: float) -> None:
    """Eyes with pupils that look one way, and a nose."""
    def disc(x: float, y: float, radius: float, colour: tuple[float, float, float]) -> None:
        distance = np.sqrt((u - np.float32(x)) ** 2 + (v - np.float32(y)) ** 2)
        _cover(picture, np.array(colour, np.float32), _edge(np.float32(radius) - distance, pixels))
    for x in (-0.38, 0.38):
        disc(x, -0.15, 0.2, (0.96, 0.96, 0.92))
        disc(x + head.gaze[0], -0.15 + head.gaze[1], 0.11, (0.05, 0.05, 0.08))
    disc(0, 0.3, 0.13, (0.3, 0.12, 0.14))
