"""The latent panel: the plane of seeds and travelling on it, the class, saved latents, a grid of seeds."""
from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from imgui_bundle import imgui, imgui_ctx

from gui import fonts, report, theme, widgets
from gui.classes import ClassNames
from gui.classpicker import ClassPicker
from gui.commands import Command
from gui.latents import LatentFiles, Samples
from gui.plane import SeedPlane
from gui.requests import MAX_SEED, at_seed, seed_of
from gui.seedgrid import cells_of, followed, grid_from, resized, turned
from gui.travel import CIRCLE, LINE, Travel
from renderer.types import Latent, RenderRequest, RenderResult

Ask = Callable[[Callable[[str], None]], None]        # asks for a file and hands it on
RANDOM_SEEDS = 1_000_000                 # drawn from: short enough to write down
GRID_LIMIT = 16                          # columns and rows
POSITION = ("Where on the plane of seeds: seed = x + 100 y at whole numbers, between them w is interpolated "
            "(StyleGAN sec. 4.1). Drag, or double-click to type")
GRID = "Of the grid of seeds; Page Down and Page Up show the seeds after and before these"
PATHS = {LINE: "Straight on along x", CIRCLE: "A closed loop around where it starts, of this radius in seeds"}


class LatentPanel:
    title = "Latent"

    def __init__(self, files: LatentFiles, names: ClassNames, ask_latent: Ask, ask_names: Ask,
                 keep: Callable[[RenderResult], None]):
        """`keep(result)` keeps a favourite."""
        self.travel = Travel()
        self._files, self._names, self._keep = files, names, keep
        self._ask_latent, self._ask_names = ask_latent, ask_names
        self._plane, self._picker = SeedPlane(), ClassPicker()
        self._cells = (6, 4)             # columns and rows of the next grid
        self._before = RenderRequest()   # as of the last frame
        self.commands = (
            Command("Random seed", lambda q, r: at_random(q), "R", "Latent", 3),
            Command("Grid of seeds", lambda q, r: self._toggle_grid(q), "", "Latent", 3, why_not=_no_network),
            Command("Next page of the grid", lambda q, r: turned(q, 1), "PageDown", "Latent", 3, why_not=_no_grid),
            Command("Previous page of the grid", lambda q, r: turned(q, -1), "PageUp", "Latent", 3, why_not=_no_grid),
            Command("Keep as favourite", lambda q, r: keep(r), "B", "Latent", 4, why_not=_no_picture),
            Command("Save w", lambda q, r: files.save(r), "", "Latent", 4, why_not=_no_w),
            Command("Load w or z…", lambda q, r: self._load(r), "", "Latent", 4, why_not=_no_network),
        )

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        info, latent = result.info, request.latent
        fixed = latent.z is not None or latent.w is not None
        latent = self._sample(request, result) if fixed else _seed(latent)
        if info and info.c_dim and latent.w is None:
            names = self._names.of(request.checkpoint.path)
            latent = replace(latent, classes=self._picker.draw(latent.classes, info.c_dim, names))
        request = replace(request, latent=latent)
        if not fixed:
            circle = (*self.travel.circle(latent.x, latent.y), self.travel.radius)
            circle = circle if self.travel.path == CIRCLE else None
            latent = self._plane.draw(latent, 3 if request.seeds else 2, circle)
            request = self._position(replace(request, latent=latent), result)
        request = followed(self._before, request)
        request = self._grid(request) if request.seeds else request
        if not fixed:
            self._travelling()
            self._more(request, result)
        self._before = request
        return request

    # -- where w comes from -------------------------------------------------------------------------------------------

    def _star(self, result: RenderResult) -> None:
        if widgets.icon(fonts.STAR, "Keep", "Keep what is shown among the favourites (B)", _no_picture(None, result)):
            self._keep(result)

    def _sample(self, request: RenderRequest, result: RenderResult) -> Latent:
        """A saved z or w is shown; the plane is off."""
        latent = request.latent
        kind, given = ("w", latent.w) if latent.w is not None else ("z", latent.z)
        samples, index = self._loaded(kind, given)
        widgets.fact("Source", samples.name if samples else f"a saved {kind}", "This picture's latent was loaded or "
                     f"restored: {kind}, {' × '.join(map(str, given.shape))}")
        if samples and len(samples) > 1:
            latent = _stepped(latent, samples, index)
        gap = theme.em(0.1)
        if widgets.button("Back to seeds", "To the plane, where it was left",
                          width=-2 * (imgui.get_frame_height() + gap)):
            latent = replace(latent, z=None, w=None)
        imgui.same_line(0, gap)
        self._star(result)
        imgui.same_line(0, gap)
        self._more(request, result)
        return latent

    def _loaded(self, kind: str, given):
        """The file's samples and which of them `given` is; (None, 0) if it is none of them."""
        samples = self._files.samples
        index = samples.index(given) if samples and samples.kind == kind else None
        return (samples, index) if index is not None else (None, 0)

    # -- the plane ----------------------------------------------------------------------------------------------------

    def _position(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        """x, y in numbers, back onto the lattice, the grid, the star."""
        latent, spacing = request.latent, imgui.get_style().item_spacing.x
        side, gap = imgui.get_frame_height(), theme.em(0.1)
        width = (imgui.get_content_region_avail().x - 3 * side - 2 * spacing - 2 * gap) / 2
        for name in ("x", "y"):
            imgui.set_next_item_width(width)
            value = getattr(latent, name)
            moved, value = imgui.drag_float(f"##{name}", value, 0.01, 0.0, 1e6, f"{name} %.2f",
                                            imgui.SliderFlags_.always_clamp)
            report.mark(name)
            widgets.hint(POSITION)
            imgui.same_line()
            latent = replace(latent, **{name: value}) if moved else latent       # as float32 it may be another seed
        whole = replace(latent, x=float(round(latent.x)), y=float(round(latent.y)))
        if widgets.icon(fonts.SNAP, "Snap", "Go to the nearest seed", "" if whole != latent else "On a seed already"):
            latent = whole
        imgui.same_line(0, gap)
        request = replace(request, latent=latent)
        if widgets.icon(fonts.TABLE, "Grid of seeds", "Many seeds at once, from this one on"):
            request = self._toggle_grid(request)
        imgui.same_line(0, gap)
        self._star(result)
        return request

    def _more(self, request: RenderRequest, result: RenderResult) -> None:
        """What is needed rarely, in a menu."""
        if widgets.icon(fonts.MORE, "More", "Save and load latents, names of classes"):
            imgui.open_popup("more")
        with imgui_ctx.begin_popup("more") as popup:
            if popup:
                self._menu(request, result)

    def _travelling(self) -> None:
        travel, gap = self.travel, imgui.get_style().item_inner_spacing.x
        glyph = fonts.PAUSE if self.playing else fonts.PLAY
        if widgets.button(f"{glyph}##play", "Travel (Space)", "", theme.em(2.2), "Play", chosen=self.playing):
            self.playing = not self.playing
        imgui.same_line(0, gap)
        imgui.set_next_item_width(theme.em(4.4))
        path = widgets.drop_down("Path", travel.path, tuple(PATHS))
        widgets.hint(PATHS[path])
        if path != travel.path:
            travel.path, travel.center = path, None
        imgui.same_line(0, gap)
        if path == CIRCLE:
            imgui.set_next_item_width(theme.em(3.0))
            moved, radius = imgui.drag_float("##radius", travel.radius, 0.02, 0.1, 50.0, "r %.1f",
                                             imgui.SliderFlags_.always_clamp)
            report.mark("Radius")
            widgets.hint("Radius of the loop, in seeds")
            travel.radius, travel.center = (radius, None) if moved else (travel.radius, travel.center)
            imgui.same_line(0, gap)
        imgui.set_next_item_width(-(imgui.get_frame_height() + gap))
        travel.speed = widgets.bar("Speed", travel.speed, 0.05, 10.0, "%.2f /s", logarithmic=True)
        widgets.hint("Speed, in seeds a second")
        imgui.same_line(0, gap)

    @property
    def playing(self) -> bool:
        return self.travel.playing

    @playing.setter
    def playing(self, on: bool) -> None:
        self.travel.playing, self.travel.center = on, None

    def advance(self, request: RenderRequest, seconds: float) -> RenderRequest:
        """The request `seconds` of animation later; a saved latent rests."""
        if request.latent.w is not None or request.latent.z is not None:
            self.playing = False
            return request
        x, y = self.travel.advanced(request.latent.x, request.latent.y, seconds)
        return replace(request, latent=replace(request.latent, x=x, y=y), seeds=None)

    # -- the grid -----------------------------------------------------------------------------------------------------

    def _toggle_grid(self, request: RenderRequest) -> RenderRequest:
        grid = None if request.seeds else grid_from(seed_of(request.latent), *self._cells)
        return replace(request, seeds=grid, table=None)

    def _grid(self, request: RenderRequest) -> RenderRequest:
        """Its size, and the pages of seeds."""
        gap, side = imgui.get_style().item_inner_spacing.x, imgui.get_frame_height()
        columns, rows = self._cells = cells_of(request.seeds)
        width = (imgui.get_content_region_avail().x - 3 * side - 2 * gap) / 2
        imgui.set_next_item_width(width)
        columns = widgets.int_bar("Columns", columns, 1, GRID_LIMIT, "%d columns")
        widgets.hint(GRID)
        imgui.same_line(0, gap)
        imgui.set_next_item_width(width)
        rows = widgets.int_bar("Rows", rows, 1, GRID_LIMIT, "%d rows")
        widgets.hint(GRID)
        if (columns, rows) != self._cells:
            request = resized(request, columns, rows)
        for glyph, name, tip, pages in ((fonts.PREVIOUS, "Previous page", "The seeds before (Page Up)", -1),
                                        (fonts.NEXT, "Next page", "The seeds that follow (Page Down)", 1)):
            imgui.same_line(0, gap if pages < 0 else 0)
            if widgets.icon(glyph, name, tip):
                request = turned(request, pages)
        imgui.same_line(0, 0)
        return replace(request, seeds=None) if widgets.icon(fonts.CLOSE, "Close grid", "One picture") else request

    # -- files --------------------------------------------------------------------------------------------------------

    def _menu(self, request: RenderRequest, result: RenderResult) -> None:
        info = result.info
        if _item("Save w", "The w of this picture as .npz, where pictures are saved", _no_w(request, result)):
            self._files.save(result)
        if _item("Load w or z…", "From .npz or .npy; dropping such a file here does it too",
                 _no_network(request, result)):
            self._load(result)
        if info and info.c_dim:
            path, count = request.checkpoint.path, info.c_dim
            if _item("Load class names…", "One name a line, or JSON. Remembered for this checkpoint; a file "
                     "NAME.classes.txt beside it is found by itself"):
                self._ask_names(lambda file: self._names.load(path, file, count))

    def _load(self, result: RenderResult) -> None:
        self._ask_latent(lambda path: self.load(path, result))

    def load(self, path: str, result: RenderResult) -> None:
        """Shows the w or z in a file, on the network of `result`."""
        self._files.load(path, result.info)


def _no_network(request, result: RenderResult) -> str:
    return "" if result.info else "Open a network first"


def _no_picture(request, result: RenderResult) -> str:
    return "" if result.picture is not None else "There is no picture yet"


def _no_w(request, result: RenderResult) -> str:
    return "" if result.ws is not None else "Needs one picture in the viewer, not many"


def _no_grid(request: RenderRequest, result) -> str:
    return "" if request.seeds else "Show the grid of seeds first"


def at_random(request: RenderRequest) -> RenderRequest:
    return replace(request, latent=at_seed(request.latent, random.randrange(RANDOM_SEEDS)))


def _seed(latent: Latent) -> Latent:
    side, gap = imgui.get_frame_height(), imgui.get_style().item_inner_spacing.x
    before = seed_of(latent)
    seed = widgets.integer("Seed", before, 0, MAX_SEED, 0, "z is drawn from this number, and the mapping network "
                           "makes w of it (StyleGAN sec. 2). Left and right arrow keys step it", width=-(side + gap))
    imgui.same_line(0, gap)
    if widgets.icon(fonts.DICE, "Random seed", "Any seed below a million (R)"):
        seed = random.randrange(RANDOM_SEEDS)
    return at_seed(latent, seed) if seed != before else latent


def _stepped(latent: Latent, samples: Samples, index: int) -> Latent:
    """Another of the file's samples."""
    words = f"of {len(samples)}"
    gap = imgui.get_style().item_inner_spacing.x
    step = widgets.integer("Sample", index + 1, 1, len(samples), 1, "Which of the latents in the file",
                           width=-(imgui.calc_text_size(words).x + gap)) - 1
    imgui.same_line(0, gap)
    widgets.text(words, "dim")
    return samples.latent(step, latent) if step != index else latent


def _item(words: str, tip: str, why_not: str = "") -> bool:
    pressed = imgui.menu_item(words, "", False, not why_not)[0]
    report.mark(words)
    widgets.hint(why_not or tip)
    return pressed
