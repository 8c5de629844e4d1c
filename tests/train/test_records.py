"""What a run writes down: words, numbers, TensorBoard events; and that it outlives a full disk."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from run_files import events, fail, posix, python, status_of
from tensorboardX.proto.event_pb2 import SessionLog

import train.events
import train.folder
import train.status
from train.folder import RunFolder
from train.stats import read_stats


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path, "mine", {"train": {"batch": 4}}, quiet=True) as folder:
        yield folder


# --- words -----------------------------------------------------------------------------------------------------------

def test_the_log_has_the_time_on_every_line(tmp_path, capsys):
    with RunFolder.create(tmp_path, "a", {}) as folder:
        folder.say("begun\nat once")
        folder.say("Füße 猫 \udcff")
    lines = (folder.path / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line[20:] for line in lines] == ["begun", "at once", "Füße 猫 \\udcff"]
    for line in lines:
        time.strptime(line[:19], "%Y-%m-%d %H:%M:%S")
    assert capsys.readouterr().out.splitlines() == lines


def test_quiet_prints_nothing(folder, capsys):
    folder.say("begun")
    assert capsys.readouterr().out == "" and "begun" in (folder.path / "log.txt").read_text()


SPEAKER = """
import sys
from train.folder import RunFolder
with RunFolder.open(sys.argv[1]) as folder:
    print("ready", flush=True)
    sys.stdin.readline()
    for i in range(3):
        folder.say(f"line {i}")
    folder.status(state="finished")
