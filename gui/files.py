"""Opening: what a dropped, pasted, chosen or remembered path becomes. Jobs look at disks, never the frame loop."""
from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlparse

from gui import session, snapshots
from gui.notices import Notice
from gui.requests import opening
from gui.restoring import Restored, folder_of, name_of, question, resolved
from gui.words import readable
from renderer import content, state
from renderer.images import load_request
from renderer.runs import run_folders
from renderer.types import RenderRequest

if TYPE_CHECKING:
    from gui.app import App

CHECKPOINTS = (".pkl", ".pt", ".pth", ".safetensors")
STATES = (".png", ".json")
LATENTS = (".npz", ".npy")


class Files:
    """Opens checkpoints, saved states, run folders and lost sessions; asks where files went that a state names."""

    def __init__(self, app: App):
        self._app, self._messages, self._notices = app, app.desk.messages, app.desk.notices
        self._jobs = app.desk.searches
        self.follower = snapshots.Follower(self._jobs, lambda path: app.later(partial(self._follow_to, path)))

    def open(self, path: str) -> None:
        """A checkpoint by path or URL, the state inside a PNG or JSON, a saved latent, a folder's newest snapshot."""
        path = cleaned(path)
        suffix = Path(path).suffix.lower()
        if readable(path) != path:
            self._messages.say(f"{path}: the file's name is no UTF-8 and can't be shown: rename it first", error=True)
        elif suffix in STATES and content.is_file_path(path):
            self._jobs.run("open the state", lambda: self._load(path))
        elif suffix in LATENTS:
            self._app.desk.latent.load(path, self._app.shown(self._app.request))
        elif suffix in CHECKPOINTS or not content.is_file_path(path):
            self._open_checkpoint(path)
        else:
            self._jobs.run("open the folder", lambda: self._look(path))

    def paste(self, text: str) -> None:
        """Opens what was copied somewhere: a state as JSON, a path, a URL."""
        text = text.strip()
        if text.startswith("{"):
            self._jobs.run("open the copied state", lambda: self._restore(state.from_json(text), None))
        elif text and "\n" not in text:
            self.open(text)
        else:
            self._messages.say("Nothing to open was copied: paste a path, a URL or a state", error=True)

    def _open_checkpoint(self, path: str) -> None:
        self._app.restore(opening(self._app.request, path))

    # -- saved states -------------------------------------------------------------------------------------------------

    def _load(self, path: str) -> None:
        self._restore(load_request(path), path)

    def _restore(self, request: RenderRequest, source: str | None) -> None:
        """In a job: looks where the files are that `request` names."""
        request = readable(request)
        found = content.find(request, self._app.settings.recents, source, self._jobs.progress)
        self._app.later(partial(self._take, resolved(request, found)))

    def _take(self, restored: Restored) -> None:
        if restored.missing:
            self._ask(restored)
            return
        for note in restored.notes:
            self._messages.say(note, error="has changed" in note or "is not the file" in note)
        self._notices.withdraw("moved")
        self._app.restore(content.unstamped(restored.request))

    def _ask(self, restored: Restored) -> None:
        named = restored.missing[0]
        title = f"Where is {name_of(named)}?"
        folder = str(Path(named).parent if Path(named).parent.is_dir() else Path.home())

        def find() -> None:
            self._ask(restored)          # until there is an answer
            self._app.desk.dialogs.ask_file(title, folder, lambda path: self._jobs.run(
                "look at the file", lambda: self._found(restored, named, path)))
        self._notices.offer(Notice("moved", question(named), (("Find…", find), ("Cancel", lambda: None)),
                                   f"The state was saved with {named}. Nothing changes until it is found."))

    def _found(self, restored: Restored, named: str, path: str) -> None:
        """In a job: the person says that the file `named` is at `path`."""
        wanted = next(c.content for c in content.checkpoints(restored.request) if c.path == named)
        notes = restored.notes
        if wanted and content.content_hash(path, self._jobs.progress) != wanted:
            notes += (f"{path} is not the file this was saved with: the picture may differ",)
        missing = tuple(other for other in restored.missing if other != named)
        after = Restored(content.moved(restored.request, named, path), notes, missing)
        self._app.later(partial(self._take, after))

    # -- run folders --------------------------------------------------------------------------------------------------

    def _look(self, path: str) -> None:
        """In a job: a folder is a training run's, or holds several; anything else is for the reader to judge.

        Runs of `python -m train` are listed from then on, too.
        """
        folder = Path(path).expanduser()
        if not folder.is_dir():
            self._app.later(partial(self._open_checkpoint, path))
            return
        training, newest = self._app.desk.training, snapshots.newest(folder)
        if run_folders(folder):
            self._app.later(partial(training.remember, str(folder)))
            if newest is None:
                self._app.later(training.show)
                return
        if newest is None:
            raise ValueError(f"{path} holds no snapshot-*.safetensors or network-snapshot-*.pkl; drop a checkpoint "
                             "file instead")
        self._app.later(partial(self._offer_run, str(newest)))

    def _offer_run(self, path: str) -> None:
        self._open_checkpoint(path)
        text = f"{name_of(path)} is the newest snapshot in {folder_of(path)}. Open the next ones as they are written?"
        self._notices.offer(Notice("run", text, (("Follow", lambda: self.follower.follow(path)),
                                                 ("Not now", lambda: None))))

    def _follow_to(self, path: str) -> None:
        self._app.turn_to(path)
        self._messages.say(f"Followed training to {name_of(path)}")

    def follow_run(self, path: str) -> None:
        """Opens the snapshot `path` of a run, in the view that is set up if that is of the same run, and the next."""
        def turn() -> None:
            now = self._app.request
            same_run = Path(now.checkpoint.path).parent == Path(path).parent
            self._app.request = following(now, path) if same_run else opening(now, path)
            self.follower.follow(path)
        self._app.later(turn)

    def toggle_following(self) -> None:
        if self.follower.folder is None:
            self.follower.follow(self._app.request.checkpoint.path)
        else:
            self.follower.stop()

    # -- sessions -----------------------------------------------------------------------------------------------------

    def look_for_lost(self) -> None:
        """Offers what a window that ended without closing had shown."""
        self._jobs.run("look for a lost session", self._look_for_lost)

    def _look_for_lost(self) -> None:
        """In a job."""
        for file in session.lost(self._app.session.folder):
            try:
                named = name_of(load_request(file).checkpoint.path)
            except Exception:            # it ended while it was written, or is of a newer version
                session.forget(file)
            else:
                self._app.later(partial(self._offer_lost, file, f"{session.age(file)}, with {named} open"))
                break

    def _offer_lost(self, file: Path, words: str) -> None:
        def resume() -> None:
            self._jobs.run("continue the session", lambda: self._load(str(file)) or session.forget(file))

        def dismiss() -> None:
            self._jobs.run("forget the session", lambda: session.forget(file))
            self.look_for_lost()
        self._notices.offer(Notice("session", f"Stylescope ended without closing {words}.",
                                   (("Continue where it ended", resume), ("Dismiss", dismiss))))

    def continue_last(self) -> None:
        self.open(str(self._app.session.folder / "last.json"))


def following(request: RenderRequest, path: str) -> RenderRequest:
    """The same view of another snapshot of the run."""
    return replace(request, checkpoint=replace(request.checkpoint, path=path, reload=0))


def cleaned(path: str) -> str:
    """A path as other programs hand it over: quoted, or as a file:// URL."""
    path = path.strip().strip('"').strip("'")
    if path.startswith("file://"):
        parsed = urlparse(path)
        path = unquote(parsed.path)
        return path.lstrip("/") if os.name == "nt" else path
    return path
