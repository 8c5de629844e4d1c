"""Sessions on disk: what is kept and when, whose it is; and what windows that were killed leave to the next one."""
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import driver
import pytest

from gui import session
from gui.jobs import Cancelled, Jobs
from gui.messages import Messages
from gui.session import PAUSE, Session, ago
from renderer import state
from renderer.types import Checkpoint, Latent, RenderRequest

START = RenderRequest(Checkpoint("demo:stylegan2"))
OTHER = replace(START, latent=Latent(x=7.0))


@pytest.fixture
def jobs():
    jobs = Jobs(Messages(), lambda: None)
    yield jobs
    jobs.close()


def settle(jobs: Jobs) -> None:
    """Waits for the jobs asked for so far."""
    done = []
    jobs.run("wait", lambda: done.append(1))
    end = time.monotonic() + 5
    while not done and time.monotonic() < end:
        time.sleep(0.005)
    assert done


# -- without a window -------------------------------------------------------------------------------------------------

def test_nothing_is_kept_until_something_was_changed(tmp_path, jobs):
    kept = Session(tmp_path, jobs, START)
    kept.follow(replace(START, strip=True), 100.0)
    settle(jobs)
    assert list(tmp_path.iterdir()) == [] and not kept.pending
    kept.follow(OTHER, 100.1)
    settle(jobs)
    assert state.from_json(next(tmp_path.glob("session-*.json")).read_text()) == OTHER
    kept.end()


def test_it_is_written_now_and_then_and_the_last_is_not_missed(tmp_path, jobs):
    kept = Session(tmp_path, jobs, START)
    file = tmp_path / f"session-{os.getpid()}.json"
    for frame in range(40):              # two seconds of a drag
        kept.follow(replace(START, latent=Latent(x=frame + 1.0)), 10 + frame * PAUSE / 41)
        settle(jobs)
        assert state.from_json(file.read_text()).latent.x == 1
    assert kept.pending
    kept.follow(replace(START, latent=Latent(x=40.0)), 10 + PAUSE)
    settle(jobs)
    assert state.from_json(file.read_text()).latent.x == 40 and not kept.pending
    kept.end()


def test_a_session_that_cannot_be_kept_is_said_once(tmp_path):
    messages = Messages()
    jobs = Jobs(messages, lambda: None)
    (tmp_path / "state").write_bytes(b"no folder")
    kept = Session(tmp_path / "state", jobs, START)
    for step in range(3):
        kept.follow(replace(OTHER, tap=f"b{step}"), 10 + step * PAUSE)
        settle(jobs)
    assert [message.text for message in messages.all()] == ["Could not keep the session: File exists"]
    (tmp_path / "state").unlink()
    kept.follow(OTHER, 100.0)
    settle(jobs)
    assert state.from_json(next((tmp_path / "state").glob("session-*.json")).read_text()) == OTHER
    kept.end()
    jobs.close()


def test_a_clean_end_leaves_the_last_state_and_nothing_else(tmp_path, jobs):
    kept = Session(tmp_path, jobs, START)
    kept.follow(OTHER, 10.0)
    settle(jobs)
    assert session.last(tmp_path) is None and session.lost(tmp_path) == []   # it lives
    kept.end()
    assert [p.name for p in tmp_path.iterdir()] == ["last.json"]
    assert state.from_json(session.last(tmp_path).read_text()) == OTHER


