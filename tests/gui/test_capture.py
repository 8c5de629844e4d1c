"""Saving: names, places and folders without a window; every kind of capture in the real one, its state inside."""
import os
import time
from dataclasses import replace

import driver
import numpy as np
import pytest
from PIL import Image

from gui import comparison, saving
from gui.jobs import Jobs
from gui.messages import Messages
from renderer.content import content_hash, unstamped
from renderer.images import load_request
from renderer.types import Array, Checkpoint, Compare, Latent, MixTable, RenderRequest, RenderResult, SeedGrid, sources

NOISE = np.random.default_rng(0).integers(0, 256, (2, 6, 8, 3), np.uint8)


# -- without a window -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("path, wanted", [
    ("/data/ffhq 1024:v2.pkl", "ffhq-1024-v2_seed203"), ("demo:stylegan3-t", "stylegan3-t_seed203"),
    ("https://x.org/a/net.pkl?v=1", "net_seed203"), ("C/Gesichter ü 顔.safetensors", "Gesichter-ü-顔_seed203"),
    ("a/ .pkl", "stylescope_seed203"), ("a/u\u0308\n\x07x.pkl", "ü-x_seed203")])
def test_files_are_named_after_the_network_and_the_seed(path, wanted):
    assert saving.stem(RenderRequest(Checkpoint(path), Latent(3, 2))) == wanted


def test_between_seeds_the_place_is_named():
    assert saving.stem(RenderRequest(Checkpoint("net.pkl"), Latent(2.25, 1.5))) == "net_x2.25-y1.50"


def test_names_stay_short_enough_for_any_file_system():
    name = saving.stem(RenderRequest(Checkpoint("/x/" + "顔" * 200 + ".pkl")))
    assert name.startswith("顔顔") and len(name.encode()) < 200
    w = Array.of(np.zeros((1, 2, 3)))
    assert saving.stem(RenderRequest(Checkpoint("a.pkl"), Latent(w=w))) == "a_w"


def test_what_a_picture_is():
    one = RenderRequest(tap="b8.conv0.act")
    assert saving.what_is(one) == "b8.conv0.act"
    assert saving.what_is(replace(one, table=MixTable(sources(1), sources(2), (0,)))) == "table"
    assert saving.what_is(replace(one, seeds=SeedGrid((1, 2)))) == "seeds"


@pytest.fixture
def desk(tmp_path):
    """A saver, its messages, and a way to wait for it."""
    messages = Messages()
    jobs = Jobs(messages, lambda: None)
    return saving.Saver(jobs, messages, lambda: tmp_path / "neu 顔"), messages, jobs.close


def test_the_state_names_the_files_content(desk, tmp_path):
    saver, messages, finish = desk
    file = tmp_path / "a.pkl"
    file.write_bytes(b"some weights")
    request = RenderRequest(Checkpoint(str(file)), Latent(4))
    saver.save_shown(RenderResult(request, picture=NOISE[0]))
    finish()
    written, = (tmp_path / "neu 顔").glob("*.png")
    assert str(written) in messages.latest.text
    state = load_request(written)
    assert state.checkpoint.content == content_hash(file) and unstamped(state) == request
    np.testing.assert_array_equal(np.array(Image.open(written)), NOISE[0])


def test_a_comparison_is_saved_as_it_is_shown(desk, tmp_path):
    saver, _, finish = desk
    a, b = (RenderResult(RenderRequest(Checkpoint("demo:stylegan2"), Latent(i)), picture=NOISE[i]) for i in (0, 1))
    looks = {"flip": "side", "split": "split", "side": "side", "difference": "SE"}
    for mode in looks:
        saver.save_comparison(a, b, Compare(mode, "SE", split=0.25, pinned=b.request))
    finish()
    for path in (tmp_path / "neu 顔").glob("*.png"):
        compare = load_request(path).compare
        assert f"image_{looks[compare.mode]}_" in path.name and compare.pinned == b.request
        np.testing.assert_array_equal(np.array(Image.open(path)), comparison.composed(a, b, compare))
    assert len(list((tmp_path / "neu 顔").glob("*.png"))) == 4


def test_the_window_is_taken_after_the_menu_has_gone(desk, tmp_path):
    saver, _, finish = desk
    assert not saver.window_due()
    saver.save_window("Style mixing", (2, 1, 6, 4))
    waits = [saver.window_due() for _ in range(3)]
    assert waits == [False, False, True]
    saver.window_drawn(NOISE[0], RenderRequest(Checkpoint("demo:stylegan2")))
    assert not saver.window_due()
    finish()
    written, = (tmp_path / "neu 顔").glob("*_Style-mixing_*.png")
    np.testing.assert_array_equal(np.array(Image.open(written)), NOISE[0][1:4, 2:6])


def test_without_a_picture_or_a_place_it_says_so(desk, tmp_path):
    saver, messages, finish = desk
    saver.save_shown(RenderResult(RenderRequest()))
    assert messages.latest.error and "no picture" in messages.latest.text
    (tmp_path / "neu 顔").write_bytes(b"a file where the folder should be")
    saver.save_shown(RenderResult(RenderRequest(Checkpoint("demo:stylegan2")), picture=NOISE[0]))
    finish()
    assert messages.latest.error and messages.latest.text.startswith("Could not save the picture: ")


