"""The build of the C++ kernels by real processes: whatever happens to it ends in working ops and one plain line."""
from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cuda_ops import build

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 240                              # seconds for a process that may compile on a busy machine
SMALL = ("about.cpp", "bias_act.cpp", "vector.h")        # enough to build from, and quick
# Settles the kernels, runs an op on whatever there is, and says how it went. Arguments: assignments to cuda_ops.build.
PROGRAM = """\
import json, os, re, sys, torch
from cuda_ops import build, dispatch
from cuda_ops.bias_act import bias_act
build.KERNELS, build.FLAGS = build.Path(os.environ["SMALL_KERNELS"]), (*build.FLAGS, "-O0")
exec("\\n".join(f"build.{line}" for line in sys.argv[1:]))
library = build.outcome()
failed = isinstance(library, build.BuildError)
op = next(op for op in dispatch.status("cpu") if op.op == "bias_act")
maps = open("/proc/self/maps").read() if sys.platform.startswith("linux") else ""
y = bias_act(torch.tensor([[-1.0, 2.0]]), torch.ones(2), act="lrelu", gain=1)
print(json.dumps({"error": str(library) if failed else "", "about": "" if failed else build.about(library),
                  "backend": op.backend, "reasons": op.reasons, "details": op.details, "y": y.tolist(),
                  "runtimes": sorted(set(re.findall(r"/\\S.*/lib[a-z]*omp[^/\\n]*", maps)))}))
"""


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Path:
    """A folder of few kernels."""
    folder = tmp_path_factory.mktemp("small")
    for name in SMALL:
        shutil.copy(build.KERNELS / name, folder)
    os.environ["SMALL_KERNELS"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch, small):
    """A folder of kernels for the test alone, and nothing about compilers in the environment."""
    monkeypatch.setenv("STYLESCOPE_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("CXX", raising=False)
    return tmp_path / "kernels"


@pytest.fixture(scope="session")
def built(tmp_path_factory, small) -> Path:
    """A folder that holds the kernels."""
    folder = tmp_path_factory.mktemp("built")
    assert settle(STYLESCOPE_KERNELS=str(folder))["backend"] == "cpu"
    return folder


@pytest.fixture
def full_cache(own_cache, built) -> Path:
    shutil.copytree(built, own_cache)
    return own_cache


def start(*assignments: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, *assignments], cwd=ROOT, env={**os.environ, **environment},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def result(process: subprocess.Popen) -> dict:
    out, errors = process.communicate(timeout=LIMIT)
    assert process.returncode == 0 and not errors, (process.returncode, errors)
    found = json.loads(out)
    assert found["y"] == [[0, 3]]
    return found


def settle(*assignments: str, **environment: str) -> dict:
    return result(start(*assignments, **environment))


def libraries(folder: Path) -> list[Path]:
    """What is kept; nothing else may be there."""
    found = sorted(folder.iterdir())
    assert all(path.name.startswith("cpu-") for path in found), found
    return found


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def assert_reference(found: dict, *words: str) -> None:
    """The ops run on the reference and say in one line what, why and what to do."""
    assert found["backend"] == "reference" and found["error"] in found["reasons"][-1]
    assert found["error"].startswith("the fused C++ kernels could not be built: ") and "\n" not in found["error"]
    assert all(word in found["error"] for word in words), found["error"]


needs_compiler = pytest.mark.skipif(not any(map(shutil.which, build.COMPILERS)), reason="there is no C++ compiler here")


@needs_compiler
def test_built_once_and_found_again(full_cache, tmp_path):
    kept = libraries(full_cache)
    assert len(kept) == 1
    refusing = script(tmp_path / "refuse", f"touch '{tmp_path}/asked'; exit 1")
    found = settle(CXX=refusing, PATH="/nowhere")
    assert found["backend"] == "cpu" and str(kept[0]) in found["about"]
    assert not (tmp_path / "asked").exists(), "what is kept asks no compiler"


@needs_compiler
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_threads_are_those_of_pytorch(full_cache):
    """Two pools of threads on the same cores would wait for each other."""
    found = settle(OMP_NUM_THREADS="2")
    assert "any number of threads" in found["about"]
    assert len(found["runtimes"]) == 1 and "/torch" in found["runtimes"][0]


@needs_compiler
def test_names_with_spaces_and_signs(tmp_path):
    folder = tmp_path / "ein Ordner, 顔 $x: 'y'"
    compiler = tmp_path / "a compiler $(touch oops)"
    compiler.symlink_to(shutil.which("g++") or shutil.which("c++"))
    found = settle(STYLESCOPE_KERNELS=str(folder), CXX=f"'{compiler}' -DA='\"b c\"'")
    assert found["backend"] == "cpu" and len(libraries(folder)) == 1


@needs_compiler
def test_two_processes_at_once(own_cache):
    found = [result(process) for process in [start(), start()]]
    assert [f["backend"] for f in found] == ["cpu", "cpu"] and libraries(own_cache)


@needs_compiler
@pytest.mark.parametrize("spoil", [lambda data: data[:len(data) // 2], lambda data: b"", lambda data: b"garbage",
                                   lambda data: data[:5000] + bytes(len(data) - 5000)],
                         ids=["half", "empty", "garbage", "zeros"])
def test_a_spoilt_library_is_built_anew(full_cache, spoil):
    kept, = libraries(full_cache)
    whole = kept.read_bytes()
    kept.write_bytes(spoil(whole))
    assert settle()["backend"] == "cpu"
    assert whole in [path.read_bytes() for path in libraries(full_cache)]


@needs_compiler
@pytest.mark.parametrize("spoil", [lambda folder: folder.chmod(0o500), lambda folder: (folder.rmdir(), folder.touch())],
                         ids=["read-only", "a file in its place"])
def test_a_folder_that_cannot_be_written(own_cache, spoil):
    own_cache.mkdir()
    spoil(own_cache)
    if os.access(own_cache / "x", os.W_OK) or os.geteuid() == 0 and own_cache.is_dir():
        pytest.skip("root writes into read-only folders")
    found = settle()
    assert found["backend"] == "cpu" and "can't be written" in found["about"]


@needs_compiler
def test_a_deleted_cache_is_filled_again(full_cache):
    shutil.rmtree(full_cache)
    assert settle()["backend"] == "cpu" and libraries(full_cache)


@needs_compiler
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_a_killed_build_is_in_nobodys_way(own_cache, tmp_path):
    slow = script(tmp_path / "slow", f"touch '{tmp_path}/compiling'; sleep 60")
    process = start(CXX=slow)
    wait_for(lambda: (tmp_path / "compiling").exists())
    process.send_signal(signal.SIGKILL)
    process.wait()
    left, = own_cache.glob("build-*")
    assert settle()["backend"] == "cpu", "it is not in the way"
    assert left.exists(), "it could still be somebody's"
    long_ago = time.time() - 3 * build.SECONDS
    os.utime(left, (long_ago, long_ago))
    assert settle()["backend"] == "cpu"
    assert len(libraries(own_cache)) == 1, "it was cleaned away"


def wait_for(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.05)


def runs(pid: str) -> bool:
    """Whether a process does; one that ended may wait for whoever inherited it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


BROKEN = {"fails": ("echo 'g++: fatal error: no such thing' >&2; exit 1", "could not compile them", "no such thing"),
          "crashes": ("kill -SEGV $$", "could not compile them", ""),
          "makes garbage": ('while [ "$1" != -o ]; do shift; done; echo garbage > "$2"', "does not run", ""),
          "makes nothing": ("exit 0", "could not compile them", "")}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_compiler(case, own_cache, tmp_path):
    text, why, words = BROKEN[case]
    found = settle(CXX=script(tmp_path / "broken c++", text))
    assert_reference(found, "broken c++", why, "the environment variable CXX can name another compiler")
    assert words in found["details"] and found["details"]
    assert libraries(own_cache) == []


@needs_compiler
def test_a_compiler_whose_code_crashes(own_cache, tmp_path):
    """Tried out in a process of its own: here nothing crashes."""
    compiler = shutil.which("g++") or shutil.which("c++")
    (tmp_path / "crash.cpp").write_text('extern "C" int works() { __builtin_trap(); }')
    crashing = script(tmp_path / "crashing", f"""\
for last; do :; done
case "$*" in
    *-shared*) exec {compiler} -shared -fPIC -w '{tmp_path}/crash.cpp' -o "$last";;
    *) : > "$last";;
