"""Numbers as a person reads them."""


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
