"""The real window on the real renderer, driven by real events: open, explore, look at layers, mix, save, come back."""
import time

import driver
import numpy as np
import pytest
from PIL import Image

from renderer.images import load_request
from renderer.state import to_json
from renderer.types import Checkpoint, RenderRequest, sources

WIDTH, HEIGHT = 1280, 800


@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    """One window for the tests below, which use it in turn; each brings it to where it starts from."""
    window = driver.Window(display, tmp_path_factory.mktemp("window"), str(checkpoints["stylegan2"]))
    window.answered(60)
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def reset(window, name: str) -> None:
    """Presses the reset button of a changed value."""
    window.click(name)
    window.wait(lambda r: name not in r["widgets"])


def seed(report) -> float:
    latent = report["request"]["latent"]
    return latent["x"] + 100 * latent["y"]


def saved(window, count: int) -> list:
    """The pictures saved so far, once there are `count`, oldest first."""
    window.wait(lambda r: len(list(window.captures.glob("[!.]*.png"))) >= count, 30)
    return sorted(window.captures.glob("[!.]*.png"), key=lambda path: path.stat().st_mtime)


def test_opens_the_file_of_the_command_line(window, checkpoints):
    report = window.answered()
    assert report["family"] == "stylegan2" and report["picture"] == [32, 32, 3]
    assert report["settings"]["recents"] == [str(checkpoints["stylegan2"])]


# -- latent, truncation, mixing ---------------------------------------------------------------------------------------

def test_seed_by_typing_stepping_and_dragging(window):
    window.fill("Latent/Seed", "207")
    window.wait(lambda r: seed(r) == 207)
    window.move("Viewer/Canvas")
    window.key("Right", "Right", "Left", "Down")
    here = window.wait(lambda r: seed(r) == 308)["request"]["latent"]
    window.drag("Latent/Seed plane", (0.3, 0.3), (0.45, 0.5))
    latent = window.wait(lambda r: r["request"]["latent"]["x"] > here["x"] and r["answered"])["request"]["latent"]
    assert latent["y"] > here["y"] and latent["x"] % 1 and latent["y"] % 1
    window.click("Latent/Snap")
    latent = window.wait(lambda r: r["request"]["latent"]["x"] % 1 == 0 and r["answered"])["request"]["latent"]
    assert latent["y"] % 1 == 0


def test_animation_moves_and_stops(window):
    window.move("Viewer/Canvas")
    start = window.answered()["request"]["latent"]["x"]
    window.key("space")
    window.wait(lambda r: r["request"]["latent"]["x"] > start + 0.5 and r["picture"])
    window.key("space")
    window.answered()
    stopped = window.report()["request"]["latent"]["x"]
    time.sleep(0.3)
    assert window.report()["request"]["latent"]["x"] == stopped
    window.fill("Latent/Seed", "3")
    window.wait(lambda r: r["request"]["latent"]["x"] == 3 and r["answered"])


def test_psi_moves_and_resets(window):
    window.drag("Truncation & noise/ψ", (0.66, 0.5), (0.4, 0.5))
    assert window.wait(lambda r: r["request"]["latent"]["psi"] < 0.5 and r["answered"])["ran"]
    window.type_into("Truncation & noise/ψ", "0.7")
    window.wait(lambda r: abs(r["request"]["latent"]["psi"] - 0.7) < 1e-6 and r["answered"])
    reset(window, "Truncation & noise/Reset ψ")
    assert window.answered()["request"]["latent"]["psi"] == 1


def test_mixing_rows_by_range_cell_and_shift(window):
    before = window.answered()
    window.click("Style mixing/Coarse")
    report = window.wait(lambda r: r["request"]["mix"]["rows"] == [0, 1, 2, 3] and r["answered"])
    assert "b4.conv1" in report["ran"] and before["picture"] == report["picture"]
    window.click("Style mixing/Row 6")
    report = window.wait(lambda r: 6 in r["request"]["mix"]["rows"] and r["answered"])
    assert "b4.conv1" in report["reused"] and "b32.conv1" in report["ran"]     # w rows 0 to 5 are as before
    window.click("Style mixing/Row 4", key="shift")
    window.wait(lambda r: r["request"]["mix"]["rows"] == [0, 1, 2, 3, 4, 5, 6])
    window.click("Style mixing/None")
    window.wait(lambda r: r["request"]["mix"]["rows"] == [] and r["answered"])


