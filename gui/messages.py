"""What the window has to say: plain lines, newest last, kept so that they can be read again and copied."""
from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from gui.words import readable


@dataclass(frozen=True)
class Message:
    text: str                            # one sentence
    error: bool = False
    details: str = ""                    # a trace, for a fold
    at: float = field(default_factory=time.time)   # seconds since the epoch


class Messages:
    """May be spoken to from any thread: appending to a deque is atomic."""

    def __init__(self, limit: int = 200):
        self._all: deque[Message] = deque(maxlen=limit)
        self.latest: Message | None = None     # what the status bar shows

    def say(self, text: str, error: bool = False, details: str = "") -> None:
        message = Message(readable(text), error, readable(details))
        self._all.append(message)
        self.latest = message

    def clear(self) -> None:
        """The trouble is over; the messages can still be read again."""
        self.latest = None

    def all(self) -> tuple[Message, ...]:
        return tuple(self._all)
