"""Controls made from the fields of an inspection: a row for each, by its type, with its limits, unit and meaning."""
from __future__ import annotations

import dataclasses
import functools
import math
import typing
from argparse import ArgumentTypeError
from collections.abc import Sequence
from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import report, theme, widgets
from renderer import words
from renderer.inspection import Inspection, UserError, check

SLIDER_SPAN = 4096                       # whole numbers between limits further apart are typed
SHORT = 24                               # letters of all options that fit side by side
ANY = "default"                          # of the layers
ROOM_EMS = 19.0                          # width of a row; as many stand side by side as fit


class Controls:
    """Holds what is being typed; what it means takes effect when the field is left."""

    def __init__(self):
        self._drafts: dict[str, str] = {}
        self._troubles: dict[str, str] = {}      # why a draft means nothing, by field
        self._layers: Sequence[str] = ()

    def __call__(self, inspection: Inspection, layers: Sequence[str] = ()) -> Inspection:
        """Draws a row for each field; returns the inspection as it is set now. `layers`: that a layer is chosen from.
        """
        self._layers = layers
        fields = dataclasses.fields(inspection)
        columns = max(min(int(imgui.get_content_region_avail().x / theme.em(ROOM_EMS)), 3, len(fields)), 1)
        with imgui_ctx.begin_table("controls", columns) as table:
            for field in fields if table else ():
                imgui.table_next_column()
                inspection = self._row(inspection, field, hints_of(type(inspection))[field.name])
        return inspection

    def _row(self, inspection: Inspection, field: dataclasses.Field, hint) -> Inspection:
        name, value = label_of(field.name), getattr(inspection, field.name)
        default, tip = field.default, tip_of(field)
        if field.name == "layer" and self._layers:
            value = widgets.menu(name, value or ANY, (ANY, *self._layers), ANY, tip)
            value = "" if value == ANY else value
        elif hint is bool:
            value = widgets.toggle(name, value, default, tip)
        elif typing.get_origin(hint) is typing.Literal:
            options = typing.get_args(hint)
            choose = widgets.segments if sum(map(len, options)) <= SHORT else widgets.menu
            value = choose(name, value, options, default, tip)
        elif hint in (int, float):
            value = _number(hint, name, value, field, tip)
        else:
            return self._text(inspection, field, hint, tip)
        return replace(inspection, **{field.name: value})

    def _text(self, inspection: Inspection, field: dataclasses.Field, hint, tip: str) -> Inspection:
        """Texts, lists and what may be left out; lists are written with commas."""
        name, value = label_of(field.name), getattr(inspection, field.name)
        with widgets.row(name, tip, value != field.default) as line:
            shown = self._drafts.get(field.name, written(value))
            flags = imgui.InputTextFlags_.auto_select_all
            draft = imgui.input_text_with_hint(f"##{name}", written(field.default) or "default", shown, flags)[1]
            report.mark(name)
            if imgui.is_item_active():
                self._drafts[field.name] = draft
            if imgui.is_item_deactivated_after_edit():
                inspection = self._commit(inspection, field, hint, draft)
        if trouble := self._troubles.get(field.name):
            widgets.wrapped(trouble, "error")
        if line.reset:
            self._forget(field.name)
            inspection = replace(inspection, **{field.name: field.default})
        return inspection

    def _commit(self, inspection: Inspection, field: dataclasses.Field, hint, draft: str) -> Inspection:
        try:
            changed = replace(inspection, **{field.name: read(hint, draft)})
            check(changed)
        except (ArgumentTypeError, UserError) as error:
            self._drafts[field.name], self._troubles[field.name] = draft, str(error)
            return inspection
        self._forget(field.name)
        return changed

    def _forget(self, name: str) -> None:
        self._drafts.pop(name, None)
        self._troubles.pop(name, None)


def _number(kind: type, name: str, value, field: dataclasses.Field, tip: str):
    """A slider where both ends are known and near enough, else a number to type."""
    low, high, unit = (field.metadata.get(key) for key in ("low", "high", "unit"))
    ending = f" {unit}".replace("%", "%%") if unit else ""
    if kind is int and high is not None and low is not None and high - low <= SLIDER_SPAN:
        return widgets.int_slider(name, value, int(low), int(high), field.default, f"%d{ending}", tip)
    if kind is int:
        least = -2 ** 31 if low is None else int(low)
        return widgets.integer(name, value, least, 2 ** 31 - 1 if high is None else int(high), field.default, tip)
    if low is not None and high is not None:
        return widgets.slider(name, value, low, high, field.default, f"%.{digits(high - low)}f{ending}", tip)
    typed = widgets.number(name, value, field.default, f"%.3f{ending}", 0.01 * max(abs(field.default), 0.1), tip)
    return min(max(typed, -math.inf if low is None else low), math.inf if high is None else high)


def digits(span: float) -> int:
    """After the point, so that a slider over `span` has at least 200 steps."""
    return min(max(math.ceil(math.log10(200 / span)), 0), 6)


def label_of(name: str) -> str:
    """'first_seed' -> 'First seed', 'sources_a' -> 'Sources A'."""
    first, *others = name.split("_")
    return " ".join([first.capitalize(), *(word.upper() if len(word) == 1 else word for word in others)])


def tip_of(field: dataclasses.Field) -> str:
    """What the field means, in which unit, within which limits."""
    low, high, unit = (field.metadata.get(key) for key in ("low", "high", "unit"))
    limits = f"{low:g} to {high:g}" if low is not None and high is not None else \
        f"at least {low:g}" if low is not None else f"at most {high:g}" if high is not None else ""
    about = " ".join(filter(None, (limits, unit)))
    text = field.metadata.get("help", "")
    return f"{text[:1].upper()}{text[1:]}{f' ({about})' if about else ''}"


@functools.cache
def hints_of(cls: type) -> dict:
    return typing.get_type_hints(cls)


def written(value) -> str:
    """As it is typed: '0, 1, 2', and '' for what is left out."""
    if isinstance(value, tuple):
        return ", ".join(map(written, value))
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def read(hint, text: str):
    """What `text` means for a field of type `hint`. Raises ArgumentTypeError with a sentence."""
    options, text = typing.get_args(hint), text.strip()
    if type(None) in options:
        return None if not text else read(next(option for option in options if option is not type(None)), text)
    if typing.get_origin(hint) is tuple:
        items = tuple(read(options[0], part) for part in text.split(",") if part.strip())
        if Ellipsis not in options and len(items) != len(options):
            raise ArgumentTypeError(f"{len(options)} numbers are needed, with commas between them")
        return items
    return {int: words.whole, float: words.number, str: str}[hint](text)
