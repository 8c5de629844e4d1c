"""Stylescope's command line: opens the window, or renders, inspects, scores and converts checkpoints without one.

Exit status 0, or 1 with exactly one line on standard error.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

MISSING = "the Python package '{}' is not installed here: run `make run` once, then use .venv/bin/python"
try:
    from nets.errors import CheckpointError, UserError, one_line
    from renderer.types import Array, Checkpoint, Latent, Mix, RenderRequest, Source, Synth
except ModuleNotFoundError as error:
    sys.exit(MISSING.format(error.name))

COMMANDS = ("info", "render", "score", "convert", "doctor")
MAX_SEED = 2 ** 32 - 1                   # numpy.random.RandomState takes no other
USAGE = """\
visualizer.py [FILE...]                   open the window
visualizer.py info FILE [--json]          what is in a checkpoint
visualizer.py render FILE -o OUT          an image or any tap, as .png or .npy
visualizer.py score FILE --images X.npy   the discriminator's scores, -o OUT.npy
visualizer.py convert FILE -o OUT         to .safetensors
visualizer.py doctor                      what works on this machine, what doesn't, what to do
FILE is a path, a URL, or a built-in network such as demo:stylegan2.
"""


class Refusal(Exception):
    """What the person asked for can't be done; the text is one line."""


class Parser(argparse.ArgumentParser):
    """Reports a usage error as one line, as every other error."""

    def error(self, message: str):
        raise Refusal(f"{self.prog}: {message} (see {self.prog} --help)")


def main(argv: list[str]) -> int:
    try:
        with flushed_output():
            if argv and argv[0] in COMMANDS:
                warnings.simplefilter("ignore")      # standard error carries one line or none
                run_command(argv)
                return 0
            return open_window(argv)
    except KeyboardInterrupt:
        return fail("interrupted")
    except Exception as error:
        return fail(sentence(error))


@contextmanager
def flushed_output() -> Iterator[None]:
    """Standard output that cannot be written is an error here; at the interpreter's end it would be several lines."""
    error = None
    try:
        yield
    except BrokenPipeError as broken:                # at once, where output is not buffered
        error = broken
    finally:
        try:
            if sys.stdout:
                sys.stdout.flush()
        except OSError as unwritten:
            error = unwritten
        if error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise Refusal(f"standard output cannot be written: {error.strerror}") from None


def fail(line: str) -> int:
    print(line, file=sys.stderr)
    return 1


def sentence(error: Exception) -> str:
    """One line for any exception; unforeseen ones keep their type's name."""
    if isinstance(error, ModuleNotFoundError):
        return MISSING.format(error.name)
    foreseen = isinstance(error, (UserError, Refusal))
    return one_line(str(error) if foreseen else f"unexpected {type(error).__name__}: {error}")


def open_window(argv: list[str]) -> int:
    parser = Parser(prog="visualizer.py", usage=USAGE, add_help=True)
    parser.add_argument("files", nargs="*", metavar="FILE", help="checkpoints; the first is shown")
    files = parser.parse_args(argv).files
    from gui.app import run
    return run(files)


# -- commands ---------------------------------------------------------------------------------------------------------

def run_command(argv: list[str]) -> None:
    args = command_parser().parse_args(argv)
    {"info": info, "render": render, "score": score, "convert": convert, "doctor": doctor}[args.command](args)


@contextmanager
def concerning(file: str) -> Iterator[None]:
    """Errors inside name `file`; a CheckpointError does already."""
    try:
        yield
    except CheckpointError:
        raise
    except UserError as error:
        raise Refusal(f"{file}: {error}") from error


