"""The new run: from a folder of pictures to a process that trains, with everything that would stop it said before."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, optionrows, report, runform, theme, widgets
from gui.commands import Command
from gui.jobs import Jobs
from gui.newrun import NewRun
from gui.newset import NewSet
from gui.requests import shown_name
from gui.runform import CFG, PRESETS, Form
from renderer.launching import typed
from renderer.types import RenderRequest, RenderResult

if TYPE_CHECKING:
    from gui.app import App
    from gui.desk import Desk

SETS = ("Data sets", "*.zip *.tar *.tar.gz *.tgz")
SIZE_EMS = 58.0, 49.0                    # of the window at first
NAME_EMS = 9.0                           # width of a preset's name
TRANSFER = ("Begins with the weights of the network that is open, as far as they fit: with few pictures, or pictures "
            "like those it has learned, that takes a tenth of the time")
LOOK = "Tries everything without training: what the run would be, and what is in its way"
START = "Begins to train, in a process of its own: it goes on when this window is closed"
Answer = Callable[[str], None]


def of_window(app: App, desk: Desk) -> NewRunPanel:
    """The panel of a window; it begins with what was filled in last."""
    kept = runform.from_json(app.settings.new_run)

    def keep(form: Form) -> None:
        app.settings = replace(app.settings, new_run=runform.to_json(form))

    def opened(folder: str) -> None:
        app.settings = replace(app.settings, outdir=str(Path(folder).parent))
        desk.hide({NewRunPanel.title})
        desk.training.expect(folder)
    run = NewRun(Jobs(desk.messages, app.window.wake), replace(kept, outdir=kept.outdir or desk.training.outdir), keep,
                 opened, app.later)
    dialogs = desk.dialogs
    return NewRunPanel(run, desk.show, desk.hide,
                       lambda title, path, then: dialogs.ask_folder(title, nearest(path), then),
                       lambda title, path, then: dialogs.ask_file(title, nearest(path), then, SETS))


class NewRunPanel:
    title = "New run"

    def __init__(self, run: NewRun, show: Callable[[str], None], hide: Callable[[set[str]], None],
                 ask_folder: Callable[[str, str, Answer], None], ask_set: Callable[[str, str, Answer], None]):
        """`show(title)` and `hide(titles)` open and close panels; `ask_folder` and `ask_set` (title, path to begin at,
        then) let the person choose a folder, or a zip.
        """
        self.run, self._hide, self._ask_folder = run, hide, ask_folder
        self._set = NewSet(run, lambda then: ask_folder("A folder of pictures", run.form.data, then),
                           lambda then: ask_set("A zip of pictures", run.form.data, then))
        self._footer = 0.0               # height, when it was drawn last
        self.commands = (Command("New run…", lambda q, r: show(self.title), "Ctrl+T", "Training", -1),)

    def place(self) -> None:
        """Before its window begins: in the middle, over the others."""
        screen = imgui.get_main_viewport()
        size = ImVec2(*(min(theme.em(ems), 0.94 * room) for ems, room in zip(SIZE_EMS, screen.work_size)))
        imgui.set_next_window_size(size, imgui.Cond_.first_use_ever)
        imgui.set_next_window_pos(screen.get_work_center(), imgui.Cond_.first_use_ever, ImVec2(0.5, 0.5))

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        self.run.poll()
        _outline()
        with imgui_ctx.begin_child("form", ImVec2(0, -(self._footer or theme.em(7)))):
            _part(1, "Pictures to learn from")
            self._set.draw()
            _part(2, "Kind of network")
            self._presets()
            _part(3, "Settings")
            optionrows.basic(self.run)
            optionrows.others(self.run)
            _part(4, "Where")
            self._where(request.checkpoint.path)
            self._summary()
        before = imgui.get_cursor_pos_y()
        self._command()
        self._verdict()
        self._footer = imgui.get_cursor_pos_y() - before + imgui.get_style().item_spacing.y
        return request

    # -- the form -----------------------------------------------------------------------------------------------------

    def _presets(self) -> None:
        run = self.run
        lines = run.offer.presets if run.offer else {CFG: ""}
        shown = [name for name in PRESETS if name in lines]
        for name in shown:
            if imgui.radio_button(name, run.form.cfg == name):
                run.change(replace(run.form, cfg=name))
            report.mark(name)
            imgui.same_line(theme.em(NAME_EMS))
            widgets.clipped(lines[name], "dim")
        more = tuple(name for name in lines if name not in shown)
        if more:
            self._more(more, lines)

    def _more(self, names: tuple[str, ...], lines: dict[str, str]) -> None:
        run = self.run
        chosen = run.form.cfg if run.form.cfg in names else "others…"
        imgui.set_next_item_width(theme.em(NAME_EMS - 0.5))
        new = widgets.drop_down("Others", chosen, names, [lines[name] for name in names])
        if new in names and new != run.form.cfg:
            run.change(replace(run.form, cfg=new))
        imgui.same_line(theme.em(NAME_EMS))
        widgets.align()
        widgets.clipped(lines.get(run.form.cfg, "") if chosen in names else "settings and ablations of the papers",
                        "dim")

    def _where(self, network: str) -> None:
        run, form = self.run, self.run.form
        button = imgui.calc_text_size(f"{fonts.FOLDER}  Folder…").x + 3 * imgui.get_style().frame_padding.x
        with widgets.row("Runs folder", "Every run makes a folder of its own in it", width=-button):
            outdir = imgui.input_text_with_hint("##outdir", "A folder", form.outdir)[1]
            report.mark("outdir")
        imgui.same_line()
        if widgets.button(f"{fonts.FOLDER}  Folder…##outdir", name="Choose outdir"):
            self._ask_folder("Where runs go", form.outdir, lambda path: run.change(replace(run.form, outdir=path)))
        with widgets.row("Name", "Ends the name of the run's folder; may be left empty"):
            desc = imgui.input_text_with_hint("##desc", "e.g. first try", form.desc)[1]
            report.mark("desc")
        if (outdir, desc) != (form.outdir, form.desc):
            run.change(replace(form, outdir=outdir, desc=desc))
        self._transfer(network)

    def _transfer(self, network: str) -> None:
        run = self.run
        source = run.form.source
        with widgets.row("Go on from", TRANSFER, bool(source), "" if network or source else "No network is open"):
            on = imgui.checkbox(f"the open network: {shown_name(source or network)}##transfer", bool(source))[1]
            report.mark("Transfer")
        if on != bool(source):
            run.change(replace(run.form, source=network if on else ""))
        freezed = next((option for option in run.options if option.name == "freezed"), None)
        if source and freezed:
            optionrows.row(run, freezed)

    def _summary(self) -> None:
        """What the run would be, as the dry run told."""
        verdict = self.run.verdict
        if not verdict or not verdict.look:
            return
        _part(5, "What it will be")
        for name, value in rows_of(verdict.look.text):
            if name != "command":
                widgets.fact(name, value, label=theme.em(NAME_EMS))

    # -- the foot -----------------------------------------------------------------------------------------------------

    def _command(self) -> None:
        imgui.separator()
        words = typed(self.run.words)
        side = imgui.get_frame_height()
        if widgets.icon(fonts.COPY, "Copy", "Copies the command line, to be run in the program's folder"):
            imgui.set_clipboard_text(words)
        imgui.same_line(0, theme.em(0.3))
        imgui.push_text_wrap_pos(imgui.get_cursor_pos_x() + imgui.get_content_region_avail().x - side)
        widgets.align()
        widgets.text(words, "dim")
        imgui.pop_text_wrap_pos()
        report.mark("Command")

    def _verdict(self) -> None:
        """What is going on, or what is in the way, and the buttons."""
        width = theme.em(7)
        with imgui_ctx.begin_table("verdict", 2) as table:
            if not table:
                return
            imgui.table_setup_column("words", imgui.TableColumnFlags_.width_stretch)
            imgui.table_setup_column("buttons", imgui.TableColumnFlags_.width_fixed,
                                     2 * width + theme.em(4.5) + 2 * imgui.get_style().item_spacing.x)
            imgui.table_next_column()
            words, color = self._words()
            widgets.align()
            widgets.wrapped(words, color)
            report.mark("Verdict")
            imgui.table_next_column()
            self._buttons(width)

    def _buttons(self, width: float) -> None:
        run = self.run
        if widgets.button("Close", "What was filled in stays", width=theme.em(4.5)):
            self._hide({self.title})
        imgui.same_line()
        why_not = run.trouble
        if run.doing:
            self._progress(width if run.doing == "looking" else 2 * width + imgui.get_style().item_spacing.x)
        elif widgets.button("Look first", LOOK, why_not, width):
            run.look()
        if run.doing not in ("", "looking"):
            return
        imgui.same_line()
        if widgets.button(f"{fonts.PLAY}  Start", START, why_not, width, "Start", chosen=True):
            run.start()

    def _progress(self, width: float) -> None:
        share = self.run.share
        imgui.progress_bar(share if share else -0.7 * imgui.get_time(), ImVec2(width - imgui.get_frame_height(), 0),
                           None if share else "")
        report.mark("Progress")
        imgui.same_line(0, 0)
        if widgets.icon(fonts.CLOSE, "Cancel", "Cancel"):
            self.run.cancel()

    def _words(self) -> tuple[str, str]:
        """What the foot says, and its colour."""
        run, verdict = self.run, self.run.verdict
        if run.doing:
            return ENDS_WELL if run.starts else DOING.get(run.doing, f"{run.doing.capitalize()} …"), "dim"
        if refusal := run.refusal or (verdict.refusal if verdict else ""):
            return f"{fonts.WARNING}  {refusal}", "error"
        if run.trouble:
            return run.trouble, "dim"
        if verdict:
            return f"{fonts.CHECK}  It can start.  {in_short(verdict.look.text)}", "green"
        if run.glimpse and run.glimpse.trouble:
            return "These pictures do not fit yet: convert them, above", "warning"
        return "Not tried yet", "faint"

    # -- its life -----------------------------------------------------------------------------------------------------

    def take(self, path: str) -> bool:
        """Whether it is a data set, as far as its name tells: then it is chosen."""
        place = Path(path)
        if not (place.suffix == ".zip" or place.is_dir() and not (place / "config.json").exists()):
            return False
        self.run.change(replace(self.run.form, data=path))
        return True

    @property
    def facts(self) -> dict:
        """For tests and scripts."""
        run = self.run
        return {"command": typed(run.words), "says": self._words()[0], "doing": run.doing, "data": run.form.data,
                "said": run.said and run.said.lines, "own": {option.name: run.own(option) for option in run.options}}

    @property
    def polling(self) -> bool:
        return self.run.polling

    def close(self) -> None:
        self._set.close()
        self.run.close()


ENDS_WELL = "Trying the settings; the run starts if all is well …"
DOING = {"looking": "Trying the settings: data set, memory, disk …", "starting": "Starting: its folder appears soon …"}


def _outline() -> None:
    """It lies over other panels of its own colour."""
    low, size, draw = imgui.get_window_pos(), imgui.get_window_size(), imgui.get_window_draw_list()
    high = ImVec2(low.x + size.x, low.y + size.y)
    draw.push_clip_rect(low, high)
    draw.add_rect(low, high, theme.ink("frame_active"), thickness=theme.em(0.1))
    draw.pop_clip_rect()


def _part(number: int, words: str) -> None:
    imgui.dummy(ImVec2(0, theme.em(0.15)))
    widgets.text(str(number), "accent_text")
    imgui.same_line(0, theme.em(0.6))
    widgets.text(words)
    imgui.separator()


# -- pure -------------------------------------------------------------------------------------------------------------

def nearest(path: str) -> str:
    """The folder to begin at: `path`, or the first above it that is there."""
    start = Path(runform.absolute(path) or Path.home())
    return str(next((place for place in (start, *start.parents) if place.is_dir()), Path.home()))


def rows_of(text: str) -> list[tuple[str, str]]:
    """Of a summary in lines of 'name   value'; a line of another form is a value without a name."""
    pairs = [line.strip().partition("  ") for line in text.splitlines() if line.strip()]
    return [(name, value.strip()) if value else ("", name) for name, _, value in pairs]


def in_short(text: str) -> str:
    """'batch 32, memory 2.8 GB'."""
    rows = dict(rows_of(text))
    batch, memory = rows.get("batch", "").partition(" ")[0], rows.get("memory", "").partition(":")[0]
    return ", ".join(filter(None, (batch and f"Batch {batch}", memory and f"about {memory} of memory")))
