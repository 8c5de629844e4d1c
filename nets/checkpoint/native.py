"""The project's own format: one safetensors file with the tensors `G_ema.*`, and optionally `G.*`, `D.*`.

Its metadata holds one JSON text under "stylescope": format version, family and configuration and kwargs of each
network, training summary.
"""
from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from nets.config import CONFIGS, from_dict, kind_of
from nets.errors import CheckpointError
from nets.replacing import replacing

from .blob import Malformed
from .limits import check_config
from .record import NetworkRecord, unset_network
from .tensors import TensorSource

FORMAT_VERSION = 1
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
          "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8,
          "BOOL": torch.bool}


# -- reading ----------------------------------------------------------------------------------------------------------

def looks_native(start: bytes) -> bool:
    """Whether a file that begins so is a safetensors file."""
    return len(start) > 8 and start[8:9] == b"{" and 2 <= int.from_bytes(start[:8], "little") <= 1 << 40


class SafeTensor:
    """One tensor of an open safetensors file."""

    def __init__(self, file: safe_open, name: str):
        entry = file.get_slice(name)
        if entry.get_dtype() not in DTYPES:
            raise Malformed(f"holds a tensor of type {entry.get_dtype()}, which no network has")
        self.shape, self.dtype = tuple(entry.get_shape()), DTYPES[entry.get_dtype()]
        self._file, self._name = file, name

    def load(self) -> Tensor:
        return self._file.get_tensor(self._name).clone()           # else a change of the file would change it


def read_native(path: Path) -> tuple[dict[str, NetworkRecord], dict]:
    """Networks by name, and the training summary. Raises Malformed."""
    try:
        file = safe_open(path, framework="pt")
    except SafetensorError as error:
        raise Malformed(f"is truncated, or no safetensors file ({error})", "get the file again") from error
    text = (file.metadata() or {}).get("stylescope")
    if text is None:
        raise Malformed("is a safetensors file, but not one of this program's",
                        "convert the network's original .pkl instead")
    about = _parse(text)
    if about.get("format_version") != FORMAT_VERSION:
        raise Malformed(f"is of format version {str(about.get('format_version'))[:20]}, this program reads "
                        f"{FORMAT_VERSION}", "open it with a newer version of this program")
    tensors = {name: SafeTensor(file, name) for name in file.keys()}
    networks = {name: _record(name, said, tensors) for name, said in about["networks"].items()}
    return networks, about.get("summary", {})


def _parse(text: str) -> dict:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed("has a damaged header", "get the file again") from error
    if not isinstance(values, dict):
        raise Malformed("has a damaged header", "get the file again")
    return values


def _record(name: str, said: dict, tensors: Mapping[str, TensorSource]) -> NetworkRecord:
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

    `summary`: of the training, JSON values. Raises CheckpointError, also for a record whose tensors are not its
    network's.
    """
    path = Path(path)
    records = {name: network if isinstance(network, NetworkRecord) else NetworkRecord.of(network)
               for name, network in networks.items()}
    try:
        for record in records.values():
            unset_network(record)
        with replacing(path) as temporary:
            _write(temporary, records, summary or {})
    except (OSError, SafetensorError) as error:
        raise CheckpointError(str(path), f"can't be written ({getattr(error, 'strerror', None) or error})",
                              "choose another place, or free some space") from error
    except Malformed as error:
        raise CheckpointError(str(path), f"can't be written: the network read {error.reason}", error.remedy) from error


def _write(path: Path, records: Mapping[str, NetworkRecord], summary: Mapping[str, Any]) -> None:
    about = {"format_version": FORMAT_VERSION, "summary": dict(summary), "networks": {
        name: {"family": kind_of(record.config), "config": dataclasses.asdict(record.config), "kwargs": record.kwargs}
        for name, record in records.items()}}
    tensors = {f"{name}.{key}": source.load().contiguous() for name, record in records.items()
               for key, source in record.tensors.items()}
    save_file(tensors, path, {"format": "pt", "stylescope": json.dumps(about)})
