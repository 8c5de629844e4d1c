"""The training panel: the list of runs, what can be asked of the one that is chosen, its plots, samples and log."""
from __future__ import annotations

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.runlist import RunList
from gui.runplots import RunPlots
from gui.runs import Seen, Wanted
from gui.runsheets import RunSheets
from gui.training import FOLLOWS, PAUSES, STOPS, TITLE, Training, is_paused
from renderer.runs import Run
from renderer.types import RenderRequest, RenderResult

PARTS = {
    "Plots": "Losses, scores, speed and metrics as they come in", "Samples": "The sample grids over time",
    "Log": "The last lines of its log, and the command that started it",
}
LIST_SHARE = 0.35                        # of the panel's height, at most
WIDE_EMS = 48.0                          # width from which plots and samples stand side by side
NO_RUNS = "No training runs here yet. Those in these folders are listed by themselves:"


class TrainingPanel:
    title = TITLE

    def __init__(self, training: Training):
        self._training = training
        self._list, self.plots = RunList(), RunPlots()
        self.sheets = RunSheets(lambda: training.watch.pictures)
        self._part = "Plots"
        self._shown = ""                 # path of the run that was drawn last
        self._lines = 0                  # of the log that were drawn last
        self.commands = training.commands

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        training, seen = self._training, self._training.watch.seen
        if not seen.runs:
            self._nothing(seen)
        else:
            self._runs(seen)
            if run := training.run:
                self._one(run, seen)
        training.watch.want(self._wanted())
        return request

    def _wanted(self) -> Wanted:
        """For the watch; a grid only while it is in sight."""
        training, seen = self._training, self._training.watch.seen
        in_sight = seen.chosen == training.chosen and ("Samples" in self._parts())
        return Wanted(training.folders, training.chosen, self.sheets.wanted(seen) if in_sight else ())

    def _nothing(self, seen: Seen) -> None:
        if not seen.folders:
            return
        widgets.wrapped(NO_RUNS, "dim")
        for folder in seen.folders:
            widgets.clipped(folder, "faint", from_end=True)
        if widgets.button(f"{fonts.FOLDER}  Open runs folder…", "Lists the runs of another folder, too",
                          name="Open runs folder"):
            self._training.ask_folder()

    # -- the list -----------------------------------------------------------------------------------------------------

    def _runs(self, seen: Seen) -> None:
        training = self._training
        room = max(LIST_SHARE * imgui.get_content_region_avail().y, self._list.height_of(1))
        height = min(self._list.height_of(len(seen.runs)), room)
        training.chosen, resumed = self._list(seen.runs, training.chosen, training.notes, height)
        if resumed:
            training.resume(resumed)

    # -- the run that is chosen ---------------------------------------------------------------------------------------

    def _one(self, run: Run, seen: Seen) -> None:
        if run.path != self._shown:
            self._shown = run.path
            self.plots.reset()
            self.sheets.reset()
        self._buttons(run)
        if seen.chosen != run.path:
            widgets.text("Reading…", "faint")
            return
        if self._is_wide():
            self._side_by_side(run, seen)
            return
        self._part = widgets.segmented("Part", self._part, tuple(PARTS), widgets.even_width(1), tuple(PARTS.values()))
        self._draw(self._part, run, seen)

    def _buttons(self, run: Run) -> None:
        """What can be asked of it; then what can be done with its folder, at the right."""
        training = self._training
        for draw in (self._go, self._end, self._follow):
            draw(run)
            imgui.same_line()
        icons = 3 * imgui.get_frame_height()
        imgui.same_line(max(imgui.get_window_width() - icons - imgui.get_style().window_padding.x,
                            imgui.get_cursor_pos_x()))
        if widgets.icon(fonts.COPY, "Copy command", f"Copies the command that started it:\n{run.command}",
                        "" if run.command else "Its config.json names no command"):
            training.copy_command(run)
        imgui.same_line(0, 0)
        if widgets.icon(fonts.FOLDER, "Show run folder", f"Shows {run.path} in the system's file manager"):
            training.show_folder(run)
        imgui.same_line(0, 0)
        if widgets.icon(fonts.MORE, "Open runs folder", "Lists the runs of another folder, too"):
            training.ask_folder()

    def _go(self, run: Run) -> None:
        """Pause or Continue; Resume, once it has ended."""
        training, width = self._training, theme.em(5)
        if not run.is_live:
            if widgets.button("Resume", "Goes on from what it saved last, as a process of its own",
                              training.no_resume(run), width):
                training.resume(run)
        elif is_paused(run):
            if widgets.button("Continue", "Goes on where it waits", training.no_pause(run), width):
                training.go_on(run)
        elif widgets.button("Pause", PAUSES, training.no_pause(run), width):
            training.pause(run)

    def _end(self, run: Run) -> None:
        if widgets.button("Stop", STOPS, self._training.no_stop(run)):
            self._training.stop(run)

    def _follow(self, run: Run) -> None:
        followed = self._training.is_followed(run)
        if widgets.button("Follow in viewer", FOLLOWS, "" if followed else self._training.no_snapshot(run),
                          chosen=followed):
            self._training.toggle_following(run)

    # -- its parts ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _is_wide() -> bool:
        return imgui.get_content_region_avail().x >= theme.em(WIDE_EMS)

    def _parts(self) -> tuple[str, ...]:
        """Those in sight."""
        if not self._is_wide():
            return (self._part,)
        return ("Log",) if self._part == "Log" else ("Plots", "Samples")

    def _side_by_side(self, run: Run, seen: Seen) -> None:
        both = "Plots and samples"
        part = widgets.segmented("Part", "Log" if self._part == "Log" else both, (both, "Log"), theme.em(18))
        self._part = "Log" if part == "Log" else "Plots" if self._part == "Log" else self._part
        if self._part == "Log":
            self._draw("Log", run, seen)
            return
        room = imgui.get_content_region_avail()
        half = (room.x - imgui.get_style().item_spacing.x) / 2
        for index, part in enumerate(("Plots", "Samples")):
            if index:
                imgui.same_line()
            with imgui_ctx.begin_child(part, ImVec2(half, room.y)):
                self._draw(part, run, seen)

    def _draw(self, part: str, run: Run, seen: Seen) -> None:
        {"Plots": lambda: self.plots.draw(seen.statistics), "Samples": lambda: self.sheets.draw(seen),
         "Log": lambda: self._log(run, seen)}[part]()

    def _log(self, run: Run, seen: Seen) -> None:
        """The command line; then the log, at its end as long as nobody scrolls back."""
        if run.command:
            widgets.section("Command line")
            widgets.wrapped(run.command, "dim")
            report.mark("Command line")
        widgets.section("Log, the last lines")
        if widgets.button(f"{fonts.COPY}  Copy log", "Copies these lines", "" if seen.log else "It is empty",
                          name="Copy log"):
            imgui.set_clipboard_text("\n".join(seen.log))
        flags = imgui.WindowFlags_.horizontal_scrollbar
        with imgui_ctx.begin_child("log", ImVec2(0, 0), 0, flags):
            at_end = imgui.get_scroll_y() >= imgui.get_scroll_max_y() - 1
            for line in seen.log:
                imgui.text_unformatted(line)
            if at_end:
                imgui.set_scroll_here_y(1.0)
        report.mark("Log")

    # -- for tests and scripts ----------------------------------------------------------------------------------------

    def facts(self) -> dict:
        seen, run = self._training.watch.seen, self._training.run
        sheet = self.sheets.sheet
        return {
            "runs": {run.name: run.state for run in seen.runs}, "chosen": run.name if run else "",
            "notes": self._training.notes, "wish": run.wish if run else "", "images": run.images if run else 0,
            "ticks": len(seen.statistics), "drawn": self.plots.drawn, "range": self.plots.shown,
            "readout": self.plots.readout, "grids": len(seen.sheets), "grid": sheet.images if sheet else None,
            "placement": self.sheets.width, "followed": bool(run and self._training.is_followed(run)),
            "log": seen.log[-1] if seen.log else "",
        }

    def close(self) -> None:
        self.sheets.close()
        self._training.close()
