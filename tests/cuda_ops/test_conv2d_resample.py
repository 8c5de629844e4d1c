"""conv2d_resample against FIR-then-convolution at the high rate, in every combination."""
from __future__ import annotations

import direct_ops
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops.conv2d_resample import conv2d_resample
from cuda_ops.upfirdn2d import setup_filter

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7, torch.float16: 2.0 ** -10}
FILTERS = {"none": None, "1331": setup_filter([1, 3, 3, 1]), "121": setup_filter([1, 2, 1]),
           "skew": setup_filter([1, 2, 3, 5]), "separable": setup_filter(range(1, 9))}


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize("flip_weight", [False, True])
@pytest.mark.parametrize("f", FILTERS)
def test_definition(up, down, kernel, flip_weight, f):
    x, w = numbers(2, 3, 9, 8), numbers(4, 3, kernel, kernel, seed=1)
    for padding in (0, kernel // 2, [1, 2], [2, -1, 0, 1], [-1, -2, 3, 3]):
        ours = conv2d_resample(x, w, FILTERS[f], up, down, padding, flip_weight)
        theirs = direct_ops.conv2d_resample(x.numpy(), w.numpy(), FILTERS[f], up, down, padding, flip_weight)
        assert relative_error(ours, theirs) < 1e-14


@pytest.mark.parametrize("kernel", [1, 3])
def test_same_padding_fits_the_sizes(kernel):
    x, w, f = numbers(1, 2, 8, 6), numbers(5, 2, kernel, kernel, seed=1), FILTERS["1331"]
    assert conv2d_resample(x, w, padding=kernel // 2).shape == (1, 5, 8, 6)
    assert conv2d_resample(x, w, f, up=2, padding=kernel // 2).shape == (1, 5, 16, 12)
    assert conv2d_resample(x, w, f, down=2, padding=kernel // 2).shape == (1, 5, 4, 3)


@pytest.mark.parametrize("up, down, kernel", [(1, 1, 3), (2, 1, 3), (1, 2, 3), (2, 1, 1), (1, 2, 1)])
def test_gradients_to_third_order(up, down, kernel):
    x, w = numbers(1, 2, 3, 2).requires_grad_(), numbers(1, 2, kernel, kernel, seed=1).requires_grad_()

    def op(x, w):
        return conv2d_resample(x, w, FILTERS["skew"], up, down, kernel // 2, flip_weight=False)

    def slope(x, w):
        return torch.autograd.grad(op(x, w).square().sum(), (x, w), create_graph=True)

    assert gradcheck(op, (x, w))
    assert gradgradcheck(op, (x, w))
    assert gradgradcheck(slope, (x, w))


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("up, down", [(1, 1), (2, 1), (1, 2)])
def test_precision_follows_the_dtype(dtype, up, down):
    """Rounded to the dtype: taps, result of the FIR, result of the convolution (x and w are given in it)."""
    x, w = numbers(1, 8, 12, 12, dtype=dtype), numbers(6, 8, 3, 3, seed=1, dtype=dtype)
    ours = conv2d_resample(x, w, FILTERS["1331"], up, down, padding=1)
    assert ours.dtype == dtype
    theirs = direct_ops.conv2d_resample(x.double().numpy(), w.double().numpy(), FILTERS["1331"], up, down, 1, True)
    assert relative_error(ours, theirs) < 1.5 * EPS[dtype]


@pytest.mark.parametrize("message, arguments", [
    (r"weights of shape \[4, 2, 3, 3\] do not fit 3 input channels", dict(w=torch.zeros(4, 2, 3, 3))),
    (r"weights of shape \[3\] do not fit", dict(w=torch.zeros(3))),
    (r"one way at a time.*not up 2 and down 2", dict(up=2, down=2)),
    (r"one way at a time.*not up 0 and down 1", dict(up=0)),
    (r"padded image of 4x2 is smaller than the kernel of 3x3", dict(padding=[0, 0, -1, -1])),
    (r"padded image of 2x2 is smaller than the kernel of 3x3", dict(down=3)),
    (r"\[N, C, H, W\]", dict(x=torch.zeros(3, 4, 4))),
    (r"float32 filters", dict(f=torch.ones(4, dtype=torch.float64), down=2)),
])
def test_errors_are_one_sentence(message, arguments):
    with pytest.raises((ValueError, TypeError), match=message):
        conv2d_resample(**{"x": torch.zeros(1, 3, 4, 4), "w": torch.zeros(4, 3, 3, 3)} | arguments)
