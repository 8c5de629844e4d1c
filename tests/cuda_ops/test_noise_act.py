"""StyleGAN2's epilogue against its definition in float64: fused and step by step, gradients, threads, layouts."""
from __future__ import annotations

import direct_ops
import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops import dispatch
from cuda_ops.bias_act import ACTIVATIONS
from cuda_ops.conv2d_resample import Fir
from cuda_ops.noise_act import noise_act
from cuda_ops.upfirdn2d import setup_filter

DTYPES = [torch.float32, torch.bfloat16]
FIRS = {"none": None, "1331": Fir(setup_filter([1, 3, 3, 1]), (1, 1, 1, 1), 4),
        "identity": Fir(None, (0, -1, 0, -1), 4), "separable": Fir(setup_filter(range(1, 9)), (3, 4, 5, 2), 4),
        "cropping": Fir(setup_filter([1, 2, 1]), (-1, 2, 0, -1), 1),
        "any": Fir(torch.tensor([[1.0, 2, 3], [-1, 0, 5]]), (2, 0, 0, 3), 0.5)}
SIZES = [(2, 1, 9, 6), (2, 3, 6, 30), (1, 16, 7, 9), (2, 17, 5, 70), (1, 40, 33, 8), (2, 20, 4, 4), (0, 16, 5, 5),
         (1, 3, 4, 400)]


