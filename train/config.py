"""What is trained and how, as frozen values: networks, losses, optimisers, growing, augmentation, averages.

A run keeps its configuration as JSON: `to_json`, and `from_json` back. Spec: training.md.
"""
from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from nets.config import (
    CONFIGS,
    AnyConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
    from_dict,
    kind_of,
)
from nets.errors import UserError, one_line
from train.augment import PIPELINES
from train.losses import ADVERSARIAL
from train.phases import LossConfig

BySize = tuple[tuple[int, Any], ...]     # (resolution, value) in rising order: the last one reached counts


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015, with the paper's settings (StyleGAN2 app. B)."""
    lr: float
    betas: tuple[float, float] = (0.0, 0.99)
    eps: float = 1e-8

    def lazy(self, interval: int | None) -> Adam:
        """For steps and regulariser steps that share its state, one of the latter every `interval` minibatches.

        With c = k / (k + 1): lr c, beta^c (StyleGAN2 app. B "Lazy regularization"). None: itself, as without any.
        """
        if interval is None:
            return self
        c = interval / (interval + 1)
        return Adam(self.lr * c, (self.betas[0] ** c, self.betas[1] ** c), self.eps)


@dataclass(frozen=True)
class Growing:
    """Progressive growing: `steady_kimg` at a resolution, `fade_kimg` into the next (StyleGAN app. C)."""
    start: int = 8                       # resolution
    steady_kimg: float = 600.0
    fade_kimg: float = 600.0
    batches: BySize = ()                 # minibatch by the current resolution; before the first: the configuration's
    lrs: BySize = ()                     # learning rate of both networks, likewise

    def lod(self, kimg: float, resolution: int) -> float:
        """Level of detail after `kimg`, of networks for `resolution`; see `nets.growing`."""
        phase, into = divmod(kimg, self.steady_kimg + self.fade_kimg)
        fade = max(into - self.steady_kimg, 0) / (self.fade_kimg or 1)
        return max(math.log2(resolution) - math.log2(self.start) - phase - fade, 0.0)


@dataclass(frozen=True)
class Augmentation:
    """'ada': p follows the discriminator (ADA sec. 3.1); 'fixed': it stays at `p`. `pipe`: which transforms."""
    mode: Literal["none", "ada", "fixed"] = "none"
    pipe: str = "bgc"
    p: float = 0.0
    target: float = 0.6
    kimg: float = 500.0                  # in which p can go from 0 to 1


@dataclass(frozen=True)
class Ema:
    """Half-life of the generator's average; `ramp`: at most this part of the images shown, None: no ramp."""
    kimg: float = 10.0
    ramp: float | None = None


class Moment(NamedTuple):
    """What holds at one point of a run; the optimisers as they are set, lazy regularisation counted in."""
    lod: float
    batch: int                           # of all processes
    batch_gpu: int                       # samples that pass a network at a time
    g_adam: Adam
    d_adam: Adam


@dataclass(frozen=True)
class TrainConfig:
    """A run. Sizes are in samples, durations in thousands of real images. Raises UserError on a doomed one."""
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig | StyleGAN1DiscriminatorConfig
    batch: int                           # of all processes, at the full resolution
    batch_gpu: int                       # samples that pass a network at a time
    g_adam: Adam
    d_adam: Adam
    gpus: int = 1
    loss: LossConfig = field(default_factory=LossConfig)
    d_reg_interval: int | None = 16         # minibatches; None: within D's main loss
    g_reg_interval: int | None = 4          # minibatches; None: no path lengths
    mixing: float = 0.9                  # probability of style mixing
    ema: Ema = Ema()
    growing: Growing | None = None
    augmentation: Augmentation = Augmentation()
    blur: bool = False                   # of what D sees, fading out: `view.blur_sigma` (StyleGAN3 app. F)
    kimg: float = 25_000.0               # of the whole run
    mirror: bool = False
    seed: int = 0

    def __post_init__(self):
        check(self)

    def at(self, kimg: float) -> Moment:
        """What holds when `kimg` have been shown. While growing, micro-batches keep their part of the minibatch."""
        lod, batch, g_adam, d_adam = 0.0, self.batch, self.g_adam, self.d_adam
        if self.growing:
            lod = self.growing.lod(kimg, self.generator.resolution)
            resolution = self.generator.resolution >> math.floor(lod)
            batch = reached(self.growing.batches, resolution, batch)
            g_adam, d_adam = (dataclasses.replace(adam, lr=reached(self.growing.lrs, resolution, adam.lr))
                              for adam in (g_adam, d_adam))
        d_interval = None if self.loss.regularizer == "none" else self.d_reg_interval
        return Moment(lod, batch, self.batch_gpu * batch // self.batch, g_adam.lazy(self.g_reg_interval),
                      d_adam.lazy(d_interval))

    def transferred(self) -> TrainConfig:
        """For a run that starts from trained networks: no ramp, no blur, p five times as fast (training.md)."""
        return dataclasses.replace(self, ema=dataclasses.replace(self.ema, ramp=None), blur=False,
                                   augmentation=dataclasses.replace(self.augmentation, kimg=100.0))


