"""What the pipeline's steps share: one request on its way, and the memory of one step. No torch."""
from __future__ import annotations

import time
from collections.abc import Callable

from renderer.types import RenderRequest, RenderResult, StageTime

Progress = Callable[[str, float | None], None]   # (what is being done, fraction done or None); may raise Abandoned
Early = Callable[[RenderResult], None]           # is given an answer to which only the strip's end is missing


class Abandoned(BaseException):
    """The answer is no longer wanted. No error, so that no handler of errors on its way takes it for one."""


def never() -> bool:
    return False


def quiet(text: str, fraction: float | None) -> None:
    pass


def keep_quiet(result: RenderResult) -> None:
    pass


class Memo:
    """The latest value of one step, and what it was computed from."""

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        self.key, self.value = None, None

    def get(self, key: tuple, compute: Callable):
        if self.key != key:
            self.clear()                         # before the new one takes its memory
            self.value = compute()
            self.key = key
        return self.value


class Run:
    """One request on its way: what is known of its result so far, and how to reach the one who waits for it.

    `strict`: parts of the request that the network has no use for are errors, not notes; `in_haste`: it is one of many
    that follow each other.
    """

    def __init__(self, request: RenderRequest, abandoned: Callable[[], bool] = never, progress: Progress = quiet,
                 strict: bool = False, in_haste: bool = False):
        self.request, self.abandoned, self.progress, self.strict = request, abandoned, progress, strict
        self.in_haste = in_haste
        self.known: dict = {}                    # fields of RenderResult
        self.times: list[StageTime] = []
        self.strip = request.strip and not strict and request.table is None and request.seeds is None
        self.rest: dict[str, Callable] = {}      # fields of RenderResult that may follow the answer

    def add(self, notes: tuple[str, ...] = (), **known) -> None:
        """Fields of the result; notes come after those there are."""
        self.known.update(known, notes=self.known.get("notes", ()) + notes)

    def go_on(self) -> None:
        """Between two pieces of work: raises Abandoned if a newer request waits."""
        if self.abandoned():
            raise Abandoned

    def step(self, name: str, memo: Memo, key: tuple, compute: Callable):
        """`memo.get`, timed."""
        self.go_on()
        reused, began = memo.key == key, time.perf_counter()
        value = memo.get(key, compute)
        self.times.append(StageTime(name, time.perf_counter() - began, reused))
        return value

    def part(self, index: int, count: int, name: str) -> Run:
        """The run of one of `count` equal parts, with progress in terms of the whole."""
        def progress(text: str, fraction: float | None) -> None:
            self.progress(f"{name} {index + 1} of {count}", (index + (fraction or 0)) / count)
        return Run(self.request, self.abandoned, progress)
