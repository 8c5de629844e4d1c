"""Bringing back a state from a PNG or JSON: the files it names may have moved or changed since. Pure."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from renderer.content import Found, moved
from renderer.types import RenderRequest


@dataclass(frozen=True)
class Restored:
    request: RenderRequest
    notes: tuple[str, ...] = ()          # what became of its files, one sentence each
    missing: tuple[str, ...] = ()        # paths in the request that nothing is at, and that weren't found elsewhere


def resolved(request: RenderRequest, found: Sequence[Found]) -> Restored:
    """`request` with the files that were found elsewhere in their new place."""
    notes, missing = [], []
    for file in found:
        name = name_of(file.named)
        if file.state == "missing" and not file.path:
            missing.append(file.named)
        elif file.state == "changed" and not file.path:
            notes.append(f"{name} has changed since this was saved: the picture may differ")
        elif file.state != "same":
            what = "is no longer" if file.state == "missing" else "has changed"
            where = f"at {folder_of(file.named)}" if file.state == "missing" else "since this was saved"
            notes.append(f"{name} {what} {where}; the same file was found at {file.path}")
            request = moved(request, file.named, file.path)
    return Restored(request, tuple(notes), tuple(missing))


def question(named: str) -> str:
    return f"{name_of(named)} is not at {folder_of(named)}: where is it now?"


def name_of(path: str) -> str:
    """Of paths that another system wrote, too."""
    return path.replace("\\", "/").rpartition("/")[2]


def folder_of(path: str) -> str:
    folder = path[:-len(name_of(path))].rstrip("/\\")
    return folder or "the working folder"
