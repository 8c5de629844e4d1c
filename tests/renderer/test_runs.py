"""Runs as their folders tell of them: alive, ended, dead, damaged, vanished; statistics as they grow."""
from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from made_run import TOTAL, MadeRun, remains, values_at
from PIL import Image

from renderer import runs
from renderer.runs import DIED, UNKNOWN, Shelf, UserError
from renderer.runstats import StatisticsFile, smoothed, thinned
from train.lock import Lock

posix = pytest.mark.skipif(os.name == "nt", reason="Windows tells a lock, not a process")


@pytest.fixture
def made(tmp_path):
    run = MadeRun(tmp_path / "runs")
    yield run
    run.folder.close()


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# -- a run ------------------------------------------------------------------------------------------------------------

def test_a_run_that_goes(made):
    made.go(10)
    run, = Shelf().look([made.path.parent])
    assert (run.name, run.state, run.doing) == (made.path.name, "running", "G main")
    assert (run.images, run.total) == (40000, TOTAL)
    assert run.is_live and run.share == 0.04 and run.resumable and not run.snapshot and not run.error and not run.wish
    assert run.rate == values_at(40000)["img_per_s"] and run.eta == 5e4
    assert run.about == "stylegan2 on shapes: 5000 pictures, 64 × 64" and run.command.startswith("python -m train run")
    made.folder.snapshot_path(40000).write_bytes(b"")
    assert Shelf().look([made.path])[0].snapshot == str(made.folder.snapshot_path(40000))


@pytest.mark.parametrize("state, error, told", [
    ("stopped", None, ""), ("finished", None, ""), ("failed", "the memory ran out", "the memory ran out"),
    ("failed", None, "it did not say why")])
def test_a_run_that_has_ended(made, state, error, told):
    made.end(state, error)
    run, = Shelf().look([made.path.parent])
    assert (run.state, run.error, run.is_live) == (state, told, False)


def test_what_changes_is_read_again(made):
    shelf = Shelf()
    assert shelf.look([made.path.parent])[0].images == 0
    made.go(1)
    made.folder.status(state="paused", images=4000)
    run, = shelf.look([made.path.parent])
    assert run.state == "paused" and run.rate == values_at(4000)["img_per_s"]


def test_runs_of_several_folders_the_last_started_first(tmp_path):
    old = remains(tmp_path / "a", "00004-old", "stopped", 5000, 1)
    new = remains(tmp_path / "b", "00000-new", "stopped", 50, 1)
    (tmp_path / "a" / "00005-notes").mkdir()
    (tmp_path / "a" / "12").write_text("")
    found = Shelf().look([tmp_path / "a", tmp_path / "b", tmp_path / "never", tmp_path / "a", old])
    assert [run.path for run in found] == [str(new), str(old)]


# -- is it alive? -----------------------------------------------------------------------------------------------------

@posix
def test_a_silent_run_whose_process_is_gone_has_died(tmp_path):
    path = remains(tmp_path, "00000-a", "running", 25, ended_process())
    with_lock = Lock(path / "lock")      # of something else by now
    run, = Shelf().look([tmp_path])
    with_lock.close()
    assert run.state == DIED and "without a word" in run.error and not run.is_live


def test_the_number_of_its_process_may_be_another_s_by_now(tmp_path):
    path = remains(tmp_path, "00000-a", "paused", 25, os.getpid())
    assert Shelf().look([tmp_path])[0].state == DIED
    with_lock = Lock(path / "lock")
    assert Shelf().look([tmp_path])[0].state == "paused"
    with_lock.close()
    assert Shelf().look([tmp_path])[0].state == DIED


def test_looking_does_not_keep_a_run_from_its_lock(tmp_path):
    path = remains(tmp_path, "00000-a", "running", 25, os.getpid())
    assert runs.is_free(path / "lock")
    Lock(path / "lock").close()


@pytest.mark.parametrize("state, age, pid, host, expected", [
    ("running", 15, 2 ** 22 + 5, "", "running"), ("running", 25, 2 ** 22 + 5, "not-", "running"),
    ("running", 25, None, "", DIED), ("finished", 25, 2 ** 22 + 5, "", "finished")],
    ids=["not long", "on another machine", "no number", "had ended"])
def test_silence_alone_is_not_death(tmp_path, state, age, pid, host, expected):
    remains(tmp_path, "00000-a", state, age, pid, host=host + socket.gethostname())
    assert Shelf().look([tmp_path])[0].state == expected


