"""From the options of a new run to its configuration: the preset for the set and the machine, then what was asked for.
"""
from __future__ import annotations

import dataclasses
from argparse import Namespace
from pathlib import Path

from nets.checkpoint.fetch import is_url
from nets.checkpoint.opening import DEMO
from nets.config import DiscriminatorConfig, GeneratorConfig, StyleGAN2Config, StyleGAN3Config
from nets.errors import UserError
from renderer.device import cores
from train.config import TrainConfig
from train.phases import LossConfig
from train.presets import Data, preset, with_architectures
from train.run_options import AUGMENTATIONS, BY_NAME, OPTIONS
from train.settings import RunOptions

CLAMP = 256.0                            # of activations in half precision (ADA app. D.1)
MOST_WORKERS = 4                         # pictures decoded by more are seldom waited for
COLOURS = ("brightness", "contrast", "lumaflip", "hue", "saturation")


def options_of(args: Namespace) -> RunOptions:
    """How the run is carried out: places as absolute paths, so that it can go on from anywhere. Raises UserError."""
    if args.outdir is None:
        raise UserError("where to? add --outdir DIR, the folder of run folders")
    if args.data is None:
        raise UserError("on what? add --data SET, a folder or zip of pictures; python -m train data makes one")
    given = {option.name: getattr(args, option.dest) for option in OPTIONS
             if option.place.startswith("run.") and getattr(args, option.dest) is not None}
    values = {name.replace("-", "_"): absolute(value) if BY_NAME[name].kind == "path" else value
              for name, value in given.items()}
    values = {"cfg": BY_NAME["cfg"].default, "workers": usual_workers(args.gpus or 1)} | values
    return RunOptions(**values | {"outdir": absolute(args.outdir)})


def absolute(path: str) -> str:
    """Also of '~'; an address stays itself."""
    return path if is_url(path) else str(Path(path).expanduser().absolute())


def absolute_file(source: str) -> str:
    """A checkpoint's path made absolute; an address or a demo's name stays itself."""
    return source if source.startswith(DEMO) else absolute(source)


