"""Runs in processes of their own that are stopped, killed at any moment, and shared by two processes."""
from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_training import assert_equal, png

from train.state import newest_state
from train.writing import Entry, write_set

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--cfg stylegan2 --batch 8 --cbase 64 --cmax 4 --map-depth 2 --aug fixed --p 0.5 --tick 0.016 --snap 1 "
        "--grid 2x2 --metrics none --device cpu --workers 1").split()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("set") / "set.zip"
    write_set(path, [Entry(f"{i:02d}.png", png(i)) for i in range(20)])
    return str(path)


def start(*words: str) -> subprocess.Popen:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, "-m", "train", "run", *words], cwd=ROOT, env=environment,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen) -> str:
    """What it printed. It must end well."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


def run_folder(outdir: Path) -> Path:
    folder, = outdir.glob("[0-9]*")
    return folder


def status(folder: Path) -> dict:
    return json.loads((folder / "status.json").read_text())


def wait_until_running(process: subprocess.Popen, outdir: Path) -> Path:
    """Its folder, once it trains."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        found = list(outdir.glob("[0-9]*/status.json"))
        if found and status(found[0].parent)["state"] == "running" and status(found[0].parent)["pid"] == process.pid:
            return found[0].parent
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    raise AssertionError("it never began")


def assert_complete(folder: Path, whole: Path) -> None:
    """The run is the unbroken one's equal: its state, its statistics, its snapshots."""
    assert_equal(newest_state(whole).state, newest_state(folder).state)
    images = [[json.loads(line)["images"] for line in (run / "stats.jsonl").read_text().splitlines()]
              for run in (whole, folder)]
    assert images[0] == images[1]
    names = [{path.name for path in run.glob("fakes-*")} for run in (whole, folder)]
    assert names[0] <= names[1]


@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_at_any_moment_loses_nothing_but_the_unfinished_interval(kills, pictures, tmp_path):
    kimg = 0.032 * (kills + 1)
    words = ["--data", pictures, "--kimg", f"{kimg:g}", *TINY]
    finish(start("--outdir", str(tmp_path / "whole"), *words))
    random.seed(kills)
    shown, outdir = 0, tmp_path / "killed"
    words = ["--outdir", str(outdir), *words]
    for _ in range(kills):
        process = start(*words)
        folder = wait_until_running(process, outdir)
        time.sleep(random.uniform(0, 1.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if list(folder.glob("state-*.safetensors")):             # else it was killed before its very first one
            assert newest_state(folder).images_shown >= shown
            shown = newest_state(folder).images_shown
            words = ["--resume", str(folder)]
        else:
            outdir = tmp_path / f"killed-{len(list(tmp_path.iterdir()))}"
            words[1] = str(outdir)
    finish(start(*words))
    assert_complete(run_folder(outdir), run_folder(tmp_path / "whole"))


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_finishes_the_step_and_saves(number, pictures, tmp_path):
    """Sent to the whole group, as a terminal does; the worker that reads pictures must not die of it."""
    process = start("--outdir", str(tmp_path), "--data", pictures, "--kimg", "1000", *TINY, "--tick", "1000")
    folder = wait_until_running(process, tmp_path)
    while status(folder)["images"] < 16:
        time.sleep(0.02)
    os.killpg(process.pid, number)
    out = finish(process)
    state = newest_state(folder)
    assert status(folder)["state"] == "stopped" and status(folder)["images"] == state.images_shown >= 16
    assert f"--resume {folder}" in out and "finishing the step" in out
    assert (folder / f"snapshot-{state.images_shown:012d}.safetensors").exists()
