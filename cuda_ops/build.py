"""The C++ kernels as one shared library: built once by the system's compiler, kept by hash, published atomically.

Import builds nothing. The first call of `library` may take seconds; it never runs on the window's thread.
"""
from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from functools import lru_cache
from pathlib import Path

import platformdirs

KERNELS = Path(__file__).parent / "kernels"
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-fopenmp", "-ffp-contract=fast", "-fno-math-errno", "-Wall")
SECONDS = 300                            # after which a build has failed
INSTALL = "install g++ or clang (Debian: `apt install g++`; macOS: `xcode-select --install`)"


class BuildError(RuntimeError):
    """The kernels could not be built. One line says why and what to do; `details` is what the compiler said."""

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


@lru_cache
def outcome() -> ctypes.CDLL | BuildError:
    """The loaded library, or why there is none. Built at most once a process, whether that went well or not."""
    try:
        return _load()
    except BuildError as error:
        return error


def _load() -> ctypes.CDLL:
    compiler = _compiler()
    path = cache_folder() / _file_name(compiler)
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:                  # cut short or of another system: built anew
            pass
    return _build(compiler, path)


def cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("stylescope", appauthor=False)) / "kernels"


def _compiler() -> str:
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise BuildError(f"no C++ compiler was found; {INSTALL} for the fused kernels")
    return found


def _file_name(compiler: str) -> str:
    """Of everything that the library depends on: sources, flags, compiler and this CPU's features."""
    digest = hashlib.sha256()
    for path in sorted(KERNELS.glob("*.[ch]*")):
        if path.suffix in (".cpp", ".h"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=20).stdout
    digest.update(repr((FLAGS, compiler, version, platform.machine(), _cpu_features())).encode())
    return f"cpu-{digest.hexdigest()[:20]}{sysconfig.get_config_var('SHLIB_SUFFIX') or '.so'}"


def _cpu_features() -> str:
    """What -march=native looks at, so that a cache shared by machines holds a library for each."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _build(compiler: str, path: Path) -> ctypes.CDLL:
    """In a folder of its own, so that two processes, or one that was killed, can't spoil each other's work."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="build-", dir=path.parent))
    except OSError:                      # a cache that can't be written: for this process only
        folder = Path(tempfile.mkdtemp(prefix="stylescope-build-"))
    try:
        built = _compile(compiler, folder, path.name)
        try:
            os.replace(built, path)
        except OSError:
            path = built
        return ctypes.CDLL(str(path))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _compile(compiler: str, folder: Path, name: str) -> Path:
    import ninja
    sources = sorted(KERNELS.glob("*.cpp"))
    objects = " ".join(f"{source.stem}.o" for source in sources)
    text = (f"rule cxx\n  command = {compiler} {' '.join(FLAGS)} -c $in -o $out\n"
            f"rule link\n  command = {compiler} -shared -fopenmp $in -o $out\n"
            + "".join(f"build {source.stem}.o: cxx {str(source).replace(' ', '$ ')}\n" for source in sources)
            + f"build {name}: link {objects}\n")
    (folder / "build.ninja").write_text(text)
    program = Path(ninja.BIN_DIR) / ("ninja.exe" if sys.platform == "win32" else "ninja")
    try:
        done = subprocess.run([str(program), "-C", str(folder)], capture_output=True, text=True, timeout=SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"the fused kernels could not be built: {error}") from error
    if done.returncode:
        raise BuildError(f"{Path(compiler).name} could not build the fused kernels; the reference runs instead",
                         done.stdout + done.stderr)
    return folder / name
