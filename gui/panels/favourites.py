"""The favourites panel: states worth keeping, as pictures with names."""
from __future__ import annotations

from collections.abc import Callable

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.atlas import Atlas
from gui.favourites import SIDE, Favourite, Favourites
from gui.latents import misfit, showing
from gui.panels.history import described
from gui.requests import shown_name
from renderer.types import RenderRequest, RenderResult

PICTURE_EMS = 5.2
COLUMNS = 16                             # of the atlas
MANY = 8                                 # from so many on there is a search


class FavouritesPanel:
    title = "Favourites"

    def __init__(self, favourites: Favourites, open_file: Callable[[str], None]):
        """`open_file(path)` restores everything that a PNG holds."""
        self._favourites, self._open_file = favourites, open_file
        self._atlas = Atlas(SIDE, COLUMNS)
        self._query = ""
        self._renaming: Favourite | None = None
        self._name, self._focus = "", False          # the new name so far; whether its field is to be entered

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        store = self._favourites
        nothing = "" if result.picture is not None else "There is nothing to keep yet"
        side, gap = imgui.get_frame_height(), imgui.get_style().item_inner_spacing.x
        if widgets.button(f"{fonts.STAR}  Keep what is shown", "The picture and all settings, as a PNG in "
                          f"{store.folder} (B)", nothing, -(side + gap), "Keep"):
            store.keep(result)
        imgui.same_line(0, gap)
        if widgets.icon(fonts.RELOAD, "Read again", "Look into the folder again, for files that were copied there"):
            store.read()
        self._undo()
        entries = store.entries
        if not entries:
            widgets.wrapped("None yet. A favourite keeps the latent, the layer and all else that is set.", "faint")
        if len(entries) >= MANY:
            self._query, _ = widgets.text_field("Search", self._query, f"{fonts.FILTER} Filter by name")
            query = self._query.strip().casefold()
            entries = [favourite for favourite in entries if query in favourite.name.casefold()]
        return self._grid(entries, request, result)

    def _undo(self) -> None:
        if deleted := self._favourites.deleted:
            name = deleted.path.name.removeprefix(".").partition(".png")[0]
            if widgets.button(f"{fonts.RESET}  Undo", "Brings it back", name="Undo"):
                self._favourites.bring_back()
            imgui.same_line()
            widgets.align()
            widgets.clipped(f"Deleted {name}", "dim")

    # -- the pictures -------------------------------------------------------------------------------------------------

    def _grid(self, entries, request: RenderRequest, result: RenderResult) -> RenderRequest:
        size, gap = theme.em(PICTURE_EMS), theme.em(0.4)
        columns = max(int((imgui.get_content_region_avail().x + gap) / (size + gap)), 1)
        size = (imgui.get_content_region_avail().x + gap) / columns - gap
        clipper = imgui.ListClipper()                # only the rows in sight are laid out
        clipper.begin(-(-len(entries) // columns), size + imgui.get_frame_height_with_spacing())
        while clipper.step():
            for place in range(clipper.display_start * columns, min(clipper.display_end * columns, len(entries))):
                if place % columns:
                    imgui.same_line(0, gap)
                with imgui_ctx.push_id(entries[place].name), imgui_ctx.begin_group():
                    request = self._item(entries[place], size, request, result)
        clipper.end()
        return request

    def _item(self, favourite: Favourite, size: float, request: RenderRequest, result: RenderResult) -> RenderRequest:
        why_not = misfit(favourite.request.latent, result.info) if result.info else "Open a network first"
        at = imgui.get_cursor_pos()
        imgui.set_next_item_allow_overlap()
        pressed = imgui.invisible_button("picture", ImVec2(size, size + imgui.get_frame_height()))
        report.mark(favourite.name)
        hovered = imgui.is_window_hovered(imgui.HoveredFlags_.allow_when_blocked_by_active_item) and \
            imgui.is_mouse_hovering_rect(imgui.get_item_rect_min(), imgui.get_item_rect_max())
        if imgui.is_item_hovered():
            widgets.hint(_tip(favourite, why_not))
        if imgui.is_item_hovered() and imgui.is_mouse_clicked(1):
            imgui.open_popup("menu")
        if imgui.is_item_visible():
            self._draw(favourite, size, hovered, favourite.request.latent == request.latent, bool(why_not))
        if hovered or imgui.is_popup_open("menu"):
            self._menu_button(at, size)
        self._menu(favourite)
        if self._renaming and self._renaming.path == favourite.path:
            self._rename(favourite, at, size)
        return showing(request, favourite.request.latent, result.info) if pressed and not why_not else request

    def _draw(self, favourite: Favourite, size: float, hovered: bool, chosen: bool, faded: bool) -> None:
        low, draw = imgui.get_item_rect_min(), imgui.get_window_draw_list()
        self._atlas.draw(draw, favourite.picture, low.x, low.y, size, 0.35 if faded else 1.0)
        if chosen or hovered:
            draw.add_rect(low, ImVec2(low.x + size, low.y + size), theme.ink("accent" if chosen else "dim"), 0.0,
                          theme.em(0.13))
        words = widgets.shorten(favourite.name, size)
        draw.add_text(ImVec2(low.x, low.y + size + theme.em(0.15)), theme.ink("text" if hovered else "dim"), words)

    def _menu_button(self, at: ImVec2, size: float) -> None:
        side = imgui.get_frame_height()
        imgui.set_cursor_pos(ImVec2(at.x + size - side - theme.em(0.2), at.y + theme.em(0.2)))
        if widgets.button(f"{fonts.MORE}##menu", "Open everything, rename, delete", "", side, "Menu"):
            imgui.open_popup("menu")

    # -- what can be done with one ------------------------------------------------------------------------------------

    def _menu(self, favourite: Favourite) -> None:
        actions = (("Open everything", "The network, the layer, the view: all as it was", self._open),
                   ("Rename", "Its file is called so too", self._begin_renaming),
                   ("Delete", "It can be brought back until the window closes", self._favourites.delete))
        with imgui_ctx.begin_popup("menu") as popup:
            for words, tip, action in actions if popup else ():
                if imgui.menu_item(words, "", False)[0]:
                    action(favourite)
                report.mark(words)
                widgets.hint(tip)

    def _open(self, favourite: Favourite) -> None:
        self._open_file(str(favourite.path))

    def _begin_renaming(self, favourite: Favourite) -> None:
        self._renaming, self._name, self._focus = favourite, favourite.name, True

    def _rename(self, favourite: Favourite, at: ImVec2, size: float) -> None:
        """In the name's place: Enter takes the new one, a click elsewhere or Esc leaves the old one."""
        imgui.set_cursor_pos(ImVec2(at.x, at.y + size))
        imgui.set_next_item_width(size)
        if self._focus:
            imgui.set_keyboard_focus_here()
        flags = imgui.InputTextFlags_.enter_returns_true | imgui.InputTextFlags_.auto_select_all
        entered, self._name = imgui.input_text("##name", self._name, flags)
        report.mark("New name")
        if entered:
            self._favourites.rename(favourite, self._name)
        if entered or imgui.is_item_deactivated() and not self._focus:
            self._renaming = None
        self._focus = False

    def close(self) -> None:
        self._atlas.close()


def _tip(favourite: Favourite, why_not: str) -> str:
    request = favourite.request
    lines = [favourite.name, described(request.latent), shown_name(request.checkpoint.path)]
    return "\n".join([*lines, why_not or "Click for its latent on this network, right-click for more"])
