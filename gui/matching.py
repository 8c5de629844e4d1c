"""Fuzzy search: a few letters find a name. 'b64act' finds b64.conv0.act, 'svpic' finds Save picture. Pure."""
from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
START, RUN, GAP = 8.0, 5.0, 0.3          # for a letter at a word's start, one right after another, each one skipped
SEPARATORS = " ./-_:(+"


def match(query: str, name: str) -> tuple[float, tuple[int, ...]] | None:
    """How well `query` fits, and which letters of `name` it hits; None: it doesn't. Words may come in any order."""
    total, hits = 0.0, set()
    for word in query.lower().split():
        found = _word(word, name)
        if found is None:
            return None
        total += found[0]
        hits |= set(found[1])
    return total - 0.01 * len(name), tuple(sorted(hits))


def _word(word: str, name: str) -> tuple[float, tuple[int, ...]] | None:
    """The best of the matches that begin at each place of the first letter."""
    low = name.lower()
    if len(low) != len(name):            # a few letters are two when small
        low = name
    starts = [i for i, letter in enumerate(low) if letter == word[0]]
    whole = low.find(word)
    if whole >= 0:
        starts.insert(0, whole)
    found = [hit for start in starts[:24] if (hit := _from(word, low, name, start)) is not None]
    return max(found, key=lambda f: f[0], default=None)


def _from(word: str, low: str, name: str, start: int) -> tuple[float, tuple[int, ...]] | None:
    """Each letter at its next place from `start` on, a word's start preferred."""
    score, at, hits = 0.0, start, []
    for letter in word:
        place = low.find(letter, at)
        if place < 0:
            return None
        if place != at or not hits:
            ahead = next((i for i in range(place, len(low)) if low[i] == letter and begins(name, i)), None)
            rest = word[len(hits):]
            if ahead is not None and hits and _subsequence(rest, low[ahead:]):
                place = ahead
        score += (START if begins(name, place) else 0) + (RUN if hits and place == hits[-1] + 1 else 0)
        score -= GAP * (place - at if hits else 0)
        hits.append(place)
        at = place + 1
    return score, tuple(hits)


def begins(name: str, place: int) -> bool:
    """Whether a word begins there."""
    before = name[place - 1] if place else " "
    return before in SEPARATORS or (name[place].isupper() and before.islower()) \
        or (name[place].isdigit() and not before.isdigit())


def _subsequence(word: str, text: str) -> bool:
    letters = iter(text)
    return all(letter in letters for letter in word)


def found(query: str, items: Iterable[Item], name: Callable[[Item], str],
          limit: int = 60) -> list[tuple[Item, tuple[int, ...]]]:
    """The items whose name fits, best first, with the letters hit; all in their order if nothing is asked."""
    hits = [(hit, item) for item in items if (hit := match(query, name(item))) is not None]
    if query.strip():
        hits.sort(key=lambda h: -h[0][0])
    return [(item, places) for (_, places), item in hits[:limit]]
