"""The options of `render` and their places in a request: the command line reads them, script.py writes. No torch."""
from __future__ import annotations

import sys
import typing
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nets.errors import UserError
from renderer import words
from renderer.arrays import read_npy, read_transform
from renderer.content import find, moved
from renderer.images import load_request
from renderer.state import from_json
from renderer.types import (
    COLORMAPS,
    Array,
    Checkpoint,
    Mix,
    MixTable,
    RenderRequest,
    SeedGrid,
    Source,
    Synth,
    View,
    sources,
)


@dataclass(frozen=True)
class Option:
    """`write` gives words that `read` reads as the same value, where there are such words."""
    flag: str
    place: str                           # 'latent.psi': the field of the request
    help: str
    metavar: str | None = None
    read: Callable[[str], Any] = str
    write: Callable[[Any], str] = str
    choices: tuple[str, ...] | None = None


def choices(cls: type, field: str) -> tuple[str, ...]:
    return typing.get_args(typing.get_type_hints(cls)[field])


def a_seed(text: str) -> Source:
    return Source(words.seed(text))


# In the order they are written in.
OPTIONS = (
    Option("--psi", "latent.psi", "truncation of mapped w; default 1", "P", words.number, repr),
    Option("--cutoff", "latent.cutoff", "truncate the first N rows of w only", "N", words.whole),
    Option("--class", "latent.classes", "class of a conditional network, or a weighted mix: 3:0.5,7:0.5",
           "K[:WEIGHT],..", words.classes, words.weighed),
    Option("--mix-seed", "mix.source", "a second seed for the rows of --mix-rows", "N", a_seed,
           lambda source: str(source.seed)),
    Option("--mix-rows", "mix.rows", "rows of w taken from --mix-seed, --mix-w or --across", "0-3,7", words.rows,
           words.listed),
    Option("--noise", "synth.noise", "default const", choices=choices(Synth, "noise")),
    Option("--noise-seed", "synth.noise_seed", "of --noise random", "N", words.seed),
    Option("--lod", "synth.lod", "level of detail of a progressive network", "L", words.number, repr),
    Option("--tap", "tap", "a layer's signal instead of the image; `info` lists them", "NAME"),
    Option("--view", "view.mode", "how a signal becomes a picture; default rgb", choices=choices(View, "mode")),
    Option("--channel", "view.channel", "the one of --view channel", "C", words.whole),
    Option("--channels", "view.channels", "the three of --view rgb", "R,G,B", words.channels, words.listed_plainly),
    Option("--colormap", "view.colormap", "of --view channel, mean, rms and sheet", choices=COLORMAPS),
    Option("--gain", "view.gain_db", "exposure in dB", "DB", words.number, repr),
    Option("--offset", "view.offset", "added after the gain", "X", words.number, repr),
    Option("--range", "view.range", "what is shown from darkest to brightest", choices=choices(View, "range")),
    Option("--order", "view.order", "of the channels in --view sheet", choices=choices(View, "order")),
    Option("--network", "checkpoint.network", "default: the averaged generator", choices=("G_ema", "G")),
    Option("--precision", "checkpoint.precision",
           "bf16: of all layers, fp16: of those the file marks; default: the file's own, fp32 on a CPU",
           choices=choices(Checkpoint, "precision")),
    Option("--device", "checkpoint.device", "default: the fastest here", choices=choices(Checkpoint, "device")),
    Option("--backend", "checkpoint.backend", "of the ops; default: the fastest that can",
           choices=choices(Checkpoint, "backend")),
)


GROUPS = {"checkpoint": "network", "latent": "latent", "mix": "style mixing", "synth": "synthesis",
          "view": "what is shown", "": "what is shown"}


def add_options(parser: ArgumentParser) -> None:
    """All that says what to render; `request_of` understands what they give."""
    parser.add_argument("checkpoint.path", metavar="FILE", nargs="?", help="may be left out where the state names it")
    parser.add_argument("--state", metavar="STATE",
                        help="start from a saved state: .json, .png, the JSON itself, or - for standard input; other "
                             "options override it")
    groups = {title: parser.add_argument_group(title) for title in dict.fromkeys(GROUPS.values())}
    start = groups["latent"].add_mutually_exclusive_group()
    start.add_argument("--seed", type=words.seed, metavar="N", help="z = RandomState(N).randn(1, z_dim); default 0")
    start.add_argument("--at", type=words.position, metavar="X,Y",
                       help="a place in the seed plane: seed X + 100 Y, and w interpolated between whole numbers")
    start.add_argument("--z", metavar="Z.npy", help="[N, z_dim]")
    start.add_argument("--w", metavar="W.npy", help="[N, num_ws, w_dim] or [num_ws, w_dim]; psi does not act on it")
    start.add_argument("--seeds", type=words.seeds, metavar="0-63",
                       help="many: each into a file of its own where OUT is a folder, else in one picture or array")
    mixed = groups["style mixing"].add_mutually_exclusive_group()
    for option in OPTIONS:
        group = mixed if option.place == "mix.source" else groups[GROUPS[option.place.rpartition(".")[0]]]
        group.add_argument(option.flag, dest=option.place, type=option.read, choices=option.choices,
                           metavar=option.metavar, help=option.help)
    mixed.add_argument("--mix-w", metavar="W.npy", help="[num_ws, w_dim] instead of --mix-seed")
    group = groups["style mixing"]
    group.add_argument("--across", type=words.seeds, metavar="1-4", help="a mixing table: seeds across its top ..")
    group.add_argument("--down", type=words.seeds, metavar="10-12", help=".. and down its side")
    group = groups["synthesis"]
    group.add_argument("--transform", metavar="M.npy", help="3x3, written into StyleGAN3's input transform")
    group = groups["what is shown"]
    group.add_argument("--columns", type=words.whole, metavar="N", help="of a grid of seeds; default: about square")
    group.add_argument("--labels", action=BooleanOptionalAction, help="names in grids and tables; default: there are")