def reached(values: BySize, resolution: int, default: Any) -> Any:
    """The value of the largest resolution up to `resolution`."""
    return next((value for start, value in reversed(values) if start <= resolution), default)


def is_new_phase(before: float, after: float) -> bool:
    """Whether growing optimisers begin anew between two levels of detail: floor or ceil of lod has changed."""
    return (math.floor(before), math.ceil(before)) != (math.floor(after), math.ceil(after))


# -- checks -----------------------------------------------------------------------------------------------------------

def check(config: TrainConfig) -> None:
    """Raises UserError with the first setting that no run could have."""
    group = config.discriminator.mbstd_group_size
    for batch in [config.batch, *(batch for _, batch in (config.growing.batches if config.growing else ()))]:
        check_batch(batch, config.batch_gpu * batch // config.batch if config.batch > 0 else 0, config.gpus, group)
    check_choices(config)
    for name, least in ("d_reg_interval", 1), ("g_reg_interval", 1), ("kimg", 0), ("mixing", 0):
        if (value := getattr(config, name)) is not None and not value >= least:
            raise UserError(f"{name} is {value}; it must be at least {least}.")
    growing = config.growing
    if growing and not (growing.steady_kimg >= 0 <= growing.fade_kimg and growing.steady_kimg + growing.fade_kimg > 0):
        raise UserError(f"growing phases of {growing.steady_kimg:g} + {growing.fade_kimg:g} kimg have no length; "
                        "choose positive ones.")
    if growing and not grows(config.generator):
        raise UserError("these networks do not grow; choose stylegan1, traditional or stylegan2-a to -d.")


def check_choices(config: TrainConfig) -> None:
    """Raises UserError with the first name that stands for nothing."""
    for what, name, known in (("loss", config.loss.adversarial, ADVERSARIAL),
                              ("regularizer", config.loss.regularizer, ("r1", "r2", "gp", "none")),
                              ("augmentation", config.augmentation.mode, ("none", "ada", "fixed")),
                              ("augmentation pipeline", config.augmentation.pipe, PIPELINES)):
        if name not in known:
            raise UserError(one_line(f"there is no {what} '{name}'; choose one of {', '.join(known)}."))
    if not 0 <= config.augmentation.p <= 1:
        raise UserError(f"an augmentation probability of {config.augmentation.p} is not between 0 and 1.")


def check_batch(batch: int, batch_gpu: int, gpus: int, group: int | None) -> None:
    """Every process has the same number of equal micro-batches, each of whole minibatch-stddev groups."""
    if batch_gpu < 1 or batch < 1 or batch % (gpus * batch_gpu):
        raise UserError(f"a batch of {batch} is not made of micro-batches of {batch_gpu} on {gpus} GPU(s); "
                        f"choose a multiple of {gpus * max(batch_gpu, 1)}.")
    if group and batch_gpu % min(group, batch_gpu):
        raise UserError(f"a micro-batch of {batch_gpu} cannot be split into minibatch-stddev groups of {group}; choose "
                        f"a group size that divides {batch_gpu}.")


def grows(config: AnyConfig) -> bool:
    """Whether a network of `config` has levels of detail."""
    is_first = isinstance(config, (StyleGAN1Config, StyleGAN1DiscriminatorConfig))
    return is_first or isinstance(config, (StyleGAN2Config, DiscriminatorConfig)) and config.architecture == "growing"


# -- JSON -------------------------------------------------------------------------------------------------------------

NETWORKS = ("generator", "discriminator")
PARTS = {"g_adam": Adam, "d_adam": Adam, "loss": LossConfig, "ema": Ema, "growing": Growing,
         "augmentation": Augmentation}


def to_json(config: TrainConfig) -> dict:
    """`config` as JSON values; networks with their kind."""
    values = dataclasses.asdict(config)
    return values | {name: {"kind": kind_of(getattr(config, name)), "config": values[name]} for name in NETWORKS}


def from_json(values: dict) -> TrainConfig:
    """The configuration that `to_json` made `values` of. Raises UserError on anything else."""
    try:
        networks = {name: from_dict(values[name]["kind"], values[name]["config"]) for name in NETWORKS}
        parts = {name: values[name] and PARTS[name](**_tuples(values[name])) for name in PARTS}
        return TrainConfig(**values | networks | parts)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"this is not the configuration of a run ({error}); known networks: {', '.join(CONFIGS)}"
                        ) from error


def _tuples(value: Any) -> Any:
    """Lists, which JSON made of tuples, as tuples again."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, Sequence) and not isinstance(value, str) else value
