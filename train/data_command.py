"""`python -m train data`: a data set out of pictures as people have them, or a check of what is there."""
from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nets.errors import UserError, one_line
from train.convert.classes import Classes, classes_of
from train.convert.converting import MODES, Progress, Survey, converted, entries, survey
from train.convert.fitting import check_frame, in_words, remedy, report_path, trouble_with_sizes, verdict
from train.convert.report import Report
from train.convert.source import PARTS, Source, counted, open_source
from train.convert.transforms import TRANSFORMS, Frame
from train.writing import write_set

DEMO = "demo"
DEMO_IMAGES, DEMO_RESOLUTION = 20000, 64
MOST_WORKERS = 64
LARGEST = 1 << 14                        # pixels a side


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="SOURCE", help="folder or zip of pictures, LMDB, CIFAR (folder, file, "
                        ".tar.gz), MNIST (folder, idx3-ubyte); or the word demo: a set that is drawn")
    parser.add_argument("-o", dest="dest", metavar="DEST", help="NAME.zip, or a new folder; not needed with --check")
    parser.add_argument("--resolution", metavar="WxH|N", help="bring all pictures to this size")
    parser.add_argument("--transform", choices=TRANSFORMS, help="with --resolution; center-crop (default) cuts what is "
                        "too long; center-crop-wide too, then adds black to a square; pad shrinks, then adds black")
    parser.add_argument("--labels", metavar="folders|none|FILE", help="classes: by subfolder, or FILE (dataset.json, "
                        "or CSV of path,class); default: what the source has")
    parser.add_argument("--max-images", type=int, metavar="N", help="so many, chosen at random by --seed")
    parser.add_argument("--channels", type=int, choices=tuple(MODES), help="grey, RGB, RGB and alpha; default: grey if "
                        "all are, else RGB")
    parser.add_argument("--part", choices=PARTS, default="train", help="of CIFAR and MNIST; default train")
    parser.add_argument("--check", action="store_true", help="write nothing; say what would be skipped or changed, and "
                        "whether training can use SOURCE as it is")
    parser.add_argument("--images", type=int, metavar="N", help=f"of the demo set; default {DEMO_IMAGES}")
    parser.add_argument("--seed", type=int, default=0, help="of the demo set, or of --max-images' choice; default 0")
    parser.add_argument("--overwrite", action="store_true", help="replace DEST, if it is a zip")
    parser.add_argument("--workers", type=int, metavar="N", help="threads; default: the number of cores")
    parser.add_argument("--verbose", action="store_true", help="a line for every picture skipped or changed")
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--progress", action="store_true", default=None,
                       help="a bar on standard error, also where that is no terminal")
    shown.add_argument("--quiet", dest="progress", action="store_false", default=None, help="no bar")


