"""The endless order: fair, mixed, with a bounded return, and exactly resumable."""
from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from train.data import Shuffle


def first(count: int, *arguments, **options) -> list[int]:
    return list(islice(Shuffle(*arguments, **options), count))


@pytest.mark.parametrize("size", [1, 2, 3, 10, 101])
def test_each_index_comes_once_a_round(size):
    rounds = np.array(first(7 * size, size, seed=5)).reshape(7, size)
    assert np.array_equal(np.sort(rounds, axis=1), np.tile(np.arange(size), (7, 1)))


@pytest.mark.parametrize("window", [0.1, 0.25, 0.5])
def test_an_index_returns_within_the_window(window):
    """Its new place counts those before it: a sum of yes and no, of variance size/4 at most, here within 5 sigma."""
    size = 1000
    places = np.argsort(np.array(first(40 * size, size, seed=1, window=window)).reshape(40, size), axis=1)
    moves, chance = np.diff(places, axis=0), 5 * (size / 4) ** 0.5
    assert abs(moves).max() < window * size + chance
    assert moves.min() < -0.9 * window * size and moves.max() > 0.9 * window * size


def test_every_place_is_equally_likely_in_each_round():
    """Index 0 over 4000 seeds, in ten bins of places, in the first round and the eighth: chi² with 9 degrees < 40."""
    size, seeds = 20, 4000
    orders = np.array([first(8 * size, size, seed) for seed in range(seeds)]).reshape(seeds, 8, size)
    for turn in (0, 7):
        counts = np.bincount(np.argmax(orders[:, turn] == 0, axis=1) // 2, minlength=10)
        assert ((counts - seeds / 10) ** 2 / (seeds / 10)).sum() < 40         # exceeded once in 10^5


def test_what_was_near_drifts_apart():
    """After many rounds the order tells nothing of the first: the correlation is that of chance, 1/sqrt(size)."""
    size = 1000
    rounds = np.argsort(np.array(first(60 * size, size, seed=2)).reshape(60, size), axis=1)
    correlation = [np.corrcoef(rounds[0], later)[0, 1] for later in rounds]
    assert correlation[1] > 0.5 and abs(correlation[-1]) < 5 / size ** 0.5


def test_seeds_differ_and_repeat():
    assert first(50, 100, seed=1) == first(50, 100, seed=1) != first(50, 100, seed=2)


@pytest.mark.parametrize("start", [0, 1, 9, 10, 11, 57, 300])
def test_it_goes_on_exactly_where_it_was_left(start):
    assert first(80, 10, seed=3, start=start) == first(start + 80, 10, seed=3)[start:]


@pytest.mark.parametrize("start", [0, 6, 33])
def test_processes_share_one_order(start):
    """Four deal out what one takes; a size that they do not divide, so their shares cross the rounds' ends."""
    whole = first(120, 7, seed=4, start=start)
    for rank in range(4):
        assert first(30, 7, seed=4, start=start, rank=rank, ranks=4) == whole[rank::4]
