"""Drives the real window: Xvfb, real mouse and key events, dropped files, screenshots; widgets are found by name."""
import atexit
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("Xvfb", "xdotool")


def require() -> None:
    """Skips the test where the window can't be driven."""
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing or not sys.platform.startswith("linux"):
        pytest.skip(f"driving the window needs {' and '.join(missing or ['Linux'])}")
    pytest.importorskip("Xlib", reason="driving the window needs python-xlib")


class Display:
    """An X server of its own, without a window manager."""

    def __init__(self, size="1280x800", dpi: int | None = None, options: tuple[str, ...] = ()):
        read, write = os.pipe()
        words = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp", *options]
        self._server = subprocess.Popen(words, pass_fds=(write,), stderr=subprocess.DEVNULL)
        atexit.register(self.close)
        os.close(write)
        with os.fdopen(read) as pipe:
            self.name = f":{pipe.readline().strip()}"
        self.size = tuple(map(int, size.split("x")))
        if dpi:
            self._set_resource(f"Xft.dpi:\t{dpi}\n")

    def _set_resource(self, text: str) -> None:
        """What `xrdb -merge` does; the server forgets it with its last client, so this one stays."""
        from Xlib import X, display
        self._client = display.Display(self.name)
        root, atom = self._client.screen().root, self._client.get_atom
        root.change_property(atom("RESOURCE_MANAGER"), atom("STRING"), 8, text.encode(), X.PropModeReplace)
        self._client.sync()

    def close(self) -> None:
        self._server.terminate()
        self._server.wait(10)


