"""The render thread: newest wins, staleness, cancelling, errors as results, waking. Its pipeline is a stand-in here."""
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from renderer import thread as thread_module
from renderer.steps import Abandoned
from renderer.thread import RenderThread
from renderer.types import Checkpoint, Latent, RenderRequest, RenderResult

SECONDS = 10                             # longest wait for what should happen at once


def numbered(x: float, path: str = "a.pkl") -> RenderRequest:
    return RenderRequest(Checkpoint(path), Latent(x=x))


class Stage:
    """A pipeline of endless stages: each request goes on, stage by stage, until the test lets it end."""

    def __init__(self):
        self.begun: list[float] = []
        self.ended: list[tuple[float, str]] = []
        self.finish = threading.Event()
        self.error: Exception | None = None
        self.loading = False

    def render(self, request, abandoned=None, progress=None, early=None, in_haste=False):
        if abandoned is None:                                # the thread has ended, its network is closed
            return RenderResult(request)
        x = request.latent.x
        self.begun.append(x)
        try:
            progress(f"Opening {request.checkpoint.path}", None)
            while not self.finish.is_set():
                if self.loading:
                    progress("Still opening", 0.5)
                elif abandoned():
                    raise Abandoned
                time.sleep(0.002)
            if self.error:
                raise self.error
        except Abandoned:
            self.ended.append((x, "abandoned"))
            raise
        self.ended.append((x, "answered"))
        return RenderResult(request)


def until(condition, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.002)


@pytest.fixture
def stage(monkeypatch):
    stage = Stage()
    monkeypatch.setattr(thread_module, "_start_renderer", lambda: stage.render)
    return stage


@pytest.fixture
def start(stage):
    """`start(patience)`: a thread with the stand-in, ended after the test."""
    threads = []

    def start(patience: float = 0.0, wake=lambda: None) -> RenderThread:
        threads.append(RenderThread(wake, patience))
        return threads[-1]
    yield start
    stage.finish.set()
    for thread in threads:
        thread.close()


def answer(thread: RenderThread, stage: Stage, request: RenderRequest) -> None:
    stage.finish.set()
    thread.submit(request)
    until(lambda: thread.latest() is not None and thread.latest().request == request)
    until(lambda: thread.activity() is None)
    stage.finish.clear()


def test_answers_what_was_asked(start, stage):
    thread = start()
    assert thread.latest() is None
    answer(thread, stage, numbered(1))
    answer(thread, stage, numbered(2))
    assert stage.ended == [(1, "answered"), (2, "answered")]


def test_newest_wins_and_the_stale_one_is_abandoned(start, stage):
    thread = start()
    thread.submit(numbered(1))
    until(lambda: stage.begun == [1])
    for x in range(2, 50):
        thread.submit(numbered(x))
    until(lambda: 49 in stage.begun)
    stage.finish.set()
    until(lambda: thread.latest() is not None and thread.latest().request == numbered(49))
    assert stage.ended[0] == (1, "abandoned") and stage.ended[-1] == (49, "answered")
    assert all(outcome == "abandoned" for _, outcome in stage.ended[:-1])


def test_the_slot_holds_one(start, stage):
    """While one is being answered, those asked for in between are never begun."""
    thread = start(patience=SECONDS)
    thread.submit(numbered(1))
    until(lambda: stage.begun == [1])
    for x in (2, 3, 4):
        thread.submit(numbered(x))
    stage.finish.set()
    until(lambda: thread.latest() is not None and thread.latest().request == numbered(4))
    assert stage.begun == [1, 4] and stage.ended == [(1, "answered"), (4, "answered")]


def test_equal_requests_are_answered_once(start, stage):
    thread = start()
    answer(thread, stage, numbered(1))
    result = thread.latest()
    for _ in range(5):
        thread.submit(numbered(1))
        time.sleep(0.01)
    assert stage.begun == [1] and thread.latest() is result and thread.activity() is None
    thread.submit(numbered(2))
    until(lambda: stage.begun == [1, 2])
    for _ in range(5):
        thread.submit(numbered(2))                           # being answered: not abandoned for itself
    time.sleep(0.05)
    assert stage.ended == [(1, "answered")]


