"""PyTorch storages inside a pickle: the bytes of a `torch.save` of one storage, in its legacy or its zip format."""
from __future__ import annotations

import io
import math
import zipfile
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .blob import Blob, Malformed
from .reader import Reader
from .tensors import FileTensor, check_shape, check_sizes
from .values import Global

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {
    "FloatStorage": torch.float32, "DoubleStorage": torch.float64, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "BoolStorage": torch.bool, "ByteStorage": torch.uint8,
    "CharStorage": torch.int8, "ShortStorage": torch.int16, "IntStorage": torch.int32, "LongStorage": torch.int64,
}
MAX_ZIP_READ = 1 << 20       # the directory of a zip with one storage takes under a kilobyte


class Numbers(NamedTuple):
    """A storage's contents."""
    data: Blob
    dtype: torch.dtype


class Storage:
    """A storage still packed; its few headers are read when a tensor of it is loaded."""

    def __init__(self, packed: Blob):
        self._packed = packed

    @property
    def size(self) -> int:
        """Bytes, headers included."""
        return self._packed.size

    @cached_property
    def dtype(self) -> torch.dtype:
        return self.open().dtype

    def open(self) -> Numbers:
        packed = self._packed.decoded()
        return _open_zip(packed) if packed.read(0, min(4, packed.size)) == b"PK\x03\x04" else _open_legacy(packed)


def _reader(blob: Blob) -> Reader:
    return Reader(blob, resolve=lambda name: None, persistent=_storage_id)


def _storage_id(identity: Any) -> tuple[torch.dtype, str, int]:
    """('storage', storage class, key, location, number of elements, ..) -> (dtype, key, number of elements)."""
    if not (isinstance(identity, tuple) and len(identity) >= 5 and identity[0] == "storage"):
        raise Malformed("is damaged: a storage does not say what it holds")
    _, kind, key, _, count, *view = identity
    if not isinstance(kind, Global) or kind.module != "torch" or kind.name not in STORAGES or any(view):
        raise Malformed(f"holds a storage of a kind this program does not know ({kind})")
    if not isinstance(key, str) or type(count) is not int or count < 0:
        raise Malformed("is damaged: a storage does not say what it holds")
    return STORAGES[kind.name], key, count


def _identified(root: Any) -> tuple[torch.dtype, str, int]:
    if not (isinstance(root, tuple) and len(root) == 3 and isinstance(root[0], torch.dtype)):
        raise Malformed("is damaged: a storage does not say what it holds")
    return root


def _open_legacy(packed: Blob) -> Numbers:
    """Five pickles (magic number, version, system, storage, keys), the element count, the data."""
    reader = _reader(packed)
    if reader.read() != LEGACY_MAGIC:
        raise Malformed("is damaged: a storage does not begin as one")
    reader.read()
    system = reader.read()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Malformed("was written on a big-endian machine", "convert it there")
    dtype, _, count = _identified(reader.read())
    reader.read()
    start = reader.position
    if int.from_bytes(packed.read(start, 8), "little") != count:
        raise Malformed("is damaged: a storage contradicts itself about its size")
    return Numbers(packed.view(start + 8, count * dtype.itemsize), dtype)


def _open_zip(packed: Blob) -> Numbers:
    """NAME/data.pkl and NAME/data/KEY, uncompressed."""
    try:
        archive = zipfile.ZipFile(_BlobFile(packed))
        roots = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        root = roots[0].removesuffix("data.pkl") if len(roots) == 1 else ""
        dtype, key, count = _identified(_reader(_entry(packed, archive, root + "data.pkl")).read())
        if root + "byteorder" in archive.namelist():
            order = _entry(packed, archive, root + "byteorder")
            if order.size > 16 or order.read() != b"little":
                raise Malformed("was written on a big-endian machine", "convert it there")
        data = _entry(packed, archive, f"{root}data/{key}")
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError) as error:
        raise Malformed("is damaged: a storage is no valid zip archive") from error
    return Numbers(data.view(0, count * dtype.itemsize), dtype)


def _entry(packed: Blob, archive: zipfile.ZipFile, name: str) -> Blob:
    """The bytes of an uncompressed entry, which lie behind its local header."""
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
        raise Malformed("has compressed or encrypted storages, which PyTorch does not write")
    header = packed.read(info.header_offset, 30)
    name_size, extra_size = header[26] | header[27] << 8, header[28] | header[29] << 8
    return packed.view(info.header_offset + 30 + name_size + extra_size, info.file_size)


class _BlobFile(io.RawIOBase):
    """A blob as a seekable file, for `zipfile`; reads of more than a directory's size are refused."""

    def __init__(self, blob: Blob):
        self._blob, self._position = blob, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._blob.size}[whence]
        if base + offset < 0:
            raise ValueError("seek before the beginning")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        rest = max(self._blob.size - self._position, 0)
        size = rest if size is None or size < 0 else min(size, rest)
        if size > MAX_ZIP_READ:
            raise Malformed("is damaged: a storage's directory is larger than a storage needs")
        data = self._blob.read(self._position, size) if size else b""
        self._position += size
        return data


class StoredTensor:
    """A view of a storage, `offset` and `stride` counted in elements."""

    def __init__(self, storage: Any, offset: Any, shape: Any, stride: Any):
        if not isinstance(storage, Storage):
            raise Malformed("is damaged: a tensor has no storage")
        self.shape = check_shape(shape, storage.size)
        self._stride = check_sizes(stride)
        if type(offset) is not int or offset < 0 or len(self._stride) != len(self.shape):
            raise Malformed("is damaged: a tensor does not say where it lies")
        self._storage, self._offset = storage, offset

    @property
    def dtype(self) -> torch.dtype:
        return self._storage.dtype

    def load(self) -> Tensor:
        numbers = self._storage.open()
        size = numbers.dtype.itemsize
        span = 1 + sum((n - 1) * step for n, step in zip(self.shape, self._stride)) if 0 not in self.shape else 0
        if max(span, math.prod(self.shape)) * size > numbers.data.size:
            raise Malformed("has a tensor larger than its storage", "get the file again")
        part = numbers.data.view(self._offset * size, span * size)
        return FileTensor(part, numbers.dtype, (span,)).load().as_strided(self.shape, self._stride).contiguous()