def command_parser() -> Parser:
    parser = Parser(prog="visualizer.py")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)

    p = commands.add_parser("info", help="what is in a checkpoint")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--json", action="store_true", help="machine-readable")
    p.add_argument("--network", choices=("G_ema", "G"), default="")

    p = commands.add_parser("render", help="an image or any tap, as PNG or NPY")
    p.add_argument("file", metavar="FILE", nargs="?")
    p.add_argument("--network", choices=("G_ema", "G"))
    source = p.add_mutually_exclusive_group()
    source.add_argument("--seed", type=seed, metavar="N", help="z = RandomState(N).randn(1, z_dim); default 0")
    source.add_argument("--z", metavar="Z.npy", help="[N, z_dim]")
    source.add_argument("--w", metavar="W.npy", help="[N, num_ws, w_dim] or [num_ws, w_dim]; psi does not act on it")
    p.add_argument("--class", dest="class_index", type=int, metavar="K", help="class of a conditional network")
    p.add_argument("--psi", type=number, metavar="P", help="truncation of mapped w; default 1")
    p.add_argument("--cutoff", type=int, metavar="N", help="truncate the first N rows of w only")
    p.add_argument("--noise", choices=("const", "none", "random"))
    p.add_argument("--noise-seed", type=seed, metavar="N")
    p.add_argument("--mix-seed", type=seed, metavar="N", help="a second seed for the rows of --mix-rows")
    p.add_argument("--mix-rows", type=rows, metavar="0-3,7", help="rows of w taken from --mix-seed")
    p.add_argument("--transform", metavar="M.npy", help="3x3, written into StyleGAN3's input transform")
    p.add_argument("--lod", type=number, metavar="L", help="level of detail of a progressive network")
    p.add_argument("--tap", metavar="NAME", help="a layer's signal instead of the image; `info` lists them")
    p.add_argument("--state", metavar="STATE.json|SHOT.png", help="start from a saved state; other options override it")
    p.add_argument("--precision", choices=("fp32", "bf16", "fp16"))
    add_device(p)
    p.add_argument("-o", dest="out", required=True, metavar="OUT.png|OUT.npy")

    p = commands.add_parser("score", help="the discriminator's scores")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--images", required=True, metavar="X.npy", help="float32 [N, C, H, W], one batch")
    p.add_argument("--labels", metavar="C.npy", help="[N, c_dim]")
    add_device(p)
    p.add_argument("-o", dest="out", required=True, metavar="OUT.npy")

    p = commands.add_parser("convert", help="to the project's own format")
    p.add_argument("file", metavar="FILE")
    p.add_argument("-o", dest="out", required=True, metavar="OUT.safetensors")

    commands.add_parser("doctor", help="what works on this machine, what doesn't, what to do")
    return parser


def add_device(parser: Parser) -> None:
    parser.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"))
    parser.add_argument("--backend", choices=("auto", "reference", "cpu", "cuda"))


def info(args) -> None:
    from renderer.pipeline import Pipeline
    model = Pipeline().info(Checkpoint(args.file, network=args.network, device="cpu"))
    if args.json:
        fields = dataclasses.asdict(model)
        fields["kwargs"] = json.loads(model.kwargs)
        print(json.dumps(fields, indent=2))
        return
    print(f"{model.family} {model.variant}, {model.network} of {', '.join(model.networks)}  ({model.format})")
    print(f"image {model.resolution[1]}x{model.resolution[0]}, {model.channels} channels;  z {model.z_dim}, "
          f"w {model.num_ws}x{model.w_dim}, classes {model.c_dim};  {model.parameters:,} parameters")
    for note in model.notes:
        print(f"note: {one_line(note)}")
    width = max(len(tap.name) for tap in model.taps)
    for tap in model.taps:
        row = "" if tap.w_row is None else f"  w[{tap.w_row}]"
        print(f"  {tap.name:{width}}  {'x'.join(map(str, tap.shape))}{row}")


def render(args) -> None:
    out = output(args.out, ".png", ".npy")
    request = request_of(args)
    from renderer.pipeline import Pipeline
    pipeline = Pipeline() if request.table else Pipeline(cache_bytes=0)      # a single picture resumes nothing
    with concerning(request.checkpoint.path):
        result = pipeline.tensor(request).numpy() if out.suffix == ".npy" else pipeline.picture(request)
    if out.suffix == ".npy":
        write_npy(out, result)
    else:
        from renderer.images import save_png
        save_png(out, result, request)


def score(args) -> None:
    out = output(args.out, ".npy")
    images = read_npy(args.images, dims=(4,))
    labels = read_npy(args.labels, dims=(2,)) if args.labels else None
    from renderer.pipeline import Pipeline
    checkpoint = Checkpoint(args.file, device=args.device or "auto", backend=args.backend or "auto")
    with concerning(args.file):
        scores = Pipeline().score(checkpoint, images, labels)
    write_npy(out, scores)


def convert(args) -> None:
    out = output(args.out, ".safetensors")
    from nets.checkpoint import open_checkpoint, save_native
    checkpoint = open_checkpoint(args.file)
    try:
        save_native(out, checkpoint.networks)
    finally:
        checkpoint.close()
    print(f"{out}: {', '.join(checkpoint.networks)}")


def doctor(args) -> None:
    from gui.window import probe
    from renderer.doctor import examine
    for finding in examine(probe):
        print(finding)


# -- from words to values ---------------------------------------------------------------------------------------------

