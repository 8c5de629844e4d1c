"""Opens a checkpoint, by path, address or demo name, whatever its format."""
from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from nets.errors import CheckpointError

from . import kinds, tf_convert, torch_config
from .allowed import resolve
from .blob import Blob, Malformed
from .fetch import fetch, is_download, is_url
from .limits import check_config
from .native import looks_native, read_native
from .plain import plain
from .reader import Reader
from .record import NetworkRecord, build_network
from .tf_pickle import Network, find_networks
from .torch_pickle import Module, find_modules

Progress = Callable[[str, float | None], None]
DEMO = "demo:"
READ_FAULTS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


def quiet(text: str, fraction: float | None) -> None:
    """The progress that tells nobody."""


class Checkpoint:
    """An open file and the networks it describes; no weight is loaded before `build`.

    `format`: 'pytorch-pickle', 'tensorflow-pickle', 'safetensors' or 'demo'. `stamp`: changes when the file does.
    Usable from one thread at a time.
    """

    def __init__(self, source: str, format: str, networks: dict[str, NetworkRecord], notes: tuple[str, ...] = (),
                 file: io.FileIO | None = None, summary: dict | None = None):
        self.source, self.format, self.networks, self.notes = source, format, networks, notes
        self.summary = summary or {}
        self._file = file
        self.stamp = _stamp(file)

    @property
    def default_generator(self) -> str:
        """The averaged generator, else the other one; empty if the file has only a discriminator."""
        return next((name for name in ("G_ema", "G") if name in self.networks), "")

    def build(self, name: str = "", progress: Progress = quiet) -> nn.Module:
        """The network `name` (default: `default_generator`) on the CPU, float32, eval mode, without gradients.

        Raises CheckpointError if the file has no such network or its tensors don't fit.
        """
        name = name or self.default_generator
        if name not in self.networks:
            raise CheckpointError(self.source, f"has no network {name or 'G_ema'}",
                                  f"it has {', '.join(self.networks)}")
        with _reported(self.source):
            self._check_unchanged()
            network = build_network(self.networks[name], self.stamp[0] if self._file else math.inf,
                                    lambda fraction: progress(f"loading {name}", fraction))
            self._check_unchanged()
        return network

    def _check_unchanged(self) -> None:
        if self._file and (self._file.closed or _stamp(self._file) != self.stamp):
            raise Malformed("was closed, or changed while it was open", "open it again")

    def close(self) -> None:
        """Lets go of the file; networks already built stay."""
        if self._file:
            self._file.close()

    def __enter__(self) -> Checkpoint:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()


def _stamp(file: io.FileIO | None) -> tuple[int, int]:
    """(size, modification time in nanoseconds)."""
    status = os.fstat(file.fileno()) if file else None
    return (status.st_size, status.st_mtime_ns) if status else (0, 0)


def open_checkpoint(source: str, progress: Progress = quiet) -> Checkpoint:
    """Opens a path, an http(s) or file URL, or 'demo:NAME'.

    `progress(text, fraction or None)` is called often and may raise to give up; what it raises passes through.
    Raises CheckpointError, whose text is one line, for everything that is wrong with the file.
    """
    source = os.fspath(source)
    if source.startswith(DEMO):
        return _open_demo(source)
    with _reported(source):
        path = fetch(source, progress) if is_url(source) else Path(os.path.expanduser(source))
        file = _open_file(path)
        try:
            with _reported(source):
                return _read(source, path, file, progress)
        except BaseException as error:
            file.close()
            if is_download(source) and isinstance(error, CheckpointError):
                path.unlink()                       # or it would be found again instead of fetched again
            raise


@contextlib.contextmanager
def _reported(source: str) -> Iterator[None]:
    """Whatever a file's contents lead to becomes the error a person can read."""
    try:
        yield
    except Malformed as error:
        raise CheckpointError(source, error.reason, error.remedy) from error
    except OSError as error:
        raise CheckpointError(source, f"can't be read ({error.strerror or error})") from error
    except READ_FAULTS as error:
        raise CheckpointError(source, f"is damaged, or no network this program knows ({type(error).__name__}: {error})",
                              kinds.ORIGINAL) from error


