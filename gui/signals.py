"""Being asked to end from outside, by SIGTERM at logging out or by Ctrl+C in a terminal: as Ctrl+Q."""
from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def on_end(call: Callable[[], None]) -> None:
    """Calls `call` from a thread of its own when the process is asked to end. From the main thread.

    Python runs its handlers in the main thread alone, and that one sleeps in glfw, which goes on sleeping. What does
    happen at once is that the signal's number is written to a socket. Asked a second time, the process ends as it would
    have without this.
    """
    ours, pythons = socket.socketpair()
    pythons.setblocking(False)
    for number in ENDING:
        signal.signal(number, lambda number, frame: signal.signal(number, signal.SIG_DFL))
    signal.set_wakeup_fd(pythons.fileno(), warn_on_full_buffer=False)

    def listen(kept: socket.socket = pythons) -> None:
        while any(number in ENDING for number in ours.recv(64)):
            call()
    threading.Thread(target=listen, name="signals", daemon=True).start()
