"""A request as something to run elsewhere: a command line, a Python program. JSON is state.to_json's. No torch.

All three give the pixels that the window shows. What only a window draws (spectra, the strip of layers, comparisons) is
left out of the first two, and with `fitted` what its network has no use for, as `RenderResult.notes` says. An
inspection has a command line of its own.
"""
from __future__ import annotations

import base64
import dataclasses
import os
import re
import shlex
import sys
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from renderer import inspect_options, types, words
from renderer.content import is_file_path
from renderer.options import OPTIONS, Option
from renderer.state import to_json
from renderer.types import Array, Mix, RenderRequest, Source, View, sources

ROOT = Path(__file__).resolve().parent.parent
PICTURE, FOLDER = "picture.png", "inspection"
LONGEST_WORD = 100_000                   # bytes; Linux takes 128 KiB in one argument, a long state goes in by a pipe


def command_line(request: RenderRequest, out: str = PICTURE, fitted: bool = False) -> str:
    """A line for a POSIX shell that renders `request` into the file `out`: options where they say it exactly, and the
    rest as a state. `fitted`: the request has parts that its network has no use for."""
    return _line("render", [], _essential(request), out, fitted)


def inspection(request: RenderRequest, out: str = FOLDER, fitted: bool = False) -> str:
    """Such a line that writes what `request.inspect`, which there is, finds into the folder `out`."""
    said, rest = inspect_options.written(request.inspect)
    one = _essential(replace(request, table=None, seeds=None, view=View()))
    return _line("inspect", [request.inspect.kind, *said], replace(one, inspect=rest), out, fitted)


def _line(command: str, kind: list[str], request: RenderRequest, out: str, fitted: bool) -> str:
    file, rest = _file(request)
    said, rest = _say(rest, () if fitted else RULES)                 # what a state asks too much is left out
    state = to_json(rest, brief=True) if rest != RenderRequest() else ""
    is_long = len(state.encode()) > LONGEST_WORD
    said += ["--state", "-" if is_long else state] if state else []
    argv = [command, *file, *kind, *said, *_valued("-o", out)]
    line = shlex.join([sys.executable, str(ROOT / "visualizer.py"), *argv])
    return f"{line} <<'STATE'\n{state}\nSTATE" if is_long else line


def python(request: RenderRequest, out: str = PICTURE, fitted: bool = False) -> str:
    """A Python program that renders `request` into the file `out`. `fitted`: as for `command_line`."""
    request = _essential(request)
    arguments = [f"    {name}={_source(value)}," for name, value in _changed(request)]
    called = {"RenderRequest", *re.findall(r"\b(\w+)\(", "\n".join(arguments))}
    names = sorted(called & set(vars(types)))
    imports = ["import sys", *["from base64 import b64decode"] * ("b64decode" in called)]
    return "\n".join([
        '"""Renders what Stylescope showed."""', *imports, "",
        f"sys.path.insert(0, {str(ROOT)!r})       # where Stylescope is",
        "from renderer.content import stamped",
        "from renderer.images import save_png",
        "from renderer.pipeline import Pipeline",
        f"from renderer.types import {', '.join(names)}", "",
        "request = RenderRequest(", *arguments, ")",
        "pipeline = Pipeline()",
        f"picture = pipeline.picture({'pipeline.fitted(request)' if fitted else 'request'})",
        f"save_png({out!r}, picture, stamped(request))", ""])


def _essential(request: RenderRequest) -> RenderRequest:
    """`request` without what no pixel depends on, and with a path that holds in any folder."""
    checkpoint, latent, mix = replace(request.checkpoint, content="", reload=0), request.latent, request.mix
    if is_file_path(checkpoint.path):
        checkpoint = replace(checkpoint, path=os.path.abspath(os.path.expanduser(checkpoint.path)))
    if request.table or request.seeds:
        latent = replace(latent, z=None, w=None)
    if request.table or request.seeds or latent.z or latent.w:
        latent = replace(latent, x=0.0, y=0.0)
    if request.table or not mix.rows:
        mix = Mix()
    seeds = None if request.table else request.seeds
    return replace(request, checkpoint=checkpoint, latent=latent, mix=mix, seeds=seeds, spectrum=None, strip=False,
                   inspect=None, compare=None)