def _open_file(path: Path) -> io.FileIO:
    if not path.exists():
        raise Malformed("does not exist", "check the path")
    if path.is_dir():
        raise Malformed("is a folder", "choose a file in it")
    if not path.is_file():
        raise Malformed("is no ordinary file", kinds.ORIGINAL)
    return io.FileIO(path, "r")


def _read(source: str, path: Path, file: io.FileIO, progress: Progress) -> Checkpoint:
    blob = Blob(file, 0, os.fstat(file.fileno()).st_size)
    start = blob.read(0, min(1024, blob.size))
    if not start:
        raise Malformed("is empty", "get the file again")
    if looks_native(start):
        networks, summary = read_native(path)
        if not networks:
            raise Malformed("holds no network", kinds.ORIGINAL)
        return Checkpoint(source, "safetensors", networks, (), file, summary)
    kinds.refuse_known(start)
    if not kinds.looks_pickled(start):
        raise Malformed("is not a checkpoint", kinds.ORIGINAL)
    name = Path(source).name
    root = Reader(blob, resolve, progress=lambda fraction: progress(f"reading {name}", fraction)).read()
    format, networks, notes = _networks(root)
    return Checkpoint(source, format, networks, tuple(notes), file)


def _networks(root: Any) -> tuple[str, dict[str, NetworkRecord], list[str]]:
    """Format, networks and notes of a read pickle. One that can't be described is left out, and said to be."""
    tf_networks = find_networks(root)
    modules = {} if tf_networks else find_modules(root)
    is_ada = any("synthesis_kwargs" in module.kwargs for module in modules.values())
    makers = {name: partial(_tf_record, network) for name, network in tf_networks.items()}
    makers |= {name: partial(_torch_record, module, is_ada) for name, module in modules.items()}
    networks: dict[str, NetworkRecord] = {}
    failures: dict[str, Malformed] = {}
    notes: list[str] = []
    for name, make in makers.items():
        try:
            record, unknown = make()
            check_config(record.config)
        except Malformed as error:
            failures[name] = error
            notes.append(f"{name} is left out: it {error.reason}")
            continue
        networks[name] = record
        if unknown:
            notes.append(f"{name} was made with options this program does not know: {', '.join(unknown)[:200]}")
    shown = next((name for name in ("G_ema", "G") if name in makers), None)
    if shown in failures:                           # another one in its place would not be what was asked for
        raise failures[shown]
    if not networks:
        raise failures.get("D", Malformed("is a pickle, but holds no StyleGAN network", kinds.ORIGINAL))
    return ("tensorflow-pickle" if tf_networks else "pytorch-pickle"), networks, notes


def _torch_record(module: Module, is_ada: bool) -> tuple[NetworkRecord, list[str]]:
    record = NetworkRecord(torch_config.config_of(module, is_ada), plain(module.kwargs), module.state())
    return record, torch_config.unknown_kwargs(module)


def _tf_record(network: Network) -> tuple[NetworkRecord, list[str]]:
    is_generator = any(name == "dlatent_avg" or "ToRGB" in name for name in network.variables)
    convert = tf_convert.convert_generator if is_generator else tf_convert.convert_discriminator
    config, tensors = convert(network.variables, network.kwargs, network.version)
    return NetworkRecord(config, plain(network.kwargs), tensors), tf_convert.unknown_kwargs(network.kwargs)


def _open_demo(source: str) -> Checkpoint:
    from nets.demos import DEMOS, NOTE, build_demo
    name = source.removeprefix(DEMO)
    if name not in DEMOS:
        raise CheckpointError(source, "is no demo of this program", f"there are {', '.join(DEMOS)}")
    return Checkpoint(source, "demo", {"G_ema": NetworkRecord.of(build_demo(name))}, (NOTE,))
