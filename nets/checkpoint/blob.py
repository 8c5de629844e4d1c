"""Bytes of a file by position: read when asked for, never all at once, never beyond their end."""
from __future__ import annotations

import codecs
import io
import threading
from typing import BinaryIO

DECODED_AT_ONCE = 1 << 18                # bytes; decoding holds the interpreter lock


class Malformed(Exception):
    """What a file says makes no sense. Becomes a `CheckpointError` where the file's name is known."""

    def __init__(self, reason: str, remedy: str = ""):
        self.reason, self.remedy = reason, remedy
        super().__init__(reason)


class Blob:
    """`size` bytes from `start` on in a file.

    Plain reads rather than a memory map: reading releases the interpreter lock, and a file that another process
    truncates is a short read here instead of a SIGBUS.
    """
    __slots__ = ("_file", "_lock", "_start", "size")

    def __init__(self, file: BinaryIO, start: int, size: int, lock: threading.Lock | None = None):
        self._file, self._start, self.size = file, start, size
        self._lock = lock or threading.Lock()      # the file's position is shared

    @classmethod
    def of(cls, data: bytes) -> Blob:
        return cls(io.BytesIO(data), 0, len(data))

    def view(self, start: int, size: int, kind: type[Blob] | None = None) -> Blob:
        """A part of this blob. Raises Malformed if it does not lie within."""
        if start < 0 or size < 0 or start + size > self.size:
            raise Malformed("is truncated or damaged", "get the file again")
        return (kind or Blob)(self._file, self._start + start, size, self._lock)

    def read(self, start: int = 0, size: int | None = None) -> bytes:
        part = self.view(start, self.size - start if size is None else size)
        with self._lock:
            self._file.seek(part._start)
            data = self._file.read(part.size)
        if len(data) != part.size:
            raise Malformed("became shorter while it was read", "open it again")
        return data

    def read_into(self, buffer: memoryview) -> None:
        """Fills `buffer`, whose length is this blob's size."""
        done = 0
        with self._lock:
            self._file.seek(self._start)
            while done < self.size:
                count = self._file.readinto(buffer[done:])
                if not count:
                    raise Malformed("became shorter while it was read", "open it again")
                done += count

    def decoded(self) -> Blob:
        """The bytes meant, where a subclass holds them in another form."""
        return self


class TextBlob(Blob):
    """Bytes that protocol 0-2 pickles of Python 3 write as text: each byte a character below 256, in UTF-8."""
    __slots__ = ()

    def decoded(self) -> Blob:
        decoder, data = codecs.getincrementaldecoder("utf-8")(), bytearray()
        try:
            for start in range(0, self.size, DECODED_AT_ONCE):
                part = self.read(start, min(DECODED_AT_ONCE, self.size - start))
                data += decoder.decode(part, final=start + len(part) == self.size).encode("latin-1")
        except UnicodeError:
            raise Malformed("holds text where bytes should be") from None
        return Blob.of(bytes(data))
