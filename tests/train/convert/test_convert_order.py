"""Work by threads: results in order, never far ahead of what is taken, and left undone when nobody takes them."""
from __future__ import annotations

import threading

import pytest

from train.convert.converting import AHEAD, in_order


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_not_far_ahead(workers):
    begun, lock = [], threading.Lock()
    def work(item: int) -> int:
        with lock:
            begun.append(item)
        return item * item
    for taken, result in enumerate(in_order(work, range(100), workers)):
        assert result == taken * taken
        with lock:
            assert len(begun) <= taken + 1 + AHEAD * workers
    assert sorted(begun) == list(range(100))


def test_the_first_ones_may_take_longest():
    last = threading.Event()
    def work(item: int) -> int:
        if item == 0:
            assert last.wait(60)
        if item == AHEAD:
            last.set()
        return item
    assert list(in_order(work, range(50), 2)) == list(range(50))


def test_who_stops_taking_stops_the_work():
    begun, before = [], set(threading.enumerate())
    results = in_order(lambda item: begun.append(item), range(1000), 2)
    next(results)
    results.close()
    assert len(begun) <= 2 + 2 * AHEAD
    assert set(threading.enumerate()) <= before


def test_an_error_of_the_work_comes_out():
    def work(item: int) -> int:
        return 1 // (item - 5)
    with pytest.raises(ZeroDivisionError):
        list(in_order(work, range(10), 2))
