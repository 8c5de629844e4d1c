"""The window's manners, on a renderer that answers at once: failures, scale, memory, what it remembers."""
import json
import os
import time
from pathlib import Path

import driver
import pytest

from gui.settings import CLOSED_AT_FIRST

ENTRY = "tests/gui/fake.py"


@pytest.fixture
def start(display, tmp_path):
    """Starts windows that are ended with the test. `prepare`: Python that runs before the window opens."""
    windows = []

    def start(*arguments, on=display, prepare="", first=False, **environment):
        entry = ENTRY
        if prepare:
            entry = tmp_path / "prepared.py"
            entry.write_text(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport fake, gui.app\n"
                             "gui.app.RenderThread = fake.FakeThread\n"
                             f"{prepare}\nsys.exit(gui.app.run(sys.argv[1:]))\n")
        windows.append(driver.Window(on, tmp_path, *arguments, entry=str(entry), first=first, **environment))
        return windows[-1]
    yield start
    for window in windows:
        if window.process.poll() is None:
            window.process.kill()


def test_a_panel_that_fails_says_so_and_the_rest_goes_on(start):
    window = start("a/plain.pkl", prepare="from gui.panels.layers import LayersPanel\n"
                                          "def fail(*_): raise ValueError('broken on purpose')\n"
                                          "LayersPanel.__call__ = fail")
    window.wait(lambda r: r["message"] == "Layers: ValueError: broken on purpose")
    window.fill("Latent/Seed", "5")
    window.wait(lambda r: r["request"]["latent"]["x"] == 5 and r["answered"])
    assert window.close() == 0 and window.errors() == ""


def test_scale_follows_the_monitor(start):
    once = start("a/plain.pkl")
    small = once.rectangle("Latent/Seed plane")
    assert once.report()["scale"] == 1 and once.close() == 0
    display = driver.Display("2560x1600", dpi=192)
    try:
        twice = start("a/plain.pkl", on=display)
        large = twice.rectangle("Latent/Seed plane")
        assert twice.report()["scale"] == 2
        assert all(abs(2 * a - b) <= 4 for a, b in zip(small, large, strict=True)), (small, large)
        twice.move("Viewer/Canvas")
        twice.key("ctrl+minus")
        twice.wait(lambda r: r["scale"] < 2 and r["widgets"]["Latent/Seed plane"][2] < 0.95 * large[2])
        assert twice.close() == 0
    finally:
        display.close()


def test_the_first_window_shows_the_first_steps(start, tmp_path):
    first = start("a/plain.pkl", first=True)
    first.wait(lambda r: r["notice"].startswith("New here?"))
    first.click("Notice/Got it")
    first.wait(lambda r: not r["notice"])
    assert first.close() == 0
    second = start("a/plain.pkl", first=True)
    assert second.answered()["notice"] == "" and second.close() == 0


def test_remembers_files_panels_and_layout(start, tmp_path):
    one, other = (str(tmp_path / name) for name in ("plain.pkl", "conditional.pkl"))
    for path in (one, other):
        Path(path).write_bytes(b"")
    first = start(one)
    first.click("Menu/View")
    first.click("Menu/Capture")
    first.wait(lambda r: "Capture/Window" not in r["widgets"])
    first.drop(Path(other))
    first.wait(lambda r: r["settings"]["recents"] == [other, one])
    assert first.close() == 0
    kept = json.loads((tmp_path / "config" / "stylescope" / "window.json").read_text())
    assert kept["recents"] == [other, one] and kept["hidden"] == sorted(["Capture", *CLOSED_AT_FIRST])
    second = start(one)
    second.click("Network/Recent")
    second.click(f"Network/{other}")
    report = second.wait(lambda r: r["request"]["checkpoint"]["path"] == other and r["answered"])
    assert report["request"]["latent"]["classes"] == [[0, 1.0]] and "Capture/Window" not in report["widgets"]
    second.click("Menu/View")
    second.click("Menu/Reset layout")
    second.wait(lambda r: "Capture/Window" in r["widgets"])
    assert second.close() == 0


def test_remembers_switches_of_panels(start, tmp_path):
    first = start("a/plain.pkl")
    first.answered()
    first.click("Layers/Compact")
    first.click("Channel/Logarithmic")
    first.move("Viewer/Canvas")
    first.key("g")
    first.wait(lambda r: not r["request"]["strip"])
    assert first.close() == 0
    file = tmp_path / "config" / "stylescope" / "window.json"
    kept = json.loads(file.read_text())
    assert kept["switches"] == ["Channel/logarithmic", "Layers/compact", "Viewer/grid"]
    file.write_text(json.dumps({**kept, "switches": [*kept["switches"], "Layers/of another version"]}))
    second = start("a/plain.pkl")
    report = second.answered()
    assert not report["request"]["strip"] and "Layers/image/Picture" not in report["widgets"]
    second.click("Layers/Compact")
    second.wait(lambda r: r["request"]["strip"])
    assert second.close() == 0
    assert json.loads(file.read_text())["switches"] == ["Channel/logarithmic", "Viewer/grid"]


