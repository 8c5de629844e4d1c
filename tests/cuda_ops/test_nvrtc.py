"""NVRTC without a card: the kernels compile for every architecture, cubins are kept, failures are told."""
from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import pytest
import torch

from benchmarks.nvrtc import catalogue, of_types, resources
from cuda_ops import build, cuda_launch, dispatch, nvrtc
from cuda_ops.cuda_launch import Launch

FOUND = nvrtc.installed()
ARCHITECTURES = () if isinstance(FOUND, str) else FOUND[1]
needs_nvrtc = pytest.mark.skipif(isinstance(FOUND, str), reason=str(FOUND))
KERNEL = ("bias_act.cu", "bias_act<float, act::linear>", 75)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLESCOPE_KERNELS", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


@pytest.fixture
def compiles(monkeypatch):
    """The list of what was compiled so far; each takes no time."""
    made = []

    def compile_kernels(source, kernels, arch):
        made.append((source, kernels, arch))
        return nvrtc.Cubin(b"\x7fELF\n" + bytes(range(256)), {kernel: "_Z1k" for kernel in kernels}, "log")
    monkeypatch.setattr(nvrtc, "compile_kernels", compile_kernels)
    return made


def test_import_asks_for_nothing():
    """PyTorch itself may look for CUDA's packages when it is imported."""
    code = ("import sys, torch\n"
            "before = set(sys.modules)\n"
            "import cuda_ops, cuda_ops.nvrtc\n"
            "sys.exit(any(name.startswith('cuda.') for name in set(sys.modules) - before))")
    assert subprocess.run([sys.executable, "-c", code], cwd=build.KERNELS.parent.parent).returncode == 0


# --- compiling -------------------------------------------------------------------------------------------------------

@needs_nvrtc
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_a_kernel_of_each_source_compiles_for_each_architecture(arch):
    for source, kernels in catalogue().items():
        compiled = resources(source, of_types(kernels[-1:], ("half16",)), arch)
        assert len(compiled) == 1 and compiled[0].registers > 0


@needs_nvrtc
@pytest.mark.slow
@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("source", catalogue())
def test_every_kernel_keeps_to_registers_and_static_shared_memory(source, arch):
    names = of_types(catalogue()[source])
    compiled = resources(source, names, arch)
    assert {row.kernel for row in compiled} == set(names)
    for row in compiled:
        assert row.spilled_bytes == 0 and row.shared_bytes <= nvrtc.STATIC_SHARED_BYTES, row


@needs_nvrtc
def test_a_failed_compile_tells_the_compilers_words():
    with pytest.raises(build.BuildError, match=r"bias_act\.cu could not be compiled for sm_75") as error:
        nvrtc.compile_kernels("bias_act.cu", ("bias_act<float, act::unknown>",), 75)
    assert "unknown" in error.value.details and "error" in error.value.details


@needs_nvrtc
def test_architectures_start_at_7_5_and_serve_later_minor_versions():
    assert ARCHITECTURES[0] == 75 and all(arch >= 75 for arch in ARCHITECTURES)
    assert nvrtc.architecture((7, 5)) == 75 and nvrtc.architecture((9, 0)) == 90
    assert nvrtc.architecture((8, 5)) == 80                             # unknown to NVRTC, but 8.0's code runs there
    assert "7.0" in nvrtc.architecture((7, 0)) and "99.0" in nvrtc.architecture((99, 0))


# --- the cache -------------------------------------------------------------------------------------------------------

def test_a_cubin_is_compiled_once(cache, compiles):
    first, second = nvrtc.cubin(*KERNEL), nvrtc.cubin(*KERNEL)
    assert len(compiles) == 1 and (first.code, first.symbols) == (second.code, second.symbols)
    assert nvrtc.cubin(KERNEL[0], KERNEL[1], 90) and nvrtc.cubin(KERNEL[0], "other", 75) and len(compiles) == 3
    assert len(list(cache.iterdir())) == 3                              # and nothing half-done beside them


