"""What memory a run needs, found without a step: its phases run on tensors that have a shape but no content.

Every tensor that a pass makes is counted while it lives, so the peak is that of the real pass, not a rule of thumb.
What is counted are the reference ops; where fused ones run, they keep less (see FUSED).
"""
from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakIdKeyDictionary

from cuda_ops import dispatch
from nets.build import build
from nets.config import StyleGAN3Config
from nets.errors import UserError
from train.augment import PIPELINES, Numbers, augment, draw
from train.config import TrainConfig
from train.latents import Latents
from train.phases import Phases
from train.view import MAX_BLUR, blur

META = torch.device("meta")
FUSED = 0.5                              # of the reference's peak, where StyleGAN3's fused activation runs (measured:
#                                          0.44); it never holds the upsampled signal. Other fused ops keep as much
LOOSE = 1.1                              # allocators leave gaps, convolutions want room of their own
RESERVE = 512 << 20                      # bytes: the CUDA context and libraries, or Python beside the run


# -- counting ---------------------------------------------------------------------------------------------------------

class Peak(TorchDispatchMode):
    """Within the block, the bytes of all tensors made there that live at once, at most: `bytes`."""

    def __init__(self):
        super().__init__()
        self.bytes = self._live = 0
        self._seen = WeakIdKeyDictionary()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        tree_map_only(Tensor, self._count, out)
        return out

    def _count(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        size = storage.nbytes()
        self._seen[storage] = size
        self._live += size
        self.bytes = max(self.bytes, self._live)
        weakref.finalize(storage, self._free, size)

    def _free(self, size: int) -> None:
        self._live -= size


class Needs(NamedTuple):
    """Bytes on one process."""
    networks: int                        # G, D, the average of G; gradients; Adam's two moments
    phases: dict[str, int]               # what each phase holds beside, at its peak

    @property
    def total(self) -> int:
        return round(self.networks + LOOSE * max(self.phases.values())) + RESERVE

    def __str__(self) -> str:
        phase = max(self.phases, key=self.phases.__getitem__)
        return f"{in_words(self.total)}: networks {in_words(self.networks)}, {phase} {in_words(self.phases[phase])}"


def in_words(count: float) -> str:
    """'3.2 GB', in powers of 1024 as memory is sold."""
    return f"{count / 2 ** 30:.1f} GB" if count >= 2 ** 29 else f"{count / 2 ** 20:.0f} MB"


# -- needs ------------------------------------------------------------------------------------------------------------

def needs(config: TrainConfig, precision: torch.dtype = torch.float32, is_fused: bool = True) -> Needs:
    """Of a process that runs `config`, at the full resolution. `is_fused`: whether fused ops run there.

    The networks are built for a moment, on the CPU and then without content; the global generator stays.
    """
    return _needs(config, *_networks(config, precision), is_fused)


def _networks(config: TrainConfig, precision: torch.dtype) -> tuple[nn.Module, nn.Module]:
    with torch.random.fork_rng(devices=[]):
        G, D = (build(network).train().to(META) for network in (config.generator, config.discriminator))
    G.synthesis.precision = D.precision = precision
    return G, D


def _needs(config: TrainConfig, G: nn.Module, D: nn.Module, is_fused: bool) -> Needs:
    return Needs(_of_networks(G, D) + _of_reals(config), _of_phases(config, G, D, is_fused))


def _of_networks(G: nn.Module, D: nn.Module) -> int:
    sizes = [sum(tensor.numel() for tensor in network.state_dict().values()) for network in (G, D)]
    trained = sum(p.numel() for network in (G, D) for p in network.parameters() if p.requires_grad)
    return 4 * (2 * sizes[0] + sizes[1] + 3 * trained)


def _of_reals(config: TrainConfig) -> int:
    """A process's share of the minibatch, as bytes and as float32."""
    height, width = _size(config)
    return config.batch // config.gpus * config.generator.img_channels * height * width * 5


def _size(config: TrainConfig) -> tuple[int, int]:
    return getattr(config.generator, "size", (config.generator.resolution,) * 2)


def _of_phases(config: TrainConfig, G: nn.Module, D: nn.Module, is_fused: bool) -> dict[str, int]:
    share = FUSED if is_fused and isinstance(config.generator, StyleGAN3Config) else 1.0
    return {name: round(peak(phase, G, D) * (share if name.startswith("G") else 1.0))
            for name, phase in phases(config, G, D).items()}


def peak(phase: Callable[[], None], G: nn.Module, D: nn.Module) -> int:
    """Bytes that `phase` holds at most, beside gradients that are there already."""
    for p in (*G.parameters(), *D.parameters()):
        p.grad = torch.empty_like(p)
    with dispatch.use("reference"), Peak() as counted:
        phase()
    return counted.bytes


def phases(config: TrainConfig, G: nn.Module, D: nn.Module) -> dict[str, Callable[[], object]]:
    """The phases of a step on `config.batch_gpu` samples, by name, on the networks' device."""
    device, num, c_dim = next(G.parameters()).device, config.batch_gpu, config.generator.c_dim
    lod = 0.5 if config.growing else None                # both resolutions are there while one fades into the other
    run = Phases(G, D, config.loss, _shown(config), lod)
    reals = torch.zeros(num, config.generator.img_channels, *_size(config), device=device)
    labels = torch.zeros(num, c_dim, device=device) if c_dim else None
    points, average = torch.zeros(num), torch.zeros((), device=device)

    def latents() -> Latents:            # of any content: drawing the noise of large pictures would take seconds
        z, other = (torch.empty(num, G.z_dim, device=device) for _ in "ab")
        noise = {stage.name: torch.empty(num, 1, *stage.noise_const.shape, device=device)
                 for stage in G.synthesis.stages(lod) if stage.noise_const is not None}
        return Latents(z, labels, other, G.num_ws // 2 if config.mixing else G.num_ws, noise)
    found = {"G main": lambda: run.generator_main(latents()),
             "D main": lambda: run.discriminator_main(latents(), reals, labels, config.d_reg_interval is None, points)}
    if config.g_reg_interval:
        found["G path lengths"] = lambda: run.generator_regularizer(latents(), reals, average)
    if config.d_reg_interval and config.loss.regularizer != "none":
        found["D regulariser"] = lambda: run.discriminator_regularizer(latents(), reals, labels, 1, points)
    return found


def _shown(config: TrainConfig) -> Callable[[Tensor], Tensor]:
    """What the discriminator is shown when augmentation and blur are at their strongest."""
    numbers = Numbers(torch.Generator().manual_seed(0))

    def show(images: Tensor) -> Tensor:
        if config.blur:
            images = blur(images, MAX_BLUR)
        if config.augmentation.mode == "none":
            return images
        return augment(images, draw(PIPELINES[config.augmentation.pipe], 1, images.shape, numbers))
    return show


# -- what there is ----------------------------------------------------------------------------------------------------

def available(device: torch.device) -> int | None:
    """Free bytes of a CUDA card, or of the machine and of the container this process is in; None: not known."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    found = [value for value in (_machine(), _container()) if value is not None]
    return min(found, default=None)


def _machine(path: str = "/proc/meminfo") -> int | None:
    try:
        lines = dict(line.split(":", 1) for line in Path(path).read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, LookupError, ValueError):
        return None


CGROUPS = (("memory.max", "memory.current", "inactive_file"),                       # version 2
           ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"))    # version 1


def _container(root: str = "/sys/fs/cgroup") -> int | None:
    """What its limit leaves; pages of files that would be given back count as free."""
    for limit, used, cached in CGROUPS:
        try:
            most, now = (Path(root, name).read_text().strip() for name in (limit, used))
            stat = Path(root, used).with_name("memory.stat").read_text().split()
            freeable = int(dict(zip(stat[::2], stat[1::2])).get(cached, 0))
            return None if most == "max" else max(int(most) - int(now) + freeable, 0)
        except (OSError, ValueError):
            continue
    return None


# -- a micro-batch that fits ------------------------------------------------------------------------------------------

def fitted(config: TrainConfig, free: int | None, is_chosen: bool, precision: torch.dtype = torch.float32,
           is_fused: bool = True) -> tuple[TrainConfig, Needs]:
    """`config` with the largest micro-batch that fits into `free` bytes (None: not known), and what that needs.

    `is_chosen`: the micro-batch was asked for and stays. Raises UserError, one line, where nothing or not this fits.
    """
    networks = _networks(config, precision)
    wanted, sizes = _needs(config, *networks, is_fused), smaller_sizes(config)
    if free is None or wanted.total <= free:
        return config, wanted
    least = _needs(dataclasses.replace(config, batch_gpu=sizes[-1]), *networks, is_fused) if sizes else wanted
    best = next((size for size in sizes if between(size, sizes[-1], least, config.batch_gpu, wanted).total <= free), 0)
    if best and not is_chosen:
        return dataclasses.replace(config, batch_gpu=best), between(best, sizes[-1], least, config.batch_gpu, wanted)
    remedy = (f"choose --batch-gpu {best}" if best else "not even the smallest micro-batch fits: make a set of a lower "
              "--resolution, or choose a smaller --cbase")
    raise UserError(f"a micro-batch of {config.batch_gpu} needs {in_words(wanted.total)} of memory, "
                    f"{in_words(free)} are free; {remedy}")


def between(size: int, low: int, at_low: Needs, high: int, at_high: Needs) -> Needs:
    """What a micro-batch of `size` needs at most, known for a smaller and a larger one.

    What lives at one point of a pass is linear in the size; the peak, its maximum, is convex and lies below the chord.
    """
    share = (size - low) / (high - low)
    return Needs(at_low.networks, {name: round(bytes + share * (at_high.phases[name] - bytes))
                                   for name, bytes in at_low.phases.items()})


def smaller_sizes(config: TrainConfig) -> list[int]:
    """Micro-batches below the configured one that the minibatch can be made of, the largest first."""
    def fits(size: int) -> bool:
        try:
            return bool(dataclasses.replace(config, batch_gpu=size))
        except UserError:
            return False
    return [size for size in range(config.batch_gpu - 1, 0, -1) if fits(size)]
