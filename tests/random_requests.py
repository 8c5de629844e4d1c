"""Any request there can be: what a property-based test would draw."""
import dataclasses
import types
import typing

import numpy as np

from renderer.types import Array, RenderRequest


def random_request(seed: int) -> RenderRequest:
    rng = np.random.RandomState(seed)
    request = random_value(RenderRequest, rng)
    if request.compare:
        pinned = dataclasses.replace(random_value(RenderRequest, rng), compare=None)
        request = dataclasses.replace(request, compare=dataclasses.replace(request.compare, pinned=pinned))
    return request


def random_value(hint, rng: np.random.RandomState):
    """Any value of a field's type."""
    if hint is Array:
        shape = tuple(rng.randint(0, 4, rng.randint(0, 4)))
        return Array.of(np.asarray(rng.randn(*shape)).astype(rng.choice(["<f4", "<f8", "<f2", ">f4"])))
    if dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        names = [field.name for field in dataclasses.fields(hint) if field.name != "pinned"]       # or no end
        return hint(**{name: random_value(hints[name], rng) for name in names})
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        options = [option for option in options if option is not types.NoneType]
        return None if rng.rand() < 0.3 else random_value(options[rng.randint(len(options))], rng)
    if origin is typing.Literal:
        return options[rng.randint(len(options))]
    if origin is tuple:
        items = options[:1] * rng.randint(0, 5) if options[-1] is Ellipsis else options
        return tuple(random_value(item, rng) for item in items)
    return {float: lambda: float(rng.standard_cauchy() * 10.0 ** rng.randint(-300, 300)),
            int: lambda: int(rng.randint(-2 ** 62, 2 ** 62)) * rng.choice([1, 2 ** 30]).item(),
            bool: lambda: bool(rng.rand() < 0.5),
            str: lambda: "".join(map(chr, rng.randint(1, 0xD7FF, rng.randint(0, 9))))}[hint]()
