"""What takes long is named, once a minute, with what may be behind it."""
from __future__ import annotations

import threading

import pytest

import train.watchdog as watchdog
from train.watchdog import COMPUTING, FIRST_STEP, HINTS, METRIC, PICTURES, PROCESSES, Watchdog


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watched(monkeypatch):
    """(watchdog of a minute, its clock, its lines); its thread looks once an hour, tests look themselves."""
    monkeypatch.setattr(watchdog, "LOOKS_PER_SECOND", 1 / 3600)
    clock, lines = Clock(), []
    with Watchdog(lines.append, 60, clock=clock) as watch:
        yield watch, clock, lines


def after(watched, seconds: float) -> list[str]:
    """What is said `seconds` later."""
    watch, clock, lines = watched
    lines.clear()
    clock.seconds += seconds
    watch.check()
    return list(lines)


def test_a_line_a_minute(watched):
    watched[0].now(PICTURES, step=7)
    assert watched[0].doing == "waiting for pictures"
    assert after(watched, 59) == []
    assert after(watched, 2) == [f"step 7: waiting for pictures for 61 s ({HINTS[PICTURES]})"]
    assert after(watched, 30) == []
    assert after(watched, 29) == [f"step 7: waiting for pictures for 120 s ({HINTS[PICTURES]})"]
    assert len(after(watched, 3600)) == 1 and after(watched, 1) == []
    watched[0].now("G main")
    assert after(watched, 59) == [] and "step 7: G main for 60 s" in after(watched, 1)[0]


@pytest.mark.parametrize("doing, step, hint", [
    ("G main", 12, FIRST_STEP), ("G main", 13, COMPUTING), (PICTURES, 12, HINTS[PICTURES]),
    (f"gradients of G main, {PROCESSES}", 13, HINTS[PROCESSES]), (f"{METRIC} fid50k_full", 13, HINTS[METRIC])])
def test_hints(watched, doing, step, hint):
    watched[0].now("saving", step=12)
    watched[0].now(doing, step)
    line, = after(watched, 60)
    assert line == f"step {step}: {doing} for 60 s ({hint})" and "\n" not in line


def test_nothing_is_expected_before_the_start_nor_in_a_pause(watched):
    assert after(watched, 1e4) == []
    watched[0].now("G main", 1)
    watched[0].rest()
    assert watched[0].doing == "" and after(watched, 1e4) == []


def test_a_process_of_several_says_which_it_is():
    lines, clock = [], Clock()
    with Watchdog(lines.append, 60, rank=3, clock=clock) as watch:
        watch.now(f"gradients of D main, {PROCESSES}", 5)
        clock.seconds += 60
        watch.check()
    assert lines[0].startswith("process 3, step 5: gradients of D main, from all processes for 60 s (")


def test_its_thread_looks_by_itself(monkeypatch):
    monkeypatch.setattr(watchdog, "LOOKS_PER_SECOND", 1e3)
    said = threading.Event()
    with Watchdog(lambda line: said.set(), seconds=1e-3) as watch:
        watch.now("G main")
        assert said.wait(60)
