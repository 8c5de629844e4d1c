"""What a run says it is doing, how it ended, and what is asked of it."""
from __future__ import annotations

import os
import signal
import time

import pytest
from run_files import posix, status_of

import train.events
import train.folder
import train.status
from nets.errors import UserError
from train.folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    with RunFolder.create(tmp_path, "mine", {"train": {"batch": 4}}, quiet=True) as folder:
        yield folder


def test_status(folder):
    first = status_of(folder.path)
    assert set(first) == {"state", "doing", "images", "total_images", "pid", "host", "started", "updated", "error"}
    assert (first["state"], first["pid"], first["error"]) == ("starting", os.getpid(), None)
    folder.status(state="running", doing="G main", images=64, total_images=1000)
    assert first | {"state": "running", "doing": "G main", "images": 64, "total_images": 1000} == (
        status_of(folder.path) | {"updated": first["updated"]})


def test_changes_that_are_not_urgent_wait(folder):
    """Every phase of every step names itself; the file is written once a second at most for that, and at the end."""
    folder.status(state="running")
    written = folder._status._written
    folder._status._written = written + 3600             # as though it had just been written, whatever time passes
    folder.status(doing="D main", images=8)
    assert status_of(folder.path)["doing"] == ""
    folder.close()
    assert status_of(folder.path)["doing"] == "D main" and status_of(folder.path)["images"] == 8


def test_the_heartbeat_renews_it(tmp_path, monkeypatch):
    monkeypatch.setattr(train.status, "HEARTBEAT", 0.01)
    with RunFolder.create(tmp_path, "a", {}, quiet=True) as folder:
        first = status_of(folder.path)["updated"]
        end = time.monotonic() + 60
        while status_of(folder.path)["updated"] == first and time.monotonic() < end:
            time.sleep(0.01)
        assert status_of(folder.path)["updated"] > first
    last = (folder.path / "status.json").read_bytes()
    assert not [thread for thread in train.status.threading.enumerate() if thread is folder._status._heart]
    assert (folder.path / "status.json").read_bytes() == last


@pytest.mark.parametrize("error, state, line", [
    (None, "stopped", None), (ValueError("bad\nthing"), "failed", "bad thing"), (MemoryError(), "failed",
    "MemoryError"), (KeyboardInterrupt(), "stopped", None)], ids=["close", "error", "without words", "interrupt"])
def test_how_it_ended_stays(tmp_path, error, state, line):
    folder = RunFolder.create(tmp_path, "a", {}, quiet=True)
    with pytest.raises(BaseException) if error else train.folder.contextlib.nullcontext():
        with folder:
            folder.status(state="running")
            if error:
                raise error
    assert (status_of(folder.path)["state"], status_of(folder.path)["error"]) == (state, line)
    log = (folder.path / "log.txt").read_text() if state == "failed" else ""
    assert ("Traceback" in log and type(error).__name__ in log) == (state == "failed")


def test_an_error_for_people_is_a_line_of_the_log(tmp_path, capsys):
    with pytest.raises(UserError), RunFolder.create(tmp_path, "a", {}) as folder:
        raise UserError("set.zip: is gone")
    assert (folder.path / "log.txt").read_text()[20:] == "set.zip: is gone\n"
    assert status_of(folder.path)["error"] == "set.zip: is gone" and capsys.readouterr().out == ""


@posix
def test_a_signal_in_the_middle_of_a_change_may_change_it_too(folder):
    """Its handler runs in the thread that holds the status."""
    folder._status._attempt = lambda name, action: (action(), signal.raise_signal(signal.SIGUSR1))
    calls, before = [], signal.signal(signal.SIGUSR1, lambda *_: calls or (calls.append(1),
                                                                           folder.status(state="stopped")))
    try:
        folder.status(state="running")
    finally:
        signal.signal(signal.SIGUSR1, before)
        folder._status._attempt = folder._attempt
    assert calls and status_of(folder.path)["state"] == "stopped"


@pytest.mark.parametrize("state", ["finished", "failed", "stopped"])
def test_what_the_run_says_of_its_end_counts(tmp_path, state):
    with RunFolder.create(tmp_path, "a", {}, quiet=True) as folder:
        folder.status(state=state)
    folder.close()
    assert status_of(folder.path)["state"] == state


def test_wishes(folder):
    assert folder.wish() == "run"
    (folder.path / "pause").touch()
    assert folder.wish() == "pause"
    (folder.path / "stop").touch()
    assert folder.wish() == "stop"
    folder.forget_wishes()
    folder.forget_wishes()
    assert folder.wish() == "run"