@pytest.mark.parametrize("program, shown", [("exit 0", True), ("sleep 5", True), ("exit 3", False), (None, False)])
def test_the_folder_is_shown_or_named(desk, tmp_path, monkeypatch, program, shown):
    saver, messages, finish = desk
    programs = tmp_path / "bin"
    programs.mkdir()
    if program:
        (programs / "xdg-open").write_text(f'#!/bin/sh\necho "$1" > "{tmp_path}/shown"\n{program}\n')
        (programs / "xdg-open").chmod(0o755)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/bin{os.pathsep}/usr/bin" if program else str(programs))
    saver.show_folder()
    finish()
    assert not program or (tmp_path / "shown").read_text().strip() == str(tmp_path / "neu 顔")
    said = messages.latest.text if messages.latest else ""
    assert (said == "") is shown and (shown or str(tmp_path / "neu 顔") in said)


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("capture"), str(checkpoints["stylegan2"]))
    window.answered(60)
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def files(window) -> set:
    return set(window.captures.glob("[!.]*.png"))


def captured(window, *clicks: str):
    """The picture that clicking these saves, and its state."""
    before = files(window)
    for name in clicks:
        window.click(name)
    window.wait(lambda r: len(files(window)) > len(before), 30)
    path, = files(window) - before
    window.wait(lambda r: str(path) in r["message"] and r["answered"])
    state = load_request(path)
    assert len(state.checkpoint.content) == 64
    return np.array(Image.open(path)), unstamped(state)


@pytest.fixture(scope="module")
def pipeline():
    from renderer.pipeline import Pipeline
    return Pipeline()


def test_image_layer_and_grid_are_what_a_script_renders(window, pipeline):
    window.fill("Layers/Filter", "b16.conv0", "")
    window.click("Layers/b16.conv0.act")
    window.wait(lambda r: r["request"]["tap"] == "b16.conv0.act" and r["answered"])
    window.click("Channel/Show/Channel")
    window.wait(lambda r: r["request"]["view"]["mode"] == "channel" and r["answered"])
    for button, tap, size in (("Image", "image", 32), ("Layer", "b16.conv0.act", 16), ("Layer", "b16.conv0.act", 16)):
        picture, state = captured(window, f"Capture/{button}")
        assert state.tap == tap and picture.shape == (size, size, 3)
        np.testing.assert_array_equal(picture, pipeline.picture(state))
    window.click("Viewer/Image")
    window.wait(lambda r: r["request"]["tap"] == "image" and r["answered"])
    picture, state = captured(window, "Capture/Seed grid")
    assert state.seeds.seeds == tuple(range(16)) and min(picture.shape[:2]) >= 4 * 32
    np.testing.assert_array_equal(picture, pipeline.picture(state))
    assert not window.answered()["request"]["seeds"]


def test_the_mixing_table_is_what_a_script_renders(window, pipeline):
    picture, state = captured(window, "Capture/Mixing table")
    assert len(state.table.across) == 4 and len(state.table.down) == 3
    np.testing.assert_array_equal(picture, pipeline.picture(state))


def test_a_comparison_is_captured(window, pipeline):
    window.click("Compare/Tab")
    window.click("Compare/Demos")
    window.click("Compare/demo:stylegan2-conditional")
    window.wait(lambda r: r["matched"] and r["answered"], 60)
    window.click("Compare/Show/side")
    window.wait(lambda r: r["request"]["compare"]["mode"] == "side")
    picture, state = captured(window, "Capture/Comparison")
    reference = replace(state, checkpoint=state.compare.checkpoint, compare=None,
                        latent=replace(state.latent, classes=((0, 1.0),)))
    small = pipeline.picture(replace(state, compare=None))
    np.testing.assert_array_equal(picture[:, :64], small.repeat(2, 0).repeat(2, 1))
    np.testing.assert_array_equal(picture[:, 64 + comparison.GAP:], pipeline.picture(reference))
    window.click("Compare/Show/difference")
    window.wait(lambda r: r["request"]["compare"]["mode"] == "difference")
    picture, state = captured(window, "Capture/Comparison")
    assert picture.shape == (64, 64, 3) and state.compare.mode == "difference"
    window.click("Compare/End")
    window.wait(lambda r: not r["request"]["compare"])


def test_the_window_and_a_panel_of_it(window, tmp_path):
    picture, _ = captured(window, "Capture/Window", "Capture/Whole window")
    assert picture.shape == (800, 1280, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 100
    picture, _ = captured(window, "Capture/Window", "Capture/Save Latent")
    window.move("Viewer/Canvas")
    time.sleep(0.5)
    x0, y0, x1, y1 = window.rectangle("Latent/Seed plane")
    seen = np.array(Image.open(window.screenshot(tmp_path / "seen.png")).convert("RGB"))[y0:y1, x0:x1]
    places = [(y, x) for y in range(picture.shape[0] - (y1 - y0) + 1) for x in range(picture.shape[1] - (x1 - x0) + 1)
              if np.array_equal(picture[y:y + 20, x:x + 20], seen[:20, :20])]
    assert any(np.array_equal(picture[y:y + y1 - y0, x:x + x1 - x0], seen) for y, x in places)


def test_hidden_tabs_cannot_be_captured(window):
    count = len(files(window))
    window.click("Capture/Window")
    window.click("Capture/Save Transform")                           # its tab is behind Style mixing's
    time.sleep(0.5)
    assert len(files(window)) == count and not window.report()["error"]
    window.key("Escape")


def test_showing_the_folder_says_where_there_is_no_file_manager(window):
    window.click("Capture/Show folder")
    report = window.wait(lambda r: "file manager" in r["message"] or not r["activity"])
    assert not report["error"]
