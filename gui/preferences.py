"""Switches of panels that are kept between runs, by what they are called."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Switch:
    """The attribute `name` of `holder`, a bool."""
    holder: object
    name: str

    @property
    def on(self) -> bool:
        return getattr(self.holder, self.name)

    def flip(self) -> None:
        setattr(self.holder, self.name, not self.on)


class Preferences:
    """Of panels that have `switches`, as they were when this was made."""

    def __init__(self, panels: Iterable):
        self._switches = {f"{panel.title}/{switch.name.strip('_')}": switch
                          for panel in panels for switch in getattr(panel, "switches", ())}
        self._first = {name: switch.on for name, switch in self._switches.items()}

    def restore(self, flipped: Iterable[str]) -> None:
        """As they were when `flipped` was read; names that no panel knows any more are passed over."""
        for name in set(flipped) & self._switches.keys():
            if self._switches[name].on == self._first[name]:
                self._switches[name].flip()

    @property
    def flipped(self) -> tuple[str, ...]:
        return tuple(sorted(name for name, switch in self._switches.items() if switch.on != self._first[name]))
