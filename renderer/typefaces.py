"""Where the machine has typefaces: those inside imgui-bundle, and the systems' own for other scripts. No torch.

Nothing is downloaded, and imgui-bundle is found without being imported: a picture's labels need no window.
"""
from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from PIL import ImageFont

SYMBOLS = {                              # arrows, mathematics, Arabic, Hebrew, ..
    "linux": ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
              "/usr/share/fonts/TTF/DejaVuSans.ttf", "/usr/share/fonts/dejavu/DejaVuSans.ttf"),
    "darwin": ("/System/Library/Fonts/Supplemental/Arial Unicode.ttf",),
    "win32": ("C:/Windows/Fonts/seguisym.ttf",),
}
EAST_ASIAN = {
    "linux": ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
              "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
              "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"),
    "darwin": ("/System/Library/Fonts/Hiragino Sans GB.ttc", "/System/Library/Fonts/PingFang.ttc"),
    "win32": ("C:/Windows/Fonts/msyh.ttc", "C:/Windows/Fonts/YuGothM.ttc", "C:/Windows/Fonts/malgun.ttf"),
}
_NOTO = "/usr/share/fonts/truetype/noto/"
OTHER = {                                # each adds the scripts that it has; emoji are drawn in one colour
    "linux": (*(f"{_NOTO}NotoSans{script}-Regular.ttf" for script in ("Devanagari", "Bengali", "Tamil", "Thai")),
              "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf", f"{_NOTO}NotoEmoji-Regular.ttf",
              "/usr/share/fonts/google-noto-emoji-fonts/NotoEmoji-Regular.ttf"),
    "darwin": ("/System/Library/Fonts/Kohinoor.ttc", "/System/Library/Fonts/Supplemental/Thonburi.ttc",
               "/System/Library/Fonts/AppleSDGothicNeo.ttc"),
    "win32": ("C:/Windows/Fonts/Nirmala.ttc", "C:/Windows/Fonts/LeelawUI.ttf", "C:/Windows/Fonts/malgun.ttf",
              "C:/Windows/Fonts/seguiemj.ttf"),
}
_NOWHERE = "\U0010fffe"                  # no character: a typeface draws its sign for what it lacks


@cache
def bundled(name: str) -> Path:
    """A typeface inside imgui-bundle, which may not be there. Roboto is Apache-2.0, Inconsolata SIL OFL."""
    spec = importlib.util.find_spec("imgui_bundle")
    return Path(spec.origin if spec and spec.origin else "").parent / "assets" / "fonts" / name


def fallbacks() -> list[Path]:
    """For what the main typeface lacks, in the order in which they are asked."""
    return [*_present(SYMBOLS)[:1], *_present(EAST_ASIAN)[:1], *_present(OTHER)]


def _present(candidates: dict[str, tuple[str, ...]]) -> list[Path]:
    return [path for name in candidates.get(sys.platform, ()) if (path := Path(name)).is_file()]


def faces(size: int) -> Iterator[ImageFont.FreeTypeFont]:
    """All that are here, `size` pixels high, the main one first, Pillow's own last; each is opened when asked for."""
    for path in (bundled("Roboto/Roboto-Regular.ttf"), *fallbacks(), None):
        if face := _opened(path, size):
            yield face


@cache
def _opened(path: Path | None, size: int) -> ImageFont.FreeTypeFont | None:
    try:
        return ImageFont.truetype(str(path), size) if path else ImageFont.load_default(size)
    except OSError:                      # not there, or of a kind that FreeType was built without
        return None


def face_for(text: str, size: int) -> ImageFont.FreeTypeFont:
    """The first typeface with all of the characters, else the first of those that lack the fewest."""
    best, fewest = None, len(text) + 1
    for face in faces(size):
        lacks = sum(not _has(face, character) for character in set(text))
        if lacks < fewest:
            best, fewest = face, lacks
        if not lacks:
            break
    return best


@cache
def _has(face: ImageFont.FreeTypeFont, character: str) -> bool:
    return character.isspace() or _drawn(face, character) != _drawn(face, _NOWHERE)


def _drawn(face: ImageFont.FreeTypeFont, character: str) -> tuple:
    mask, offset = face.getmask2(character)
    return mask.size, offset, bytes(mask), face.getlength(character)
