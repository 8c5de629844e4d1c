"""Stylescope's command line: opens the window, or renders, inspects, scores and converts checkpoints without one.

Exit status 0, or 1 with exactly one line on standard error.
"""
from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Iterator

from nets.errors import CheckpointError, UserError, one_line
from renderer.types import Array, Checkpoint, Latent, Mix, RenderRequest, Synth

COMMANDS = ("info", "render", "score", "convert", "doctor")
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
        if argv and argv[0] in COMMANDS:
            warnings.simplefilter("ignore")          # standard error carries one line or none
            run_command(argv)
            return 0
        return open_window(argv)
    except KeyboardInterrupt:
        return fail("interrupted")
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        return fail(sentence(error))


def fail(line: str) -> int:
    print(line, file=sys.stderr)
    return 1


def sentence(error: Exception) -> str:
    """One line for any exception; unforeseen ones keep their type's name."""
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
    source.add_argument("--seed", type=int, metavar="N", help="z = RandomState(N).randn(1, z_dim); default 0")
    source.add_argument("--z", metavar="Z.npy", help="[N, z_dim]")
    source.add_argument("--w", metavar="W.npy", help="[N, num_ws, w_dim] or [num_ws, w_dim]; psi does not act on it")
    p.add_argument("--class", dest="class_index", type=int, metavar="K", help="class of a conditional network")
    p.add_argument("--psi", type=float, metavar="P", help="truncation of mapped w; default 1")
    p.add_argument("--cutoff", type=int, metavar="N", help="truncate the first N rows of w only")
    p.add_argument("--noise", choices=("const", "none", "random"))
    p.add_argument("--noise-seed", type=int, metavar="N")
    p.add_argument("--mix-seed", type=int, metavar="N", help="a second seed for the rows of --mix-rows")
    p.add_argument("--mix-rows", type=rows, metavar="0-3,7", help="rows of w taken from --mix-seed")
    p.add_argument("--transform", metavar="M.npy", help="3x3, written into StyleGAN3's input transform")
    p.add_argument("--lod", type=float, metavar="L", help="level of detail of a progressive network")
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
        print(f"note: {note}")
    width = max(len(tap.name) for tap in model.taps)
    for tap in model.taps:
        row = "" if tap.w_row is None else f"  w[{tap.w_row}]"
        print(f"  {tap.name:{width}}  {'x'.join(map(str, tap.shape))}{row}")


def render(args) -> None:
    out = output(args.out, ".png", ".npy")
    request = request_of(args)
    from renderer.pipeline import Pipeline
    pipeline = Pipeline()
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
    if args.state:
        from renderer.images import load_request
        request = replace(load_request(args.state), spectrum=None)
    elif args.file is None:
        raise Refusal("visualizer.py render: the checkpoint FILE is missing (see visualizer.py render --help)")
    if (args.mix_seed is None) != (args.mix_rows is None) and not args.state:
        raise Refusal("visualizer.py render: --mix-seed and --mix-rows go together")
    latent = request.latent
    if args.seed is not None:
        latent = replace(latent, x=float(args.seed), y=0.0, z=None, w=None)
    if args.z:
        latent = replace(latent, z=Array.of(read_npy(args.z, dims=(2,))), w=None)
    if args.w:
        w = read_npy(args.w, dims=(2, 3))
        latent = replace(latent, w=Array.of(w if w.ndim == 3 else w[None]), z=None)
    if args.class_index is not None:
        latent = replace(latent, classes=((args.class_index, 1.0),))
    transform = tuple(map(float, read_npy(args.transform, shape=(3, 3)).ravel())) if args.transform else None
    return replace(
        request,
        checkpoint=overlaid(request.checkpoint, path=args.file, network=args.network, device=args.device,
                            precision=args.precision, backend=args.backend),
        latent=overlaid(latent, psi=args.psi, cutoff=args.cutoff),
        mix=overlaid(request.mix, seed=args.mix_seed, rows=args.mix_rows),
        synth=overlaid(request.synth, noise=args.noise, noise_seed=args.noise_seed, transform=transform, lod=args.lod),
        tap=args.tap or request.tap,
    )


def overlaid(base: Checkpoint | Latent | Mix | Synth, **options):
    """`base` with the options that were given."""
    return replace(base, **{name: value for name, value in options.items() if value is not None})


def rows(text: str) -> tuple[int, ...]:
    """'0-3,7' -> (0, 1, 2, 3, 7)."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise argparse.ArgumentTypeError(f"'{text}' is not a list of rows such as 0-3,7")
        first, last = int(first), int(last or first)
        if last - first > 1000:
            raise argparse.ArgumentTypeError(f"'{part}' spans more rows than any network has")
        chosen.update(range(first, last + 1))
    return tuple(sorted(chosen))


def output(name: str, *suffixes: str) -> Path:
    """The path to write, checked before any work starts."""
    path = Path(name)
    if path.suffix.lower() not in suffixes:
        raise Refusal(f"{name}: the output's name must end in {' or '.join(suffixes)}")
    if not path.parent.is_dir():
        raise Refusal(f"{name}: the folder {path.parent} does not exist")
    return path


def read_npy(name: str, dims: tuple[int, ...] = (), shape: tuple[int, ...] | None = None):
    import numpy as np
    try:
        array = np.load(name, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a NumPy .npy file of numbers"
        raise Refusal(f"{name}: {reason}") from None
    wanted = f"shape {shape}" if shape else f"{' or '.join(map(str, dims))} dimensions"
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu" or (
            array.shape != shape if shape else array.ndim not in dims):
        raise Refusal(f"{name}: holds {getattr(array, 'dtype', 'several arrays')} "
                      f"{getattr(array, 'shape', '')}; numbers of {wanted} are needed")
    return array.astype(np.float32 if array.dtype != np.float64 else np.float64)


def write_npy(path: Path, array) -> None:
    import numpy as np
    with open(path, "wb") as file:
        np.save(file, np.ascontiguousarray(array, dtype=np.float32))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
