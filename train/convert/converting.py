"""All pictures of a source, in order: their headers first, then the pictures themselves, by a few threads."""
from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from nets.errors import UserError, one_line
from train.convert import pictures
from train.convert.names import stems
from train.convert.pictures import Header, Picture
from train.convert.report import Report
from train.convert.source import Skip, Source
from train.convert.transforms import Frame
from train.writing import Entry, Label

AHEAD = 4                                # pictures for each thread that are done before they are taken
MODES = {1: "L", 3: "RGB", 4: "RGBA"}    # by number of channels
T, R = TypeVar("T"), TypeVar("R")
Progress = Callable[[int], None]


@dataclass
class Survey:
    """What the headers say of a source's pictures. `usable`: the numbers of those that have one."""
    usable: list[int] = field(default_factory=list)
    sizes: Counter = field(default_factory=Counter)      # of (W, H)
    grey: int = 0
    obstacles: Counter = field(default_factory=Counter)  # of what training itself could not read
    first_is_grey: bool = False

    def add(self, index: int, header: Header) -> None:
        self.first_is_grey = self.first_is_grey if self.usable else not header.is_colour
        self.usable.append(index)
        self.sizes[header.size] += 1
        self.grey += not header.is_colour
        self.obstacles.update([header.obstacle] if header.obstacle else [])

    @property
    def is_mixed(self) -> bool:
        """Whether some are grey and some coloured."""
        return 0 < self.grey < len(self.usable)

    @property
    def channels(self) -> int:
        return 1 if self.grey == len(self.usable) else 3


def _or_skip(read: Callable[[int], T]) -> Callable[[int], T | Skip]:
    """`read`, but the reason comes back where a picture cannot be read."""
    def attempt(index: int) -> T | Skip:
        try:
            with pictures.readable():
                return read(index)
        except Skip as skip:
            return skip
    return attempt


def survey(source: Source, indices: Sequence[int], workers: int, report: Report, progress: Progress) -> Survey:
    """Looks at the headers; what has none is reported. Raises UserError if none has."""
    found = Survey()
    look = _or_skip(lambda index: pictures.look(source.open(index)))
    for index, header in zip(indices, in_order(look, indices, workers)):
        if isinstance(header, Skip):
            report.skip(source.names[index], str(header))
        else:
            found.add(index, header)
        progress(1)
    if not found.usable:
        raise _none_left(source, report)
    return found


def converted(source: Source, indices: Sequence[int], channels: int, frame: Frame | None, workers: int, report: Report,
              progress: Progress) -> Iterator[tuple[int, Picture]]:
    """(number, picture) of those that can be read, in order; the rest, and what is repaired, is reported.

    Raises UserError if there are none.
    """
    mode, done = MODES[channels], 0
    convert = _or_skip(lambda index: pictures.convert(source.open(index), mode, frame))
    for index, picture in zip(indices, in_order(convert, indices, workers)):
        if isinstance(picture, Skip):
            report.skip(source.names[index], str(picture))
        else:
            for change in picture.changes:
                report.change(source.names[index], change)
            done += 1
            yield index, picture
        progress(1)
    if not done:
        raise _none_left(source, report)


def entries(source: Source, labels: list[Label] | None, found: Iterable[tuple[int, Picture]]) -> Iterator[Entry]:
    """What is written: each picture under its old name, the suffix aside, with its label."""
    names = stems(source.names)
    for index, picture in found:
        yield Entry(names[index] + picture.suffix, picture.content, None if labels is None else labels[index])


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """As `map`, by `workers` threads, a few results ahead. What is not begun when the taker leaves is left undone."""
    pool, pending = ThreadPoolExecutor(workers), deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) > AHEAD * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _none_left(source: Source, report: Report) -> UserError:
    return UserError(one_line(f"{source.path}: none of its {report.skipped} pictures can be used; "
                              f"the first: {report.first_skipped}"))