"""


def test_a_run_outlives_whoever_reads_its_output(folder):
    folder.close()
    speaker = python(SPEAKER, folder.path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert speaker.stdout.readline() == "ready\n"
    speaker.stdout.close()
    speaker.stdin.write("go\n")
    speaker.stdin.close()
    errors = speaker.stderr.read()
    speaker.stderr.close()
    assert (speaker.wait(), errors) == (0, "")
    assert [line[20:] for line in (folder.path / "log.txt").read_text().splitlines()] == ["line 0", "line 1", "line 2"]
    assert status_of(folder.path)["state"] == "finished"


@pytest.mark.parametrize("stdout", [None, "closed"])
def test_no_stdout_at_all(folder, monkeypatch, stdout):
    file = open(os.devnull, "w")
    file.close()
    monkeypatch.setattr(sys, "stdout", file if stdout else None)
    folder._quiet = False
    folder.say("one")
    folder.say("two")
    assert len((folder.path / "log.txt").read_text().splitlines()) == 2


def test_letters_that_a_terminal_lacks(folder, monkeypatch, tmp_path):
    with open(tmp_path / "out", "w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        folder._quiet = False
        folder.say("Füße")
    assert "F\\xfc\\xdfe" in (tmp_path / "out").read_text()


# --- numbers ---------------------------------------------------------------------------------------------------------

def test_statistics_and_events_say_the_same(folder):
    folder.add_stats({"images": 4000, "time": 12.5, "G.loss": torch.tensor(0.75), "D.loss": np.float32(2),
                      "p": float("nan"), "lr_g": float("inf"), "metric.swd": None})
    line, = read_stats(folder.path)
    assert line == {"images": 4000, "time": 12.5, "G.loss": 0.75, "D.loss": 2.0}
    assert type(line["images"]) is int
    version, event = events(folder.path)
    assert version.file_version == "brain.Event:2" and (event.step, event.wall_time) == (4000, 12.5)
    assert {value.tag: value.simple_value for value in event.summary.value} == {
        "images": 4000, "time": 12.5, "G/loss": 0.75, "D/loss": 2.0}


def test_rewinding_drops_the_lost_interval(folder):
    for images in (4000, 8000, 12000):
        folder.add_stats({"images": images})
    folder.close()
    with open(folder.path / "stats.jsonl", "ab") as file:
        file.write(b'{"images": 160')                    # half a line: a power cut
    with RunFolder.open(folder.path, quiet=True) as again:
        assert [line["images"] for line in read_stats(folder.path)] == [4000, 8000, 12000]
        again.rewind(8000)
        again.add_stats({"images": 12000, "p": 0.5})
    lines = (folder.path / "stats.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"images": 4000}, {"images": 8000}, {"images": 12000, "p": 0.5}]
    start, = [event for event in events(folder.path) if event.HasField("session_log")]
    assert (start.step, start.session_log.status) == (8001, SessionLog.START)
    assert len(list(folder.path.glob("events.out.tfevents.*"))) == 2


def test_damaged_lines_are_passed_over(tmp_path):
    assert read_stats(tmp_path) == []
    (tmp_path / "stats.jsonl").write_bytes(b'{"images": 1}\n\xff\n[1]\n\n3\n{"images": 2}\n{"ima')
    assert read_stats(tmp_path) == [{"images": 1}, {"images": 2}]


# --- a full disk -----------------------------------------------------------------------------------------------------

def test_a_full_disk_is_named_once_and_outlived(folder, monkeypatch, capsys):
    folder._quiet = False
    folder.add_stats({"images": 1})
    with monkeypatch.context() as full:
        for place, name in ((train.folder, "append"), (train.folder, "append_stats"), (os, "replace"),
                            (train.events.RecordWriter, "flush")):
            full.setattr(place, name, fail)
        for images in (2, 3):
            folder.say(f"tick {images}")
            folder.add_stats({"images": images})
            folder.status(state=("running", "paused")[images % 2])
            assert folder.save_grid("fakes", np.zeros((1, 3, 8, 8), np.uint8), 1) is None
    said = [line for line in capsys.readouterr().out.splitlines() if "cannot be written" in line]
    assert sorted(line[20:] for line in said) == sorted(
        f"{what}: cannot be written: No space left on device; the run goes on without"
        for what in ("log.txt", "stats.jsonl", "events.out.tfevents", folder.path / "status.json",
                     folder.path / "fakes.png"))
    assert len(list(folder.path.glob("events.out.tfevents.*"))) == 1       # those without a whole record are gone
    folder.add_stats({"images": 4})
    folder.say("tick 4")
    folder.status(state="running")
    assert [line["images"] for line in read_stats(folder.path)] == [1, 4]
    assert (folder.path / "log.txt").read_text().endswith("tick 4\n")
    assert status_of(folder.path)["state"] == "running"
    assert {event.step for event in events(folder.path) if event.HasField("summary")} >= {1, 4}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_device_that_is_full_indeed(folder, capsys):
    """Every write to it fails in the kernel."""
    folder._quiet = False
    for name in ("log.txt", "stats.jsonl"):
        (folder.path / name).unlink(missing_ok=True)
        (folder.path / name).symlink_to("/dev/full")
    for images in (1, 2):
        folder.say("tick")
        folder.add_stats({"images": images})
    out = capsys.readouterr().out
    assert out.count("log.txt: cannot be written: No space left on device; the run goes on without") == 1
    assert out.count("stats.jsonl: cannot be written: No space left on device; the run goes on without") == 1
    assert len([event for event in events(folder.path) if event.HasField("summary")]) == 2


@posix
def test_a_line_that_fits_in_part_is_taken_back(tmp_path):
    """The limit on a file's size stands in for the disk's: the kernel writes what fits, then refuses."""
    code = """
import resource, signal, sys
from pathlib import Path
from train.stats import append
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
append(Path(sys.argv[1]), "a" * 60 + "\\n")
try:
    append(Path(sys.argv[1]), "b" * 60 + "\\n")
except OSError as error:
    print(error.strerror)
append(Path(sys.argv[1]), "c\\n")
"""
    run = python(code, tmp_path / "log.txt")
    assert run.communicate(timeout=100)[0] == "No space left on device\n"
    assert (tmp_path / "log.txt").read_text() == "a" * 60 + "\nc\n"
