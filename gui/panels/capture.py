"""The capture panel: saves the image, a layer, the mixing table or the whole window as PNG, with the state inside."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gui import fonts, widgets
from gui.requests import IMAGE, of_image, of_table
from gui.saving import Saver
from renderer.types import MixTable, RenderRequest, RenderResult


class CapturePanel:
    title = "Capture"

    def __init__(self, saver: Saver, choose_folder: Callable[[], None],
                 table: Callable[[RenderRequest, RenderResult], MixTable | None]):
        self._saver, self._choose_folder, self._table = saver, choose_folder, table

    def __call__(self, request: RenderRequest, result: RenderResult) -> RenderRequest:
        nothing = "" if result.info else "Open a network first"
        width = widgets.even_width(2)
        if widgets.button("Image", "The network's picture at its own resolution", nothing, width):
            self._saver.render(of_image(request))
        widgets.next_column()
        no_layer = nothing or ("" if request.tap != IMAGE else "Choose one in Layers first")
        if widgets.button("Layer", "The layer shown in the viewer, as it is shown", no_layer, width):
            self._saver.render(replace(request, table=None))
        table = self._table(request, result)
        if widgets.button("Mixing table", "The table of Style mixing as one picture, at full resolution",
                          nothing or ("" if table else "Its seeds can't be read"), width):
            self._saver.render(of_table(request, table))
        widgets.next_column()
        if widgets.button("Window", "The whole window as it looks now", "", width):
            self._saver.save_window()
        self._folder()
        return request

    def _folder(self) -> None:
        if widgets.button(f"{fonts.FOLDER}##folder", "Choose where pictures are saved", name="Folder"):
            self._choose_folder()
        widgets.next_column()
        widgets.align()
        widgets.clipped(str(self._saver.folder()), "dim", from_end=True)
