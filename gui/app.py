"""The frame loop: panels turn the request into the next one, the newest result is shown. It waits for nothing."""
from __future__ import annotations

import dataclasses
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path, PurePath

import platformdirs

from gui import report
from gui import settings as kept
from gui.desk import Desk
from gui.files import Files, following
from gui.history import History
from gui.pace import ANIMATION, WORKING, Pace
from gui.reference import Reference
from gui.requests import ViewMemory, completed, opening, same_file
from gui.session import PAUSE, Session, default_folder
from gui.settings import Settings
from gui.signals import on_end
from gui.window import Window, WindowError
from renderer.report import Report
from renderer.thread import RenderThread
from renderer.types import DEMOS, Activity, RenderRequest, RenderResult

SWITCH_INTERVAL = 0.0005                 # seconds: how long another thread may keep Python's lock from the frame loop


def run(files: list[str], request: RenderRequest | None = None) -> int:
    """Opens the window on the first of `files` (the others wait under Recent), on `request`, or else on a demo.

    Returns the process's exit status.
    """
    try:
        settings = kept.load(kept.default_file())
        for path in reversed([path for path in files[1:] if Path(path).exists()]):
            settings = settings.with_recent(path)
        window = Window("Stylescope", (settings.width, settings.height), settings.zoom, settings.theme,
                        settings.position, settings.maximized)
    except WindowError as error:
        print(error, file=sys.stderr)
        return 1
    sys.setswitchinterval(SWITCH_INTERVAL)
    app = App(window, settings, request or opening(RenderRequest(), f"demo:{DEMOS[1]}"))
    on_end(window.quit)
    try:
        if files:
            app.open(files[0])
        app.loop()
    finally:
        app.close()
    return 0