esac""")
    found = settle(CXX=crashing)
    assert_reference(found, "does not run")
    assert libraries(own_cache) == []


@pytest.mark.parametrize("ignores", ["", "trap '' TERM INT HUP; "])
def test_a_compiler_that_hangs(ignores, own_cache, tmp_path):
    hanging = script(tmp_path / "hanging", f"{ignores}echo $$ >> '{tmp_path}/pids'\nsleep 100\nexit 1")
    found = settle("TRIAL_SECONDS = 3", CXX=hanging)
    assert_reference(found, "hanging was not done after 3 s")
    if not ignores:
        pids = (tmp_path / "pids").read_text().split()
        assert not any(runs(pid) for pid in pids), "it was ended"


def test_no_compiler(own_cache):
    found = settle(PATH="/nowhere", CXX="nothing-of-this-name")
    assert_reference(found, "no C++ compiler was found", "install")
    assert found["details"] == ""


@needs_compiler
def test_no_ninja(own_cache):
    compiler = shutil.which("g++") or shutil.which("c++")
    found = settle("sys.modules['ninja'] = None", PATH="/nowhere", CXX=compiler)
    assert_reference(found, "ninja is missing", "pip install ninja")


@needs_compiler
def test_an_unforeseen_error_is_one_line_too(own_cache):
    found = settle("_ninja_file = None")
    assert_reference(found, "unexpected TypeError")
    assert "Traceback" in found["details"]


@needs_compiler
def test_sources_are_compiled_in_parallel(tmp_path, own_cache):
    """Each compile but those of the trial waits until another one runs beside it."""
    compiler = shutil.which("g++") or shutil.which("c++")
    meeting = script(tmp_path / "meeting", f"""\
cd '{tmp_path}' && mkdir -p running && cd - > /dev/null
case "$*" in *-shared*|*trial*) exec {compiler} "$@";; esac
touch '{tmp_path}'/running/$$
for i in $(seq 600); do [ $(ls '{tmp_path}/running' | wc -l) -ge 2 ] && exec {compiler} "$@"; sleep 0.1; done
exit 1""")
    assert settle(CXX=meeting)["backend"] == "cpu"


def test_waiting_can_be_given_up_and_the_build_goes_on(monkeypatch):
    """As the window does when it is closed, or another file is opened."""
    def slow():
        time.sleep(1)
        return "the library"

    def impatient():
        raise KeyboardInterrupt
    monkeypatch.setattr(build, "_outcome", None)
    monkeypatch.setattr(build, "_find_or_build", slow)
    with pytest.raises(KeyboardInterrupt):
        build.outcome(impatient)
    waits = []
    assert build.outcome(lambda: waits.append(1)) == "the library"
    assert waits