def test_a_file_whose_process_was_killed_is_lost_however_its_number_is_used_again(tmp_path):
    """The lock tells, not the process's number: this test's own is in the file's name."""
    code = ("import os, sys, time; from pathlib import Path; from gui import session\n"
            f"folder = Path(sys.argv[1]); file = folder / 'session-{os.getpid()}.json'\n"
            "file.write_text('{}'); lock = session.locked(file.with_suffix('.lock')); print('ready', flush=True)\n"
            "time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, cwd=driver.ROOT)
    try:
        assert process.stdout.readline() == b"ready\n"
        assert session.lost(tmp_path) == []
    finally:
        process.kill()
        process.wait()
    assert [p.name for p in session.lost(tmp_path)] == [f"session-{os.getpid()}.json"]
    session.forget(session.lost(tmp_path)[0])
    assert list(tmp_path.iterdir()) == []


def test_the_newest_of_several_comes_first(tmp_path):
    for age, name in ((50, "1"), (10, "2"), (90, "3")):
        file = tmp_path / f"session-{name}.json"
        file.write_text("{}")
        os.utime(file, (time.time() - age,) * 2)
    assert [p.stem for p in session.lost(tmp_path)] == ["session-2", "session-1", "session-3"]


def test_nothing_is_lost_where_nothing_was_ever_kept(tmp_path):
    assert session.lost(tmp_path / "never") == [] and session.last(tmp_path / "never") is None


@pytest.mark.parametrize("seconds, words", [(3, "just now"), (60, "1 minute ago"), (3599, "59 minutes ago"),
                                            (7200, "2 hours ago"), (200000, "2 days ago")])
def test_ages(seconds, words):
    assert ago(seconds) == words


def test_a_long_job_is_told_with_its_progress_and_can_be_given_up(monkeypatch):
    monkeypatch.setattr("gui.jobs.PATIENCE", 0.02)
    messages, gave_up = Messages(), []
    jobs = Jobs(messages, lambda: None)

    def job():
        try:
            for _ in range(5000):
                jobs.progress(0.25)
                time.sleep(0.002)
        except Cancelled:
            gave_up.append(True)
            raise
    jobs.run("look for the network", job)
    end = time.monotonic() + 5
    while not ((activity := jobs.activity()) and activity.fraction) and time.monotonic() < end:
        time.sleep(0.005)
    assert (activity.text, activity.fraction) == ("Look for the network", 0.25)
    jobs.cancel()
    jobs.run("go on", lambda: "went on")
    jobs.close()
    assert gave_up and [m.text for m in messages.all()] == ["went on"] and jobs.activity() is None


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture
def start(display, tmp_path):
    for name in ("plain.pkl", "other.pkl"):
        (tmp_path / name).write_bytes(b"")
    windows = []

    def start(name="plain.pkl", folder=None):
        folder = folder or tmp_path
        folder.mkdir(exist_ok=True)
        environment = {"XDG_STATE_HOME": str(tmp_path / "state")}
        windows.append(driver.Window(display, folder, str(tmp_path / name), entry="tests/gui/fake.py", **environment))
        return windows[-1]
    yield start
    for window in windows:
        if window.process.poll() is None:
            window.process.kill()


def kill(window, tmp_path, x: float) -> None:
    """After the session file says `x`."""
    file = tmp_path / "state" / "stylescope" / f"session-{window.process.pid}.json"
    window.wait(lambda r: json.loads(file.read_text())["request"]["latent"]["x"] == x if file.exists() else False)
    os.kill(window.process.pid, signal.SIGKILL)
    window.process.wait()


def test_what_a_killed_window_showed_is_offered_and_comes_back(start, tmp_path):
    first = start()
    first.fill("Latent/Seed", "42")
    first.type_into("Truncation & noise/ψ", "0.7")
    file = tmp_path / "state" / "stylescope" / f"session-{first.process.pid}.json"
    first.wait(lambda r: json.loads(file.read_text())["request"]["latent"]["psi"] == 0.7 if file.exists() else False)
    kill(first, tmp_path, 42)
    second = start("other.pkl")
    second.wait(lambda r: "ended without closing" in r["notice"])
    assert second.report()["request"]["latent"]["x"] == 0       # nothing is forced
    second.click("Notice/Continue where it ended")
    back = second.wait(lambda r: r["request"]["latent"]["x"] == 42 and r["answered"])
    assert back["request"]["latent"]["psi"] == 0.7 and back["request"]["checkpoint"]["path"].endswith("plain.pkl")
    second.wait(lambda r: not file.exists())
    second.key("ctrl+z")
    second.wait(lambda r: r["request"]["checkpoint"]["path"].endswith("other.pkl"))
    assert second.close() == 0 and second.errors() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_a_window_asked_to_end_closes_in_good_order_though_it_sleeps(start, tmp_path, number):
    window = start()
    window.fill("Latent/Seed", "8")
    window.wait(lambda r: r["request"]["latent"]["x"] == 8 and r["answered"])
    window.process.send_signal(number)
    assert window.process.wait(20) == 0 and window.errors() == ""
    assert [p.name for p in (tmp_path / "state" / "stylescope").iterdir()] == ["last.json"]


def test_a_file_whose_name_is_no_text_leaves_the_window_as_it_is(start):
    window = start("n\udce9t.pkl")
    report = window.wait(lambda r: r["message"])
    assert report["traces"] == [] and "pkl" not in report["request"]["checkpoint"]["path"]
    assert window.close() == 0 and window.errors() == ""


def test_two_windows_at_once_do_not_mix_and_dismiss_forgets(start, tmp_path):
    first = start()
    first.fill("Latent/Seed", "5")
    second = start("other.pkl", tmp_path / "second")
    assert "ended" not in second.answered()["notice"]
    kill(first, tmp_path, 5)
    second.wait(lambda r: r["frame"] > 1)
    assert second.close() == 0
    third = start("other.pkl")
    third.wait(lambda r: "ended without closing" in r["notice"])
    third.click("Notice/Dismiss")
    third.wait(lambda r: "ended" not in r["notice"])
    third.wait(lambda r: not list((tmp_path / "state" / "stylescope").glob(f"session-{first.process.pid}*")))
    assert third.report()["request"]["latent"]["x"] == 0 and third.close() == 0


def test_the_last_session_is_continued_from_the_menu(start, tmp_path):
    first = start()
    first.fill("Latent/Seed", "31")
    first.wait(lambda r: r["request"]["latent"]["x"] == 31)
    assert first.close() == 0
    second = start("other.pkl")
    second.click("Menu/File")
    second.click("Menu/Continue last session")
    report = second.wait(lambda r: r["request"]["latent"]["x"] == 31)
    opened = report["request"]["checkpoint"]
    assert opened["path"].endswith("plain.pkl") and opened["content"] == ""
    assert second.close() == 0
