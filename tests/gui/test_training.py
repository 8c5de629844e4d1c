"""The training panel, driven by real events on run folders that the tests write as a run would."""
import json
import shutil
import sys
from pathlib import Path

import driver
import pytest
from made_run import MadeRun, grid, remains

from gui import layout, runlist, runplots
from gui.settings import CLOSED_AT_FIRST
from renderer.runs import Run
from renderer.runstats import StatisticsFile

FAKE = "tests/gui/fake.py"
ERROR = "step 1200: gradients of b4.conv0.weight were not finite in 100 steps in a row"


def outdir(folder: Path) -> Path:
    return folder / "Documents" / "Stylescope" / "training-runs"


def opened(window: driver.Window) -> driver.Window:
    """With the panel in sight."""
    window.wait(lambda r: r["answered"], 60)
    if "Training/Tab" not in window.report()["widgets"]:
        window.click("Menu/Training")
        window.click("Menu/Runs")
    window.wait(lambda r: "Training/Tab" in r["widgets"])
    return window


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def run(place):
    """One that failed, one that died, and one that goes."""
    remains(outdir(place), "00000-died", "running", 500, 2 ** 22 + 5)
    failed = MadeRun(outdir(place), "failed")
    failed.go(5)
    failed.end("failed", ERROR)
    run = MadeRun(outdir(place), "goes")
    run.go(20)
    yield run
    run.folder.close()


@pytest.fixture(scope="module")
def window(display, place, run):
    """One for the tests below, which use it in turn."""
    window = opened(driver.Window(display, place, "plain.pkl", entry=FAKE))
    yield window
    assert not window.report()["traces"]
    assert window.close() == 0 and window.errors() == ""


def of(report: dict) -> dict:
    return report["training"]


def chosen(window: driver.Window, name: str, part: str = "Plots") -> dict:
    """The report once this run and this part of it are looked at."""
    window.scroll("Training/Runs", 20)
    window.click(f"Training/{name}", (0.3, 0.2))
    window.wait(lambda r: of(r)["chosen"] == name)
    window.click(f"Training/Part/{part}")
    return window.wait(lambda r: of(r)["ticks"] or part == "Log")


# -- the list ---------------------------------------------------------------------------------------------------------

def test_runs_of_the_default_folder_are_found_by_themselves(window, run):
    report = window.wait(lambda r: len(of(r)["runs"]) == 3 and of(r)["ticks"] == 20)
    assert of(report)["runs"] == {"00002-goes": "running", "00001-failed": "failed", "00000-died": "died"}
    assert of(report)["chosen"] == "00002-goes" and of(report)["images"] == 80000
    assert "Training/Resume 00001-failed" in report["widgets"] and "Training/Pause" in report["widgets"]


def test_a_second_run_appears_and_tells_its_end(window, place):
    second = MadeRun(outdir(place), "second")
    second.go(5)
    window.wait(lambda r: of(r)["runs"].get("00003-second") == "running")
    second.end("failed", "the memory of cuda ran out; choose a smaller --batch-gpu than 8")
    report = window.wait(lambda r: of(r)["runs"]["00003-second"] == "failed")
    assert report["message"].startswith("00003-second failed: the memory of cuda ran out")
    shutil.rmtree(second.path)
    window.wait(lambda r: "00003-second" not in of(r)["runs"])


def a_run(**changes) -> Run:
    values = {"path": "/runs/00000-a", "state": "running", "updated": 1000.0, "images": 40000, "total": 10 ** 6}
    return Run(**values | changes)


@pytest.mark.parametrize("run, now, words", [
    (a_run(), 1010, "running"), (a_run(), 1090, "running, silent for 1 min"), (a_run(wish="pause"), 1001, "pausing"),
    (a_run(wish="stop"), 1001, "stopping"), (a_run(state="paused", wish="pause"), 1001, "paused"),
    (a_run(state="paused"), 1001, "going on"), (a_run(state="paused", wish="stop"), 1001, "stopping"),
    (a_run(state="stopped", wish="stop"), 9000, "stopped"), (a_run(state="died"), 9000, "died")],
    ids=lambda value: None if isinstance(value, Run) else str(value))
