"""Files that are there in full or not at all, whatever stops the program while it writes them."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside `path`; what was written there takes its place, and is on the disk, at the end.

    After an exception `path` is what it was. A process killed inside leaves a file `.NAME.PID.tmp`, see `is_left_over`.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            permissions = os.fstat(file.fileno()).st_mode
        yield temporary
        os.chmod(temporary, permissions)     # libraries such as safetensors make files that only their owner may read
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def is_left_over(path: Path) -> bool:
    """Whether a name is one that `replacing`, or safetensors within it (`.tmpXXXXXX`), writes to before all is done."""
    return re.fullmatch(r"\..+\.\d+\.tmp|\.tmp\w{6}", path.name) is not None


def _sync_folder(folder: Path) -> None:
    """Makes the new name last. Windows has no such call, and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
