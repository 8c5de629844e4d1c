"""The C++ kernels as one shared library: built once by the system's compiler, kept by content, published atomically.

Import builds nothing. A build takes seconds; it runs in a thread of its own, once a process, and never fails loudly:
whatever goes wrong becomes a BuildError, and the reference runs. There are no locks: a library is kept under the hash
of what it was made from and of what it must contain, so that whoever finds a file knows that it is whole.
"""
from __future__ import annotations

import atexit
import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import NamedTuple

import platformdirs

KERNELS = Path(__file__).parent / "kernels"
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-ffp-contract=fast", "-fno-math-errno", "-Wall", "-Wno-unknown-pragmas",
         "-Wno-psabi",                   # vectors wider than the CPU's registers never leave a file
         *(("-march=native",) if platform.machine().lower() in ("x86_64", "amd64") else ()))   # ARM has NEON anyhow
WINDOWS = sys.platform == "win32"
SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")
COMPILERS = ("clang++", "g++") if WINDOWS else ("g++", "c++", "clang++")
INSTALL = ("install clang++ or g++ and put it on PATH" if WINDOWS else
           "install g++ (Debian, Ubuntu: `apt install g++`; Fedora: `dnf install gcc-c++`; "
           "macOS: `xcode-select --install`)")
TRIAL_SECONDS, SECONDS = 30, 300         # after which the trial of a compiler, and a build, have failed
TRIAL = ("import ctypes, sys\n"
         "for path in sys.argv[1:]: library = ctypes.CDLL(path)\n"
         "sys.exit(not library.works())")


class BuildError(RuntimeError):
    """There are no kernels. One line says why and what to do; `details` is what the compiler said."""

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


class OpenMP(NamedTuple):
    """How kernels get threads: code for OpenMP, and its runtime, which has to be the one that PyTorch has loaded."""
    flags: tuple[str, ...] = ()
    runtime: str = ""


# -- the library ------------------------------------------------------------------------------------------------------

_beginning = threading.Lock()
_ending = threading.Event()              # of the program
_outcome: futures.Future | None = None


def outcome(waiting: Callable[[], None] | None = None) -> ctypes.CDLL | BuildError:
    """The loaded library, or why there is none: settled once a process, whether that goes well or not.

    While it is being built `waiting` is called ten times a second; it may raise to end the waiting, not the build.
    """
    global _outcome
    with _beginning:
        if _outcome is None:
            _outcome = futures.Future()
            threading.Thread(target=_settle, args=(_outcome,), name="build", daemon=True).start()
    while waiting and not _outcome.done():
        futures.wait([_outcome], timeout=0.1)
        waiting()
    return _outcome.result()


def about(library: ctypes.CDLL) -> str:
    """'GCC 12.2.0, AVX-512, any number of threads; /home/../cpu-1234-5678.so'."""
    library.about.restype = ctypes.c_char_p
    place = Path(library._name)
    kept = place if place.exists() else f"compiled at every start, because {cache_folder()} can't be written"
    return f"{library.about().decode()}; {kept}"


def cache_folder() -> Path:
    """Where libraries are kept; STYLESCOPE_KERNELS names another folder, as one for many tests to share."""
    chosen = os.environ.get("STYLESCOPE_KERNELS")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("stylescope", appauthor=False)) / "kernels"


def find_compiler() -> list[str]:
    """The words that start the C++ compiler: $CXX, or the first known one on PATH. Raises BuildError."""
    chosen = os.environ.get("CXX", "")
    for words in ([chosen], shlex.split(chosen), *([name] for name in COMPILERS)):
        if words and words[0] and (path := shutil.which(words[0])):
            return [path, *words[1:]]
    raise BuildError(f"no C++ compiler was found; {INSTALL}")


def _settle(future: futures.Future) -> None:
    try:
        result = _find_or_build()
    except Exception as error:
        words = str(error) if isinstance(error, BuildError) else f"unexpected {type(error).__name__}: {error}"
        result = BuildError("the fused C++ kernels could not be built: " + " ".join(words.split()),
                            error.details if isinstance(error, BuildError) else traceback.format_exc())
    _sweep()
    future.set_result(result)


def _find_or_build() -> ctypes.CDLL:
    """With threads if there is such a library or a compiler for it, else without."""
    failure = None
    for openmp in _openmp():
        key = _key(openmp)
        if (library := _kept(key)) is not None:
            return library
        try:
            return _build(key, openmp)
        except BuildError as error:
            failure = failure or error   # without threads it will hardly be another one
    raise failure


def _openmp() -> Iterator[OpenMP]:
    import torch
    if sys.platform == "darwin":
        runtime = Path(torch.__file__).parent / "lib" / "libomp.dylib"
        if runtime.exists():             # Apple's compiler has OpenMP's code without its runtime and header
            yield OpenMP(("-Xpreprocessor", "-fopenmp"), str(runtime))
    elif sys.platform.startswith("linux"):
        found = re.search(r"/\S.*/lib(gomp|i?omp)[^/\n]*\.so[^/\n]*$", Path("/proc/self/maps").read_text(), re.M)
        if found:
            yield OpenMP(("-fopenmp",), found[0])
    yield OpenMP()


# -- what is kept -----------------------------------------------------------------------------------------------------

