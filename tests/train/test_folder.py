"""A run's folder: its own number, one writer, readable after kill -9."""
from __future__ import annotations

import json
import os
import signal
import subprocess

import numpy as np
import pytest
from run_files import events, fail, posix, python, status_of

import train.events
import train.folder
import train.status
from nets.errors import UserError
from train.folder import RunFolder, fit_for_a_folder
from train.stats import read_stats


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path, "mine", {"train": {"batch": 4}}, quiet=True) as folder:
        yield folder


# --- making and opening ----------------------------------------------------------------------------------------------

def test_folders_are_numbered_behind_all_that_are_there(tmp_path):
    for there in ("00007-old", "00003-x", "notes", "12", "a-00044", "100-short"):
        (tmp_path / there).mkdir()
    with RunFolder.create(tmp_path, "a", {}) as a, RunFolder.create(tmp_path, "b", {}) as b:
        assert (a.path.name, b.path.name) == ("00101-a", "00102-b")
    assert not list(tmp_path.glob(".*"))


def test_a_new_place_is_made(tmp_path):
    with RunFolder.create(tmp_path / "x" / "y", "a", {}) as folder:
        assert folder.path == tmp_path / "x" / "y" / "00000-a"


@pytest.mark.parametrize("name, expected", [
    ("stylegan2-my faces", "stylegan2-my-faces"), ("../../etc/pass wd", "etc-pass-wd"), ("a\\b:c*d?\n", "a-b-c-d"),
    ("Füße 猫", "Füße-猫"), ("u\u0308", "ü"), ("🙂", "run"), ("", "run"), ("...", "run"), ("bad\udcff", "bad"),
    ("x" * 1000, "x" * 100), ("ü" * 1000, "ü" * 50), ("gamma=1.5,+x_y", "gamma-1.5-+x_y")], ids=ascii)
def test_names_are_made_fit(tmp_path, name, expected):
    assert fit_for_a_folder(name) == expected
    with RunFolder.create(tmp_path, name, {}) as folder:
        assert folder.path.name == f"00000-{expected}" and folder.path.is_dir()


def test_the_configuration_comes_back(folder):
    folder.close()
    with RunFolder.open(folder.path) as again:
        assert again.config == folder.config == {"format_version": 1, "train": {"batch": 4}}


@pytest.mark.parametrize("content, expected", [
    (None, "is no run's folder"), ("{", "is damaged"), ("[]", "is damaged"), ("{}", "is damaged"), ("\0", "is damaged"),
    ('{"format_version": 2}', "format version 2, this program reads 1")])
def test_what_is_no_run_is_refused(tmp_path, content, expected):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=expected) as refusal:
        RunFolder.open(tmp_path)
    assert str(refusal.value).startswith(str(tmp_path)) and "\n" not in str(refusal.value)
    assert not (tmp_path / "lock").exists()


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        RunFolder.open(tmp_path / "missing")


def test_an_unwritable_place_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for outdir in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="no run can be written there: .*--outdir"):
            RunFolder.create(outdir, "a", {})
    monkeypatch.setattr(train.folder, "_write_config", fail)
    with pytest.raises(UserError, match=r"no run can be written there: No space left on device"):
        RunFolder.create(tmp_path, "a", {})
    assert sorted(tmp_path.iterdir()) == [tmp_path / "file"]


CREATOR = """
import sys
from train.folder import RunFolder
print("ready", flush=True)
sys.stdin.readline()
for i in range(40):
    with RunFolder.create(sys.argv[1], sys.argv[2], {"i": i}, quiet=True) as folder:
        assert folder.config["i"] == i
"""


def test_two_at_once_get_two_numbers(tmp_path):
    """Eighty folders by two processes that start together: numbers 0 to 79, each whole, and nothing else."""
    creators = [python(CREATOR, tmp_path, name, stdin=subprocess.PIPE) for name in "ab"]
    for creator in creators:
        assert creator.stdout.readline() == "ready\n"
    for creator in creators:
        creator.stdin.write("go\n")
        creator.stdin.flush()
    for creator in creators:
        creator.communicate(timeout=100)
        assert creator.returncode == 0
    assert [path.name[:6] for path in sorted(tmp_path.iterdir())] == [f"{number:05d}-" for number in range(80)]
    for name in "ab":
        runs = sorted(tmp_path.glob(f"*-{name}"))
        assert [json.loads((run / "config.json").read_text())["i"] for run in runs] == list(range(40))


