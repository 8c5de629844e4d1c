"""Themes: readable, neutral behind pictures; chosen and remembered in the window, as are scale and place."""
import json

import driver
import numpy as np
import pytest
from PIL import Image

from gui import theme

PAIRS = [(text, ground) for text in theme.TEXTS for ground in theme.GROUNDS]
PAIRS += [("text", ground) for ground in theme.MARKED]


def test_contrast_is_that_of_the_standard():
    assert theme.contrast(0x000000, 0xFFFFFF) == pytest.approx(21) and theme.contrast(0x777777, 0x777777) == 1
    assert theme.contrast(0x767676, 0xFFFFFF) == pytest.approx(4.54, abs=0.005)      # the lightest grey that passes


@pytest.mark.parametrize("name", theme.COLORS)
@pytest.mark.parametrize("text, ground", PAIRS)
def test_letters_can_be_read(name, text, ground):
    colors = theme.COLORS[name]
    assert theme.contrast(colors[text], colors[ground]) >= 4.5


@pytest.mark.parametrize("name", theme.COLORS)
@pytest.mark.parametrize("role", ["backdrop", "checker", "panel", "sunken", "raised", "popup", "frame", "line"])
def test_greys_are_neutral(name, role):
    value = theme.COLORS[name][role]
    assert value >> 16 == value >> 8 & 255 == value & 255


def test_every_theme_has_every_colour():
    assert len({frozenset(colors) for colors in theme.COLORS.values()}) == 1


def test_the_accent_is_seen_on_what_it_marks():
    for colors in theme.COLORS.values():
        assert all(theme.contrast(colors["accent"], colors[ground]) >= 3 for ground in ("panel", "frame", "backdrop"))


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture
def start(display, tmp_path):
    (tmp_path / "plain.pkl").write_bytes(b"")
    windows = []

    def start():
        windows.append(driver.Window(display, tmp_path, str(tmp_path / "plain.pkl"), entry="tests/gui/fake.py"))
        return windows[-1]
    yield start
    for window in windows:
        if window.process.poll() is None:
            window.process.kill()


def color_at(window, tmp_path, name: str, at) -> tuple:
    window.answered()
    x, y = window.point(name, at)
    pixels = np.asarray(Image.open(window.screenshot(tmp_path / "look.png")))
    return tuple(int(v) for v in pixels[y, x])


def rgb(name: str, theme_name: str) -> tuple:
    value = theme.COLORS[theme_name][name]
    return value >> 16, value >> 8 & 255, value & 255


def until_colored(window, tmp_path, wanted: tuple) -> None:
    """The viewer's corner, beside the picture, has the colour."""
    window.wait(lambda r: color_at(window, tmp_path, "Viewer/Canvas", (0.02, 0.97)) == wanted)


def test_a_theme_is_chosen_shows_behind_the_picture_and_is_remembered(start, tmp_path):
    window = start()
    until_colored(window, tmp_path, rgb("backdrop", "dark"))
    window.click("Menu/View")
    window.click("Menu/Theme")
    window.click("Menu/Light")
    window.wait(lambda r: r["theme"] == "light")
    window.move("Menu/Help")
    until_colored(window, tmp_path, rgb("backdrop", "light"))
    window.key("ctrl+plus")
    scale = window.wait(lambda r: r["scale"] > 1)["scale"]
    assert window.close() == 0
    again = start()
    assert again.report()["theme"] == "light" and again.report()["scale"] == pytest.approx(scale)
    until_colored(again, tmp_path, rgb("backdrop", "light"))
    assert again.close() == 0 and again.errors() == ""


def test_full_screen_and_back(start, display, tmp_path):
    """Started small and away from the corner, F11 covers the screen and puts the window back where it was."""
    file = tmp_path / "config" / "stylescope" / "window.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"width": 900, "height": 600, "position": [60, 40], "greeted": True}))
    window = start()
    assert geometry(display) == (60, 40, 900, 600)
    window._xdotool("key", "F11")            # the driver's mouse takes the window to be at the corner
    window.wait(lambda r: r["full_screen"] and r["widgets"]["Viewer/Canvas"][2] > 900)
    window.wait(lambda r: geometry(display) == (0, 0, *display.size))
    window._xdotool("key", "F11")
    window.wait(lambda r: not r["full_screen"] and r["widgets"]["Viewer/Canvas"][2] < 900)
    window.wait(lambda r: geometry(display) == (60, 40, 900, 600))
    assert window.close() == 0
    kept = json.loads(file.read_text())
    assert (kept["width"], kept["height"], kept["position"]) == (900, 600, [60, 40])


def test_tab_leaves_the_viewer_alone_and_brings_the_rest_back(start):
    window = start()
    small = window.rectangle("Viewer/Canvas")
    window.move("Viewer/Canvas")
    window.key("Tab")
    large = window.wait(lambda r: "Network/Path" not in r["widgets"])["widgets"]["Viewer/Canvas"]
    assert large[2] - large[0] > 1.5 * (small[2] - small[0])
    window.key("Tab")
    window.wait(lambda r: "Network/Path" in r["widgets"])
    assert window.close() == 0


def geometry(display) -> tuple:
    """x, y, width, height of the window on the screen."""
    from Xlib import display as x
    client = x.Display(display.name)
    try:
        named = [child for child in client.screen().root.query_tree().children if child.get_wm_name()]
        place = next(g for g in (child.get_geometry() for child in reversed(named)) if g.width > 9)
        return place.x, place.y, place.width, place.height
    finally:
        client.close()
