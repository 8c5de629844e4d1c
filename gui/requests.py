"""What the window's controls do to a request: pure functions, shared by panels, menus and keys."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath

from renderer.inspection import Inspection
from renderer.types import Compare, Latent, MixTable, ModelInfo, RenderRequest, RenderResult, TapInfo, View

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
        spectrum=request.spectrum, compare=request.compare,
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
    return replace(request, tap=tap.name, view=view, spectrum=spectrum, table=None, seeds=None)


def of_image(request: RenderRequest) -> RenderRequest:
    """The request for the plain image."""
    view = request.view if request.tap == IMAGE else View()
    return replace(request, tap=IMAGE, view=view, table=None, seeds=None, spectrum=None)


def of_table(request: RenderRequest, table: MixTable | None) -> RenderRequest:
    return replace(of_image(request), table=table)


def pictured(request: RenderRequest) -> RenderRequest:
    """The part of a request that decides the picture."""
    return replace(request, compare=None, spectrum=None, strip=False, inspect=None)


class ViewMemory:
    """The image and the layers are each looked at in a way of their own: it is put back on the way back."""

    def __init__(self):
        self._kept = {True: View(), False: View(range="symmetric")}

    def follow(self, before: RenderRequest, after: RenderRequest) -> RenderRequest:
        """`after`, with the view that belongs to what it shows if that changed between image and layer."""
        was_image, is_image = before.tap == IMAGE, after.tap == IMAGE
        if was_image == is_image or not same_file(before, after):
            return after
        kept = self._kept[was_image] = before.view
        if kept.mode == "sheet":             # an overview, from which one goes back to looking at something
            self._kept[was_image] = replace(kept, mode="rgb")
        return replace(after, view=self._kept[is_image])


# -- seeds ------------------------------------------------------------------------------------------------------------

def seed_of(latent: Latent) -> int:
    """The nearest seed of the plane."""
    return round(latent.x) + ROW * round(latent.y)


def latent_name(latent: Latent) -> str:
    """'seed 3', 'x 3.25 y 0.00', 'saved w'."""
    if latent.w is not None or latent.z is not None:
        return "saved w" if latent.w is not None else "saved z"
    is_seed = latent.x % 1 == latent.y % 1 == 0
    return f"seed {seed_of(latent)}" if is_seed else f"x {latent.x:.2f} y {latent.y:.2f}"


def name_of(request: RenderRequest) -> str:
    """'seed 3', 'x 3.25 y 0.00 ψ 0.7 mixed': all that decides the picture but the network, shortly."""
    latent, synth = request.latent, request.synth
    words = [latent_name(latent)]
    words += [f"ψ {latent.psi:g}"] if latent.psi != 1 and latent.w is None else []
    words += ["mixed"] if request.mix.rows else []
    words += [f"noise {synth.noise}"] if synth.noise != "const" else []
    return " ".join(words + (["moved"] if synth.transform else []))


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


def dragged(request: RenderRequest, by: tuple[float, float], per_seed: float) -> RenderRequest:
    """The latent drawn over the seed plane by a drag of `by` (x, y), `per_seed` of the same lengths a seed.

    A saved z or w has no place on the plane and stays.
    """
    latent = request.latent
    if latent.z is not None or latent.w is not None:
        return request
    x, y = latent.x + by[0] / per_seed, latent.y + by[1] / per_seed
    return replace(request, latent=replace(latent, x=max(x, 0.0), y=max(y, 0.0)))


# -- comparison -------------------------------------------------------------------------------------------------------

# Where the other family has no such step: what stands at its place in a layer (inspection.md "Activations").
LIKE_STEPS = {"out": "act", "norm": "act", "style": "act", "up": "conv", "noise": "conv", "torgb": IMAGE,
              "input": "const", "const": "input"}


def pinned(request: RenderRequest, shown: RenderRequest) -> RenderRequest:
    """`request`, held against `shown` from now on."""
    return replace(request, compare=replace(request.compare or Compare(), pinned=pictured(shown), checkpoint=None))


def against(request: RenderRequest, path: str) -> RenderRequest:
    """`request`, held against another network; device, precision and backend are the same."""
    checkpoint = replace(request.checkpoint, path=path.strip().strip('"'), network="", reload=0, content="")
    return replace(request, compare=replace(request.compare or Compare(), checkpoint=checkpoint, pinned=None))


def swapped(request: RenderRequest, info_a: ModelInfo, info_b: ModelInfo | None) -> RenderRequest:
    """A and B exchanged: the reference is looked at, and held against what was looked at."""
    compare, other = request.compare, reference_of(request, info_a, info_b)
    if compare.pinned is not None:
        compare = replace(compare, pinned=pictured(request))
    else:
        compare = replace(compare, checkpoint=request.checkpoint)
    return replace(other, spectrum=request.spectrum, strip=request.strip, compare=compare)


def reference_of(request: RenderRequest, info_a: ModelInfo, info_b: ModelInfo | None) -> RenderRequest | None:
    """What the picture of `request` is to be held against: what is pinned, or the other network on the same request.

    `info_a`, `info_b`: of the two networks; while nothing is known of the other yet, nothing is adapted to it. What it
    has no use for is left out, a class it needs is completed, and a layer it lacks is matched.
    """
    compare = request.compare
    if compare is None:
        return None
    if compare.pinned is not None:
        return pictured(compare.pinned)
    if compare.checkpoint is None:
        return None
    other = replace(pictured(request), checkpoint=compare.checkpoint, inspect=request.inspect)
    return fitted(other, info_a, info_b) if info_b else other


def fitted(request: RenderRequest, info_a: ModelInfo, info_b: ModelInfo) -> RenderRequest:
    """A request for network A, fit for network B."""
    latent, synth, table = request.latent, request.synth, request.table
    latent = replace(latent, classes=tuple((i, weight) for i, weight in latent.classes if i < info_b.c_dim))
    synth = replace(synth, transform=synth.transform if info_b.has_transform else None,
                    lod=synth.lod if info_b.has_lod else None)
    mix = replace(request.mix, rows=rows_within(request.mix.rows, info_b))
    if table is not None:
        table = replace(table, rows=rows_within(table.rows, info_b))
    tap = matching_tap(request.tap, info_a.taps, info_b.taps)
    request = replace(look_at(request, tap), latent=latent, mix=mix, synth=synth, table=table, seeds=request.seeds,
                      inspect=_of_layer(request.inspect, info_a, info_b))
    return completed(request, RenderResult(request, info_b))


def _of_layer(inspection: Inspection | None, info_a: ModelInfo, info_b: ModelInfo) -> Inspection | None:
    """An inspection of one of A's layers, of that of B which is most like it."""
    layer = getattr(inspection, "layer", "")
    if layer not in layers_of(info_a):
        return inspection
    tap = matching_tap(layer + _last_step(info_a), info_a.taps, info_b.taps)
    return replace(inspection, layer=tap.name.rpartition(".")[0])


