"""Stylescope's command line: opens the window, or renders, inspects, scores and converts checkpoints without one.

Exit status 0, or 1 with exactly one line on standard error.
"""
from __future__ import annotations

import dataclasses
import json
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from nets.command_line import MISSING, Parser, guarded

try:
    from nets.errors import CheckpointError, UserError, one_line
    from renderer import arrays, batch, inspect_options, options
    from renderer.content import stamped
    from renderer.images import save_png
    from renderer.report_files import numbers, write_report
    from renderer.types import Checkpoint, RenderRequest, Rounding
except ModuleNotFoundError as error:
    sys.exit(MISSING.format(error.name))

COMMANDS = ("info", "render", "inspect", "score", "convert", "doctor")
USAGE = """\
visualizer.py [FILE...]                   open the window
visualizer.py info FILE [--json]          what is in a checkpoint
visualizer.py render FILE -o OUT          an image or any tap, of one seed or many, as .png or .npy
visualizer.py inspect FILE KIND -o DIR    droplets, texture sticking, equivariance, .. as pictures and numbers
visualizer.py score FILE --images X.npy   the discriminator's scores, -o OUT.npy
visualizer.py convert FILE -o OUT         to .safetensors
visualizer.py doctor                      what works on this machine, what doesn't, what to do
FILE is a path, a URL, or a built-in network such as demo:stylegan2.
"""


def main(argv: list[str]) -> int:
    return guarded(lambda: run_command(argv) if argv and argv[0] in COMMANDS else open_window(argv))


def open_window(argv: list[str]) -> int:
    parser = Parser(prog="visualizer.py", usage=USAGE, add_help=True)
    parser.add_argument("files", nargs="*", metavar="FILE", help="checkpoints; the first is shown")
    files = parser.parse_args(argv).files
    from gui.app import run
    return run(files)


# -- commands ---------------------------------------------------------------------------------------------------------

def run_command(argv: list[str]) -> int:
    warnings.simplefilter("ignore")      # standard error carries one line or none
    args = command_parser().parse_args(argv)
    run = {"info": info, "render": render, "inspect": inspect, "score": score, "convert": convert, "doctor": doctor}
    run[args.command](args)
    return 0


@contextmanager
def concerning(file: str) -> Iterator[None]:
    """Errors inside name `file`; a CheckpointError does already."""
    try:
        yield
    except CheckpointError:
        raise
    except UserError as error:
        raise UserError(f"{file}: {error}") from error


def command_parser() -> Parser:
    parser = Parser(prog="visualizer.py")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)

    p = commands.add_parser("info", help="what is in a checkpoint")
    p.add_argument("file", metavar="FILE")
    p.add_argument("--json", action="store_true", help="machine-readable")
    p.add_argument("--network", choices=("G_ema", "G"), default="")

    p = commands.add_parser("render", help="an image or any tap, of one seed or many, as PNG or NPY")
    options.add_options(p)
    written = p.add_argument_group("output")
    written.add_argument("-o", dest="out", required=True, metavar="OUT",
                         help="OUT.png, OUT.npy, or a folder for --seeds")
    written.add_argument("--format", choices=("png", "npy"), help="of the files in a folder; default png")
    written.add_argument("--compare-fp32", action="store_true",
                         help="say on standard error how the picture differs from the same in fp32")
    add_progress(written)

    p = commands.add_parser("inspect", help="droplets, texture sticking, equivariance, .. as pictures and numbers")
    inspect_options.add_options(p)
    written = p.add_argument_group("output")
    written.add_argument("-o", dest="out", required=True, metavar="DIR",
                         help="a folder: pictures (PNG), numbers (CSV, report.json) and state.json, for --state")
    written.add_argument("--json", action="store_true", help="report.json on standard output too")
    add_progress(written)

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


