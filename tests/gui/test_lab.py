"""The lab in the window: panels, generated controls and figures, driven by real events."""
import dataclasses
import json
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Literal

import driver
import fakereport
import numpy as np
import pytest

from gui import charts, controls, figures, history, lab, layout, tables, tiles
from gui.panels import lab as panel
from gui.requests import opening, reference_of
from renderer.images import load_request
from renderer.inspection import KINDS, Inspection, option
from renderer.report import Axis, Curve, Fact, Picture, Plot, Report, Table
from renderer.types import Checkpoint, Compare, RenderRequest

KIND = "droplets"
TITLE = lab.title_of(KIND)


# -- controls from fields ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("hint, value, text", [
    (str, "b64.conv0.act", "b64.conv0.act"), (int | None, None, ""), (int | None, 7, "7"), (float | None, 0.25, "0.25"),
    (tuple[int, ...], (), ""), (tuple[int, ...], (1, 2, 30), "1, 2, 30"), (tuple[float, float], (0.5, -1.0), "0.5, -1"),
    (tuple[str, ...], ("a", "b"), "a, b")])
def test_what_is_written_in_a_field_reads_as_the_same_value(hint, value, text):
    assert controls.written(value) == text and controls.read(hint, text) == value


@pytest.mark.parametrize("hint, text", [(int | None, "x"), (tuple[int, ...], "1, 2.5"), (tuple[float, float], "1"),
                                        (float | None, "inf")])
def test_what_means_nothing_is_refused_in_words(hint, text):
    with pytest.raises(ArgumentTypeError, match=r"\w+ \w+"):
        controls.read(hint, text)


def test_every_type_that_inspections_have_gets_a_control():
    for cls in KINDS.values():
        for field in dataclasses.fields(cls):
            hint = controls.hints_of(cls)[field.name]
            if hint in (bool, int, float) or getattr(hint, "__origin__", None) is Literal:
                continue
            assert controls.read(hint, controls.written(field.default)) == field.default, (cls.kind, field.name)
            assert controls.tip_of(field), (cls.kind, field.name)


def test_a_tooltip_says_meaning_limits_and_unit():
    @dataclasses.dataclass(frozen=True)
    class Made:
        one: float = option(0.5, "how far", 0.0, 2.0, "px")
        least: int = option(1, "how many", 1)
        plain: bool = option(False, "whether")
    one, least, plain = dataclasses.fields(Made)
    assert controls.tip_of(one) == "How far (0 to 2 px)" and controls.tip_of(least) == "How many (at least 1)"
    assert controls.tip_of(plain) == "Whether"
    assert controls.label_of("first_seed") == "First seed" and controls.label_of("sources_a") == "Sources A"


@pytest.mark.parametrize("span", [0.01, 0.3, 1.0, 2.0, 40.0, 1000.0])
def test_a_slider_has_enough_steps(span):
    assert span * 10 ** controls.digits(span) >= 200 or controls.digits(span) == 6


# -- figures ----------------------------------------------------------------------------------------------------------

def picture(name: str, group: str = "") -> Picture:
    return Picture(name, name, np.zeros((2, 2, 3), np.uint8), group=group)


def test_figures_that_stand_side_by_side():
    facts, a, b, c, d = [Fact("x", "X", 1.0), Fact("y", "Y", 2.0)], picture("a", "g"), picture("b", "g"), \
        picture("c"), picture("d")
    found = list(figures.runs([*facts, a, b, c, d]))
    assert found == [facts, [a, b], [c], [d]]
    assert [[f.name for f in run] for run in figures.runs(())] == []


def test_facts_in_words():
    assert figures.value_of(Fact("e", "EQ-T", 63.2149, "dB", 62.8, 63.7)) == "63.21"
    assert figures.interval_of(Fact("e", "EQ-T", 63.2149, "dB", 62.8, 63.7)) == "62.8 .. 63.7"
    assert figures.value_of(Fact("e", "Verdict", "none")) == "none"
    assert figures.interval_of(Fact("e", "Verdict", "none")) == ""


@pytest.mark.parametrize("count, width, columns, side", [
    (1, 300, 1, 300), (1, 900, 1, 400), (4, 330, 2, 160), (5, 330, 3, 103), (2, 330, 2, 160), (3, 60, 1, 60)])