def layers_of(info: ModelInfo) -> tuple[str, ...]:
    """The layers with an activation, in network order."""
    step = _last_step(info)
    return tuple(tap.name.removesuffix(step) for tap in info.taps if tap.name.endswith(step))


def _last_step(info: ModelInfo) -> str:
    """Of such a layer."""
    return ".out" if info.family == "stylegan3" else ".act"


def rows_within(rows: tuple[int, ...], info: ModelInfo) -> tuple[int, ...]:
    return tuple(row for row in rows if row < info.num_ws)


def matching_tap(name: str, taps_a: Sequence[TapInfo], taps_b: Sequence[TapInfo]) -> TapInfo:
    """The tap of network B that is most like A's tap `name`.

    The one of that name, else of the same step at the nearest sampling rate, and there at the nearest depth.
    """
    for tap in taps_b:
        if tap.name == name:
            return tap
    depths = {tap.name: index / len(taps_a) for index, tap in enumerate(taps_a)}
    rates = {tap.name: tap.rate for tap in taps_a}
    if name not in depths:
        return taps_b[-1]
    step = step_of(name)
    kinds = {step_of(tap.name) for tap in taps_b}
    step = step if step in kinds else LIKE_STEPS.get(step, step)
    _, tap = min(enumerate(taps_b), key=lambda item: (
        step_of(item[1].name) != step, abs(math.log2(item[1].rate / rates[name])),
        abs(item[0] / len(taps_b) - depths[name])))
    return tap


def step_of(tap: str) -> str:
    """'b64.conv0.act' -> 'act'; 'image' -> 'image'."""
    return tap.rpartition(".")[2]
