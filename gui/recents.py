"""Recent files: each with a small picture of what its network makes, kept on disk, and the reason if it is gone."""
from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import platformdirs
from imgui_bundle import ImVec2, ImVec4, imgui, imgui_ctx
from PIL import Image

from gui import fonts, report, theme, widgets
from gui.jobs import Jobs
from gui.requests import IMAGE, opening, shown_name
from gui.texture import Texture
from renderer.content import is_file_path
from renderer.images import save_png
from renderer.types import RenderRequest, RenderResult

SIDE = 96                                # pixels of a thumbnail


def default_folder() -> Path:
    return Path(platformdirs.user_cache_dir("stylescope", appauthor=False)) / "thumbnails"


def thumbnail_file(folder: Path, path: str) -> Path:
    return folder / f"{hashlib.sha256(path.encode(errors='surrogateescape')).hexdigest()[:24]}.png"


def small(picture: np.ndarray, side: int = SIDE) -> np.ndarray:
    """uint8 [H, W, 3] `side` wide or high, whichever is more."""
    image = Image.fromarray(picture)
    factor = side / max(image.size)
    return np.asarray(image.resize([max(round(length * factor), 1) for length in image.size], Image.Resampling.BOX
                                   if factor >= 1 else Image.Resampling.LANCZOS))


def trouble(path: str) -> str:
    """Why a recent path can't be opened, as far as the disk tells; empty: it can."""
    if not is_file_path(path) or os.path.exists(path):
        return ""
    folder = os.path.dirname(path)
    return f"No longer at {path}" if not folder or os.path.isdir(folder) else f"The folder {folder} is not there now"


class Recents:
    """`paths()`: newest first; `forget(path)` takes one off the list."""

    def __init__(self, paths: Callable[[], tuple[str, ...]], forget: Callable[[str], None], jobs: Jobs,
                 folder: Path):
        self.paths, self._forget, self._jobs, self._folder = paths, forget, jobs, folder
        self._troubles: dict[str, str] = {}
        self._pictures: dict[str, np.ndarray] = {}
        self._shown: dict[str, np.ndarray] = {}              # as large as on the screen
        self._textures: dict[str, Texture] = {}
        self._kept: set[str] = set()     # paths whose thumbnail was made in this run
        self.look()

    # -- the disk -----------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Looks anew, in a job, which files are there, and reads the thumbnails not read yet."""
        paths = self.paths()

        def job() -> None:
            for path in paths:
                self._troubles[path] = trouble(path)
                if path not in self._pictures:
                    with suppress(OSError, ValueError, SyntaxError), \
                            Image.open(thumbnail_file(self._folder, path)) as image:
                        self._pictures[path] = np.asarray(image.convert("RGB"))
        self._jobs.run("read the recent files", job)

    def keep(self, result: RenderResult) -> None:
        """Makes the thumbnail of a file from the first image it answers with."""
        request = result.request
        path = request.checkpoint.path
        plain = request.tap == IMAGE and request.table is None and request.seeds is None
        if path in self._kept or path not in self.paths() or result.picture is None or not plain:
            return
        self._kept.add(path)

        def job() -> None:
            picture = small(result.picture)
            self._folder.mkdir(parents=True, exist_ok=True)
            save_png(thumbnail_file(self._folder, path), picture)
            self._pictures[path] = picture
            self._shown.pop(path, None)
        self._jobs.run("keep a thumbnail", job)

    def why_not(self, path: str) -> str:
        """Why a file can't be opened; empty: it can, as far as is known."""
        return self._troubles.get(path, "")

    def remove(self, path: str) -> None:
        self._forget(path)
        self._pictures.pop(path, None)
        self._kept.discard(path)
        self._jobs.run("remove a thumbnail", lambda: thumbnail_file(self._folder, path).unlink(missing_ok=True))

    # -- on the screen ------------------------------------------------------------------------------------------------

    def draw(self, request: RenderRequest, width: float, count: int = 12) -> RenderRequest:
        """A line for each file; a click opens it."""
        if imgui.is_window_appearing():
            self.look()
        for path in self.paths()[:count]:
            if self._row(path, width):
                request = opening(request, path)
        return request

    def _row(self, path: str, width: float) -> bool:
        side, why_not = theme.em(2.1), self.why_not(path)
        start, at = imgui.get_cursor_pos(), imgui.get_cursor_screen_pos()
        flags = imgui.SelectableFlags_.allow_overlap | (imgui.SelectableFlags_.disabled if why_not else 0)
        with imgui_ctx.push_id(path):
            clicked = imgui.selectable("##open", False, flags, ImVec2(width, side))[0]
            report.mark(path)
            widgets.hint(why_not or path)
            after = imgui.get_cursor_pos()
            self._picture(path, at, side, 0.35 if why_not else 1.0)
            self._words(path, ImVec2(start.x + side + theme.em(0.6), start.y), width - 2 * side - theme.em(0.8),
                        "faint" if why_not else "text")
            imgui.set_cursor_pos(ImVec2(start.x + width - side, start.y + (side - imgui.get_frame_height()) / 2))
            if widgets.icon(fonts.CLOSE, f"Remove {path}", "Remove from this list; the file stays"):
                self.remove(path)
            imgui.set_cursor_pos(after)
            imgui.dummy(ImVec2(0, 0))
        return clicked

    def _picture(self, path: str, at: ImVec2, side: float, opacity: float) -> None:
        draw, picture = imgui.get_window_draw_list(), self._pictures.get(path)
        end = ImVec2(at.x + side, at.y + side)
        if picture is None:
            draw.add_rect_filled(at, end, theme.ink("frame", opacity), theme.em(0.15))
            size = imgui.calc_text_size(fonts.FILE)
            draw.add_text(ImVec2(at.x + (side - size.x) / 2, at.y + (side - size.y) / 2), theme.ink("faint"),
                          fonts.FILE)
            return
        shown = self._shown.get(path)
        if shown is None or max(shown.shape[:2]) != round(side):
            shown = self._shown[path] = small(picture, round(side))
        texture = self._textures.setdefault(path, Texture())
        texture.show(shown)
        height, width = shown.shape[:2]
        corner = ImVec2(round(at.x + (side - width) / 2), round(at.y + (side - height) / 2))
        white = imgui.color_convert_float4_to_u32(ImVec4(1, 1, 1, opacity))
        draw.add_image(imgui.ImTextureRef(texture.id), corner, ImVec2(corner.x + width, corner.y + height),
                       ImVec2(0, 0), ImVec2(1, 1), white)

    def _words(self, path: str, at: ImVec2, room: float, color: str) -> None:
        """The file's name above its folder."""
        name, folder = parts(path)
        line = imgui.get_text_line_height()
        imgui.set_cursor_pos(at)
        widgets.text(widgets.shorten(name, room), color)
        with imgui_ctx.push_font(None, theme.FONT_SIZE * 0.85):
            imgui.set_cursor_pos(ImVec2(at.x, at.y + line))
            widgets.text(widgets.shorten(folder[::-1], room)[::-1], "faint")

    def close(self) -> None:
        for texture in self._textures.values():
            texture.delete()


def parts(path: str) -> tuple[str, str]:
    """What stands above and below: the name and the folder."""
    if path.startswith("demo:"):
        return shown_name(path), "built in"
    folder, name = os.path.split(path)
    return name or path, folder