def test_pictures_fill_the_width(count, width, columns, side):
    """At least 100 and at most 400 pixels each, 10 apart, unless there is no room for one."""
    assert tiles.arranged(count, width, 100, 400, 10) == (columns, pytest.approx(side, abs=1))


ROWS = (("b", 2.0, None), ("a", float("nan"), "x"), ("c", -1.0, 3.0))


@pytest.mark.parametrize("column, downwards, expected", [
    (-1, False, [0, 1, 2]), (0, False, [1, 0, 2]), (0, True, [2, 0, 1]), (1, False, [2, 0, 1]), (1, True, [0, 2, 1]),
    (2, False, [2, 1, 0])])
def test_rows_in_order_of_a_column(column, downwards, expected):
    assert tables.order(Table("t", "T", ("Layer", "Value", "Note"), ROWS), column, downwards) == expected


def test_cells():
    assert [tables.cell(value) for value in (None, "act", 12, 1.23456, -2.0)] == ["", "act", "12", "1.235", "−2"]


def test_axes_cover_all_values_bands_marks_and_levels():
    x = np.array([0.0, 10.0])
    curve = Curve("c", x, np.array([1.0, np.nan]), np.array([0.0, np.nan]), np.array([2.0, np.nan]))
    low_x, high_x, low_y, high_y = charts.reach(Plot("p", "P", Axis("x"), Axis("y"), (curve,), ((20.0, "m"),),
                                                     ((-5.0, "l"),)))
    assert low_x < 0 and high_x > 20 and low_y < -5 and high_y > 2
    fixed = charts.reach(Plot("p", "P", Axis("x", low=1.0), Axis("y", low=-120.0, high=10.0), (curve,)))
    assert fixed[0] == 1.0 and fixed[2:] == (-120.0, 10.0)


def test_a_logarithmic_axis_begins_above_zero():
    curve = Curve("c", np.array([0.0, 1.0, 100.0]), np.array([0.0, 0.0, 0.0]))
    low, high, bottom, top = charts.reach(Plot("p", "P", Axis("f", logarithmic=True), Axis("y"), (curve,)))
    assert 0.5 < low <= 1.0 and high >= 100.0 and bottom < 0 < top
    empty = charts.reach(Plot("p", "P", Axis("f", logarithmic=True), Axis("y", logarithmic=True), ()))
    assert 0 < empty[0] < empty[1] and 0 < empty[2] < empty[3]


def test_a_curve_in_words():
    curve = Curve("EQ-T", np.arange(2.0), np.array([63.21, np.nan]), np.array([62.0, 0]), np.array([64.0, 0]))
    assert charts.said(curve, 0, "dB") == "63.21 dB, 62 .. 64"
    assert charts.said(curve, 1, "").startswith("no value")
    assert charts.nearest(curve, 0.7) == 1
    assert charts.title_of(Axis("Frequency", "cycles per image")) == "Frequency (cycles per image)"


# -- the request ------------------------------------------------------------------------------------------------------

def inspection(**fields) -> Inspection:
    return KINDS[KIND](**fields)


def test_progress_in_words():
    begun, done = Report(KIND, (), 12, 64), Report(KIND, (), 64, 64)
    assert panel.progress(begun, True) == (12 / 64, "12 of 64")
    assert panel.progress(begun, False) == (12 / 64, "Stopped at 12 of 64")
    assert panel.progress(done, True) == (1.0, "64 of 64: done")
    assert panel.progress(Report(KIND, (), 0, 0), True)[0] == 1.0
    assert panel.progress(Report(KIND, (), 0, 0, refusal="no."), True) == (0.0, "")
    assert panel.progress(None, False) == (0.0, "")


def test_a_report_that_shows_nothing_yet_does_not_replace_one_that_does():
    assert not panel.has_news(Report(KIND, (), 0, 8))
    assert panel.has_news(Report(KIND, (), 0, 8, refusal="no.")) and panel.has_news(Report(KIND, (), 0, 0))
    assert panel.has_news(Report(KIND, (Fact("x", "X", 1.0),), 1, 8))


def test_every_kind_has_a_panel_of_its_own_and_says_what_it_is():
    titles = [lab.title_of(kind) for kind in lab.kinds()]
    assert sorted(lab.kinds()) == sorted(KINDS) and len(set(titles)) == len(titles) and set(titles) == set(layout.LAB)
    for cls in KINDS.values():
        assert panel.purpose(cls).endswith("."), cls


