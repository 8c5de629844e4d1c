"""Everything on the window's desk: the panels in their order, the bars, the commands, and what they share."""
from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import commands, layout, report, theme, widgets
from gui.commands import Command
from gui.dialogs import Dialogs, folder_of
from gui.jobs import Jobs
from gui.messages import Messages
from gui.panels.capture import CapturePanel
from gui.panels.channel import ChannelPanel
from gui.panels.compare import ComparePanel
from gui.panels.latent import LatentPanel
from gui.panels.layers import LayersPanel
from gui.panels.mixing import MixingPanel
from gui.panels.network import NetworkPanel, choose_path
from gui.panels.performance import FrameTimes, PerformancePanel
from gui.panels.spectrum import RadialPanel, SpectrumPanel
from gui.panels.status import StatusBar, summary
from gui.panels.transform import TransformPanel
from gui.panels.truncation import TruncationPanel
from gui.panels.viewer import Viewer
from gui.requests import closed, of_image, of_table, stepped
from gui.saving import Saver
from renderer.types import DEMOS, RenderRequest, RenderResult

if TYPE_CHECKING:
    from gui.app import App

Answer = Callable[[RenderRequest], RenderResult]
ABOUT = "Stylescope, a microscope for StyleGAN. Apache-2.0."


class Desk:
    """Draws the whole window around the request and gives back what it became."""

    def __init__(self, app: App):
        self._app = app
        self.messages, self.frames, self.dialogs = Messages(), FrameTimes(), Dialogs()
        self.jobs = Jobs(self.messages, app.window.wake)
        self.saver = Saver(self.jobs, self.messages, app.capture_folder)
        self.latent, self.mixing = LatentPanel(), MixingPanel()
        self.viewer = Viewer(self.ask_file, self._recents, lambda: app.thread.activity())
        self.panels = (
            NetworkPanel(self.ask_file, self._recents), self.latent, self.mixing, TransformPanel(), TruncationPanel(),
            LayersPanel(), ChannelPanel(self.jobs),
            ComparePanel(self._ask_second, self._recents, app.reference.result, app.reference.matched, self.jobs),
            CapturePanel(self.saver, self.ask_folder, self._table),
            SpectrumPanel(), RadialPanel(), PerformancePanel(self.frames), self.viewer,
        )
        self.status = StatusBar(self.messages, app.activity, lambda: self.viewer.readout, app.cancel)
        self.hidden = set(app.settings.hidden)
        self._docked: set[str] = set()   # titles of panels that are docked, as of the last frame
        self.viewer_alone = False
        self.commands = self._commands()
        self._layout_wanted = not app.settings.layout
        self._scale = app.window.scale
        self._popup = ""                 # title of the popup to open
        if app.settings.layout:
            imgui.load_ini_settings_from_memory(layout.rescaled(app.settings.layout, self._scale))

    # -- a frame ------------------------------------------------------------------------------------------------------

    def draw(self, request: RenderRequest, answer: Answer) -> RenderRequest:
        """`answer(request)`: the newest result, as far as it is about the request's file."""
        request = self._guard("Menu", lambda: self._menus(request, answer(request))) or request
        self._guard("Status", self.status)
        self._dock()
        shown = set()
        for panel in self.panels:
            request = self._panel(panel, request, answer(request), shown)
        if request.spectrum is not None and not shown & {SpectrumPanel.title, RadialPanel.title}:
            request = replace(request, spectrum=None)
        request = self._keys(request, answer)
        self._guard("Dialog", self.dialogs.draw)
        self._popups()
        return request

    def _keys(self, request: RenderRequest, answer: Answer) -> RenderRequest:
        for command in commands.pressed(self._app.window.take_chords(), self.commands):
            request = self._guard(command.title, partial(commands.run, command, request, answer(request))) or request
        return request

    def _panel(self, panel, request: RenderRequest, result: RenderResult, shown: set[str]) -> RenderRequest:
        """One panel in its window; a panel that fails says so and leaves the request as it was."""
        alone = self.viewer_alone and panel is self.viewer
        if panel.title in self.hidden or self.viewer_alone and not alone:
            return request
        if alone:
            screen = imgui.get_main_viewport()
            imgui.set_next_window_pos(screen.work_pos)
            imgui.set_next_window_size(screen.work_size)
        flags = imgui.WindowFlags_.no_decoration | imgui.WindowFlags_.no_docking if alone else 0
        if alone or panel.title in self._docked:
            flags |= imgui.WindowFlags_.no_background        # the window's own: a layer less to draw in software
        name = f"{panel.title}##alone" if alone else panel.title
        with imgui_ctx.begin(name, None if alone else True, flags) as opened, report.panel(panel.title):
            (self._docked.add if imgui.is_window_docked() else self._docked.discard)(panel.title)
            report.mark_tab()
            if not alone and not opened.opened:
                self.hidden.add(panel.title)
            elif opened.expanded:
                shown.add(panel.title)
                request = self._guard(panel.title, lambda: panel(request, result)) or request
        return request

    def _guard(self, title: str, draw: Callable):
        try:
            return draw()
        except Exception as error:
            text = f"{title}: {type(error).__name__}: {error}"
            if not self.messages.latest or self.messages.latest.text != text:
                self.messages.say(text, error=True, details=traceback.format_exc())
            return None

    def _dock(self) -> None:
        flags = imgui.DockNodeFlags_.keep_alive_only if self.viewer_alone else 0
        screen = imgui.get_main_viewport()
        with imgui_ctx.push_style_color(imgui.Col_.window_bg, theme.color("panel", 0.0)):
            root = imgui.dock_space_over_viewport(0, screen, flags)
        if self._layout_wanted:
            self._layout_wanted = False
            layout.build(root, screen.work_pos, screen.work_size, theme.em())

    @property
    def moving(self) -> bool:
        """Something moves without being touched, or is held."""
        return self.latent.playing or imgui.is_any_mouse_down()

    @property
    def polling(self) -> bool:
        return self.dialogs.polling

    def layout_text(self) -> str:
        """As it would be at 100 %."""
        return layout.rescaled(imgui.save_ini_settings_to_memory(), 1 / self._scale)

    def follow_scale(self, scale: float) -> None:
        """Panels grow with the text in them. Between frames only."""
        if scale != self._scale:
            text = layout.rescaled(imgui.save_ini_settings_to_memory(), scale / self._scale)
            self._scale = scale
            imgui.load_ini_settings_from_memory(text)

    def close(self) -> None:
        self.jobs.close()
        for panel in self.panels:
            if hasattr(panel, "close"):
                panel.close()

    # -- menus and commands -------------------------------------------------------------------------------------------

    def _menus(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        with imgui_ctx.begin_main_menu_bar() as bar, report.panel("Menu"):
            if not bar:
                return request
            for title in ("File", "View", "Latent", "Help"):
                with imgui_ctx.begin_menu(title) as menu:
                    report.mark(title)
                    if menu:
                        request = commands.draw_menu(title, self.commands, request, result)
                        if title == "File":
                            request = self._open_lists(request)
                        elif title == "View":
                            self._panel_list()
            words = summary(result)
            imgui.same_line(imgui.get_window_width() - imgui.calc_text_size(words).x - theme.em(1.2))
            widgets.text(words, "dim")
        return request

    def _open_lists(self, request: RenderRequest) -> RenderRequest:
        imgui.separator()
        for title, paths in (("Recent", self._app.settings.recents), ("Demos", [f"demo:{name}" for name in DEMOS])):
            with imgui_ctx.begin_menu(title, bool(paths)) as menu:
                report.mark(title)
                if menu:
                    request = choose_path(paths, request)
        return request

    def _panel_list(self) -> None:
        imgui.separator()
        for panel in self.panels:
            visible = panel.title not in self.hidden
            if imgui.menu_item(panel.title, "", visible)[0]:
                self.hidden ^= {panel.title}
            report.mark(panel.title)

    def _commands(self) -> tuple[Command, ...]:
        app, viewer, saver = self._app, self.viewer, self.saver
        return (
            *(command for panel in self.panels for command in getattr(panel, "commands", ())),
            Command("Open…", lambda q, r: self.ask_file(), "Ctrl+O", "File"),
            Command("Close network", lambda q, r: closed(q), "", "File"),
            Command("Save picture", lambda q, r: saver.save_shown(r), "Ctrl+S", "File", 1),
            Command("Save image", lambda q, r: saver.render(of_image(q)), "", "File", 1),
            Command("Save mixing table", self._save_table, "", "File", 1),
            Command("Save window", lambda q, r: saver.save_window(), "Ctrl+Shift+S", "File", 1),
            Command("Quit", lambda q, r: app.window.quit(), "Ctrl+Q", "File", 2),
            Command("Fit picture", lambda q, r: viewer.fit(), "F", "View"),
            Command("Actual size", lambda q, r: viewer.actual_size(), "1", "View"),
            Command("Viewer alone", lambda q, r: self._toggle_alone(), "Tab", "View", 1, lambda: self.viewer_alone),
            Command("Reset layout", lambda q, r: self._reset_layout(), "", "View", 1),
            Command("Larger", lambda q, r: self._zoom(1.1), "Ctrl+Plus", "View", 2),
            Command("Smaller", lambda q, r: self._zoom(1 / 1.1), "Ctrl+Minus", "View", 2),
            Command("Normal size", lambda q, r: self._zoom(0), "Ctrl+0", "View", 2),
            Command("Animate", lambda q, r: self._toggle_play(), "Space", "Latent", 0, lambda: self.latent.playing),
            Command("Next seed", lambda q, r: stepped(q, 1), "Right", "Latent", 1),
            Command("Previous seed", lambda q, r: stepped(q, -1), "Left", "Latent", 1),
            Command("Next row of seeds", lambda q, r: stepped(q, 100), "Down", "Latent", 1),
            Command("Previous row of seeds", lambda q, r: stepped(q, -100), "Up", "Latent", 1),
            Command("Cancel", lambda q, r: app.cancel(), "Esc", "Latent", 2),
            Command("Shortcuts", lambda q, r: self._open_popup("Shortcuts"), "F1", "Help"),
            Command("About", lambda q, r: self._open_popup("About"), "", "Help"),
            *(command for panel in self.panels for command in getattr(panel, "commands", ())),
        )

    def _table(self, request: RenderRequest, result: RenderResult):
        return request.table or self.mixing.table(request, result.info)

    def _save_table(self, request: RenderRequest, result: RenderResult) -> None:
        if table := self._table(request, result):
            self.saver.render(of_table(request, table))
        else:
            self.messages.say("Set up the mixing table in Style mixing first", error=True)

    def _toggle_alone(self) -> None:
        self.viewer_alone = not self.viewer_alone

    def _toggle_play(self) -> None:
        self.latent.playing = not self.latent.playing

    def _reset_layout(self) -> None:
        self.hidden.clear()
        self.viewer_alone = False
        self._layout_wanted = True

    def _zoom(self, factor: float) -> None:
        window = self._app.window
        window.zoom = min(max(window.zoom * factor, 0.5), 3.0) if factor else 1.0

    # -- questions ----------------------------------------------------------------------------------------------------

    def _recents(self) -> tuple[str, ...]:
        return self._app.settings.recents

    def ask_file(self) -> None:
        recents = self._recents()
        self.dialogs.ask_file("Open a checkpoint", folder_of(recents[0] if recents else ""), self._app.open)

    def _ask_second(self, then: Callable[[str], None]) -> None:
        recents = self._recents()
        self.dialogs.ask_file("Open a second network", folder_of(recents[0] if recents else ""), then)

    def ask_folder(self) -> None:
        def chosen(folder: str) -> None:
            self._app.settings = self._app.settings.with_capture_folder(folder)
            self._app.save_settings()
        self.dialogs.ask_folder("Where pictures are saved", str(self._app.capture_folder()), chosen)

    def _open_popup(self, title: str) -> None:
        self._popup = title

    def _popups(self) -> None:
        if self._popup:
            imgui.open_popup(self._popup)
            self._popup = ""
        center = imgui.get_main_viewport().get_center()
        for title, draw in (("Shortcuts", lambda: commands.draw_sheet(self.commands)),
                            ("About", lambda: widgets.text(ABOUT))):
            imgui.set_next_window_pos(center, imgui.Cond_.appearing, ImVec2(0.5, 0.5))
            with imgui_ctx.begin_popup(title) as popup:
                if popup:
                    draw()