# -- command line: each rule says a part in words, and sets it to its default in the request --------------------------

Said = tuple[list[str], RenderRequest]
Rule = Callable[[RenderRequest], Said]


def _say(request: RenderRequest, rules: Iterable[Rule]) -> Said:
    said: list[str] = []
    for rule in rules:
        more, request = rule(request)
        said += more
    return said, request


def _file(request: RenderRequest) -> Said:
    path = request.checkpoint.path
    if path.startswith("-") or not path.isprintable():
        return [], request
    return [path], replace(request, checkpoint=replace(request.checkpoint, path=""))


def _start(request: RenderRequest) -> Said:
    latent = request.latent
    if request.table or request.seeds or latent.z or latent.w:
        return [], request
    x, y = latent.x, latent.y
    said = _valued("--at", f"{x!r},{y!r}")
    if x % 1 == y % 1 == 0:                          # the same seed, wherever it stands in the plane
        said = ["--seed", str((int(x) + 100 * int(y)) % (words.MAX_SEED + 1))]
    return said, replace(request, latent=replace(latent, x=0.0, y=0.0))


def _table(request: RenderRequest) -> Said:
    table = request.table
    if not table or table.across + table.down != sources(*(source.seed for source in table.across + table.down)):
        return [], request
    across, down = (tuple(source.seed for source in side) for side in (table.across, table.down))
    if not (_are(words.seeds, across) and _are(words.seeds, down) and _are(words.rows, table.rows)):
        return [], request
    said = ["--across", words.listed(across), "--down", words.listed(down), "--mix-rows", words.listed(table.rows)]
    return said + ["--no-labels"] * (not table.labels), replace(request, table=None)


def _grid(request: RenderRequest) -> Said:
    grid = request.seeds
    if not grid or request.table or not _are(words.seeds, grid.seeds):
        return [], request
    columns = ["--columns", str(grid.columns)] if grid.columns else []
    return (["--seeds", words.listed(grid.seeds), *columns, *["--no-labels"] * (not grid.labels)],
            replace(request, seeds=None))


def _option(option: Option, request: RenderRequest) -> Said:
    part, _, field = option.place.rpartition(".")
    owner = getattr(request, part) if part else request
    value, default = getattr(owner, field), getattr(type(owner)(), field)
    needed = option.place == "mix.source" and request.mix.rows       # its rows go with a source, whichever it is
    if (value == default and not needed) or not _reads_back(option, value):
        return [], request
    owner = replace(owner, **{field: default})
    return _valued(option.flag, option.write(value)), replace(request, **{part: owner}) if part else owner


RULES = (_start, _table, _grid, *(partial(_option, option) for option in OPTIONS))


def _reads_back(option: Option, value) -> bool:
    try:
        text = option.write(value)
        return option.read(text) == value and text in (option.choices or [text])
    except ArgumentTypeError:
        return False


def _are(read: Callable[[str], tuple[int, ...]], numbers: tuple[int, ...]) -> bool:
    """Whether a list in words reads as these numbers."""
    try:
        return read(words.listed(numbers)) == numbers
    except ArgumentTypeError:
        return False


def _valued(flag: str, text: str) -> list[str]:
    return [f"{flag}={text}"] if text.startswith("-") else [flag, text]


# -- Python -----------------------------------------------------------------------------------------------------------

def _changed(value) -> Iterator[tuple[str, Any]]:
    """Fields that are not at their defaults."""
    for field in dataclasses.fields(value):
        if getattr(value, field.name) != field.default:
            yield field.name, getattr(value, field.name)


def _source(value) -> str:
    """The value as Python source."""
    if isinstance(value, Array):
        return f'Array({value.shape!r}, {value.dtype!r}, b64decode("{base64.b64encode(value.data).decode()}"))'
    if dataclasses.is_dataclass(value):
        return f"{type(value).__name__}({', '.join(f'{name}={_source(item)}' for name, item in _changed(value))})"
    if isinstance(value, tuple) and value and all(type(x) is Source and x == Source(x.seed) for x in value):
        return f"sources({', '.join(str(source.seed) for source in value)})"
    if isinstance(value, tuple):
        return f"({''.join(f'{_source(item)}, ' for item in value).rstrip(' ' if len(value) == 1 else ', ')})"
    return repr(value)