class Window:
    """Stylescope running on a display. Positions in a widget are shares of its rectangle, (0, 0) its upper left."""

    def __init__(self, display: Display, folder: Path, *arguments: str, entry: str = "visualizer.py",
                 first: bool = False, **environment: str):
        self.display, self.folder = display, folder
        self.captures = folder / "Pictures" / "Stylescope"
        settings = folder / "config" / "stylescope" / "window.json"
        if not first and not settings.exists():          # else the first steps are shown
            settings.parent.mkdir(parents=True, exist_ok=True)
            settings.write_text('{"greeted": true}')
        self._report = folder / "report.json"
        self._report.unlink(missing_ok=True)
        self._errors = open(folder / "stderr.txt", "w+")
        self._environment = {
            **os.environ, "DISPLAY": display.name, "STYLESCOPE_REPORT": str(self._report), "OMP_NUM_THREADS": "1",
            "XDG_CONFIG_HOME": str(folder / "config"), "XDG_DATA_HOME": str(folder / "data"),
            "XDG_CACHE_HOME": str(folder / "cache"), "XDG_STATE_HOME": str(folder / "state"),
            "XDG_PICTURES_DIR": str(folder / "Pictures"),
            "HOME": str(folder), "PYTHONPATH": str(ROOT), "WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "x11",
            **environment}
        self.process = subprocess.Popen([sys.executable, str(ROOT / entry), *arguments], cwd=ROOT,
                                        env=self._environment, stderr=self._errors)
        self.wait(lambda r: r["frame"] > 2, 30)
        self._at = (0, 0)
        self._focus()

    def _focus(self) -> None:
        """Without a window manager nobody else gives it the keys; while it is being mapped they can't be given."""
        for _ in range(50):
            self._xdotool("search", "--sync", "--all", "--pid", self.process.pid, "--name", "Stylescope$",
                          "windowfocus")
            time.sleep(0.1)
            if self.report().get("focused"):
                return
        pytest.fail("the window was not given the keys")

    # -- looking ------------------------------------------------------------------------------------------------------

    def report(self) -> dict:
        try:
            return json.loads(self._report.read_text())
        except (OSError, ValueError):
            return {"frame": 0, "widgets": {}, "hidden": {}}

    def wait(self, condition, seconds: float = 10) -> dict:
        """The first report for which `condition` holds; fails with what the window says otherwise."""
        end = time.monotonic() + seconds
        while True:
            report = self.report()
            try:
                if report["frame"] and condition(report):
                    return report
            except (KeyError, TypeError, IndexError):
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                told = ("frame", "mouse", "message", "error", "activity", "answered", "picture")
                said = {key: report.get(key) for key in told}
                pytest.fail(f"waited {seconds} s in vain; the window said {said}; standard error: {self.errors()!r}")
            time.sleep(0.02)

    def answered(self, seconds: float = 20) -> dict:
        """The report once the newest request is answered without an error."""
        return self.wait(lambda r: r["answered"] and not r["error"], seconds)

    def errors(self) -> str:
        return Path(self._errors.name).read_text()

    def rectangle(self, name: str) -> tuple[int, int, int, int]:
        return tuple(self.wait(lambda r: name in r["widgets"])["widgets"][name])

    def screenshot(self, path: Path) -> Path:
        """Of the whole display."""
        from PIL import Image
        from Xlib import X, display
        client = display.Display(self.display.name)
        raw = client.screen().root.get_image(0, 0, *self.display.size, X.ZPixmap, 0xFFFFFFFF)
        client.close()
        Image.frombytes("RGB", self.display.size, raw.data, "raw", "BGRX").save(path)
        return path

    # -- touching -----------------------------------------------------------------------------------------------------

    def _xdotool(self, *words) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def point(self, name: str, at: tuple[float, float] = (0.5, 0.5)) -> tuple[int, int]:
        x0, y0, x1, y1 = self.rectangle(name)
        return (min(round(x0 + at[0] * (x1 - x0)), x1 - 1), min(round(y0 + at[1] * (y1 - y0)), y1 - 1))

    def move(self, name: str, at=(0.5, 0.5)) -> None:
        """Moves the mouse and waits until the window has seen it there: it hovers before it clicks, as people do."""
        self._move_to(*self.point(name, at))

    def _move_to(self, x: int, y: int) -> None:
        self._xdotool("mousemove", x, y)
        self._at = x, y
        self.wait(lambda r: r["mouse"] == [x, y])

    def _sync(self) -> None:
        """Waits until everything sent so far was taken in: events keep their order, and a move shows in the report."""
        x, y = self._at
        self._move_to(x + (1 if x % 2 else -1), y)

    def _press(self) -> None:
        self._xdotool("mousedown", 1)
        self.wait(lambda r: r["pressed"])

    def _release(self) -> None:
        self._xdotool("mouseup", 1)
        self.wait(lambda r: not r["pressed"])

    def click(self, name: str, at=(0.5, 0.5), key: str = "") -> None:
        self.move(name, at)
        if key:
            self._xdotool("keydown", key)
            self._sync()
        self._press()
        self._release()
        if key:
            self._xdotool("keyup", key)
            self._sync()

    def double_click(self, name: str, at=(0.5, 0.5)) -> None:
        self.move(name, at)
        self._xdotool("click", "--repeat", 2, "--delay", 60, 1)
        self._sync()

    def drag(self, name: str, start=(0.5, 0.5), end=(0.5, 0.5), steps: int = 4) -> None:
        (x0, y0), (x1, y1) = self.point(name, start), self.point(name, end)
        self.move(name, start)
        self._press()
        for step in range(1, steps + 1):
            self._move_to(x0 + (x1 - x0) * step // steps, y0 + (y1 - y0) * step // steps)
        self._release()

    def scroll(self, name: str, steps: int, at=(0.5, 0.5)) -> None:
        """Up (towards larger) for positive steps."""
        self.move(name, at)
        self._xdotool("click", "--repeat", abs(steps), "--delay", 20, 4 if steps > 0 else 5)
        self._sync()

    def key(self, *keys: str) -> None:
        self._xdotool("key", "--delay", 30, *keys)
        self._sync()

    def fill(self, name: str, text: str, key: str = "Return") -> None:
        """Replaces what is in a text field and ends with `key`."""
        self.click(name)
        self._type(text, key)

    def type_into(self, name: str, text: str) -> None:
        """Ctrl+click turns a slider into a text field."""
        self.click(name, key="ctrl")
        self._type(text, "Return")

    def _type(self, text: str, key: str) -> None:
        """In place of what is in the field that was just clicked."""
        self.wait(lambda r: r["typing"])
        everything = (("keydown", "ctrl"), ("key", "a"), ("keyup", "ctrl"))
        for words in (*everything, ("type", "--delay", 10, text), ("key", key)):
            if words != ("key", ""):
                self._xdotool(*words)
                self._sync()

    def drop(self, path: Path, at: str = "Viewer/Canvas") -> None:
        """Drops a file on the window as a file manager would (the XDND protocol, version 5)."""
        drop_file(self.display.name, path, self.point(at))

    # -- the end ------------------------------------------------------------------------------------------------------

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def close(self, seconds: float = 20) -> int:
        """Asks it to quit as a person would; returns its exit status."""
        if self.process.poll() is None:
            self._xdotool("key", "--delay", 30, "Escape", "ctrl+q")
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._errors.close()


def drop_file(display_name: str, path: Path, position: tuple[int, int]) -> None:
    from Xlib import X, display
    from Xlib.protocol import event
    server = display.Display(display_name)
    root = server.screen().root
    atom = server.get_atom
    source = root.create_window(0, 0, 1, 1, 0, X.CopyFromParent)
    target = top_window(root, position)
    uri_list, selection = atom("text/uri-list"), atom("XdndSelection")
    source.set_selection_owner(selection, X.CurrentTime)

    def send(kind: str, *data: int) -> None:
        target.send_event(event.ClientMessage(window=target, client_type=atom(kind),
                                              data=(32, [source.id, *data] + [0] * (4 - len(data)))))
        server.flush()

    def until(condition) -> None:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            while server.pending_events():
                happened = server.next_event()
                if happened.type == X.SelectionRequest:
                    hand_over(happened)
                elif condition(happened):
                    return
            time.sleep(0.01)
        raise TimeoutError("the window did not answer the drop")

    def hand_over(wanted) -> None:
        wanted.requestor.change_property(wanted.property, wanted.target, 8, f"file://{quote(str(path))}\r\n".encode())
        wanted.requestor.send_event(event.SelectionNotify(time=wanted.time, requestor=wanted.requestor,
                                                          selection=wanted.selection, target=wanted.target,
                                                          property=wanted.property))
        server.flush()

    def answered(kind: str):
        return lambda e: e.type == X.ClientMessage and e.client_type == atom(kind)

    send("XdndEnter", 5 << 24, uri_list)
    send("XdndPosition", 0, position[0] << 16 | position[1], X.CurrentTime, atom("XdndActionCopy"))
    until(answered("XdndStatus"))
    send("XdndDrop", 0, X.CurrentTime)
    until(answered("XdndFinished"))
    server.close()


def top_window(root, position):
    """The window under a point of the screen."""
    for window in reversed(root.query_tree().children):
        g = window.get_geometry()
        if g.x <= position[0] < g.x + g.width and g.y <= position[1] < g.y + g.height and g.width > 10:
            return window
    raise LookupError(f"no window at {position}")
