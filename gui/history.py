"""Undo and redo: the requests a person went through, one entry for each gesture. Pure; nothing here draws."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import PurePath

from renderer.types import RenderRequest

LIMIT = 200                              # entries kept
REST = 0.8                               # seconds without a change that end a gesture; keys wait less to repeat


@dataclass(frozen=True)
class Entry:
    name: str                            # of what was changed: 'ψ', 'seed'
    request: RenderRequest               # undo: before the change; redo: after it


class History:
    """Follows the request from frame to frame.

    What is changed without a pause, or while a mouse button or a widget is held, is one entry; a new press begins
    another, and so does a change of something else.
    """

    def __init__(self, request: RenderRequest):
        self._now = request
        self._past: deque[Entry] = deque(maxlen=LIMIT)
        self._future: list[Entry] = []
        self._open = False               # the newest entry still grows
        self._held = False
        self._changed = 0.0              # seconds, when the request last changed

    @property
    def undoes(self) -> str:
        """The name of what `undo` would take back; empty: nothing."""
        return self._past[-1].name if self._past else ""

    @property
    def redoes(self) -> str:
        return self._future[-1].name if self._future else ""

    def follow(self, request: RenderRequest, held: bool, now: float) -> None:
        """Takes in this frame's request; `held`: something is being held or moves; `now` in seconds."""
        pressed, self._held = held and not self._held, held
        if pressed or (not held and now - self._changed > REST):
            self._open = False
        if request is self._now or same(request, self._now):
            self._now = request
            return
        name = changed(self._now, request)
        if not self._open or (name != self._past[-1].name and not held):
            self._past.append(Entry(name, self._now))
        self._future.clear()
        self._now, self._open, self._changed = request, True, now

    def adopt(self, request: RenderRequest) -> None:
        """`request` is what the window itself turned to: no entry."""
        self._now, self._open = request, False

    def undo(self) -> RenderRequest | None:
        """The request before the newest entry; None: there is none."""
        return self._step(self._past, self._future)

    def redo(self) -> RenderRequest | None:
        return self._step(self._future, self._past)

    def _step(self, source: deque[Entry] | list[Entry], other: deque[Entry] | list[Entry]) -> RenderRequest | None:
        self._open = False
        while source and same(source[-1].request, self._now):        # a gesture that ended where it began
            source.pop()
        if not source:
            return None
        entry = source.pop()
        other.append(Entry(entry.name, self._now))
        self.adopt(_with_own(entry.request, self._now))
        return self._now


# -- what counts as a change ------------------------------------------------------------------------------------------

def same(one: RenderRequest, other: RenderRequest) -> bool:
    """Equal but for what the window sets by itself."""
    if one == other:
        return True
    if one.spectrum is None or other.spectrum is None:       # its panel is hidden
        one, other = replace(one, spectrum=None), replace(other, spectrum=None)
    if type(one.inspect) is not type(other.inspect):         # another panel of the lab, or none, is in sight
        one, other = replace(one, inspect=None), replace(other, inspect=None)
    return _essence(one) == _essence(other)


def _essence(request: RenderRequest) -> RenderRequest:
    """Without the strip, the reload counter and a class that a conditional network was completed with."""
    return replace(request, strip=False, checkpoint=replace(request.checkpoint, reload=0, content=""),
                   latent=replace(request.latent, classes=request.latent.classes or ((0, 1.0),)))


def _with_own(request: RenderRequest, now: RenderRequest) -> RenderRequest:
    """`request`, with what the window has set by itself by `now`."""
    spectrum = now.spectrum and (request.spectrum or now.spectrum)
    inspect = request.inspect if type(request.inspect) is type(now.inspect) else now.inspect
    checkpoint = request.checkpoint
    if checkpoint.path == now.checkpoint.path:
        checkpoint = replace(checkpoint, reload=now.checkpoint.reload)
    return replace(request, strip=now.strip, spectrum=spectrum, inspect=inspect, checkpoint=checkpoint)


# -- names ------------------------------------------------------------------------------------------------------------

def _file(request: RenderRequest) -> str:
    return PurePath(request.checkpoint.path).name


PARTS: tuple[tuple[str, Callable[[RenderRequest], object]], ...] = (      # the first that differs names an entry
    ("generator", lambda q: q.checkpoint.network),
    ("device", lambda q: q.checkpoint.device),
    ("precision", lambda q: q.checkpoint.precision),
    ("backend", lambda q: q.checkpoint.backend),
    ("mixing table", lambda q: q.table),
    ("seed grid", lambda q: q.seeds),
    ("latent", lambda q: (q.latent.z, q.latent.w)),
    ("seed", lambda q: (q.latent.x, q.latent.y)),
    ("class", lambda q: q.latent.classes),
    ("ψ", lambda q: q.latent.psi),
    ("cutoff", lambda q: q.latent.cutoff),
    ("mixing source", lambda q: q.mix.source),
    ("mixing rows", lambda q: q.mix.rows),
    ("noise", lambda q: (q.synth.noise, q.synth.noise_seed)),
    ("transform", lambda q: q.synth.transform),
    ("level of detail", lambda q: q.synth.lod),
    ("layer", lambda q: q.tap),
    ("view mode", lambda q: q.view.mode),
    ("channel", lambda q: (q.view.channel, q.view.channels)),
    ("colormap", lambda q: q.view.colormap),
    ("exposure", lambda q: q.view.gain_db),
    ("offset", lambda q: q.view.offset),
    ("range", lambda q: q.view.range),
    ("order of channels", lambda q: q.view.order),
    ("spectrum", lambda q: q.spectrum),
    ("inspection", lambda q: q.inspect),
    ("comparison", lambda q: q.compare),
)


def changed(before: RenderRequest, after: RenderRequest) -> str:
    """What to call the change, in a few letters: 'ψ', 'layer', 'opening of b.pkl'."""
    if before.checkpoint.path != after.checkpoint.path:
        return f"opening of {_file(after)}" if after.checkpoint.path else f"closing of {_file(before)}"
    return next((name for name, part in PARTS if part(before) != part(after)), "change")
