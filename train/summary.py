"""A run in words, before its first step: what `--dry-run` prints and the log begins with."""
from __future__ import annotations

import torch

from nets.build import build
from nets.config import AnyConfig, kind_of
from train.config import TrainConfig


def describe(config: TrainConfig) -> str:
    """Lines of `name   value`, every number that decides about the run at its start; where it grows, each resolution.
    """
    rows = [("generator", _network(config.generator)), ("discriminator", _network(config.discriminator)),
            ("batch", _batch(config)), *_optimizers(config), ("loss", _loss(config)),
            ("path length", _path_length(config)), ("style mixing", f"probability {config.mixing:g}"),
            ("average of G", _ema(config)), ("augmentation", _augmentation(config)),
            ("blur", "of what D sees, from 10 pixels to none" if config.blur else "none"),
            ("length", f"{config.kimg:g} kimg, seed {config.seed}" + (", x-flips" if config.mirror else ""))]
    width = max(len(name) for name, _ in rows) + 2
    return "\n".join(f"{name:<{width}}{value}" for name, value in rows + _growing(config))


def count_parameters(config: AnyConfig) -> int:
    """How many numbers a network of `config` learns. It is built for a moment; the global generator stays."""
    with torch.random.fork_rng(devices=[]):
        return sum(parameter.numel() for parameter in build(config).parameters())


def _network(config: AnyConfig) -> str:
    start = getattr(config, "start_size", (4, 4))
    width, height = config.resolution, config.resolution * start[0] // start[1]
    kind = kind_of(config) + (f" {config.architecture}" if hasattr(config, "architecture") else "")
    labels = f", labels of {config.c_dim}" if config.c_dim else ""
    return (f"{kind}, {width}x{height}x{config.img_channels}{labels}, {count_parameters(config):,} parameters "
            f"(channels {config.channel_base}/r, at most {config.channel_max})")


def _batch(config: TrainConfig) -> str:
    rounds = config.batch // (config.gpus * config.batch_gpu)
    return f"{config.batch} = {config.gpus} GPU(s) x {rounds} micro-batch(es) of {config.batch_gpu}"


def _optimizers(config: TrainConfig) -> list[tuple[str, str]]:
    moment = config.at(0)
    return [(f"Adam of {name}", f"lr {adam.lr:g}, betas {adam.betas[0]:g} and {adam.betas[1]:g}")
            for name, adam in (("G", moment.g_adam), ("D", moment.d_adam))]


def _loss(config: TrainConfig) -> str:
    loss, interval = config.loss, config.d_reg_interval
    when = "in every step" if interval is None else f"every {interval} steps"
    weight = f" {loss.gamma:g}" if loss.regularizer in ("r1", "r2") else ""
    return loss.adversarial + ("" if loss.regularizer == "none" else f", {loss.regularizer}{weight} {when}")


def _path_length(config: TrainConfig) -> str:
    return f"{config.loss.pl_weight:g} every {config.g_reg_interval} steps" if config.g_reg_interval else "none"


def _ema(config: TrainConfig) -> str:
    ramp = "" if config.ema.ramp is None else f", at most {config.ema.ramp:g} of the images shown"
    return f"half-life {config.ema.kimg:g} kimg{ramp}"


def _augmentation(config: TrainConfig) -> str:
    chosen = config.augmentation
    return {"none": "none", "fixed": f"{chosen.pipe}, p {chosen.p:g}",
            "ada": f"{chosen.pipe}, p from {chosen.p:g}, r_t to {chosen.target:g}, {chosen.kimg:g} kimg from 0 to 1",
            }[chosen.mode]


def _growing(config: TrainConfig) -> list[tuple[str, str]]:
    """A line for each resolution: when it is reached, its minibatch and learning rates."""
    if not config.growing:
        return []
    rows, resolution = [], min(config.growing.start, config.generator.resolution)
    phase = config.growing.steady_kimg + config.growing.fade_kimg
    while resolution <= config.generator.resolution:
        moment = config.at(len(rows) * phase)
        rows.append((f"  {resolution}²", f"from {len(rows) * phase:g} kimg, batch {moment.batch}, "
                                         f"lr {moment.g_adam.lr:g} and {moment.d_adam.lr:g}"))
        resolution *= 2
    return [("growing", f"{config.growing.steady_kimg:g} kimg at a resolution, {config.growing.fade_kimg:g} to fade in "
                        "the next"), *rows]
