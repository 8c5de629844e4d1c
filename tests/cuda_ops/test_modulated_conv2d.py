"""Both modulated convolutions against StyleGAN2's eqs. 1-3 written out; float16's range."""
from __future__ import annotations

from functools import partial

import direct_ops
import numpy as np
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops.modulated_conv2d import modulated_conv2d, modulated_conv2d_sg3
from cuda_ops.upfirdn2d import setup_filter

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7, torch.float16: 2.0 ** -10}
FIR = setup_filter([1, 3, 3, 1])


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def operands(n=2, i=5, o=4, kernel=3, size=8, dtype=torch.float64):
    return numbers(n, i, size, size, dtype=dtype), numbers(o, i, kernel, kernel, seed=1), numbers(n, i, seed=2) + 1


def stylegan2(x, w, s, demodulate=True, up=1, down=1, padding=0, f=None, flip_weight=True, scaled_weights=False):
    """Eqs. 1 and 3, sample by sample, the weights in full."""
    out = []
    for n in range(len(x)):
        modulated = w * s[n][None, :, None, None]
        if demodulate:
            modulated = modulated / (np.sqrt(w[0].size) if scaled_weights else 1)
            modulated = modulated / np.sqrt((modulated ** 2).sum((1, 2, 3), keepdims=True) + 1e-8)
        out.append(direct_ops.conv2d_resample(x[n:n + 1], modulated, f, up, down, padding, flip_weight))
    return np.concatenate(out)


def stylegan3(x, w, s, demodulate=True, padding=0, input_gain=1.0):
    if demodulate:
        w = w / np.sqrt((w ** 2).mean((1, 2, 3), keepdims=True))
        s = s / np.sqrt((s ** 2).mean())
    out = []
    for n in range(len(x)):
        modulated = w * s[n][None, :, None, None]
        if demodulate:
            modulated = modulated / np.sqrt((modulated ** 2).sum((1, 2, 3), keepdims=True) + 1e-8)
        out.append(direct_ops.conv2d_resample(x[n:n + 1], modulated * input_gain, None, 1, 1, padding, True))
    return np.concatenate(out)


@pytest.mark.parametrize("options", [
    {}, dict(demodulate=False), dict(padding=1), dict(up=2, padding=1, flip_weight=False), dict(down=2, padding=1),
    dict(scaled_weights=True), dict(demodulate=False, scaled_weights=True)], ids=str)
@pytest.mark.parametrize("n, size, kernel", [(1, 8, 3), (1, 3, 3), (3, 8, 3), (2, 4, 1), (1, 8, 1)])
def test_stylegan2_formula(options, n, size, kernel):
    x, w, s = operands(n, kernel=kernel, size=size)
    ours = modulated_conv2d(x, w, s, resample_filter=FIR, **options)
    assert relative_error(ours, stylegan2(x.numpy(), w.numpy(), s.numpy(), f=FIR, **options)) < 1e-14


@pytest.mark.parametrize("options", [{}, dict(padding=2), dict(demodulate=False)], ids=str)
@pytest.mark.parametrize("input_gain", [None, torch.tensor(1.7)])
@pytest.mark.parametrize("n, size, kernel", [(1, 8, 3), (1, 3, 3), (3, 8, 3), (2, 4, 1)])
def test_stylegan3_formula(options, input_gain, n, size, kernel):
    x, w, s = operands(n, kernel=kernel, size=size)
    ours = modulated_conv2d_sg3(x, w, s, input_gain=input_gain, **options)
    gain = 1.0 if input_gain is None else input_gain.item()
    assert relative_error(ours, stylegan3(x.numpy(), w.numpy(), s.numpy(), input_gain=gain, **options)) < 1e-14


def test_scaled_weights_differ_only_through_epsilon():
    x, w, s = operands()
    apart = relative_error(modulated_conv2d(x, w * 1e-3, s), modulated_conv2d(x, w * 1e-3, s, scaled_weights=True))
    assert 1e-6 < apart < 1e-1
    assert relative_error(modulated_conv2d(x, w, s), modulated_conv2d(x, w, s, scaled_weights=True)) < 1e-6


def test_a_sample_does_not_depend_on_its_batch():
    x, w, s = operands(n=3)
    batch = modulated_conv2d(x, w, s, padding=1)
    for n in range(3):
        assert relative_error(modulated_conv2d(x[n:n + 1], w, s[n:n + 1], padding=1), batch[n:n + 1]) < 1e-14


