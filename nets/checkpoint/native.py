"""The project's own format: one safetensors file with the tensors `G_ema.*`, and optionally `G.*`, `D.*`.

Its metadata holds one JSON text under "stylescope": format version, family and configuration and kwargs of each
network, training summary. Layout of the file: github.com/huggingface/safetensors, "Format": eight bytes with the
header's length, the header in JSON, the tensors.
"""
from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO, Mapping

import torch
from torch import nn

from nets.config import CONFIGS, from_dict, kind_of
from nets.errors import CheckpointError

from .blob import Blob, Malformed
from .limits import check_config
from .record import NetworkRecord, unset_network
from .tensors import FileTensor, check_shape

FORMAT_VERSION = 1
MAX_HEADER = 16 << 20
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
          "BOOL": torch.bool}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


# -- reading ----------------------------------------------------------------------------------------------------------

def looks_native(start: bytes) -> bool:
    """Whether a file that begins so is a safetensors file."""
    return len(start) > 8 and start[8:9] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= 1 << 40


def read_native(blob: Blob) -> tuple[dict[str, NetworkRecord], dict]:
    """Networks by name, and the training summary. Raises Malformed."""
    header, data = _read_header(blob)
    metadata = header.pop("__metadata__", None)
    text = metadata.get("stylescope") if isinstance(metadata, dict) else None
    if not isinstance(text, str):
        raise Malformed("is a safetensors file, but not one of this program's",
                        "convert the network's original .pkl instead")
    about = _parse(text)
    if about.get("format_version") != FORMAT_VERSION:
        raise Malformed(f"is of format version {str(about.get('format_version'))[:20]}, this program reads "
                        f"{FORMAT_VERSION}", "open it with a newer version of this program")
    tensors = {name: _source(entry, data) for name, entry in header.items()}
    networks = {name: _record(name, said, tensors) for name, said in about["networks"].items()}
    return networks, about.get("summary", {})


def _read_header(blob: Blob) -> tuple[dict, Blob]:
    length = int.from_bytes(blob.read(0, 8), "little")
    if length > min(MAX_HEADER, blob.size - 8):
        raise Malformed("is truncated, or no safetensors file", "get the file again")
    return _parse(blob.read(8, length)), blob.view(8 + length, blob.size - 8 - length)


def _parse(text: str | bytes) -> dict:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("has a damaged header", "get the file again") from error
    if not isinstance(values, dict):
        raise Malformed("has a damaged header", "get the file again")
    return values


def _source(entry: Any, data: Blob) -> FileTensor:
    begin, end = entry["data_offsets"]
    dtype = DTYPES.get(entry["dtype"])
    if dtype is None or type(begin) is not int or type(end) is not int:
        raise Malformed("holds a tensor of a type this program does not read")
    shape = check_shape(entry["shape"], data.size)
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise Malformed("contradicts itself about a tensor's size", "get the file again")
    return FileTensor(data.view(begin, end - begin), dtype, shape)


def _record(name: str, said: dict, tensors: Mapping[str, FileTensor]) -> NetworkRecord:
    if said["family"] not in CONFIGS or not isinstance(said["config"], dict) or not isinstance(said["kwargs"], dict):
        raise Malformed(f"describes a network {name} of an unknown family",
                        "open it with a newer version of this program")
    own = {key.removeprefix(f"{name}."): source for key, source in tensors.items() if key.startswith(f"{name}.")}
    config = from_dict(said["family"], said["config"])
    check_config(config)
    return NetworkRecord(config, said["kwargs"], own)


# -- writing ----------------------------------------------------------------------------------------------------------

def save_native(path: str | os.PathLike, networks: Mapping[str, nn.Module | NetworkRecord],
                summary: Mapping[str, Any] | None = None) -> None:
    """Writes `networks` ('G_ema', 'G', 'D') to `path`, which is replaced only once the new file is on the disk.

    Loads one tensor at a time. `summary`: of the training, JSON values. Raises CheckpointError, also for a record whose
    tensors are not its network's.
    """
    path = Path(path)
    records = {name: network if isinstance(network, NetworkRecord) else NetworkRecord.of(network)
               for name, network in networks.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for record in records.values():
            unset_network(record)
        try:
            with open(temporary, "wb") as file:
                _write(file, records, summary or {})
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(str(path), f"can't be written ({error.strerror or error})",
                              "choose another place, or free some space") from error
    except Malformed as error:
        raise CheckpointError(str(path), f"can't be written: the network read {error.reason}", error.remedy) from error


def _write(file: BinaryIO, records: Mapping[str, NetworkRecord], summary: Mapping[str, Any]) -> None:
    about = {"format_version": FORMAT_VERSION, "summary": dict(summary), "networks": {
        name: {"family": kind_of(record.config), "config": dataclasses.asdict(record.config), "kwargs": record.kwargs}
        for name, record in records.items()}}
    sources = {f"{name}.{key}": source for name, record in records.items() for key, source in record.tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"format": "pt", "stylescope": json.dumps(about)}}
    end = 0
    for name, source in sources.items():
        begin, end = end, end + math.prod(source.shape) * source.dtype.itemsize
        header[name] = {"dtype": DTYPE_NAMES[source.dtype], "shape": list(source.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)                                # tensors begin at a multiple of eight
    file.write(len(text).to_bytes(8, "little") + text)
    for source in sources.values():
        file.write(memoryview(source.load().contiguous().reshape(-1).view(torch.uint8).numpy()))


def _sync_folder(folder: Path) -> None:
    """Makes the new name last. Windows has no such call, and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