def _key(openmp: OpenMP) -> str:
    """Of everything that a library must fit: sources, flags, the runtime of its threads and this CPU's features."""
    digest = hashlib.sha256()
    for path in sorted([*KERNELS.glob("*.cpp"), *KERNELS.glob("*.h")]):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(repr((FLAGS, openmp, platform.system(), platform.machine(), _cpu_features())).encode())
    return digest.hexdigest()[:20]


def _cpu_features() -> str:
    """What -march=native looks at, so that a cache shared by machines holds a library for each."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


def _kept(key: str) -> ctypes.CDLL | None:
    """To load a library that was cut short may end the process, so only whole ones are."""
    for path in cache_folder().glob(f"cpu-{key}-*{SUFFIX}"):
        try:
            if path.stem.endswith(_hash(path)):
                return ctypes.CDLL(str(path))
        except OSError:
            pass                         # it can't be read, or not be loaded: built anew
    return None


def _sweep() -> None:
    """Removes what builds that were killed have left: folders older than any build that may still run."""
    for folder in cache_folder().glob("build-*"):
        try:
            if time.time() - folder.stat().st_mtime > 2 * SECONDS:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            pass                         # another process was quicker


# -- building ---------------------------------------------------------------------------------------------------------

def _build(key: str, openmp: OpenMP) -> ctypes.CDLL:
    """In a folder of its own, so that two processes, or one that was killed, can't spoil each other's work."""
    compiler = find_compiler()
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=cache_folder()))
    except OSError:                      # a cache that can't be written: for this process only
        folder = Path(tempfile.mkdtemp(prefix="stylescope-build-"))
    try:
        _compile(compiler, openmp, [KERNELS / "about.cpp"], folder / f"trial{SUFFIX}", TRIAL_SECONDS)
        built = _compile(compiler, openmp, sorted(KERNELS.glob("*.cpp")), folder / f"cpu{SUFFIX}", SECONDS)
        path = cache_folder() / f"cpu-{key}-{_hash(built)}{SUFFIX}"
        try:
            os.replace(built, path)
        except OSError:
            path = built
        return ctypes.CDLL(str(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compile(compiler: list[str], openmp: OpenMP, sources: list[Path], library: Path, seconds: float) -> Path:
    """`library`, compiled in parallel and tried out. Raises BuildError."""
    library.with_suffix(".ninja").write_text(_ninja_file(compiler, openmp, sources, library.name), "utf-8")
    name, folder = Path(compiler[0]).name, library.parent
    failed, words = _run([_ninja(), "-C", str(folder), "-f", f"{library.stem}.ninja"], folder / "log.txt", seconds)
    if failed is None:
        raise BuildError(f"{name} was not done after {seconds} s; the environment variable CXX can name another "
                         "compiler", words)
    if failed or not library.exists():
        raise BuildError(f"{name} could not compile them; the environment variable CXX can name another compiler",
                         words)
    runtime = [openmp.runtime] if openmp.runtime else []
    failed, words = _run([sys.executable, "-I", "-S", "-c", TRIAL, *runtime, str(library)], folder / "log.txt",
                         TRIAL_SECONDS)
    if failed or failed is None:
        raise BuildError(f"what {name} made of them does not run; the environment variable CXX can name another "
                         "compiler", words or f"exit status {failed}")
    return library


def _ninja() -> str:
    try:
        import ninja
        program = Path(ninja.BIN_DIR) / ("ninja.exe" if WINDOWS else "ninja")
        if program.exists():
            return str(program)
    except ImportError:
        pass
    found = shutil.which("ninja")
    if not found:
        raise BuildError("ninja is missing; install it with `pip install ninja`, or `make run`")
    return found


def _ninja_file(compiler: list[str], openmp: OpenMP, sources: list[Path], library: str) -> str:
    def command(*words: str) -> str:
        return (subprocess.list2cmdline(words) if WINDOWS else shlex.join(words)).replace("$", "$$")

    def path(text: str) -> str:
        return re.sub(r"([$ :])", r"$\1", text)

    objects = [f"{library}-{source.stem}.o" for source in sources]
    runtime = [openmp.runtime, f"-Wl,-rpath,{Path(openmp.runtime).parent}"] if openmp.runtime else []
    return "\n".join((
        "rule compile", f"  command = {command(*compiler, *FLAGS, *openmp.flags)} -c $in -o $out",
        "rule link", f"  command = {command(*compiler, '-shared')} $in {command(*runtime)} -o $out",
        *(f"build {path(o)}: compile {path(str(source))}" for o, source in zip(objects, sources)),
        f"build {path(library)}: link {' '.join(map(path, objects))}", ""))


def _run(words: list[str], log: Path, seconds: float) -> tuple[int | None, str]:
    """(exit status, what it said); None: it was stopped after `seconds`.

    It speaks into a file: a grandchild that outlives it would hold a pipe open, and whoever reads that.
    """
    if _ending.is_set():
        raise BuildError("the program was ending")
    with open(log, "wb") as file:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        end = atexit.register(partial(_end, process))        # a window that is closed waits for no build
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = None
            _stop(process)
        finally:
            atexit.unregister(end)
    return status, log.read_text("utf-8", errors="replace").strip()


def _end(process: subprocess.Popen) -> None:
    """Of the program: what waits for the process must not begin another."""
    _ending.set()
    process.terminate()


def _stop(process: subprocess.Popen) -> None:
    """Ninja passes a termination on to the compilers it runs; if they ignore it, they are left behind."""
    process.terminate()
    try:
        process.wait(2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
