"""The lab in the window: a panel for each kind of inspection, the tour through them, their menu, and which is asked
for."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gui.commands import Command
from gui.exports import Exporter
from gui.panels.lab import LabPanel
from gui.panels.tour import TourPanel
from renderer.inspection import KINDS, Inspection
from renderer.types import RenderRequest, RenderResult

TITLES = {                               # in the menu's order; a kind that isn't named here comes last, by its own name
    "spectra": "Average spectra", "droplets": "Droplets", "sticking": "Texture sticking",
    "equivariance": "Equivariance", "noise": "Noise effects", "truncation": "Truncation sweep",
    "mixing": "Style table", "path": "Latent path", "filters": "Filter response", "layers": "Layer plan",
}
MENU = "Inspect"


def kinds() -> list[str]:
    return [kind for kind in TITLES if kind in KINDS] + [kind for kind in KINDS if kind not in TITLES]


def title_of(kind: str) -> str:
    return TITLES.get(kind, kind.capitalize())


TABS = tuple(map(title_of, kinds()))     # of the panels, side by side in one place


class Lab:
    """`show(title)` brings a panel to the front, `hide(titles)` closes some; all are closed when the window opens."""

    def __init__(self, exporter: Exporter, reference: Callable[[], RenderResult | None], show: Callable[[str], None],
                 hide: Callable[[set[str]], None]):
        self._show, self._hide = show, hide
        self._kinds = tuple(LabPanel(kind, title_of(kind), exporter, reference) for kind in kinds())
        self.panels = (*self._kinds, TourPanel(self.take))
        self.titles = {panel.title for panel in self.panels}
        self.commands = (*(self._command(panel.title, MENU) for panel in self._kinds),
                         self._command(TourPanel.title, "Help"))

    def _command(self, title: str, menu: str) -> Command:
        return Command(title, lambda q, r: self._show(title), "", menu)

    def take(self, inspection: Inspection) -> None:
        """Opens its panel alone, and starts there."""
        self.stop()
        self._hide({panel.title for panel in self._kinds})
        panel = next(panel for panel in self._kinds if panel.kind == inspection.kind)
        panel.take(inspection)
        self._show(panel.title)

    def stop(self) -> None:
        for panel in self._kinds:
            panel.running = False

    def in_sight(self, request: RenderRequest, shown: set[str]) -> RenderRequest:
        """`request`, without an inspection whose panel is not among the titles that are `shown`."""
        inspection = request.inspect
        return request if inspection is None or title_of(inspection.kind) in shown else replace(request, inspect=None)
