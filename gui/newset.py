"""The data set of a new run: chosen, looked at, checked, and made fit where it is not."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imgui_bundle import ImVec2, imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.atlas import Atlas
from gui.newrun import NewRun, Said
from gui.runform import Conversion, absolute, suggestion
from renderer.sets import SHOWN, SIDE, Glimpse, free_name

TRANSFORMS = {"center-crop": "Cuts off what is too long, at both ends",
              "center-crop-wide": "Cuts to the width and height, then adds black to a square",
              "pad": "Shrinks all of the picture to fit, then adds black"}
PICTURES = "A folder or a zip of pictures. A few hundred can do; thousands are better"
DEMO = ("Draws pictures of simple things in four classes, to try out training without a data set of your own",
        "5000", "64")
MOST_LINES = 7                           # of what was said
Answer = Callable[[str], None]


class NewSet:
    """`ask_folder(then)` and `ask_file(then)` let the person choose."""

    def __init__(self, run: NewRun, ask_folder: Callable[[Answer], None], ask_file: Callable[[Answer], None]):
        self._run, self._ask_folder, self._ask_file = run, ask_folder, ask_file
        self._atlas = Atlas(SIDE, 4)
        self._draft: str | None = None           # a path while it is typed
        self._conversion: Conversion | None = None
        self._conversion_of: tuple = ()          # the set, and what was known of it, that it was suggested for
        self._images, self._side, self._dest = DEMO[1], DEMO[2], ""

    def draw(self) -> None:
        self._place()
        found = self._run.glimpse
        if found:
            self._pictures(found)
            self._facts(found)
        elif not self._run.form.data:
            widgets.wrapped(f"{PICTURES}. No set at hand? Let a demo set be drawn.", "faint")
        if self._run.said:
            _said(self._run.said)
        if self._run.wants_conversion:
            self._convert()

    @property
    def _busy(self) -> str:
        """Why nothing can be done with the set now; trying the settings is given up for it."""
        return "" if self._run.doing in ("", "looking") else "Something is being done"

    def close(self) -> None:
        self._atlas.close()

    # -- where it is --------------------------------------------------------------------------------------------------

    def _place(self) -> None:
        buttons = (f"{fonts.FOLDER}  Folder…", f"{fonts.FILE}  Zip…", f"{fonts.DICE}  Demo set…")
        padding, spacing = 2 * imgui.get_style().frame_padding.x, imgui.get_style().item_spacing.x
        room = sum(imgui.calc_text_size(words).x + padding + spacing for words in buttons)
        with widgets.row("Pictures", PICTURES, width=-room):
            text = self._run.form.data if self._draft is None else self._draft
            flags = imgui.InputTextFlags_.enter_returns_true
            entered, draft = imgui.input_text_with_hint("##data", "Path of a folder or zip", text, flags)
            report.mark("data")
            self._draft = draft if imgui.is_item_active() else None
            if entered or imgui.is_item_deactivated_after_edit():
                self._choose(draft)
        for words, name, press in zip(buttons, ("Folder", "Zip", "Demo set"),
                                      (lambda: self._ask_folder(self._choose), lambda: self._ask_file(self._choose),
                                       lambda: imgui.open_popup("demo set"))):
            imgui.same_line()
            if widgets.button(words, DEMO[0] if name == "Demo set" else "", name=name):
                press()
        self._demo()

    def _choose(self, path: str) -> None:
        self._run.change(replace(self._run.form, data=path.strip()))

    def _demo(self) -> None:
        with imgui_ctx.begin_popup("demo set") as popup, report.panel("Demo set"):
            if not popup:
                return
            widgets.wrapped(DEMO[0] + ".", "dim", theme.em(26))
            self._images = _field("Number", self._images, "images")
            self._side = _field("Pixels a side", self._side, "side")
            outdir = absolute(self._run.form.outdir)
            if not self._dest and outdir:
                self._dest = str(free_name(f"{outdir}/demo", f"-{self._side}"))
            self._dest = _field("As", self._dest, "dest")
            valid = self._images.isdecimal() and self._side.isdecimal() and self._dest.strip()
            if widgets.button("Draw it", "", "" if valid else "Numbers and a place are needed", -1, "Draw", True):
                self._run.draw_demo(self._dest, self._images, self._side)
                self._dest = ""
                imgui.close_current_popup()

    # -- what it is ---------------------------------------------------------------------------------------------------

    def _pictures(self, found: Glimpse) -> None:
        gap = theme.em(0.3)
        size = min((imgui.get_content_region_avail().x + gap) / SHOWN - gap, theme.em(6))
        at, draw = imgui.get_cursor_screen_pos(), imgui.get_window_draw_list()
        imgui.dummy(ImVec2(SHOWN * (size + gap) - gap, size))
        report.mark("Preview")
        for index, picture in enumerate(found.pictures):
            self._atlas.draw(draw, picture, at.x + index * (size + gap), at.y, size)

    def _facts(self, found: Glimpse) -> None:
        run = self._run
        busy = self._busy
        if widgets.button("Check", "Reads every picture, and says which would be skipped or changed, and whether "
                          "training can use the set as it is", busy):
            run.check()
        imgui.same_line()
        if widgets.button("Convert…", "Makes a new set of another size, or with classes", busy,
                          chosen=run.wants_conversion, name="Convert to"):
            run.wants_conversion = not run.wants_conversion
        imgui.same_line()
        widgets.align()
        widgets.clipped(str(found))
        report.mark("Facts")
        if found.trouble and not run.said:
            widgets.wrapped(f"{fonts.WARNING}  Training cannot use it as it is: {found.trouble}.", "warning")
            report.mark("Misfit")

    # -- made fit -----------------------------------------------------------------------------------------------------

    def _convert(self) -> None:
        """How, and the button that does it."""
        run = self._run
        if self._conversion_of != (run.form.data, run.glimpse):
            self._conversion_of = run.form.data, run.glimpse
            self._conversion = suggestion(run.form.data, run.glimpse)
        how = before = self._conversion
        with imgui_ctx.begin_table("conversion", 2) as table, report.panel("Conversion"):
            if not table:
                return
            imgui.table_next_column()
            how = replace(how, resolution=_field("Size", how.resolution, "resolution", "All pictures become so many "
                                                 "pixels wide and high: 8, 16, 32, 64, ..; or 256x192"))
            imgui.table_next_column()
            names = tuple(TRANSFORMS)
            how = replace(how, transform=widgets.menu("Fit", how.transform, names, names[0],
                                                      "What becomes of pictures that are not square", tips=tuple(
                                                          TRANSFORMS.values())))
            imgui.table_next_column()
            how = replace(how, dest=_field("Save as", how.dest, "dest", "A zip that is not there yet"))
            imgui.table_next_column()
            how = self._classes(how)
        if how.resolution != before.resolution and how.dest == before.dest:
            how = replace(how, dest=str(free_name(absolute(how.source), f"-{how.resolution or 'set'}")))
        self._conversion = how
        busy = self._busy
        if widgets.button(f"{fonts.CHECK}  Convert, and use the result", "The pictures themselves stay as they are",
                          busy or ("" if how.dest.strip() else "Say what the new set is called"), name="Convert"):
            run.convert(how)

    def _classes(self, how: Conversion) -> Conversion:
        found = self._run.glimpse
        why_not = "" if found is None or found.folders > 1 else "Its pictures lie in one folder"
        return replace(how, folders=widgets.toggle("Classes", how.folders, False, "Each subfolder becomes a class, "
                                                   "for training with labels", why_not))


def _said(said: Said) -> None:
    """The newest lines; all of them on hover."""
    for line in said.lines[-MOST_LINES:]:
        widgets.wrapped(f"{fonts.WARNING}  {line}" if said.error else line, "error" if said.error else "dim")
    report.mark("Refused" if said.error else "Said")
    if len(said.lines) > MOST_LINES:
        widgets.hint("\n".join(said.lines[:40]))


def _field(label: str, text: str, name: str, tip: str = "") -> str:
    with widgets.row(label, tip):
        text = imgui.input_text(f"##{name}", text)[1]
        report.mark(name)
    return text