def request_of(args) -> RenderRequest:
    """The request the options ask for, on top of `--state` where one is given."""
    request = RenderRequest()
    if args.state is not None:
        from renderer.images import load_request
        request = replace(load_request(args.state), spectrum=None)
    if not (args.file or request.checkpoint.path):
        raise Refusal("visualizer.py render: the checkpoint FILE is missing (see visualizer.py render --help)")
    if (args.mix_seed is None) != (args.mix_rows is None) and args.state is None:
        raise Refusal("visualizer.py render: --mix-seed and --mix-rows go together")
    latent = request.latent
    if args.seed is not None:
        latent = replace(latent, x=float(args.seed), y=0.0, z=None, w=None)
    if args.z is not None:
        latent = replace(latent, z=Array.of(read_npy(args.z, dims=(2,))), w=None)
    if args.w is not None:
        w = read_npy(args.w, dims=(2, 3))
        latent = replace(latent, w=Array.of(w if w.ndim == 3 else w[None]), z=None)
    if args.class_index is not None:
        latent = replace(latent, classes=((args.class_index, 1.0),))
    transform = None if args.transform is None else read_transform(args.transform)
    return replace(
        request,
        checkpoint=overlaid(request.checkpoint, path=args.file, network=args.network, device=args.device,
                            precision=args.precision, backend=args.backend),
        latent=overlaid(latent, psi=args.psi, cutoff=args.cutoff),
        mix=overlaid(request.mix, source=None if args.mix_seed is None else Source(args.mix_seed), rows=args.mix_rows),
        synth=overlaid(request.synth, noise=args.noise, noise_seed=args.noise_seed, transform=transform, lod=args.lod),
        tap=request.tap if args.tap is None else args.tap,
    )


def overlaid(base: Checkpoint | Latent | Mix | Synth, **options):
    """`base` with the options that were given."""
    return replace(base, **{name: value for name, value in options.items() if value is not None})


def seed(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(f"'{text}' is no seed: a whole number from 0 to {MAX_SEED}")
    return int(text)


def number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"'{text}' is not a finite number")
    return value


def rows(text: str) -> tuple[int, ...]:
    """'0-3,7' -> (0, 1, 2, 3, 7)."""
    chosen: set[int] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"\s*([0-9]{1,4})(?:-([0-9]{1,4}))?\s*", part)
        span = range(int(ends[1]), int(ends[2] or ends[1]) + 1) if ends else ()
        if not span:
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of rows such as 0-3,7")
        chosen.update(span)
    return tuple(sorted(chosen))


def output(name: str, *suffixes: str) -> Path:
    """The path to write, checked before any work starts."""
    path = Path(name)
    if path.suffix.lower() not in suffixes:
        raise Refusal(f"{name}: the output's name must end in {' or '.join(suffixes)}")
    if not os.path.isdir(path.parent):
        raise Refusal(f"{name}: the folder {path.parent} does not exist")
    if os.path.isdir(path):
        raise Refusal(f"{name}: is a folder")
    return path


def read_npy(name: str, dims: tuple[int, ...] = (), shape: tuple[int, ...] | None = None):
    """The array of numbers in a file, float32 or float64; of `shape`, or with one of `dims` as its dimensions."""
    import numpy as np
    if os.path.exists(name) and not os.path.isfile(name):            # a pipe would wait for its writer
        raise Refusal(f"{name}: is no ordinary file")
    try:
        array = np.load(name, allow_pickle=False)
    except OSError as error:
        raise Refusal(f"{name}: cannot be read: {error.strerror or error}") from None
    except Exception:                    # a header is parsed as Python, and a damaged one fails in many ways
        raise Refusal(f"{name}: not a NumPy .npy file of numbers") from None
    wanted = f"shape {shape}" if shape else f"{' or '.join(map(str, dims))} dimensions"
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or (
            array.shape != shape if shape else array.ndim not in dims):
        raise Refusal(f"{name}: holds {getattr(array, 'dtype', 'several arrays')} "
                      f"{getattr(array, 'shape', '')}; numbers of {wanted} are needed")
    return array.astype(np.float32 if array.dtype != np.float64 else np.float64)


def read_transform(name: str) -> tuple[float, ...]:
    """The nine numbers of a 3x3 matrix, row by row."""
    values = tuple(map(float, read_npy(name, shape=(3, 3)).ravel()))
    if not all(map(math.isfinite, values)):
        raise Refusal(f"{name}: holds numbers that are not finite")
    return values


def write_npy(path: Path, array) -> None:
    import numpy as np

    from renderer.images import write_whole
    write_whole(path, lambda file: np.save(file, np.ascontiguousarray(array, dtype=np.float32)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
