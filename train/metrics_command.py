"""`python -m train metrics`: measures the generator of a checkpoint, by the names of metrics.KINDS."""
from __future__ import annotations

import argparse
import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nets.errors import UserError

DEFAULT = "swd,spectrum"                 # need no detector
MOST_WORKERS = 8                         # processes that read the data set


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options, as `run` takes them."""
    parser.add_argument("file", metavar="FILE", help="a checkpoint: path, URL or demo:NAME")
    parser.add_argument("--metrics", default=DEFAULT, metavar="NAME[,NAME...]",
                        help=f"docs/metrics.md lists them; default {DEFAULT}")
    parser.add_argument("--data", metavar="SET", help="folder or zip of real pictures")
    parser.add_argument("--detector", default="", metavar="PATH",
                        help="Inception's or VGG16's TorchScript file, its URL, or a folder that has both")
    parser.add_argument("--classifier", action="append", default=[], metavar="FILE",
                        help="of ls: TorchScript, images to a logit each; may be given several times")
    parser.add_argument("--images", type=int, metavar="N",
                        help="generated images, or pairs, instead of the metric's own number; the result is named so")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the generated images; default 0")
    parser.add_argument("--network", choices=("G_ema", "G"), default="", help="default: G_ema, if there")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--backend", choices=("auto", "reference", "cpu", "cuda"), default="auto",
                        help="of the networks' operations")
    parser.add_argument("--batch", type=int, metavar="N", help="images at a time; default: by their size")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that read the data set")
    parser.add_argument("--json", action="store_true", help="machine-readable, on standard output")
    parser.add_argument("-o", dest="out", metavar="FILE.json", help="the same into a file")


def run(args: argparse.Namespace) -> None:
    """Measures and prints. Raises UserError; nothing is computed before all that is needed is found."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # standard error carries one line or none
        _run(args)


def _run(args: argparse.Namespace) -> None:
    out = _output(args.out)
    names = [name.strip() for name in args.metrics.split(",") if name.strip()]
    from train.metrics.names import check_names
    check_names(names)
    from nets.checkpoint import open_checkpoint
    opened = open_checkpoint(args.file)
    try:
        report = _measured(args, names, opened)
    finally:
        opened.close()
    text = json.dumps(report, ensure_ascii=False, indent=1)
    if out:
        _write(out, text)
    print(text if args.json else _table(report))


def _measured(args: argparse.Namespace, names: list[str], opened) -> dict:
    from cuda_ops import dispatch
    from nets.config import GeneratorConfig
    from train.metrics.measure import Measurement
    name = args.network or opened.default_generator
    record = opened.networks.get(name)
    if record is None or not isinstance(record.config, GeneratorConfig):
        raise UserError(f"{args.file}: has no generator {name}".rstrip() + f"; it has {', '.join(opened.networks)}")
    device = _device(args.device)
    _check_backend(args.backend, device)
    measurement = Measurement(
        names, args.data, labelled=bool(args.data and record.config.c_dim), channels=record.config.img_channels,
        images=args.images, detectors=args.detector, classifiers=args.classifier, seed=args.seed, batch=args.batch,
        workers=_workers(args.workers))
    with dispatch.use(args.backend), _bar() as tell:
        G = opened.build(name, lambda text, share: tell(text, share or 0.0)).to(device)
        measurement.check(G)
        results = _within_memory(lambda: measurement.measure(G, tell))
    return {"file": args.file, "network": name, "data": args.data, "seed": args.seed, "metrics": results,
            "remarks": measurement.remarks(G)}


def _within_memory(measure):
    import torch
    try:
        return measure()
    except (torch.OutOfMemoryError, MemoryError):
        raise UserError("there is not enough memory for so many images at a time; try a smaller --batch, such as 4"
                        ) from None


def _table(report: dict) -> str:
    width = max(map(len, report["metrics"]))
    lines = [f"{name:<{width}}  {value:.6g}" for name, value in report["metrics"].items()]
    return "\n".join(lines + [f"({'; '.join(report['remarks'])})"])


# -- what is asked for ------------------------------------------------------------------------------------------------

def _device(name: str):
    import torch
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda cannot run: PyTorch finds no CUDA device; use --device cpu")
    if name != "cpu" and torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False      # float32 means float32
        return torch.device("cuda")
    return torch.device("cpu")


def _check_backend(name: str, device) -> None:
    from cuda_ops import dispatch
    reason = dispatch.why_not(name, device) if name != "auto" else ""
    if reason:
        raise UserError(f"backend {name} cannot run: {reason}; use --backend auto")


def _workers(wanted: int | None) -> int:
    """All cores but one, unless so many are wanted."""
    if wanted is not None and wanted < 0:
        raise UserError(f"workers is {wanted}; it must be at least 0")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores - 1, MOST_WORKERS) if wanted is None else wanted


def _output(name: str | None) -> Path | None:
    """Checked before any work."""
    if name is None:
        return None
    path = Path(name)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{name}: {'is a folder' if path.is_dir() else 'its folder does not exist'}")
    return path


def _write(path: Path, text: str) -> None:
    from nets.replacing import replacing
    try:
        with replacing(path) as temporary:
            Path(temporary).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from None


@contextmanager
def _bar() -> Iterator:
    """Progress in percent where standard error is a terminal; tells what is being done."""
    if not (sys.stderr and sys.stderr.isatty()):
        yield lambda text, share: None
        return
    from tqdm import tqdm
    tqdm.monitor_interval = 0            # no thread of its own
    with tqdm(total=100, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", leave=False,
              dynamic_ncols=True, file=sys.stderr) as shown:
        def tell(text: str, share: float) -> None:
            if 100 * share < shown.n:    # other work, with a time left of its own
                shown.reset()
            shown.set_description_str(text, refresh=False)
            shown.n = 100 * share
            shown.update(0)
        yield tell
