"""The options of `inspect`, a field of some kind each: the command line reads them, script.py writes. No torch."""
from __future__ import annotations

import dataclasses
import typing
from argparse import ArgumentParser, ArgumentTypeError, BooleanOptionalAction, Namespace
from dataclasses import replace

from nets.errors import UserError
from renderer import options, words
from renderer.inspection import KINDS, Inspection
from renderer.types import RenderRequest

PLACE = "inspect."                       # before a field's name, in the parsed arguments


def add_options(parser: ArgumentParser) -> None:
    """FILE, KIND, all that says what to render, and each field once, whichever kinds have it."""
    options.add_options(parser)
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(KINDS))
    group = parser.add_argument_group("what is looked into")
    for name, kinds in _fields().items():
        hint, field = next(iter(kinds.values()))
        texts = dict.fromkeys(field.metadata["help"] for _, field in kinds.values())
        group.add_argument(f"--{name.replace('_', '-')}", dest=PLACE + name, help=f"{', '.join(kinds)}: "
                           f"{' / '.join(texts)}".replace("%", "%%"), **_reading(hint))


def request_of(args: Namespace, fitted) -> RenderRequest:
    """The request that the options ask for, with its inspection. Raises UserError on options that don't go together."""
    path = getattr(args, "checkpoint.path")
    if args.kind is None and path in KINDS:          # FILE was left out, for the state names it
        args.kind, path = path, None
        setattr(args, "checkpoint.path", None)
    if args.kind is not None and args.kind not in KINDS:
        raise _misuse(f"there is no kind of inspection '{args.kind}': there are {', '.join(KINDS)}")
    saved = options.saved(args)
    cls = type(saved.inspect) if args.kind is None else KINDS[args.kind]
    if args.kind is None and saved.inspect is None:
        raise _misuse(f"what to look into is missing: one of {', '.join(KINDS)}")
    inspection = saved.inspect if type(saved.inspect) is cls else cls()
    request = options.request_of(args, saved, fitted)
    return replace(request, table=None, seeds=None, inspect=_with_fields(inspection, args))


def written(inspection: Inspection) -> tuple[list[str], Inspection | None]:
    """The options that say `inspection`, as far as there are words, and what a state has to say; None: nothing."""
    hints, said, rest = typing.get_type_hints(type(inspection)), [], inspection
    for field in dataclasses.fields(inspection):
        value = getattr(inspection, field.name)
        given = _flag(field.name, value, hints[field.name])
        if value != field.default and given:
            said += given
            rest = replace(rest, **{field.name: field.default})
    return said, None if rest == type(inspection)() else rest


def _flag(name: str, value, hint) -> list[str]:
    """The option that reads as this value; empty: there is none."""
    flag, reading = f"--{name.replace('_', '-')}", _reading(hint)
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    text = ",".join(map(_word, value)) if isinstance(value, tuple) else _word(value)
    try:
        reads_back = text.isprintable() and reading["type"](text) == value in reading.get("choices", [value])
    except ArgumentTypeError:
        return []
    return [f"{flag}={text}"] if reads_back else []


def _word(value) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _with_fields(inspection: Inspection, args: Namespace) -> Inspection:
    given = {name: value for name in _fields() if (value := getattr(args, PLACE + name)) is not None}
    known = {field.name for field in dataclasses.fields(inspection)}
    for name in given.keys() - known:
        raise _misuse(f"{inspection.kind} has no option --{name.replace('_', '-')}")
    return replace(inspection, **given)


def _fields() -> dict[str, dict[str, tuple]]:
    """Each field's name, with its type and itself in each kind that has it."""
    found: dict[str, dict[str, tuple]] = {}
    for kind, cls in KINDS.items():
        hints = typing.get_type_hints(cls)
        for field in dataclasses.fields(cls):
            found.setdefault(field.name, {})[kind] = hints[field.name], field
    return found


def _reading(hint) -> dict:
    """Of argparse's add_argument, by the field's type."""
    plain = [option for option in typing.get_args(hint) if option is not type(None)]
    if type(None) in typing.get_args(hint):
        return _reading(plain[0])
    if typing.get_origin(hint) is typing.Literal:
        return {"choices": plain, "type": _READ[type(plain[0])]}
    if typing.get_origin(hint) is tuple:
        return {"type": lambda text: _several(text, plain[0], len(plain) if Ellipsis not in plain else None),
                "metavar": "A,B,.."}
    if hint is bool:
        return {"action": BooleanOptionalAction}
    return {"type": _READ[hint], "metavar": _METAVAR[hint]}


_READ = {int: words.whole, float: words.number, str: str}
_METAVAR = {int: "N", float: "X", str: "NAME"}


def _several(text: str, kind: type, count: int | None) -> tuple:
    items = tuple(_READ[kind](part.strip()) for part in text.split(","))
    if count is not None and len(items) != count:
        raise ArgumentTypeError(f"'{text}' has {len(items)} parts, {count} are needed")
    return items


def _misuse(what: str) -> UserError:
    return UserError(f"visualizer.py inspect: {what} (see visualizer.py inspect --help)")
