"""Frames drawn in parts look exactly as if they were drawn whole; pictures are minified once for every size."""
from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
import driver  # noqa: E402

from gui.damage import EVERYTHING, merged, overlap  # noqa: E402
from gui.texture import minified  # noqa: E402


def test_merged_boxes_cover_all_and_do_not_overlap():
    boxes = [(0, 0, 10, 10), (20, 0, 30, 10), (5, 5, 25, 8), (50, 50, 60, 60), (60, 50, 70, 60)]
    assert sorted(merged(boxes)) == [(0, 0, 30, 10), (50, 50, 60, 60), (60, 50, 70, 60)]
    random = np.random.default_rng(0)
    for _ in range(50):
        low, size = random.integers(0, 90, (8, 2)), random.integers(1, 30, (8, 2))
        boxes = [tuple(box) for box in np.hstack([low, low + size]).tolist()]
        apart = merged(boxes)
        assert not any(overlap(a, b) for i, a in enumerate(apart) for b in apart[:i])
        assert all(any(a[0] <= b[0] and a[1] <= b[1] and a[2] >= b[2] and a[3] >= b[3] for a in apart) for b in boxes)


@pytest.mark.parametrize("share", [0.64, 0.5, 0.37, 0.25, 0.1])
def test_minified_detail_turns_into_its_mean(share):
    checkerboard = (np.indices((512, 512)).sum(0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, 2)
    side = round(512 * share)
    shown = minified(checkerboard, (side, side)).astype(float)
    assert shown.shape == (side, side, 3)
    assert abs(shown.mean() - 127.5) < 1 and shown[2:-2, 2:-2].std() < 2


def test_minified_gradient_stays_one():
    ramp = np.linspace(0, 255, 400).astype(np.uint8)[None, :, None].repeat(300, 0).repeat(3, 2)
    shown = minified(ramp, (100, 75)).astype(float)
    assert np.abs(shown[:, 2:-2, 0] - np.linspace(0, 255, 100)[2:-2]).max() < 2.5


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    """The window in this process, on a display of its own."""
    before = {name: os.environ.get(name) for name in ("DISPLAY", "XDG_CONFIG_HOME")}
    display = driver.Display()
    os.environ.update(DISPLAY=display.name, XDG_CONFIG_HOME=str(tmp_path_factory.mktemp("config")))
    from gui.window import Window
    window = Window("Stylescope", (500, 400))
    yield window
    window.close()
    display.close()
    for name, value in before.items():
        os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)


def drawn(window, step: int) -> bool:
    """A frame with windows that stay, change, move over others, appear and go; whether any of it was drawn anew."""
    from imgui_bundle import ImVec2, imgui
    with window.frame():
        for name, x, y in (("A", 10, 10), ("B", 250, 10), ("C", 10, 220), ("D", 100 + 17 * (step // 3), 150)):
            if name == "D" and step % 7 == 6:
                continue
            imgui.set_next_window_pos(ImVec2(x, y))
            imgui.set_next_window_size(ImVec2(200, 170))
            imgui.begin(name)
            imgui.text(f"frame {step if name == 'B' else 0}")
            if name == "C" and step % 2:
                imgui.get_window_draw_list().add_circle_filled(ImVec2(x + 60, y + 80), 30 + step, 0x80FFFFFF)
            imgui.end()
    changed = window._changed
    window.present()
    return changed


def test_parts_make_the_same_frame_as_the_whole(window, monkeypatch):
    from imgui_bundle import imgui
    for step in range(24):                       # all glyphs have been seen by then
        drawn(window, step)
    drawn(window, 24)
    assert not drawn(window, 24)                 # nothing changed, nothing is drawn
    boxes, draw = [], window._screen.draw
    monkeypatch.setattr(window._screen, "draw", lambda data, parts: (boxes.append(parts), draw(data, parts)))
    for step in range(24):
        assert drawn(window, step)
        parts = window.pixels()
        draw(imgui.get_draw_data(), [EVERYTHING])
        np.testing.assert_array_equal(parts, window.pixels())
    assert sum(EVERYTHING not in parts for parts in boxes) > 12  # most of the frames, indeed, were drawn in parts