def test_the_state_in_words(run, now, words):
    assert runlist.state_words(run, now=now) == words


def test_numbers_in_words():
    assert runlist.kimg_words(a_run()) == "40 of 1000 kimg" and runlist.kimg_words(a_run(total=None)) == "40 kimg"
    assert runlist.numbers(a_run(rate=12.345, doing="G main")) == "12.35 img/s  ·  21 h 36 min left  ·  G main"
    assert runlist.numbers(a_run(state="stopped", rate=12.345, about="stylegan2 on a")) == "stylegan2 on a"


# -- plots ------------------------------------------------------------------------------------------------------------

def test_plots_move_as_the_run_goes(window, run):
    before = of(chosen(window, "00002-goes"))
    assert before["drawn"]["metric.swd"] == before["ticks"] // 5 and before["drawn"]["G.loss"] == before["ticks"]
    run.go(10)
    after = of(window.wait(lambda r: of(r)["ticks"] == before["ticks"] + 10))
    assert after["drawn"]["G.loss"] == after["ticks"] and after["range"][1] > before["range"][1]
    assert "Training/log Level of detail" not in {**window.report()["widgets"], **window.report()["hidden"]}


def test_values_under_the_cursor(window, run):
    chosen(window, "00002-goes")
    window.move("Training/SWD", (0.5, 0.5))
    readout = of(window.wait(lambda r: of(r)["readout"]))["readout"]
    kimg, value = readout.split(" kimg   SWD   ")
    x, y = StatisticsFile(run.path).read().known("metric.swd")
    assert y[list(x).index(float(kimg))] == pytest.approx(float(value), rel=1e-3)
    window.move("Training/Runs", (0.5, 0.9))
    window.wait(lambda r: not of(r)["readout"])


def test_zoom_is_one_for_all_plots_and_stays_while_numbers_come(window, run):
    whole = of(chosen(window, "00002-goes"))["range"]
    window._xdotool("keydown", "ctrl")
    for _ in range(4):                           # one by one: ImPlot takes several in a frame for one
        window.scroll("Training/SWD", 1, (0.5, 0.5))
    window._xdotool("keyup", "ctrl")
    low, high = of(window.wait(lambda r: of(r)["range"][1] - of(r)["range"][0] < 0.9 * (whole[1] - whole[0])))["range"]
    ticks = of(window.report())["ticks"]
    run.go(5)
    report = window.wait(lambda r: of(r)["ticks"] == ticks + 5)
    assert of(report)["range"] == [low, high] and of(report)["drawn"]["metric.swd"] < (ticks + 5) // 5
    window.double_click("Training/SWD", (0.3, 0.4))
    window.wait(lambda r: of(r)["range"][1] > whole[1])


def test_smoothing_and_logarithmic_axes(window, run):
    chosen(window, "00002-goes")
    window.type_into("Training/Smoothing", "0.9")
    window.click("Training/log SWD")
    window.move("Training/SWD", (0.7, 0.5))
    window.wait(lambda r: ", measured " in of(r)["readout"])
    window.click("Training/log SWD")
    window.click("Training/Reset Smoothing")
    window.move("Training/SWD", (0.7, 0.5))
    window.wait(lambda r: of(r)["readout"] and "measured" not in of(r)["readout"])


def test_a_long_run_is_thinned_out(window, place):
    """25 000 ticks: no more points than twice the pixels."""
    path = remains(outdir(place), "00009-long", "finished", 10, 1)
    lines = (json.dumps({"kimg": i * 4, "images": i * 4000, "G.loss": 1 + (i % 7) / 10, "D.penalty": 10.0 ** (i % 3)})
             for i in range(25000))
    (path / "stats.jsonl").write_text("\n".join(lines) + "\n")
    chosen(window, "00009-long")
    report = window.wait(lambda r: of(r)["ticks"] == 25000 and "G.loss" in of(r)["drawn"], 30)
    left, _, right, _ = window.rectangle("Training/Plots")
    assert right - left < of(report)["drawn"]["G.loss"] <= 2 * (right - left) + 2
    with open(path / "stats.jsonl", "a") as file:
        file.write('{"kimg": 100000, "G.loss": 3}\n')
    window.wait(lambda r: of(r)["ticks"] == 25001 and of(r)["range"][1] > 100000)
    shutil.rmtree(path)
    window.wait(lambda r: of(r)["chosen"] == "00002-goes")


