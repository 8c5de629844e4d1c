"""Seconds of the parts of steps, by a clock that the test turns."""
from train.stopwatch import Stopwatch


def test_time_goes_to_what_was_named_last_and_to_nothing_in_between():
    moments = iter([0, 10, 13, 14, 20, 22])
    watch = Stopwatch(lambda: next(moments))
    for name in ("data", "G main", "data", None, "data"):        # 3 s, 1 s, 6 s, 2 s of nothing, ..
        watch.now(name)
    assert watch.total == 10 and watch.take() == {"data": 9, "G main": 1} and watch.take() == {}
