"""The compare panel: what the picture is held against, how both are shown, and how far they are apart."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.commands import Command
from gui.comparison import Numbers, numbers, said_of
from gui.jobs import Jobs
from gui.panels.network import choose_path
from gui.requests import against, name_of, pinned, shown_name, swapped
from renderer.types import DEMOS, Compare, RenderRequest, RenderResult

MODES = {
    "flip": "A; B while Shift is held",
    "split": "A left of a line that can be dragged, B right of it",
    "difference": "A - B through a colormap",
    "side": "Both beside each other, moved and zoomed as one",
}
ERRORS = {
    "E": "E = A - B: blue where A is lower, red where it is higher, the mean over the channels shown",
    "AE": "The absolute error |A - B|, the mean over the channels shown",
    "SE": "The squared error (A - B)², the mean over the channels shown",
}
PIN = "Keeps what is shown now as B, to hold what comes next against it (P)"
OTHER = "Another network on the same latent, truncation, mixing, noise, layer and view"
END = "Shows the picture alone, and closes the second network"
NOTHING = "Pin a picture (P) or choose a second network first"
RMSE = "Root of the mean of (A - B)² over pixels and channels shown"
PSNR = "Peak signal-to-noise ratio, 20 log10(2 / RMSE): an image's signal reaches from -1 to 1"


class ComparePanel:
    title = "Compare"

    def __init__(self, ask: Callable[[Callable[[str], None]], None], recents: Callable[[], Sequence[str]],
                 reference: Callable[[], RenderResult | None], matched: Callable[[], RenderResult | None], jobs: Jobs):
        """`reference` is the newest of B, `matched` that of just the picture shown."""
        self._ask, self._recents, self._reference, self._matched, self._jobs = ask, recents, reference, matched, jobs
        self._text = self._answer = ""       # the path being typed; the file dialog's answer
        self._wanted: tuple[RenderResult, RenderResult] | None = None      # measured now, or last
        self._measured: tuple[tuple[RenderResult, RenderResult], Numbers] | None = None
        self._busy = False
        self.commands = (
            Command("Pin picture", _pin, "P", "View",
                    why_not=lambda q, r: "" if r.picture is not None else "There is no picture yet"),
            Command("End comparison", lambda q, r: replace(q, compare=None), "", "View",
                    why_not=lambda q, r: "" if q.compare else "Nothing is compared"),
        )

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        request = self._choose(request, result)
        if request.compare is None:
            self._wanted = self._measured = None
            widgets.wrapped("Pin the picture, or choose a second network: both are drawn in the viewer.", "faint")
            return request
        self._sides(request)
        request = replace(request, compare=_look(request.compare))
        self._numbers(result)
        return request

    # -- what B is ----------------------------------------------------------------------------------------------------

    def _choose(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        compare, other = request.compare, self._reference()
        nothing = "" if result.picture is not None else "There is no picture yet"
        no_b = NOTHING if compare is None else "" if other is not None and other.info else "B is not there yet"
        width = widgets.even_width(3)
        if widgets.button("Pin again" if compare and compare.pinned else "Pin", PIN, nothing, width, "Pin"):
            request = _pin(request, result)
        imgui.same_line()
        if widgets.button("Swap", "Looks at B, and holds it against A", no_b, width):
            request = swapped(request, result.info, other.info)
        imgui.same_line()
        if widgets.button("End", END, "" if compare else "Nothing is compared", width):
            request = replace(request, compare=None)
        self._text, entered = widgets.text_field("Path", self._text, "Second network: path or URL", OTHER)
        if entered and self._text.strip():
            request = against(request, self._text)
        return self._lists(request)

    def _lists(self, request: RenderRequest) -> RenderRequest:
        width = widgets.even_width(3)
        if widgets.button(f"{fonts.FOLDER}  Open…##second", f"{OTHER}: choose its file", width=width, name="Open"):
            self._ask(self._take)
        if self._answer:
            request, self._answer = against(request, self._answer), ""
        for title, paths in (("Recent", self._recents()), ("Demos", [f"demo:{name}" for name in DEMOS])):
            imgui.same_line()
            if widgets.button(f"{title}##second", OTHER, "" if paths else "Nothing was opened before", width, title):
                imgui.open_popup(f"{title}##paths")
            with imgui_ctx.begin_popup(f"{title}##paths") as popup:
                if popup:
                    request = choose_path(paths, request, OTHER, against)
        return request

    def _take(self, path: str) -> None:
        self._answer = path

    def _sides(self, request: RenderRequest) -> None:
        compare, other = request.compare, self._reference()
        _side("A", said(request), "What is looked at")
        if other is not None and other.error:
            _side("B", other.error, "", "error")
            return
        asked = compare.pinned or replace(request, checkpoint=compare.checkpoint)
        words = said(other.request) if other is not None else f"{said(asked)} …"
        _side("B", words, "What was pinned" if compare.pinned else OTHER)

    # -- how far they are apart ---------------------------------------------------------------------------------------

    def _numbers(self, shown: RenderResult) -> None:
        b = self._matched()
        if b is not None and shown.picture is not None and b.picture is not None:
            self._measure(shown, b)
        if self._measured is None:
            return
        (a, b), found = self._measured
        color = "text" if a is shown and b is self._matched() else "faint"
        widgets.fact("Mean |E|", f"{found.mean:.5g}", "Mean of |A - B| over pixels and channels shown", color)
        x, y = found.place
        widgets.fact("Max |E|", f"{found.largest:.5g}  at x {x}, y {y}", "The largest |A - B|, and its pixel", color)
        psnr = "" if found.psnr is None else f"     PSNR {found.psnr:.2f} dB"
        widgets.fact("RMSE", f"{found.rmse:.5g}{psnr}", f"{RMSE}. {PSNR}", color)
        if words := said_of(a, b):
            widgets.clipped(f"{fonts.INFO}  {words}", "dim")

    def _measure(self, a: RenderResult, b: RenderResult) -> None:
        """Off the frame loop, one pair at a time: large pictures take some milliseconds."""
        if self._busy or self._wanted is not None and self._wanted[0] is a and self._wanted[1] is b:
            return
        self._wanted, self._busy = (a, b), True

        def job(pair=(a, b)) -> None:
            try:
                self._measured = pair, numbers(*pair)
            finally:
                self._busy = False
        self._jobs.run("measure the difference", job)


def _pin(request: RenderRequest, result: RenderResult) -> RenderRequest:
    return pinned(request, result.request) if result.picture is not None else request


def _look(compare: Compare) -> Compare:
    """How both are drawn."""
    mode = _segments("Show", compare.mode, MODES, imgui.get_content_region_avail().x)
    if mode == "difference":
        with widgets.row("Error", "What of the difference is shown"):
            error = _segments("Error", compare.error, ERRORS, imgui.calc_item_width())
        gain_db = widgets.slider("Gain", compare.gain_db, -40, 60, 0.0, "%+.1f dB",
                                 "Of the difference alone: 20 dB show it ten times as strong")
        compare = replace(compare, error=error, gain_db=gain_db)
    return replace(compare, mode=mode)


def _segments(name: str, value: str, tips: dict[str, str], width: float) -> str:
    return widgets.segmented(name, value, list(tips), width, list(tips.values()))


def _side(name: str, words: str, tip: str, color: str = "text") -> None:
    widgets.text(name, "dim")
    imgui.same_line(0, theme.em(0.6))
    with imgui_ctx.begin_group():
        widgets.clipped(words, color)
    report.mark(name)
    widgets.hint(tip)


def said(request: RenderRequest) -> str:
    """'StyleGAN3-T, seed 3, b32.conv1.act'."""
    what = "table" if request.table else "seeds" if request.seeds else request.tap
    return f"{shown_name(request.checkpoint.path).split('   ')[0]}, {name_of(request)}, {what}"
