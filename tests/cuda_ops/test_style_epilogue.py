"""StyleGAN1's epilogue against its definition in float64: fused and step by step, gradients, threads, layouts."""
from __future__ import annotations

import direct_ops
import numpy as np
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops import dispatch
from cuda_ops.convolution import conv_transpose2d
from cuda_ops.style_epilogue import SLOPES, enlarged_convolution, style_epilogue

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7}
BLURS = {"none": None, "1": (1,), "121": (1, 2, 1), "1331": (1, 3, 3, 1), "lopsided": (1, 4, 2, 2, 1)}
CASES = [                                # n, c, h, w, samples of noise (0: none), enlarged, styled, blur
    (1, 1, 2, 2, 1, True, True, "121"),
    (2, 3, 7, 5, 2, False, True, "none"),
    (2, 16, 10, 6, 1, True, True, "121"),
    (1, 17, 12, 34, 1, True, False, "1331"),
    (3, 40, 33, 9, 0, False, True, "none"),
    (1, 16, 4, 150, 1, True, True, "lopsided"),      # more than one stretch of a row
    (2, 5, 130, 2, 2, True, True, "none"),           # more than one band of rows
    (1, 512, 4, 4, 1, False, False, "none"),
    (1, 1, 1, 1, 0, False, True, "none"),            # one pixel: no variance
    (2, 20, 1, 1, 1, False, True, "none"),
    (0, 16, 8, 8, 1, True, True, "121"),
]


def numbers(*shape, seed=0, mean=0.0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) + mean


def arguments(n, c, h, w, noises, is_enlarged, styled, blur, mean=0.0) -> dict:
    """In float64, of values that float32 holds."""
    odd = int(is_enlarged)
    tensors = {
        "x": numbers(n, c, h + odd, w + odd, mean=mean),
        "noise": numbers(noises, 1, h, w, seed=1) if noises else None, "strength": numbers(c, seed=2),
        "b": numbers(c, seed=3), "scale": numbers(n, c, seed=4) if styled else None,
        "shift": numbers(n, c, seed=5) if styled else None,
    }
    taps = BLURS[blur] if is_enlarged else None
    return {key: value if value is None else value.bfloat16().double() for key, value in tensors.items()} | {
        "gain": 0.75, "is_enlarged": is_enlarged, "blur": torch.tensor(taps) / sum(taps) if taps else None}


def in_type(given: dict, dtype: torch.dtype) -> dict:
    """The features in `dtype`, the rest in at least float32, as networks have it."""
    rest = torch.promote_types(dtype, torch.float32)
    return {key: value if key == "blur" or not isinstance(value, torch.Tensor) else
            value.to(dtype if key == "x" else rest) for key, value in given.items()}


