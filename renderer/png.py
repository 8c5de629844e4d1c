"""The texts inside a PNG file, read without its pixels, of which there may be hundreds of millions. No torch."""
from __future__ import annotations

import os
import struct
import zlib
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_BYTES = 64 << 20                    # of all texts together, none of them longer when inflated


class Damaged(Exception):
    """The file is no PNG, or breaks off, or its texts are not what their checksums say."""


def texts(path: str | os.PathLike) -> dict[str, str]:
    """By keyword: the international texts (iTXt), before the pixels or after them. Raises Damaged and OSError."""
    found, room = {}, MOST_BYTES
    with open(path, "rb") as file:
        if file.read(len(SIGNATURE)) != SIGNATURE:
            raise Damaged
        kind = b""
        while kind != b"IEND":
            length, kind = struct.unpack(">I4s", _exactly(file, 8))      # PNG 5.3
            if kind == b"iTXt" and length <= room:
                room -= length
                found.update([_text(_exactly(file, length), file.read(4))])
            else:
                file.seek(length + 4, os.SEEK_CUR)       # with its checksum
    return found


def _exactly(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise Damaged
    return data


def _text(data: bytes, checksum: bytes) -> tuple[str, str]:
    """(keyword, text) of a chunk (PNG 11.3.4.5): the keyword, whether and how it is compressed, language, .., text."""
    if zlib.crc32(b"iTXt" + data).to_bytes(4, "big") != checksum:
        raise Damaged
    try:
        keyword, rest = data.split(b"\0", 1)
        _, _, text = rest[2:].split(b"\0", 2)
        if rest[0]:
            text = zlib.decompressobj().decompress(text, MOST_BYTES)
        return keyword.decode("latin-1"), text.decode()
    except (ValueError, IndexError, zlib.error):
        raise Damaged from None