@posix
def test_a_killed_process_is_seen_as_dead_though_its_parent_lives(tmp_path):
    """It is a zombie until it is waited for: its number is still taken, its lock is not."""
    code = ("import sys, time; from made_run import MadeRun; from pathlib import Path; MadeRun(Path(sys.argv[1]));"
            "print(flush=True); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE,
                               env=os.environ | {"PYTHONPATH": os.pathsep.join(["tests", "."])})
    process.stdout.readline()
    path, status = tmp_path / "00000-stylegan2-shapes", json.loads((tmp_path / "00000-stylegan2-shapes" / "status.json")
                                                                   .read_text())
    assert runs.state_of(path, status, time.time() + 30)[0] == "running"
    process.kill()
    end = time.monotonic() + 30
    while runs.state_of(path, status, time.time() + 30)[0] != DIED and time.monotonic() < end:
        time.sleep(0.05)
    assert runs.state_of(path, status, time.time() + 30)[0] == DIED
    process.communicate()


# -- damage -----------------------------------------------------------------------------------------------------------

DAMAGE = [b"", b"{", b"[]", b"\xff\0", b"null", b'{"state": 3, "images": "x", "total_images": 1e999, "updated": []}',
          b"[" * 100000, b'{"images": ' + b"9" * 400 + b"}"]


@pytest.mark.parametrize("content", DAMAGE, ids=range(len(DAMAGE)))
def test_damaged_files_leave_the_run_in_the_list(made, content):
    made.go(5)
    made.end("stopped")
    for name in ("status.json", "config.json", "stats.jsonl", "log.txt"):
        (made.path / name).write_bytes(content)
    run, = Shelf().look([made.path.parent])
    assert run.state == UNKNOWN and run.error and run.images == 0 and run.total is None and run.rate is None
    assert run.resumable and len(StatisticsFile(made.path).read()) == 0 and isinstance(runs.log_of(made.path), tuple)


def test_what_others_left_there(tmp_path):
    for name in ("config.json", "status.json", "stats.jsonl", "log.txt", "fakes-000000000001.png"):
        (tmp_path / "00000-a" / name).mkdir(parents=True)
    assert Shelf().look([tmp_path]) == () and len(StatisticsFile(tmp_path / "00000-a").read()) == 0
    assert runs.log_of(tmp_path / "00000-a") == ()
    with pytest.raises(UserError, match="fakes-000000000001.png"):
        runs.load_sheet(runs.sheets(tmp_path / "00000-a")[0].path)


def test_a_folder_that_vanishes(made):
    made.go(5)
    shelf, file = Shelf(), StatisticsFile(made.path)
    assert len(shelf.look([made.path.parent])) == 1 and len(file.read()) == 5
    made.folder.close()
    shutil.rmtree(made.path)
    assert shelf.look([made.path.parent]) == () and len(file.read()) == 0
    assert runs.sheets(made.path) == () and runs.reals(made.path) == "" and runs.log_of(made.path) == ()
    runs.go_on(made.path)
    with pytest.raises(UserError, match=f"{made.path.name}.*cannot be asked to pause"):
        runs.ask(made.path, runs.PAUSE)


# -- wishes -----------------------------------------------------------------------------------------------------------

def test_what_a_run_is_asked(made):
    for wish in (runs.PAUSE, runs.STOP):
        runs.ask(made.path, wish)
        assert made.folder.wish() == wish == Shelf().look([made.path])[0].wish
    runs.go_on(made.path)
    assert made.folder.wish() == "run" and Shelf().look([made.path])[0].wish == ""
    runs.go_on(made.path)


# -- grids and log ----------------------------------------------------------------------------------------------------

def test_grids_in_order(made):
    made.go(10)
    (made.path / "fakes-000000300000.jpg").write_bytes((made.path / "fakes-000000040000.png").read_bytes())
    for other in ("fakes-1.png", ".fakes-000000900000.png.1.part", "fakes-000000900000.png.part"):
        (made.path / other).write_bytes(b"")
    found = runs.sheets(made.path)
    assert [sheet.images for sheet in found] == [20000, 40000, 300000]
    picture = runs.load_sheet(found[1].path)
    assert picture.shape == (128, 256, 3) and np.array_equal(picture, np.asarray(Image.open(found[1].path)))
    assert runs.reals(made.path) == str(made.path / "reals.png")


def test_levels_of_a_picture_are_its_means():
    picture = np.random.default_rng(0).integers(0, 256, (600, 2200, 3), np.uint8)
    found = runs.levels(picture)
    assert [level.shape for level in found] == [(600, 2200, 3), (300, 1100, 3), (150, 550, 3)]
    mean = picture.reshape(300, 2, 1100, 2, 3).mean((1, 3))
    assert np.abs(found[1] - mean).max() <= 0.5 and runs.levels(picture[:9, :9])[0].shape == (9, 9, 3)


