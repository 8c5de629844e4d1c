"""The signal behind a picture: the values that a pixel shows, all channels there, and how they are written."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gui.cells import channel_at
from gui.requests import IMAGE
from renderer.types import RenderResult

COLOURS = ("R", "G", "B")
FIGURE_SPACE = "\u2007"                  # as wide as a figure
GAP, WIDE = 2 * FIGURE_SPACE, 4 * FIGURE_SPACE


def is_sheet(result: RenderResult) -> bool:
    request = result.request
    return result.cells is not None and request.view.mode == "sheet" and not request.table and not request.seeds


@np.errstate(invalid="ignore", over="ignore")        # what is not finite stays so, quietly
def behind(result: RenderResult, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What the pixels (x, y) of the picture show, [N, *x.shape]: the signal's values, of three channels or of one.

    Of a sheet, pixels between the channels are masked. Where a pixel has no value of the signal (principal components,
    tables, grids of seeds): its colour, uint8.
    """
    values, view = result.values, result.request.view
    if values is not None and is_sheet(result):
        channel, y, x = channel_at(result.cells, values.shape[1:], y, x)
        taken = values[np.maximum(channel, 0), y, x].astype(np.float32)
        return np.ma.masked_array(taken, channel < 0)[None]
    if not _is_plain(result) or view.mode == "pca":
        return np.moveaxis(result.picture[y, x], -1, 0)
    if view.mode in ("rgb", "channel"):
        return np.stack([values[index, y, x] for index in channels_shown(result)]).astype(np.float32)
    column = values[:, y, x].astype(np.float32)
    return (column.mean(0) if view.mode == "mean" else np.sqrt(np.square(column).mean(0)))[None]


def _is_plain(result: RenderResult) -> bool:
    """A pixel of the picture is a pixel of the signal."""
    return (result.values is not None and result.cells is None
            and result.values.shape[1:] == result.picture.shape[:2])


def channels_shown(result: RenderResult) -> tuple[int, ...]:
    """Channels as they are drawn: beyond the last one, the last one."""
    view, last = result.request.view, result.values.shape[0] - 1
    wanted = view.channels if view.mode == "rgb" else (view.channel,)
    return tuple(min(max(index, 0), last) for index in wanted)


def place(result: RenderResult, x: int, y: int) -> tuple[int | None, int, int]:
    """(channel, x, y) in the signal of the picture's pixel (x, y): a channel in sheets only, -1 between them."""
    if result.values is None or not is_sheet(result):
        return None, x, y
    channel, y, x = (int(v) for v in channel_at(result.cells, result.values.shape[1:], np.array(y), np.array(x)))
    return channel, x, y


def column(result: RenderResult, x: int, y: int) -> np.ndarray | None:
    """All channels at a pixel of the picture, float32 [C]; None where there is no one pixel of the signal."""
    channel, x, y = place(result, x, y)
    if result.values is None or channel == -1 or (channel is None and not _is_plain(result)):
        return None
    return result.values[:, y, x].astype(np.float32)


def readout(result: RenderResult, x: int, y: int) -> str:
    """'x 12  y 7  R 0.124  G −0.5  B 0.9  RGB 143 64 242', in columns that stay where they are."""
    colour = "RGB " + " ".join(_padded(str(v), 3) for v in result.picture[y, x].tolist())
    channel, column, row = place(result, x, y)
    if channel == -1:
        return f"between the channels{WIDE}{colour}"
    name = "" if channel is None else f"channel {_padded(str(channel), 3)}{GAP}"
    position = f"{name}x {_padded(str(column), 4)}{GAP}y {_padded(str(row), 4)}"
    return WIDE.join(filter(None, (position, _named_values(result, x, y), colour)))


def _padded(words: str, width: int) -> str:
    """So wide in figures, whatever it says."""
    return words.rjust(width, FIGURE_SPACE)


def _named_values(result: RenderResult, x: int, y: int) -> str:
    values = behind(result, np.array(y), np.array(x))
    if values.dtype == np.uint8 or np.ma.getmaskarray(values).any():
        return ""
    return GAP.join(f"{name} {_padded(figures(float(v)), 8)}".lstrip() for name, v in zip(_names(result), values))


def _names(result: RenderResult) -> tuple[str, ...]:
    mode = result.request.view.mode
    if mode not in ("rgb", "channel"):
        return ({"mean": "mean", "rms": "RMS"}.get(mode, ""),)
    if mode == "rgb" and result.request.tap == IMAGE and len(result.values) == 3:
        return tuple(COLOURS[index] for index in channels_shown(result))
    return tuple(f"#{index}" for index in channels_shown(result))


def figures(value: float) -> str:
    """Four of them: '0.01234', '−12.35', '1.2e+06', as in all of the window."""
    return f"{value:.4g}".replace("-", "−")


def compact(value: float) -> str:
    """Three, for inside a pixel: '0.124', '−12.3', '1.2e6'."""
    words = f"{value:.0f}" if 1000 > abs(value) >= 99.95 else f"{value:.3g}"
    return words.replace("e-0", "e-").replace("e+0", "e").replace("e+", "e").replace("-", "−")


@dataclass(frozen=True)
class Summary:
    """Of all channels at one pixel."""
    least: float
    mean: float
    most: float
    strongest: tuple[tuple[int, float, float], ...]      # channel, value, share of the pixel's energy 0..1
    nonfinite: int                       # how many channels are infinite or not a number


def summary(values: np.ndarray, count: int = 4) -> Summary:
    """Of `values`, float [C]; what is not finite is left out, but counts as strongest."""
    finite = np.isfinite(values)
    known = values[finite].astype(np.float64)
    energy = float(np.square(known).sum())
    order = np.argsort(-np.where(finite, np.abs(values), np.inf), kind="stable")[:count]
    strongest = tuple((int(i), float(values[i]), float(values[i]) ** 2 / energy if finite[i] and energy else 0.0)
                      for i in order)
    least, mean, most = (known.min(), known.mean(), known.max()) if len(known) else (np.nan,) * 3
    return Summary(float(least), float(mean), float(most), strongest, int((~finite).sum()))