def test_back_to_the_latest_abandons_and_rests(start, stage):
    thread = start()
    answer(thread, stage, numbered(1))
    thread.submit(numbered(2))
    until(lambda: stage.begun == [1, 2])
    thread.submit(numbered(1))
    until(lambda: thread.activity() is None)
    assert stage.ended[-1] == (2, "abandoned") and stage.begun == [1, 2] and thread.latest().request == numbered(1)


def test_patience_lets_quick_ones_finish(start, stage):
    thread = start(patience=0.2)
    thread.submit(numbered(1))
    until(lambda: stage.begun == [1])
    began = time.monotonic()
    thread.submit(numbered(2))
    until(lambda: stage.ended == [(1, "abandoned")])
    assert time.monotonic() - began > 0.15


def test_a_long_drag_shows_something(start, stage, monkeypatch):
    """When everything has been abandoned for a while, one request is seen through although newer ones wait."""
    monkeypatch.setattr(thread_module, "HUNGER", 0.1)
    thread = start()
    for x in range(60):                                      # 0.3 s
        thread.submit(numbered(x))
        time.sleep(0.005)
    seen_through = len(stage.begun)
    for x in range(60, 80):
        thread.submit(numbered(x))
        time.sleep(0.005)
    assert len(stage.begun) == seen_through == len(stage.ended) + 1
    stage.finish.set()
    until(lambda: thread.latest() is not None)
    until(lambda: thread.latest().request == numbered(79))
    assert [x for x, outcome in stage.ended if outcome == "answered"] == [stage.begun[seen_through - 1], 79]


def test_opening_goes_on_for_another_view_but_not_for_another_file(start, stage):
    thread, stage.loading = start(), True
    thread.submit(numbered(1))
    until(lambda: stage.begun == [1])
    thread.submit(numbered(2))
    time.sleep(0.05)
    assert stage.ended == []
    thread.submit(numbered(3, "b.pkl"))
    until(lambda: stage.begun == [1, 3])
    assert stage.ended == [(1, "abandoned")]


# -- cancelling -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("loading", [False, True])
def test_cancel_changes_nothing_else(start, stage, loading):
    thread = start(patience=SECONDS)
    answer(thread, stage, numbered(1))
    result, stage.loading = thread.latest(), loading
    thread.submit(numbered(2))
    until(lambda: stage.begun == [1, 2] and thread.activity() is not None)
    thread.cancel()
    until(lambda: thread.activity() is None)
    assert thread.latest() is result and stage.ended[-1] == (2, "abandoned")
    thread.submit(numbered(2))                               # a frame loop asks again for what it shows
    time.sleep(0.05)
    assert stage.begun == [1, 2]
    thread.submit(numbered(3))
    until(lambda: stage.begun == [1, 2, 3])
    stage.finish.set()
    until(lambda: thread.latest().request == numbered(3))
    thread.submit(numbered(2))                               # asked for anew
    until(lambda: thread.latest().request == numbered(2))


def test_cancel_discards_what_finishes_all_the_same(start, stage, monkeypatch):
    entered = threading.Event()

    def deaf(request, *_):
        entered.set()
        stage.finish.wait(SECONDS)
        return RenderResult(request)
    monkeypatch.setattr(thread_module, "_start_renderer", lambda: deaf)
    thread = start()
    thread.submit(numbered(1))
    assert entered.wait(SECONDS)
    thread.cancel()
    stage.finish.set()
    until(lambda: thread._current is None)
    assert thread.latest() is None


def test_cancel_of_nothing(start, stage):
    thread = start()
    thread.cancel()
    answer(thread, stage, numbered(1))


# -- errors -----------------------------------------------------------------------------------------------------------

def test_an_exception_is_a_result(start, stage):
    thread, stage.error = start(), ZeroDivisionError("one\nby zero")
    stage.finish.set()
    thread.submit(numbered(1))
    until(lambda: thread.latest() is not None)
    assert thread.latest().error == "unexpected ZeroDivisionError: one by zero"
    assert "Traceback" in thread.latest().details and "in render" in thread.latest().details
    stage.error = None
    answer(thread, stage, numbered(2))
    assert thread.latest().error is None