def test_mixing_table_is_shown_and_saved(window):
    count = len(list(window.captures.glob("*.png")))
    window.click("Style mixing/Part/Table")
    window.fill("Style mixing/Across", "1-3")
    window.fill("Style mixing/Down", "10, 20")
    window.click("Style mixing/Labels")
    window.click("Style mixing/Show table")
    window.wait(lambda r: r["picture"] == [3 * 32, 4 * 32, 3] and r["answered"], 30)
    window.click("Viewer/Image")
    window.wait(lambda r: r["picture"] == [32, 32, 3] and r["answered"])
    window.click("Capture/Mixing table")
    path = saved(window, count + 1)[-1]
    request = load_request(path)
    assert Image.open(path).size == (4 * 32, 3 * 32)
    assert request.table.across == sources(1, 2, 3) and request.table.down == sources(10, 20)
    assert request.table.rows == (0, 1, 2, 3)
    assert window.wait(lambda r: str(path) in r["message"] and r["answered"])["picture"] == [32, 32, 3]


# -- layers, channels, spectrum ---------------------------------------------------------------------------------------

def test_layer_channel_gain_and_spectrum(window):
    window.fill("Layers/Filter", "b16.conv0", "")
    window.click("Layers/b16.conv0.act")
    report = window.wait(lambda r: r["request"]["tap"] == "b16.conv0.act" and r["answered"])
    assert report["picture"] == [16, 16, 3] and report["stats"]["shape"] == [16, 16, 16]
    assert report["spectrum"] == [16, 16] and report["request"]["view"]["range"] == "symmetric"
    window.click("Channel/Show/Channel")
    window.type_into("Channel/Channel", "5")
    report = window.wait(lambda r: r["request"]["view"]["channel"] == 5 and r["answered"])
    assert report["ran"] == ["view"]                                 # no network stage ran again
    window.drag("Channel/Gain", (0.5, 0.5), (0.7, 0.5))
    assert window.wait(lambda r: r["request"]["view"]["gain_db"] > 5 and r["answered"])["ran"] == ["view"]
    window.drag("Spectrum/Range", (0.4, 0.5), (0.8, 0.5))
    assert window.wait(lambda r: r["request"]["spectrum"]["range_db"] > 60 and r["answered"])["ran"] == ["spectrum"]
    window.type_into("Spectrum/Channel", "5")
    assert window.wait(lambda r: r["request"]["spectrum"]["channel"] == 5 and r["answered"])["ran"] == ["spectrum"]


def test_image_and_layer_each_keep_their_view(window):
    window.click("Viewer/Image")
    report = window.wait(lambda r: r["request"]["tap"] == "image" and r["answered"])
    assert report["request"]["view"]["mode"] == "rgb" and report["request"]["view"]["gain_db"] == 0
    window.click("Viewer/Layer")
    report = window.wait(lambda r: r["request"]["tap"] == "b16.conv0.act" and r["answered"])
    assert report["request"]["view"]["channel"] == 5 and report["request"]["view"]["gain_db"] > 5
    window.click("Viewer/Image")
    window.wait(lambda r: r["request"]["tap"] == "image" and r["answered"])


def test_hidden_spectrum_is_not_computed(window):
    for panel in ("Spectrum", "Radial profile"):
        window.click("Menu/View")
        window.click(f"Menu/{panel}")
    assert window.wait(lambda r: r["request"]["spectrum"] is None and r["answered"])["spectrum"] is None
    window.click("Menu/View")
    window.click("Menu/Reset layout")
    assert window.wait(lambda r: r["request"]["spectrum"] and r["answered"])["spectrum"] == [32, 32]


# -- viewer -----------------------------------------------------------------------------------------------------------

def width(report) -> int:
    x0, _, x1, _ = report["widgets"]["Viewer/Picture"]
    return x1 - x0


