"""The options of `python -m train run`, as data: the command line is filled from them, the window shows them. No torch.
"""
from __future__ import annotations

import typing
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from train.settings import Backend, Device, Precision

Kind = Literal["text", "path", "whole", "number", "choice", "switch", "names", "size", "command"]

PRESETS = {
    "stylegan1": "StyleGAN (2019): grows from 8x8, R1 in every step",
    "stylegan2": "StyleGAN2 (2020), configuration F: large networks, path length regularisation",
    "stylegan2-auto": "StyleGAN2-ADA (2020) with everything chosen from resolution and GPUs; the place to start",
    "paper256": "StyleGAN2-ADA's setting for 256x256",
    "paper512": "StyleGAN2-ADA's setting for 512x512",
    "paper1024": "StyleGAN2-ADA's setting for 1024x1024",
    "cifar": "StyleGAN2-ADA's setting for CIFAR-10",
    "stylegan2-a": "StyleGAN2's ablation A: StyleGAN as it was",
    "stylegan2-b": "ablation B: A with weight demodulation in place of instance normalisation",
    "stylegan2-c": "ablation C: B with lazy regularisation",
    "stylegan2-d": "ablation D: C with path length regularisation",
    "stylegan2-e": "ablation E: D with skip and residual networks in place of growing",
    "stylegan2-f": "ablation F: E with large networks, that is stylegan2",
    "stylegan3-t": "StyleGAN3 (2021), equivariant to translation",
    "stylegan3-r": "StyleGAN3 (2021), equivariant to translation and rotation",
    "traditional": "StyleGAN's baseline (its fig. 1a): z goes in at the bottom, no styles, no noise",
}
PIPES = ("blit", "geom", "color", "filter", "noise", "cutout", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc")
ARCHITECTURES = ("orig", "skip", "resnet")
LOSSES = ("nonsaturating", "saturating", "wgan", "hinge")
METRICS = ("swd", "spectrum", "fid50k_full", "kid50k_full", "pr50k3_full", "is50k", "ppl_zfull", "ppl_wfull",
           "ppl_zend", "ppl_wend", "ppl2_wend", "eqt50k_int", "eqt50k_frac", "eqr50k")
AUGMENTATIONS = {"noaug": "none", "ada": "ada", "fixed": "fixed"}        # as they are called -> as they are kept


@dataclass(frozen=True)
class Option:
    """`place`: where the run's config.json keeps it, 'train.loss.gamma'; '' where it is in no place of its own.

    `may_change`: whether a run that goes on may be given another value. `default` is for showing; options that were not
    given are None, so that presets and stored runs can fill them.
    """
    name: str                            # 'batch-gpu': the flag is --batch-gpu
    kind: Kind
    group: str
    help: str
    place: str = ""
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    default: Any = None
    may_change: bool = False

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments."""
        return self.name.replace("-", "_")


OPTIONS = (
    Option("outdir", "path", "run", "the folder of run folders; each run makes one with the next number in it",
           metavar="DIR"),
    Option("data", "path", "run", "folder or zip of pictures, made by `python -m train data`; a run that goes on "
           "may find the same set at another place", "run.data", "SET", may_change=True),
    Option("cfg", "choice", "run", "the configuration to start from; options below change single settings of it",
           "run.cfg", "PRESET", tuple(PRESETS), "stylegan2-auto"),
    Option("desc", "text", "run", "ends the run folder's name", "run.desc", "TEXT", default=""),
    Option("kimg", "number", "run", "length of the run in thousands of real images shown", "train.kimg", "KIMG",
           default=25000.0, may_change=True),
    Option("seed", "whole", "run", "of everything random", "train.seed", "N", default=0),
    Option("resume", "text", "run", "a run folder, or `latest` in --outdir: the run goes on from its newest good "
           "state; a checkpoint (file, address or demo:NAME): a new run starts from its weights", metavar="RUN|FILE"),
    Option("dry-run", "command", "run", "say what would be done and check that it can be, but write nothing; json: "
           "with every setting, for programs", choices=("text", "json")),

    Option("cond", "switch", "data", "train with the labels in the set's dataset.json", "run.cond", default=False),
    Option("mirror", "switch", "data", "show every picture flipped left to right, too: for things that have no left "
           "and right", "train.mirror", default=False),
    Option("max-images", "whole", "data", "use so many pictures of the set, chosen by the seed; default all",
           "run.max_images", "N"),
    Option("channels", "whole", "data", "convert all pictures: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha; "
           "default as the first picture is", "run.channels", "N"),
    Option("workers", "whole", "data", "processes that read pictures, for each process that trains; default from the "
           "number of CPU cores", "run.workers", "N", may_change=True),

    Option("gpus", "whole", "batch", "processes that share the batch, one for each GPU; started from here, unless "
           "torchrun did (then its number counts)", "train.gpus", "N", default=1),
    Option("batch", "whole", "batch", "images a step, of all GPUs together and at the full resolution; default from "
           "the preset", "train.batch", "N"),
    Option("batch-gpu", "whole", "batch", "images that pass the networks at a time on one GPU; less needs less memory; "
           "default as many as fit", "train.batch_gpu", "N", may_change=True),
    Option("mbstd-group", "whole", "batch", "images whose variation the discriminator sees together; default from the "
           "preset", "train.discriminator.config.mbstd_group_size", "N"),

    Option("gamma", "number", "loss", "weight of R1, the penalty on the discriminator's slope at real pictures: the "
           "setting that matters most, try 1/5 and 5 times the preset's; 0 leaves it out", "train.loss.gamma", "X"),
    Option("loss", "choice", "loss", "default nonsaturating, as in all papers; wgan takes the gradient penalty in "
           "every step, as in Gulrajani et al. 2017, unless --gamma asks for R1", "train.loss.adversarial",
           choices=LOSSES),
    Option("glr", "number", "loss", "the generator's learning rate; default from the preset", "train.g_adam.lr", "X"),
    Option("dlr", "number", "loss", "the discriminator's learning rate; default from the preset", "train.d_adam.lr",
           "X"),
    Option("phase-kimg", "number", "loss", "of presets that grow: thousands of images at a resolution, and as many to "
           "fade in the next; default 600", "train.growing.steady_kimg", "KIMG"),

    Option("aug", "choice", "augmentation", "noaug: none; ada: as often as the discriminator needs it; fixed: with "
           "the probability --p; default from the preset", "train.augmentation.mode", choices=tuple(AUGMENTATIONS)),
    Option("augpipe", "choice", "augmentation", "which changes: b flips and shifts by whole pixels, g geometry, c "
           "colour, f frequencies, n noise, c cutout; default bgc", "train.augmentation.pipe", choices=PIPES),
    Option("p", "number", "augmentation", "probability of --aug fixed; of ada, the one it begins with, by default 0",
           "train.augmentation.p", "P"),
    Option("target", "number", "augmentation", "of --aug ada: the share by which more real pictures should be told "
           "real than not; higher means less augmentation; default 0.6", "train.augmentation.target", "X"),

    Option("cbase", "whole", "networks", "channels at resolution r are cbase / r ..; default from the preset; where "
           "the generator has twice the discriminator's, it keeps twice",
           "train.discriminator.config.channel_base", "N"),
    Option("cmax", "whole", "networks", ".. and at most this; default 512",
           "train.discriminator.config.channel_max", "N"),
    Option("map-depth", "whole", "networks", "layers of the mapping network from z to w; default from the preset",
           "train.generator.config.mapping.num_layers", "N"),
    Option("g-arch", "choice", "networks", "StyleGAN2's generator; default skip",
           "train.generator.config.architecture", choices=ARCHITECTURES),
    Option("d-arch", "choice", "networks", "StyleGAN2's discriminator; default resnet",
           "train.discriminator.config.architecture", choices=ARCHITECTURES),
    Option("freezed", "whole", "networks", "with --resume FILE: so many of the discriminator's layers, counted from "
           "the picture, stay as they are", "train.discriminator.config.freeze_layers", "N"),

    Option("metrics", "names", "reports", "measured at every snapshot, comma separated, or `none`; default swd, which "
           "needs no download; `python -m train metrics --help` lists them", "run.metrics", "NAME,..",
           METRICS, "swd", may_change=True),
    Option("metric-images", "whole", "reports", "generated pictures for a metric; default its own number, 50000 for "
           "most", "run.metric_images", "N", may_change=True),
    Option("detectors", "path", "reports", "folder of the files that some metrics see with; default the cache's",
           "run.detectors", "DIR", may_change=True),
    Option("tick", "number", "reports", "thousands of images between two lines of the log", "run.tick", "KIMG",
           default=4.0, may_change=True),
    Option("snap", "whole", "reports", "ticks between snapshots, with sample grid, training state and metrics; 0: only "
           "at the end", "run.snap", "TICKS", default=10, may_change=True),
    Option("grid", "size", "reports", "columns and rows of sample grids; default what fills 8K", "run.grid", "CxR",
           may_change=True),

    Option("device", "choice", "machine", "auto: the first NVIDIA card, else the CPU", "run.device",
           choices=typing.get_args(Device), default="auto", may_change=True),
    Option("backend", "choice", "machine", "of the ops; auto: the fastest that can", "run.backend",
           choices=typing.get_args(Backend), default="auto", may_change=True),
    Option("precision", "choice", "machine", "fp16: of the layers of the highest resolutions; bf16: of all layers; "
           "auto: fp16 on a card where the preset is made for it, else fp32", "run.precision",
           choices=typing.get_args(Precision), default="auto"),
)
BY_NAME = {option.name: option for option in OPTIONS}


# -- the command line -------------------------------------------------------------------------------------------------

def whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is no whole number") from None


def number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is no number") from None
    if value != value or abs(value) == float("inf"):
        raise ArgumentTypeError(f"{text} is not a finite number")
    return value


def names(text: str) -> tuple[str, ...]:
    """Of metrics, 'swd,spectrum'; 'none' for none."""
    found = tuple(dict.fromkeys(name for name in text.replace(",", " ").split() if name != "none"))
    unknown = [name for name in found if name not in METRICS]
    if unknown:
        raise ArgumentTypeError(f"there is no metric '{unknown[0]}' for training; choose of none, {', '.join(METRICS)}")
    return found


def size(text: str) -> tuple[int, int]:
    """'8x4': columns and rows."""
    try:
        columns, rows = map(int, text.lower().split("x"))
    except ValueError:
        raise ArgumentTypeError(f"'{text}' is not of the form 8x4") from None
    return columns, rows


READERS: dict[Kind, Callable[[str], Any]] = {"text": str, "path": str, "choice": str, "whole": whole, "number": number,
                                             "names": names, "size": size}


def add_options(parser: ArgumentParser) -> None:
    """All of OPTIONS, in their groups; what is not given is None."""
    groups = {title: parser.add_argument_group(title) for title in dict.fromkeys(o.group for o in OPTIONS)}
    for option in OPTIONS:
        shown = option.help if option.default in (None, "", False) else f"{option.help}; default {option.default}"
        common = {"dest": option.dest, "default": None, "help": shown.replace("%", "%%")}
        flag, group = f"--{option.name}", groups[option.group]
        if option.kind == "command":
            group.add_argument(flag, nargs="?", const=option.choices[0], choices=option.choices,
                               **common | {"default": False})
        elif option.kind == "switch":
            group.add_argument(flag, action=BooleanOptionalAction, **common)
        else:
            group.add_argument(flag, type=READERS[option.kind], metavar=option.metavar,
                               choices=option.choices if option.kind == "choice" else None, **common)


def written(option: Option, value: Any) -> list[str]:
    """The words of a command line that `option` reads as `value`."""
    flag = f"--{option.name}"
    if option.kind == "command":
        return [flag] if value else []
    if option.kind == "switch":
        return [flag if value else f"--no-{option.name}"]
    if option.kind == "names":
        return [flag, ",".join(value) or "none"]
    return [flag, "x".join(map(str, value)) if option.kind == "size" else
            f"{value:g}" if option.kind == "number" and float(f"{value:g}") == value else str(value)]


def as_json() -> dict:
    """{"options": [{"name", "kind", "group", "help", "choices", "default", ..}, ..], "presets": {name: a line}}"""
    return {"options": [asdict(option) for option in OPTIONS], "presets": PRESETS}
