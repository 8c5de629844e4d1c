"""Names within the set: those of the source, made harmless, and each of its own."""
from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

UNFIT = re.compile(r'[<>:"|?*\x00-\x1f\x7f\ud800-\udfff]')         # not on every system, or no text at all
LONGEST = 150                            # characters of one part; systems take 255 bytes


def stems(names: Iterable[str]) -> list[str]:
    """For each name its path without suffix. What would meet another, also where upper and lower case are the same
    or a folder has the name, gets its old suffix, 'a.png' beside 'a.jpg' -> 'a-png', or else a number."""
    parts = [_parts(name) for name in names]
    folders = {"/".join(folder[:i]).casefold() for folder, _, _ in parts for i in range(1, len(folder) + 1)}
    taken: set[str] = set()
    found = []
    for folder, stem, suffix in parts:
        for chosen in _candidates("/".join([*folder, stem]), suffix):
            folded = chosen.casefold()
            if folded not in taken and f"{folded}.jpg" not in folders and f"{folded}.png" not in folders:
                break
        taken.add(folded)
        found.append(chosen)
    return found


def _candidates(base: str, suffix: str) -> Iterable[str]:
    yield base
    if suffix:
        yield f"{base}-{suffix}"
    number = 2
    while True:
        yield f"{base}-{number}"
        number += 1


def _parts(name: str) -> tuple[list[str], str, str]:
    """(folders, stem, suffix without its dot): nothing that leads out of the set, or would be hidden in it."""
    *folders, last = [part for part in name.replace("\\", "/").split("/") if part.strip(". ")] or ["picture"]
    path = PurePosixPath(last)
    has_suffix = path.suffix[1:].isalnum()
    stem, suffix = (path.stem, path.suffix[1:].lower()) if has_suffix else (last, "")
    return [_harmless(folder) for folder in folders], _harmless(stem), suffix


def _harmless(part: str) -> str:
    part = UNFIT.sub("_", part)[:LONGEST].rstrip(". ")           # Windows drops these
    return "_" + part.lstrip(".") if not part or part.startswith(".") or part.upper().startswith("__MACOSX") else part
