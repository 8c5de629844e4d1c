"""What became of the pictures: every one that was skipped or repaired, and the same in few lines."""
from __future__ import annotations

from pathlib import Path

from nets.errors import one_line
from renderer.images import write_whole

SHOWN_EACH = 3                           # of the same fate; more are counted


class Report:
    """Lines of `fate, name: what`; `notes` are lines of their own, in front."""

    def __init__(self, notes: list[str] = ()):
        self.notes = list(notes)
        self._skipped: list[tuple[str, str]] = []        # (name, reason)
        self._changed: list[tuple[str, str]] = []

    def skip(self, name: str, reason: str) -> None:
        self._skipped.append((name, reason))

    def change(self, name: str, what: str) -> None:
        self._changed.append((name, what))

    @property
    def skipped(self) -> int:
        return len(self._skipped)

    @property
    def changed(self) -> int:
        return len({name for name, _ in self._changed})

    @property
    def first_skipped(self) -> str:
        return one_line(": ".join(self._skipped[0]))

    def summary(self) -> list[str]:
        """One line a picture, or one for many of the same fate."""
        return self.notes + _collapsed("skipped", self._skipped) + _collapsed("changed", self._changed)

    def full(self) -> list[str]:
        """One line a picture, whatever their number."""
        return self.notes + [_line(fate, *entry) for fate, entries in (
            ("skipped", self._skipped), ("changed", self._changed)) for entry in entries]

    def write(self, path: Path, heading: list[str]) -> None:
        """Raises UserError where it can't be written."""
        text = "\n".join([*map(one_line, heading), *self.full(), ""])
        write_whole(path, lambda file: file.write(text.encode("utf-8", "replace")))


def _line(fate: str, name: str, what: str) -> str:
    return one_line(f"{fate} {name}: {what}")


def _collapsed(fate: str, entries: list[tuple[str, str]]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name, what in entries:
        groups.setdefault(what, []).append(name)
    lines = []
    for what, names in groups.items():
        if len(names) <= SHOWN_EACH:
            lines += [_line(fate, name, what) for name in names]
        else:
            lines.append(one_line(f"{fate} {len(names)} pictures: {what} (the first: {names[0]})"))
    return lines


