"""Labels for a set: from its folders, from a file, or as the source has them."""
from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

from nets.errors import UserError, one_line
from train.convert.pictures import readable
from train.convert.source import Skip, Source
from train.labels import FILE
from train.writing import Label

FORM = '{"labels": [[path, label], ...]}'


class Classes(NamedTuple):
    """`labels`: one a picture of the source, None for none at all. `names`: of the classes, where they have some."""
    labels: list[Label] | None
    names: list[str] = []
    notes: list[str] = []


def classes_of(source: Source, wanted: str | None) -> Classes:
    """`wanted`: 'folders', 'none', a file's path, or None: what the source itself has. Raises UserError."""
    if wanted == "none":
        return Classes(None)
    if wanted == "folders":
        return _by_folder(source)
    if wanted is not None:
        return _from_file(source, Path(wanted))
    return Classes(source.labels) if source.labels is not None else _kept(source)


def _by_folder(source: Source) -> Classes:
    """Classes in sorted order of the first folders' names. One folder around all, as zips often have, is no class."""
    parts = [name.replace("\\", "/").split("/") for name in source.names]
    while min(map(len, parts)) > 2 and len({part[0] for part in parts}) == 1:
        parts = [part[1:] for part in parts]
    alone = [part[0] for part in parts if len(part) < 2]
    if alone:
        raise UserError(one_line(f"{source.path}: {len(alone)} of {len(parts)} pictures lie in no subfolder, so they "
                                 f"have no class (the first: {alone[0]}); move them, or go without --labels folders"))
    names = sorted({part[0] for part in parts})
    numbers = {name: number for number, name in enumerate(names)}
    return Classes([numbers[part[0]] for part in parts], names)


def _kept(source: Source) -> Classes:
    """Of the source's dataset.json. Nobody asked for them: if they don't fit, the set is made without, and a note."""
    try:
        with readable():
            content = source.read_bytes(FILE)
        given = None if content is None else _parse_json(content)
        return Classes(_matched(source, given)) if given else Classes(None)
    except (Skip, _Unfit) as error:
        return Classes(None, notes=[one_line(f"note: labels of {FILE} left out: {error}")])


def _from_file(source: Source, path: Path) -> Classes:
    try:
        content = path.read_bytes()
        given = _parse_json(content) if path.suffix.lower() == ".json" else _parse_csv(content, source)
        if not given:
            raise _Unfit("it holds no labels")
        labels, names = _numbered(_matched(source, given))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}; --labels takes 'folders', 'none', or a "
                        "file, JSON or CSV") from None
    except _Unfit as error:
        raise UserError(one_line(f"{path}: does not fit {source.path}: {error}")) from None
    unused = len(given.keys() - {_key(name) for name in source.names})
    return Classes(labels, names, [f"note: {unused} labels of {path} are for pictures that are not there"]
                   if unused else [])


class _Unfit(Exception):
    """Why labels cannot be used."""


def _parse_json(content: bytes) -> dict[str, Any]:
    try:
        listed = json.loads(content)["labels"]
        given = {_key(name): value for name, value in listed or ()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise _Unfit(f"it is not of the form {FORM}") from None
    if not all(map(_is_label, given.values())):
        raise _Unfit("labels must be whole numbers from 0 on, or lists of numbers")
    return given


def _parse_csv(content: bytes, source: Source) -> dict[str, Any]:
    """path,class: numbers, or names, which become numbers in sorted order. A first row that names columns is passed."""
    try:
        rows = [row for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error):
        raise _Unfit("it is no CSV file in UTF-8") from None
    wrong = next((row for row in rows if len(row) != 2), None)
    if wrong:
        raise _Unfit(f"it must have two columns, path and class, but a row has {len(wrong)}: {','.join(wrong)}")
    names = {_key(name) for name in source.names}
    if len(rows) > 1 and _key(rows[0][0]) not in names:
        rows = rows[1:]
    return {_key(path): label.strip() for path, label in rows}


def _matched(source: Source, given: dict[str, Any]) -> list[Any]:
    missing = [name for name in source.names if given.get(_key(name)) is None]
    if missing:
        raise _Unfit(f"{len(missing)} of {len(source.names)} pictures have no label, the first: {missing[0]}")
    labels = [given[_key(name)] for name in source.names]
    if len({len(label) if isinstance(label, list) else 0 for label in labels}) > 1:
        raise _Unfit("its labels are of different kinds; all must be classes, or vectors of one length")
    return labels


def _numbered(labels: list[Any]) -> tuple[list[Label], list[str]]:
    """Classes given as text: their numbers where all are such, else those of the names in sorted order."""
    if not isinstance(labels[0], str):
        return labels, []
    if all(label.isdecimal() for label in labels):
        return [int(label) for label in labels], []
    names = sorted(set(labels))
    numbers = {name: number for number, name in enumerate(names)}
    return [numbers[label] for label in labels], names


def _key(name: str) -> str:
    return name.replace("\\", "/").removeprefix("./")


def _is_label(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(type(number) in (int, float) for number in value)
    return value is None or type(value) is int and value >= 0
