"""Going on with a run: which one is meant, and its configuration with what may change of it."""
from __future__ import annotations

import dataclasses
import json
from argparse import Namespace
from pathlib import Path
from typing import Any, NamedTuple

from nets.errors import UserError, one_line
from nets.replacing import replacing
from train import config as train_config
from train import settings
from train.config import TrainConfig
from train.configure import absolute
from train.folder import CONFIG, RunFolder, read_config
from train.run_options import AUGMENTATIONS, OPTIONS, Option
from train.settings import RunOptions

LATEST = "latest"


class Stored(NamedTuple):
    """A run that was begun. `data`: what its set was then."""
    path: Path
    config: TrainConfig
    options: RunOptions
    data: dict


def run_meant(args: Namespace) -> Path | None:
    """The folder of the run that is to go on; None: a new run. Raises UserError where `latest` means none."""
    if args.resume == LATEST:
        return _latest(args.outdir)
    path = Path(args.resume or "").expanduser()
    if args.resume and path.name.startswith("state-") and path.is_file():
        raise UserError(f"{path}: is a training state; to go on from the newest one, name its folder: --resume "
                        f"{path.parent}")
    return path.absolute() if args.resume and path.is_dir() else None


def _latest(outdir: str | None) -> Path:
    if outdir is None:
        raise UserError("--resume latest: of which folder? add --outdir DIR")
    place = Path(absolute(outdir))
    runs = [path for path in sorted(place.glob("[0-9]*-*"), key=_number) if any(path.glob("state-*.safetensors"))]
    if not runs:
        raise UserError(f"{place}: no run there has a training state to go on from; check --outdir, or start without "
                        "--resume")
    return runs[-1]


def _number(path: Path) -> int:
    digits = path.name.partition("-")[0]
    return int(digits) if digits.isdecimal() else -1


def read(path: Path, args: Namespace) -> Stored:
    """The run in `path`, with those of `args` that may change. Raises UserError for others that differ."""
    about = read_config(path)
    for option in OPTIONS:
        _check_same(path, option, getattr(args, option.dest), about)
    try:
        config, options = train_config.from_json(about["train"]), settings.from_json(about["run"])
    except LookupError as error:
        raise UserError(f"{path}: {CONFIG} lacks {error}") from None
    given = {option: getattr(args, option.dest) for option in OPTIONS
             if option.may_change and getattr(args, option.dest) is not None}
    changes = {place: {option.place.removeprefix(f"{place}."): absolute(value) if option.kind == "path" else value
                       for option, value in given.items() if option.place.startswith(f"{place}.")}
               for place in ("train", "run")}
    return Stored(path, dataclasses.replace(config, **changes["train"]),
                  dataclasses.replace(options, **changes["run"]), about.get("data") or {})


def _check_same(path: Path, option: Option, given: Any, about: dict) -> None:
    if given is None or option.may_change or not option.place:
        return
    stored = about
    for key in option.place.split("."):
        stored = stored.get(key) if isinstance(stored, dict) else None
    if option.name == "aug":
        given = AUGMENTATIONS[given]
    if given != stored:
        raise UserError(one_line(f"{path}: this run has --{option.name} {_word(stored)}, not {_word(given)}; leave the "
                                 "option out to go on, or start a new run from its newest snapshot: --resume FILE"))


def _word(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def keep(folder: RunFolder, config: TrainConfig, options: RunOptions) -> None:
    """Writes what has changed into the run's config.json, so that it goes on so the next time, too."""
    about = folder.config | {"train": train_config.to_json(config), "run": settings.to_json(options)}
    if json.loads(json.dumps(about)) == folder.config:
        return
    try:
        with replacing(folder.path / CONFIG) as temporary:
            temporary.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder.path}: {CONFIG} cannot be written: {error.strerror or error}") from None
    folder.config = about
