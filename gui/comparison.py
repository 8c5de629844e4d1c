"""Two results held against each other: the picture of their difference, its numbers, both in one picture. Pure."""
from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gui.levels import gain_of
from gui.requests import IMAGE
from renderer.colormaps import BAD, colours
from renderer.types import Compare, RenderResult

SPAN = 2.0                               # of an image's signal: -1..1, so |E| <= 2
COLORMAPS = {"E": "coolwarm", "AE": "magma", "SE": "magma"}
GAP = 8                                  # pixels between two pictures side by side
GAP_GREY = 42


@dataclass(frozen=True)
class Numbers:
    """Of E = A - B over the channels shown, in the signal's own unit; what is not finite is left out."""
    mean: float                          # of |E|
    largest: float                       # |E|
    place: tuple[int, int]               # x, y of it, in pixels of the larger picture
    rmse: float
    psnr: float | None                   # dB, peak to peak 2: of images alone


# -- signals ----------------------------------------------------------------------------------------------------------

@np.errstate(invalid="ignore", over="ignore")
def difference(a: RenderResult, b: RenderResult, compare: Compare) -> tuple[np.ndarray, tuple[float, float]]:
    """The picture of A - B, uint8 [H, W, 3], and the values that its first and its last colour stand for.

    E = A - B through 'coolwarm', |E| and E² through 'magma', each the mean over the channels shown. The range is fixed,
    so that pictures can be held against each other: at a gain of 0 dB |E| reaches from 0 to the whole span of what A
    shows, which is 2 for an image. What is not finite is magenta.
    """
    x, y = paired(a, b)
    error = _mean_over_channels(x, y, compare.error)
    low, high = limits_of(a, compare)
    bad = None
    if not np.isfinite(error).all():
        bad = ~np.isfinite(error)
        error[bad] = 0
    scale = 255 / (high - low)
    error *= scale
    error += 0.5 - low * scale           # rounds where the cast below cuts off
    picture = _coloured(np.clip(error, 0, 255, out=error).astype(np.uint8), COLORMAPS[compare.error])
    if bad is not None:
        picture[bad] = BAD
    picture.flags.writeable = False
    return picture, (low, high)


def limits_of(a: RenderResult, compare: Compare) -> tuple[float, float]:
    span = span_of(a) / gain_of(compare.gain_db)
    return {"E": (-span, span), "AE": (0.0, span), "SE": (0.0, span ** 2)}[compare.error]


def span_of(a: RenderResult) -> float:
    """From the least to the largest value that the picture shows."""
    if a.request.tap == IMAGE or not _has_signal(a):
        return SPAN
    span = a.limits[1] - a.limits[0] if a.limits else 2 * a.stats.absmax if a.stats else SPAN
    return span if math.isfinite(span) and span > 0 else SPAN


@np.errstate(invalid="ignore", over="ignore")
def numbers(a: RenderResult, b: RenderResult) -> Numbers:
    x, y = paired(a, b)
    error = np.abs(x - y)
    finite = np.isfinite(error)
    is_whole = finite.all()
    count = error.size if is_whole else np.count_nonzero(finite)
    if not is_whole:
        error[~finite] = 0
    at = int(error.argmax())
    top, left = divmod(at % (error.shape[1] * error.shape[2]), error.shape[2])
    rmse = math.sqrt(float(np.square(error).sum(dtype=np.float64)) / max(count, 1))
    is_image = a.request.tap == b.request.tap == IMAGE
    psnr = None if not is_image else math.inf if rmse == 0 else 20 * math.log10(SPAN / rmse)
    return Numbers(float(error.sum(dtype=np.float64)) / max(count, 1), float(error.flat[at]), (left, top), rmse, psnr)


def paired(a: RenderResult, b: RenderResult) -> tuple[np.ndarray, np.ndarray]:
    """The signals shown, float32 [C, H, W] each, of one size; of the 8-bit pictures (-1..1) where there are none."""
    get = signal if _has_signal(a) and _has_signal(b) else _of_bytes
    return _same_size(get(a), get(b))


