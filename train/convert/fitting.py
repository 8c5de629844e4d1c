"""Which sizes training can use, what to choose where one is not among them, and whether a source will do as it is."""
from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

from nets.errors import UserError, one_line
from train.convert.converting import Survey
from train.convert.source import Source, counted
from train.presets import PRESETS, Data, preset

SMALLEST = 8
LISTED = 3


def fitting_presets(size: tuple[int, int], channels: int = 3) -> list[str]:
    """The names for --cfg whose networks can have pictures of `size` (W, H)."""
    return [name for name in PRESETS if _fits(name, size, channels)]


def _fits(name: str, size: tuple[int, int], channels: int) -> bool:
    try:
        preset(name, Data((size[1], size[0]), channels))
        return True
    except UserError:
        return False


def in_words(size: tuple[int, int], channels: int) -> str:
    """'--cfg stylegan2, ..', or all."""
    names = fitting_presets(size, channels)
    return "every --cfg" if len(names) == len(PRESETS) else f"--cfg {', '.join(names)}"


def suggested(sizes: Counter) -> int:
    """The power of two that enlarges the median picture by a quarter at most; `sizes`: a Counter of (W, H)."""
    return max(1 << (_median_side(sizes) * 5 // 4).bit_length() - 1, SMALLEST)


def _median_side(sizes: Counter) -> int:
    sides = sorted(min(size) for size in sizes.elements())
    return sides[len(sides) // 2]


def trouble_with_sizes(found: Survey) -> str:
    """Why pictures of these sizes are no data set, in words; '' if they are one."""
    if len(found.sizes) > 1:
        common = found.sizes.most_common(LISTED)
        listed = ", ".join(f"{count} of {width}x{height}" for (width, height), count in common)
        others = len(found.usable) - sum(count for _, count in common)
        return f"its pictures have {len(found.sizes)} sizes: {listed}" + (f", {others} of others" if others else "")
    (width, height), = found.sizes
    if not fitting_presets((width, height)):
        return (f"its pictures are {width}x{height}, which no network here can have (the longer side must be 8, 16, "
                "32, .., both whole quarters of it)")
    return ""


def remedy(sizes: Counter) -> str:
    """What to do about it."""
    side = suggested(sizes)
    pad = " (enlarging; with --transform pad, black is added instead)" if _median_side(sizes) < side else ""
    return f"choose one, such as --resolution {side}{pad}"


def obstacles(source: Source, found: Survey, skipped: int) -> list[str]:
    """Why training cannot use the source as it is; empty if it can."""
    lines = [f"it is {source.kind}, training reads folders and zips"] if source.kind not in ("folder", "zip") else []
    lines += [source.obstacle] if source.obstacle else []
    lines += [f"{skipped} of its pictures cannot be read"] if skipped else []
    lines += [f"{counted(count, 'picture')} {what}" for what, count in sorted(found.obstacles.items())]
    lines += [trouble_with_sizes(found)] if trouble_with_sizes(found) else []
    if found.is_mixed and found.first_is_grey:
        lines.append("some pictures are coloured and the first is grey")
    return lines


def verdict(source: Source, found: Survey, skipped: int, changed: int) -> str:
    """The last line of --check. `skipped`, `changed`: the numbers of pictures that converting would leave out, and do
    something to: training ignores EXIF and drops transparency."""
    wrong = obstacles(source, found, skipped)
    if not wrong:
        size, = found.sizes
        return (f"{source.path}: training can use it as it is, {size[0]}x{size[1]}, with "
                f"{in_words(size, found.channels)}"
                + (f"; converted, {changed} of its pictures would change" if changed else ""))
    option = f" --resolution {suggested(found.sizes)}" if trouble_with_sizes(found) else ""
    return one_line(f"{source.path}: training cannot use it as it is: {'; '.join(wrong)}. Convert it: "
                    f"python -m train data {shlex.quote(str(source.path))} -o DEST{option}")


def check_frame(size: tuple[int, int], given: str) -> None:
    """Raises UserError for a size that would be no use."""
    if not fitting_presets(size):
        side = max(1 << max(size).bit_length() - 1, SMALLEST)
        raise UserError(f"{given}: no network here can have pictures of {size[0]}x{size[1]}: the longer side must be "
                        f"8, 16, 32, .., both whole quarters of it, such as {side}x{side} or {side}x{side * 3 // 4}")


def report_path(dest: Path) -> Path:
    """Beside the data set: within, it would be part of it."""
    return dest.with_name((dest.stem if dest.suffix.lower() == ".zip" else dest.name) + "-report.txt")
