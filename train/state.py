"""The state of a run in files that survive: written in full or not at all, checked when read, newest good one first.

A state is a tree of dicts, lists and tuples with tensors and plain values in it, such as `state_dict()` gives. Its file
is one safetensors file, `state-<images shown>.safetensors`: the tensors, and in the metadata the rest as JSON and a
SHA-256 of both. Nothing in it is ever executed. Spec: training.md "Runs".
"""
from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nets.errors import UserError, one_line
from nets.replacing import is_left_over, replacing

FORMAT_VERSION = 1
PLAIN = (bool, int, float, str, type(None))


class DamagedState(UserError):
    """A file that holds no whole state; an older one may."""


class Found(NamedTuple):
    """The newest good state; `damaged`: one line for each newer file that could not be read."""
    path: Path
    images_shown: int
    state: Any
    damaged: tuple[str, ...]


# -- a tree as tensors and text ---------------------------------------------------------------------------------------

def pack(tree: Any, tensors: dict[str, Tensor], name: str = "state") -> Any:
    """`tree` as JSON can hold it, its tensors put into `tensors` (on the CPU, no memory shared), named by their place.

    Keys keep their type, tuples stay tuples, floats their last bit. Raises TypeError on a value of any other kind.
    """
    if isinstance(tree, Tensor):
        name = f"{len(tensors)} {name}"                 # a key may have a dot in it, so that places are not unique
        tensors[name] = tree.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(tree, dict) and all(type(key) in PLAIN for key in tree):
        return {"dict": [[key, pack(value, tensors, f"{name}.{key}")] for key, value in tree.items()]}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [pack(value, tensors, f"{name}.{i}") for i, value in enumerate(tree)]}
    if type(tree) not in PLAIN:
        raise TypeError(f"{name} is of type {type(tree).__name__}, which a state cannot hold")
    return tree


def unpack(packed: Any, tensors: dict[str, Tensor]) -> Any:
    """The tree that `pack` took apart. Raises ValueError or LookupError on anything else."""
    if not isinstance(packed, dict):
        return packed
    (kind, content), = packed.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unpack(value, tensors) for key, value in content}
    return {"list": list, "tuple": tuple}[kind](unpack(value, tensors) for value in content)


# -- files ------------------------------------------------------------------------------------------------------------

def save_state(folder: Path, images_shown: int, state: Any, keep: int = 2) -> Path:
    """Writes `state` into `folder`, then removes all but the `keep` newest states and what killed writers left.

    Two are kept so that one damaged file costs an interval, not the run. A state of more images than this one is
    damaged, or of a course the run has left: it is renamed to `.superseded`. Raises UserError, the older states
    untouched, where `state` cannot be written.
    """
    folder, tensors = Path(folder), {}
    path = folder / f"state-{images_shown:012d}.safetensors"
    text = json.dumps({"format_version": FORMAT_VERSION, "images_shown": images_shown, "state": pack(state, tensors)})
    metadata = {"format": "pt", "stylescope-state": text, "sha256": _digest(text, tensors)}
    try:
        with replacing(path) as temporary:
            save_file(tensors, temporary, metadata)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: can't be written ({getattr(error, 'strerror', None) or error}); "
                        "free some space, then resume: the states before it are whole") from error
    _tidy(folder, path, keep)
    return path


def read_state(path: Path) -> tuple[int, Any]:
    """(images shown, state) of one file, tensors on the CPU. Raises DamagedState."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # else they change with the file
        text = metadata["stylescope-state"]
        if metadata["sha256"] != _digest(text, tensors):
            raise DamagedState(f"{path}: is damaged, its content does not match its checksum")
        about = json.loads(text)
        if about["format_version"] != FORMAT_VERSION:
            raise DamagedState(f"{path}: is of format version {about['format_version']}, this program reads "
                               f"{FORMAT_VERSION}")
        return about["images_shown"], unpack(about["state"], tensors)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise DamagedState(one_line(f"{path}: is damaged, or no training state ({error})")) from error


def newest_state(folder: Path) -> Found:
    """The state in `folder` of the most images shown that can be read. Raises UserError where there is none."""
    damaged = []
    for path in reversed(_states(folder)):
        try:
            return Found(path, *read_state(path), tuple(damaged))
        except DamagedState as error:
            damaged.append(str(error))
    if damaged:
        raise UserError(f"{folder}: none of its {len(damaged)} training states can be read; the newest: {damaged[0]}")
    raise UserError(f"{folder}: holds no training state to resume from; check the path, or start without --resume")


def _states(folder: Path) -> list[Path]:
    """By images shown, the fewest first."""
    return sorted(Path(folder).glob(f"state-{'[0-9]' * 12}.safetensors"))


def _tidy(folder: Path, written: Path, keep: int) -> None:
    """One run has one writer, so that a temporary file is nobody's once a state is written."""
    states = _states(folder)
    up_to_here = states[:states.index(written) + 1]
    for path in states[len(up_to_here):]:
        path.replace(path.with_suffix(".superseded"))
    for path in up_to_here[:-keep] + [path for path in folder.glob(".*") if is_left_over(path)]:
        path.unlink(missing_ok=True)


def _digest(text: str, tensors: dict[str, Tensor]) -> str:
    """Of the text and of every tensor's name, type, shape and bytes."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


# -- random numbers ---------------------------------------------------------------------------------------------------

def random_state() -> dict:
    """Where the global generators stand: Python's, torch's, and that of every CUDA card in use."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"python": random.getstate(), "torch": torch.get_rng_state(), "cuda": cuda}


def set_random_state(state: dict) -> None:
    """Takes the global generators back to `random_state()`; cards that were saved but are not here are passed over."""
    random.setstate(state["python"])
    torch.set_rng_state(state["torch"])
    for index, card in zip(range(torch.cuda.device_count()), state["cuda"]):
        torch.cuda.set_rng_state(card, index)