def test_the_second_network_is_looked_into_as_well():
    other = Checkpoint("b.pkl")
    asked = RenderRequest(Checkpoint("a.pkl"), inspect=inspection(), compare=Compare(checkpoint=other))
    assert reference_of(asked, None, None) == RenderRequest(other, inspect=inspection())
    pinned = Compare(pinned=RenderRequest(Checkpoint("a.pkl")))
    assert reference_of(dataclasses.replace(asked, compare=pinned), None, None).inspect is None


def test_to_show_or_hide_the_panel_is_nothing_to_undo():
    plain, inspected = RenderRequest(), RenderRequest(inspect=inspection())
    other = RenderRequest(inspect=inspection(layer="b8.conv0.act"))
    assert history.same(plain, inspected) and not history.same(inspected, other)
    past = history.History(inspected)
    past.follow(other, False, 0.0)
    assert past.undoes == "inspection" and past.undo() == inspected
    assert past.redo() == other
    past.follow(dataclasses.replace(other, tap="b8.image"), False, 10.0)
    past.follow(dataclasses.replace(other, tap="b8.image", inspect=None), False, 20.0)
    assert past.undo() == dataclasses.replace(other, inspect=None)       # as hidden as it is now


def test_another_file_is_not_looked_into_by_itself():
    assert opening(RenderRequest(Checkpoint("a.pkl"), inspect=inspection()), "b.pkl").inspect is None


def test_a_layout_without_a_place_for_the_lab_is_not_whole():
    whole = "".join(f"[Window][{title}]\nDockId=0x1\n" for title in (*layout.BESIDE, "Tour"))
    assert layout.is_whole(whole) and not layout.is_whole("") and not layout.is_whole("[Window][Viewer]\n")
    assert not layout.is_whole(whole.partition("]\n")[2])


# -- the window -------------------------------------------------------------------------------------------------------

@pytest.fixture
def start(display, tmp_path):
    windows = []

    def start(*arguments: str, **options) -> driver.Window:
        windows.append(driver.Window(display, tmp_path, *arguments, entry="tests/gui/fake.py", **options))
        windows[-1].answered()
        return windows[-1]
    yield start
    for window in windows:
        assert window.close() == 0 and window.errors() == ""


def open_panel(window: driver.Window, title: str = TITLE) -> None:
    window.click("Menu/Inspect")
    window.click(f"Menu/{title}")
    window.wait(lambda r: f"{title}/Start" in r["widgets"] or f"{title}/Stop" in r["widgets"])


def begin(window: driver.Window, done: int = 3) -> dict:
    window.click(f"{TITLE}/Start")
    return window.wait(lambda r: r["report"] and r["report"]["done"] >= done)


def asked(report: dict):
    return report["request"]["inspect"]


def into_sight(window: driver.Window, name: str) -> None:
    """Scrolls the panel down until all of a widget is in sight."""
    for _ in range(40):
        report = window.report()
        _, top, _, bottom = report["widgets"].get(name, (0, 0, 0, 0))
        place = report["hidden"].get(name)
        if bottom - top > 20 and not place and bottom < 500:
            return
        window._move_to(800, 470)
        window._xdotool("click", "--repeat", 2, "--delay", 20, 5)
        window._sync()
    pytest.fail(f"{name} does not come into sight")


def test_an_estimate_starts_refines_and_stops(start):
    window = start("a/plain.pkl")
    assert asked(window.report()) is None
    open_panel(window)
    assert asked(window.report()) is None
    report = begin(window)
    assert report["report"]["kind"] == KIND and asked(report) is not None
    later = window.wait(lambda r: r["report"]["done"] > report["report"]["done"])
    assert f"{TITLE}/Conclusion" in later["widgets"] and f"{TITLE}/peak" in later["widgets"]
    window.click(f"{TITLE}/Stop")
    stopped = window.wait(lambda r: asked(r) is None and r["report"] is None)
    assert f"{TITLE}/peak" in stopped["widgets"]         # what was found stays
    begin(window)


