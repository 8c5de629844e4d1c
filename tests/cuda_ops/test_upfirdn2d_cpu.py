"""The C++ upfirdn2d against its definition in float64: factors, filters, layouts, gradients, the same bits on any
threads."""
from __future__ import annotations

import direct_ops
import numpy as np
import pytest
import torch

from cuda_ops import dispatch
from cuda_ops.upfirdn2d import setup_filter, upfirdn2d

DTYPES = [torch.float32, torch.bfloat16]
FIR = setup_filter([1, 3, 3, 1])
FACTORS = [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3), (2, 3), (6, 4), ((2, 1), (1, 3)), ((1, 3), (2, 1))]
SIZES = [(2, 1, 9, 14), (2, 3, 33, 7), (1, 16, 8, 9), (2, 17, 5, 40), (1, 40, 11, 1), (1, 3, 1, 9), (0, 16, 5, 5),
         (1, 5, 1, 1), (1, 3, 4, 700), (1, 2, 70, 3)]


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def on(backend, *arguments, **options):
    with dispatch.use(backend):
        return upfirdn2d(*arguments, **options)


def check(x, f, *arguments, **options):
    """The kernel errs at most 4 times as much as the reference of the same type does, or by the rounding of its two
    passes, four roundings each, where a reference of a product or two has next to no error."""
    exact = direct_ops.upfirdn2d(x.double().numpy(), f, *arguments, **options)
    fused, plain = (on(backend, x, f, *arguments, **options) for backend in ("cpu", "reference"))
    assert fused.dtype == x.dtype and fused.shape == exact.shape
    assert fused.is_contiguous(memory_format=torch.channels_last)
    errors = [np.linalg.norm(y.double().numpy() - exact) for y in (fused, plain)]
    assert errors[0] <= max(4 * errors[1], 4 * 2.0 ** -24 * np.linalg.norm(exact)), errors
    return fused


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("up, down", FACTORS, ids=str)
@pytest.mark.parametrize("f", [None, FIR, numbers(1), numbers(12), numbers(3, 5), numbers(5, 1), numbers(6, 6),
                               torch.tensor([[0.0, 0, 0], [0, 2, -1], [0, -4, 2]]), torch.zeros(2, 3)],
                         ids=lambda f: str(f if f is None else list(f.shape)))
def test_factors_and_filters(up, down, f, dtype):
    """Outer products and others, taps that are 0, paddings that overhang, crop and differ on all sides."""
    x = numbers(2, 5, 7, 6, dtype=dtype)
    for padding, flip in [((9, 4, 5, 8), False), ((-2, 13, 14, -3), True), (12, False)]:
        check(x, f, up, down, padding, flip, 1.7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_sizes(size, dtype):
    """Vectors of channels and their tails, no sample, one pixel, several stretches of a row and bands of rows."""
    x = numbers(*size, dtype=dtype)
    for f in (FIR, numbers(4, 4)):
        for up, down, padding in [(1, 1, 2), (2, 1, (2, 1, 2, 1)), (1, 2, 3), (3, 2, (4, 4, 1, 3))]:
            check(x, f, up, down, padding)


@pytest.mark.parametrize("up, down, padding", [(1, 1, [-6, 8, 9, 1]), (2, 1, [-30, 40, 0, 0]), (2, 3, [30, -12, 4, 4])])
def test_window_beside_the_image_sees_zeros(up, down, padding):
    x = numbers(1, 3, 6, 6)
    np.testing.assert_array_equal(on("cpu", x, torch.ones(2, 2), up, down, padding),
                                  on("reference", x, torch.ones(2, 2), up, down, padding))


def test_what_lies_beside_a_window_stays_out():
    """Infinities and NaN reach the outputs whose taps meet them, and no others: neither pixels nor channels."""
    for value in (float("inf"), float("nan")):
        x = torch.zeros(1, 5, 9, 9)
        x[0, 2, 4, 4] = value
        for f, up, down, padding in [(FIR, 1, 1, 2), (FIR, 2, 1, 2), (FIR, 1, 2, 2), (numbers(3, 3).exp(), 2, 1, 1)]:
            y = on("cpu", x, f, up, down, padding)
            expected = direct_ops.upfirdn2d((x != 0).double().numpy(), f, up, down, padding) != 0
            np.testing.assert_array_equal(~torch.isfinite(y), expected)


@pytest.mark.parametrize("view", [lambda x: x[:, ::2], lambda x: x[:, :, 1:, :7], lambda x: x.permute(0, 1, 3, 2),
                                  lambda x: x[:, :1].expand(-1, 6, -1, -1), lambda x: x.flip(2),
                                  lambda x: x.to(memory_format=torch.channels_last)[:, 1:4]])
def test_not_contiguous(view):
    x = view(numbers(2, 6, 8, 9))
    assert torch.equal(check(x, FIR, 2, 1, 3), on("cpu", x.clone(memory_format=torch.contiguous_format), FIR, 2, 1, 3))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("up, down, f", [(1, 1, FIR), (2, 1, FIR), (1, 2, numbers(12)), (2, 2, numbers(5, 6))])
def test_same_bits_on_any_number_of_threads(up, down, f, dtype):
    x = numbers(2, 20, 75, 90, dtype=dtype)
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        results.append(on("cpu", x, f, up, down, 6))
    torch.set_num_threads(1)
    assert all(torch.equal(y, results[0]) for y in results[1:])


@pytest.mark.parametrize("up, down, f", [(1, 1, FIR), (2, 1, FIR), (1, 2, numbers(12)), (2, 3, numbers(5, 6))])
def test_gradients(up, down, f):
    """First and second, of the kernel, against the reference's of float64."""
    def gradients(backend, dtype):
        x = numbers(2, 17, 9, 8, dtype=dtype).requires_grad_()
        with dispatch.use(backend):
            y = upfirdn2d(x, f, up, down, 7)
            dx, = torch.autograd.grad(y.square().sum() / 2, x, create_graph=True)
            return dx, torch.autograd.grad(dx.square().sum() / 2, x)[0]
    exact = gradients("reference", torch.float64)
    for ours, plain, wanted in zip(gradients("cpu", torch.float32), gradients("reference", torch.float32), exact):
        assert (ours - wanted).norm() <= 4 * (plain - wanted).norm()