@pytest.mark.parametrize("op", [modulated_conv2d, modulated_conv2d_sg3])
def test_demodulation_keeps_unit_variance(op):
    """Unit-variance noise in, unit variance out, whatever the scale of weights and styles (StyleGAN2 sec. 2.2)."""
    x, w, s = operands(n=1, i=16, o=8, size=64)
    out = op(x, 37 * w, 0.01 * s)
    # 8 channels of 62 x 62 values, correlated over 3 x 3: some 3400 independent ones, so a deviation of sqrt(2/3400)
    assert abs(out.var() - 1) < 4 * (2 / 3400) ** 0.5


@pytest.mark.parametrize("op", [
    partial(modulated_conv2d, padding=1), partial(modulated_conv2d, demodulate=False),
    partial(modulated_conv2d, up=2, padding=1, resample_filter=FIR, flip_weight=False),
    partial(modulated_conv2d, down=2, padding=1, resample_filter=FIR),
    partial(modulated_conv2d_sg3, padding=2, input_gain=torch.tensor(1.3))], ids=lambda op: str(op.keywords.keys()))
@pytest.mark.parametrize("n, size", [(1, 5), (2, 2)])
def test_gradients_to_third_order(op, n, size):
    x, w, s = (t.requires_grad_() for t in operands(n, i=2, o=2, size=size))
    if op.keywords.get("demodulate") is False:
        x = numbers(n, 2, size + 2, size + 2).requires_grad_()

    def slope(x, w, s):
        return torch.autograd.grad(op(x, w, s).square().sum(), (x, w, s), create_graph=True)

    assert gradcheck(op, (x, w, s), fast_mode=True)
    assert gradgradcheck(op, (x, w, s), fast_mode=True)
    assert gradgradcheck(slope, (x, w, s), fast_mode=True)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("op, formula", [(modulated_conv2d, stylegan2), (modulated_conv2d_sg3, stylegan3)])
@pytest.mark.parametrize("n, size", [(1, 16), (3, 6)])
def test_precision_follows_the_dtype(dtype, op, formula, n, size):
    """Rounded to the dtype: style, modulated x, convolution, demodulation factor, result; half an eps each."""
    x, w, s = operands(n, i=8, size=size, dtype=dtype)
    ours = op(x, w.float(), s.float(), padding=1)
    assert ours.dtype == dtype
    assert relative_error(ours, formula(x.double().numpy(), w.numpy(), s.numpy(), padding=1)) < 2.5 * EPS[dtype]


@pytest.mark.parametrize("op", [modulated_conv2d, modulated_conv2d_sg3])
@pytest.mark.parametrize("n", [1, 2])
def test_float16_does_not_overflow(op, n):
    """Sums of 512 * 9 products and huge styles leave float16's range unless normalised first (spec)."""
    x, w, s = torch.full((n, 512, 4, 4), 200.0), torch.ones(4, 512, 3, 3), torch.full((n, 512), 3e4)
    expected = op(x.double(), w, s)
    ours = op(x.half(), w, s)
    assert relative_error(ours, expected) < 2.5 * EPS[torch.float16]


def test_dead_channels_stay_zero_in_float16():
    x, w, s = operands(n=2)
    w[1], s[1] = 0, 0
    ours = modulated_conv2d(x.half(), w.float(), s.float())
    assert not ours[:, 1].any() and not ours[1].any() and ours[0].isfinite().all()


@pytest.mark.parametrize("op", [modulated_conv2d, modulated_conv2d_sg3])
@pytest.mark.parametrize("message, x, w, s", [
    (r"weights of shape \[4, 5, 3, 3\] do not fit 6 input channels", (2, 6, 8, 8), (4, 5, 3, 3), (2, 6)),
    (r"style of shape \[1, 5\] does not fit x.*\[2, 5\]", (2, 5, 8, 8), (4, 5, 3, 3), (1, 5)),
    (r"\[N, C, H, W\]", (5, 8, 8), (4, 5, 3, 3), (1, 5)),
])
def test_errors_are_one_sentence(op, message, x, w, s):
    with pytest.raises(ValueError, match=message):
        op(torch.zeros(x), torch.zeros(w), torch.zeros(s))