def run(args: argparse.Namespace) -> None:
    """Does what the options say and prints the result. Raises UserError."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL)  # what it has to say, the report does
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = _frame(args)
        _check(args)
        dest = None if args.check else _destination(args)
        if args.source == DEMO:
            _demo(args, dest, frame)
        else:
            _convert(args, dest, frame)


def _convert(args: argparse.Namespace, dest: Path | None, frame: Frame | None) -> None:
    path = Path(args.source).expanduser()
    if dest:
        _check_apart(path, dest)
    with closing(open_source(path, args.part)) as source:
        _convert_opened(args, source, dest, frame)


def _convert_opened(args: argparse.Namespace, source: Source, dest: Path | None, frame: Frame | None) -> None:
    chosen = _chosen(len(source.names), args.max_images, args.seed)
    classes = classes_of(source, args.labels)
    report = Report(source.notes + classes.notes)
    workers = args.workers or min(os.cpu_count() or 1, MOST_WORKERS)
    with _bar(len(chosen), "looking", args.progress) as progress:
        found = survey(source, chosen, workers, report, progress)
    if frame is None and dest and (trouble := trouble_with_sizes(found)):
        raise UserError(one_line(f"{source.path}: {trouble}; {remedy(found.sizes)}"))
    channels = args.channels or found.channels
    if found.is_mixed and channels != 1:
        report.notes.append(f"note: {found.grey} of {len(found.usable)} pictures are grey, the others coloured: "
                            f"all become {MODES[channels]}")
    with _bar(len(found.usable), "checking" if args.check else "converting", args.progress) as progress:
        pictures = converted(source, found.usable, channels, frame, workers, report, progress)
        if dest:
            write_set(dest, entries(source, classes.labels, pictures))
        else:
            for _ in pictures:
                pass
    _tell(args, Outcome(source, found, classes, report, frame, channels, dest, len(chosen) - report.skipped))


def _tell(args: argparse.Namespace, outcome: Outcome) -> None:
    """The report: on standard output, and in a file beside the set."""
    report, names, result = outcome.report, outcome.classes.names, outcome.in_words()
    classes = [f"class {number}: {name}" for number, name in enumerate(names)]
    listed = ["classes: " + ", ".join(f"{number} {name}" for number, name in enumerate(names))] if names else []
    for line in (*(report.full() if args.verbose else report.summary()), *listed, result):
        print(one_line(line))
    if not outcome.dest:
        print(verdict(outcome.source, outcome.found, report.skipped, report.changed))
        return
    path = report_path(outcome.dest)
    report.write(path, [result, *classes])
    if report.summary() != report.full() and not args.verbose:
        print(f"every one of them: {path}")


class Outcome(NamedTuple):
    """What came of it. `dest` is None where nothing was to be written; `count`: of pictures that could be read."""
    source: Source
    found: Survey
    classes: Classes
    report: Report
    frame: Frame | None
    channels: int
    dest: Path | None
    count: int

    def in_words(self) -> str:
        sizes = [self.frame.size] if self.frame else list(self.found.sizes)
        shape = f"{sizes[0][0]}x{sizes[0][1]} {MODES[self.channels]}" if len(sizes) == 1 else f"{len(sizes)} sizes"
        fit = f"; fits {in_words(sizes[0], self.channels)}" if self.dest else ""
        return (f"{self.dest or self.source.path}: {counted(self.count, 'picture')}, {shape}, "
                f"{_labels_in_words(self.classes.labels)}{fit}")


def _labels_in_words(labels: list | None) -> str:
    if not labels:
        return "no labels"
    return f"labels of {len(labels[0])} numbers" if isinstance(labels[0], list) else f"{max(labels) + 1} classes"


def _demo(args: argparse.Namespace, dest: Path | None, frame: Frame | None) -> None:
    from train.demo import write_demo
    if dest is None:
        raise UserError("the demo set is drawn, there is nothing to check; give -o DEST")
    if frame and (frame.width != frame.height or args.transform):
        raise UserError(f"--resolution {args.resolution}: the demo set is square and drawn in its size, such as "
                        "--resolution 64, without --transform")
    unused = [f"--{name}" for name, value in (("labels", args.labels), ("channels", args.channels)) if value]
    if unused:
        raise UserError(f"{', '.join(unused)}: not for the demo set, which has its classes and is coloured")
    count = DEMO_IMAGES if args.images is None else args.images
    count, side = min(count, args.max_images or count), frame.width if frame else DEMO_RESOLUTION
    with _bar(count, "drawing", args.progress) as progress:
        write_demo(dest, count, side, args.seed, lambda done: progress(1))
    print(f"{dest}: {counted(count, 'picture')}, {side}x{side} RGB, 4 classes; fits {in_words((side, side), 3)}")


# -- options ----------------------------------------------------------------------------------------------------------

def _frame(args: argparse.Namespace) -> Frame | None:
    """Raises UserError for a size that training cannot use."""
    if args.resolution is None:
        if args.transform:
            raise UserError(f"--transform {args.transform} needs to know the size: add --resolution, such as 256")
        return None
    given = re.fullmatch(r"(\d{1,5})(?:[xX×](\d{1,5}))?", args.resolution)
    width, height = (int(given[1]), int(given[2] or given[1])) if given else (0, 0)
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise UserError(one_line(f"--resolution {args.resolution}: is no size; give 256, or width x height: 512x384"))
    frame = Frame(width, height, args.transform or TRANSFORMS[0])
    if frame.transform == "center-crop-wide" and height > width:
        raise UserError(f"--resolution {args.resolution}: is taller than wide; center-crop-wide needs it wide: 512x384")
    check_frame(frame.size, f"--resolution {args.resolution}")
    return frame


def _check(args: argparse.Namespace) -> None:
    """Raises UserError for numbers out of range and options that would have no effect."""
    for name, value in (("--max-images", args.max_images), ("--images", args.images), ("--workers", args.workers)):
        if value is not None and value < 1:
            raise UserError(f"{name} {value}: must be 1 or more")
    if args.seed < 0:
        raise UserError(f"--seed {args.seed}: must be 0 or more")
    if args.workers and args.workers > MOST_WORKERS:
        raise UserError(f"--workers {args.workers}: {MOST_WORKERS} at most")
    if args.images is not None and args.source != DEMO:
        raise UserError("--images is for the demo set; of other sources, --max-images takes some")


def _chosen(count: int, most: int | None, seed: int) -> list[int]:
    """All numbers, or `most` drawn by `seed`, in order: the first ones alone would be of one folder."""
    return sorted(np.random.default_rng(seed).permutation(count)[:most].tolist()) if most else list(range(count))


def _destination(args: argparse.Namespace) -> Path:
    """DEST, if it can be made. Raises UserError."""
    if not args.dest:
        raise UserError("where to? add -o DEST: NAME.zip or a new folder; or --check, to write nothing")
    dest = Path(args.dest).expanduser()
    dest = dest if dest.name not in ("", "..") else dest.resolve()
    try:
        _check_free(dest, args.overwrite)
        trial = dest.with_name(f".{dest.name}.{os.getpid()}.part")
        trial.touch()                                    # permissions alone do not tell it for every file system
        trial.unlink()
    except OSError as error:
        raise UserError(f"{dest}: cannot be written: {error.strerror or error}") from None
    return dest


def _check_free(dest: Path, overwrite: bool) -> None:
    if dest.suffix.lower() != ".zip":
        if dest.exists() and not (dest.is_dir() and not any(dest.iterdir())):
            raise UserError(f"{dest}: is there already; choose a new folder, or a name that ends in .zip")
    elif dest.is_dir():
        raise UserError(f"{dest}: is a folder; choose another name")
    elif dest.exists() and not overwrite:
        raise UserError(f"{dest}: is there already; add --overwrite to replace it, or choose another name")


def _check_apart(source: Path, dest: Path) -> None:
    source, dest = source.resolve(), dest.resolve()
    if source == dest:
        raise UserError(f"{dest}: is SOURCE itself; choose another place")
    if source.is_dir() and dest.is_relative_to(source):
        raise UserError(f"{dest}: lies within SOURCE, whose pictures it would become part of; choose another place")


@contextmanager
def _bar(total: int, what: str, wanted: bool | None) -> Iterator[Progress]:
    """A bar on standard error if `wanted`, or by default (None) where that is a terminal; it is told what is done."""
    if wanted is False or (wanted is None and not (sys.stderr and sys.stderr.isatty())):
        yield lambda done: None
        return
    from tqdm import tqdm
    tqdm.monitor_interval = 0                            # no thread of its own
    with tqdm(total=total, desc=what, unit=" pictures", leave=False, dynamic_ncols=True, file=sys.stderr) as shown:
        yield lambda done: shown.update(done) and None
