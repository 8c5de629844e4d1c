"""What the picture is held against: something pinned, or another network on the same request, on a second thread."""
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from gui.requests import pictured, reference_of
from renderer.thread import RenderThread
from renderer.types import Activity, Checkpoint, ModelInfo, RenderRequest, RenderResult


class Reference:
    """Follows what is shown, so that both pictures are mostly of the same latent; the main answer never waits for it.

    There is a second thread only while something is to be rendered that the first one has not answered already.
    """

    def __init__(self, start: Callable[[], RenderThread]):
        self._start = start
        self._thread: RenderThread | None = None
        self._wanted: RenderRequest | None = None
        self._submitted: RenderRequest | None = None
        self._seen: RenderResult | None = None       # the second thread's newest
        self._result: RenderResult | None = None
        self._is_pinned = False

    def follow(self, request: RenderRequest, shown: RenderResult) -> RenderResult | None:
        """Sees to it that the reference of `shown`, the main thread's newest answer, is rendered as `request` compares.

        Returns what the second thread just answered, if it is that.
        """
        compare = request.compare
        if compare is None or shown.info is None:
            self._end()
            return None
        news, self._is_pinned = self._receive(), compare.pinned is not None
        info = self._info(compare.checkpoint)
        self._wanted = reference_of(replace(shown.request, compare=compare), shown.info, info)
        is_shown = self._wanted is not None and pictured(shown.request) == pictured(self._wanted)
        if self._wanted is None or is_shown and shown.picture is not None:
            self._end_thread()           # pinned just now, or there is nothing to hold it against yet
            self._result = shown if self._wanted else None
        elif self._is_pinned and self.matched():
            self._end_thread()
        else:
            self._submit(self._wanted)
        return news if news and news is self.matched() else None

    def result(self) -> RenderResult | None:
        """The newest of the network wanted, perhaps not of the latent shown yet; None: not there yet."""
        result, wanted = self._result, self._wanted
        if result is None or wanted is None or result.request.checkpoint != wanted.checkpoint:
            return None
        return self.matched() if self._is_pinned else result

    def matched(self) -> RenderResult | None:
        """The result, once it is the reference of exactly what is shown."""
        result, wanted = self._result, self._wanted
        return result if result and wanted and pictured(result.request) == pictured(wanted) else None

    # -- the second thread --------------------------------------------------------------------------------------------

    def _submit(self, request: RenderRequest) -> None:
        if self._thread is None:
            self._thread = self._start()
        if request != self._submitted:
            self._thread.submit(request)
            self._submitted = request

    def _receive(self) -> RenderResult | None:
        result = self._thread.latest() if self._thread else None
        if result is None or result is self._seen:
            return None
        known = self._info(result.request.checkpoint)
        self._seen, self._result = result, result if result.info or not known else replace(result, info=known)
        return self._result

    def _info(self, checkpoint: Checkpoint | None) -> ModelInfo | None:
        """Of this network, if it was the last one to answer."""
        result = self._result
        return result.info if result and result.request.checkpoint == checkpoint else None

    def activity(self) -> Activity | None:
        activity = self._thread.activity() if self._thread else None
        return activity and replace(activity, text=f"Reference: {activity.text}")

    def cancel(self) -> None:
        """Gives up what is being rendered, until something else is wanted."""
        if self._thread:
            self._thread.cancel()

    def _end(self) -> None:
        self._end_thread()
        self._wanted = self._result = None

    def _end_thread(self) -> None:
        """It closes its network and ends by itself, after the stage it is at."""
        if self._thread:
            threading.Thread(target=self._thread.close, name="closing", daemon=True).start()
        self._thread = self._submitted = self._seen = None

    def close(self) -> None:
        if self._thread:
            self._thread.close()
        self._thread = None
