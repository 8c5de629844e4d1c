"""What tests of a run's folder share: its files read back, a process of its own, a full disk."""
from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.record_writer import masked_crc32c

ROOT = Path(__file__).resolve().parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="forks, or kill -9: POSIX's")


def status_of(path: Path) -> dict:
    return json.loads((path / "status.json").read_text())


def python(code: str, *arguments: object, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, env=os.environ | {"PYTHONIOENCODING": "utf-8"}, **options)


def records(path: Path) -> list[bytes]:
    """TFRecord: length, its checksum, content, its checksum."""
    found, content = [], path.read_bytes()
    while content:
        size, check = struct.unpack("<QI", content[:12])
        assert check == masked_crc32c(content[:8])
        record, (check,) = content[12:12 + size], struct.unpack("<I", content[12 + size:16 + size])
        assert len(record) == size and check == masked_crc32c(record)
        found.append(record)
        content = content[16 + size:]
    return found


def events(folder: Path) -> list[Event]:
    files = sorted(folder.glob("events.out.tfevents.*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [Event.FromString(record) for path in files for record in records(path)]


def fail(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
