"""Which file a state means: its content's hash, whether it is still there and the same, and where it went. No torch."""
from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from nets.errors import UserError
from renderer.types import Checkpoint, RenderRequest

BLOCK = 1 << 20                          # bytes; reading and hashing one lets other threads run
Progress = Callable[[float], None]       # share done, 0..1; may raise to give up


def quiet(fraction: float) -> None:
    """The progress that tells nobody."""


@dataclass(frozen=True)
class Found:
    """What became of a file that a restored request names."""
    named: str                           # the path in the request
    state: Literal["same", "changed", "missing"]     # of what is at that path now
    path: str                            # where the file with the state's content is; empty: at no path known


# -- content ----------------------------------------------------------------------------------------------------------

_known: dict[tuple[str, int, int], str] = {}     # (path, size, modification time in nanoseconds) -> hash


def content_hash(path: str | os.PathLike, progress: Progress = quiet) -> str:
    """SHA-256 of a local file in hexadecimal digits; empty for what is none: a demo, a URL, no path at all.

    Takes about a second per gigabyte, the first time: call it from no thread that draws. It is remembered until the
    file's size or modification time changes. Raises UserError if the file cannot be read.
    """
    if not is_file_path(path):
        return ""
    try:
        with open(_expanded(path), "rb", buffering=0, opener=_open_at_once) as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise UserError(f"{path}: is no ordinary file")
            key = os.path.abspath(_expanded(path)), found.st_size, found.st_mtime_ns
            if key not in _known:
                _known[key] = _hash(file, found.st_size, progress)
            return _known[key]
    except (OSError, ValueError) as error:           # ValueError: a path with a null character
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def is_file_path(path: str | os.PathLike) -> bool:
    """Whether it names a local file, and not a demo, a URL or nothing."""
    return bool(path) and re.match(r"demo:|[A-Za-z][A-Za-z0-9+.-]+://", os.fspath(path)) is None


def _hash(file, size: int, progress: Progress) -> str:
    digest, block, done = hashlib.sha256(), memoryview(bytearray(BLOCK)), 0
    while count := file.readinto(block):
        digest.update(block[:count])
        done += count
        progress(min(done / max(size, 1), 1.0))
    return digest.hexdigest()


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))       # a pipe would wait for its writer


def _expanded(path: str | os.PathLike) -> str:
    return os.path.expanduser(os.fspath(path))


# -- requests ---------------------------------------------------------------------------------------------------------

def stamped(request: RenderRequest, progress: Progress = quiet) -> RenderRequest:
    """`request` as it is saved: every local file it names by its absolute path and with its content's hash.

    Hashes the files, as `content_hash` does. A file that cannot be read any more keeps the hash it had.
    """
    def stamp(checkpoint: Checkpoint) -> Checkpoint:
        if not is_file_path(checkpoint.path):
            return replace(checkpoint, content="")
        try:
            content = content_hash(checkpoint.path, progress)
        except UserError:
            return checkpoint
        return replace(checkpoint, path=os.path.abspath(_expanded(checkpoint.path)), content=content)
    return _with_checkpoints(request, stamp)


def unstamped(request: RenderRequest) -> RenderRequest:
    """`request` as the window holds it: without hashes, so that it equals any other that renders the same."""
    return _with_checkpoints(request, lambda checkpoint: replace(checkpoint, content=""))


def find(request: RenderRequest, known_paths: Iterable[str] = (), source: str | os.PathLike | None = None,
         progress: Progress = quiet) -> tuple[Found, ...]:
    """What became of each local file that a restored, still stamped request names; its own checkpoint's comes first.

    A file that is not the same any more is looked for beside `source` (the PNG or JSON that the request came from; the
    same name there), then at `known_paths` (recents), those of the same name first: it is the file whose content is the
    one the state was saved with. Hashes files: call it from no thread that draws. A state without a hash, as version 1
    wrote, takes any file at its path for the same, and cannot find another.
    """
    named = {checkpoint.path: checkpoint for checkpoint in checkpoints(request) if is_file_path(checkpoint.path)}
    return tuple(_find(checkpoint, known_paths, source, progress) for checkpoint in named.values())


def moved(request: RenderRequest, named: str, path: str) -> RenderRequest:
    """`request` with the file at `path` in place of the one it calls `named`; what its content is, is open again."""
    return _with_checkpoints(request, lambda c: replace(c, path=path, content="") if c.path == named else c)


def checkpoints(request: RenderRequest) -> tuple[Checkpoint, ...]:
    """Every checkpoint that `request` names: its own, the one it compares with, the pinned request's."""
    seen: list[Checkpoint] = []
    _with_checkpoints(request, lambda checkpoint: seen.append(checkpoint) or checkpoint)
    return tuple(seen)


def _find(checkpoint: Checkpoint, known_paths: Iterable[str], source, progress: Progress) -> Found:
    there = os.path.isfile(_expanded(checkpoint.path))
    if there and (not checkpoint.content or _is(checkpoint.path, checkpoint.content, progress)):
        return Found(checkpoint.path, "same", checkpoint.path)
    name = _name(checkpoint.path)
    beside = [] if source is None else [os.path.join(os.path.dirname(os.path.abspath(source)), name)]
    known = sorted(filter(is_file_path, known_paths), key=lambda path: _name(path) != name)
    path = next((path for path in [*beside, *known] if _is(path, checkpoint.content, progress)), "")
    return Found(checkpoint.path, "changed" if there else "missing", path)


def _is(path: str, content: str, progress: Progress) -> bool:
    try:
        return bool(content) and os.path.isfile(_expanded(path)) and content_hash(path, progress) == content
    except UserError:
        return False


def _name(path: str) -> str:
    """The file's name, also of a path that another system wrote."""
    return re.split(r"[/\\]", path)[-1]


def _with_checkpoints(request: RenderRequest, change: Callable[[Checkpoint], Checkpoint]) -> RenderRequest:
    request, compare = replace(request, checkpoint=change(request.checkpoint)), request.compare
    if compare is not None:
        compare = replace(compare, checkpoint=compare.checkpoint and change(compare.checkpoint),
                          pinned=compare.pinned and _with_checkpoints(compare.pinned, change))
    return replace(request, compare=compare)