def test_grey_pictures_are_shown_in_grey(tmp_path):
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / "reals.png")
    assert np.array_equal(runs.load_sheet(tmp_path / "reals.png")[:, :, 2], np.arange(16).reshape(4, 4))


def test_the_log_s_last_lines(made):
    for number in range(3000):
        made.folder.say(f"line {number} {'x' * 20}")
    lines = runs.log_of(made.path)
    assert lines[-1].endswith(f"line 2999 {'x' * 20}") and 100 < len(lines) < 1000
    assert all(line.endswith("x" * 20) and line.startswith("20") for line in lines)


# -- statistics -------------------------------------------------------------------------------------------------------

def test_statistics_are_read_on(made):
    file = StatisticsFile(made.path)
    assert len(file.read()) == 0
    made.go(5)
    first = file.read()
    assert first.kimg.tolist() == [4, 8, 12, 16, 20] and file.read() is first
    x, y = first.known("metric.swd")
    assert x.tolist() == [20] and y[0] == pytest.approx(110.48374)
    made.go(2)
    second = file.read()
    assert len(second) == 7 and len(first) == 5 and np.isnan(second.columns["metric.swd"][[5, 6]]).all()
    assert second.columns["G.loss"][6] == values_at(28000)["G.loss"]
    assert not second.says_something("lod") and second.says_something("p") and not second.says_something("none")


def test_a_line_is_taken_when_it_is_whole(made):
    file, line = StatisticsFile(made.path), json.dumps({"kimg": 1, "x": 5}) + "\n"
    path = made.path / "stats.jsonl"
    path.write_text(line[:10])
    assert len(file.read()) == 0
    with open(path, "a") as out:
        out.write(line[10:] + '{"kimg": 2, "x": NaN}\nrubbish\n{"kimg": null}\n{"kimg": 3, "y": "z", "x": true}\n')
    found = file.read()
    assert found.kimg.tolist() == [1, 2, 3] and np.isnan(found.columns["x"][1:]).all() and "y" not in found.columns


def test_a_run_that_went_back_is_read_anew(made):
    made.go(20)
    file = StatisticsFile(made.path)
    assert len(file.read()) == 20
    made.folder.rewind(40000)
    made.images = 40000
    made.go(15, kimg=2.0)
    assert file.read().kimg.tolist() == [*range(4, 41, 4), *range(42, 71, 2)]


def test_lines_out_of_order_are_put_in_order(made):
    (made.path / "stats.jsonl").write_text("".join(json.dumps({"kimg": k, "x": 10 * k}) + "\n" for k in (3, 1, 2)))
    found = StatisticsFile(made.path).read()
    assert found.kimg.tolist() == [1, 2, 3] and found.columns["x"].tolist() == [10, 20, 30]


# -- smoothing and thinning -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("weight", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [1, 2, 3, 100, 1000])
def test_smoothing_is_the_mean_it_says(weight, count):
    y = np.random.default_rng(count).normal(size=count)
    expected, total, weights = [], 0.0, 0.0
    for value in y:
        total, weights = value + weight * total, 1 + weight * weights
        expected.append(total / weights)
    np.testing.assert_allclose(smoothed(y, weight), expected, rtol=1e-9, atol=1e-9)      # 1e-12 of weights are dropped


def test_an_outlier_is_forgotten_without_a_trace():
    y = np.concatenate([[1e300], np.full(20000, 2.0)])
    assert np.array_equal(smoothed(y, 0.9)[-10000:], np.full(10000, 2.0)) or \
        np.allclose(smoothed(y, 0.9)[-10000:], 2.0, rtol=1e-12)


def test_thinning_loses_no_peak():
    x = np.arange(25000.0)
    y = np.sin(x / 500)
    y[[777, 20001]] = 50.0, -60.0
    few_x, few_y = thinned(x, y, 0, 25000, 400)
    assert len(few_x) <= 802 and np.all(np.diff(few_x) > 0) and few_x[[0, -1]].tolist() == [0, 24999]
    assert few_y.max() == 50 and few_y.min() == -60 and np.array_equal(y[few_x.astype(int)], few_y)


def test_thinning_shows_all_that_is_zoomed_into():
    x = np.arange(25000.0)
    few_x, few_y = thinned(x, -x, 1000.5, 1100.5, 400)
    assert few_x.tolist() == list(range(1000, 1102)) and np.array_equal(few_y, -few_x)
    assert len(thinned(x, x, 3e4, 4e4, 400)[0]) <= 1 and len(thinned(x[:0], x[:0], 0, 1, 9)[0]) == 0
