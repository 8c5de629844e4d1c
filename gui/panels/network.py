"""The network panel: opens a checkpoint and says what it holds."""
from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Callable, Sequence

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, widgets
from renderer.types import DEMOS, ModelInfo, RenderRequest, RenderResult

FAMILIES = {"stylegan1": "StyleGAN1", "stylegan2": "StyleGAN2", "stylegan3": "StyleGAN3"}
FORMATS = {"pytorch-pickle": "PyTorch pickle", "tensorflow-pickle": "TensorFlow pickle", "safetensors": "safetensors",
           "demo": "built in, untrained"}
UNTRAINED = "Built-in networks, freshly initialised: untrained, so their pictures are noise."
LATENTS = "z is drawn from a normal distribution; the mapping network turns it into w, one row for each layer"
AVERAGED = "G_ema is the running average of the generator over training (Gs in TensorFlow files); G is its last state."


class NetworkPanel:
    title = "Network"

    def __init__(self, ask: Callable[[], None], recents: Callable[[], Sequence[str]]):
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
        request = _list("Recent", self._recents(), request, width, "Files opened before",
                        why_not="" if self._recents() else "Nothing was opened before")
        imgui.same_line()
        return _list("Demos", [f"demo:{name}" for name in DEMOS], request, width, UNTRAINED)

    def _facts(self, request: RenderRequest, info: ModelInfo) -> RenderRequest:
        height, width = info.resolution
        classes = f", {info.c_dim} classes" if info.c_dim else ""
        widgets.fact("Family", f"{FAMILIES.get(info.family, info.family)} {info.variant}")
        widgets.fact("Image", f"{width} × {height} × {info.channels}{classes}", "Width × height × channels")
        widgets.fact("Latents", f"z {info.z_dim}  →  w {info.num_ws} × {info.w_dim}", LATENTS)
        widgets.fact("Weights", f"{count(info.parameters)}, {FORMATS.get(info.format, info.format)}",
                     f"{info.parameters} parameters in this generator")
        generators = [name for name in ("G_ema", "G") if name in info.networks]
        if len(generators) > 1:
            chosen = widgets.segments("Generator", info.network, generators, generators[0], AVERAGED)
            if chosen != info.network:
                request = replace(request, checkpoint=replace(request.checkpoint, network=chosen))
        for note in info.notes:
            widgets.clipped(f"{fonts.INFO}  {note}", "dim")
        return request


def _failure(request: RenderRequest, error: str) -> RenderRequest:
    """The viewer shows the whole error."""
    widgets.text("Could not be opened", "error")
    widgets.hint(error)
    return reopened(request) if widgets.button("Try again", "Opens the same file once more") else request


def _list(title: str, paths: Sequence[str], request: RenderRequest, width: float, tip: str, why_not: str = ""):
    if widgets.button(f"{title}##list", tip, why_not, width, name=title):
        imgui.open_popup(title)
    with imgui_ctx.begin_popup(title) as popup:
        if popup:
            request = choose_path(paths, request, tip)
    return request


def choose_path(paths: Sequence[str], request: RenderRequest, tip: str = "") -> RenderRequest:
    """Menu items that open `paths`."""
    if tip:
        widgets.text(tip, "faint")
    for path in paths:
        if imgui.menu_item_simple(f"{shown_name(path)}##{path}"):
            request = opening(request, path)
        report.mark(path)
        widgets.hint(path)
    return request


def shown_name(path: str) -> str:
    """The file's name and its folder's; 'StyleGAN3-T' for 'demo:stylegan3-t'."""
    if path.startswith("demo:"):
        family, _, variant = path.removeprefix("demo:").partition("-")
        return FAMILIES.get(family, family) + (f"-{variant.upper()}" if len(variant) == 1 else f", {variant}" if variant else "")
    parts = PurePath(path).parts
    return path if len(parts) < 2 else f"{parts[-1]}   ({parts[-2]})"


def count(number: int) -> str:
    """'23.2 M', '54 k'."""
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number / 1e3:.0f} k"


def opening(request: RenderRequest, path: str) -> RenderRequest:
    """`request` turned to another checkpoint: what belongs to the old network is dropped, seed and psi stay."""
    path = path.strip().strip('"')
    if path == request.checkpoint.path:
        return reopened(request)
    fresh, latent = RenderRequest(), request.latent
    return replace(
        fresh,
        checkpoint=replace(request.checkpoint, path=path, network="", reload=0),
        latent=replace(fresh.latent, x=latent.x, y=latent.y, psi=latent.psi),
        mix=replace(fresh.mix, seed=request.mix.seed),
        synth=replace(fresh.synth, noise=request.synth.noise, noise_seed=request.synth.noise_seed),
        spectrum=request.spectrum,
    )


def completed(request: RenderRequest, result: RenderResult) -> RenderRequest:
    """`request` with what the network of `result` can't do without: a conditional one needs a class."""
    latent, info = request.latent, result.info
    if not info.c_dim or latent.classes or latent.w is not None or request.checkpoint.path != result.request.checkpoint.path:
        return request
    return replace(request, latent=replace(latent, classes=((0, 1.0),)))


def reopened(request: RenderRequest) -> RenderRequest:
    checkpoint = request.checkpoint
    return replace(request, checkpoint=replace(checkpoint, reload=checkpoint.reload + 1))


def closed(request: RenderRequest) -> RenderRequest:
    """Nothing open; device and precision stay as they were set."""
    return RenderRequest(replace(request.checkpoint, path="", network=""))
