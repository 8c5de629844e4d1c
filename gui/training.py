"""Training runs in the window: which are listed, what is asked of them, and the processes that resume them."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imgui_bundle import imgui

from gui.commands import Command
from gui.runs import Watch
from gui.saving import open_folder
from renderer import launching, runs
from renderer.runs import DIED, PAUSE, STOP, Run

if TYPE_CHECKING:
    from gui.app import App
    from gui.desk import Desk

MENU = "Training"
TITLE = "Training"                       # of the panel
STOPS = "Finishes its step, saves and ends; nothing is lost, and Resume goes on from there"
PAUSES = "Finishes its step, saves and waits, keeping its memory, until Continue"
FOLLOWS = "Opens the newest snapshot, and each next one as it is written, in the view that is set up"


class Training:
    """Asks, starts and follows; the panel shows what `watch` sees."""

    def __init__(self, app: App, desk: Desk):
        self._app, self._desk = app, desk
        self.watch = Watch(app.window.wake, lambda text, trace: desk.messages.say(text, True, trace))
        self.chosen = ""                 # path of the run that is looked at
        self._expected = ""              # path of a run that was just started
        self._resumed: dict[str, tuple[float, launching.Started | None]] = {}    # by path: when, and the process
        self._states: dict[str, str] = {}        # of the runs, as they were seen last
        self.commands = self._commands()

    # -- which runs ---------------------------------------------------------------------------------------------------

    @property
    def outdir(self) -> str:
        """Where new runs go."""
        return self._app.settings.outdir or str(runs.default_outdir())

    @property
    def folders(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.outdir, *self._app.settings.run_folders)))

    def remember(self, folder: str) -> None:
        """Lists the runs of a folder from now on; of a run's own folder, those beside it too."""
        path = Path(folder)
        folder = str(path.parent if runs.is_run(path) else path)
        self._app.settings = self._app.settings.with_run_folder(folder)
        self._app.save_settings()

    def expect(self, path: str) -> None:
        """A run has just made this folder: it is looked at as soon as it is seen."""
        self.remember(path)
        self._expected = path
        self.show()

    def show(self) -> None:
        self._desk.show(TITLE)

    def ask_folder(self) -> None:
        def chosen(folder: str) -> None:
            self.remember(folder)
            self.show()
        self._desk.dialogs.ask_folder("Open a folder of training runs", str(self._nearest(self.outdir)), chosen)

    @staticmethod
    def _nearest(folder: str) -> Path:
        """A folder that is there."""
        return next((path for path in (Path(folder), *Path(folder).parents) if path.is_dir()), Path.home())

    @property
    def run(self) -> Run | None:
        """The run that is looked at."""
        return self.watch.seen.run(self.chosen)

    # -- a frame ------------------------------------------------------------------------------------------------------

    def follow(self, in_sight: bool) -> None:
        """Once a frame: what has become of the runs since. `in_sight`: the panel is."""
        seen = self.watch.seen
        if not in_sight:
            self.watch.rest()
        self._choose(seen.runs)
        for run in seen.runs:
            before = self._states.get(run.path)
            if before in runs.LIVE and not run.is_live:
                self._say_end(run)
        self._states = {run.path: run.state for run in seen.runs}
        self._follow_resumed()

    def _follow_resumed(self) -> None:
        """Until a run begins anew, or its process has ended without that."""
        for path, (when, process) in list(self._resumed.items()):
            run = self.watch.seen.run(path)
            if run is None or run.started > when:
                del self._resumed[path]
            elif process and process.status is not None:
                del self._resumed[path]
                self._desk.jobs.run("resume the run", partial(self._tell_why, run.name, process))

    def _choose(self, found: tuple[Run, ...]) -> None:
        """The run that was started here, else the one that was picked, else a live one, else the newest."""
        if any(run.path == self._expected for run in found):
            self.chosen, self._expected = self._expected, ""
        if found and not any(run.path == self.chosen for run in found):
            self.chosen = next((run for run in found if run.is_live), found[0]).path

    def _say_end(self, run: Run) -> None:
        why = f": {run.error}" if run.error else ""
        self._desk.messages.say(f"{run.name} {run.state}{why}", error=run.state in ("failed", DIED))

    @staticmethod
    def _tell_why(name: str, process: launching.Started) -> None:
        """In a job: the process ended before the run began anew."""
        if process.status:
            raise OSError(process.last_line() or f"{name}: the process ended with status {process.status}")

    @property
    def notes(self) -> dict[str, str]:
        return dict.fromkeys(self._resumed, "resuming")

    @property
    def busy(self) -> bool:
        """Something that was started is awaited."""
        return bool(self._resumed)

    # -- what is asked of a run ---------------------------------------------------------------------------------------

    def pause(self, run: Run) -> None:
        self._ask("pause the run", run, lambda: runs.ask(run.path, PAUSE))

    def go_on(self, run: Run) -> None:
        self._ask("continue the run", run, lambda: runs.go_on(run.path))

    def stop(self, run: Run) -> None:
        self._ask("stop the run", run, lambda: runs.ask(run.path, STOP),
                  f"Asked {run.name} to stop: it finishes its step, saves and ends")

    def _ask(self, what: str, run: Run, do: Callable[[], None], said: str | None = None) -> None:
        def job() -> str | None:
            do()
            self.watch.look_again()
            return said
        self._desk.jobs.run(what, job)

    def resume(self, run: Run) -> None:
        """As a process of its own, which outlives the window."""
        self._resumed[run.path] = time.time(), None

        def job() -> str:
            try:
                process = launching.start(["run", "--resume", run.path], launching.new_log())
            except Exception:
                self._app.later(lambda: self._resumed.pop(run.path, None))
                raise
            self._app.later(lambda: self._started(run.path, process))
            return f"{run.name} goes on as process {process.pid}"
        self._desk.jobs.run("resume the run", job)

    def _started(self, path: str, process: launching.Started) -> None:
        if path in self._resumed:
            self._resumed[path] = self._resumed[path][0], process

    def toggle_following(self, run: Run) -> None:
        if self.is_followed(run):
            self._app.files.follower.stop()
        else:
            self._app.files.follow_run(run.snapshot)

    def is_followed(self, run: Run) -> bool:
        return self._app.files.follower.folder == Path(run.path)

    def show_folder(self, run: Run) -> None:
        def job() -> str | None:
            return None if open_folder(Path(run.path)) else f"No file manager was found here. The run is in {run.path}"
        self._desk.jobs.run("show the folder", job)

    def copy_command(self, run: Run) -> None:
        imgui.set_clipboard_text(run.command)
        self._desk.messages.say("Copied the command line")

    # -- why something can't be asked ---------------------------------------------------------------------------------

    def no_pause(self, run: Run | None) -> str:
        if run is None or not run.is_live:
            return "It does not run" if run else "No run is chosen"
        return "It was asked to stop" if run.wish == STOP else ""

    no_stop = no_pause

    def no_resume(self, run: Run | None) -> str:
        if run is None or run.is_live:
            return "It runs" if run else "No run is chosen"
        if run.path in self._resumed:
            return "It is being resumed"
        if run.state == "finished":
            return "It has finished: all its pictures were shown"
        return "" if run.resumable else "It has saved nothing to go on from: start a new run"

    def no_snapshot(self, run: Run | None) -> str:
        if run is None:
            return "No run is chosen"
        return "" if run.snapshot else "It has saved no snapshot yet"

    def _commands(self) -> tuple[Command, ...]:
        def of_run(title: str, do: Callable[[Run], None], why_not: Callable[[Run | None], str]) -> Command:
            return Command(title, lambda q, r: do(self.run), "", MENU, 1, why_not=lambda q, r: why_not(self.run))

        def pause_or_go_on(run: Run) -> None:
            (self.go_on if is_paused(run) else self.pause)(run)
        toggle = of_run("Pause run", pause_or_go_on, self.no_pause)
        words = lambda: "Continue run" if self.run and is_paused(self.run) else "Pause run"      # noqa: E731
        return (
            Command("Runs", lambda q, r: self.show(), "", MENU),
            Command("Open runs folder…", lambda q, r: self.ask_folder(), "", MENU),
            replace(toggle, label=words),
            of_run("Stop run", self.stop, self.no_stop),
            of_run("Resume run", self.resume, self.no_resume),
            of_run("Follow in viewer", self.toggle_following, self.no_snapshot),
        )

    def close(self) -> None:
        self.watch.close()


def is_paused(run: Run) -> bool:
    """It is, or is asked to."""
    return run.state == "paused" and run.wish == PAUSE or run.wish == PAUSE and run.is_live
