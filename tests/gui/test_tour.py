"""The tour: every stop leads to its figure, by one click, on each network that has it."""
import driver
import fake
import pytest

from gui.tour import STOPS
from renderer.inspection import KINDS, check


def test_stops_can_be_taken_and_cover_the_lab():
    for stop in STOPS:
        check(stop.inspection)
    assert {stop.inspection.kind for stop in STOPS} == set(KINDS)
    assert len({stop.title for stop in STOPS}) == len({stop.inspection for stop in STOPS}) == len(STOPS)


def test_what_a_network_lacks_is_said():
    info = fake.model("a.pkl")
    reasons = {stop.title: stop.why_not(info) for stop in STOPS}
    assert info.family == "stylegan2" and reasons["Style mixing"] == reasons["Teeth that keep their place"] == ""
    assert reasons["Equivariance"] == reasons["Flexible layers"] == "Only StyleGAN3 have this"
    assert all(stop.why_not(None) for stop in STOPS)


@pytest.fixture
def window(display, tmp_path, request):
    window = driver.Window(display, tmp_path, request.param)
    window.answered(60)
    window.click("Menu/Help")
    window.click("Menu/Tour")
    window.wait(lambda r: "Tour/Begin" in r["widgets"])
    yield window
    assert window.close() == 0 and window.errors() == ""


def reached(window: driver.Window, kind: str) -> None:
    """Its panel asks for it, and something was found."""
    window.wait(lambda r: (r["request"]["inspect"] is not None and r["report"] is not None
                           and r["report"]["kind"] == kind and r["report"]["figures"]), 60)
    assert not window.report()["traces"] and not window.report()["error"]


@pytest.mark.parametrize("window, family", [("demo:stylegan1", "stylegan1"), ("demo:stylegan3-r", "stylegan3")],
                         indirect=["window"])
def test_every_stop_by_next(window, family):
    stops = [stop for stop in STOPS if not stop.families or family in stop.families]
    stops = [stop for stop in stops if stop.needs != "has_noise" or family != "stylegan3"]
    for index, stop in enumerate(stops):
        window.click("Tour/Next" if index else "Tour/Begin")
        reached(window, stop.inspection.kind)
    window.click("Tour/Back")
    reached(window, stops[-2].inspection.kind)


@pytest.mark.parametrize("window", ["demo:stylegan2"], indirect=True)
def test_one_click_and_a_stop_that_is_greyed(window):
    window.click("Tour/Style mixing")
    reached(window, "mixing")
    before = window.report()["request"]
    window.scroll("Tour/Stops", -60)
    window.wait(lambda r: "Tour/Flexible layers" in r["widgets"])
    window.click("Tour/Flexible layers")
    window.wait(lambda r: r["answered"], 60)
    assert window.report()["request"] == before


def test_the_greeting_offers_it(display, tmp_path):
    window = driver.Window(display, tmp_path, "demo:stylegan2", first=True)
    window.answered(60)
    window.click("Notice/Take the tour")
    report = window.wait(lambda r: "Tour/Begin" in r["widgets"])
    assert not any(name.startswith("Notice/") for name in report["widgets"])
    assert window.close() == 0 and window.errors() == ""
