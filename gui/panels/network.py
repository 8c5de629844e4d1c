"""The network panel: opens a checkpoint and says what it holds."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets, words
from gui.recents import Recents
from gui.requests import FAMILIES, opening, reopened, shown_name
from renderer.types import DEMOS, ModelInfo, RenderRequest, RenderResult

FORMATS = {"pytorch-pickle": "PyTorch pickle", "tensorflow-pickle": "TensorFlow pickle", "safetensors": "safetensors",
           "demo": "built in, untrained"}
UNTRAINED = "Built-in networks, freshly initialised: untrained, so their pictures are noise."
LATENTS = ("z is drawn from a normal distribution; the mapping network turns it into w, one row for each layer "
           "(StyleGAN sec. 2)")
PAPERS = {                               # of each family, and what its variants are
    "stylegan1": "Karras et al. 2019, arXiv 1812.04948: a mapping network, and styles through AdaIN (sec. 2)",
    "stylegan2": "Karras et al. 2020, arXiv 1912.04958: modulated convolutions (sec. 2), skip or residual networks "
                 "instead of growing (sec. 4.1)",
    "stylegan3": "Karras et al. 2021, arXiv 2106.12423: layers without aliasing; T follows translation, R rotation too "
                 "(sec. 3)",
}
AVERAGED = "G_ema is the running average of the generator over training (Gs in TensorFlow files); G is its last state."


class NetworkPanel:
    title = "Network"

    def __init__(self, ask: Callable[[], None], recents: Recents):
        self._ask, self._recents = ask, recents
        self._text = self._opened = ""

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        request = self._path(request)
        request = self._lists(request)
        if result.error and result.info is None and result.request.checkpoint == request.checkpoint:
            request = _failure(request, result.error)
        if result.info is not None and request.checkpoint.path:
            request = self._facts(request, result.info)
        return request

    def _path(self, request: RenderRequest) -> RenderRequest:
        if request.checkpoint.path != self._opened:
            self._text = self._opened = request.checkpoint.path
        self._text, entered = widgets.text_field("Path", self._text, "Path or URL, then Enter",
                                                 "Paste a path or a URL and press Enter, or drop a file on the window")
        return opening(request, self._text) if entered and self._text.strip() else request

    def _lists(self, request: RenderRequest) -> RenderRequest:
        width = widgets.even_width(3)
        if widgets.button(f"{fonts.FOLDER}  Open…", "Choose a file (Ctrl+O)", width=width, name="Open"):
            self._ask()
        imgui.same_line()
        why_not = "" if self._recents.paths() else "Nothing was opened before"
        request = _drop_down("Recent", request, width, lambda q: self._recents.draw(q, theme.em(24)),
                             "Files opened before", why_not)
        imgui.same_line()
        demos = [f"demo:{name}" for name in DEMOS]
        return _drop_down("Demos", request, width, lambda q: choose_path(demos, q, UNTRAINED), UNTRAINED)

    def _facts(self, request: RenderRequest, info: ModelInfo) -> RenderRequest:
        generators = [name for name in ("G_ema", "G") if name in info.networks]
        if len(generators) > 1:
            chosen = widgets.segments("Generator", info.network, generators, generators[0], AVERAGED)
            if chosen != info.network:
                request = replace(request, checkpoint=replace(request.checkpoint, network=chosen))
        height, width = info.resolution
        classes = f", {info.c_dim} classes" if info.c_dim else ""
        widgets.fact("Family", f"{FAMILIES.get(info.family, info.family)} {info.variant}", PAPERS.get(info.family, ""))
        widgets.fact("Image", f"{width} × {height} × {info.channels}{classes}", "Width × height × channels")
        widgets.fact("Latents", f"z {info.z_dim}  →  w {info.num_ws} × {info.w_dim}", LATENTS)
        widgets.fact("Weights", f"{words.count(info.parameters)}, {FORMATS.get(info.format, info.format)}",
                     f"{info.parameters} parameters in this generator")
        for note in info.notes if info.format != "demo" else ():         # the viewer says what a demo is
            widgets.clipped(f"{fonts.INFO}  {note}", "dim")
        return request


def _failure(request: RenderRequest, error: str) -> RenderRequest:
    """The viewer shows the whole error."""
    widgets.text("Could not be opened", "error")
    widgets.hint(error)
    return reopened(request) if widgets.button("Try again", "Opens the same file once more") else request


def _drop_down(title: str, request: RenderRequest, width: float, draw: Callable[[RenderRequest], RenderRequest],
               tip: str, why_not: str = "") -> RenderRequest:
    if widgets.button(f"{title}##list", tip, why_not, width, name=title):
        imgui.open_popup(title)
    with imgui_ctx.begin_popup(title) as popup:
        if popup:
            request = draw(request)
    return request


def choose_path(paths: Sequence[str], request: RenderRequest, tip: str = "",
                choose: Callable[[RenderRequest, str], RenderRequest] = opening) -> RenderRequest:
    """Menu items that open `paths`, or do something else with them."""
    if tip:
        widgets.text(tip, "faint")
    for path in paths:
        if imgui.menu_item_simple(f"{shown_name(path)}##{path}"):
            request = choose(request, path)
        report.mark(path)
        widgets.hint(path)
    return request
