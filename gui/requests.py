"""What the window's controls do to a request: pure functions, shared by panels, menus and keys."""
from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath

from renderer.types import Latent, MixTable, RenderRequest, RenderResult, TapInfo, View

IMAGE = "image"                          # the tap that every network ends in
ROW = 100                                # seeds per row of the seed plane: seed = x + 100 y
MAX_SEED = 2 ** 31 - 1
FAMILIES = {"stylegan1": "StyleGAN1", "stylegan2": "StyleGAN2", "stylegan3": "StyleGAN3"}


# -- files ------------------------------------------------------------------------------------------------------------

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
        mix=replace(fresh.mix, source=request.mix.source),
        synth=replace(fresh.synth, noise=request.synth.noise, noise_seed=request.synth.noise_seed),
        spectrum=request.spectrum,
    )


def reopened(request: RenderRequest) -> RenderRequest:
    checkpoint = request.checkpoint
    return replace(request, checkpoint=replace(checkpoint, reload=checkpoint.reload + 1))


def closed(request: RenderRequest) -> RenderRequest:
    """Nothing open; device and precision stay as they were set."""
    return RenderRequest(replace(request.checkpoint, path="", network=""))


def completed(request: RenderRequest, result: RenderResult) -> RenderRequest:
    """`request` with what the network of `result` can't do without: a conditional one needs a class."""
    latent, info = request.latent, result.info
    if not info.c_dim or latent.classes or latent.w is not None or not same_file(request, result.request):
        return request
    return replace(request, latent=replace(latent, classes=((0, 1.0),)))


def same_file(one: RenderRequest, other: RenderRequest) -> bool:
    return one.checkpoint.path == other.checkpoint.path


def shown_name(path: str) -> str:
    """The file's name and its folder's; 'StyleGAN3-T' for 'demo:stylegan3-t'."""
    if path.startswith("demo:"):
        family, _, variant = path.removeprefix("demo:").partition("-")
        ending = f"-{variant.upper()}" if len(variant) == 1 else f", {variant}" if variant else ""
        return FAMILIES.get(family, family) + ending
    parts = PurePath(path).parts
    return path if len(parts) < 2 else f"{parts[-1]}   ({parts[-2]})"


# -- what is looked at ------------------------------------------------------------------------------------------------

def look_at(request: RenderRequest, tap: TapInfo) -> RenderRequest:
    """Shows `tap`; channels it doesn't have are drawn in to the last one."""
    last = tap.shape[0] - 1
    view, spectrum = request.view, request.spectrum
    view = replace(view, channel=min(view.channel, last), channels=tuple(min(c, last) for c in view.channels))
    if spectrum is not None and spectrum.channel is not None:
        spectrum = replace(spectrum, channel=min(spectrum.channel, last))
    return replace(request, tap=tap.name, view=view, spectrum=spectrum, table=None)


def of_image(request: RenderRequest) -> RenderRequest:
    """The request for the plain image."""
    view = request.view if request.tap == IMAGE else View()
    return replace(request, tap=IMAGE, view=view, table=None, spectrum=None)


def of_table(request: RenderRequest, table: MixTable | None) -> RenderRequest:
    return replace(of_image(request), table=table)


class ViewMemory:
    """The image and the layers are each looked at in a way of their own: it is put back on the way back."""

    def __init__(self):
        self._kept = {True: View(), False: View(range="symmetric")}

    def follow(self, before: RenderRequest, after: RenderRequest) -> RenderRequest:
        """`after`, with the view that belongs to what it shows if that changed between image and layer."""
        was_image, is_image = before.tap == IMAGE, after.tap == IMAGE
        if was_image == is_image or not same_file(before, after):
            return after
        self._kept[was_image] = before.view
        return replace(after, view=self._kept[is_image])


# -- seeds ------------------------------------------------------------------------------------------------------------

def seed_of(latent: Latent) -> int:
    """The nearest seed of the plane."""
    return round(latent.x) + ROW * round(latent.y)


def at_seed(latent: Latent, seed: int) -> Latent:
    """On that seed, in the row where the latent is now if it lies there."""
    row = round(latent.y)
    column = seed - ROW * row
    if not 0 <= column < 10 * ROW:
        row, column = 0, seed
    return replace(latent, x=float(column), y=float(row), z=None, w=None)


def stepped(request: RenderRequest, seeds: int) -> RenderRequest:
    """So many seeds further."""
    seed = min(max(seed_of(request.latent) + seeds, 0), MAX_SEED)
    return replace(request, latent=at_seed(request.latent, seed))
