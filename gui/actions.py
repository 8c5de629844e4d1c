"""Everything the window can do by name: the table of commands behind menus, keys and the palette."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from imgui_bundle import imgui

from gui import session, theme
from gui.commands import Command
from gui.palette import Entry
from gui.requests import closed, look_at, of_image, of_table, opening, shown_name, stepped
from gui.snapshots import is_snapshot
from renderer import content, script, state
from renderer.types import DEMOS, RenderRequest, RenderResult

if TYPE_CHECKING:
    from gui.app import App
    from gui.desk import Desk


def commands_of(desk: Desk, app: App) -> tuple[Command, ...]:
    """In the order of the menus; each panel's own come last."""
    return (*_file(desk, app), *_edit(desk, app), *_view(desk, app), *_latent(desk, app), *desk.lab.commands,
            *_help(desk),
            *(command for panel in desk.panels for command in getattr(panel, "commands", ())))


def _file(desk: Desk, app: App) -> tuple[Command, ...]:
    saver = desk.saver
    return (
        Command("Open…", lambda q, r: desk.ask_file(), "Ctrl+O", "File"),
        Command("Open run folder…", lambda q, r: desk.ask_run(), "Ctrl+Shift+O", "File"),
        Command("Follow run", lambda q, r: app.files.toggle_following(), "", "File", 0,
                lambda: app.files.follower.folder is not None,
                why_not=lambda q, r: "" if is_snapshot(q.checkpoint.path) else
                "Open a snapshot first: its folder is followed as training writes the next ones"),
        Command("Continue last session", lambda q, r: app.files.continue_last(), "", "File",
                why_not=lambda q, r: "" if session.last(app.session.folder) else "No session has ended here yet"),
        Command("Close network", lambda q, r: closed(q), "", "File",
                why_not=lambda q, r: "" if q.checkpoint.path else "Nothing is open"),
        Command("Save picture", desk.capture.save_shown, "Ctrl+S", "File", 1),
        Command("Save image alone", lambda q, r: saver.render(of_image(q)), "", "File", 1),
        Command("Save mixing table", partial(_save_table, desk), "", "File", 1),
        Command("Save window", lambda q, r: saver.save_window(), "Ctrl+Shift+S", "File", 1),
        Command("Quit", lambda q, r: app.window.quit(), "Ctrl+Q", "File", 3),
    )


def _edit(desk: Desk, app: App) -> tuple[Command, ...]:
    history = app.history

    def copying(what: str, text: Callable[[RenderRequest, bool], str]) -> Command:
        """`text(request, fitted)`, as in renderer.script."""
        return Command(f"Copy as {what}", lambda q, r: _copy(desk, app, what, partial(text, q, fitted=bool(r.notes))),
                       "", "Edit", 1, why_not=lambda q, r: "" if q.checkpoint.path else "Nothing is open")

    def copy_inspection(request: RenderRequest, result: RenderResult) -> None:
        _copy(desk, app, "command line", partial(script.inspection, request, fitted=bool(result.notes)))

    def as_json(request: RenderRequest, fitted: bool) -> str:
        return state.to_json(content.stamped(request, desk.searches.progress))
    return (
        Command("Undo", lambda q, r: app.undo(), "Ctrl+Z", "Edit", label=lambda: f"Undo {history.undoes}".strip(),
                why_not=lambda q, r: "" if history.undoes else "Nothing was changed yet"),
        Command("Redo", lambda q, r: app.redo(), "Ctrl+Shift+Z", "Edit", also="Ctrl+Y",
                label=lambda: f"Redo {history.redoes}".strip(),
                why_not=lambda q, r: "" if history.redoes else "Nothing was undone"),
        copying("command line", script.command_line), copying("Python", script.python), copying("JSON", as_json),
        Command("Copy inspection", copy_inspection, "", "Edit", 1,
                why_not=lambda q, r: "" if q.inspect else "Nothing is looked into: start an inspection first"),
        Command("Paste", lambda q, r: app.files.paste(imgui.get_clipboard_text() or ""), "Ctrl+V", "Edit", 1),
    )