def test_without_torch_every_request_is_answered_with_the_reason():
    code = """
import sys, time
sys.modules["torch"] = None                                  # import torch now raises ImportError
from renderer.thread import RenderThread
from renderer.types import Checkpoint, RenderRequest
thread = RenderThread(lambda: None)
for path in ("a", "b"):
    thread.submit(RenderRequest(Checkpoint(path)))
    end = time.monotonic() + 10
    while (thread.latest() is None or thread.latest().request.checkpoint.path != path) and time.monotonic() < end:
        time.sleep(0.01)
    assert "PyTorch cannot be started" in thread.latest().error and "Traceback" in thread.latest().details
thread.close()
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2])


# -- activity and waking ----------------------------------------------------------------------------------------------

def test_activity_says_what_is_done_since_when(start, stage):
    thread = start()
    before = time.monotonic()
    thread.submit(numbered(1))
    until(lambda: thread.activity() is not None and thread.activity().text == "Opening a.pkl")
    activity = thread.activity()
    assert activity.fraction is None and before <= activity.since <= time.monotonic()
    stage.finish.set()
    until(lambda: thread.activity() is None)


def test_starting_torch_is_an_activity(stage, monkeypatch):
    go = threading.Event()
    monkeypatch.setattr(thread_module, "_start_renderer", lambda: (go.wait(SECONDS), stage.render)[1])
    thread = RenderThread(lambda: None)
    until(lambda: thread.activity() is not None)
    assert thread.activity().text == "Starting PyTorch"
    go.set()
    until(lambda: thread.activity() is None)
    thread.close()


def test_wakes_after_every_result_and_at_rest(start, stage):
    woken, threads = [], []

    def wake():
        for thread in threads:
            latest = thread.latest()
            woken.append((latest and latest.request.latent.x, thread.activity() is None))
    threads.append(thread := start(wake=wake))
    answer(thread, stage, numbered(1))
    answer(thread, stage, numbered(2))
    assert (1, True) in woken and (2, True) in woken
    thread.submit(numbered(3))
    until(lambda: thread.activity() is not None)
    thread.cancel()
    until(lambda: thread.activity() is None)
    until(lambda: woken[-1] == (2, True) and len(woken) > 2)


def test_a_failing_wake_ends_nothing(start, stage, capsys):
    thread = start(wake=lambda: 1 / 0)
    answer(thread, stage, numbered(1))
    answer(thread, stage, numbered(2))
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_activity_wakes_are_rate_limited_and_idling_wakes_nobody(start, stage, monkeypatch):
    monkeypatch.setattr(thread_module, "WAKE_INTERVAL", 0.1)
    woken, stage.loading = [], True
    thread = start(wake=lambda: woken.append(time.monotonic()))
    until(lambda: thread.activity() is None)                 # started
    started = len(woken)
    thread.submit(numbered(1))
    time.sleep(0.5)                                          # hundreds of activity changes
    gaps = [b - a for a, b in zip(woken[started:], woken[started + 1:])]
    assert gaps and min(gaps) > 0.08                         # each noted a little after its wake was due
    stage.finish.set()
    until(lambda: thread.latest() is not None)
    time.sleep(0.05)
    count = len(woken)
    for _ in range(20):
        thread.submit(numbered(1))                           # as a frame loop does
        time.sleep(0.01)
    assert len(woken) == count


def test_close_ends_at_once(stage):
    stage.loading = True
    thread = RenderThread(lambda: None, SECONDS)
    thread.submit(numbered(1))
    until(lambda: stage.begun == [1])
    began = time.monotonic()
    thread.close()
    assert time.monotonic() - began < 1 and not thread._thread.is_alive()


# -- with the real pipeline -------------------------------------------------------------------------------------------

def test_the_real_pipeline(asked, files):
    """Open, abandon between stages, drag, fail, go on: as the window does it."""
    from renderer.types import Synth
    thread = RenderThread(lambda: None, patience=0.0)
    try:
        for x in range(30):
            thread.submit(asked("sg2-skip", latent=Latent(x=x)))
            time.sleep(0.01)
        last = asked("sg2-skip", latent=Latent(x=29))
        until(lambda: thread.latest() is not None and thread.latest().request == last, 60)
        assert thread.latest().error is None and thread.latest().picture.shape == (32, 32, 3)
        bad = asked("sg1", synth=Synth(lod=99.0))
        thread.submit(bad)
        until(lambda: thread.latest().request == bad, 60)
        assert "lod 99" in thread.latest().error and thread.latest().info.family == "stylegan1"
        thread.submit(last)
        until(lambda: thread.latest().request == last, 60)
        assert thread.latest().error is None
    finally:
        thread.close()
