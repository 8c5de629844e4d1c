"""The ops against recorded numbers: values and gradients in float64, relative error below 1e-9."""
from __future__ import annotations

import json

import pytest
import torch

from cuda_ops.bias_act import bias_act
from cuda_ops.filtered_lrelu import filtered_lrelu
from cuda_ops.upfirdn2d import upfirdn2d

LIMIT = 1e-9                                         # float64 data, float32 filters (reference README)


@pytest.fixture(scope="module")
def data(reference):
    return reference("sg_ops.npz")


def cases(data, op):
    found = json.loads(str(data[f"{op}.meta"]))
    assert found
    return found


def tensor(data, key, grad=False):
    return torch.from_numpy(data[key]).requires_grad_(grad) if key in data.files else None


def error(a, b):
    assert a.shape == b.shape
    return ((a - b).norm() / b.norm()).item()


def test_upfirdn2d(data):
    for case in cases(data, "upfirdn2d"):
        key = case["key"]
        x, f = tensor(data, f"{key}.x", grad=True), tensor(data, f"{key}.f")
        y = upfirdn2d(x, f, case["up"], case["down"], case["padding"], case["flip_filter"], case["gain"])
        dx, = torch.autograd.grad(y, x, tensor(data, f"{key}.dy"))
        assert error(y, tensor(data, f"{key}.y")) < LIMIT, case
        assert error(dx, tensor(data, f"{key}.dx")) < LIMIT, case


def test_bias_act(data):
    for case in cases(data, "bias_act"):
        key = case["key"]
        x, b, dy = tensor(data, f"{key}.x", grad=True), tensor(data, f"{key}.b", grad=True), tensor(data, f"{key}.dy")
        y = bias_act(x, b, act=case["act"], alpha=case["alpha"], gain=case["gain"], clamp=case["clamp"])
        dx, db = torch.autograd.grad(y, (x, b), dy, create_graph=True)
        assert error(y, tensor(data, f"{key}.y")) < LIMIT, case
        assert error(dx, tensor(data, f"{key}.dx")) < LIMIT, case
        assert error(db, tensor(data, f"{key}.db")) < LIMIT, case
        if f"{key}.ddx" in data.files:
            expected = tensor(data, f"{key}.ddx")
            inner = (dx * tensor(data, f"{key}.v")).sum()
            ddx = torch.autograd.grad(inner, x)[0] if inner.requires_grad else torch.zeros_like(x)
            assert error(ddx, expected) < LIMIT if expected.any() else not ddx.any(), case


def test_filtered_lrelu(data):
    for case in cases(data, "filtered_lrelu"):
        key = case["key"]
        x, b = tensor(data, f"{key}.x", grad=True), tensor(data, f"{key}.b", grad=True)
        fu, fd = tensor(data, f"{key}.fu"), tensor(data, f"{key}.fd")
        y = filtered_lrelu(x, fu, fd, b, case["up"], case["down"], case["padding"], case["gain"], case["slope"],
                           case["clamp"], case["flip_filter"])
        dx, db = torch.autograd.grad(y, (x, b), tensor(data, f"{key}.dy"))
        assert error(y, tensor(data, f"{key}.y")) < LIMIT, case
        assert error(dx, tensor(data, f"{key}.dx")) < LIMIT, case
        assert error(db, tensor(data, f"{key}.db")) < LIMIT, case