def test_zoom_keeps_the_pixel_under_the_cursor(window):
    window.move("Viewer/Canvas", (0.5, 0.5))
    window.key("f")
    window.wait(lambda r: r["viewer"]["width"] is None)
    window.move("Viewer/Picture", (0.61, 0.33))
    before = window.wait(lambda r: r["readout"])["readout"]
    window.scroll("Viewer/Picture", 5, (0.61, 0.33))
    zoomed = window.wait(lambda r: r["viewer"]["width"] and r["viewer"]["width"] > 700)
    assert zoomed["readout"] == before
    window.drag("Viewer/Canvas", (0.5, 0.5), (0.6, 0.6))
    window.wait(lambda r: r["viewer"]["center"] != zoomed["viewer"]["center"])
    window.key("1")
    window.wait(lambda r: r["viewer"]["width"] == 32 and width(r) == 32)
    window.double_click("Viewer/Canvas")
    assert window.wait(lambda r: r["viewer"]["width"] is None)["viewer"]["center"] == [0.5, 0.5]


def test_the_picture_on_screen_is_the_networks(window, tmp_path):
    """At a whole multiple, every pixel of the picture is a square of its colour."""
    count = len(list(window.captures.glob("*.png")))
    window.move("Viewer/Canvas", (0.02, 0.02))
    window.key("f", "g")                                             # without the pixel grid
    window.answered()
    window.click("Capture/Image")
    truth = np.array(Image.open(saved(window, count + 1)[-1]))
    x0, y0, x1, y1 = window.rectangle("Viewer/Picture")
    seen = np.array(Image.open(window.screenshot(tmp_path / "seen.png")).convert("RGB"))[y0:y1, x0:x1]
    scale = (x1 - x0) // 32
    assert seen.shape == (32 * scale, 32 * scale, 3)
    np.testing.assert_array_equal(seen, truth.repeat(scale, 0).repeat(scale, 1))
    window.move("Viewer/Canvas", (0.02, 0.02))
    window.key("g")


def test_viewer_alone_and_back(window):
    window.move("Viewer/Canvas")
    window.key("Tab")
    window.wait(lambda r: "Network/Path" not in r["widgets"] and "Viewer/Canvas" in r["widgets"])
    window.key("Tab")
    window.wait(lambda r: "Network/Path" in r["widgets"])


# -- saving -----------------------------------------------------------------------------------------------------------

def test_saves_the_picture_and_the_window(window, checkpoints):
    count = len(list(window.captures.glob("*.png")))
    window.move("Viewer/Canvas")
    window.key("ctrl+s")
    picture = saved(window, count + 1)[-1]
    assert Image.open(picture).size == (32, 32) and load_request(picture).latent.x == 3
    window.click("Capture/Window")
    window.click("Capture/Whole window")
    shot = saved(window, count + 2)[-1]
    assert Image.open(shot).size == (WIDTH, HEIGHT)
    assert load_request(shot).checkpoint.path == str(checkpoints["stylegan2"])
    assert len(np.unique(np.array(Image.open(shot)).reshape(-1, 3), axis=0)) > 100


# -- other files ------------------------------------------------------------------------------------------------------

def test_opens_a_dropped_file_and_moves_its_input(window, checkpoints):
    window.drop(checkpoints["stylegan3"])
    report = window.wait(lambda r: r["family"] == "stylegan3" and r["answered"], 30)
    assert report["request"]["latent"]["classes"] == [[0, 1.0]] and not report["message"]
    window.type_into("Latent/Class", "2")
    window.wait(lambda r: r["request"]["latent"]["classes"] == [[2, 1.0]] and r["answered"])
    window.click("Transform/Tab")
    window.drag("Transform/Move x", (0.5, 0.5), (0.75, 0.5))
    report = window.wait(lambda r: r["request"]["synth"]["transform"] and r["answered"])
    transform = np.reshape(report["request"]["synth"]["transform"], (3, 3))
    assert transform[0, 2] < -0.1 and np.allclose(transform[:, :2], np.eye(3)[:, :2])
    reset(window, "Transform/Reset Move x")
    assert window.answered()["request"]["synth"]["transform"] is None


