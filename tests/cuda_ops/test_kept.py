"""What is kept of weights and a style: made once per style, never of another one, and fit for a later recording."""
import pytest
import torch
from torch import nn

from cuda_ops import dispatch, kept
from cuda_ops import scaled_conv2d as module
from cuda_ops.modulated_conv2d import modulated_conv2d


@pytest.fixture(autouse=True)
def fresh():
    kept.forget()
    yield
    kept.forget()


@pytest.fixture
def modulated(monkeypatch):
    """Every modulation of weights by a style."""
    calls, modulate = [], module._modulated
    monkeypatch.setattr(module, "_modulated", lambda *given: calls.append(1) or modulate(*given))
    return calls


@pytest.fixture(params=[1, 3])
def layer(request):
    """A frozen layer [O, I, k, k] and a function of a style [1, I] that convolves with it."""
    weight = nn.Parameter(torch.randn(8, 8, request.param, request.param), requires_grad=False)
    x = torch.randn(1, 8, 32, 32)

    def run(style):
        with dispatch.use("reference"):
            return modulated_conv2d(x, weight, style, padding=request.param // 2)
    return weight, run


def test_weights_are_modulated_once_per_style(layer, modulated):
    _, run = layer
    style = torch.rand(1, 8)
    with torch.inference_mode():
        first = run(style)
        assert all(torch.equal(run(style.clone()), first) for _ in range(3)) and len(modulated) == 1


@pytest.mark.parametrize("change", ["another", "in place", "weights"])
def test_another_style_or_other_weights_modulate_anew(change, layer, modulated):
    weight, run = layer
    style = torch.rand(1, 8)
    with torch.no_grad():
        run(style)
        if change == "another":
            style = torch.rand(1, 8)
        elif change == "in place":
            style[0, 3] += 1
        else:
            weight[5] *= 2
        ours = run(style)
        kept.forget()
        assert torch.equal(ours, run(style)) and len(modulated) == 3


def test_gradients_after_viewing(layer):
    """Viewing keeps derived weights that a projection then records with; two steps have two graphs."""
    weight, run = layer
    style = torch.rand(1, 8)
    with torch.inference_mode():
        run(style)
    gradients = []
    for _ in range(2):
        style.requires_grad_().grad = None
        run(style).square().sum().backward()
        gradients.append(style.grad)
    kept.forget()
    style.grad = None
    run(style).square().sum().backward()
    assert all(torch.equal(gradient, style.grad) for gradient in gradients)
