"""The type: one family with tabular figures, icons, fallbacks for symbols and other scripts. Nothing is downloaded."""
from __future__ import annotations

import sys
from pathlib import Path

import imgui_bundle
from imgui_bundle import imgui

# Icons of Font Awesome 6 Free (SIL OFL), which ships inside imgui-bundle.
PLAY, PAUSE, FOLDER, CAMERA = "\uf04b", "\uf04c", "\uf07c", "\uf030"
RESET, CLOSE, COPY, CHECK = "\uf0e2", "\uf00d", "\uf0c5", "\uf00c"
INFO, WARNING, DICE, RELOAD = "\uf05a", "\uf071", "\uf522", "\uf2f9"
FILTER, FIT, SNAP, TABLE, FILE = "\uf0b0", "\uf31e", "\uf076", "\uf00a", "\uf15b"
PREVIOUS, NEXT, STRONGEST, OPTIONS, EXPORT = "\uf053", "\uf054", "\uf0e7", "\uf1de", "\uf019"
STAR, MORE, LIST = "\uf005", "\uf141", "\uf03a"
HAND, MOVE, GRID, PICK, BACKDROP = "\uf256", "\uf0b2", "\uf84c", "\uf1fb", "\uf042"

# Roboto is Apache-2.0, Inconsolata SIL OFL; both ship inside imgui-bundle too.
_ASSETS = Path(imgui_bundle.__file__).parent / "assets" / "fonts"
_SYMBOLS = {                             # arrows, mathematics, Arabic, Hebrew, ..
    "linux": ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
              "/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf"),
    "darwin": ("/System/Library/Fonts/Supplemental/Arial Unicode.ttf",),
    "win32": ("C:/Windows/Fonts/seguisym.ttf",),
}
_EAST_ASIAN = {
    "linux": ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
              "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    "darwin": ("/System/Library/Fonts/Hiragino Sans GB.ttc", "/System/Library/Fonts/PingFang.ttc"),
    "win32": ("C:/Windows/Fonts/msyh.ttc", "C:/Windows/Fonts/YuGothM.ttc", "C:/Windows/Fonts/malgun.ttf"),
}
_NOTO = "/usr/share/fonts/truetype/noto/"
_OTHER = {                               # each adds the scripts that it has; emoji are drawn in one colour
    "linux": (*(f"{_NOTO}NotoSans{script}-Regular.ttf" for script in ("Devanagari", "Bengali", "Tamil", "Thai")),
              "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf", f"{_NOTO}NotoEmoji-Regular.ttf",
              "/usr/share/fonts/google-noto-emoji-fonts/NotoEmoji-Regular.ttf"),
    "darwin": ("/System/Library/Fonts/Kohinoor.ttc", "/System/Library/Fonts/Supplemental/Thonburi.ttc",
               "/System/Library/Fonts/AppleSDGothicNeo.ttc"),
    "win32": ("C:/Windows/Fonts/Nirmala.ttc", "C:/Windows/Fonts/LeelawUI.ttf", "C:/Windows/Fonts/malgun.ttf",
              "C:/Windows/Fonts/seguiemj.ttf"),
}


def load(size: float) -> tuple[imgui.ImFont, imgui.ImFont]:
    """Adds the fonts to ImGui's atlas; returns (regular, bold). Glyphs are drawn when they are first shown."""
    fallbacks = [_ASSETS / "Font_Awesome_6_Free-Solid-900.otf", _ASSETS / "Inconsolata-Medium.ttf",
                 *_present(_SYMBOLS)[:1], *_present(_EAST_ASIAN)[:1], *_present(_OTHER)]
    regular = _load_merged(_ASSETS / "Roboto/Roboto-Regular.ttf", fallbacks, size)
    bold = _load_merged(_ASSETS / "Roboto/Roboto-Bold.ttf", fallbacks[:2], size)
    return regular, bold


def _load_merged(face: Path, fallbacks: list[Path], size: float) -> imgui.ImFont:
    atlas = imgui.get_io().fonts
    if not face.is_file():
        return atlas.add_font_default()
    font = atlas.add_font_from_file_ttf(str(face), size)
    for path in fallbacks:
        if path.is_file():
            atlas.add_font_from_file_ttf(str(path), size, _merge(path))
    return font


def _merge(path: Path) -> imgui.ImFontConfig:
    config = imgui.ImFontConfig()
    config.merge_mode = True
    if "Awesome" in path.name:
        config.extra_size_scale = 0.82   # icons fill their whole em; text does not
    return config


def _present(candidates: dict[str, tuple[str, ...]]) -> list[Path]:
    return [path for name in candidates.get(sys.platform, ()) if (path := Path(name)).is_file()]
