"""`python -m train run`: from options to a run, with everything that would end it later looked at first."""
from __future__ import annotations

import os
import platform
import shlex
from argparse import Namespace
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from train.run_options import OPTIONS, add_options, written

__all__ = ["add_options", "run"]


class Prepared(NamedTuple):
    """A run that can begin. `path`: its folder, if it goes on; `text`: what it will be, in lines."""
    config: object                       # TrainConfig
    options: object                      # RunOptions
    summary: object                      # check.Summary
    path: Path | None
    text: str


def run(args: Namespace) -> int:
    """Trains, or says what would be done; returns the exit status. Raises UserError, one line, for a doomed run."""
    from train import launch, resuming
    path = resuming.run_meant(args)
    stored = resuming.read(path, args) if path else None
    gpus = stored.config.gpus if stored else _gpus(args)
    if args.dry_run:
        prepared = prepare(args, stored)
        print(_as_json(prepared) if args.dry_run == "json" else prepared.text)
        return 0
    if gpus > 1 and not launch.is_launched():
        return launch.launch(launch.command_line(words(args)), gpus)
    with launch.together(gpus, _device(stored.options.device if stored else args.device).type == "cuda"):
        _train(launch.agreed(lambda: prepare(args, stored)), args)
    return 0


def _gpus(args: Namespace) -> int:
    """As many as were asked for; under torchrun, if nothing was asked for, as many as it started."""
    from nets.errors import UserError
    if args.gpus is None and "WORLD_SIZE" in os.environ:
        args.gpus = int(os.environ["WORLD_SIZE"])
    if args.gpus is not None and args.gpus < 1:
        raise UserError(f"--gpus {args.gpus}: must be 1 or more; the CPU counts as one (--device cpu)")
    return args.gpus or 1


def words(args: Namespace) -> list[str]:
    """The options that were given, as they would be typed."""
    return [word for option in OPTIONS if getattr(args, option.dest) is not None
            for word in written(option, getattr(args, option.dest))]


# -- before the first step --------------------------------------------------------------------------------------------

def prepare(args: Namespace, stored=None) -> Prepared:
    """Looks at data, checkpoint, memory, disk and metrics. Writes nothing. Raises UserError."""
    from train import check, configure, transfer
    check.check_channels(args.channels)
    options = stored.options if stored else configure.options_of(args)
    check.check_place(stored.path if stored else options.outdir)
    summary = check.check_set(options, stored.config.seed if stored else args.seed or 0)
    source = None if stored or args.resume is None else configure.absolute_file(args.resume)
    if stored:
        check.check_unchanged(summary, stored.data)
        config = stored.config
    else:
        config, options = configure.config_of(args, summary.data, bool(source)), replace(options, resume_from=source)
    check.check_enough(summary, config)
    report = transfer.foresee(config, source) if source else None
    config, needs = _fitted(config, options, args)
    check.check_disk(stored.path if stored else options.outdir, config, options.keep)
    _check_metrics(options)
    return Prepared(config, options, summary, stored and stored.path, _text(config, summary, needs, report, args))


def _device(name: str | None):
    """Raises UserError."""
    from renderer.device import choose_device
    return choose_device(name or "auto")


def _fitted(config, options, args: Namespace):
    """The configuration with a micro-batch that fits, and what it needs."""
    from renderer.device import PRECISIONS, choose_precision
    from train import memory
    device = _device(options.device)
    precision = PRECISIONS[choose_precision(options.precision, device, config.generator)]
    free = memory.available(device)
    if free is not None and device.type != "cuda":       # the processes of one machine share it
        free //= int(os.environ.get("LOCAL_WORLD_SIZE", config.gpus))
    return memory.fitted(config, free, args.batch_gpu is not None, precision, options.backend != "reference")


def _check_metrics(options) -> None:
    """Raises UserError where a metric cannot be measured, such as for a detector that is not there."""
    if options.metrics:
        from train.records import measurement
        measurement(options)


def _text(config, summary, needs, report, args: Namespace) -> str:
    from train.summary import describe
    rows = [f"data           {summary}", f"memory         {needs} (estimated, of each process)"]
    if report:
        rows += str(report).splitlines()
    return "\n".join([describe(config), *rows, f"command        {_command(args)}"])


def _as_json(prepared: Prepared) -> str:
    """{"text", "train", "run"}, the latter two as in a run's config.json."""
    import json

    from train import config as train_config
    from train import settings
    return json.dumps({"text": prepared.text, "train": train_config.to_json(prepared.config),
                       "run": settings.to_json(prepared.options)})


def _command(args: Namespace) -> str:
    return shlex.join(["python", "-m", "train", "run", *words(Namespace(**vars(args) | {"dry_run": False}))])


# -- the run ----------------------------------------------------------------------------------------------------------

def _train(prepared: Prepared, args: Namespace) -> None:
    from train import session
    from train.launch import agreed
    from train.state import Found, newest_state, read_state
    opened = []                          # by the first process alone

    def begin() -> tuple[Path, tuple[str, ...]] | None:
        folder = _folder(prepared, args)
        opened.append(folder)
        try:
            found = newest_state(folder.path) if prepared.path else None
        except BaseException:
            folder.close()
            raise
        return found and (found.path, found.damaged)

    found = agreed(begin)
    with (opened[0] if opened else nullcontext()) as folder:
        state = found and Found(found[0], *read_state(found[0]), found[1])
        session.run(prepared.config, prepared.options, folder, state)


def _folder(prepared: Prepared, args: Namespace):
    """The run's folder, locked: a new one, or the one that goes on."""
    import torch

    from train import config as train_config
    from train import resuming, settings
    from train.folder import RunFolder
    config, options, summary, path, text = prepared
    if path:
        folder = RunFolder.open(path)
        resuming.keep(folder, config, options)
        return folder
    name = "-".join(part for part in (options.cfg, Path(options.data).stem, options.desc) if part)
    folder = RunFolder.create(options.outdir, name, {
        "train": train_config.to_json(config), "run": settings.to_json(options),
        "data": {"path": summary.path, "images": summary.images, "size": list(summary.size),
                 "channels": summary.channels, "c_dim": summary.c_dim},
        "command": _command(args), "versions": {"python": platform.python_version(), "torch": torch.__version__}})
    folder.say(f"{folder.path}\n{text}")
    return folder
