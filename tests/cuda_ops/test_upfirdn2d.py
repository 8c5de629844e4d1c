"""upfirdn2d against its definition, its adjoint, and what it must refuse."""
from __future__ import annotations

import itertools

import direct_ops
import numpy as np
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops.upfirdn2d import downsample2d, filter2d, setup_filter, upfirdn2d, upsample2d

EPS = {torch.float64: 2.0 ** -52, torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7, torch.float16: 2.0 ** -10}
FACTORS = [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 2), (2, 3), (3, 2), (4, 2), (2, 4), (6, 4)]


def image(h=7, w=6, n=2, c=3, dtype=torch.float64, seed=0):
    return torch.randn(n, c, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def taps(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("up, down", FACTORS)
@pytest.mark.parametrize("shape", [(), (1,), (5,), (12,), (4, 4), (3, 5), (1, 2)])
def test_definition(up, down, shape):
    """Every factor and filter, with paddings that centre, overhang, crop and differ on all four sides."""
    x, f = image(), taps(*shape) if shape else None
    for padding, flip in itertools.product([6, [6, 7], [9, 4, 5, 8], [-2, 13, 14, -3]], [False, True]):
        ours = upfirdn2d(x, f, up, down, padding, flip, gain=1.7)
        assert relative_error(ours, direct_ops.upfirdn2d(x.numpy(), f, up, down, padding, flip, 1.7)) < 1e-14


@pytest.mark.parametrize("up", [(1, 2), (2, 1), (3, 2)])
@pytest.mark.parametrize("down", [(1, 1), (2, 1), (1, 3), (2, 2)])
def test_factors_per_axis(up, down):
    x = image(8, 7)
    for f in (taps(4), taps(2, 5)):
        ours = upfirdn2d(x, f, up, down, padding=[3, 2, 1, 4])
        assert relative_error(ours, direct_ops.upfirdn2d(x.numpy(), f, up, down, [3, 2, 1, 4])) < 1e-14


@pytest.mark.parametrize("up, down, padding", [(1, 1, [-6, 8, 9, 1]), (2, 1, [-30, 40, 0, 0]), (2, 3, [30, -12, 4, 4])])
def test_window_beside_the_image_sees_zeros(up, down, padding):
    x, f = image(6, 6), torch.ones(2, 2)
    ours = upfirdn2d(x, f, up, down, padding)
    np.testing.assert_array_equal(ours, direct_ops.upfirdn2d(x.numpy(), f, up, down, padding))


@pytest.mark.parametrize("up, down, padding, shape", [
    (1, 1, 1, (3, 2)), (2, 1, [2, 1, 0, 1], (4,)), (1, 2, [-1, 2, 2, 0], (3, 3)), (2, 3, 3, (4,)),
    ((1, 2), (3, 1), 2, (2, 3)),
])
def test_gradients_to_third_order(up, down, padding, shape):
    x, f = image(3, 4, n=1, c=2).requires_grad_(), taps(*shape)

    def op(x):
        return upfirdn2d(x, f, up, down, padding, gain=1.3)

    assert gradcheck(op, x)
    assert gradgradcheck(op, x)
    assert gradgradcheck(lambda x: torch.autograd.grad(op(x.sin()).sin().sum(), x, create_graph=True)[0], x)


def test_gradient_is_the_adjoint():
    """<A x, y> = <x, A' y> for the recorded backward, over every factor."""
    for up, down in FACTORS:
        x, f = image().requires_grad_(), taps(12)
        y = upfirdn2d(x, f, up, down, [9, 8, 7, 10])
        dy = image(*y.shape[2:], seed=3)
        dx, = torch.autograd.grad(y, x, dy)
        torch.testing.assert_close((y * dy).sum(), (x * dx).sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_precision_follows_the_dtype(dtype, up, down):
    """Rounding happens to the input's type, the taps and the result of each of two passes: four times half an eps."""
    x, f = image(16, 16, dtype=dtype), setup_filter(range(1, 13))
    ours = upfirdn2d(x, f, up, down, padding=6)
    assert ours.dtype == dtype
    assert relative_error(ours, direct_ops.upfirdn2d(x.double().numpy(), f, up, down, 6)) < 2 * EPS[dtype]


def test_gain_goes_into_the_float32_taps():
    """Multiplied in float64 instead, the result would differ by float32 rounding: seen from float64."""
    x, f, gain = image(), taps(4, 4), 1.1
    ours = upfirdn2d(x, f, padding=2, gain=gain)
    assert relative_error(ours, direct_ops.upfirdn2d(x.numpy(), f, padding=2, gain=gain)) < 1e-15
    assert relative_error(ours, gain * direct_ops.upfirdn2d(x.numpy(), f, padding=2)) > 1e-9
    separable = taps(8)
    ours = upfirdn2d(x, separable, padding=4, gain=gain)
    assert relative_error(ours, direct_ops.upfirdn2d(x.numpy(), separable, padding=4, gain=gain)) < 1e-14


def test_convolution_and_correlation():
    impulse = torch.zeros(1, 1, 5, 5)
    impulse[0, 0, 2, 2] = 1
    f = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(upfirdn2d(impulse, f)[0, 0, 1:3, :3], f)
    assert torch.equal(upfirdn2d(impulse, f, flip_filter=True)[0, 0, 1:3, :3], f.flip(0, 1))


def test_identity():
    x = image()
    assert torch.equal(upfirdn2d(x, None), x)
    assert torch.equal(upfirdn2d(x, None, up=3)[:, :, ::3, ::3], x)
    assert torch.equal(upfirdn2d(x, None, up=3).count_nonzero(), x.count_nonzero())
    assert torch.equal(upfirdn2d(x, None, down=(2, 3), padding=[1, 0, -1, 0]),
                       torch.nn.functional.pad(x, (1, 0, -1, 0))[:, :, ::3, ::2])
    assert torch.equal(upfirdn2d(x, torch.ones(1)), x)


def test_same_bits_every_time_and_in_any_layout():
    x, f = image(40, 36, c=20, dtype=torch.float32), taps(12)
    for up, down in [(1, 1), (2, 1), (1, 2), (3, 2)]:
        first = upfirdn2d(x, f, up, down, 6)
        assert torch.equal(upfirdn2d(x, f, up, down, 6), first)
        assert torch.equal(upfirdn2d(x.to(memory_format=torch.channels_last), f, up, down, 6), first)


@pytest.mark.parametrize("num_taps", [1, 2, 3, 4, 8, 12])
@pytest.mark.parametrize("factor", [1, 2, 3, (2, 1), (1, 4)])
def test_everyday_forms_fit_their_sizes(num_taps, factor):
    fx, fy = direct_ops.pair(factor)
    x, f = image(12, 12), setup_filter([1] * num_taps)
    assert upsample2d(x, f, factor).shape[2:] == (12 * fy, 12 * fx)
    assert filter2d(x, f).shape == x.shape
    assert downsample2d(x, f, factor).shape[2:] == (12 // fy, 12 // fx)
    assert upsample2d(x, f, factor, padding=1).shape[2:] == (12 * fy + 2, 12 * fx + 2)


def test_everyday_forms_keep_a_constant():
    """A unit-DC filter leaves the inside of a constant image as it is, whatever the resampling."""
    x, f = torch.ones(1, 1, 16, 16), setup_filter([1, 3, 3, 1])
    for y in (upsample2d(x, f), downsample2d(x, f), filter2d(x, f)):
        torch.testing.assert_close(y[:, :, 2:-2, 2:-2], torch.ones_like(y[:, :, 2:-2, 2:-2]))


def test_everyday_forms_by_definition():
    x, f = image(8, 8), setup_filter([1, 3, 3, 1])
    for ours, theirs in [
        (upsample2d(x, f, 2, padding=[1, 0, 0, 2], gain=0.5),
         direct_ops.upfirdn2d(x.numpy(), f, 2, 1, [3, 1, 2, 3], gain=2.0)),
        (downsample2d(x, f, 2, flip_filter=True), direct_ops.upfirdn2d(x.numpy(), f, 1, 2, [1, 1, 1, 1], True)),
        (filter2d(x, f), direct_ops.upfirdn2d(x.numpy(), f, padding=[2, 1, 2, 1])),
    ]:
        assert relative_error(ours, theirs) < 1e-14


def test_upsampling_centres_the_filter():
    """A symmetric even filter turns a point into a pattern symmetric about the middle of its 2 x 2 block."""
    x = torch.zeros(1, 1, 5, 5)
    x[0, 0, 2, 2] = 1
    y = upsample2d(x, setup_filter([1, 3, 3, 1]))
    torch.testing.assert_close(y, y.flip(2, 3))
    assert y[0, 0, 4:6, 4:6].min() == y.max()


def test_setup_filter():
    f = setup_filter([1, 3, 3, 1])
    assert f.dtype == torch.float32
    torch.testing.assert_close(f, torch.tensor([1.0, 3, 3, 1]).outer(torch.tensor([1.0, 3, 3, 1])) / 64)
    assert setup_filter([1] * 8).shape == (8,)
    assert setup_filter([1] * 7).shape == (7, 7)
    assert torch.equal(setup_filter(np.ones((2, 4))), torch.full((2, 4), 0.125))
    assert torch.equal(setup_filter([2, 4], normalize=False), torch.tensor([[4.0, 8], [8, 16]]))
    assert setup_filter(None) is None
    with pytest.raises(ValueError, match=r"\[taps\] or \[fh, fw\]"):
        setup_filter(torch.ones(2, 2, 2))
    with pytest.raises(ValueError, match="sum to 0"):
        setup_filter([1, -1])


@pytest.mark.parametrize("message, arguments", [
    (r"2x2 is smaller than the filter of 3x3 taps", dict(x=torch.zeros(1, 1, 2, 2), f=torch.ones(3, 3))),
    (r"3x7 is smaller than the filter of 4x4 taps", dict(padding=[-3, 0, 0, 1], f=torch.ones(4))),
    (r"\[N, C, H, W\], not a tensor of shape \[6, 6\]", dict(x=torch.zeros(6, 6))),
    (r"floating-point tensor, not torch.int64", dict(x=torch.zeros(1, 1, 6, 6, dtype=torch.int64))),
    (r"float32 filters, not torch.float64", dict(f=torch.ones(2, 2, dtype=torch.float64))),
    (r"\[taps\] or \[fh, fw\], not \[1, 1, 2, 2\]", dict(f=torch.ones(1, 1, 2, 2))),
    (r"up is a positive int or a pair", dict(up=0)),
    (r"down is a positive int or a pair", dict(down=(2, 2, 2))),
    (r"padding is an int, \[x, y\] or \[x0, x1, y0, y1\] in whole pixels, not \[1, 2, 3\]", dict(padding=[1, 2, 3])),
    (r"up is a positive int or a pair", dict(up=1.5)),
])
def test_errors_are_one_sentence(message, arguments):
    arguments = {"x": torch.zeros(1, 1, 6, 6), "f": torch.ones(2, 2)} | arguments
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        upfirdn2d(**arguments)
    assert "\n" not in str(caught.value)
