"""A request as JSON and back: presets, screenshots' metadata, `render --state`. No torch."""
from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import math
import re
import types
import typing

import numpy as np

from nets.errors import UserError, one_line
from renderer.inspection import KINDS, Inspection
from renderer.types import Array, RenderRequest, Source

SCHEMA = 2                               # raised when an older program could misread what a newer one writes
MOST_CHARACTERS = 64 << 20               # of a state that is read; what follows bounds the work that one can ask for
MOST_ITEMS = 100_000                     # in one list


def to_json(request: RenderRequest, brief: bool = False) -> str:
    """The complete request; if `brief`, what differs from the default, in one line.

    Raises ValueError on numbers that are not finite, and on a pinned request that compares.
    """
    if request.compare and request.compare.pinned and request.compare.pinned.compare:
        raise ValueError("a pinned request compares with nothing itself")
    state = {"stylescope": SCHEMA, "request": _encode(request, brief)}
    text = json.dumps(state, ensure_ascii=False, allow_nan=False, indent=None if brief else 1)
    return re.sub("[\ud800-\udfff]", lambda lone: f"\\u{ord(lone[0]):04x}", text)     # of file names that are no UTF-8


def from_json(text: str) -> RenderRequest:
    """What `to_json` wrote; fields left out take their defaults.

    Raises UserError, in one line, on anything else: no JSON, a newer version, a field unknown or of the wrong kind,
    more than a request can hold.
    """
    if len(text) > MOST_CHARACTERS:
        raise UserError(f"the state is too large: {MOST_CHARACTERS >> 20} MiB are the most")
    try:
        state = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(one_line(f"the state is not valid JSON: {error}")) from None
    if not isinstance(state, dict) or not isinstance(state.get("stylescope"), int):
        raise UserError("the JSON holds no Stylescope state: it has no version under 'stylescope'")
    if state["stylescope"] > SCHEMA:
        raise UserError(f"the state was written by a newer Stylescope (state version {state['stylescope']}, this one "
                        f"reads up to {SCHEMA}); update Stylescope to open it")
    if "request" not in state:
        raise UserError("the Stylescope state holds no request")
    request = state["request"]
    return _decode(RenderRequest, _upgraded(request) if state["stylescope"] < 2 else request, "")


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a number")


def _upgraded(request):
    """A request of version 1 as version 2 writes it: `normalize` was the one other range, tables had no labels."""
    def part(name: str) -> dict:
        return dict(request[name]) if isinstance(request.get(name), dict) else {}
    if not isinstance(request, dict):
        return request
    view, mix, table = part("view"), part("mix"), part("table")
    if isinstance(view.get("normalize"), bool):
        view["range"] = "symmetric" if view.pop("normalize") else "fixed"
    if "seed" in mix:
        mix["source"] = mix.pop("seed")
    if table:
        table["labels"] = False
    changed = {"view": view, "mix": mix, "table": table}
    return request | {name: values for name, values in changed.items() if values}


# -- values to JSON; a source that is a plain seed is its number ------------------------------------------------------

def _encode(value, brief: bool):
    if isinstance(value, Array):
        return {"shape": list(value.shape), "dtype": value.dtype, "base64": base64.b64encode(value.data).decode()}
    if isinstance(value, Source) and value == Source(value.seed):
        return value.seed
    if dataclasses.is_dataclass(value):
        fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        kind = {"kind": value.kind} if type(value) in KINDS.values() else {}
        return kind | {field.name: _encode(item, brief) for field, item in fields
                       if not (brief and item == field.default)}
    return [_encode(item, brief) for item in value] if isinstance(value, tuple) else value


# -- JSON to values, by type; `where` is the path to a value, 'latent.psi' --------------------------------------------

def _decode(hint, value, where: str):
    if hint is Array:
        return _decode_array(value, where)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, value, where)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if hint == Inspection | None:
        return None if value is None else _decode_inspection(value, where)
    if origin in (types.UnionType, typing.Union):                # only X | None occurs
        inner = next(option for option in options if option is not types.NoneType)
        return None if value is None else _decode(inner, value, where)
    if origin is tuple:
        return _decode_tuple(options, value, where)
    if origin is typing.Literal:
        if value not in options:
            raise _unfit(where, f"one of {', '.join(options)}", value)
        return value
    return _decode_plain(hint, value, where)


@functools.cache
def _hints(cls: type) -> dict:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _decode_dataclass(cls: type, value, where: str):
    hints = _hints(cls)
    if cls is Source and type(value) is int:
        return Source(value)
    if cls is RenderRequest and where and isinstance(value, dict) and value.get("compare") is not None:
        raise UserError(f"'{where}' in the state holds a comparison of its own; a pinned request can't")
    if not isinstance(value, dict):
        raise _unfit(where, "an object", value)
    for name in value:
        if name not in hints:
            raise UserError(one_line(f"the state has an unknown field '{_join(where, name)}'"))
    required = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
    for name in sorted(required - set(value)):
        raise UserError(f"the state lacks '{_join(where, name)}'")
    return cls(**{name: _decode(hints[name], item, _join(where, name)) for name, item in value.items()})


def _decode_inspection(value, where: str):
    kind = value.get("kind") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise _unfit(where, f"an inspection of the kind {', '.join(KINDS)}", value)
    return _decode_dataclass(KINDS[kind], {name: item for name, item in value.items() if name != "kind"}, where)


def _decode_tuple(items: tuple, value, where: str) -> tuple:
    repeated = items[-1] is Ellipsis
    if not isinstance(value, list) or not (repeated or len(value) == len(items)):
        raise _unfit(where, "a list" if repeated else f"a list of {len(items)}", value)
    if len(value) > MOST_ITEMS:
        raise UserError(f"'{where}' in the state has {len(value):,} items; {MOST_ITEMS:,} are the most")
    items = items[:1] * len(value) if repeated else items
    return tuple(_decode(item, v, f"{where}[{i}]") for i, (item, v) in enumerate(zip(items, value)))


def _decode_plain(kind: type, value, where: str):
    if kind is float and type(value) is int:
        value = float(value) if abs(value) < 2 ** 1023 else math.inf
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        words = {float: "a number", int: "a whole number", bool: "true or false", str: "a text"}
        raise _unfit(where, words[kind], value)
    return value


def _decode_array(value, where: str) -> Array:
    if not isinstance(value, dict) or set(value) != {"shape", "dtype", "base64"}:
        raise _unfit(where, "an array {shape, dtype, base64}", value)
    shape = _decode(tuple[int, ...], value["shape"], f"{where}.shape")
    try:
        dtype = np.dtype(_decode(str, value["dtype"], f"{where}.dtype"))
        data = base64.b64decode(_decode(str, value["base64"], f"{where}.base64"), validate=True)
    except (TypeError, ValueError, binascii.Error):
        raise UserError(f"'{where}' in the state is damaged") from None
    if dtype.kind not in "fiu" or min(shape, default=0) < 0 or len(data) != math.prod(shape) * dtype.itemsize:
        raise UserError(f"'{where}' in the state is damaged: its data does not fit its shape and type")
    array = Array(shape, dtype.str, data)
    try:
        array.numpy()                    # NumPy has bounds of its own
    except ValueError:
        raise UserError(f"'{where}' in the state is damaged: no array has {len(shape)} dimensions of its sizes"
                        ) from None
    return array


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _unfit(where: str, wanted: str, value) -> UserError:
    shown = json.dumps(value)
    shown = shown if len(shown) <= 40 else shown[:39] + "…"
    return UserError(one_line(f"'{where or 'request'}' in the state must be {wanted}, not {shown}"))
