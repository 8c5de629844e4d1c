"""The default arrangement of the panels (viewer.md, "The window at a glance"), built with ImGui's dock builder."""
from __future__ import annotations

import re

from imgui_bundle import ImVec2, imgui

from gui.lab import TABS as LAB

LEFT = (("Network",), ("Latent", "History", "Favourites"), ("Style mixing", "Transform", "Tour"),
        ("Truncation & noise",))
LEFT_SHARES = (0.213, 0.305, 0.304, 0.178)
RIGHT = (("Layers",), ("Channel", "Compare"))
RIGHT_SHARES = (0.545, 0.455)
BOTTOM = (("Spectrum",), ("Radial profile", "All layers"), ("Capture", "Performance"))
BOTTOM_SHARES = (0.36, 0.35, 0.29)
NARROW = 42.0                            # font heights: where the bottom panels no longer fit side by side
CENTER = "Viewer"
BESIDE = (*LAB, "Training")              # the viewer, in one place
LAB_SHARE = 0.5                          # of the viewer's place, while one of these is open


def build(root: int, position: ImVec2, size: ImVec2, font_size: float) -> None:
    """Docks every panel under the node `root`. Side panels keep their width in text, the viewer takes what is left."""
    left_share = min(18.5 * font_size / size.x, 0.3)
    right_share = min(18.5 * font_size / size.x, 0.3)
    bottom_share = min(17.0 * font_size / size.y, 0.4)
    builder = imgui.internal
    builder.dock_builder_remove_node(root)
    builder.dock_builder_add_node(root, imgui.internal.DockNodeFlagsPrivate_.dock_space)
    builder.dock_builder_set_node_pos(root, position)
    builder.dock_builder_set_node_size(root, size)
    left, rest = _split(root, imgui.Dir.left, left_share)
    right, middle = _split(rest, imgui.Dir.right, right_share / (1 - left_share))
    bottom, center = _split(middle, imgui.Dir.down, bottom_share)
    lab, center = _split(center, imgui.Dir.right, LAB_SHARE)
    _stack(lab, (BESIDE,), (1.0,), imgui.Dir.left)
    _stack(left, LEFT, LEFT_SHARES, imgui.Dir.up)
    _stack(right, RIGHT, RIGHT_SHARES, imgui.Dir.up)
    if (1 - left_share - right_share) * size.x < NARROW * font_size:
        _stack(bottom, (sum(BOTTOM, ()),), (1.0,), imgui.Dir.left)
    else:
        _stack(bottom, BOTTOM, BOTTOM_SHARES, imgui.Dir.left)
    builder.dock_builder_dock_window(CENTER, center)
    builder.dock_builder_get_node(center).local_flags |= imgui.internal.DockNodeFlagsPrivate_.central_node
    builder.dock_builder_finish(root)


def _split(node: int, side: imgui.Dir, share: float) -> tuple[int, int]:
    _, one, other = imgui.internal.dock_builder_split_node_py(node, side, share)
    return one, other


def _stack(node: int, groups, shares, side: imgui.Dir) -> None:
    """Cuts `node` into one place per group of tabs, from `side` on."""
    left_over = 1.0
    for index, (titles, share) in enumerate(zip(groups, shares, strict=True)):
        place = node
        if index < len(groups) - 1:
            place, node = _split(node, side, share / left_over)
            left_over -= share
        for title in titles:
            imgui.internal.dock_builder_dock_window(title, place)


def is_whole(text: str) -> bool:
    """Whether a layout has a place for each panel that begins closed; one of an older version has not."""
    return all(f"[Window][{title}]" in text for title in (*BESIDE, "Tour"))


def rescaled(text: str, factor: float) -> str:
    """A layout that ImGui wrote, its panels `factor` times as large."""
    def larger(match: re.Match) -> str:
        x, y = (round(int(v) * factor) for v in match.groups()[1:])
        return f"{match[1]}={x},{y}"
    return re.sub(r"\b(Pos|Size|SizeRef)=(-?\d+),(-?\d+)", larger, text)