def _view(desk: Desk, app: App) -> tuple[Command, ...]:
    viewer, window = desk.viewer, app.window

    def look(name: str) -> Command:
        return Command(name.capitalize(), lambda q, r: setattr(window, "look", name), "", "View/Theme", 2,
                       lambda: window.look == name)
    return (
        Command("Fit picture", lambda q, r: viewer.fit(), "F", "View"),
        Command("Actual size", lambda q, r: viewer.actual_size(), "1", "View"),
        Command("Viewer alone", lambda q, r: desk.toggle_alone(), "Tab", "View", 1, lambda: desk.viewer_alone),
        Command("Full screen", lambda q, r: window.toggle_full_screen(), "F11", "View", 1,
                lambda: window.full_screen),
        Command("Reset layout", lambda q, r: desk.reset_layout(), "", "View", 1),
        *map(look, theme.COLORS),
        Command("Larger", lambda q, r: zoom(app, 1.1), "Ctrl+Plus", "View", 2),
        Command("Smaller", lambda q, r: zoom(app, 1 / 1.1), "Ctrl+Minus", "View", 2),
        Command("Normal size", lambda q, r: zoom(app, 0), "Ctrl+0", "View", 2),
    )


def _latent(desk: Desk, app: App) -> tuple[Command, ...]:
    return (
        Command("Animate", lambda q, r: desk.toggle_play(), "Space", "Latent", 0, lambda: desk.latent.playing),
        Command("Next seed", lambda q, r: stepped(q, 1), "Right", "Latent", 1),
        Command("Previous seed", lambda q, r: stepped(q, -1), "Left", "Latent", 1),
        Command("Next row of seeds", lambda q, r: stepped(q, 100), "Down", "Latent", 1),
        Command("Previous row of seeds", lambda q, r: stepped(q, -100), "Up", "Latent", 1),
        Command("Cancel", lambda q, r: app.cancel(), "Esc", "Latent", 2),
    )


def _help(desk: Desk) -> tuple[Command, ...]:
    return (
        Command("Find a command", lambda q, r: desk.palette.open(), "Ctrl+P", "Help", also="Ctrl+Shift+P"),
        Command("Shortcuts", lambda q, r: desk.open_popup("Shortcuts"), "F1", "Help", also="?"),
        Command("First steps", lambda q, r: desk.greet(), "", "Help"),
        Command("Messages", lambda q, r: desk.status.open(), "", "Help"),
        Command("About", lambda q, r: desk.open_popup("About"), "", "Help", 1),
    )


def entries_of(desk: Desk, app: App, request: RenderRequest, result: RenderResult) -> list[Entry]:
    """What the palette finds."""
    found = [Entry(c.words, c.menu.replace("/", " › "), c.run, " / ".join(c.keys), c.reason(request, result))
             for c in desk.commands]
    found += [Entry(panel.title, "Panel", lambda q, r, t=panel.title: desk.show(t)) for panel in desk.panels
              if panel.title not in desk.in_menus]
    taps = result.info.taps if result.info else ()
    found += [Entry(tap.name, "Layer", lambda q, r, t=tap: look_at(q, t)) for tap in taps]
    found += [Entry(shown_name(path), "Demo", lambda q, r, p=path: opening(q, p))
              for path in (f"demo:{name}" for name in DEMOS)]
    return found + [Entry(shown_name(path), "Recent", lambda q, r, p=path: opening(q, p),
                          why_not=desk.recents.why_not(path)) for path in app.settings.recents]


def _save_table(desk: Desk, request: RenderRequest, result: RenderResult) -> None:
    if table := desk.table(request, result):
        desk.saver.render(of_table(request, table))
    else:
        desk.messages.say("Set up the mixing table in Style mixing first", error=True)


def _copy(desk: Desk, app: App, what: str, make: Callable[[], str]) -> None:
    """`make` may hash the network's file, so it is a job; the clipboard belongs to the frame loop."""
    def job() -> None:
        text = make()
        app.later(lambda: imgui.set_clipboard_text(text))
        desk.messages.say(f"Copied as {what}")
    desk.searches.run(f"copy as {what}", job)


def zoom(app: App, factor: float) -> None:
    window = app.window
    window.zoom = min(max(window.zoom * factor, 0.5), 3.0) if factor else 1.0
