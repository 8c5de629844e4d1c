"""Where no window can be opened: one sentence that names the headless commands, exit status 1."""
import os
import subprocess
import sys

import driver
import pytest


def refused(display: str, **environment: str) -> str:
    """The one line on standard error."""
    driver.require()
    environment = {**os.environ, "DISPLAY": display, "WAYLAND_DISPLAY": "", "XDG_SESSION_TYPE": "x11", **environment}
    if not display:
        del environment["DISPLAY"]
    done = subprocess.run([sys.executable, "visualizer.py"], cwd=driver.ROOT, env=environment, capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 1
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in ("visualizer.py render", "info", "doctor"))
    return lines[0]


def test_without_a_display():
    assert "no display" in refused("")


def test_with_a_display_that_does_not_answer():
    assert "no display" in refused(":4242")


def test_without_glx():
    driver.require()
    display = driver.Display(options=("-extension", "GLX"))
    try:
        assert "OpenGL 3.3" in refused(display.name)
    finally:
        display.close()


def test_with_an_old_opengl(display):
    assert "OpenGL 3.3" in refused(display.name, MESA_GL_VERSION_OVERRIDE="2.1")


def test_the_doctor_is_told_the_same(monkeypatch):
    from gui import window
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("WAYLAND_DISPLAY", "")
    with pytest.raises(window.WindowError, match="no display"):
        window.probe()
