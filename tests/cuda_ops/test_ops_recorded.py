"""The ops against recorded numbers, values and gradients: the reference in float64, fused kernels in float32."""
from __future__ import annotations

import json

import pytest
import torch

from cuda_ops.bias_act import bias_act
from cuda_ops.filtered_lrelu import filtered_lrelu
from cuda_ops.upfirdn2d import upfirdn2d

# Relative. float64 data with float32 filters (reference README); in float32 the rounding of sums of at most 24²
# products, each of half an eps and at random, through three filters at most.
LIMITS = {torch.float64: 1e-9, torch.float32: 3 * 24 * torch.finfo(torch.float32).eps / 2}


@pytest.fixture(scope="module")
def data(reference):
    return reference("sg_ops.npz")


@pytest.fixture
def dtype(backend) -> torch.dtype:
    return torch.float64 if backend == "reference" else torch.float32


@pytest.fixture
def tensor(data, dtype):
    """`tensor(key)`: a recorded array as the backend computes it; filters stay float32."""
    def tensor(key, grad=False):
        if key not in data.files:
            return None
        x = torch.from_numpy(data[key])
        return (x if x.dtype == torch.float32 else x.to(dtype)).requires_grad_(grad)
    return tensor


def cases(data, op):
    found = json.loads(str(data[f"{op}.meta"]))
    assert found
    return found


def close(a, b) -> bool:
    assert a.shape == b.shape
    return ((a - b).double().norm() / b.double().norm()).item() < LIMITS[a.dtype]


def test_upfirdn2d(data, tensor):
    for case in cases(data, "upfirdn2d"):
        key = case["key"]
        x, f = tensor(f"{key}.x", grad=True), tensor(f"{key}.f")
        y = upfirdn2d(x, f, case["up"], case["down"], case["padding"], case["flip_filter"], case["gain"])
        dx, = torch.autograd.grad(y, x, tensor(f"{key}.dy"))
        assert close(y, tensor(f"{key}.y")), case
        assert close(dx, tensor(f"{key}.dx")), case


def test_bias_act(data, tensor):
    for case in cases(data, "bias_act"):
        key = case["key"]
        x, b, dy = tensor(f"{key}.x", grad=True), tensor(f"{key}.b", grad=True), tensor(f"{key}.dy")
        y = bias_act(x, b, act=case["act"], alpha=case["alpha"], gain=case["gain"], clamp=case["clamp"])
        dx, db = torch.autograd.grad(y, (x, b), dy, create_graph=True)
        assert close(y, tensor(f"{key}.y")), case
        assert close(dx, tensor(f"{key}.dx")), case
        assert close(db, tensor(f"{key}.db")), case
        if f"{key}.ddx" in data.files:
            expected = tensor(f"{key}.ddx")
            inner = (dx * tensor(f"{key}.v")).sum()
            ddx, = torch.autograd.grad(inner, x, materialize_grads=True)
            assert close(ddx, expected) if expected.any() else not ddx.any(), case


def test_filtered_lrelu(data, tensor):
    for case in cases(data, "filtered_lrelu"):
        key = case["key"]
        x, b = tensor(f"{key}.x", grad=True), tensor(f"{key}.b", grad=True)
        fu, fd = tensor(f"{key}.fu"), tensor(f"{key}.fd")
        y = filtered_lrelu(x, fu, fd, b, case["up"], case["down"], case["padding"], case["gain"], case["slope"],
                           case["clamp"], case["flip_filter"])
        dx, db = torch.autograd.grad(y, (x, b), tensor(f"{key}.dy"))
        assert close(y, tensor(f"{key}.y")), case
        assert close(dx, tensor(f"{key}.dx")), case
        assert close(db, tensor(f"{key}.db")), case
