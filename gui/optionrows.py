"""The options of a training run as rows of widgets; what is left empty is the preset's own value, shown in grey."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.newrun import NewRun
from gui.runform import BASIC, ELSEWHERE, Form, trouble
from renderer.launching import Option

LABELS = {"kimg": "Length", "gamma": "R1 gamma", "snap": "Snapshots", "cond": "With labels", "freezed": "Freeze D",
          "glr": "G's rate", "dlr": "D's rate", "aug": "Augment", "augpipe": "Changes", "cbase": "Channels r",
          "cmax": "Channels max", "map-depth": "Mapping", "g-arch": "G's kind", "d-arch": "D's kind",
          "phase-kimg": "Phase", "mbstd-group": "Mbstd group", "batch-gpu": "Micro-batch"}
UNITS = {"KIMG": "kimg", "TICKS": "ticks"}
GROUPS = {"run": "Randomness", "data": "Data", "batch": "Batch and cards", "loss": "Loss and learning rates",
          "augmentation": "Augmentation", "networks": "Networks", "reports": "Reports and metrics",
          "machine": "Machine"}
ROOM_EMS = 17.0                          # width of a row; as many stand side by side as fit
OWN = "the preset's own"
NO_LABELS = "The set has no labels: no dataset.json, or none in it"


def basic(run: NewRun) -> None:
    """Those that most runs are about."""
    options = {option.name: option for option in run.options}
    _table("basic", run, [options[name] for name in BASIC if name in options])


def others(run: NewRun) -> None:
    """All the rest, by group, closed at first; a mark where something was set."""
    rest = [option for option in run.options if option.name not in (*BASIC, *ELSEWHERE)]
    with _fold("More settings", run, rest) as opened:
        for group in dict.fromkeys(option.group for option in rest) if opened else ():
            own = [option for option in rest if option.group == group]
            with _fold(GROUPS.get(group, group.capitalize()), run, own) as inner:
                if inner:
                    _table(group, run, own)


@contextmanager
def _fold(title: str, run: NewRun, options: Sequence[Option]) -> Iterator[bool]:
    given = sum(bool(run.form.text(option.name)) for option in options)
    opened = imgui.tree_node(f"{title}{f'  ({given} set)' if given else ''}###{title}")
    report.mark(title)
    try:
        yield opened
    finally:
        if opened:
            imgui.tree_pop()


def _table(name: str, run: NewRun, options: Sequence[Option]) -> None:
    columns = max(min(int(imgui.get_content_region_avail().x / theme.em(ROOM_EMS)), 4), 1)
    with imgui_ctx.begin_table(name, columns) as table:
        for option in options if table else ():
            imgui.table_next_column()
            row(run, option)


def row(run: NewRun, option: Option) -> None:
    """One option; what is wrong with its value stands below."""
    text = run.form.text(option.name)
    why_not = NO_LABELS if option.name == "cond" and run.glimpse and not run.glimpse.labels and not text else ""
    with widgets.row(label_of(option), tip_of(option), bool(text), why_not) as line:
        new = _WIDGETS.get(option.kind, _text)(option, text, run.own(option))
    wrong = trouble(option, new)
    if wrong:
        widgets.wrapped(f"{fonts.WARNING} {wrong}", "error")
        report.mark(f"{option.name}/Trouble")
    new = "" if line.reset else new
    if new != text:
        run.change(_changed(run.form, option, new))


def _changed(form: Form, option: Option, text: str) -> Form:
    return form.having(option.name, text)


def _text(option: Option, text: str, own: str) -> str:
    new = imgui.input_text_with_hint(f"##{option.name}", _with_unit(option, own) or OWN, text)[1]
    report.mark(option.name)
    return new


def _switch(option: Option, text: str, own: str) -> str:
    on = imgui.checkbox(f"##{option.name}", bool(text))[1]
    report.mark(option.name)
    return "yes" if on else ""


def _choice(option: Option, text: str, own: str) -> str:
    first = own or OWN
    shown = text or first
    with imgui_ctx.push_style_color(imgui.Col_.text, theme.color("text" if text else "dim")):
        new = widgets.drop_down(option.name, shown, (first, *(c for c in option.choices if c != first)))
    return "" if new == first else new


_WIDGETS = {"switch": _switch, "choice": _choice}


def _with_unit(option: Option, own: str) -> str:
    return f"{own} {UNITS[option.metavar]}" if own and option.metavar in UNITS else own


def label_of(option: Option) -> str:
    return LABELS.get(option.name, option.name.replace("-", " ").capitalize())


def tip_of(option: Option) -> str:
    """What it means, and how it is called on the command line."""
    choices = f"\nOne of: {', '.join(option.choices)}" if option.choices and option.kind != "choice" else ""
    return f"{option.help[:1].upper()}{option.help[1:]}.{choices}\n--{option.name}"
