"""Opening what was saved: states whose files moved or changed, pasted ones, run folders, recents; and in the window."""
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import driver
import numpy as np
import pytest
from PIL import Image

from gui import recents, snapshots
from gui.files import cleaned
from gui.jobs import Jobs
from gui.messages import Messages
from gui.recents import Recents, parts, small, trouble
from gui.restoring import folder_of, name_of, question, resolved
from gui.snapshots import Follower, is_snapshot, newest
from renderer import content, state
from renderer.content import Found
from renderer.images import save_png
from renderer.types import Checkpoint, Latent, Mix, RenderRequest, Source, Synth, View

SAVED = RenderRequest(Checkpoint("/runs/7/net.pkl"), Latent(x=12.0, psi=0.5), tap="b8.conv1.act")


# -- states -----------------------------------------------------------------------------------------------------------

def test_a_file_that_is_the_same_needs_no_word():
    restored = resolved(SAVED, [Found("/runs/7/net.pkl", "same", "/runs/7/net.pkl")])
    assert restored.request == SAVED and restored.notes == () == restored.missing


def test_a_file_found_elsewhere_is_opened_there_and_said():
    restored = resolved(SAVED, [Found("/runs/7/net.pkl", "missing", "/kept/net.pkl")])
    assert restored.request.checkpoint.path == "/kept/net.pkl" and restored.missing == ()
    assert restored.notes == ("net.pkl is no longer at /runs/7; the same file was found at /kept/net.pkl",)


def test_a_file_that_changed_opens_with_a_warning():
    restored = resolved(SAVED, [Found("/runs/7/net.pkl", "changed", "")])
    assert restored.request == SAVED
    assert restored.notes == ("net.pkl has changed since this was saved: the picture may differ",)


def test_a_file_that_is_nowhere_is_asked_for():
    assert resolved(SAVED, [Found("/runs/7/net.pkl", "missing", "")]).missing == ("/runs/7/net.pkl",)
    assert question("/runs/7/net.pkl") == "net.pkl is not at /runs/7: where is it now?"


@pytest.mark.parametrize("path, folder, name", [
    ("/a/b/c.pkl", "/a/b", "c.pkl"), ("C:\\runs\\net.pkl", "C:\\runs", "net.pkl"),
    ("net.pkl", "the working folder", "net.pkl")])
def test_names_of_any_system(path, folder, name):
    assert (folder_of(path), name_of(path)) == (folder, name)


@pytest.mark.parametrize("text, path", [
    ('"C:/a b/c.pkl"', "C:/a b/c.pkl"), ("  'x.png' ", "x.png"), ("file:///a/%E9%A1%94%20b.png", "/a/顔 b.png"),
    ("https://host/a.pkl", "https://host/a.pkl"), ("demo:stylegan2", "demo:stylegan2")])
def test_paths_as_other_programs_copy_them(text, path):
    if os.name != "nt" or not text.startswith("file"):
        assert cleaned(text) == path


# -- run folders ------------------------------------------------------------------------------------------------------

def snapshot(folder: Path, kimg: int, age: float, suffix="pkl") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"network-snapshot-{kimg:06}.{suffix}"
    path.write_bytes(b"x" * kimg)
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_the_newest_snapshot_of_a_run_and_of_all_runs(tmp_path):
    snapshot(tmp_path / "00001-run", 400, 50)
    last = snapshot(tmp_path / "00002-run", 200, 10, "safetensors")
    (tmp_path / "00002-run" / "fakes.png").write_bytes(b"")
    (tmp_path / "00002-run" / "other.pkl").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert newest(tmp_path / "00001-run").name == "network-snapshot-000400.pkl"
    assert newest(tmp_path) == last and newest(tmp_path / "empty") is None and newest(tmp_path / "never") is None
    assert is_snapshot(str(last)) and not is_snapshot("a/other.pkl")


def test_a_new_snapshot_is_handed_over_once_it_no_longer_grows(tmp_path):
    first, found = snapshot(tmp_path, 0, 50), []
    follower = Follower(Jobs(Messages(), lambda: None), found.append)
    follower.follow(str(first))
    follower.look()
    second = snapshot(tmp_path, 200, 2)
    follower.look()
    second.write_bytes(b"more" * 200)    # still being written
    follower.look()
    assert found == []
    follower.look()
    follower.look()
    assert found == [str(second)]