def usual_workers(gpus: int) -> int:
    return max(1, min(MOST_WORKERS, (cores() - 1) // gpus))


def config_of(args: Namespace, data: Data, is_transfer: bool = False) -> TrainConfig:
    """What is trained, on `data`. Raises UserError, naming the option, for what does not go together."""
    config = preset(args.cfg or BY_NAME["cfg"].default, data, args.gpus or 1, args.batch, args.batch_gpu,
                    args.mbstd_group)
    config = _with_networks(with_architectures(config, args.g_arch, args.d_arch), args)
    config = _with_rates(_with_phases(config, args), args)
    config = _with_loss(config, args)
    config = dataclasses.replace(config.transferred() if is_transfer else config, **_given(
        args, kimg="kimg", seed="seed", mirror="mirror"))
    return _with_augmentation(config, args)


def _given(args: Namespace, **fields: str) -> dict:
    """{field: value} of the options that were given; `fields`: field=attribute."""
    found = {field: getattr(args, dest) for field, dest in fields.items()}
    return {field: value for field, value in found.items() if value is not None}


# -- networks ---------------------------------------------------------------------------------------------------------

def _with_networks(config: TrainConfig, args: Namespace) -> TrainConfig:
    """The generator keeps its proportion of channels to the discriminator, which in StyleGAN3-R is 2."""
    generator, discriminator = config.generator, config.discriminator
    for name, field in ("cbase", "channel_base"), ("cmax", "channel_max"):
        value = getattr(args, name)
        if value is None:
            continue
        if value < 1:
            raise UserError(f"--{name} {value} leaves no channels; it must be at least 1")
        times = getattr(generator, field) // getattr(discriminator, field)
        generator = dataclasses.replace(generator, **{field: value * times})
        discriminator = dataclasses.replace(discriminator, **{field: value})
    if args.map_depth is not None:
        generator = _with_depth(generator, args.map_depth)
    if args.freezed:
        discriminator = _frozen(discriminator, args)
    if args.precision == "fp16":
        generator, discriminator = _clamped(generator), _clamped(discriminator)
    return dataclasses.replace(config, generator=generator, discriminator=discriminator)


def _with_depth(generator: GeneratorConfig, depth: int) -> GeneratorConfig:
    if depth < 0 or depth == 0 and generator.w_dim != generator.z_dim * (2 if generator.c_dim else 1):
        raise UserError(f"--map-depth {depth}: these networks need at least 1 layer between z and w")
    return dataclasses.replace(generator, mapping=dataclasses.replace(generator.mapping, num_layers=depth))


def _frozen(discriminator, args: Namespace) -> DiscriminatorConfig:
    if not isinstance(discriminator, DiscriminatorConfig):
        raise UserError("--freezed is for StyleGAN2's and StyleGAN3's discriminator; this preset has StyleGAN's")
    if args.resume is None:
        raise UserError("--freezed keeps layers as a checkpoint has them; add --resume FILE")
    if args.freezed < 0:
        raise UserError(f"--freezed {args.freezed}: must be 0 or more")
    return dataclasses.replace(discriminator, freeze_layers=args.freezed)


def _clamped(network):
    """With the limit that half precision needs, where the network has one."""
    if not isinstance(network, (StyleGAN2Config, StyleGAN3Config, DiscriminatorConfig)):
        return network
    return dataclasses.replace(network, conv_clamp=network.conv_clamp or CLAMP, num_fp16_res=network.num_fp16_res or 4)


# -- optimisation -----------------------------------------------------------------------------------------------------

def _with_phases(config: TrainConfig, args: Namespace) -> TrainConfig:
    if args.phase_kimg is None:
        return config
    if not config.growing:
        raise UserError("--phase-kimg is for presets that grow: stylegan1, traditional, stylegan2-a to -d")
    return dataclasses.replace(config, growing=dataclasses.replace(
        config.growing, steady_kimg=args.phase_kimg, fade_kimg=args.phase_kimg))


def _with_rates(config: TrainConfig, args: Namespace) -> TrainConfig:
    """A rate that is given holds at every resolution."""
    if args.glr is None and args.dlr is None:
        return config
    for name in "glr", "dlr":
        if getattr(args, name) is not None and not getattr(args, name) > 0:
            raise UserError(f"--{name} {getattr(args, name):g}: must be above 0")
    rises = config.growing and any(size <= config.generator.resolution for size, _ in config.growing.lrs)
    if rises and None in (args.glr, args.dlr):
        raise UserError("the learning rates of this preset rise with the resolution, of both networks alike; give both "
                        "--glr and --dlr, or neither")
    growing = config.growing and dataclasses.replace(config.growing, lrs=())
    rates = {field: dataclasses.replace(getattr(config, field), lr=value)
             for field, value in _given(args, g_adam="glr", d_adam="dlr").items()}
    return dataclasses.replace(config, growing=growing, **rates)


def _with_loss(config: TrainConfig, args: Namespace) -> TrainConfig:
    if args.gamma is not None and args.gamma < 0:
        raise UserError(f"--gamma {args.gamma:g}: must be 0 or more")
    loss = dataclasses.replace(config.loss, **_given(args, adversarial="loss", gamma="gamma"))
    if args.loss == "wgan" and args.gamma is None:       # Gulrajani et al. 2017, algorithm 1: in every step
        return dataclasses.replace(config, loss=dataclasses.replace(loss, regularizer="gp"), d_reg_interval=None)
    if args.gamma == 0:
        loss: LossConfig = dataclasses.replace(loss, regularizer="none")
    return dataclasses.replace(config, loss=loss)


def _with_augmentation(config: TrainConfig, args: Namespace) -> TrainConfig:
    mode = AUGMENTATIONS[args.aug] if args.aug else config.augmentation.mode
    unused = [name for name, modes in (("augpipe", ("ada", "fixed")), ("p", ("ada", "fixed")), ("target", ("ada",)))
              if getattr(args, name) is not None and mode not in modes]
    if unused:
        raise UserError(f"--{unused[0]} would have no effect: this run's augmentation is {mode}; add --aug")
    if mode == "fixed" and args.p is None:
        raise UserError("--aug fixed needs the probability: add --p, such as --p 0.2")
    given = _given(args, pipe="augpipe", p="p", target="target")
    changed = dataclasses.replace(config.augmentation, mode=mode, **given)
    _check_colours(changed.mode, changed.pipe, config.generator.img_channels)
    return dataclasses.replace(config, augmentation=changed)


def _check_colours(mode: str, pipe: str, channels: int) -> None:
    from train.augment import PIPELINES
    if mode != "none" and channels not in (1, 3) and any(getattr(PIPELINES[pipe], name) for name in COLOURS):
        raise UserError(f"augmentation '{pipe}' changes colours, which pictures of {channels} channels have not; "
                        "choose --augpipe bg, or --aug noaug")
