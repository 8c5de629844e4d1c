"""What the command lines share: errors of one line, exit status 0 or 1. Python's own modules alone; no torch."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nets.errors import UserError, one_line

MISSING = "the Python package '{}' is not installed here: run `make run` once, then use .venv/bin/python"


class Parser(argparse.ArgumentParser):
    """Reports a usage error as one line, as every other error."""

    def error(self, message: str):
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


def guarded(run: Callable[[], int | None]) -> int:
    """The exit status: what `run` returns, 0 for None, or 1 with exactly one line on standard error for what it raises.
    """
    try:
        with flushed_output():
            return run() or 0
    except KeyboardInterrupt:
        return fail("interrupted")
    except Exception as error:
        return fail(sentence(error))


@contextmanager
def flushed_output() -> Iterator[None]:
    """Standard output that cannot be written is an error here; at the interpreter's end it would be several lines."""
    error = None
    try:
        yield
    except BrokenPipeError as broken:                # at once, where output is not buffered
        error = broken
    finally:
        try:
            if sys.stdout:
                sys.stdout.flush()
        except OSError as unwritten:
            error = unwritten
        if error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise UserError(f"standard output cannot be written: {error.strerror}") from None


def fail(line: str) -> int:
    print(line, file=sys.stderr)
    return 1


def sentence(error: Exception) -> str:
    """One line for any exception; unforeseen ones keep their type's name."""
    if isinstance(error, ModuleNotFoundError):
        return MISSING.format(error.name)
    return one_line(str(error) if isinstance(error, UserError) else f"unexpected {type(error).__name__}: {error}")