def test_it_is_copied_as_a_command_line(start):
    window = start("a/plain.pkl")
    window.click("Menu/Edit")
    window.click("Menu/Copy inspection")                 # off: nothing is under way
    window.key("Escape")
    open_panel(window)
    assert "Copied" not in begin(window)["message"]
    window.click("Menu/Edit")
    window.click("Menu/Copy inspection")
    window.wait(lambda r: r["message"] == "Copied as command line")


def test_it_is_asked_for_only_while_its_panel_is_in_sight(start):
    window = start("a/plain.pkl")
    open_panel(window)
    begin(window)
    other = next(title for title in layout.LAB if title != TITLE)
    open_panel(window, other)
    window.wait(lambda r: asked(r) is None)
    window.click(f"{TITLE}/Tab")
    window.wait(lambda r: asked(r) is not None and r["report"])
    window.click(f"{other}/Tab")
    window.wait(lambda r: asked(r) is None and f"{other}/Start" in r["widgets"])
    window.click(f"{other}/Start")
    window.wait(lambda r: r["report"] and r["report"]["kind"] != KIND)
    window.click(f"{TITLE}/Tab")
    window.wait(lambda r: asked(r) is None and f"{TITLE}/Tab" in r["widgets"] and f"{TITLE}/Progress" in r["widgets"])


def test_another_setting_restarts_it_and_can_be_taken_back(start):
    window = start("a/plain.pkl")
    open_panel(window)
    begin(window)
    window.click(f"{TITLE}/Layer")
    window.click(f"{TITLE}/Layer/b4.conv1")
    report = window.wait(lambda r: asked(r)["layer"] == "b4.conv1" and r["report"])
    assert report["undo"] == "inspection"
    window.click(f"{TITLE}/Reset Layer")
    window.wait(lambda r: asked(r)["layer"] == "")
    window.move("Viewer/Canvas")
    window.key("ctrl+z")
    window.wait(lambda r: asked(r)["layer"] == "b4.conv1")


def test_a_list_is_typed_and_what_means_nothing_waits_in_its_field(start):
    window, title = start("a/plain.pkl"), lab.title_of("sticking")
    open_panel(window, title)
    window.click(f"{title}/Start")
    window.wait(lambda r: asked(r) is not None)
    window.fill(f"{title}/Line", "0.1, 0.2, 0.9, 0.25")
    window.wait(lambda r: asked(r)["line"] == [0.1, 0.2, 0.9, 0.25])
    window.fill(f"{title}/Line", "0.1, 0.2")
    window.fill(f"{title}/Line", "0.5, 0.2, 0.9, 0.25")
    window.wait(lambda r: asked(r)["line"] == [0.5, 0.2, 0.9, 0.25])


def test_a_click_on_a_picture_and_on_a_row_leads_to_the_layer(start):
    window = start("a/plain.pkl")
    open_panel(window)
    begin(window)
    into_sight(window, f"{TITLE}/energy_{fakereport.LAYERS[1]}")
    window.click(f"{TITLE}/energy_{fakereport.LAYERS[1]}")
    window.wait(lambda r: r["request"]["tap"] == fakereport.LAYERS[1] and asked(r) is not None)
    row = f"{TITLE}/layers/{fakereport.LAYERS[2]}"
    for _ in range(40):
        if row in window.report()["widgets"]:
            break
        window._move_to(800, 470)
        window._xdotool("click", "--repeat", 3, "--delay", 20, 5)
        window._sync()
    window.click(row)
    window.wait(lambda r: r["request"]["tap"] == fakereport.LAYERS[2])
    order = rows_from_above(window)
    window.click(f"{TITLE}/layers/Peak ratio")
    window.click(f"{TITLE}/layers/Peak ratio")
    window.wait(lambda r: rows_from_above(window) == order[::-1])


def rows_from_above(window) -> list[str]:
    report = window.report()
    places = {**report["widgets"], **report["hidden"]}
    rows = [name for name in places if name.startswith(f"{TITLE}/layers/b")]
    return sorted(rows, key=lambda name: places[name][1])


