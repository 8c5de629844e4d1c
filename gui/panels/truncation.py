"""The truncation and noise panel, with the level of detail of progressive networks."""
from __future__ import annotations

from dataclasses import replace

from imgui_bundle import imgui

from gui import fonts, widgets
from gui.requests import MAX_SEED
from renderer.types import Latent, ModelInfo, RenderRequest, RenderResult, Synth

PSI = "w moves towards its average: 1 leaves it, 0 is the average picture, negative values give the opposite " \
      "(StyleGAN app. B, StyleGAN fig. 8)"
CUTOFF = "Truncation acts on this many rows of w, from the coarsest (StyleGAN app. B)"
NOISE = "The noise added after each convolution: the file's fixed maps, none, or drawn from a seed (StyleGAN sec. 3.2)"
SEED = "Random noise is drawn from this number: what it changes is stochastic variation (StyleGAN sec. 3.2)"
ANIMATE = "Draws the noise anew for each picture, seed after seed: what moves is stochastic variation (StyleGAN fig. 4)"
LOD = "How far growing has come: 0 is full resolution, each whole step halves it (ProGAN sec. 2)"


class TruncationPanel:
    title = "Truncation & noise"

    def __init__(self):
        self.playing = False             # the noise is animated

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info = result.info
        synth = _detail(self._noise(request.synth, info), info)
        return replace(request, latent=_truncation(request.latent, info), synth=synth)

    def advance(self, request: RenderRequest) -> RenderRequest:
        """The request with the next noise; what isn't drawn rests."""
        synth = request.synth
        if synth.noise != "random":
            self.playing = False
            return request
        return replace(request, synth=replace(synth, noise_seed=(synth.noise_seed + 1) % (MAX_SEED + 1)))

    def _noise(self, synth: Synth, info: ModelInfo | None) -> Synth:
        why_not = "" if info is None or info.has_noise else "This network adds no noise"
        mode = widgets.segments("Noise", synth.noise, ("const", "none", "random"), "const", NOISE, why_not)
        seed = synth.noise_seed
        if mode == "random" and not why_not:
            room = imgui.get_frame_height()
            seed = widgets.integer("Noise seed", seed, 0, MAX_SEED, 0, SEED, width=-room)
            imgui.same_line(0, 0)
            if widgets.icon(fonts.PAUSE if self.playing else fonts.PLAY, "Animate noise", ANIMATE, chosen=self.playing):
                self.playing = not self.playing
        return replace(synth, noise=mode, noise_seed=seed)


def _truncation(latent: Latent, info: ModelInfo | None) -> Latent:
    why_not = "A saved w is not truncated" if latent.w is not None else ""
    psi = widgets.slider("ψ", latent.psi, -1.0, 2.0, 1.0, tip=PSI, why_not=why_not)
    every = info.num_ws if info else 18
    shown = every if latent.cutoff is None else min(latent.cutoff, every)
    form = "all rows" if latent.cutoff is None else f"%d of {every} rows"
    cutoff = widgets.int_slider("Cutoff", shown, 0, every, every, form, CUTOFF, why_not)
    return replace(latent, psi=psi, cutoff=None if cutoff >= every else cutoff)


def _detail(synth: Synth, info: ModelInfo | None) -> Synth:
    """The level of detail, where the network has one."""
    if info is not None and info.has_lod:
        stored = info.lod or 0.0
        deepest = max(info.resolution).bit_length() - 3
        lod = widgets.slider("Detail", stored if synth.lod is None else synth.lod, 0.0, float(deepest), stored,
                             "lod %.2f", LOD)
        synth = replace(synth, lod=None if lod == stored else lod)
    return synth
