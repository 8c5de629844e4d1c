"""Undo and redo: what makes an entry, what it is called, what comes back; and by keys and menu in the window."""
from dataclasses import replace

import driver
import pytest

from gui.history import LIMIT, REST, History, changed
from renderer.types import Checkpoint, Latent, Mix, RenderRequest, Spectrum, Synth, View

START = RenderRequest(Checkpoint("a/b.pkl"))


def with_psi(request: RenderRequest, psi: float) -> RenderRequest:
    return replace(request, latent=replace(request.latent, psi=psi))


def at(request: RenderRequest, x: float) -> RenderRequest:
    return replace(request, latent=replace(request.latent, x=x))


class Person:
    """Acts on a history as frames do, on a clock of its own."""

    def __init__(self):
        self.history, self.now, self.request = History(START), 0.0, START

    def see(self, request: RenderRequest, held: bool = False, after: float = 0.02) -> None:
        self.now += after
        self.request = request
        self.history.follow(request, held, self.now)

    def undo(self) -> RenderRequest | None:
        return self._took(self.history.undo())

    def redo(self) -> RenderRequest | None:
        return self._took(self.history.redo())

    def _took(self, request):
        if request is not None:
            self.see(request)
        return request


@pytest.fixture
def person():
    return Person()


def test_nothing_to_undo_at_first(person):
    person.see(START, after=5)
    assert (person.history.undoes, person.history.redoes, person.undo(), person.redo()) == ("", "", None, None)


def test_a_drag_is_one_entry(person):
    for step in range(1, 50):
        person.see(at(START, step / 10), held=True, after=0.1)
    person.see(person.request, held=False)
    assert person.history.undoes == "seed" and person.undo() == START and person.undo() is None
    assert person.redo().latent.x == 4.9


def test_two_presses_are_two_entries_however_quick(person):
    for x in (1.0, 2.0):
        person.see(person.request, held=True)
        person.see(at(START, x), held=False)         # a button acts as it is let go
    assert person.undo().latent.x == 1 and person.undo().latent.x == 0


def test_a_held_key_is_one_entry_and_a_later_press_another(person):
    for x in range(1, 9):
        person.see(at(START, x), after=0.9 * REST)
    person.see(at(START, 9.0), after=1.1 * REST)
    assert person.undo().latent.x == 8 and person.undo().latent.x == 0 and person.undo() is None


def test_something_else_is_another_entry(person):
    person.see(at(START, 1.0))
    person.see(with_psi(person.request, 0.5))
    assert person.history.undoes == "ψ" and person.undo() == at(START, 1.0)
    assert person.history.undoes == "seed" and person.history.redoes == "ψ"


def test_a_new_change_ends_what_could_be_redone(person):
    person.see(at(START, 1.0))
    person.undo()
    person.see(with_psi(START, 0.2), after=1)
    assert person.history.redoes == "" and person.redo() is None and person.undo() == START


def test_what_the_window_sets_makes_no_entry_and_stays(person):
    own = replace(START, strip=True, spectrum=Spectrum(), latent=Latent(classes=((0, 1.0),)),
                  checkpoint=replace(START.checkpoint, reload=3, content="abc"))
    person.see(own)
    assert person.history.undoes == ""
    person.see(with_psi(own, 0.5))
    person.see(replace(person.request, strip=False, spectrum=None))
    back = person.undo()
    assert (back.latent.psi, back.strip, back.spectrum, back.checkpoint.reload) == (1.0, False, None, 3)


def test_a_setting_of_the_spectrum_is_undone_while_it_is_shown(person):
    person.see(replace(START, spectrum=Spectrum()))
    person.see(replace(START, spectrum=Spectrum(channel=7)))
    assert person.history.undoes == "spectrum" and person.undo().spectrum == Spectrum()


def test_what_the_window_turned_to_by_itself_is_no_entry(person):
    followed = replace(START, checkpoint=replace(START.checkpoint, path="a/c.pkl"))
    person.history.adopt(followed)
    person.see(followed)
    assert person.history.undoes == ""