def test_plots_without_data_are_left_out(tmp_path):
    (tmp_path / "stats.jsonl").write_text('{"kimg": 4, "G.loss": 0.5, "p": 0, "nonfinite": 0, "metric.odd": 0.5}\n'
                                          '{"kimg": 8, "G.loss": 0.6, "metric.fid50k_full": 9}\n')
    groups = runplots.groups_of(StatisticsFile(tmp_path).read())
    assert [(group.title, [name for name, _ in group.curves]) for group in groups] == [
        ("FID, fid50k_full", ["metric.fid50k_full"]), ("odd", ["metric.odd"]), ("Losses", ["G.loss"])]


# -- samples ----------------------------------------------------------------------------------------------------------

def test_the_newest_grid_is_shown_until_somebody_goes_back(window, run):
    grids = of(chosen(window, "00002-goes", "Samples"))["grids"]
    newest = of(window.wait(lambda r: of(r)["grid"] == run.images // 20000 * 20000))["grid"]
    run.go(5)
    window.wait(lambda r: of(r)["grid"] == newest + 20000)
    window.drag("Training/Grid", (0.98, 0.5), (0.02, 0.5))
    window.wait(lambda r: of(r)["grid"] == 20000)
    window.click("Training/Next grid")
    window.wait(lambda r: of(r)["grid"] == 40000)
    run.go(5)
    report = window.wait(lambda r: of(r)["grids"] == grids + 2)
    assert of(report)["grid"] == 40000
    window.drag("Training/Grid", (0.1, 0.5), (0.99, 0.5))
    window.wait(lambda r: of(r)["grid"] == newest + 40000)
    run.go(5)
    window.wait(lambda r: of(r)["grid"] == newest + 60000)


def test_grids_zoom_and_pan_together_with_the_set_s_own(window, run):
    chosen(window, "00002-goes", "Samples")
    window.click("Training/Show/Both")
    report = window.wait(lambda r: "Training/Real grid picture" in r["widgets"])
    assert of(report)["placement"] is None
    window.scroll("Training/Real grid", 4)
    width = of(window.wait(lambda r: of(r)["placement"]))["placement"]
    before = window.report()["widgets"]["Training/Generated grid picture"]
    window.drag("Training/Generated grid", (0.5, 0.5), (0.7, 0.6))
    window.wait(lambda r: r["widgets"]["Training/Generated grid picture"] != before)
    assert of(window.report())["placement"] == width
    window.click("Training/Fit grid")
    window.wait(lambda r: of(r)["placement"] is None)
    window.click("Training/Show/Real")
    report = window.wait(lambda r: "Training/Generated grid" not in r["widgets"])
    assert "Training/Real grid picture" in report["widgets"]
    window.click("Training/Show/Generated")


def test_a_damaged_grid_is_said_in_its_place_and_read_once_it_is_whole(window, run):
    chosen(window, "00002-goes", "Samples")
    path = run.path / "fakes-000009000000.png"
    path.write_bytes(b"no picture")
    report = window.wait(lambda r: of(r)["grid"] == 9_000_000 and "Training/Generated grid" in r["widgets"])
    window.wait(lambda r: "Training/Generated grid picture" not in r["widgets"])
    run.folder.save_grid("fakes-000009000000", grid(1), 8)
    window.wait(lambda r: "Training/Generated grid picture" in r["widgets"])
    path.unlink()
    report = window.wait(lambda r: of(r)["grid"] != 9_000_000)
    assert of(report)["grid"] == run.images // 20000 * 20000


# -- the log ----------------------------------------------------------------------------------------------------------

def test_the_log_and_the_command_line(window, run):
    chosen(window, "00002-goes", "Log")
    run.folder.say("a line that stands at the end")
    report = window.wait(lambda r: of(r)["log"].endswith("a line that stands at the end"))
    assert "Training/Command line" in report["widgets"]
    window.click("Training/Copy command")
    window.wait(lambda r: r["message"] == "Copied the command line")
    window.click("Training/Part/Plots")


# -- what is asked of a run -------------------------------------------------------------------------------------------

def test_pause_continue_and_stop(window, run):
    chosen(window, "00002-goes")
    window.click("Training/Pause")
    window.wait(lambda r: of(r)["wish"] == "pause" and "Training/Continue" in r["widgets"])
    assert run.folder.wish() == "pause"
    run.folder.status(state="paused")
    window.wait(lambda r: of(r)["runs"]["00002-goes"] == "paused")
    window.click("Training/Continue")
    window.wait(lambda r: of(r)["wish"] == "" and "Training/Pause" in r["widgets"])
    assert run.folder.wish() == "run"
    run.folder.status(state="running")
    window.click("Training/Stop")
    window.wait(lambda r: of(r)["wish"] == "stop" and "saves and ends" in r["message"])
    assert run.folder.wish() == "stop"
    window.click("Training/Pause")               # greyed: it stops already
    assert run.folder.wish() == "stop"
    run.folder.forget_wishes()
    window.wait(lambda r: of(r)["wish"] == "")


def test_what_cannot_be_asked_is_greyed_and_said(window, run):
    chosen(window, "00002-goes")
    window.click("Menu/Training")
    window.click("Menu/Resume run")
    assert of(window.report())["notes"] == {}
    window.key("Escape", "Escape")
    window.wait(lambda r: "Menu/Resume run" not in r["widgets"])
    window.click("Training/Follow in viewer")    # it has no snapshot
    assert not of(window.report())["followed"]


def test_damage_and_a_folder_that_vanishes_leave_the_window_whole(window, place):
    hurt = MadeRun(outdir(place), "hurt")
    hurt.go(5)
    chosen(window, hurt.path.name)
    hurt.end("stopped")
    window.wait(lambda r: of(r)["runs"][hurt.path.name] == "stopped")
    for name in ("status.json", "config.json", "stats.jsonl", "log.txt", "reals.png"):
        (hurt.path / name).write_bytes(b"{\xff[")
    window.wait(lambda r: of(r)["runs"][hurt.path.name] == "unknown" and of(r)["ticks"] == 0)
    window.click("Training/Part/Samples")
    window.click("Training/Show/Real")
    window.wait(lambda r: "Training/Real grid" in r["widgets"])
    shutil.rmtree(hurt.path)
    report = window.wait(lambda r: hurt.path.name not in of(r)["runs"])
    assert of(report)["chosen"] == "00002-goes" and not report["traces"]
    window.click("Training/Show/Generated")


# -- other folders, and the next window -------------------------------------------------------------------------------

def test_another_folder_is_listed_and_remembered(window, display, place):
    elsewhere = place / "elsewhere"
    other = remains(elsewhere, "00000-other", "finished", 30, 1)
    window.click("Menu/Training")
    window.click("Menu/Open runs folder…")
    window.fill("Browser/Path", str(elsewhere))
    window.click("Browser/Use this folder")
    window.wait(lambda r: of(r)["runs"].get("00000-other") == "finished")
    kept = place / "config" / "stylescope" / "window.json"
    window.wait(lambda r: json.loads(kept.read_text()).get("run_folders") == [str(elsewhere)])
    dropped = remains(place / "dropped", "00007-dropped", "finished", 30, 1)
    window.drop(dropped)
    window.wait(lambda r: of(r)["runs"].get("00007-dropped") == "finished")
    for path in (other, dropped):
        shutil.rmtree(path)
    window.wait(lambda r: not {"00000-other", "00007-dropped"} & set(of(r)["runs"]))
    assert "Training" in CLOSED_AT_FIRST and "Training" in layout.BESIDE


# -- processes --------------------------------------------------------------------------------------------------------

STAND_IN = """#!{python}
import sys, time
sys.path[:0] = {paths!r}
assert sys.argv[1:5] == ["-m", "train", "run", "--resume"], sys.argv
{body}
"""
GOES_ON = """
from train.folder import RunFolder
with RunFolder.open(sys.argv[5], quiet=True) as folder:
    folder.status(state="running", images=20000, total_images=1000000)
    while folder.wish() != "stop":
        time.sleep(0.05)
"""
REFUSES = "sys.exit('error: the lock of this run is held by process 7 on elsewhere')"


def stand_in(folder: Path, body: str) -> str:
    """A program in the place of Python, which does what `python -m train run --resume` does, in little."""
    script = folder / "python"
    root = Path(__file__).resolve().parents[2]
    script.write_text(STAND_IN.format(python=sys.executable, paths=[str(root)], body=body))
    script.chmod(0o755)
    return str(script)


def stopped(folder: Path) -> MadeRun:
    run = MadeRun(outdir(folder), "mine")
    run.go(5)
    run.end("stopped")
    return run


def test_resumed_it_goes_on_outlives_the_window_and_is_found_again(display, tmp_path):
    run = stopped(tmp_path)
    environment = {"entry": FAKE, "STYLESCOPE_PYTHON": stand_in(tmp_path, GOES_ON)}
    window = opened(driver.Window(display, tmp_path, "plain.pkl", **environment))
    window.wait(lambda r: of(r)["runs"] == {run.path.name: "stopped"})
    window.click(f"Training/Resume {run.path.name}")
    report = window.wait(lambda r: of(r)["runs"][run.path.name] == "running" and not of(r)["notes"], 30)
    assert "goes on as process" in report["message"] and report["widgets"].keys() > {"Training/Pause", "Training/Stop"}
    assert window.close() == 0 and window.errors() == ""
    again = driver.Window(display, tmp_path, "plain.pkl", **environment)
    again.wait(lambda r: of(r)["runs"] == {run.path.name: "running"})        # the panel was open and is
    again.click("Training/Stop")
    again.wait(lambda r: of(r)["runs"] == {run.path.name: "stopped"}, 30)
    assert again.close() == 0 and again.errors() == ""


def test_a_run_that_cannot_be_resumed_says_why(display, tmp_path):
    run = stopped(tmp_path)
    window = opened(driver.Window(display, tmp_path, "plain.pkl", entry=FAKE,
                                  STYLESCOPE_PYTHON=stand_in(tmp_path, REFUSES)))
    window.wait(lambda r: of(r)["chosen"])
    window.click("Training/Resume")
    report = window.wait(lambda r: "the lock of this run is held by process 7" in r["message"])
    assert report["message"].startswith("Could not resume the run: ")
    assert not of(window.wait(lambda r: not of(r)["notes"]))["notes"] and of(report)["runs"][run.path.name] == "stopped"
    assert window.close() == 0


# -- the viewer -------------------------------------------------------------------------------------------------------

@pytest.mark.slow
def test_the_newest_snapshot_is_followed_in_the_viewer(display, tmp_path):
    (tmp_path / "network").write_bytes(b"")
    run = MadeRun(outdir(tmp_path), "mine", tmp_path / "network")
    run.go(5)
    window = opened(driver.Window(display, tmp_path, "conditional.pkl", entry=FAKE))
    window.wait(lambda r: of(r)["chosen"] and "Training/Follow in viewer" in r["widgets"])
    window.click("Training/Follow in viewer")
    window.wait(lambda r: r["request"]["checkpoint"]["path"] == str(run.folder.snapshot_path(20000)) and
                r["answered"] and of(r)["followed"], 30)
    window.fill("Latent/Seed", "5")
    run.go(5)
    report = window.wait(lambda r: r["request"]["checkpoint"]["path"] == str(run.folder.snapshot_path(40000)) and
                         r["answered"], 30)
    assert report["request"]["latent"]["x"] == 5 and of(report)["followed"]
    window.click("Training/Follow in viewer")
    window.wait(lambda r: not of(r)["followed"])
    run.folder.close()
    assert window.close() == 0 and window.errors() == ""
