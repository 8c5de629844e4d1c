"""The C++ bias_act against float64: every activation, layout, odd size and gradient; the same bits on any threads."""
from __future__ import annotations

import pytest
import torch

from cuda_ops import dispatch
from cuda_ops.bias_act import ACTIVATIONS, bias_act

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7}
LAST = torch.channels_last
SHAPES = [((2, 5, 4, 3), 1, None), ((2, 5, 4, 3), 1, LAST), ((1, 3, 65, 33), 1, LAST), ((1, 3, 65, 33), 1, None),
          ((1, 2, 150, 150), 1, None), ((3, 16, 1, 1), 1, LAST), ((2, 17, 1, 9), 1, LAST), ((2, 48, 9, 1), 1, LAST),
          ((2, 1, 8, 5), 1, LAST), ((1, 1, 1, 1), 1, None), ((0, 8, 4, 4), 1, LAST), ((2, 0, 4, 4), 1, LAST),
          ((2, 8, 0, 4), 1, None), ((3, 512), 1, None), ((3, 2051), 1, None), ((40, 7), 1, None), ((40000,), 0, None),
          ((4, 3, 2, 2), 0, None), ((4, 3, 2, 2), 0, LAST), ((4, 3, 2, 7), 3, LAST), ((4, 3, 6, 7), 2, LAST),
          ((2, 3, 70), 1, None), ((2, 3, 4, 5, 6), 2, None)]


def numbers(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def on(backend, op):
    with dispatch.use(backend):
        return op()


def error(y, exact):
    """Root of the summed squares."""
    assert y.shape == exact.shape
    return (y.double() - exact).norm().item()


def check(op, x, *more):
    """`op` on the CPU kernels errs at most 4 times as much as the reference of the same type does."""
    exact = on("reference", lambda: op(x.double(), *(t.double() for t in more)))
    fused, plain = (on(backend, lambda: op(x, *more)) for backend in ("cpu", "reference"))
    assert fused.dtype == plain.dtype == x.dtype
    allowed = 4 * error(plain, exact)
    assert error(fused, exact) <= allowed, (error(fused, exact), allowed)
    return fused


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("options", [{}, dict(gain=0.3), dict(clamp=0.5), dict(alpha=0.7, gain=2.5, clamp=1)], ids=str)
def test_activations(act, options, dtype):
    x, b = 3 * numbers(2, 37, 6, 5, dtype=dtype), numbers(37, seed=1, dtype=dtype)
    check(lambda x, b: bias_act(x, b, act=act, **options), x.contiguous(memory_format=LAST), b)
    check(lambda x: bias_act(x, act=act, **options), x)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("shape, dim, layout", SHAPES, ids=str)
def test_layouts(shape, dim, layout, dtype):
    x = numbers(*shape, dtype=dtype).contiguous(memory_format=layout or torch.contiguous_format)
    b = numbers(shape[dim], seed=1, dtype=dtype)
    y = check(lambda x, b: bias_act(x, b, dim=dim, act="lrelu", clamp=1.5), x, b)
    assert y.stride() == x.stride(), "a dense layout stays"


@pytest.mark.parametrize("view", [lambda x: x[:, ::2], lambda x: x[:, :, 1:, :3], lambda x: x.permute(0, 1, 3, 2),
                                  lambda x: x[:, :1].expand(-1, 6, -1, -1), lambda x: x.flip(2)])
def test_not_contiguous(view):
    x = view(numbers(2, 6, 5, 7))
    check(lambda x, b: bias_act(x, b, act="lrelu"), x, numbers(x.shape[1], seed=1))
    check(lambda x, b: bias_act(x, b, act="lrelu"), x, numbers(2 * x.shape[1], seed=1)[::2])


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_small_numbers_keep_their_digits(act):
    """exp(x) - 1 and its like must not cancel: each number by itself is as exact as torch's, to a few eps."""
    x = torch.logspace(-30, 1.9, 2000, dtype=torch.float64)
    x = torch.cat((-x, x)).float()
    exact = on("reference", lambda: bias_act(x.double(), act=act))
    fused = on("cpu", lambda: bias_act(x, act=act)).double()
    normal = exact.abs() > 2.0 ** -126
    assert normal.sum() >= 900
    # At most eight steps with a rounding each; where exp is asymptotic the rounding of its argument counts |x| times.
    bound = (8 + x.double().abs()) * EPS[torch.float32]
    assert ((fused - exact).abs() <= bound * exact.abs())[normal].all()


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_infinite_and_no_numbers(act):
    x = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 3e38, -3e38])
    fused, plain = (on(backend, lambda: bias_act(x, act=act, clamp=5)) for backend in ("cpu", "reference"))
    assert torch.allclose(fused, plain, rtol=4 * EPS[torch.float32], atol=0, equal_nan=True), (fused, plain)


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("act", ["linear", "relu", "lrelu"])
@pytest.mark.parametrize("clamp", [None, 1.5])
@pytest.mark.parametrize("shape, dim, layout", SHAPES, ids=str)
def test_gradients(shape, dim, layout, act, clamp, dtype):
    """First and second, by the kernel: linear in what comes in, so they are checked as forward is."""
    x = numbers(*shape, dtype=dtype).contiguous(memory_format=layout or torch.contiguous_format)
    b, dy = (numbers(*s, seed=1, dtype=dtype) for s in ((shape[dim],), shape))

    def slope(x, b, dy):
        x, b, dy = (t.detach().requires_grad_() for t in (x, b, dy))
        dx, = torch.autograd.grad(bias_act(x, b, dim=dim, act=act, clamp=clamp), x, dy, create_graph=True)
        ddx, = torch.autograd.grad(dx, dy, x.detach())
        return torch.stack((dx.detach(), ddx))

    at = x.double() + (x.double() * 0).movedim(dim, -1).add(b.double()).movedim(-1, dim)
    away = (at.abs() > 0.05) & ((at.abs() * 2 ** 0.5 - 1.5).abs() > 0.05)      # from kinks, on whichever side it rounds
    check(slope, x, b, dy * away)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_gradients_are_the_references(act):
    x, b = (numbers(*s, seed=2).requires_grad_() for s in ((2, 3, 4, 5), (3,)))

    def orders():
        first = torch.autograd.grad(bias_act(x, b, act=act, clamp=2).square().sum(), (x, b), create_graph=True)
        return *first, *torch.autograd.grad(sum(g.square().sum() for g in first), (x, b))

    for ours, theirs in zip(on("cpu", orders), on("reference", orders)):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5 * theirs.abs().max().item())


