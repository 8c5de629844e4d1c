"""The slit over the picture: its geometry, and dragging it in the window with real events."""
import driver
import pytest

from gui import lab, slit
from renderer.inspection import Sticking

TITLE = lab.title_of("sticking")
LINE = (0.2, 0.5, 0.8, 0.6)


@pytest.mark.parametrize("name, by, expected", [
    ("Slit start", (0.1, -0.2), (0.3, 0.3, 0.8, 0.6)), ("Slit end", (-0.1, 0.1), (0.2, 0.5, 0.7, 0.7)),
    ("Slit", (0.1, 0.1), (0.3, 0.6, 0.9, 0.7)), ("Slit end", (9.0, 9.0), (0.2, 0.5, 1.0, 1.0)),
    ("Slit start", (-9.0, -9.0), (0.0, 0.0, 0.8, 0.6)),
    ("Slit", (9.0, -9.0), (0.4, 0.0, 1.0, 0.1)), ("Slit", (-9.0, 9.0), (0.0, 0.9, 0.6, 1.0))])
def test_what_is_gripped_moves_within_the_picture(name, by, expected):
    """The whole line keeps its length and its slope."""
    assert slit.dragged(LINE, slit.GRIPS[name], by) == pytest.approx(expected)


def test_grips_are_the_ends_and_the_middle():
    rectangle = (100.0, 50.0, 300.0, 150.0)
    assert slit.on_screen(LINE, rectangle) == pytest.approx((140, 100, 260, 110))
    places = {name: slit.grip_at(LINE, name, rectangle) for name in slit.GRIPS}
    assert places == {"Slit start": pytest.approx((140, 100)), "Slit end": pytest.approx((260, 110)),
                      "Slit": pytest.approx((200, 105))}


@pytest.fixture
def window(display, tmp_path):
    window = driver.Window(display, tmp_path, "a/plain.pkl", entry="tests/gui/fake.py")
    window.answered()
    window.click("Menu/Inspect")
    window.click(f"Menu/{TITLE}")
    window.wait(lambda r: f"{TITLE}/Start" in r["widgets"])
    yield window
    assert window.close() == 0 and window.errors() == ""


def line(report: dict) -> list[float]:
    return report["request"]["inspect"]["line"]


def start(window: driver.Window) -> None:
    assert "Viewer/Slit end" not in window.report()["widgets"]           # nothing is scanned yet
    window.click(f"{TITLE}/Start")
    window.wait(lambda r: "Viewer/Slit end" in r["widgets"])


def moved(window: driver.Window, name: str, x: float, y: float) -> None:
    """Drags a grip by shares of the picture, in steps."""
    x0, y0, x1, y1 = window.rectangle("Viewer/Picture")
    left, top = window.point(name)
    window.move(name)
    window._press()
    for step in (1, 2, 3, 4):
        window._move_to(round(left + x * (x1 - x0) * step / 4), round(top + y * (y1 - y0) * step / 4))
    window._release()


def test_the_slit_is_dragged_by_its_ends_and_its_middle(window):
    start(window)
    default = list(Sticking().line)
    x0, _, x1, _ = window.rectangle("Viewer/Picture")
    within = pytest.approx(default, abs=3 / (x1 - x0))                   # of whole pixels of the screen
    assert line(window.report()) == within
    moved(window, "Viewer/Slit end", 0.1, 0.2)
    first = line(window.wait(lambda r: line(r) != default))
    assert first == pytest.approx([0.2, 0.5, 0.9, 0.7], abs=3 / (x1 - x0)) and first[:2] == default[:2]
    moved(window, "Viewer/Slit start", 0.05, -0.1)
    second = line(window.wait(lambda r: line(r) != first))
    assert second == pytest.approx([0.25, 0.4, 0.9, 0.7], abs=3 / (x1 - x0)) and second[2:] == first[2:]
    moved(window, "Viewer/Slit", -0.1, -0.1)
    third = line(window.wait(lambda r: line(r) != second))
    assert third == pytest.approx([0.15, 0.3, 0.8, 0.6], abs=4 / (x1 - x0))
    window.move("Viewer/Canvas", (0.05, 0.05))
    window.key("ctrl+z")
    window.wait(lambda r: line(r) == second)                             # each drag is one step


def test_beside_the_slit_the_picture_pans_as_ever(window):
    start(window)
    window.scroll("Viewer/Canvas", 3, (0.5, 0.8))
    before = window.rectangle("Viewer/Slit")
    window.drag("Viewer/Canvas", (0.5, 0.8), (0.55, 0.85))
    after = window.wait(lambda r: tuple(r["widgets"]["Viewer/Slit"]) != before)
    assert line(after) == list(Sticking().line)


def test_without_the_inspection_there_is_no_slit(window):
    start(window)
    window.click(f"{TITLE}/Stop")
    window.wait(lambda r: "Viewer/Slit end" not in r["widgets"])