def test_a_number_that_was_taken_in_between_is_not_given_again(tmp_path, monkeypatch):
    """The other process gives its folder the final name between this one's look and its claim."""
    listdir, looks = os.listdir, []

    def slow(path):
        names = listdir(path)
        if not looks:
            (tmp_path / "00000-other").mkdir()
        looks.append(names)
        return names
    monkeypatch.setattr(train.folder.os, "listdir", slow)
    with RunFolder.create(tmp_path, "mine", {}) as folder:
        assert folder.path.name == "00001-mine"
    assert looks[0] == [] and sorted(listdir(tmp_path)) == ["00000-other", "00001-mine"]


# --- one writer ------------------------------------------------------------------------------------------------------

def test_a_second_writer_is_refused(folder):
    with pytest.raises(UserError, match=f"process {os.getpid()} on .* is writing there") as refusal:
        RunFolder.open(folder.path)
    assert str(folder.path) in str(refusal.value) and "\n" not in str(refusal.value)
    folder.close()
    RunFolder.open(folder.path).close()


HOLDER = """
import os, sys, time
from train.folder import RunFolder
folder = RunFolder.open(sys.argv[1], quiet=True)
folder.status(state="running", images=77)
if not os.fork():                                        # such as a data loader's worker, which outlives its parent
    print(os.getpid(), flush=True)
time.sleep(600)
"""


@posix
def test_kill_9_frees_the_folder(folder):
    folder.close()
    holder = python(HOLDER, folder.path)
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(UserError, match=f"process {holder.pid} on .* is writing there"):
            RunFolder.open(folder.path)
        holder.kill()
        holder.wait()
        assert status_of(folder.path)["state"] == "running" and status_of(folder.path)["images"] == 77
        os.kill(child, 0)                                # still there, and no hindrance
        RunFolder.open(folder.path).close()
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


WRITER = """
import sys, time
from train.folder import RunFolder
folder = RunFolder.open(sys.argv[1], quiet=True)
for n in range(1, 1 << 30):
    folder.add_stats({"images": n, "time": time.time(), "G.loss": 1 / n})
    folder.status(state="running" if n % 2 else "paused", images=n)
    folder.say("n" * 5000)
    print(n, flush=True)
"""


@posix
def test_killed_in_the_middle_of_writing_it_stays_readable(folder):
    folder.close()
    writer = python(WRITER, folder.path)
    for _ in range(50):
        writer.stdout.readline()
    writer.kill()
    reported = int([50, *writer.stdout.read().split("\n")[:-1]][-1])
    writer.wait()
    writer.stdout.close()
    assert [line["images"] for line in read_stats(folder.path)] in (
        list(range(1, reported + 1)), list(range(1, reported + 2)))
    assert status_of(folder.path)["images"] in (reported, reported + 1)
    steps = [event.step for event in events(folder.path) if event.HasField("summary")]
    assert steps[:reported] == list(range(1, reported + 1))
    with RunFolder.open(folder.path, quiet=True):
        assert not list(folder.path.glob(".*"))


# --- pictures, networks ----------------------------------------------------------------------------------------------

def test_snapshots_by_images_shown(folder):
    assert folder.snapshots() == []
    for images in (204800, 1000, 10 ** 9):
        folder.snapshot_path(images).touch()
    (folder.path / ".snapshot-000000300000.safetensors.1.tmp").touch()
    assert [path.name for path in folder.snapshots()] == [
        "snapshot-000000001000.safetensors", "snapshot-000000204800.safetensors", "snapshot-001000000000.safetensors"]


def test_grids_are_saved(folder):
    path = folder.save_grid("fakes-000000204800", np.zeros((6, 3, 8, 8), np.uint8), 3)
    assert path == folder.path / "fakes-000000204800.png" and path.stat().st_size > 0