def numbers(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def arguments(n, c, h, w, fir="1331", noises=1, scaled=True, biased=True) -> dict:
    """In float64, of values that bfloat16 holds."""
    fir = FIRS[fir]
    oh, ow = direct_ops.upfirdn2d(np.zeros((0, 0, h, w)), fir.f, padding=fir.padding).shape[2:] if fir else (h, w)
    tensors = {"x": numbers(n, c, h, w), "noise": numbers(noises, 1, oh, ow, seed=1) if noises else None,
               "strength": numbers(seed=2) if noises else None, "b": numbers(c, seed=3) if biased else None,
               "scale": numbers(n, c, seed=4) if scaled else None}
    return {key: t if t is None else t.bfloat16().double() for key, t in tensors.items()} | {"fir": fir}


def in_type(given: dict, dtype: torch.dtype) -> dict:
    """The features in `dtype`, the rest in at least float32, as networks have it."""
    rest = torch.promote_types(dtype, torch.float32)
    return {key: t.to(dtype if key == "x" else rest) if isinstance(t, torch.Tensor) else t for key, t in given.items()}


def definition(x, noise, strength, b, scale, fir, act="lrelu", **options) -> np.ndarray:
    y = direct_ops.upfirdn2d(x.numpy(), fir.f, padding=fir.padding, gain=fir.gain) if fir else x.numpy()
    if scale is not None:
        y = y * scale.numpy()[:, :, None, None]
    if noise is not None:
        y = y + noise.numpy() * strength.numpy()
    return direct_ops.bias_act(y, None if b is None else b.numpy(), act, **options)


def run(backend: str, given: dict, **options) -> torch.Tensor:
    with dispatch.use(backend):
        return noise_act(**given, **{"act": "lrelu"} | options)


def check(given: dict, dtype: torch.dtype, **options) -> torch.Tensor:
    """The kernel errs at most 4 times as much as the reference of the same type does."""
    exact, given = definition(**given, **options), in_type(given, dtype)
    fused, plain = run("cpu", given, **options), run("reference", given, **options)
    assert fused.dtype == plain.dtype == dtype and fused.shape == plain.shape == exact.shape
    errors = [np.linalg.norm(y.double().numpy() - exact) for y in (fused, plain)]
    assert errors[0] <= 4 * errors[1], errors
    return fused


@pytest.mark.parametrize("fir", FIRS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_reference_is_the_definition(size, fir):
    given = arguments(*size, fir)
    np.testing.assert_allclose(run("reference", given, clamp=2), definition(**given, clamp=2), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fir", FIRS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_kernel_is_the_definition(size, fir, dtype):
    check(arguments(*size, fir), dtype, clamp=2)
    check(arguments(*size, fir, noises=size[0], scaled=False), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("left_out", [dict(noises=0), dict(scaled=False), dict(biased=False),
                                      dict(noises=0, scaled=False, biased=False)], ids=str)
def test_each_step_may_be_left_out(left_out, dtype):
    check(arguments(2, 17, 9, 8, **left_out), dtype)
    check(arguments(2, 17, 9, 8, fir="none", **left_out), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("options", [{}, dict(gain=0.3), dict(clamp=0.5), dict(alpha=0.7, gain=2.5, clamp=1)], ids=str)
def test_activations(act, options, dtype):
    if dtype == torch.float32 or act in ("linear", "lrelu"):
        check(arguments(2, 20, 9, 8), dtype, act=act, **options)


def test_one_pixel():
    """Next to no error in the reference either: a few roundings are allowed, of the two passes and of each step."""
    for fir in ("none", "1331"):
        given = arguments(2, 5, 1 if fir == "none" else 2, 1 if fir == "none" else 2, fir)
        given = given if fir == "none" else given | {"fir": given["fir"]._replace(padding=(1, 1, 1, 1))}
        exact = definition(**given)
        assert exact.shape == (2, 5, 1, 1)
        largest = np.abs(definition(**given | {"noise": None, "b": None})).max() + np.abs(exact).max()
        ours = run("cpu", in_type(given, torch.float32)).double().numpy()
        assert np.abs(ours - exact).max() < 8 * 2.0 ** -24 * largest


def test_nan_and_infinity_stay():
    given = in_type(arguments(1, 3, 5, 5, "none", noises=0, scaled=False, biased=False), torch.float32)
    given["x"][0, 1, 2, 2], given["x"][0, 2, 3, 3] = float("nan"), -float("inf")
    assert torch.equal(run("cpu", given).isnan(), given["x"].isnan())
    assert run("cpu", given, clamp=3)[0, 2, 3, 3] == -3
    assert run("cpu", given)[0, 2, 3, 3] == -float("inf")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("fir", ["none", "1331"])
def test_same_bits_on_any_number_of_threads_and_in_any_layout(fir, dtype):
    given = in_type(arguments(2, 20, 75, 90, fir), dtype)
    x = given["x"]
    wanted = run("cpu", given)
    assert wanted.is_contiguous(memory_format=torch.channels_last)
    wide = torch.cat([x, x], dim=3)[:, :, :, :90]
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        for layout in (x, x.contiguous(memory_format=torch.channels_last), wide):
            assert torch.equal(run("cpu", given | {"x": layout}), wanted)
    torch.set_num_threads(1)


@pytest.mark.parametrize("c", [3, 16, 40])
def test_overwriting_gives_the_same_bits(c):
    """Without a filter x's own memory takes the result; only when that is asked for."""
    given = in_type(arguments(2, c, 40, 50, "none"), torch.float32)
    x = given["x"] = given["x"].contiguous(memory_format=torch.channels_last)
    kept, wanted = x.clone(), run("cpu", given)
    assert torch.equal(x, kept)
    y = run("cpu", given, overwrite=True)
    assert y.data_ptr() == x.data_ptr() and torch.equal(y, wanted)


@pytest.mark.parametrize("fir", ["none", "1331"])
def test_gradients_of_any_order(fir):
    given = arguments(1, 2, 4, 4, fir)
    names = ["x", "noise", "strength", "b", "scale"]

    def op(*tensors):
        return noise_act(**given | dict(zip(names, tensors)), act="swish", gain=1.3)
    tensors = [given[name].requires_grad_() for name in names]
    assert gradcheck(op, tensors)
    assert gradgradcheck(op, tensors)


def test_overwrite_leaves_what_gradients_need():
    given = in_type(arguments(1, 3, 6, 6, "none"), torch.float32)
    given["x"].requires_grad_()
    x = given["x"].detach().clone()
    run("auto", given, overwrite=True).sum().backward()
    assert torch.equal(given["x"], x) and given["x"].grad is not None


@pytest.mark.parametrize("message, change", [
    (r"noise of shape \[1, 1, 3, 4\] does not fit: noise_act takes \[1 or 2, 1, 4, 4\]",
     dict(noise=torch.ones(1, 1, 3, 4))),
    (r"and its strength", dict(noise=torch.ones(1, 1, 4, 4), strength=None)),
    (r"strength of shape \[3\]", dict(strength=torch.ones(3))),
    (r"b of shape \[2\] does not fit: noise_act takes \[3\]", dict(b=torch.ones(2))),
    (r"scale of shape \[3\] does not fit: noise_act takes \[2, 3\]", dict(scale=torch.ones(3))),
    (r"activation 'cubic' is not one of", dict(act="cubic")),
    (r"clamp is at least 0", dict(clamp=-1)),
    (r"\[N, C, H, W\], not a tensor of shape \[3\]", dict(x=torch.ones(3))),
    (r"3x3 is smaller than the filter of 4x4 taps", dict(fir=FIRS["1331"]._replace(padding=(-1, 0, 0, -1)))),
])
def test_errors_are_one_sentence(message, change):
    given = dict(x=torch.ones(2, 3, 4, 4), noise=None, strength=torch.ones([]), b=torch.ones(3), scale=torch.ones(2, 3))
    with pytest.raises((ValueError, TypeError), match=message):
        noise_act(**given | change)
