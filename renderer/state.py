"""A request as JSON and back: presets, screenshots' metadata, `render --state`. No torch."""
from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import types
import typing

import numpy as np

from nets.errors import UserError, one_line
from renderer.types import Array, RenderRequest

SCHEMA = 1                               # raised when an older program could misread what a newer one writes


def to_json(request: RenderRequest) -> str:
    """The complete request. Raises ValueError on numbers that are not finite."""
    state = {"stylescope": SCHEMA, "request": _encode(request)}
    return json.dumps(state, ensure_ascii=False, allow_nan=False, indent=1)


def from_json(text: str) -> RenderRequest:
    """What `to_json` wrote; fields left out take their defaults.

    Raises UserError, in one line, on anything else: no JSON, a newer version, a field unknown or of the wrong kind.
    """
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
    return _decode(RenderRequest, state["request"], "")


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a number")


# -- values to JSON ---------------------------------------------------------------------------------------------------

def _encode(value):
    if isinstance(value, Array):
        return {"shape": list(value.shape), "dtype": value.dtype, "base64": base64.b64encode(value.data).decode()}
    if dataclasses.is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [_encode(item) for item in value] if isinstance(value, tuple) else value


# -- JSON to values, by type; `where` is the path to a value, 'latent.psi' --------------------------------------------

def _decode(hint, value, where: str):
    if hint is Array:
        return _decode_array(value, where)
    if dataclasses.is_dataclass(hint):
        return _decode_dataclass(hint, value, where)
    origin, options = typing.get_origin(hint), typing.get_args(hint)
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


def _decode_dataclass(cls: type, value, where: str):
    hints = typing.get_type_hints(cls)
    if not isinstance(value, dict):
        raise _unfit(where, "an object", value)
    for name in value:
        if name not in hints:
            raise UserError(one_line(f"the state has an unknown field '{_join(where, name)}'"))
    required = {f.name for f in dataclasses.fields(cls) if f.default is f.default_factory is dataclasses.MISSING}
    for name in sorted(required - set(value)):
        raise UserError(f"the state lacks '{_join(where, name)}'")
    return cls(**{name: _decode(hints[name], item, _join(where, name)) for name, item in value.items()})


def _decode_tuple(items: tuple, value, where: str) -> tuple:
    repeated = items[-1] is Ellipsis
    if not isinstance(value, list) or not (repeated or len(value) == len(items)):
        raise _unfit(where, "a list" if repeated else f"a list of {len(items)}", value)
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
    return Array(shape, dtype.str, data)


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _unfit(where: str, wanted: str, value) -> UserError:
    shown = json.dumps(value)
    shown = shown if len(shown) <= 40 else shown[:39] + "…"
    return UserError(one_line(f"'{where or 'request'}' in the state must be {wanted}, not {shown}"))
