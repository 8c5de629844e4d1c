"""Who computes an op: the order of preference, forced choices, reasons, and that a choice stays in its thread."""
from __future__ import annotations

import subprocess
import sys
import threading
from concurrent import futures
from pathlib import Path

import pytest
import torch

from cuda_ops import build, dispatch, native
from cuda_ops.bias_act import bias_act
from cuda_ops.dispatch import BackendError
from cuda_ops.filtered_lrelu import filtered_lrelu
from cuda_ops.modulated_conv2d import modulated_conv2d
from cuda_ops.upfirdn2d import setup_filter, upfirdn2d

X = torch.ones(1, 2, 4, 4)


@pytest.fixture
def bare(monkeypatch):
    """Ops without fused kernels."""
    candidates = {op: {"reference": found["reference"]} for op, found in dispatch._candidates.items()}
    monkeypatch.setattr(dispatch, "_candidates", candidates)
    return candidates


@pytest.mark.parametrize("op, run", [("upfirdn2d", lambda: upfirdn2d(X, None)), ("bias_act", lambda: bias_act(X)),
                                     ("filtered_lrelu", lambda: filtered_lrelu(X))])
def test_forced_backend_says_why_it_cannot(op, run, bare):
    for backend, kernel in (("cuda", "fused CUDA kernel"), ("cpu", "fused C\\+\\+ kernel")):
        with dispatch.use(backend), pytest.raises(BackendError) as caught:
            run()
        assert caught.match(f"{op} cannot run on backend '{backend}': no {kernel} for this op in this version")


def test_a_forced_backend_runs_or_says_what_the_tensor_lacks():
    with dispatch.use("cuda"), pytest.raises(BackendError, match="bias_act cannot run on backend 'cuda': .*on cpu"):
        bias_act(X)
    with dispatch.use("cpu"), pytest.raises(BackendError, match="no fused C.. kernel computes in float64"):
        bias_act(X.double())
    if not native.why_not(X):
        with dispatch.use("cpu"):
            assert torch.equal(bias_act(X, gain=2), X * 2)


def test_a_failed_build_is_the_reason_with_the_compilers_words(monkeypatch):
    failed = futures.Future()
    failed.set_result(build.BuildError("no C++ compiler was found", "g++: what it said"))
    monkeypatch.setattr(build, "_outcome", failed)
    op = next(op for op in dispatch.status("cpu") if op.op == "bias_act")
    assert op.backend == "reference" and op.reasons[-1] == "cpu: no C++ compiler was found"
    assert op.details == "g++: what it said"
    assert torch.equal(bias_act(X, gain=2), X * 2)
    with dispatch.use("cpu"), pytest.raises(BackendError, match="'cpu': no C.. compiler was found"):
        bias_act(X)


def test_forced_backend_reaches_the_ops_within_ops():
    with dispatch.use("cuda"), pytest.raises(BackendError, match="on backend 'cuda'"):
        modulated_conv2d(X, torch.ones(2, 2, 3, 3), torch.ones(1, 2), up=2, resample_filter=setup_filter([1, 3, 3, 1]))


def test_reference_can_be_forced():
    with dispatch.use("reference"):
        assert torch.equal(bias_act(X, gain=2), X * 2)


def test_context_restores():
    assert dispatch.current() == "auto"
    with dispatch.use("reference"):
        with pytest.raises(RuntimeError), dispatch.use("cuda"):
            raise RuntimeError
        assert dispatch.current() == "reference"
        with dispatch.use("auto"):
            assert dispatch.current() == "auto"
    assert dispatch.current() == "auto"


def test_unknown_backend():
    with pytest.raises(ValueError, match="'tpu' is not one of auto, cuda, cpu, reference"), dispatch.use("tpu"):
        pass


def test_threads_do_not_share_a_choice():
    seen = {}
    both_inside = threading.Barrier(2, timeout=10)

    def work(name):
        with dispatch.use(name):
            both_inside.wait()
            seen[name] = dispatch.current()
            both_inside.wait()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("reference", "cuda")]
    with dispatch.use("cpu"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert dispatch.current() == "cpu"
    assert seen == {"reference": "reference", "cuda": "cuda"}


def test_status_names_every_op_and_reason(bare):
    status = dispatch.status("cpu")
    assert {"bias_act", "filtered_lrelu", "upfirdn2d"} <= {s.op for s in status}
    assert [s.op for s in status] == sorted(bare)
    for s in status:
        assert s.backend == "reference" and s.details == ""
        assert s.reasons == ("cuda: no fused CUDA kernel for this op in this version",
                             "cpu: no fused C++ kernel for this op in this version")


@pytest.fixture
def small_only(bare):
    """A 'cuda' candidate of upfirdn2d that runs on one pixel only and counts its runs."""
    runs = []

    @dispatch.register("upfirdn2d", "cuda", why_not=lambda x: "" if x.shape[2:] == (1, 1) else "more than one pixel")
    def run(x, f, up, down, padding):
        runs.append(x.shape)
        return bare["upfirdn2d"]["reference"].run(x, f, up, down, padding)

    return runs


def test_preferred_candidate_runs_where_it_can(small_only):
    upfirdn2d(X, None)
    assert not small_only
    upfirdn2d(X[:, :, :1, :1], None)
    assert len(small_only) == 1
    assert ("upfirdn2d", "cuda", (), "") in dispatch.status("cpu")
    with dispatch.use("reference"):
        upfirdn2d(X[:, :, :1, :1], None)
    assert len(small_only) == 1
    with dispatch.use("cuda"), pytest.raises(BackendError, match="'cuda': more than one pixel"):
        upfirdn2d(X, None)


@pytest.mark.parametrize("backend, runs", [("reference", 0), ("cuda", 2), ("auto", 2)])
def test_backward_keeps_the_choice_of_forward(small_only, backend, runs):
    """Whatever thread autograd runs it in: a gradient forced onto a backend stays there."""
    x = torch.ones(1, 1, 1, 1, requires_grad=True)
    with dispatch.use(backend):
        y = upfirdn2d(x, None)
    thread = threading.Thread(target=lambda: y.backward(torch.ones(1, 1, 1, 1)))
    thread.start()
    thread.join()
    assert x.grad.item() == 1
    assert len(small_only) == runs


def test_import_builds_and_probes_nothing():
    """Importing the package starts no process, opens no device and finishes without CUDA being touched."""
    code = ("import sys, subprocess, torch\n"
            "def refuse(*a, **k): raise AssertionError('import touched it')\n"
            "subprocess.Popen.__init__ = refuse; torch.cuda.is_available = refuse; torch.cuda.init = refuse\n"
            "torch.cuda.device_count = refuse\n"
            "import cuda_ops, cuda_ops.dispatch\n"
            "assert not torch.cuda.is_initialized()\n"
            "assert 'torch.utils.cpp_extension' not in sys.modules\n")
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=120)
