"""The render thread: a mailbox with one slot, in which the newest request wins. Importing this imports no torch.

One condition guards the few fields below; only frozen values pass through it.
"""
from __future__ import annotations

import gc
import math
import threading
import time
import traceback
from collections.abc import Callable

from nets.errors import one_line
from renderer import memory
from renderer.preload import load_torch_libraries
from renderer.steps import Abandoned
from renderer.types import Activity, RenderRequest, RenderResult

PATIENCE = 0.25                          # seconds a stale request may take before it is abandoned
HUNGER = 1.0                             # seconds of abandoning after which one request is seen through
HASTE = 0.25                             # seconds: a request that comes so soon after an answer is one of many
CALM = 2.0                               # seconds without a request after which freed memory is given back
WAKE_INTERVAL = 0.05                     # seconds between wakes for activity alone


class RenderThread:
    """Renders the newest request, away from the window.

    A request made stale by a newer one is abandoned between stages once it has taken `patience` seconds: quick networks
    answer while the mouse still moves, slow ones turn to the newest. So that slow ones too show something during a long
    drag, a request is seen through when for HUNGER seconds nothing else was. One for another checkpoint never waits.

    An answer may come early, with only its strip of layers not complete. `latest` is then that answer, and the same
    request completed follows, unless a newer one waits: for that the rest is given up at once. Among requests that
    follow each other the rest waits HASTE seconds for the next one.

    `wake` is called, from the render thread, after each new result and when the activity changes.
    """

    def __init__(self, wake: Callable[[], None], patience: float = PATIENCE):
        self._wake, self._patience, self._woken = wake, patience, 0.0
        self._changed = threading.Condition()            # guards what follows
        self._waiting: RenderRequest | None = None       # the slot
        self._current: RenderRequest | None = None
        self._dropped: RenderRequest | None = None       # cancelled: not taken up again until another was asked for
        self._cancelled = self._closed = False
        self._latest: RenderResult | None = None
        self._is_early = False                           # the latest result is not complete
        self._activity: Activity | None = None
        self._began = time.monotonic()                   # work on the current request
        self._answered, self._in_haste = -math.inf, False        # when the latest result came; the current followed it
        self._hungry_since: float | None = None          # the first request abandoned since the latest result
        self._thread = threading.Thread(target=self._run, name="render", daemon=True)
        self._thread.start()

    # -- for the window -----------------------------------------------------------------------------------------------

    def submit(self, request: RenderRequest) -> None:
        """Asks for `request` in place of all before it. What is being answered, or just was, is not begun again."""
        with self._changed:
            if request == self._dropped:
                return
            self._dropped = None
            is_current = request == self._current and not self._cancelled
            self._waiting = None if is_current else request
            self._changed.notify()

    def latest(self) -> RenderResult | None:
        """The newest result; its `request` says what it answers."""
        with self._changed:
            return self._latest

    def activity(self) -> Activity | None:
        """What the thread is doing; None: it waits."""
        with self._changed:
            return self._activity

    def cancel(self) -> None:
        """Gives up what is being done, between two stages; the latest result stays."""
        with self._changed:
            if self._waiting is not None or self._current is not None:
                self._dropped, self._waiting, self._cancelled = self._waiting or self._current, None, True
                self._changed.notify()

    def close(self) -> None:
        """Gives up what is being done and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._tell("Starting PyTorch", None)
        render = _start_renderer()
        while (request := self._take()) is not None:
            try:
                self._answer(render(request, self._is_stale, self._progress, self._answer_early, self._in_haste))
            except Abandoned:
                self._give_up()
            except Exception as error:
                self._answer(_failure(request, "unexpected", error))
        render(RenderRequest())          # closes the network and gives its memory back

    def _take(self) -> RenderRequest | None:
        """Waits for a request that is not answered yet; None: close."""
        while True:
            self._rest()
            if not self._is_asked(CALM):
                memory.give_back()
                self._is_asked(None)
            with self._changed:
                if self._closed:
                    return None
                if self._waiting is None:        # cancelled meanwhile
                    continue
                request, self._waiting = self._waiting, None
                if self._latest is None or request != self._latest.request or self._is_early:   # else just answered
                    self._current, self._began, self._cancelled = request, time.monotonic(), False
                    self._in_haste = self._began - self._answered < HASTE
                    return request

    def _is_asked(self, seconds: float | None) -> bool:
        """Waits for a request, or to be closed; whether that came within `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._waiting is not None, seconds)

    def _rest(self) -> None:
        """If nothing waits: nothing is being done either."""
        with self._changed:
            is_idle = self._waiting is None and self._activity is not None
            if self._waiting is None:
                self._current = self._activity = self._hungry_since = None
        if is_idle:
            self._wake_window()

    def _answer(self, result: RenderResult) -> None:
        with self._changed:
            if self._cancelled:
                return
            if not self._is_answered():
                self._answered = time.monotonic()
            self._latest, self._is_early, self._hungry_since = result, False, None
            if self._waiting is None:
                self._current = self._activity = None
        self._wake_window()

    def _answer_early(self, result: RenderResult) -> None:
        with self._changed:
            if self._cancelled or self._closed:
                raise Abandoned
            is_first = not self._is_answered()
            self._latest, self._is_early, self._hungry_since = result, True, None
            self._activity = Activity("Looking at the other layers", None, self._began)
            self._answered = time.monotonic()
        self._wake_window()
        if self._in_haste and is_first:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._is_unwanted(), HASTE)

    def _give_up(self) -> None:
        with self._changed:
            if self._hungry_since is None and not self._is_answered():
                self._hungry_since = time.monotonic()

    def _is_stale(self) -> bool:
        """Asked between stages: whether to give up the current request."""
        with self._changed:
            if self._is_unwanted() or self._is_answered() and self._waiting is not None:
                return True
            now = time.monotonic()
            is_hungry = self._hungry_since is not None and now - self._hungry_since > HUNGER
            return self._waiting is not None and now - self._began >= self._patience and not is_hungry

    def _is_unwanted(self) -> bool:
        """Whether the current request is not worth another moment, even while its file is being opened."""
        is_elsewhere = self._waiting is not None and self._waiting.checkpoint != self._current.checkpoint
        return self._closed or self._cancelled or is_elsewhere

    def _is_answered(self) -> bool:
        """Whether only the rest of the current request's answer is missing."""
        return self._is_early and self._latest.request == self._current

    def _progress(self, text: str, fraction: float | None) -> None:
        with self._changed:
            if self._is_unwanted():
                raise Abandoned
        self._tell(text, fraction)

    def _tell(self, text: str, fraction: float | None) -> None:
        with self._changed:
            self._activity = Activity(text, fraction, self._began)
        if time.monotonic() - self._woken >= WAKE_INTERVAL:
            self._wake_window()

    def _wake_window(self) -> None:
        self._woken = time.monotonic()
        try:
            self._wake()
        except Exception:                # a window on its way out must not end the thread
            traceback.print_exc()


def _start_renderer() -> Callable[..., RenderResult]:
    """Imports torch and returns `Pipeline.render`; where that fails, what answers every request with the reason."""
    try:
        load_torch_libraries()
        from renderer.device import leave_a_thread_to_the_window
        from renderer.pipeline import Pipeline
    except Exception as error:
        reason = error
        return lambda request, *_: _failure(request, "PyTorch cannot be started:", reason)
    leave_a_thread_to_the_window()
    if not gc.get_freeze_count():
        gc.freeze()                      # a full collection over all that torch brings would halt the window 200 ms
    return Pipeline().render


def _failure(request: RenderRequest, words: str, error: Exception) -> RenderResult:
    details = "".join(traceback.format_exception(error))
    return RenderResult(request, error=one_line(f"{words} {type(error).__name__}: {error}"), details=details)