def test_damaged_settings_do_not_keep_it_from_opening(start, tmp_path):
    file = tmp_path / "config" / "stylescope" / "window.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"layout": "[Docking][Data]\\nnonsense", "width": 900, "height": 700}')
    window = start("a/plain.pkl")
    window.answered()
    assert window.close() == 0 and window.errors() == ""


def test_a_native_dialog_is_asked_without_waiting_for_it(start, tmp_path):
    """portable-file-dialogs runs the first of zenity, kdialog, .. that it finds; this one takes its time."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "zenity").write_text("#!/bin/sh\nsleep 1\necho chosen/plain.pkl\n")
    (programs / "zenity").chmod(0o755)
    window = start("a/plain.pkl", PATH=f"{programs}:{os.environ['PATH']}")
    window.move("Viewer/Canvas")
    window.key("ctrl+o", "Right")
    window.wait(lambda r: r["request"]["latent"]["x"] == 1 and r["request"]["checkpoint"]["path"] == "a/plain.pkl")
    window.wait(lambda r: r["request"]["checkpoint"]["path"] == "chosen/plain.pkl" and r["answered"])
    assert window.close() == 0 and window.errors() == ""


def test_disabled_widgets_take_no_clicks(start):
    """This network has no transform and noise that is not random has no seed."""
    window = start("a/plain.pkl")
    window.click("Transform/Tab")
    window.drag("Transform/Turn", (0.5, 0.5), (0.9, 0.5))
    assert "Truncation & noise/Noise seed" not in window.report()["widgets"]          # only random noise has one
    assert window.answered()["request"]["synth"] == {"noise": "const", "noise_seed": 0, "transform": None, "lod": None}
    window.click("Truncation & noise/Noise/random")
    window.fill("Truncation & noise/Noise seed", "7")
    window.wait(lambda r: r["request"]["synth"]["noise"] == "random" and r["request"]["synth"]["noise_seed"] == 7)
    assert window.close() == 0


def test_noise_is_animated(start):
    window = start("a/plain.pkl")
    window.click("Truncation & noise/Noise/random")
    window.fill("Truncation & noise/Noise seed", "7")
    window.wait(lambda r: r["request"]["synth"]["noise_seed"] == 7)
    window.click("Truncation & noise/Animate noise")
    moving = window.wait(lambda r: r["request"]["synth"]["noise_seed"] > 10)
    assert moving["request"]["synth"]["noise"] == "random" and moving["request"]["latent"]["x"] == 0
    window.click("Truncation & noise/Animate noise")
    still = window.answered()["request"]["synth"]["noise_seed"]
    time.sleep(0.5)
    assert window.report()["request"]["synth"]["noise_seed"] == still
    window.click("Truncation & noise/Animate noise")
    window.click("Truncation & noise/Noise/const")       # nothing is left to animate
    resting = window.wait(lambda r: r["answered"] and r["request"]["synth"]["noise"] == "const")
    time.sleep(0.5)
    assert window.report()["request"]["synth"] == resting["request"]["synth"]
    assert window.close() == 0 and window.errors() == ""


def test_precision_device_and_backend_are_chosen(start):
    window = start("a/plain.pkl")
    window.click("Performance/Tab")
    for name, option in (("Device", "cpu"), ("Precision", "bf16"), ("Backend", "reference")):
        window.click(f"Performance/{name}")
        window.click(f"Performance/{name}/{option}")
        window.wait(lambda r, n=name, o=option: r["request"]["checkpoint"][n.lower()] == o)
    assert window.close() == 0


def test_what_cannot_run_cannot_be_chosen_and_what_is_slow_can(start):
    window = start("a/plain.pkl")
    window.click("Performance/Tab")
    assert "Performance/Against fp32" not in window.answered()["widgets"]
    for name in ("Device", "Backend"):
        window.click(f"Performance/{name}")
        window.click(f"Performance/{name}/cuda")
        window.key("Escape")
    window.click("Performance/Precision")
    window.click("Performance/Precision/bf16")
    shown = window.wait(lambda r: "Performance/Against fp32" in r["widgets"])
    assert "Performance/Precision note" in shown["widgets"]
    chosen = shown["request"]["checkpoint"]
    assert (chosen["device"], chosen["precision"], chosen["backend"]) == ("auto", "bf16", "auto")
    assert window.close() == 0


def test_many_pictures_of_many_sizes_leave_memory_flat(start):
    window = start("a/plain.pkl")
    window.answered()
    taps = [f"Layers/b{r}.image" for r in (4, 16, 64)]
    window.fill("Layers/Filter", ".image", "")

    def round_trip():
        for tap in taps:
            window.click(tap)
            window.wait(lambda r, t=tap: r["request"]["tap"] == t.split("/")[1])
        window.move("Viewer/Canvas")
        window.key(*["Right"] * 10)
        window.answered()
    round_trip()
    before = memory(window)
    for _ in range(3):
        round_trip()
    time.sleep(0.3)
    assert memory(window) - before < 8 << 20
    assert window.close() == 0


def memory(window) -> int:
    """Bytes resident."""
    lines = Path(f"/proc/{window.process.pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])
