"""What a pickle is read into besides plain values: inert names and records of objects."""
from __future__ import annotations

from typing import Any

from .blob import Malformed


class Global:
    """A name `module.name` found in a file; stands for nothing."""
    __slots__ = ("module", "name")

    def __init__(self, module: str, name: str):
        self.module, self.name = module, name

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Instance:
    """What is known of an object: its class and its state, the object's `__dict__`."""
    __slots__ = ("cls", "state")

    def __init__(self, cls: Global, state: Any = None):
        self.cls, self.state = cls, {} if state is None else state

    def set_state(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise Malformed(f"gives an object of {self.cls} a state that is not a dict")
        self.state = state


class Opaque:
    """A dict key that is not hashed by value: a hostile file could make that take for ever."""
    __slots__ = ("value",)

    def __init__(self, value: Any):
        self.value = value


def key_of(value: Any) -> Any:
    if isinstance(value, (str, float, bool, bytes, type(None))) or type(value) is int and abs(value) < 1 << 60:
        return value
    return Opaque(value)


def to_dict(items: list) -> dict:
    """[key, value, key, value, ..] -> dict."""
    if len(items) % 2:
        raise Malformed("is damaged: a dict has a key without a value")
    return {key_of(key): value for key, value in zip(items[::2], items[1::2])}