def test_a_changed_source_is_compiled_anew(cache, compiles, tmp_path, monkeypatch):
    nvrtc.cubin(*KERNEL)
    sources = tmp_path / "sources"
    sources.mkdir()
    for path in nvrtc.KERNELS.glob("*.cu*"):
        (sources / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(nvrtc, "KERNELS", sources)
    nvrtc.cubin(*KERNEL)
    assert len(compiles) == 1
    with open(sources / "numbers.cuh", "a") as file:
        file.write("// changed\n")
    nvrtc.cubin(*KERNEL)
    assert len(compiles) == 2


@pytest.mark.parametrize("damage", [lambda b: b"", lambda b: b[:-1], lambda b: b[:40],
                                    lambda b: b[:60] + b"x" + b[61:]], ids=["empty", "short", "head", "changed"])
def test_a_damaged_file_is_made_anew(cache, compiles, damage):
    whole = nvrtc.cubin(*KERNEL)
    path, = cache.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert nvrtc.cubin(*KERNEL).code == whole.code and len(compiles) == 2
    assert nvrtc.cubin(*KERNEL).code == whole.code and len(compiles) == 2


def test_a_cache_that_cannot_be_written(tmp_path, compiles, monkeypatch):
    (tmp_path / "file").write_text("in the way of a folder")
    monkeypatch.setenv("STYLESCOPE_KERNELS", str(tmp_path / "file"))
    assert nvrtc.cubin(*KERNEL).code == nvrtc.cubin(*KERNEL).code and len(compiles) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes into read-only folders")
def test_a_read_only_cache(cache, compiles):
    cache.mkdir()
    cache.chmod(0o500)
    assert nvrtc.cubin(*KERNEL).code and list(cache.iterdir()) == []


def test_threads_that_make_the_same_cubin(cache, compiles):
    """Each publishes a whole file; none waits for another."""
    results = []
    threads = [threading.Thread(target=lambda: results.append(nvrtc.cubin(*KERNEL).code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1 and len(results) == 8 and len(list(cache.iterdir())) == 1


# --- what is said ----------------------------------------------------------------------------------------------------

class OnCard:
    """What why_not asks of a tensor on a card."""
    device, dtype = torch.device("cuda", 0), torch.float32


def test_reasons(monkeypatch):
    assert "cpu" in nvrtc.why_not(torch.zeros(1))
    assert "float64" in cuda_launch.why_not(torch.zeros(1, dtype=torch.float64))
    monkeypatch.setattr(nvrtc, "_architecture", lambda device: "NVRTC was not found; install it")
    assert nvrtc.why_not(OnCard) == "NVRTC was not found; install it"
    monkeypatch.setattr(nvrtc, "_architecture", lambda device: 75)
    assert nvrtc.why_not(OnCard) == ""


def test_without_the_packages_the_reason_is_one_line():
    code = ("import sys; sys.modules['cuda'] = None\n"
            "from cuda_ops import nvrtc\n"
            "print(nvrtc.architecture((9, 0)))")
    done = subprocess.run([sys.executable, "-c", code], cwd=build.KERNELS.parent.parent, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == 1 and "NVRTC was not found" in done.stdout and "pip" in done.stdout


def test_a_failure_is_met_once(cache, monkeypatch):
    """The launch raises; from then on the reference runs, and the reason carries the compiler's words."""
    def broken(source, kernels, arch):
        raise build.BuildError(f"{source} could not be compiled for sm_{arch}", "error: expected a ;")
    monkeypatch.setattr(nvrtc, "compile_kernels", broken)
    monkeypatch.setattr(nvrtc, "_architecture", lambda device: 75)
    monkeypatch.setattr(nvrtc, "_failure", None)
    nvrtc._kernel.cache_clear()
    with pytest.raises(build.BuildError):
        nvrtc._kernel(*KERNEL)
    reason = nvrtc.why_not(OnCard)
    assert reason == "bias_act.cu could not be compiled for sm_75" and "expected a ;" in reason.details
    assert isinstance(reason, dispatch.Reason)


# --- launching -------------------------------------------------------------------------------------------------------

@needs_nvrtc
def test_arguments_reach_the_driver_as_the_kernels_declare_them():
    """The memory that cuda.core hands to the driver: a pointer of 8 bytes, 32-bit ints and floats."""
    from cuda.core._kernel_arg_handler import ParamHolder
    x = torch.zeros(3)
    values = [nvrtc._c_value(v) for v in (x, None, -7, 1.5, True)]
    held = ParamHolder(values)
    places = ctypes.cast(held.ptr, ctypes.POINTER(ctypes.c_void_p))
    types = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_int32, ctypes.c_float, ctypes.c_int32)
    passed = [ctypes.cast(places[i], ctypes.POINTER(t))[0] for i, t in enumerate(types)]
    assert passed == [x.data_ptr(), 0, -7, 1.5, 1]
    with pytest.raises(ValueError, match="32 bits"):
        nvrtc._c_value(2 ** 31)


def test_a_grid_without_blocks_is_not_launched():
    class Runner:
        def why_not(self, x):
            return ""

        def launch(self, x, record):
            raise AssertionError("launched")
    before = cuda_launch.set_runner(Runner())
    try:
        cuda_launch.launch(torch.zeros(0), Launch("bias_act.cu", "bias_act<float>", (0, 1, 1), (256, 1, 1), ()))
    finally:
        cuda_launch.set_runner(before)
