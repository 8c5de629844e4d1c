"""Starts networks from a checkpoint's weights: copies what fits by name and shape, and says what does not, and why."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from nets.build import build
from nets.checkpoint import Checkpoint, NetworkRecord, open_checkpoint
from nets.checkpoint.blob import Malformed
from nets.checkpoint.record import DERIVED
from nets.config import AnyConfig, kind_of
from nets.errors import CheckpointError, UserError, one_line
from train.config import TrainConfig

SHOWN = 3                                # of a network's tensors that were left, in the short report


class Part(NamedTuple):
    """What became of one network. `left`: a line for each tensor that was not copied, and why."""
    network: str                         # 'G'
    source: str                          # the file's network it came from: 'G_ema'
    copied: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def summary(self) -> str:
        of = "" if self.source == self.network else f" from its {self.source}"
        line = f"{self.network}{of}: {len(self.copied)} tensors copied"
        if not self.left:
            return f"{line}, all that it has"
        more = f"; and {len(self.left) - SHOWN} more" if len(self.left) > SHOWN else ""
        return f"{line}, {len(self.left)} not: {'; '.join(self.left[:SHOWN])}{more}"


class Report(NamedTuple):
    """`str(report)`: a few lines; `full()`: with every tensor."""
    source: str
    parts: tuple[Part, ...]
    notes: tuple[str, ...] = ()          # of networks that the file lacks, or that are of another kind

    def __str__(self) -> str:
        return "\n".join([f"weights from {self.source}", *(part.summary for part in self.parts), *self.notes])

    def full(self) -> str:
        lines = [f"weights from {self.source}", *self.notes]
        for part in self.parts:
            lines += [f"{part.network}: {len(part.copied)} tensors copied", *(f"  {line}" for line in part.left)]
        return "\n".join(lines)


def transfer(networks: Mapping[str, nn.Module], source: str) -> Report:
    """Copies weights of `source`, a path, address or demo:NAME that `open_checkpoint` reads, into 'G', 'G_ema', 'D'.

    G_ema takes the file's, or else its G; G the file's, or else its G_ema. What has no counterpart of its shape stays
    as it was initialised, the average as G was. Raises UserError if the file cannot be read, or its generator is of
    another family, so that nothing would fit.
    """
    with open_checkpoint(source) as checkpoint:
        pairs, notes = _pairs(checkpoint, {name: network.config for name, network in networks.items()})
        parts = [_plan(name, chosen, checkpoint.networks[chosen], networks[name].state_dict())
                 for name, chosen in pairs.items()]
        _check(source, parts)
        for part in parts:
            _copy(source, checkpoint.networks[part.source], networks[part.network], part.copied)
    return Report(source, tuple(parts), tuple(notes))


def foresee(config: TrainConfig, source: str) -> Report:
    """What `transfer` would do, without loading a weight. Raises UserError as it does."""
    configs = {"G": config.generator, "D": config.discriminator}
    with open_checkpoint(source) as checkpoint:
        pairs, notes = _pairs(checkpoint, configs)
        with torch.random.fork_rng(devices=[]):
            parts = [_plan(name, chosen, checkpoint.networks[chosen], build(configs[name]).state_dict())
                     for name, chosen in pairs.items()]
    _check(source, parts)
    return Report(source, tuple(parts), tuple(notes))


# -- what goes where --------------------------------------------------------------------------------------------------

WISHES = {"G": ("G", "G_ema"), "G_ema": ("G_ema", "G"), "D": ("D",)}      # the file's, the better one first


def _pairs(checkpoint: Checkpoint, configs: Mapping[str, AnyConfig]) -> tuple[dict[str, str], list[str]]:
    """{network: the file's network it is to come from}, and a note for each network that gets nothing."""
    pairs, notes = {}, []
    for name, config in configs.items():
        chosen = next((wish for wish in WISHES[name] if wish in checkpoint.networks), None)
        found = chosen and kind_of(checkpoint.networks[chosen].config)
        if found == kind_of(config):
            pairs[name] = chosen
        elif name != "D":
            raise UserError(one_line(
                f"{checkpoint.source}: {f'its generator is {found}' if found else 'has no generator'}, this run trains "
                f"{kind_of(config)}, so nothing would fit; choose a --cfg of its family, or another checkpoint"))
        else:
            notes.append(f"D begins anew: the file's is {found}, this run's {kind_of(config)}" if found else
                         "D begins anew: the file has none")
    return pairs, notes


def _plan(name: str, chosen: str, record: NetworkRecord, wanted: Mapping[str, Tensor]) -> Part:
    """By name and shape, in the network's order; then what the file alone has."""
    copied, left = [], []
    for key, tensor in wanted.items():
        given = record.tensors.get(key)
        if given is None:
            left += [] if key.endswith(DERIVED) else [f"{key}: missing in the file"]
        elif tuple(given.shape) != tuple(tensor.shape):
            left.append(f"{key}: {list(given.shape)} in the file against {list(tensor.shape)}")
        else:
            copied.append(key)
    left += [f"{key}: not in this network" for key in record.tensors if key not in wanted]
    return Part(name, chosen, tuple(copied), tuple(left))


def _check(source: str, parts: Iterable[Part]) -> None:
    """Raises UserError where a generator would take nothing but filters and constants that it has itself."""
    for part in parts:
        if part.network != "D" and not any(key.endswith("weight") for key in part.copied):
            raise UserError(one_line(f"{source}: no weight of its {part.source} fits this run's generator, for example "
                                     f"{part.left[0]}; choose the --cfg, --cbase and resolution it was trained with"))


@torch.no_grad()
def _copy(source: str, record: NetworkRecord, network: nn.Module, names: Iterable[str]) -> None:
    tensors = network.state_dict()       # share memory with the network
    try:
        for name in names:
            tensors[name].copy_(record.tensors[name].load())
    except Malformed as error:
        raise CheckpointError(source, error.reason, error.remedy) from error
    except OSError as error:
        raise CheckpointError(source, f"can't be read ({error.strerror or error})") from error