def test_opening_a_file_elsewhere_ends_the_watch(tmp_path):
    jobs = Jobs(Messages(), lambda: None)
    follower = Follower(jobs, print)
    follower.follow(str(snapshot(tmp_path, 0, 50)))
    follower.poll(str(tmp_path / "network-snapshot-000200.pkl"), 100.0)
    assert follower.folder == tmp_path
    follower.poll("demo:stylegan2", 200.0)
    assert follower.folder is None
    jobs.close()


# -- recents ----------------------------------------------------------------------------------------------------------

def test_thumbnails_keep_their_shape():
    picture = np.zeros((300, 150, 3), np.uint8)
    assert small(picture).shape == (96, 48, 3) and small(picture[:8, :8], 32).shape == (32, 32, 3)


def test_why_a_recent_file_cannot_be_opened(tmp_path):
    (tmp_path / "there.pkl").write_bytes(b"")
    assert trouble(str(tmp_path / "there.pkl")) == "" == trouble("https://host/a.pkl") == trouble("demo:stylegan2")
    assert trouble(str(tmp_path / "gone.pkl")) == f"No longer at {tmp_path / 'gone.pkl'}"
    assert trouble(str(tmp_path / "drive" / "a.pkl")) == f"The folder {tmp_path / 'drive'} is not there now"


def test_a_thumbnail_is_read_again_by_the_next_window(tmp_path):
    jobs = Jobs(Messages(), lambda: None)
    folder = tmp_path / "thumbnails"
    folder.mkdir()
    save_png(recents.thumbnail_file(folder, "a.pkl"), np.full((96, 96, 3), 77, np.uint8))
    shown = Recents(lambda: ("a.pkl", "b.pkl"), print, jobs, folder)
    jobs.close()
    assert set(shown._pictures) == {"a.pkl"} and shown._pictures["a.pkl"][0, 0, 0] == 77


def test_what_stands_in_the_list():
    assert parts("/a/b/c.pkl") == ("c.pkl", "/a/b") and parts("demo:stylegan2") == ("StyleGAN2", "built in")
    assert parts("https://host/x/a.pkl") == ("a.pkl", "https://host/x")


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("restoring")
    (folder / "plain.pkl").write_bytes(b"plain")
    window = driver.Window(display, folder, str(folder / "plain.pkl"), entry="tests/gui/fake.py")
    yield window
    assert window.close() == 0 and window.errors() == ""


def saved(window, name: str, data: bytes) -> tuple[Path, Path]:
    """A checkpoint and the JSON of a state that was saved with it."""
    checkpoint, file = window.folder / "runs" / name, window.folder / f"{name}.json"
    checkpoint.parent.mkdir(exist_ok=True)
    checkpoint.write_bytes(data)
    request = replace(SAVED, checkpoint=Checkpoint(str(checkpoint)))
    file.write_text(state.to_json(content.stamped(request)))
    return checkpoint, file


def answer(window, button: str) -> None:
    """Answers a notice, and waits until the panels have moved up into its place."""
    bottom = window.rectangle(f"Notice/{button}")[3]
    window.click(f"Notice/{button}")
    window.wait(lambda r: not r["notice"] and r["widgets"]["Viewer/Tab"][1] < bottom)


def opened(r: dict, path: Path) -> bool:
    return r["request"]["checkpoint"]["path"] == str(path) and r["request"]["latent"]["x"] == 12 and r["answered"]


def test_a_dropped_state_brings_everything_back(window):
    checkpoint, file = saved(window, "one.pkl", b"one")
    window.answered()
    window.drop(file)
    report = window.wait(lambda r: opened(r, checkpoint))
    assert (report["request"]["tap"], report["request"]["latent"]["psi"]) == ("b8.conv1.act", 0.5)
    assert report["request"]["checkpoint"]["content"] == "" and report["undo"] == "opening of one.pkl"


def test_a_moved_file_is_asked_for(window):
    checkpoint, file = saved(window, "two.pkl", b"two")
    moved = checkpoint.rename(window.folder / "elsewhere.pkl")
    before = window.answered()["request"]
    window.drop(file)
    report = window.wait(lambda r: r["notice"])
    assert report["notice"] == f"two.pkl is not at {checkpoint.parent}: where is it now?"
    assert report["request"] == before
    window.click("Notice/Find…")
    window.click("Browser/Up")
    window.click(f"Browser/{moved.name}")
    window.wait(lambda r: opened(r, moved) and not r["notice"])


