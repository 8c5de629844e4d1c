"""The training panel with real runs, tiny ones: started, watched, followed, paused, found again, stopped, resumed."""
import sys
from pathlib import Path

import driver
import pytest
from test_training import of, opened, outdir
from tiny_training import png

from renderer import launching
from train.writing import Entry, write_set

TINY = ("--cfg stylegan2 --batch 8 --cbase 64 --cmax 4 --map-depth 2 --aug fixed --p 0.5 --tick 0.04 --snap 5 "
        "--grid 3x2 --metrics none --device cpu --workers 0").split()


def started(folder: Path, name: str) -> launching.Started:
    """As the window does; a person at a terminal, in the same words."""
    return launching.start(["run", "--outdir", str(outdir(folder)), "--data", str(folder / "set.zip"), "--desc", name,
                            *TINY], folder / f"{name}.txt")


@pytest.mark.slow
def test_a_run_from_its_start_to_its_stop_and_on(display, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    write_set(tmp_path / "set.zip", [Entry(f"{i:02d}.png", png(i)) for i in range(20)])
    environment = {"STYLESCOPE_PYTHON": sys.executable}
    window = opened(driver.Window(display, tmp_path, "demo:stylegan2", **environment))
    one, other = started(tmp_path, "one"), None
    try:
        window.wait(lambda r: of(r)["runs"] == {"00000-stylegan2-set-one": "running"}, 120)
        other = started(tmp_path, "other")
        watched(window)
        name, second = "00000-stylegan2-set-one", "00001-stylegan2-set-other"
        window.wait(lambda r: of(r)["runs"] == {name: "running", second: "running"}, 120)
        window.scroll("Training/Runs", -20)
        window.click(f"Training/{name}", (0.3, 0.2))
        window.wait(lambda r: of(r)["chosen"] == name)
        window.click("Training/Follow in viewer")
        first = window.wait(lambda r: name in r["request"]["checkpoint"]["path"] and r["picture"], 60)
        path = first["request"]["checkpoint"]["path"]
        window.wait(lambda r: name in (newer := r["request"]["checkpoint"]["path"]) and newer > path, 120)
        window.click("Training/Pause")
        window.wait(lambda r: of(r)["runs"][name] == "paused" and "Training/Continue" in r["widgets"], 60)
        assert window.close() == 0 and window.errors() == ""
        assert one.status is None and other.status is None

        window = driver.Window(display, tmp_path, "demo:stylegan2", **environment)
        window.wait(lambda r: of(r)["runs"] == {name: "paused", second: "running"}, 60)
        window.scroll("Training/Runs", -20)
        window.click(f"Training/{name}", (0.3, 0.2))
        ticks = of(window.wait(lambda r: of(r)["chosen"] == name and of(r)["ticks"]))["ticks"]
        window.click("Training/Continue")
        window.wait(lambda r: of(r)["runs"][name] == "running" and of(r)["ticks"] > ticks, 120)
        window.click("Training/Stop")
        report = window.wait(lambda r: of(r)["runs"][name] == "stopped", 60)
        assert of(report)["runs"][second] == "running" and "go on with: python -m train run --resume" in of(
            window.wait(lambda r: "go on with" in of(r)["log"]))["log"]
        ticks = of(report)["ticks"]
        window.click("Training/Resume")
        window.wait(lambda r: of(r)["runs"][name] == "running" and of(r)["ticks"] > ticks, 120)
        stop_all(window)
        assert not window.report()["traces"] and window.close() == 0 and window.errors() == ""
    finally:
        for run in outdir(tmp_path).glob("0*"):
            (run / "stop").touch()


def watched(window: driver.Window) -> None:
    """Plots move, samples come, the log is read."""
    drawn = of(window.wait(lambda r: of(r)["drawn"].get("G.loss"), 60))["drawn"]["G.loss"]
    window.wait(lambda r: of(r)["drawn"]["G.loss"] > drawn + 1, 60)
    window.click("Training/Part/Samples")
    window.wait(lambda r: of(r)["grid"] and "Training/Generated grid picture" in r["widgets"], 120)
    window.click("Training/Part/Log")
    window.wait(lambda r: "kimg" in of(r)["log"])
    window.click("Training/Part/Plots")


def stop_all(window: driver.Window) -> None:
    for name in sorted(of(window.report())["runs"]):
        window.scroll("Training/Runs", 20)
        if f"Training/{name}" not in window.report()["widgets"]:
            window.scroll("Training/Runs", -20)
        window.click(f"Training/{name}", (0.3, 0.2))
        window.wait(lambda r, name=name: of(r)["chosen"] == name)
        window.click("Training/Stop")
        window.wait(lambda r, name=name: of(r)["runs"][name] == "stopped", 60)
