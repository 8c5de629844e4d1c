"""filtered_lrelu against its definition; its steps, its gradients, and that grouping channels changes nothing."""
from __future__ import annotations

import itertools

import direct_ops
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops import dispatch
from cuda_ops import filtered_lrelu as module
from cuda_ops.filtered_lrelu import filtered_lrelu, filtered_lrelu_steps

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7, torch.float16: 2.0 ** -10}


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def low_pass(*shape):
    """A smooth positive filter of sum 1."""
    f = torch.ones(())
    for size in shape:
        window = torch.hann_window(size + 2, periodic=False)[1:-1]
        f = f[..., None] * window
    return (f / f.sum()).float()


@pytest.mark.parametrize("up, down", [(1, 1), (2, 2), (4, 2), (2, 4), (2, 1), (1, 2), ((2, 4), (1, 2))], ids=str)
@pytest.mark.parametrize("radial", [False, True])
@pytest.mark.parametrize("clamp", [None, 0.5])
def test_definition(up, down, radial, clamp):
    x, b = numbers(2, 3, 9, 8), numbers(3, seed=1)
    fu = None if up == 1 else low_pass(12)
    fd = None if down == 1 else low_pass(12, 12) if radial else low_pass(12)
    for padding, flip in itertools.product([10, [11, 9, 8, 13]], [False, True]):
        arguments = (up, down, padding, 1.3, 0.1, clamp, flip)
        theirs = direct_ops.filtered_lrelu(x.numpy(), fu, fd, b.numpy(), *arguments)
        assert relative_error(filtered_lrelu(x, fu, fd, b, *arguments), theirs[2]) < 1e-13
        for ours, expected in zip(filtered_lrelu_steps(x, fu, fd, b, *arguments), theirs):
            assert relative_error(ours, expected) < 1e-13


def test_output_size():
    """(in*up + p0 + p1 - (fu-1) - (fd-1) + (down-1)) // down, per axis (spec)."""
    x = numbers(1, 1, 20, 17)
    for up, down, tu, td, (x0, x1, y0, y1) in [(2, 2, 12, 12, (9, 8, 9, 8)), (4, 2, 24, 12, (3, 4, 15, 0)),
                                               (2, 4, 12, 24, (12, 12, 13, 13))]:
        y = filtered_lrelu(x, low_pass(tu), low_pass(td), None, up, down, [x0, x1, y0, y1])
        assert y.shape[2:] == ((20 * up + y0 + y1 - (tu - 1) - (td - 1) + down - 1) // down,
                               (17 * up + x0 + x1 - (tu - 1) - (td - 1) + down - 1) // down)


def test_without_filters_it_is_bias_act():
    x, b = numbers(1, 4, 5, 5), numbers(4, seed=1)
    ours = filtered_lrelu(x, b=b, clamp=0.9)
    assert relative_error(ours, direct_ops.bias_act(x.numpy(), b.numpy(), "lrelu", clamp=0.9)) < 1e-14


@pytest.mark.parametrize("up, down, clamp", [(2, 2, None), (2, 1, 0.4), (1, 2, 0.4)])
def test_gradients_to_third_order(up, down, clamp):
    x, b = numbers(1, 2, 3, 3).requires_grad_(), numbers(2, seed=1).requires_grad_()
    fu, fd = (low_pass(4, 4) if up > 1 else None), (low_pass(3, 3) if down > 1 else None)

    def op(x, b):
        return filtered_lrelu(x, fu, fd, b, up, down, padding=3, clamp=clamp)

    assert gradcheck(op, (x, b))
    assert gradgradcheck(op, (x, b))
    curved = lambda x, b: torch.autograd.grad(op(x.sin(), b).square().sum(), (x, b), create_graph=True)  # noqa: E731
    assert gradgradcheck(curved, (x, b))


def test_no_gradient_where_clamped():
    x = torch.full((1, 1, 4, 4), 9.0, requires_grad=True)
    dx, = torch.autograd.grad(filtered_lrelu(x, clamp=1).sum(), x)
    assert not dx.any()


@pytest.mark.parametrize("channels", [16, 33, 47, 64])
def test_groups_of_channels_change_no_bit(channels):
    """Without gradients the reference runs large inputs a group of channels at a time; with them, all at once."""
    x, b = numbers(1, channels, 420, 400, dtype=torch.float32), numbers(channels, seed=1, dtype=torch.float32)
    arguments = (low_pass(12), low_pass(12, 12), b, 2, 2, 9)
    groups = module._group_count(x, up=2)
    assert groups == {16: 1, 33: 2, 47: 2, 64: 4}[channels]
    with dispatch.use("reference"):
        grouped = filtered_lrelu(x, *arguments)
        assert torch.equal(grouped, filtered_lrelu(x.requires_grad_(), *arguments).detach())


@pytest.mark.parametrize("dtype", EPS)
def test_precision_follows_the_dtype(dtype):
    """Rounded to the dtype: taps and result of four 1-D passes, bias, activation, gain; 11 times half an eps."""
    x, b = numbers(2, 4, 20, 20, dtype=dtype), numbers(4, seed=1, dtype=dtype)
    arguments = (low_pass(12), low_pass(12))
    ours = filtered_lrelu(x, *arguments, b, 2, 2, 9)
    assert ours.dtype == dtype
    theirs = direct_ops.filtered_lrelu(x.double().numpy(), *arguments, b.double().numpy(), 2, 2, 9,
                                       2 ** 0.5, 0.2, None, False)
    assert relative_error(ours, theirs[2]) < 5.5 * EPS[dtype]


@pytest.mark.parametrize("message, arguments", [
    (r"filtered_lrelu takes \[N, C, H, W\]", dict(x=torch.zeros(4, 4))),
    (r"filtered_lrelu takes float32 filters", dict(fd=torch.ones(3, dtype=torch.float64))),
    (r"bias of shape \[2\] does not fit 3 channels", dict(b=torch.zeros(2))),
    (r"smaller than the filter", dict(fu=torch.ones(12), padding=0)),
    (r"smaller than the filter", dict(fd=torch.ones(30))),
])
def test_errors_are_one_sentence(message, arguments):
    with pytest.raises((ValueError, TypeError), match=message):
        filtered_lrelu(**{"x": torch.zeros(1, 3, 4, 4)} | arguments)
