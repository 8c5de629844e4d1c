"""The palette and the sheet: what a few letters find, which keys are told; and both in the window."""
import driver
import pytest

from gui.commands import Command, is_typing
from gui.matching import begins, found, match
from gui.sheet import columns, groups

NAMES = ["Save picture", "Save image", "Save mixing table", "Save window", "Full screen", "Previous row of seeds",
         "b4.conv1.act", "b64.conv0.act", "b64.conv1.act", "b64.torgb", "L3_52_1024.act", "Layers", "Reset layout",
         "Ünïcode 顔.pkl"]


def names(query: str) -> list[str]:
    return [name for name, _ in found(query, NAMES, str)]


@pytest.mark.parametrize("query, first", [
    ("svpic", "Save picture"), ("sw", "Save window"), ("picture", "Save picture"), ("fs", "Full screen"),
    ("b64c0act", "b64.conv0.act"), ("64 act 1", "b64.conv1.act"), ("torgb", "b64.torgb"), ("l3act", "L3_52_1024.act"),
    ("layer", "Layers"), ("SAVE TABLE", "Save mixing table"), ("table save", "Save mixing table"), ("顔", NAMES[-1]),
    ("ünï", NAMES[-1])])
def test_a_few_letters_find_it(query, first):
    assert names(query)[0] == first


def test_what_does_not_fit_is_not_found():
    assert names("xyz") == [] and names("act b64 zz") == []


def test_without_a_query_all_are_there_in_their_order():
    assert names("") == NAMES == names("   ")


def test_the_letters_hit_spell_the_query():
    for query in ("svpic", "b64act", "prs", "lay"):
        for name in NAMES:
            if hit := match(query, name):
                assert "".join(name[i] for i in sorted(hit[1])).lower() == query


def test_words_begin_after_separators_digits_and_capitals():
    assert [i for i in range(len("b64.convUp x")) if begins("b64.convUp x", i)] == [0, 1, 4, 8, 11]


def test_letters_that_grow_when_small_do_not_break_it():
    assert match("i", "İstanbul.pkl") is None or match("s", "İstanbul.pkl")


def test_the_sheet_lists_every_key_once_in_two_even_columns():
    commands = [Command(f"c{i}", print, f"K{i}", ("File", "View", "Latent", "Help")[i % 4]) for i in range(22)]
    commands.append(Command("without keys", print, "", "File"))
    told = groups(commands)
    keys = [key for menu, rows in told if menu != "Mouse" for key, _ in rows]
    assert sorted(keys) == sorted(f"K{i}" for i in range(22)) and told[-1][0] == "Mouse"
    left, right = columns(told)
    assert left + right == told
    lengths = [sum(len(rows) + 2 for _, rows in side) for side in (left, right)]
    assert abs(lengths[0] - lengths[1]) <= max(len(rows) + 2 for _, rows in told)


def test_text_fields_keep_the_keys_that_edit_text():
    assert all(map(is_typing, ("F", "?", "Esc", "Tab", "Ctrl+Z", "Ctrl+V", "Shift+F", "Left")))
    assert not any(map(is_typing, ("Ctrl+S", "Ctrl+P", "F1", "F11")))


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("palette")
    (folder / "plain.pkl").write_bytes(b"")
    window = driver.Window(display, folder, str(folder / "plain.pkl"), entry="tests/gui/fake.py")
    yield window
    assert window.close() == 0 and window.errors() == ""


def ask(window, text: str) -> None:
    window.move("Viewer/Canvas")
    window.key("ctrl+p")
    window.rectangle("Palette/Query")
    window._xdotool("type", "--delay", 10, text)
    window._sync()


def test_a_layer_is_found_and_shown(window):
    ask(window, "b16c1act")
    window.rectangle("Palette/b16.conv1.act")
    window.key("Return")
    report = window.wait(lambda r: r["request"]["tap"] == "b16.conv1.act" and "Palette/Query" not in r["widgets"])
    assert report["undo"] == "layer"


def test_arrows_choose_and_enter_runs(window):
    ask(window, "torgb")
    window.rectangle("Palette/b64.torgb")
    window.key("Down", "Down", "Up", "Return")
    window.wait(lambda r: r["request"]["tap"].endswith(".torgb") and r["request"]["tap"] != "b4.torgb")


def test_escape_closes_it_and_changes_nothing(window):
    before = window.answered()["request"]
    ask(window, "close network")
    window.rectangle("Palette/Close network")
    window.key("Escape")
    after = window.wait(lambda r: "Palette/Query" not in r["widgets"])
    assert after["request"] == before


def test_a_command_a_panel_and_a_click(window):
    window.click("Performance/Tab")
    window.wait(lambda r: "Performance/Device" in r["widgets"])
    window.click("Menu/View")
    window.click("Menu/Performance")
    window.wait(lambda r: "Performance/Device" not in r["widgets"])
    ask(window, "perform")
    window.click("Palette/Performance")
    window.wait(lambda r: "Performance/Device" in r["widgets"] and "Palette/Query" not in r["widgets"])
    ask(window, "next row seeds")
    before = window.report()["request"]["latent"]
    window.key("Return")
    window.wait(lambda r: r["request"]["latent"] == {**before, "x": before["x"] + 100})


def test_what_cannot_be_used_says_why_and_stays(window):
    ask(window, "follow run")
    window.rectangle("Palette/Follow run")
    window.key("Return")
    window.rectangle("Palette/Follow run")
    window.key("Escape")
    window.wait(lambda r: "Palette/Query" not in r["widgets"])


@pytest.mark.parametrize("key", ["question", "F1"])
def test_the_sheet_opens_by_its_character_and_fits(window, key):
    window.move("Viewer/Canvas")
    window.key(key)
    report = window.wait(lambda r: "Shortcuts/F1 or ?" in r["widgets"])
    rows = {name: place for name, place in report["widgets"].items() if name.startswith("Shortcuts/")}
    assert {"Shortcuts/Ctrl+Z", "Shortcuts/F11", "Shortcuts/Tab", "Shortcuts/Space"} <= set(rows)
    assert not [name for name in report["hidden"] if name.startswith("Shortcuts/")]
    assert max(place[3] for place in rows.values()) < 800 and max(place[2] for place in rows.values()) < 1280
    window.key("Escape")
    window.wait(lambda r: not [name for name in r["widgets"] if name.startswith("Shortcuts/")])


def test_a_question_mark_in_a_text_field_is_text(window):
    window.click("Layers/Filter")
    window._type("?", "")
    assert not [name for name in window.report()["widgets"] if name.startswith("Shortcuts/")]
    window._type("b", "Escape")
