"""The latents a person rested on, newest last, each with a small picture."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gui.jobs import Jobs
from gui.requests import IMAGE
from renderer.images import thumbnail
from renderer.types import Latent, RenderResult

LIMIT = 60
REST = 0.5                               # seconds a picture must stay: what a drag passes is left out
SIDE = 64                                # pixels of a thumbnail


@dataclass(frozen=True, eq=False)
class Visit:
    latent: Latent
    picture: np.ndarray                  # uint8 [h, w, 3], at most SIDE wide or high


class Visits:
    """Pictures are made small by the worker; `entries` is replaced as a whole, never changed."""

    def __init__(self, jobs: Jobs):
        self.entries: tuple[Visit, ...] = ()
        self._jobs = jobs
        self._resting: tuple[Latent | None, float] = None, 0.0       # and since when, in seconds
        self._added: Latent | None = None            # the newest, before the worker has got to it

    def see(self, result: RenderResult, moving: bool, now: float) -> None:
        """To be told in every frame what is shown, and whether it is about to change; `now` on any steady clock."""
        latent = result.request.latent
        if moving or latent != self._resting[0]:
            self._resting = latent, now
        elif now - self._resting[1] >= REST and latent != self._added:
            self._add(result, latent)

    def go_back(self, visit: Visit) -> Latent:
        """Its latent; it keeps its place among the entries."""
        self._added = visit.latent
        return visit.latent

    def _add(self, result: RenderResult, latent: Latent) -> None:
        picture = image_of(result)
        if picture is None:
            return
        self._added = latent

        def job() -> None:
            kept = tuple(visit for visit in self.entries if visit.latent != latent)
            self.entries = (*kept, Visit(latent, thumbnail(picture, SIDE)))[-LIMIT:]
        self._jobs.run("remember the latent", job)


def image_of(result: RenderResult) -> np.ndarray | None:
    """The image, or its summary where a layer is shown."""
    request = result.request
    if result.error or request.table or request.seeds:
        return None
    if request.tap == IMAGE:
        return result.picture
    return next((tap.picture for tap in result.strip if tap.name == IMAGE and tap.current), None)
