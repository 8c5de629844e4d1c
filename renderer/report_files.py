"""A report as files: its pictures as PNG with the state inside, its numbers as CSV and JSON, its state. No torch."""
from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from renderer import state
from renderer.images import save_png, write_whole
from renderer.report import Curve, Fact, Picture, Plot, Report, Table
from renderer.types import RenderRequest

Write = Callable[[Path], None]


def write_report(folder: Path, report: Report, request: RenderRequest) -> list[Path]:
    """Writes all of it into a folder that exists; what it wrote. Raises UserError."""
    written = []
    for name, write in files(report, request).items():
        write(folder / name)
        written.append(folder / name)
    return written


def files(report: Report, request: RenderRequest) -> dict[str, Write]:
    """Each file's name and what writes it: one a figure, then report.json with all numbers, and state.json.

    `request`: what the report answers, stamped; opened again, it gives the same pictures.
    """
    out: dict[str, Write] = {}
    for figure in report.figures:
        if isinstance(figure, Picture):
            out[f"{figure.name}.png"] = _picture(figure, request)
        elif isinstance(figure, Plot | Table):
            out[f"{figure.name}.csv"] = _text(csv_of(figure))
    out["report.json"] = _text(json.dumps(numbers(report), ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    out["state.json"] = _text(state.to_json(request) + "\n")
    return out


def numbers(report: Report) -> dict:
    """All that the report says, as JSON holds it; a number that is not finite is null."""
    of = {kind: [figure for figure in report.figures if isinstance(figure, kind)]
          for kind in (Fact, Table, Plot, Picture)}
    return {
        "kind": report.kind, "samples": report.done, "asked_for": report.total, "remarks": list(report.remarks),
        "facts": {fact.name: {"label": fact.label, "value": _plain(fact.value), "unit": fact.unit,
                              "low": _plain(fact.low), "high": _plain(fact.high), "meaning": fact.tip}
                  for fact in of[Fact]},
        "tables": {table.name: {"title": table.title, "columns": list(table.columns),
                                "rows": [list(map(_plain, row)) for row in table.rows],
                                "flagged": list(table.flagged)} for table in of[Table]},
        "plots": {plot.name: {"title": plot.title, "x": _axis(plot.x), "y": _axis(plot.y), "marks": list(plot.marks),
                              "levels": list(plot.levels), "curves": list(map(_curve, plot.curves))}
                  for plot in of[Plot]},
        "pictures": {picture.name: {"title": picture.title, "meaning": picture.tip, "scale": picture.scale and {
                     "low": _plain(picture.scale.low), "high": _plain(picture.scale.high),
                     "label": picture.scale.label, "unit": picture.scale.unit}} for picture in of[Picture]},
    }


def csv_of(figure: Plot | Table) -> str:
    """A table as it is; of a plot a line for each point of each curve."""
    if isinstance(figure, Table):
        return _csv(figure.columns, figure.rows)
    y, ticks = _axis(figure.y), figure.x.ticks
    rows = [(curve.name, ticks[round(x)] if ticks and 0 <= round(x) < len(ticks) else float(x), *map(float, values))
            for curve in figure.curves for x, *values in zip(curve.x, *_ys(curve))]
    return _csv(("curve", _axis(figure.x), y, f"{y}, low end of 95 %", f"{y}, high end of 95 %"), rows)


def _ys(curve: Curve) -> tuple[np.ndarray, ...]:
    nothing = np.full(len(curve.y), math.nan)
    return tuple(nothing if values is None else values for values in (curve.y, curve.low, curve.high))


def _csv(columns: tuple[str, ...], rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow("" if item is None or isinstance(item, float) and math.isnan(item) else
                        f"{item:.9g}" if isinstance(item, float) else item for item in row)
    return text.getvalue()


def _axis(axis) -> str:
    return f"{axis.label} ({axis.unit})" if axis.unit else axis.label


def _curve(curve: Curve) -> dict:
    fields = {"x": curve.x, "y": curve.y, "low": curve.low, "high": curve.high}
    return {"name": curve.name} | {name: [_plain(float(value)) for value in values]
                                   for name, values in fields.items() if values is not None}


def _plain(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _picture(picture: Picture, request: RenderRequest) -> Write:
    return lambda path: save_png(path, picture.pixels, request)


def _text(text: str) -> Write:
    return lambda path: write_whole(path, lambda file: file.write(text.encode()))
