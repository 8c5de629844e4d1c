"""Everything on the window's desk: the panels in their order, the bars, the commands, and what they share."""
from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import actions, classes, commands, favourites, layout, menus, recents, report, sheet, theme, widgets
from gui.classes import ClassNames
from gui.dialogs import LATENTS, NAMES, Dialogs, folder_of
from gui.exports import Exporter
from gui.favourites import Favourites
from gui.jobs import Jobs
from gui.lab import Lab
from gui.latents import LatentFiles
from gui.messages import Messages
from gui.notices import Notice, Notices
from gui.palette import Palette
from gui.panels.all_layers import AllLayersPanel
from gui.panels.capture import CapturePanel
from gui.panels.channel import ChannelPanel
from gui.panels.compare import ComparePanel
from gui.panels.favourites import FavouritesPanel
from gui.panels.history import HistoryPanel
from gui.panels.latent import LatentPanel
from gui.panels.layers import LayersPanel
from gui.panels.mixing import MixingPanel
from gui.panels.network import NetworkPanel
from gui.panels.newrun import NewRunPanel, of_window
from gui.panels.performance import FrameTimes, PerformancePanel
from gui.panels.radial import RadialPanel
from gui.panels.spectrum import SpectrumPanel
from gui.panels.status import StatusBar
from gui.panels.tour import TourPanel
from gui.panels.training import TrainingPanel
from gui.panels.transform import TransformPanel
from gui.panels.truncation import TruncationPanel
from gui.panels.viewer import Viewer
from gui.plots import Pointed
from gui.preferences import Preferences
from gui.saving import Saver
from gui.settings import CLOSED_AT_FIRST
from gui.training import Training
from gui.visits import Visits
from renderer.types import Activity, RenderRequest, RenderResult

if TYPE_CHECKING:
    from gui.app import App

Answer = Callable[[RenderRequest], RenderResult]
ABOUT = "Stylescope, a microscope for StyleGAN. Apache-2.0."
GREETING = ("New here? Drag in the seed plane to travel between pictures, click a layer to look inside, "
            "and drop a checkpoint to see your own.")