def test_a_file_that_does_not_open_says_so_and_can_be_tried_again(window, checkpoints, tmp_path):
    broken = tmp_path / "broken.pkl"
    broken.write_bytes(b"no checkpoint at all")
    window.fill("Network/Path", str(broken))
    report = window.wait(lambda r: "broken.pkl" in r["error"])
    assert report["message"] == report["error"] and "Viewer/Try again" in report["widgets"]
    broken.write_bytes(checkpoints["stylegan2"].read_bytes())
    window.click("Viewer/Try again")
    assert window.wait(lambda r: r["family"] == "stylegan2" and r["answered"], 30)["message"] == ""


def test_a_device_that_is_not_there_leaves_the_picture(window):
    window.click("Performance/Tab")
    window.click("Performance/Device")
    window.click("Performance/Device/mps")                   # greyed
    window.key("Escape")
    checkpoint = window.wait(lambda r: "Performance/Device/mps" not in r["widgets"])["request"]["checkpoint"]
    assert checkpoint["device"] == "auto"
    state = window.folder / "mps.json"                       # from another machine
    state.write_text(to_json(RenderRequest(Checkpoint(checkpoint["path"], device="mps"))))
    window.drop(state)
    report = window.wait(lambda r: "mps" in r["error"])
    assert report["message"] == report["error"] and "Viewer/Picture" in report["widgets"] and report["family"]
    window.click("Performance/Device")
    window.click("Performance/Device/auto")
    assert window.answered()["message"] == ""


def test_demos_and_the_files_in_a_browser(window, checkpoints):
    window.click("Network/Demos")
    window.click("Network/demo:stylegan1")
    window.wait(lambda r: r["family"] == "stylegan1" and r["answered"], 30)
    window.move("Viewer/Canvas")
    window.key("ctrl+o")
    window.fill("Browser/Path", str(checkpoints["stylegan3"].parent))
    window.click(f"Browser/{checkpoints['stylegan3'].name}")
    window.wait(lambda r: r["family"] == "stylegan3" and r["answered"], 30)


def test_a_saved_picture_brings_everything_back(window):
    picture = min(window.captures.glob("*_image_*.png"))
    window.drop(picture)
    report = window.wait(lambda r: r["family"] == "stylegan2" and r["answered"], 30)
    assert report["request"]["latent"]["x"] == 3 and report["request"]["tap"] == "image"


def test_cancel_goes_back_to_what_is_shown(window):
    window.click("Style mixing/Tab")
    window.click("Style mixing/Part/Table")
    shown = window.answered()
    window.fill("Style mixing/Across", "0-63")
    window.fill("Style mixing/Down", "0-63")
    window.click("Style mixing/Show table")
    window.wait(lambda r: r["request"]["table"] and "Status/Cancel" in r["widgets"])
    window.click("Status/Cancel")
    report = window.wait(lambda r: r["message"] == "Cancelled" and r["answered"])
    assert report["request"] == shown["request"] and report["picture"] == shown["picture"]
    window.click("Capture/Tab")
    window.click("Capture/Mixing table")
    window.wait(lambda r: r["activity"])
    window.move("Viewer/Canvas")
    window.key("Escape")
    assert window.answered()["request"] == shown["request"]


# -- manners ----------------------------------------------------------------------------------------------------------

def test_idle_costs_no_cpu(window):
    window.move("Viewer/Canvas")
    window.answered()
    time.sleep(1.5)                                                  # tooltips and the like have settled
    frame, before, start = window.report()["frame"], window.cpu_seconds(), time.monotonic()
    time.sleep(3)
    assert window.cpu_seconds() - before < 0.03 * (time.monotonic() - start)
    assert window.report()["frame"] == frame


def test_nothing_open_offers_files_and_demos(window):
    window.click("Menu/File")
    window.click("Menu/Close network")
    report = window.wait(lambda r: "Viewer/demo:stylegan3-t" in r["widgets"])
    assert "Viewer/Open" in report["widgets"] and not report["request"]["checkpoint"]["path"]
