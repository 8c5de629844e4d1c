"""bias_act against its formulas, in every activation, and its gradients."""
from __future__ import annotations

import direct_ops
import pytest
import torch
from direct_ops import relative_error
from torch.autograd import gradcheck, gradgradcheck

from cuda_ops.bias_act import ACTIVATIONS, bias_act

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7, torch.float16: 2.0 ** -10}


def numbers(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def test_the_table_is_complete():
    assert {name: (a.alpha, a.gain) for name, a in ACTIVATIONS.items()} == \
        {name: (alpha, gain) for name, (_, alpha, gain) in direct_ops.ACTIVATIONS.items()}


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("options", [{}, dict(gain=0.3), dict(clamp=0.5), dict(alpha=0.7, gain=2.5, clamp=1)], ids=str)
@pytest.mark.parametrize("grad", [False, True])
def test_formula(act, options, grad):
    """With gradients recorded or not: the latter works in place."""
    x, b = numbers(2, 5, 4, 3).requires_grad_(grad), numbers(5, seed=1)
    before = x.detach().clone()
    for bias in (b, None):
        ours = bias_act(x, bias, act=act, **options)
        assert ours.requires_grad == grad
        theirs = direct_ops.bias_act(before.numpy(), None if bias is None else bias.numpy(), act, **options)
        assert relative_error(ours, theirs) < 1e-9      # softplus turns linear above 20 in torch: 2e-9 absolute there
        assert torch.equal(x, before), "the input was overwritten"


@pytest.mark.parametrize("act", ACTIVATIONS)
@pytest.mark.parametrize("clamp", [None, 0.6])
def test_gradients_to_third_order(act, clamp):
    x, b = numbers(2, 3, 2).requires_grad_(), numbers(3, seed=1).requires_grad_()
    assert ((x + b[:, None]).abs() > 1e-3).all(), "no point sits on a kink"

    def op(x, b):
        return bias_act(x, b, act=act, clamp=clamp)

    def slope(x, b):
        return torch.autograd.grad(op(x, b).square().sum(), (x, b), create_graph=True)

    assert gradcheck(op, (x, b))
    assert gradgradcheck(op, (x, b))
    assert gradgradcheck(slope, (x, b))


def test_slopes_at_the_kinks():
    x = torch.tensor([[0.0, -1.0, 1.0, 9.0, -90.0]], requires_grad=True)
    dx, = torch.autograd.grad(bias_act(x, act="lrelu", alpha=0.25, gain=2, clamp=8).sum(), x)
    assert dx.tolist() == [[0.5, 0.5, 2, 0, 0]]


@pytest.mark.parametrize("shape, dim", [((4,), 0), ((2, 4), 1), ((2, 3, 4), 2), ((2, 3, 4), -1), ((4, 3, 2, 2), 0)])
def test_bias_axis(shape, dim):
    x, b = numbers(*shape), numbers(4, seed=1)
    assert torch.equal(bias_act(x, b, dim=dim), (x.movedim(dim, -1) + b).movedim(-1, dim))


@pytest.mark.parametrize("dtype", EPS)
@pytest.mark.parametrize("act", ACTIVATIONS)
def test_precision_follows_the_dtype(dtype, act):
    """Sum, activation (two steps in swish), gain: at most half an eps each, relative to numbers of the result's size;
    where x + b nearly cancels, relative to x."""
    x, b = numbers(4, 8, 16, 16, dtype=dtype), numbers(8, seed=1, dtype=dtype)
    ours = bias_act(x, b, act=act, clamp=3)
    assert ours.dtype == dtype
    theirs = direct_ops.bias_act(x.double().numpy(), b.double().numpy(), act, clamp=3)
    assert relative_error(ours, theirs) < 2.5 * EPS[dtype]


def test_a_float32_bias_joins_16_bit_features():
    x = numbers(1, 3, 2, 2, dtype=torch.bfloat16)
    assert bias_act(x, torch.ones(3), act="lrelu").dtype == torch.bfloat16


@pytest.mark.parametrize("message, arguments", [
    ("activation 'gelu' is not one of linear, relu", dict(act="gelu")),
    (r"bias of shape \[3\] does not fit axis 1 of \[2, 4, 2, 2\]", dict(b=torch.zeros(3))),
    (r"bias of shape \[4, 1\] does not fit", dict(b=torch.zeros(4, 1))),
    (r"does not fit axis 4 of", dict(b=torch.zeros(4), dim=4)),
    ("floating-point tensor, not torch.uint8", dict(x=torch.zeros(1, 4, dtype=torch.uint8))),
    ("clamp is at least 0, not -1", dict(clamp=-1)),
])
def test_errors_are_one_sentence(message, arguments):
    with pytest.raises((ValueError, TypeError), match=message):
        bias_act(**{"x": torch.zeros(2, 4, 2, 2)} | arguments)