def test_the_question_can_be_left(window):
    checkpoint, file = saved(window, "three.pkl", b"three")
    checkpoint.unlink()
    before = window.answered()["request"]
    window.drop(file)
    answer(window, "Cancel")
    assert window.report()["request"] == before


def test_another_file_in_its_place_is_said_to_be_another(window):
    checkpoint, file = saved(window, "four.pkl", b"four")
    checkpoint.unlink()
    (window.folder / "wrong.pkl").write_bytes(b"wrong")
    window.drop(file)
    window.click("Notice/Find…")
    wrong = window.folder / "wrong.pkl"
    window.fill("Browser/Path", str(wrong))
    window.wait(lambda r: opened(r, wrong) and "is not the file this was saved with" in r["message"])


def test_a_recent_file_of_the_same_content_is_taken_by_itself(window):
    checkpoint, file = saved(window, "five.pkl", b"five")
    moved = checkpoint.rename(window.folder / "renamed.pkl")
    window.fill("Network/Path", str(moved))
    window.wait(lambda r: r["settings"]["recents"][0] == str(moved))
    window.fill("Network/Path", str(window.folder / "plain.pkl"))
    window.wait(lambda r: r["settings"]["recents"][0].endswith("plain.pkl"))
    window.drop(file)
    window.wait(lambda r: opened(r, moved) and f"the same file was found at {moved}" in r["message"])


def test_a_changed_file_opens_with_a_warning(window):
    checkpoint, file = saved(window, "six.pkl", b"six")
    checkpoint.write_bytes(b"trained on")
    window.drop(file)
    window.wait(lambda r: opened(r, checkpoint) and "has changed since this was saved" in r["message"])


