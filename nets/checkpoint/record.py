"""A network in a file: its configuration and where its tensors lie; and how it becomes a module."""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from nets.build import build
from nets.config import AnyConfig
from nets.errors import UserError

from .blob import Malformed
from .limits import check_config
from .tensors import Held, TensorSource

BUFFERS = ("w_avg", "noise_const", "resample_filter", "up_filter", "down_filter", "magnitude_ema", "transform", "freqs",
           "phases")
DERIVED = ("resample_filter", "up_filter", "down_filter")     # follow from the configuration where a file lacks them
OTHER_NETWORK = "it may come from a variant this program does not know"


@dataclass(frozen=True)
class NetworkRecord:
    """`kwargs`: what the file said, as JSON could hold it. `tensors`: state-dict name -> source, nothing loaded yet."""
    config: AnyConfig
    kwargs: dict
    tensors: Mapping[str, TensorSource]

    @property
    def parameters(self) -> int:
        """How many numbers training has learned."""
        return sum(math.prod(source.shape) for name, source in self.tensors.items()
                   if name.rsplit(".", 1)[-1] not in BUFFERS)

    @classmethod
    def of(cls, network: nn.Module) -> NetworkRecord:
        tensors = {name: Held(tensor) for name, tensor in network.state_dict().items()}
        return cls(network.config, dataclasses.asdict(network.config), tensors)


def build_network(record: NetworkRecord, file_bytes: float, progress: Callable[[float], None]) -> nn.Module:
    """The network in evaluation mode, float32, on the CPU, without gradients; loads one tensor after the other.

    Raises Malformed if the tensors are not the network's, or hold more than a file of `file_bytes` can.
    """
    network = unset_network(record, file_bytes)
    names = [name for name in network.state_dict() if name in record.tensors]
    for done, name in enumerate(names):
        progress(done / len(names))
        _assign(network, name, record.tensors[name].load())
    return network.eval().requires_grad_(False)


def unset_network(record: NetworkRecord, file_bytes: float = math.inf) -> nn.Module:
    """The network described, its weights not set yet. Raises Malformed if the tensors are not such a network's."""
    check_config(record.config)
    claimed = sum(math.prod(source.shape) for source in record.tensors.values())
    if 2 * claimed > file_bytes:                                             # float16 at least
        raise Malformed("claims more numbers than its bytes can hold", "get the file again")
    try:
        with _Unset(2 * claimed + (1 << 20)):
            network = build(record.config)
    except (UserError, ValueError, ArithmeticError, LookupError, TypeError, RuntimeError) as error:
        raise Malformed(f"describes a network that can't be built ({error})") from error
    check_tensors(record.tensors, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    return network


def check_tensors(tensors: Mapping[str, TensorSource], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Raises Malformed with the first tensor that is not one of the network's, of another shape, or missing."""
    for name, source in tensors.items():
        if name not in expected and not name.endswith(DERIVED):
            raise Malformed(f"has a tensor {name} that its network has no place for", OTHER_NETWORK)
        if name in expected and source.shape != expected[name]:
            raise Malformed(f"has tensors that don't fit: {name} is {list(source.shape)} where its network takes "
                            f"{list(expected[name])}", OTHER_NETWORK)
    missing = [name for name in expected if name not in tensors and not name.endswith(DERIVED)]
    if missing:
        raise Malformed(f"lacks {len(missing)} of its network's tensors, the first {missing[0]} "
                        f"{list(expected[missing[0]])}", OTHER_NETWORK)


class _Unset(TorchFunctionMode):
    """Networks are built without drawing weights: memory is reserved, not touched, and no random generator moves.

    Raises Malformed before more than `budget` numbers are reserved.
    """

    def __init__(self, budget: int):
        super().__init__()
        self.left = budget

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if getattr(function, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        if function in (torch.empty, torch.randn, torch.rand, torch.zeros, torch.ones):
            sizes = args or (kwargs["size"],)
            self.left -= math.prod(sizes[0] if isinstance(sizes[0], (list, tuple)) else sizes)
            if self.left < 0:
                raise Malformed("describes a network far larger than the tensors it has", OTHER_NETWORK)
        if function in (torch.randn, torch.rand):
            function = torch.empty
        return function(*args, **(kwargs or {}))


def _assign(network: nn.Module, name: str, value: Tensor) -> None:
    owner, _, leaf = name.rpartition(".")
    module = network.get_submodule(owner)
    value = value.to(torch.float32)
    is_parameter = isinstance(getattr(module, leaf), nn.Parameter)
    setattr(module, leaf, nn.Parameter(value, requires_grad=False) if is_parameter else value)
