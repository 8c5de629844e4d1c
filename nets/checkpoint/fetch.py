"""Downloads a checkpoint into the cache folder: with progress, resumed where it was cut, never beyond a size."""
from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import platformdirs

from nets.errors import CheckpointError

MAX_BYTES = 8 << 30
CHUNK = 1 << 18
TIMEOUT_SECONDS = 30.0
NETWORK_FAULTS = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
SENT_AS_THEY_ARE = "%/:;=&?@!$'()*+,~[]"
AGAIN = "open it again to continue where it stopped"
Progress = Callable[[str, float | None], None]


def is_url(source: str) -> bool:
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None


def is_download(source: str) -> bool:
    return is_url(source) and not source.lower().startswith("file:")


def cache_folder() -> Path:
    """Where downloads are kept."""
    return Path(platformdirs.user_cache_dir("stylescope")) / "downloads"


def fetch(url: str, progress: Progress, folder: Path | None = None, max_bytes: int = MAX_BYTES) -> Path:
    """The file at an http, https or file URL; the first time it is downloaded, later found in `folder`.

    A cut download leaves NAME.part, which the next call continues if the server still has the same file.
    `progress(text, fraction)` may raise to give up. Raises CheckpointError.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port                      # raise where they are none
    except ValueError as error:
        raise CheckpointError(url, f"is no address: {error}", "check the address") from None
    if parts.scheme == "file":
        return Path(urllib.request.url2pathname(parts.path))
    if parts.scheme not in ("http", "https") or not host:
        raise CheckpointError(url, f"is not a kind of address this program opens ({parts.scheme})",
                              "use http, https, or a file's path")
    folder = folder or cache_folder()
    name = re.sub(r"[^\w.-]", "_", unquote(Path(parts.path).name))[-80:] or "checkpoint"
    target = folder / f"{hashlib.sha256(url.encode()).hexdigest()[:16]}-{name}"
    if target.exists():
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _download(url, target, progress, max_bytes)
    except urllib.error.HTTPError as error:
        raise CheckpointError(url, f"can't be downloaded: the server says {error.code} {error.reason}",
                              "check the address") from error
    except NETWORK_FAULTS as error:
        cause = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise CheckpointError(url, f"can't be downloaded: {cause}", f"check the connection and {AGAIN}") from error
    except OSError as error:
        raise CheckpointError(url, f"can't be kept in {folder}: {error.strerror or error}",
                              "free some space there, or set XDG_CACHE_HOME to another place") from error
    return target


def _download(url: str, target: Path, progress: Progress, max_bytes: int) -> None:
    part, validator = target.with_name(target.name + ".part"), target.with_name(target.name + ".tag")
    with open(part, "ab") as file:
        _lock(file, url)
        try:
            _receive(url, file, validator, progress, max_bytes, target.name)
        except BaseException:
            if os.fstat(file.fileno()).st_size == 0:
                with contextlib.suppress(OSError):                # Windows keeps files that are open
                    part.unlink()
                    validator.unlink(missing_ok=True)
            raise
    os.replace(part, target)
    validator.unlink(missing_ok=True)


def _receive(url: str, file: Any, validator: Path, progress: Progress, max_bytes: int, name: str) -> None:
    """Completes `file` with what the server has; `validator` keeps the tag it gives to this version of its file."""
    tag = validator.read_text() if validator.exists() else ""
    if not tag or tag.startswith("W/"):                           # nothing tells whether the server's file is the same
        file.truncate(0)
    with _request(url, file.seek(0, os.SEEK_END), tag) as answer:
        start = _range_start(answer) if answer.status == 206 else 0
        if start not in (0, file.tell()):
            raise CheckpointError(url, "can't be continued: the server sends another part than asked for", AGAIN)
        file.truncate(start)
        validator.write_text(answer.headers.get("ETag") or answer.headers.get("Last-Modified") or "")
        total = _total(answer, start)
        _check_size(url, total or 0, max_bytes)
        done = _copy(answer, file, start, total, lambda n: _check_size(url, n, max_bytes), progress, name)
    if total is not None and done != total:
        raise CheckpointError(url, f"was cut after {done} of {total} bytes", AGAIN)
    file.flush()
    os.fsync(file.fileno())


def _request(url: str, start: int, tag: str) -> Any:
    """Asks for the rest from `start` on, if the file is still the one with this tag; else for all of it."""
    headers = {"User-Agent": "stylescope", "Accept-Encoding": "identity"}
    opener = urllib.request.OpenerDirector()                      # http and https only, redirections included
    for handler in (urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler,
                    urllib.request.HTTPRedirectHandler, urllib.request.HTTPDefaultErrorHandler,
                    urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler):
        opener.add_handler(handler())
    parts = urlsplit(url)                                         # spaces and the like as browsers send them
    path, query = quote(parts.path, SENT_AS_THEY_ARE), quote(parts.query, SENT_AS_THEY_ARE)
    url = urlunsplit(parts._replace(path=path, query=query))
    rest = {"Range": f"bytes={start}-", "If-Range": tag} if start else {}
    try:
        return opener.open(urllib.request.Request(url, headers=headers | rest), timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not rest:                         # 416: nothing lies behind `start`
            raise
        return opener.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_SECONDS)


def _copy(answer: Any, file: Any, done: int, total: int | None, check: Callable[[int], None], progress: Progress,
          name: str) -> int:
    while chunk := answer.read(CHUNK):
        done += len(chunk)
        check(done)
        file.write(chunk)
        progress(f"downloading {name.partition('-')[2]}: {done / 1e6:.0f} MB", done / total if total else None)
    return done


def _total(answer: Any, start: int) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return start + int(length) if length.isdecimal() and len(length) < 20 else None


def _range_start(answer: Any) -> int | None:
    match = re.match(r"bytes (\d{1,19})-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _check_size(url: str, size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise CheckpointError(url, f"is larger than {max_bytes / 1e9:.3g} GB, the most this program downloads",
                              "download it yourself and open the file")


def _lock(file: Any, url: str) -> None:
    """One download of an address at a time; the lock ends with the process. Windows locks nothing here."""
    if os.name != "posix":
        return
    import fcntl
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CheckpointError(url, "is being downloaded by another window", "wait for it to finish") from None