def test_save_all_writes_figures_numbers_and_the_state(start):
    window = start("a/plain.pkl")
    open_panel(window)
    begin(window)
    window.click(f"{TITLE}/Save all")
    window.wait(lambda r: r["message"].startswith("Saved"))
    folder, = window.captures.glob(f"plain_seed0_{KIND}_*")
    names = {path.name for path in folder.iterdir()}
    assert {"slit.png", "spectrum.csv", "layers.csv", "report.json", "state.json"} <= names
    numbers = json.loads((folder / "report.json").read_text())
    assert numbers["facts"]["share"]["value"] == 7.25
    assert load_request(folder / "state.json").inspect.kind == KIND
    assert load_request(folder / "slit.png").inspect.kind == KIND


def test_a_saved_picture_opens_its_panel_and_starts(start, tmp_path):
    path = tmp_path / "plain.pkl"
    path.write_bytes(b"")
    window = start(str(path))
    open_panel(window)
    begin(window)
    window.click(f"{TITLE}/Save all")
    saved = window.wait(lambda r: r["message"].startswith("Saved"))["message"].removeprefix("Saved ")
    window.click("Menu/View")
    window.click("Menu/Reset layout")
    window.wait(lambda r: asked(r) is None and f"{TITLE}/Tab" not in r["widgets"])
    window.fill("Network/Path", "a/conditional.pkl")
    window.answered()
    window.drop(Path(saved) / "slit.png")
    report = window.wait(lambda r: asked(r) is not None and r["report"] and r["report"]["done"] > 1)
    assert report["request"]["checkpoint"]["path"] == str(path) and f"{TITLE}/Stop" in report["widgets"]


def test_a_refusal_is_said_in_a_sentence(start):
    window = start("a/refused-plain.pkl")
    open_panel(window)
    window.click(f"{TITLE}/Start")
    report = window.wait(lambda r: r["report"] and f"{TITLE}/Refusal" in r["widgets"])
    assert report["report"]["refusal"] and not report["error"]


def test_two_networks_have_a_report_each(start):
    window = start("a/plain.pkl")
    open_panel(window)
    begin(window)
    window.click("Compare/Tab")
    window.fill("Compare/Path", "b/plain.pkl")
    window.wait(lambda r: r["other_report"] and r["other_report"]["done"] > 1 and f"{TITLE}/Network/B" in r["widgets"])
    window.click(f"{TITLE}/Network/B")
    window.click(f"{TITLE}/Stop")
    window.wait(lambda r: r["other_report"] is None)


def test_the_lab_begins_closed_in_its_own_place(start):
    window = start("a/plain.pkl")
    open_panel(window)
    before = window.rectangle("Viewer/Canvas")
    assert window.close() == 0
    again = start("a/plain.pkl")
    assert f"{TITLE}/Tab" not in again.report()["widgets"]
    assert again.rectangle("Viewer/Canvas")[2] > before[2]
    open_panel(again)
    again.wait(lambda r: r["widgets"]["Viewer/Canvas"] == list(before))


def test_where_there_is_room_both_reports_stand_side_by_side(tmp_path):
    settings = tmp_path / "config" / "stylescope" / "window.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"greeted": true, "width": 1800, "height": 900}')
    driver.require()
    display = driver.Display("1800x900")
    window = driver.Window(display, tmp_path, "a/plain.pkl", entry="tests/gui/fake.py")
    window.answered()
    open_panel(window)
    begin(window)
    window.click("Compare/Tab")
    window.fill("Compare/Path", "b/plain.pkl")
    a, b = f"{TITLE} A/peak", f"{TITLE} B/peak"
    places = window.wait(lambda r: a in r["widgets"] and b in r["widgets"])["widgets"]
    assert places[a][2] < places[b][0] and places[a][1] == places[b][1]
    assert window.close() == 0 and window.errors() == ""
    display.close()


def test_escape_gives_up_the_estimate(display, checkpoints, tmp_path):
    """With a real renderer, which is at work all the while."""
    window = driver.Window(display, tmp_path, str(checkpoints["stylegan2"]))
    window.answered(60)
    open_panel(window)
    window.fill(f"{TITLE}/Samples", "1000")
    window.click(f"{TITLE}/Start")
    report = window.wait(lambda r: r["report"] and r["report"]["done"] > 1, 30)
    assert not report["answered"] and report["activity"]
    window.key("Escape")
    stopped = window.wait(lambda r: asked(r) is None and f"{TITLE}/Start" in r["widgets"] and not r["activity"])
    assert stopped["picture"] and not stopped["error"]
    assert window.close() == 0 and window.errors() == ""