def saved(args: Namespace) -> RenderRequest:
    """The request in `--state`, else the default one; its network's file may have moved along with a picture.

    Raises UserError if the state can't be read, or is of a file that is another one now and isn't named by hand.
    """
    if args.state is None:
        return RenderRequest()
    text = sys.stdin.read() if args.state == "-" else args.state
    is_json = args.state == "-" or text.lstrip().startswith("{")
    request = from_json(text) if is_json else load_request(text)
    request = replace(request, spectrum=None, strip=False, compare=None)         # what only a window shows
    if getattr(args, "checkpoint.path"):
        return request
    for file in find(request, source=None if is_json else args.state):
        if file.state == "changed" and not file.path:
            raise UserError(f"{file.named}: has changed since the state was saved; name it as FILE to use it as it is")
        request = moved(request, file.named, file.path or file.named)
    return request


def request_of(args: Namespace, request: RenderRequest, fitted: Callable[[RenderRequest], RenderRequest],
               ) -> RenderRequest:
    """The request that the options ask for, on top of the one that is `saved`.

    The window shows a state without what its network has no use for, and says so; `fitted` leaves it out here. Raises
    UserError on files that can't be read and on options that don't go together.
    """
    given = {option.place: getattr(args, option.place) for option in OPTIONS}
    network = {place: given.pop(place) for place in list(given) if place.startswith("checkpoint.")}
    source, rows = given.pop("mix.source"), given.pop("mix.rows")
    request = _with(request, network | {"checkpoint.path": getattr(args, "checkpoint.path")})
    if not request.checkpoint.path:
        raise misuse("the checkpoint FILE is missing")
    if args.state is not None:
        request = fitted(request)
    return _mixed(_arranged(_started(_with(request, given), args), args), args, source, rows)


def misuse(what: str) -> UserError:
    return UserError(f"visualizer.py render: {what} (see visualizer.py render --help)")


def of_seed(request: RenderRequest, seed: int) -> RenderRequest:
    """The one picture of that seed."""
    latent = replace(request.latent, x=float(seed), y=0.0, z=None, w=None)
    return replace(request, latent=latent, table=None, seeds=None)


def _with(request: RenderRequest, given: dict[str, Any]) -> RenderRequest:
    """`request` with the values that are given, each in its place."""
    for place, value in given.items():
        part, _, field = place.rpartition(".")
        if value is not None:
            value = replace(getattr(request, part), **{field: value}) if part else value
            request = replace(request, **{part or field: value})
    return request


def _started(request: RenderRequest, args: Namespace) -> RenderRequest:
    """Its latent from a seed, a place or a file, instead of any grid or table in the state."""
    latent: dict[str, Any] = {}
    if args.seed is not None or args.at is not None:
        x, y = args.at or (float(args.seed), 0.0)
        latent = {"x": x, "y": y, "z": None, "w": None}
    if args.z is not None:
        latent = {"z": Array.of(read_npy(args.z, dims=(2,))), "w": None}
    if args.w is not None:
        w = read_npy(args.w, dims=(2, 3))
        latent = {"w": Array.of(w if w.ndim == 3 else w[None]), "z": None}
    if args.transform is not None:
        request = replace(request, synth=replace(request.synth, transform=read_transform(args.transform)))
    return replace(request, latent=replace(request.latent, **latent), table=None, seeds=None) if latent else request


def _arranged(request: RenderRequest, args: Namespace) -> RenderRequest:
    """Many pictures in one: a grid of seeds, or a mixing table."""
    sides = {side: sources(*seeds) for side, seeds in (("across", args.across), ("down", args.down)) if seeds}
    if sides and any(x is not None for x in (args.seed, args.at, args.z, args.w, args.seeds)):
        raise misuse("a table's sources are --across and --down: no --seed, --at, --z, --w or --seeds beside them")
    if sides:
        table = replace(request.table or MixTable((), (), ()), **sides)
        request = replace(request, mix=Mix(), table=table, seeds=None)
    if args.seeds:
        request = replace(request, table=None, seeds=replace(request.seeds or SeedGrid(()), seeds=args.seeds))
    if args.columns is not None and (not request.seeds or args.columns < 0):
        raise misuse("--columns is the number of them in a grid of --seeds")
    if args.labels is not None and not (request.seeds or request.table):
        raise misuse("--labels is for a grid of --seeds, or a table")
    options = {"table.labels": args.labels if request.table else None,
               "seeds.labels": args.labels if request.seeds else None, "seeds.columns": args.columns}
    return _with(request, options)


def _mixed(request: RenderRequest, args: Namespace, source: Source | None, rows: tuple[int, ...] | None,
           ) -> RenderRequest:
    """The rows of w that come from elsewhere, and from where."""
    if args.mix_w is not None:
        w = read_npy(args.mix_w, dims=(2, 3))
        if w.ndim == 3 and len(w) != 1:
            raise UserError(f"{args.mix_w}: holds {len(w)} samples of w; one is mixed in")
        source = Source(w=Array.of(w.reshape(w.shape[-2:])), name=Path(args.mix_w).stem)
    if request.table:
        if source:
            raise misuse("a table mixes --across into --down: --mix-seed and --mix-w have no place in it")
        if rows is None and args.state is None:
            raise misuse("a mixing table needs --mix-rows")
        return replace(request, table=replace(request.table, rows=request.table.rows if rows is None else rows))
    if (source is None) != (rows is None) and args.state is None:
        raise misuse("--mix-rows and --mix-seed (or --mix-w) go together")
    return _with(request, {"mix.source": source, "mix.rows": rows})
