"""The file and the generator that are open; opening another releases them first."""
from __future__ import annotations

import gc
import os
import re
from dataclasses import dataclass

import torch

from nets.checkpoint import Checkpoint as OpenCheckpoint
from nets.checkpoint import open_checkpoint
from nets.config import GeneratorConfig
from nets.errors import CheckpointError
from nets.generator import Generator
from renderer.device import choose_device, empty_cache
from renderer.info import model_info
from renderer.steps import Progress
from renderer.types import Checkpoint, ModelInfo


@dataclass(frozen=True, eq=False)
class Network:
    """A generator ready to run. `key` tells it from any other."""
    key: tuple
    generator: Generator
    device: torch.device
    info: ModelInfo                      # at the file's own level of detail


class Opened:
    """At most one file and one network at a time."""

    def __init__(self):
        self._file: tuple[tuple, OpenCheckpoint] | None = None       # key and what it opened
        self._network: Network | None = None

    def holds(self, wanted: Checkpoint) -> bool:
        """Whether `network` would return what is open."""
        return self._network is not None and self._network.key == self._key(wanted)

    @torch.inference_mode(False)         # tensors made in that mode don't count changes, as cuda_ops.kept needs
    def network(self, wanted: Checkpoint, progress: Progress) -> Network:
        """The generator that `wanted` names, on its device. Raises UserError if there is none."""
        if not self.holds(wanted):
            self._network = None
            device = choose_device(wanted.device)
            file = self.file(wanted, progress)
            name = wanted.network or file.default_generator
            self._check_generator(file, wanted, name)
            generator = file.build(name, _capitalised(progress)).to(device)
            info = model_info(wanted.path, file, name, generator, generator.synthesis.stages())
            self._network = Network(self._key(wanted), generator, device, info)
        return self._network

    def file(self, wanted: Checkpoint, progress: Progress) -> OpenCheckpoint:
        """The open file, nothing built from it. Raises CheckpointError."""
        key = wanted.path, wanted.reload
        if self._file is None or self._file[0] != key:
            self.release()
            progress(f"Opening {short_name(wanted.path)}", None)
            self._file = key, open_checkpoint(wanted.path, _capitalised(progress))
        return self._file[1]

    def release(self) -> None:
        """Closes both and gives their memory back."""
        if self._file is None:
            return
        self._file[1].close()
        device = self._network.device if self._network else None
        self._network = self._file = None
        gc.collect()                     # what an error left in a cycle with its trace
        if device is not None:
            empty_cache(device)

    def empty_cache(self) -> None:
        if self._network is not None:
            empty_cache(self._network.device)

    def _key(self, wanted: Checkpoint) -> tuple:
        name = wanted.network or (self._file[1].default_generator if self._file else "")
        return wanted.path, wanted.reload, name, choose_device(wanted.device).type

    @staticmethod
    def _check_generator(file: OpenCheckpoint, wanted: Checkpoint, name: str) -> None:
        generators = [key for key, record in file.networks.items() if isinstance(record.config, GeneratorConfig)]
        if name not in generators:
            raise CheckpointError(wanted.path, f"it holds no generator {name}".rstrip(),
                                  f"it has {', '.join(generators)}" if generators else "")


def _capitalised(progress: Progress) -> Progress:
    return lambda text, fraction: progress(text[:1].upper() + text[1:], fraction)


def short_name(source: str) -> str:
    """The file's name of a path or URL; 'demo:NAME' as it is."""
    path = re.sub(r"^[^/]+://[^/?#]*|[?#].*", "", source) if "://" in source else source
    return os.path.basename(path) or source