def add_progress(group) -> None:
    shown = group.add_mutually_exclusive_group()
    shown.add_argument("--progress", action="store_true", default=None,
                       help="a bar on standard error, also where that is no terminal")
    shown.add_argument("--quiet", dest="progress", action="store_false", default=None, help="no bar")


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
    into_folder = args.seeds is not None and batch.is_folder(args.out)
    out = batch.output_folder(args.out) if into_folder else batch.output_file(args.out, ".png", ".npy")
    suffix = f".{args.format or 'png'}" if into_folder else out.suffix.lower()
    saved = options.saved(args)
    from renderer.pipeline import Pipeline
    is_table = saved.table or args.across or args.down
    pipeline = Pipeline() if is_table else Pipeline(cache_bytes=0)       # nothing else resumes another picture
    request = dataclasses.replace(options.request_of(args, saved, pipeline.fitted), inspect=None)
    check_output(args, request, into_folder, suffix)
    with batch.bar(batch.count(request), args.progress) as progress:
        def drawn(one: RenderRequest):
            with concerning(one.checkpoint.path):
                return pipeline.tensor(one).numpy() if suffix == ".npy" else pipeline.picture(one, progress)
        if into_folder:
            batch.write_each(drawn, request, out, suffix, progress)
        elif suffix == ".png":
            save_png(out, drawn(request), stamped(request))
            if args.compare_fp32:
                tell(pipeline.rounding(request))
        elif request.seeds:
            batch.write_seeds(drawn, request, out, progress)
        else:
            arrays.write_npy(out, drawn(request))
    if pipeline.trouble:
        print(pipeline.trouble, file=sys.stderr)


def inspect(args) -> None:
    out = batch.output_folder(args.out)
    from renderer.pipeline import Pipeline
    pipeline = Pipeline(cache_bytes=0)
    request = inspect_options.request_of(args, pipeline.fitted)
    with batch.percentage(args.progress) as progress, concerning(request.checkpoint.path):
        report = pipeline.inspect(request, progress)
    batch.make(out)
    write_report(out, report, stamped(request))
    if args.json:
        print(json.dumps(numbers(report), ensure_ascii=False, indent=1))
    else:
        for line in (*report.remarks, f"{out}: {len(report.figures)} figures"):
            print(line)
    if pipeline.trouble:
        print(pipeline.trouble, file=sys.stderr)


def tell(rounding: Rounding) -> None:
    print(f"against fp32, in 8-bit levels: {rounding.largest:.2g} at most, {rounding.rms:.2g} RMS, "
          f"PSNR {rounding.psnr_db:.1f} dB", file=sys.stderr)


def check_output(args, request: RenderRequest, into_folder: bool, suffix: str) -> None:
    """Raises UserError on options that would have no effect on what is written."""
    unused = {
        "--format is for a folder of --seeds; elsewhere the output's name says it": args.format and not into_folder,
        "--columns and --labels are for many in one picture: -o GRID.png":
            (args.columns is not None or args.labels is not None) and (into_folder or suffix == ".npy"),
        "--compare-fp32 is for one picture in another precision: --precision bf16 -o ONE.png":
            args.compare_fp32 and (suffix != ".png" or request.table or request.seeds
                                   or request.checkpoint.precision == "fp32"),
        "a mixing table is a picture: -o TABLE.png": request.table and suffix == ".npy",
        "a .npy holds the signal itself: --view and its options are for .png":
            suffix == ".npy" and any(getattr(args, option.place) is not None for option in options.OPTIONS
                                     if option.place.startswith("view.")),
    }
    for sentence, applies in unused.items():
        if applies:
            raise options.misuse(sentence)


def score(args) -> None:
    out = batch.output_file(args.out, ".npy")
    images = arrays.read_npy(args.images, dims=(4,))
    labels = arrays.read_npy(args.labels, dims=(2,)) if args.labels else None
    from renderer.pipeline import Pipeline
    checkpoint = Checkpoint(args.file, device=args.device or "auto", backend=args.backend or "auto")
    with concerning(args.file):
        scores = Pipeline().score(checkpoint, images, labels)
    arrays.write_npy(out, scores)


def convert(args) -> None:
    out = batch.output_file(args.out, ".safetensors")
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