class Desk:
    """Draws the whole window around the request and gives back what it became."""

    def __init__(self, app: App):
        self._app = app
        self.messages, self.frames, self.dialogs = Messages(), FrameTimes(), Dialogs()
        self.notices = Notices()
        self.jobs = Jobs(self.messages, app.window.wake)         # writing, in order
        self.searches = Jobs(self.messages, app.window.wake)     # looking through disks
        self.recents = recents.Recents(self._recents, self._forget, self.searches, recents.default_folder())
        self.saver = Saver(self.jobs, self.messages, app.capture_folder)
        self.favourites = Favourites(self.jobs, self.messages, favourites.default_folder())
        self.visits = Visits(self.jobs)
        latents = LatentFiles(self.jobs, self.messages, app.capture_folder, app.change)
        names = ClassNames(self.jobs, classes.default_memory())
        self.truncation = TruncationPanel()
        self.latent = LatentPanel(latents, names, self._ask_latent, self._ask_names, self.favourites.keep)
        self.mixing = MixingPanel(self.saver, self.favourites.saved)
        self.viewer = Viewer(self.ask_file, self.recents, lambda: app.thread.activity(), app.reference.result)
        self.capture = CapturePanel(self.saver, self.ask_folder, self.table, app.reference.result,
                                    self._panels_in_sight)
        pointed, exporter = Pointed(), Exporter(self.jobs, app.capture_folder)
        self.spectra = (SpectrumPanel(pointed, exporter), RadialPanel(pointed, exporter),
                        AllLayersPanel(pointed, exporter))
        self.lab = Lab(exporter, app.reference.result, self.show, self.hide)
        self.training = Training(app, self)
        self.training_panel = TrainingPanel(self.training)
        self.new_run = of_window(app, self)
        self.panels = (
            NetworkPanel(self.ask_file, self.recents), self.latent, HistoryPanel(self.visits),
            FavouritesPanel(self.favourites, app.open), self.mixing, TransformPanel(), self.truncation,
            LayersPanel(), ChannelPanel(self.jobs, app.change),
            ComparePanel(self._ask_second, self._recents, app.reference.result, app.reference.matched, self.jobs),
            self.capture, *self.spectra, PerformancePanel(self.frames), *self.lab.panels,
            self.training_panel, self.new_run, self.viewer,
        )
        self.preferences = Preferences(self.panels)
        self.preferences.restore(app.settings.switches)
        self.status = StatusBar(self.messages, lambda: app.activity() or self.job(), lambda: self.viewer.readout,
                                app.cancel)
        self.hidden = {*app.settings.hidden, *self.lab.titles, NewRunPanel.title}
        self._docked: set[str] = set()   # titles of panels that are docked, as of the last frame
        self.viewer_alone = False
        self.commands = actions.commands_of(self, app)
        self.palette = Palette(lambda q, r: actions.entries_of(self, app, q, r))
        self._front = ""                 # title of the panel to bring to the front
        self._layout_wanted = not layout.is_whole(app.settings.layout)
        self._scale = app.window.scale
        self._popup = ""                 # title of the popup to open
        if app.settings.layout:
            imgui.load_ini_settings_from_memory(layout.rescaled(app.settings.layout, self._scale))

    # -- a frame ------------------------------------------------------------------------------------------------------

    def draw(self, request: RenderRequest, answer: Answer) -> RenderRequest:
        """`answer(request)`: the newest result, as far as it is about the request's file."""
        request = self._guard("Menu", lambda: menus.draw(self, request, answer(request))) or request
        self._guard("Status", self.status)
        self._guard("Notice", self.notices.draw)
        self._dock()
        shown, request = set(), replace(request, strip=False)    # panels that show it ask for it
        for panel in self.panels:
            request = self._panel(panel, request, answer(request), shown)
        if request.spectrum is not None and not shown & {SpectrumPanel.title, RadialPanel.title}:
            request = replace(request, spectrum=None)
        request = self.lab.in_sight(request, shown)
        self._guard("Training", partial(self.training.follow, TrainingPanel.title in shown))
        self._bring_to_front()
        self._see(request, answer(request))
        claimed = {key for panel in self.panels if panel.title in shown for key in getattr(panel, "claims", ())}
        request = self._keys(request, answer, claimed)
        request = self._guard("Palette", partial(self.palette.draw, request, answer(request))) or request
        self._guard("Dialog", self.dialogs.draw)
        self._popups()
        return request

    def _see(self, request: RenderRequest, result: RenderResult) -> None:
        moving = self.held or result.request.latent != request.latent
        self.visits.see(result, moving, time.monotonic())

    def _keys(self, request: RenderRequest, answer: Answer, claimed: set[str]) -> RenderRequest:
        """Commands by their keys, except those that a panel has for itself while it has the focus."""
        chords = [chord for chord in self._app.window.take_chords() if chord not in claimed]
        for command in commands.pressed(chords, self.commands):
            result = answer(request)
            if reason := command.reason(request, result):
                self.messages.say(f"{command.title}: {reason}")
            else:
                request = self._guard(command.title, partial(commands.run, command, request, result)) or request
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
        if hasattr(panel, "place") and not alone:
            panel.place()
        name = f"{panel.title}##alone" if alone else panel.title
        with imgui_ctx.begin(name, None if alone else True, flags) as opened, report.panel(panel.title):
            (self._docked.add if _is_docked() else self._docked.discard)(panel.title)
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

    def _bring_to_front(self) -> None:
        if self._front:
            imgui.set_window_focus(self._front)
            self._front = ""

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
        """Something moves by itself, is held, or was typed faster than ImGui takes it in, some of it each frame."""
        waits = len(imgui.get_current_context().input_events_queue) > 0
        return self.playing or imgui.is_any_mouse_down() or waits

    @property
    def playing(self) -> bool:
        """The latent or the noise is animated."""
        return self.latent.playing or self.truncation.playing

    def advance(self, request: RenderRequest, seconds: float) -> RenderRequest:
        """The request `seconds` of animation later."""
        request = self.latent.advance(request, seconds) if self.latent.playing else request
        return self.truncation.advance(request) if self.truncation.playing else request

    def rest(self) -> None:
        """Ends what is animated."""
        self.latent.playing = self.truncation.playing = False

    @property
    def held(self) -> bool:
        """A gesture is under way."""
        return self.moving or imgui.is_any_item_active()

    def job(self) -> Activity | None:
        """The job that takes long."""
        return self.jobs.activity() or self.searches.activity() or self.new_run.run.activity()

    def cancel_jobs(self) -> None:
        if self.job():
            self.messages.say("Cancelled")
        self.jobs.cancel()
        self.searches.cancel()
        self.new_run.run.cancel()

    @property
    def polling(self) -> bool:
        return (self.dialogs.polling or self.jobs.busy or self.searches.busy or self.training.busy
                or self.new_run.polling)

    @property
    def in_menus(self) -> set[str]:
        """Titles of panels that are found in menus of their own."""
        return {*self.lab.titles, TrainingPanel.title, NewRunPanel.title}

    def layout_text(self) -> str:
        """As it would be at 100 %."""
        return layout.rescaled(imgui.save_ini_settings_to_memory(), 1 / self._scale)

    def follow_scale(self, scale: float) -> None:
        """Panels grow with the text in them. Between frames only."""
        if scale != self._scale:
            text = layout.rescaled(imgui.save_ini_settings_to_memory(), scale / self._scale)
            self._scale = scale
            imgui.load_ini_settings_from_memory(text)

    @property
    def hidden_next_time(self) -> tuple[str, ...]:
        """The lab begins closed: its panels are opened for what one wants to know now."""
        return tuple(sorted(self.hidden - self.lab.titles))

    def close(self) -> None:
        self.searches.drop()
        self.searches.close()
        self.favourites.close()
        self.jobs.close()
        self.recents.close()
        for panel in self.panels:
            if hasattr(panel, "close"):
                panel.close()

    # -- what commands do ---------------------------------------------------------------------------------------------

    def table(self, request: RenderRequest, result: RenderResult):
        return request.table or self.mixing.table(request, result.info)

    def _panels_in_sight(self) -> tuple[str, ...]:
        return tuple(panel.title for panel in self.panels if panel.title not in self.hidden)

    def toggle_alone(self) -> None:
        self.viewer_alone = not self.viewer_alone

    def toggle_play(self) -> None:
        self.latent.playing = not self.latent.playing

    def reset_layout(self) -> None:
        self.hidden = {*self.lab.titles, *CLOSED_AT_FIRST}
        self.viewer_alone = False
        self._layout_wanted = True

    def show(self, title: str) -> None:
        """Brings a panel to the front."""
        self.hidden.discard(title)
        self.viewer_alone = False
        self._front = title

    def hide(self, titles: set[str]) -> None:
        self.hidden |= titles

    def take_dropped(self, path: str) -> bool:
        """Whether a panel in sight has a use for it: a folder of pictures is for a new run, while one is filled in."""
        return NewRunPanel.title not in self.hidden and self.new_run.take(path)

    def greet(self) -> None:
        """The first steps, for someone who has never seen the window."""
        def done() -> None:
            self._app.settings = replace(self._app.settings, greeted=True)
            self._app.save_settings()

        def tour() -> None:
            done()
            self.show(TourPanel.title)
        self.notices.offer(Notice("greeting", GREETING, (("Take the tour", tour), ("Got it", done))))

    # -- questions ----------------------------------------------------------------------------------------------------

    def _recents(self) -> tuple[str, ...]:
        return self._app.settings.recents

    def ask_file(self) -> None:
        recents = self._recents()
        self.dialogs.ask_file("Open a checkpoint", folder_of(recents[0] if recents else ""), self._app.open)

    def _ask_second(self, then: Callable[[str], None]) -> None:
        recents = self._recents()
        self.dialogs.ask_file("Open a second network", folder_of(recents[0] if recents else ""), then)

    def _ask_latent(self, then: Callable[[str], None]) -> None:
        self.dialogs.ask_file("Load w or z", str(self._app.capture_folder()), then, LATENTS)

    def _ask_names(self, then: Callable[[str], None]) -> None:
        self.dialogs.ask_file("Load class names", folder_of(self._app.request.checkpoint.path), then, NAMES)

    def ask_run(self) -> None:
        path = self._app.request.checkpoint.path
        self.dialogs.ask_folder("Open a training run's folder", folder_of(path), self._app.open)

    def _forget(self, path: str) -> None:
        self._app.settings = self._app.settings.without_recent(path)
        self._app.save_settings()

    def ask_folder(self) -> None:
        def chosen(folder: str) -> None:
            self._app.settings = self._app.settings.with_capture_folder(folder)
            self._app.save_settings()
        self.dialogs.ask_folder("Where pictures are saved", str(self._app.capture_folder()), chosen)

    def open_popup(self, title: str) -> None:
        self._popup = title

    def _popups(self) -> None:
        if self._popup:
            imgui.open_popup(self._popup)
            self._popup = ""
        center = imgui.get_main_viewport().get_center()
        for title, draw in (("Shortcuts", lambda: sheet.draw(self.commands)),
                            ("About", lambda: widgets.text(ABOUT))):
            imgui.set_next_window_pos(center, imgui.Cond_.appearing, ImVec2(0.5, 0.5))
            with imgui_ctx.begin_popup(title) as popup:
                if popup:
                    draw()


def _is_docked() -> bool:
    """Whether the window that has begun lies in the desk; one that floats has a node of its own, with a tab."""
    node = imgui.internal.get_current_window().dock_node
    return imgui.is_window_docked() and not imgui.internal.dock_node_get_root_node(node).is_floating_node()