def test_opening_and_restoring_are_undone(person):
    person.see(replace(RenderRequest(Checkpoint("x/c.pkl")), tap="b4.conv1"), after=1)
    assert person.history.undoes == "opening of c.pkl"
    assert person.undo() == START and person.redo().tap == "b4.conv1"


def test_a_gesture_that_ends_where_it_began_is_passed_over(person):
    person.see(with_psi(START, 0.3), after=1)
    for x in (1.0, 2.0, 0.0):
        person.see(at(with_psi(START, 0.3), x), held=True)
    assert person.undo() == START


def test_a_change_goes_on_after_nothing_was_left_to_undo(person):
    person.see(with_psi(START, 0.5))
    person.see(START)                                        # back where it began, still within the gesture
    assert person.undo() is None
    person.see(with_psi(START, 0.7))
    assert person.undo() == START


def test_it_is_bounded(person):
    for x in range(1, 3 * LIMIT):
        person.see(at(START, x), after=2 * REST)
    steps = 0
    while person.undo() is not None:
        steps += 1
    assert steps == LIMIT


@pytest.mark.parametrize("name, change", [
    ("mixing rows", {"mix": Mix(rows=(1,))}), ("noise", {"synth": Synth("random")}), ("layer", {"tap": "b4.conv1"}),
    ("exposure", {"view": View(gain_db=3.0)}), ("device", {"checkpoint": replace(START.checkpoint, device="cpu")}),
    ("closing of b.pkl", {"checkpoint": Checkpoint()}), ("cutoff", {"latent": Latent(cutoff=2)})])
def test_names(name, change):
    assert changed(START, replace(START, **change)) == name


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("history")
    for name in ("plain.pkl", "other.pkl"):
        (folder / name).write_bytes(b"")
    window = driver.Window(display, folder, str(folder / "plain.pkl"), entry="tests/gui/fake.py")
    yield window
    assert window.close() == 0 and window.errors() == ""


def seed(r: dict) -> tuple:
    return r["request"]["latent"]["x"], r["request"]["latent"]["y"]


def test_a_drag_in_the_seed_plane_is_undone_as_one(window):
    before = seed(window.answered())
    window.drag("Latent/Seed plane", (0.2, 0.5), (0.7, 0.5), steps=6)
    after = seed(window.wait(lambda r: seed(r) != before))
    window.move("Viewer/Canvas")
    window.key("ctrl+z")
    window.wait(lambda r: seed(r) == before)
    window.key("ctrl+shift+z")
    window.wait(lambda r: seed(r) == after)
    window.key("ctrl+z")
    window.wait(lambda r: seed(r) == before)
    window.key("ctrl+y")
    window.wait(lambda r: seed(r) == after)


def test_the_menu_says_what_would_be_undone(window):
    window.fill("Latent/Seed", "77")
    window.wait(lambda r: seed(r)[0] == 77)
    window.type_into("Truncation & noise/ψ", "0.5")
    window.wait(lambda r: r["request"]["latent"]["psi"] == 0.5 and r["undo"] == "ψ")
    window.click("Menu/Edit")
    window.click("Menu/Undo")
    window.wait(lambda r: r["request"]["latent"]["psi"] == 1 and seed(r)[0] == 77 and r["undo"] == "seed")


def test_a_text_field_keeps_its_own_undo(window):
    before = window.answered()["request"]["latent"]
    window.click("Layers/Filter")
    window._type("conv", "")
    window.key("ctrl+z")
    assert window.answered()["request"]["latent"] == before
    window._type("", "Escape")


def test_opening_another_file_is_undone_with_everything_that_was_set(window):
    before = window.answered()["request"]
    window.fill("Network/Path", str(window.folder / "other.pkl"))
    window.wait(lambda r: r["request"]["checkpoint"]["path"].endswith("other.pkl") and r["answered"])
    window.move("Viewer/Canvas")
    window.key("ctrl+z")
    window.wait(lambda r: r["request"]["checkpoint"] == before["checkpoint"]
                and r["request"]["latent"] == before["latent"])