def test_slopes_at_the_kinks():
    x = torch.tensor([[0.0, -1.0, 1.0, 9.0, -90.0]], requires_grad=True)
    dx, = torch.autograd.grad(on("cpu", lambda: bias_act(x, act="lrelu", alpha=0.25, gain=2, clamp=8)).sum(), x)
    assert dx.tolist() == [[0.5, 0.5, 2, 0, 0]]


@pytest.mark.parametrize("layout", [torch.contiguous_format, LAST])
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_threads_change_no_bit(act, layout):
    """The slope too, where it is the kernel's: torch's own of the smooth activations differ in a last bit."""
    x, b = numbers(1, 51, 80, 81).contiguous(memory_format=layout), numbers(51, seed=1)
    x.requires_grad_()
    found = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        y = on("cpu", lambda: bias_act(x, b, act=act, clamp=2))
        slope = torch.autograd.grad(y.sum(), x)[0] if act in ("linear", "relu", "lrelu") else y
        found.append(torch.cat((y, slope)))
    torch.set_num_threads(1)
    assert torch.equal(found[0], found[1]) and torch.equal(found[0], found[2])


def test_nothing_to_do_copies_nothing():
    x = numbers(2, 3)
    assert on("cpu", lambda: bias_act(x)).data_ptr() == x.data_ptr()


def test_the_input_is_not_written_to():
    x = numbers(2, 64, 4, 4)
    before = x.clone()
    on("cpu", lambda: bias_act(x, numbers(64), act="relu", clamp=1))
    assert torch.equal(x, before)