def test_what_holds_no_state_is_one_line(window):
    before = window.answered()["request"]
    (window.folder / "photo.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    window.drop(window.folder / "photo.png")
    report = window.wait(lambda r: "photo.png" in r["message"])
    assert "\n" not in report["message"] and report["request"] == before


def test_a_state_with_numbers_and_names_beyond_all_measure_leaves_every_panel_working(window):
    """Seeds go up to 2^32 - 1 in pictures of the command line; the rest is damage."""
    checkpoint, file = saved(window, "seven.pkl", b"seven")
    huge, told = 2 ** 62, window.report()["traces"]
    file.write_text(state.to_json(RenderRequest(
        Checkpoint(str(checkpoint)), Latent(x=2.0 ** 32 - 1, cutoff=huge), Mix(Source(huge, name="\ud800"), (0,)),
        Synth("random", huge), view=View("rgb", (huge, -huge, 0), huge))))
    window.drop(file)
    report = window.wait(lambda r: r["request"]["latent"]["x"] == 2 ** 32 - 1 and r["answered"])
    assert report["traces"] == told and report["request"]["checkpoint"]["path"] == str(checkpoint)
    assert report["request"]["synth"]["noise_seed"] == huge == report["request"]["view"]["channels"][0]
    window.move("Viewer/Canvas")
    window.key("ctrl+z")
    window.wait(lambda r: r["request"]["latent"]["x"] < 1000)


def test_a_state_is_copied_and_pasted(window):
    """The copy goes out by the system's clipboard, and what is pasted comes from there."""
    window.fill("Latent/Seed", "88")
    window.wait(lambda r: r["request"]["latent"]["x"] == 88)
    window.click("Menu/Edit")
    window.click("Menu/Copy as JSON")
    window.wait(lambda r: r["message"] == "Copied as JSON")
    window.fill("Latent/Seed", "3")
    window.wait(lambda r: r["request"]["latent"]["x"] == 3)
    window.move("Viewer/Canvas")
    window.key("ctrl+v")
    window.wait(lambda r: r["request"]["latent"]["x"] == 88)


def test_a_run_folder_opens_its_newest_snapshot_and_is_followed(window):
    run = window.folder / "00003-run"
    snapshot(run, 100, 90)
    second = snapshot(run, 200, 60)
    window.drop(run)
    window.wait(lambda r: r["request"]["checkpoint"]["path"] == str(second) and "newest snapshot" in r["notice"])
    answer(window, "Follow")
    window.fill("Latent/Seed", "21")
    undo = window.wait(lambda r: r["request"]["latent"]["x"] == 21 and r["undo"])["undo"]
    third = snapshot(run, 300, 5)
    report = window.wait(lambda r: r["request"]["checkpoint"]["path"] == str(third), 4 * snapshots.PAUSE)
    assert report["request"]["latent"]["x"] == 21 and report["undo"] == undo     # the view stays, nothing to undo


def test_a_folder_without_snapshots_is_one_line(window):
    (window.folder / "photos").mkdir()
    before = window.answered()["request"]
    window.drop(window.folder / "photos")
    report = window.wait(lambda r: "holds no snapshot" in r["message"])
    assert report["request"] == before


def test_recents_have_thumbnails_know_who_is_gone_and_can_be_taken_off(window):
    gone = window.folder / "plain.pkl"
    window.fill("Network/Path", str(gone))
    window.wait(lambda r: r["settings"]["recents"][0] == str(gone) and r["answered"])
    file = recents.thumbnail_file(window.folder / "cache" / "stylescope" / "thumbnails", str(gone))
    window.wait(lambda r: file.exists())
    gone.unlink()
    window.fill("Network/Path", str(window.folder / "renamed.pkl"))
    window.wait(lambda r: r["settings"]["recents"][0].endswith("renamed.pkl") and r["answered"])
    window.click("Network/Recent")
    window.click(f"Network/{gone}")      # disabled: nothing happens
    assert window.answered()["request"]["checkpoint"]["path"].endswith("renamed.pkl")
    window.click(f"Network/Remove {gone}")
    window.wait(lambda r: str(gone) not in r["settings"]["recents"])
    window.wait(lambda r: not file.exists())
    window.key("Escape")


def test_any_script_in_names(window):
    name = window.folder / "顔 وجه 😀 ü.pkl"
    name.write_bytes(b"")
    window.drop(name)
    window.wait(lambda r: r["request"]["checkpoint"]["path"] == str(name) and r["answered"])
    window.click("Menu/File")
    window.click("Menu/Recent")
    window.rectangle(f"Menu/{name}")
    window.key("Escape")


def test_all_messages_are_listed_and_copied(window):
    """What was copied has several lines, and so is nothing to open: the answer to pasting it says so."""
    window.answered()
    for command in ("Copy as JSON", "Copy as Python"):
        window.click("Menu/Edit")
        window.click(f"Menu/{command}")
        window.wait(lambda r, c=command: r["message"] == c.replace("Copy", "Copied"))
    window.click("Status/Messages")
    window.click("Status/Copy all")
    window.key("Escape")
    window.wait(lambda r: "Status/Copy all" not in r["widgets"])
    window.move("Viewer/Canvas")
    window.key("ctrl+v")
    window.wait(lambda r: r["message"].startswith("Nothing to open was copied"))


# -- with a real network ----------------------------------------------------------------------------------------------

def test_a_saved_picture_restores_its_pixels_after_its_network_moved(display, checkpoints, tmp_path):
    """Saved, moved, opened again from the PNG in a new window: asked for once, then the same picture."""
    network = tmp_path / "runs" / checkpoints["stylegan2"].name
    network.parent.mkdir()
    shutil.copy(checkpoints["stylegan2"], network)
    window = driver.Window(display, tmp_path, str(network))
    window.answered(60)
    window.fill("Latent/Seed", "1234")
    window.wait(lambda r: r["request"]["latent"]["x"] == 1234 and r["answered"], 60)
    window.click("Truncation & noise/Noise/none")
    window.wait(lambda r: r["request"]["synth"]["noise"] == "none" and r["answered"], 60)
    window.move("Viewer/Canvas")
    window.key("ctrl+s")
    window.wait(lambda r: r["message"].startswith("Saved"))
    assert window.close() == 0
    shot = next(window.captures.glob("*.png"))
    moved = network.rename(tmp_path / "moved.safetensors")
    (tmp_path / "config" / "stylescope" / "window.json").unlink()           # recents would find it by themselves
    again = driver.Window(display, tmp_path, str(shot))
    again.wait(lambda r: "where is it now" in r["notice"] and r["answered"], 60)
    again.click("Notice/Find…")
    again.click("Browser/Up")
    again.click(f"Browser/{moved.name}")
    again.wait(lambda r: r["request"]["checkpoint"]["path"] == str(moved) and r["answered"] and not r["error"], 60)
    request = again.report()["request"]
    assert (request["latent"]["x"], request["synth"]["noise"]) == (1234, "none")
    again.move("Viewer/Canvas")
    again.key("ctrl+s")
    again.wait(lambda r: r["message"].startswith("Saved"))
    assert again.close() == 0 and again.errors() == ""
    other = next(path for path in again.captures.glob("*.png") if path != shot)
    assert np.array_equal(np.asarray(Image.open(shot)), np.asarray(Image.open(other)))