class App:
    """What the window shows: the request as the person has set it, and the newest result."""

    def __init__(self, window: Window, settings: Settings, request: RenderRequest):
        self.window, self.settings, self.request = window, settings, request
        self.result = RenderResult(RenderRequest())
        self._to_do: deque[Callable[[], None]] = deque()     # by the next frame
        self._submitted: RenderRequest | None = None
        self._seen: RenderResult | None = None
        self._trouble = ""               # of the renderer, said already
        self._views = ViewMemory()
        self._pace = Pace()
        self._frame_began = time.perf_counter()
        self.thread, self.reference = RenderThread(window.wake), Reference(lambda: RenderThread(window.wake))
        self.history = History(request)
        self.desk = Desk(self)
        self.session = Session(default_folder(), self.desk.jobs, request)
        self.files = Files(self)
        self.files.look_for_lost()
        if not settings.greeted:
            self.desk.greet()

    # -- the loop -----------------------------------------------------------------------------------------------------

    def loop(self) -> None:
        while not self.window.closing:
            if self.window.wait(self._pace.wait(time.perf_counter(), self._every())):
                self._pace.happened(time.perf_counter())
            self._frame()
            self._pace.drawn(time.perf_counter())

    def _every(self) -> float | None:
        """The longest time between two frames, for what moves by itself."""
        if self.desk.moving:
            return ANIMATION
        if self.activity() or self.desk.polling:
            return WORKING
        return PAUSE if self.session.pending or self.files.follower.folder else None

    def _frame(self) -> None:
        began = time.perf_counter()
        passed, self._frame_began = began - self._frame_began, began
        self._receive()
        self._receive_reference()
        for path in self.window.take_dropped():
            self.desk.take_dropped(path) or self.files.open(path)
        while self._to_do:
            self._to_do.popleft()()
        before = self.request
        if self.desk.playing and self._answered():
            self.request = self.desk.advance(self.request, passed)
        self.desk.follow_scale(self.window.follow_scale())
        self.window.set_title(title_of(self.request))
        with self.window.frame():
            self.request = self.desk.draw(self.request, self.shown)
        self.request = self._views.follow(before, self.request)
        if self.desk.saver.window_due():
            self.desk.saver.window_drawn(self.window.pixels(), self.request)
        self._remember_request(began)
        self.desk.frames.add(time.perf_counter() - began)
        self.window.present()
        self._submit()
        if report.enabled():
            report.publish(self._facts())

    # -- between the window and the renderer --------------------------------------------------------------------------

    def _submit(self) -> None:
        while self._seen is not None and self._seen.request == self.desk.saver.request:
            self.desk.saver.take(self._seen)         # just answered: it would not be begun again
        wanted = self.desk.saver.request or replace(self.request, compare=None)
        if wanted != self._submitted:
            self.thread.submit(wanted)
            self._submitted = wanted

    def _receive(self) -> None:
        result = self.thread.latest()
        if result is None or result is self._seen:
            return
        self._seen = result
        if self.desk.saver.take(result) and result.request != replace(self.request, compare=None):
            return
        if result.info:
            self.request = completed(self.request, result)
        if not result.error and self.result.error:
            self.desk.messages.clear()
        if result.notes and result.notes != self.result.notes:
            self.desk.messages.say(" ".join(result.notes))
        if result.trouble and result.trouble != self._trouble:
            self._trouble = result.trouble
            self.desk.messages.say(result.trouble, details="\n".join({op.details for op in result.ops if op.details}))
        if result.error and result.request == self._submitted:
            self.desk.messages.say(result.error, error=True, details=result.details or "")
        known = self.result.info if same_file(self.result.request, result.request) else None
        self.result = result if result.info or not known else replace(result, info=known)
        if result.info and not result.info.path.startswith("demo:"):
            self._remember(result.info.path)
            self.desk.recents.keep(result)

    def _receive_reference(self) -> None:
        result = self.reference.follow(self.request, self.result)
        if result is not None and result.error:
            self.desk.messages.say(f"Reference: {result.error}", error=True, details=result.details or "")
        if result is not None and result.info and not result.info.path.startswith("demo:"):
            self._keep_settings(self.settings.with_second(result.info.path))
            self.desk.recents.keep(result)

    def activity(self) -> Activity | None:
        """What is being rendered, first of all for the picture itself."""
        return self.thread.activity() or self.reference.activity()

    def shown(self, request: RenderRequest) -> RenderResult:
        """The newest result, or an empty one while another file is being opened."""
        return self.result if same_file(self.result.request, request) else RenderResult(RenderRequest())

    def _answered(self) -> bool:
        return self._seen is not None and self._seen.request == self._submitted

    def cancel(self) -> None:
        """Gives up what is being done and goes back to what is shown."""
        self.desk.rest()
        if self.activity() is None:
            self.desk.cancel_jobs()
            return
        if self.thread.activity() is not None:
            self.desk.saver.forget()
            self.thread.cancel()
            self.desk.lab.stop()
            self.restore(replace(self.result.request, compare=self.request.compare, inspect=None))
        self.reference.cancel()
        self.desk.messages.say("Cancelled")

    def open(self, path: str) -> None:
        """Whatever `path` is (see gui.files), at the next frame."""
        self.later(lambda: self.files.open(path))

    def later(self, call: Callable[[], None]) -> None:
        """Lets the frame loop call it before its next frame. From any thread."""
        self._to_do.append(call)
        self.window.wake()

    def restore(self, request: RenderRequest) -> None:
        """Turns the window to `request` at the next frame, its view as it is there, its inspection in its panel."""
        def turn() -> None:
            self.request = request
            if request.inspect is not None:
                self.desk.lab.take(request.inspect)
        self.later(turn)

    def change(self, how: Callable[[RenderRequest], RenderRequest]) -> None:
        """Turns the request at the next frame into what `how` makes of it. From any thread."""
        self.later(lambda: setattr(self, "request", how(self.request)))

    def turn_to(self, path: str) -> None:
        """The same view of a newer snapshot; that is nothing to undo."""
        self.request = following(self.request, path)
        self.history.adopt(self.request)

    def undo(self) -> None:
        self.later(lambda: setattr(self, "request", self.history.undo() or self.request))

    def redo(self) -> None:
        self.later(lambda: setattr(self, "request", self.history.redo() or self.request))

    # -- what is remembered -------------------------------------------------------------------------------------------

    def _remember_request(self, now: float) -> None:
        """After a frame at `now` seconds: for undo, and for a session that ends before its time."""
        self.history.follow(self.request, self.desk.held, now)
        self.session.follow(self.request, now)
        self.files.follower.poll(self.request.checkpoint.path, now)

    def _remember(self, path: str) -> None:
        self._keep_settings(self.settings.with_recent(path))

    def _keep_settings(self, settings: Settings) -> None:
        if settings != self.settings:
            self.settings = settings
            self.save_settings()

    def save_settings(self) -> None:
        settings = self.settings
        self.desk.jobs.run("save the settings", lambda: kept.save(settings, kept.default_file()))

    def capture_folder(self) -> Path:
        chosen = self.settings.capture_folder
        return Path(chosen) if chosen else _pictures_folder()

    def close(self) -> None:
        width, height = self.window.size
        self.settings = replace(self.settings, width=width, height=height, position=self.window.position,
                                maximized=self.window.maximized, zoom=self.window.zoom, theme=self.window.look,
                                greeted=True, layout=self.desk.layout_text(), hidden=self.desk.hidden_next_time,
                                switches=self.desk.preferences.flipped)
        self.window.hide()               # what is still to be written may take a while
        self.save_settings()
        self.thread.close()
        self.reference.close()
        self.desk.close()
        self.session.end()
        self.window.close()

    def _facts(self) -> dict:
        """What tests and scripts may ask of the window, beside where its widgets are."""
        shown, activity, message = self.result, self.activity(), self.desk.messages.latest
        other = self.reference.result()
        return {
            "request": dataclasses.asdict(self.request), "answered": self._answered() and not activity,
            "activity": activity.text if isinstance(activity, Activity) else "",
            "error": shown.error or "", "message": message.text if message else "",
            "traces": [message.text for message in self.desk.messages.all() if message.details],
            "picture": list(shown.picture.shape) if shown.picture is not None else [],
            "family": shown.info.family if shown.info else "", "device": shown.device,
            "stats": dataclasses.asdict(shown.stats) if shown.stats else None,
            "spectrum": [*shown.spectrum.extent] if shown.spectrum else None,
            "reference": dataclasses.asdict(other.request) if other and other.picture is not None else None,
            "matched": self.reference.matched() is not None, "threads": threading.active_count(),
            "reused": [t.name for t in shown.times if t.reused], "ran": [t.name for t in shown.times if not t.reused],
            "viewer": dataclasses.asdict(self.desk.viewer.placement), "readout": self.desk.viewer.readout,
            "spectra": [panel.readout for panel in self.desk.spectra],
            "settings": {"recents": self.settings.recents}, "scale": self.window.scale, "theme": self.window.look,
            "focused": self.window.focused, "typing": self.window.typing,
            "full_screen": self.window.full_screen, "undo": self.history.undoes, "redo": self.history.redoes,
            "report": told(shown.report), "other_report": told(other.report) if other else None,
            "training": self.desk.training_panel.facts(),
            "new_run": self.desk.new_run.facts,
            "notice": self.desk.notices.shown.text if self.desk.notices.shown else "",
        }


def told(found: Report | None) -> dict | None:
    """Of an inspection's report, for tests and scripts."""
    return found and {"kind": found.kind, "done": found.done, "total": found.total, "refusal": found.refusal,
                      "remarks": found.remarks, "figures": [figure.name for figure in found.figures]}


@cache
def _pictures_folder() -> Path:
    """Asked for in every frame; to find it takes reading a file."""
    return Path(platformdirs.user_pictures_dir()) / "Stylescope"


def title_of(request: RenderRequest) -> str:
    path = request.checkpoint.path
    return f"{PurePath(path).name} - Stylescope" if path else "Stylescope"