def said_of(a: RenderResult, b: RenderResult) -> str:
    """How the two were made comparable, in a few words; empty: they were."""
    (h, w), (v, u) = a.picture.shape[:2], b.picture.shape[:2]
    words = [] if _has_signal(a) and _has_signal(b) else ["of the 8-bit pictures"]
    if (h, w) != (v, u):
        whole = _factor((h, w), (v, u)) or _factor((v, u), (h, w))
        how = f"repeated {whole} ×" if whole else "resampled"
        words.append(f"{'B' if h * w > v * u else 'A'} {how} to {max(w, u)} × {max(h, v)}")
    return ", ".join(words)


def _has_signal(result: RenderResult) -> bool:
    """Each pixel of the picture shows values of the signal at that place."""
    return (result.values is not None and result.picture is not None and result.cells is None
            and result.values.shape[1:] == result.picture.shape[:2] and result.request.view.mode != "pca")


def signal(result: RenderResult) -> np.ndarray:
    """What the picture shows of the tap, before range and gain: float32 [C, H, W], C is 3 or 1."""
    view, values = result.request.view, result.values
    if view.mode == "mean":
        return values.mean(axis=0, dtype=np.float32, keepdims=True)
    if view.mode == "rms":
        return np.sqrt(np.square(values, dtype=np.float32).mean(axis=0, keepdims=True))
    last = len(values) - 1
    shown = view.channels if view.mode == "rgb" else (view.channel,)
    wanted = [min(max(index, 0), last) for index in shown]
    if values.dtype == np.float32 and wanted == list(range(len(values))):
        return values
    return values[wanted].astype(np.float32, copy=False)


def _of_bytes(result: RenderResult) -> np.ndarray:
    return np.moveaxis(result.picture, -1, 0).astype(np.float32) / 127.5 - 1


def _mean_over_channels(x: np.ndarray, y: np.ndarray, error: str) -> np.ndarray:
    """Of E, |E| or E²: float32 [H, W], a new array."""
    count = max(len(x), len(y))
    total = one = None
    for c in range(count):
        one = np.subtract(x[c % len(x)], y[c % len(y)], out=one)
        if error != "E":
            (np.abs if error == "AE" else np.square)(one, out=one)
        if total is None:
            total, one = one, None
        else:
            total += one
    total /= count
    return total


def _coloured(index: np.ndarray, colormap: str) -> np.ndarray:
    """uint8 [H, W] -> uint8 [H, W, 3]; Pillow looks palettes up several times faster than NumPy indexes."""
    indexed = Image.fromarray(index, "L")
    indexed.putpalette(colours(colormap).tobytes())
    return np.array(indexed.convert("RGB"))


# -- sizes ------------------------------------------------------------------------------------------------------------

def _same_size(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[C, H, W] both, the smaller enlarged to the larger."""
    if x.shape[1:] == y.shape[1:]:
        return x, y
    if x[0].size < y[0].size:
        return np.stack([enlarged(plane, y.shape[1:]) for plane in x]), y
    return x, np.stack([enlarged(plane, x.shape[1:]) for plane in y])


def enlarged(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A float32 plane [H, W] or a picture [H, W, 3], each pixel repeated if that fits, else resampled bilinearly."""
    if plane.shape[:2] == tuple(size):
        return plane
    if factor := _factor(size, plane.shape[:2]):
        return plane.repeat(factor, 0).repeat(factor, 1)
    return np.array(Image.fromarray(plane).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def _factor(large: tuple[int, int], small: tuple[int, int]) -> int:
    """How often the small one goes into the large one both ways; 0: not a whole number of times."""
    factor = large[0] // small[0]
    return factor if factor > 1 and (small[0] * factor, small[1] * factor) == tuple(large) else 0


# -- both in one picture ----------------------------------------------------------------------------------------------

def composed(a: RenderResult, b: RenderResult, compare: Compare) -> np.ndarray:
    """The comparison at the networks' resolution, uint8 [H, W, 3]: split, difference, else side by side."""
    if compare.mode == "difference":
        return difference(a, b, compare)[0]
    size = max(a.picture.shape[:2], b.picture.shape[:2], key=lambda size: size[0] * size[1])
    one, other = (enlarged(result.picture, size) for result in (a, b))
    if compare.mode == "split":
        at = round(compare.split * size[1])
        return np.concatenate([one[:, :at], other[:, at:]], axis=1)
    gap = np.full((size[0], GAP, 3), GAP_GREY, np.uint8)
    return np.concatenate([one, gap, other], axis=1)