def definition(x, noise, strength, b, scale, shift, gain, is_enlarged, blur, act="lrelu") -> np.ndarray:
    given = {k: v.numpy() for k, v in dict(x=x, noise=noise, strength=strength, b=b, scale=scale, shift=shift).items()
             if v is not None}
    y = given["x"]
    if is_enlarged:                      # pairs beside each other, then the blur over zeros
        y = sum(y[:, :, i:y.shape[2] - 1 + i, j:y.shape[3] - 1 + j] for i in (0, 1) for j in (0, 1))
        taps = 1 if blur is None else len(blur)
        y = direct_ops.upfirdn2d(y, blur, padding=(taps // 2, (taps - 1) // 2) * 2)
    y = y * gain
    if noise is not None:
        y = y + given["noise"] * given["strength"][:, None, None]
    y = direct_ops.bias_act(y, given["b"], act, gain=1)
    y = (y - y.mean((2, 3), keepdims=True)) / np.sqrt(y.var((2, 3), keepdims=True) + 1e-8)
    return y if scale is None else y * (given["scale"] + 1)[:, :, None, None] + given["shift"][:, :, None, None]


def run(backend: str, given: dict, **options) -> torch.Tensor:
    with dispatch.use(backend):
        return style_epilogue(**given, **options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_reference_is_the_definition(case):
    if case[0]:
        given = arguments(*case)
        assert relative_error(run("reference", given), definition(**given)) < 1e-7       # of the float32 taps' products


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_fused_errs_no_more_than_the_reference(case, dtype):
    """Four times, or the last rounding."""
    exact = run("reference", arguments(*case))
    given = in_type(arguments(*case), dtype)
    fused, reference = run("cpu", given), run("reference", given)
    assert fused.dtype == dtype and fused.is_contiguous(memory_format=torch.channels_last)
    assert relative_error(fused, exact) <= max(4 * relative_error(reference, exact), EPS[dtype] / 2)


@pytest.mark.parametrize("act", SLOPES)
def test_activations(act):
    given = arguments(2, 16, 6, 4, 1, True, True, "121")
    exact, given = definition(**given, act=act), in_type(given, torch.float32)
    limit = 4 * relative_error(run("reference", given, act=act), exact)
    assert relative_error(run("cpu", given, act=act), exact) <= limit


def test_activations_without_a_fused_form_run_in_steps():
    given = arguments(2, 16, 6, 4, 1, True, True, "121")
    assert relative_error(run("cpu", in_type(given, torch.float32), act="softplus"),
                          definition(**given, act="softplus")) < 1e-5


def test_a_mean_far_from_zero():
    """Ten thousand deviations away, the variance is lost in sums of squares of float32; not about a value."""
    given = arguments(1, 16, 64, 64, 0, False, False, "none", mean=1e4)
    given["x"] = given["x"].float().double() + numbers(1, 16, 64, 64, seed=7).float().double()
    exact, given = definition(**in_type(in_type(given, torch.float32), torch.float64)), in_type(given, torch.float32)
    assert relative_error(run("cpu", given), exact) <= 4 * relative_error(run("reference", given), exact)


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("case", CASES[:8], ids=str)
def test_threads_and_layouts_change_no_bit(case, dtype):
    given = in_type(arguments(*case), dtype)
    wanted = run("cpu", given)
    x = given["x"]
    strided = torch.zeros(*x.shape[:3], 2 * x.shape[3], dtype=dtype)[..., ::2].copy_(x)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            for layout in (x, x.contiguous(memory_format=torch.channels_last), strided):
                assert torch.equal(run("cpu", given | {"x": layout}), wanted)
    finally:
        torch.set_num_threads(before)


def test_the_input_stays_as_it_was_unless_it_may_be_overwritten():
    given = in_type(arguments(*CASES[4]), torch.float32)
    x = given["x"] = given["x"].contiguous(memory_format=torch.channels_last)
    before = x.clone()
    y = run("cpu", given)
    assert torch.equal(x, before)
    assert torch.equal(run("cpu", given, overwrite=True), y) and torch.equal(x, y)


@pytest.mark.parametrize("blur", BLURS)
def test_enlarged_is_the_convolution_of_the_enlarged_image(blur):
    """Nearest-neighbour upsampling, a 3 x 3 correlation, a blur: edges included."""
    x, w = numbers(2, 3, 4, 5), numbers(6, 3, 3, 3, seed=1)
    taps = torch.tensor(BLURS[blur]) / sum(BLURS[blur]) if BLURS[blur] else None
    ours = enlarged_convolution(conv_transpose2d(x, w.flip(2, 3).transpose(0, 1), stride=(2, 2)), taps)
    nearest = x.numpy().repeat(2, axis=2).repeat(2, axis=3)
    theirs = direct_ops.correlate(direct_ops.pad_or_crop(nearest, (1, 1, 1, 1)), w.numpy())
    num = 1 if taps is None else len(taps)
    theirs = direct_ops.upfirdn2d(theirs, taps, padding=(num // 2, (num - 1) // 2) * 2)
    assert relative_error(ours, theirs) < 1e-7


def _differentiable(case, dtype):
    given = in_type(arguments(*case), dtype)
    names = [key for key, value in given.items() if isinstance(value, torch.Tensor) and key != "blur"]
    for name in names:
        given[name].requires_grad_()

    def op(*tensors):
        return style_epilogue(**given | dict(zip(names, tensors)))
    return op, [given[name] for name in names]


@pytest.mark.parametrize("case", [(2, 2, 4, 2, 2, True, True, "121"), (1, 3, 3, 2, 1, False, True, "none")], ids=str)
def test_gradients_of_every_argument(case):
    op, tensors = _differentiable(case, torch.float64)
    assert gradcheck(op, tensors)
    assert gradgradcheck(op, tensors)


@pytest.mark.parametrize("case", [CASES[2], CASES[3]], ids=str)
def test_gradients_on_the_fused_backend(case):
    """First ones, and those of their squares, against float64; no worse than four times the reference."""
    def gradients(backend, dtype):
        with dispatch.use(backend):
            op, tensors = _differentiable(case, dtype)
            first = torch.autograd.grad(op(*tensors).square().sum(), tensors, create_graph=True)
            return [*first, *torch.autograd.grad(sum(g.square().sum() for g in first), tensors)]
    wanted = gradients("reference", torch.float64)
    for ours, reference, exact in zip(gradients("cpu", torch.float32), gradients("reference", torch.float32), wanted):
        assert relative_error(ours, exact) <= max(4 * relative_error(reference, exact), EPS[torch.float32])


@pytest.mark.parametrize("message, changed", [
    ("activation 'gelu' is not one of", {"act": "gelu"}),
    (r"takes \[N, C, H, W\]", {"x": torch.zeros(3, 9, 7)}),
    ("odd sides of at least 3", {"x": torch.zeros(2, 3, 8, 7)}),
    (r"noise of shape \[3, 1, 8, 6\] does not fit", {"noise": torch.zeros(3, 1, 8, 6)}),
    ("and its strength", {"strength": None}),
    (r"b of shape \[4\] does not fit", {"b": torch.zeros(4)}),
    (r"scale of shape \[1, 3\] does not fit", {"scale": torch.zeros(1, 3)}),
    ("a style is a scale and a shift", {"shift": None}),
    (r"float32 \[taps\], not torch.float32 \[3, 3\]", {"blur": torch.zeros(3, 3)}),
])
def test_errors_are_one_sentence(message, changed):
    with pytest.raises((ValueError, TypeError), match=message):
        style_epilogue(**in_type(arguments(2, 3, 8, 6, 1, True, True, "121"), torch.float32) | changed)
