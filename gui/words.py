"""Numbers and texts as a person reads them."""
import dataclasses


def readable(value):
    """A text, or all texts in a tuple or dataclass, with a mark for each character that no text may have.

    Such stand in names of files that are no UTF-8, and in damaged states; ImGui and the window's title refuse them.
    """
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, tuple):
        return tuple(map(readable, value))
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **{field.name: readable(getattr(value, field.name))
                                             for field in dataclasses.fields(value)})
    return value


def file_size(count: float) -> str:
    """'310 MB'."""
    for unit in ("B", "KB", "MB"):
        if count < 999.5:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def milliseconds(seconds: float) -> str:
    """'0.4 ms', '41 ms', '2.31 s'."""
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{1000 * seconds:.1f} ms" if seconds < 0.01 else f"{1000 * seconds:.0f} ms"


def count(number: int) -> str:
    """'23.2 M', '54 k'."""
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def short(value: float) -> str:
    """Four figures: '0.01234', '−12.35', '1.2e+06'."""
    return f"{value:.4g}".replace("-", "−")


def percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.3g} %"
