"""The type: one family with tabular figures, icons, fallbacks for symbols and other scripts. Nothing is downloaded."""
from __future__ import annotations

from pathlib import Path

from imgui_bundle import imgui

from renderer.typefaces import bundled, fallbacks

# Icons of Font Awesome 6 Free (SIL OFL), which ships inside imgui-bundle.
PLAY, PAUSE, FOLDER, CAMERA = "\uf04b", "\uf04c", "\uf07c", "\uf030"
RESET, CLOSE, COPY, CHECK = "\uf0e2", "\uf00d", "\uf0c5", "\uf00c"
INFO, WARNING, DICE, RELOAD = "\uf05a", "\uf071", "\uf522", "\uf2f9"
FILTER, FIT, SNAP, TABLE, FILE = "\uf0b0", "\uf31e", "\uf076", "\uf00a", "\uf15b"
PREVIOUS, NEXT, STRONGEST, OPTIONS, EXPORT = "\uf053", "\uf054", "\uf0e7", "\uf1de", "\uf019"
STAR, MORE, LIST = "\uf005", "\uf141", "\uf03a"
HAND, MOVE, GRID, PICK, BACKDROP = "\uf256", "\uf0b2", "\uf84c", "\uf1fb", "\uf042"

def load(size: float) -> tuple[imgui.ImFont, imgui.ImFont]:
    """Adds the fonts to ImGui's atlas; returns (regular, bold). Glyphs are drawn when they are first shown."""
    icons = [bundled("Font_Awesome_6_Free-Solid-900.otf"), bundled("Inconsolata-Medium.ttf")]
    regular = _load_merged(bundled("Roboto/Roboto-Regular.ttf"), [*icons, *fallbacks()], size)
    bold = _load_merged(bundled("Roboto/Roboto-Bold.ttf"), icons, size)
    return regular, bold


def _load_merged(face: Path, others: list[Path], size: float) -> imgui.ImFont:
    atlas = imgui.get_io().fonts
    if not face.is_file():
        return atlas.add_font_default()
    font = atlas.add_font_from_file_ttf(str(face), size)
    for path in others:
        if path.is_file():
            atlas.add_font_from_file_ttf(str(path), size, _merge(path))
    return font


def _merge(path: Path) -> imgui.ImFontConfig:
    config = imgui.ImFontConfig()
    config.merge_mode = True
    if "Awesome" in path.name:
        config.extra_size_scale = 0.82   # icons fill their whole em; text does not
    return config

