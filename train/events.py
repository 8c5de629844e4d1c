"""The numbers of a run over time as TensorBoard reads them: events.out.tfevents.*, the step being images shown."""
from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter

from train.stats import finite

PREFIX = "events.out.tfevents."


class Events:
    """TensorBoard's file of events, flushed at every step. Methods raise OSError, and go on in a new file afterwards.

    Not `tensorboardX.SummaryWriter`: on a full disk its thread ends, and the run waits for it without end.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._writer: RecordWriter | None = None

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Each value as a scalar, named as TensorBoard groups them: G/loss for "G.loss"."""
        scalars = [Summary.Value(tag=name.replace(".", "/", 1), simple_value=value)
                   for name, value in finite(values).items()]
        self._write(step=step, wall_time=values.get("time", time.time()), summary=Summary(value=scalars))

    def purge(self, step: int) -> None:
        """Has TensorBoard drop what it has read so far from `step` on."""
        self._write(step=step, wall_time=time.time(), session_log=SessionLog(status=SessionLog.START))

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()

    def _write(self, **fields) -> None:
        is_new = self._writer is None
        try:
            self._writer = self._writer or self._open()
            self._writer.write(Event(**fields).SerializeToString())
            self._writer.flush()
        except OSError:
            path = self._writer and Path(self._writer.path)
            self.close()                                 # nothing can be read behind a record written in part
            if is_new and path:
                path.unlink(missing_ok=True)
            raise

    def _open(self) -> RecordWriter:
        """Another name than all before: a writer empties the file of one opened in the same second."""
        number = len(list(self._folder.glob(f"{PREFIX}*")))
        name = f"{PREFIX}{time.time():.0f}.{socket.gethostname()}.{os.getpid()}.{number}"
        writer = self._writer = RecordWriter(str(self._folder / name))
        writer.write(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
        return writer
