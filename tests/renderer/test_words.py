"""Words of the command line: what they read as, and that what is written reads as the same."""
from argparse import ArgumentTypeError

import numpy as np
import pytest

from renderer import words


@pytest.mark.parametrize("text, numbers", [
    ("0", (0,)), ("0-3,7", (0, 1, 2, 3, 7)), ("7, 0-2", (7, 0, 1, 2)), ("5,5,4-6", (5, 4, 6)),
    ("4294967295", (4294967295,))])
def test_seeds_keep_their_order(text, numbers):
    assert words.seeds(text) == numbers


def test_rows_are_a_set():
    assert words.rows("7,0-2,1") == (0, 1, 2, 7)


@pytest.mark.parametrize("seed", range(30))
def test_lists_read_back(seed):
    rng = np.random.RandomState(seed)
    numbers = tuple(dict.fromkeys(rng.randint(0, rng.choice([8, 30, 2 ** 32]), rng.randint(1, 20)).tolist()))
    assert words.seeds(words.listed(numbers)) == numbers


@pytest.mark.parametrize("numbers, text", [((), ""), ((3,), "3"), ((3, 4), "3-4"), ((7, 0, 1, 2, 9), "7,0-2,9"),
                                           ((2, 1, 0), "2,1,0")])
def test_lists_are_written_in_spans(numbers, text):
    assert words.listed(numbers) == text


@pytest.mark.parametrize("classes, text", [(((3, 1.0),), "3"), (((3, 0.1), (0, -1.5), (7, 1.0)), "3:0.1,0:-1.5,7"),
                                           (((1, 1e-300),), "1:1e-300")])
def test_classes(classes, text):
    assert words.weighed(classes) == text and words.classes(text) == classes


@pytest.mark.parametrize("read, text", [
    (words.number, "nan"), (words.number, "1e999"), (words.number, ""), (words.whole, "1.5"), (words.whole, "²"),
    (words.whole, "9" * 30), (words.seed, "-1"), (words.seed, "4294967296"), (words.position, "1"),
    (words.position, "1,2,3"), (words.position, "1,inf"), (words.channels, "0,1"), (words.channels, "a,b,c"),
    (words.rows, "3-0"), (words.rows, "99999"), (words.rows, "0,"), (words.seeds, "0-4000000"), (words.seeds, ""),
    (words.seeds, "²"), (words.classes, ""), (words.classes, "1:2:3"), (words.classes, "a"), (words.classes, "1:")])
def test_refusals_quote_what_was_said(read, text):
    with pytest.raises(ArgumentTypeError) as error:
        read(text)
    quoted = str(error.value).split("'")[1]                  # all of it, or the part that is wrong
    assert (quoted or not text) and quoted in text and "\n" not in str(error.value)
