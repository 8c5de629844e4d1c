"""The history panel: the latents visited, as small pictures; a click goes back to one."""
from __future__ import annotations

from imgui_bundle import ImVec2, imgui

from gui import report, theme, widgets
from gui.atlas import Atlas
from gui.latents import misfit, showing
from gui.requests import seed_of
from gui.visits import LIMIT, SIDE, Visits
from renderer.types import Latent, RenderRequest, RenderResult

PICTURE_EMS = 3.6
COLUMNS = 8                              # of the atlas


class HistoryPanel:
    title = "History"

    def __init__(self, visits: Visits):
        self._visits, self._atlas = visits, Atlas(SIDE, COLUMNS)
        assert COLUMNS ** 2 >= LIMIT

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        visits = self._visits.entries
        if not visits:
            widgets.wrapped("Pictures you rest on are remembered here. A click goes back to one.", "faint")
            return request
        size, gap = theme.em(PICTURE_EMS), theme.em(0.25)
        columns = max(int((imgui.get_content_region_avail().x + gap) / (size + gap)), 1)
        for place, visit in enumerate(reversed(visits)):
            if place % columns:
                imgui.same_line(0, gap)
            chosen = visit.latent == request.latent
            why_not = misfit(visit.latent, result.info) if result.info else ""
            if self._picture(visit, place, size, chosen, why_not):
                request = showing(request, self._visits.go_back(visit), result.info)
        return request

    def _picture(self, visit, place: int, size: float, chosen: bool, why_not: str) -> bool:
        with widgets.disabled(why_not):
            pressed = imgui.invisible_button(f"visit {place}", ImVec2(size, size))
        low, high = imgui.get_item_rect_min(), imgui.get_item_rect_max()
        report.mark(f"Visit {place + 1}")
        widgets.hint(why_not or described(visit.latent))
        if imgui.is_item_visible():
            draw = imgui.get_window_draw_list()
            self._atlas.draw(draw, visit.picture, low.x, low.y, size, 0.35 if why_not else 1.0)
            if chosen or imgui.is_item_hovered():
                draw.add_rect(low, high, theme.ink("accent" if chosen else "dim"), 0.0, theme.em(0.13))
        return pressed

    def close(self) -> None:
        self._atlas.close()


def described(latent: Latent) -> str:
    """'Seed 12, ψ 0.70, class 3'."""
    if latent.w is not None or latent.z is not None:
        words = "A saved w" if latent.w is not None else "A saved z"
    elif latent.x % 1 == latent.y % 1 == 0:
        words = f"Seed {seed_of(latent)}"
    else:
        words = f"Between seeds, x {latent.x:.2f}, y {latent.y:.2f}"
    if latent.psi != 1 and latent.w is None:
        words += f", ψ {latent.psi:.2f}"
    if latent.classes and latent.w is None:
        classes = " + ".join(f"{weight:.2f} of {index}" for index, weight in latent.classes)
        words += f", class {latent.classes[0][0]}" if len(latent.classes) == 1 else f", classes {classes}"
    return words
