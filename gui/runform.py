"""What is filled in for a new training run: as fields, as the words of a command line, as JSON. Pure."""
from __future__ import annotations

import dataclasses
import json
import re
from argparse import ArgumentTypeError
from dataclasses import dataclass, field
from pathlib import Path

from gui.words import readable
from renderer.launching import Option
from renderer.sets import Glimpse, free_name
from renderer.words import number, whole

CFG = "stylegan2-auto"
PRESETS = ("stylegan2-auto", "stylegan3-t", "stylegan3-r", "stylegan2", "stylegan1")     # shown first
BASIC = ("kimg", "batch", "gamma", "snap", "device", "mirror", "cond")                   # options shown first
ELSEWHERE = ("outdir", "data", "cfg", "desc", "resume", "dry-run", "freezed")            # that have fields of their own


@dataclass(frozen=True)
class Form:
    """`values`: what was typed, by the option's name; what is left out, the preset decides. A switch is 'yes' or ''."""
    data: str = ""
    cfg: str = CFG
    outdir: str = ""
    desc: str = ""
    source: str = ""                     # the checkpoint to go on from; empty: from scratch
    freezed: str = ""
    values: dict[str, str] = field(default_factory=dict)

    def having(self, name: str, text: str) -> Form:
        """With another value of an option; '' leaves it to the preset."""
        if name == "freezed":
            return dataclasses.replace(self, freezed=text)
        others = {key: value for key, value in self.values.items() if key != name}
        return dataclasses.replace(self, values=others | {name: text} if text else others)

    def text(self, name: str) -> str:
        return self.freezed if name == "freezed" else self.values.get(name, "")


def trouble(option: Option, text: str) -> str:
    """Why `text` cannot be the value of an option, in words; '' if it can."""
    text = text.strip()
    try:
        if text and option.kind in ("whole", "number"):
            value = whole(text) if option.kind == "whole" else number(text)
            return f"{text} is below 0" if value < 0 else ""
    except ArgumentTypeError as error:
        return str(error)
    if text and option.kind == "size" and not re.fullmatch(r"[1-9]\d{0,3}[xX][1-9]\d{0,3}", text):
        return f"'{text}' is not of the form 8x4"
    if option.kind == "names":
        unknown = [name for name in re.split(r"[,\s]+", text) if name and name not in (*option.choices, "none")]
        return f"there is no '{unknown[0]}'; choose of none, {', '.join(option.choices)}" if unknown else ""
    return ""


def troubles(form: Form, options: tuple[Option, ...]) -> dict[str, str]:
    """By the option's name."""
    found = {option.name: trouble(option, form.text(option.name)) for option in options}
    return {name: words for name, words in found.items() if words}


def missing(form: Form) -> str:
    """What has to be filled in first; '' if nothing."""
    if not form.data.strip():
        return "Choose the pictures to learn from"
    return "" if form.outdir.strip() else "Choose a folder for the run"


def words(form: Form, options: tuple[Option, ...]) -> list[str]:
    """The words behind `python -m train`; places as absolute paths."""
    found = ["run", *_flag("outdir", absolute(form.outdir)), *_flag("data", absolute(form.data)), "--cfg", form.cfg]
    found += _flag("desc", form.desc.strip())
    if form.source:
        found += [*_flag("resume", form.source), *_flag("freezed", form.freezed.strip())]
    for option in options:
        text = form.values.get(option.name, "").strip()
        if option.name not in ELSEWHERE and text:
            found += [f"--{option.name}"] if option.kind == "switch" else _flag(option.name, _as_typed(option, text))
    return found


def _as_typed(option: Option, text: str) -> str:
    return ",".join(filter(None, re.split(r"[,\s]+", text))) if option.kind == "names" else \
        absolute(text) if option.kind == "path" else text


def _flag(name: str, text: str) -> list[str]:
    """A text that looks like a flag is tied to its own."""
    if not text:
        return []
    return [f"--{name}={text}"] if text.startswith("-") else [f"--{name}", text]


def absolute(path: str) -> str:
    path = path.strip()
    return str(Path(path).expanduser().absolute()) if path else ""


# -- kept between windows ---------------------------------------------------------------------------------------------

def to_json(form: Form) -> str:
    return json.dumps(dataclasses.asdict(form), ensure_ascii=False)


def from_json(text: str) -> Form:
    """What is damaged is left out; a network to go on from is chosen anew each time."""
    try:
        kept = json.loads(text or "{}")
    except (ValueError, RecursionError):
        kept = {}
    kept = kept if isinstance(kept, dict) else {}
    values = kept.pop("values", {})
    texts = {name: readable(value) for name, value in kept.items()
             if name in ("data", "cfg", "outdir", "desc") and isinstance(value, str)}
    values = values if isinstance(values, dict) else {}
    return Form(**texts, values={str(name): readable(value) for name, value in values.items()
                                 if isinstance(value, str) and value})


# -- another data set --------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Conversion:
    """How a set is made of another. `resolution` '': as the pictures are; `folders`: are classes."""
    source: str
    dest: str
    resolution: str = ""
    transform: str = "center-crop"
    folders: bool = False

    def words(self) -> list[str]:
        size = ["--resolution", self.resolution, "--transform", self.transform] if self.resolution else []
        return ["data", absolute(self.source), "-o", absolute(self.dest), *size,
                *(["--labels", "folders"] if self.folders else []), "--progress"]


def suggestion(source: str, found: Glimpse | None) -> Conversion:
    """A conversion that would make the set fit."""
    side = str(found.side) if found else "256"
    return Conversion(source, str(free_name(absolute(source), f"-{side}")), side)
