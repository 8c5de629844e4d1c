"""The real window while kernels are compiled, and where they can't be: it says so, goes on, and shows a picture."""
import os
import shutil
import stat
import time
from pathlib import Path

import driver
import pytest

SAYS = "Compiling the fused kernels for this CPU, once"

# The window, with kernels compiled without optimising: quickly.
ENTRY = """\
import sys
import gui.app
import renderer.thread as thread
starting = thread._start_renderer
def start_renderer():
    render = starting()
    from cuda_ops import build
    build.FLAGS = (*build.FLAGS, "-O0")
    return render
thread._start_renderer = start_renderer
sys.exit(gui.app.run(sys.argv[1:]))
"""


@pytest.fixture
def start(display, checkpoints, tmp_path):
    """start(script): a window with no kernels yet, whose compiler is a shell script."""
    windows = []
    (tmp_path / "entry.py").write_text(ENTRY)

    def start(script: str) -> driver.Window:
        compiler = tmp_path / "a compiler"
        compiler.write_text(f"#!/bin/sh\n{script}\n")
        compiler.chmod(compiler.stat().st_mode | stat.S_IXUSR)
        folder = tmp_path / f"window {len(windows)}"
        folder.mkdir()
        windows.append(driver.Window(display, folder, str(checkpoints["stylegan2"]), entry=str(tmp_path / "entry.py"),
                                     CXX=f"'{compiler}'", STYLESCOPE_KERNELS=str(tmp_path / "kept")))
        return windows[-1]
    yield start
    for window in windows:
        if window.process.poll() is None:
            window.process.kill()


def runs(pid: str) -> bool:
    """Whether a process does; one that ended may wait for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def compiler() -> str:
    return shutil.which("g++") or pytest.skip("this machine has no g++")


def test_a_slow_compiler_is_spoken_of_and_waited_for_once(start, tmp_path):
    window = start(f'sleep 3; exec {compiler()} "$@"')
    window.wait(lambda r: r["activity"] == SAYS, 30)
    window.fill("Latent/Seed", "5")                                   # the window goes on; the build is not begun anew
    assert window.wait(lambda r: r["request"]["latent"]["x"] == 5)["activity"] == SAYS
    report = window.answered(120)
    assert report["request"]["latent"]["x"] == 5 and report["message"] == ""
    kept = os.listdir(tmp_path / "kept")
    assert len(kept) == 1 and kept[0].startswith("cpu-")
    assert window.close() == 0 and window.errors() == ""
    window = start("exit 1")                                          # it is there: no compiler is asked
    window.answered(60)
    assert window.report()["traces"] == [] and window.close() == 0


def test_a_window_closed_in_mid_build_waits_for_nothing(start, tmp_path):
    window = start("echo $$ >> " + f"'{tmp_path}/started'; exec sleep 100")
    window.wait(lambda r: r["activity"] == SAYS, 30)
    began = time.monotonic()
    assert window.close() == 0
    assert time.monotonic() - began < 15, "far below the compiler's 100 s"
    assert window.errors() == ""
    pids = (tmp_path / "started").read_text().split()
    assert len(pids) == 1, "no other build was begun"
    while time.monotonic() - began < 15 and runs(pids[0]):
        time.sleep(0.05)
    assert not runs(pids[0]), "its compiler is gone too"


def test_a_broken_compiler_is_reported_once(start):
    window = start("echo 'internal compiler error: this one is broken' >&2; exit 1")
    report = window.answered(60)
    assert "could not compile them" in report["message"] and "CXX" in report["message"]
    assert report["traces"] == [report["message"]], "its words are in the details"
    window.fill("Latent/Seed", "5")
    window.wait(lambda r: r["answered"] and r["request"]["latent"]["x"] == 5)
    assert len(window.report()["traces"]) == 1
    assert window.close() == 0 and window.errors() == ""
