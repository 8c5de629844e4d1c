"""scaled_conv2d in its plain forms and by both kernels, against float64; the weights prepared for them."""
from __future__ import annotations

import gc

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cuda_ops import dispatch, kept, native
from cuda_ops import scaled_conv2d as module
from cuda_ops.scaled_conv2d import scaled_conv2d

EPS = {torch.float32: 2.0 ** -23, torch.bfloat16: 2.0 ** -7}
GEOMETRIES = {"same": dict(padding=(1, 1, 1, 1)), "full": dict(padding=(2, 2, 2, 2)), "valid": {}, "up": dict(up=2),
              "uneven": dict(padding=(3, 0, -1, 2))}
SHAPES = [   # N, I, O, H, W: tails of channels and of tiles, more than one panel and one chunk, few and many tiles
    (1, 16, 16, 16, 16), (2, 17, 33, 19, 21), (5, 32, 48, 9, 13), (1, 40, 65, 4, 70), (1, 130, 16, 31, 33),
    (1, 16, 24, 90, 121), (3, 512, 40, 11, 10)]


@pytest.fixture(autouse=True)
def fresh():
    why = native.why_not(torch.zeros(1))
    if why:
        pytest.skip(why)
    kept.forget()
    yield
    kept.forget()


def operands(n, i, o, h, w, dtype=torch.float32, seed=0):
    """Activations as a leaky ReLU leaves them, weights and styles near unit size."""
    g = torch.Generator().manual_seed(seed)
    x = F.leaky_relu(torch.randn(n, i, h, w, generator=g) + torch.randn(1, i, 1, 1, generator=g) / 2, 0.2).to(dtype)
    weight = nn.Parameter(torch.randn(o, i, 3, 3, generator=g) / (9 * i) ** 0.5)
    return x, weight, torch.randn(n, i, generator=g) + 1, torch.rand(n, o, generator=g) + 0.5


def exact(x, w, style=None, scale=None, up=1, padding=(0, 0, 0, 0)):
    x, w = x.double(), w.detach().double()
    if style is not None:
        x = x * style.double()[:, :, None, None]
    y = F.conv_transpose2d(x, w.transpose(0, 1), stride=up) if up > 1 else F.conv2d(F.pad(x, padding), w)
    return y if scale is None else y * scale.double()[:, :, None, None]


def error(y, expected):
    assert y.shape == expected.shape
    return ((y.double() - expected).norm() / expected.norm()).item()


@pytest.fixture(params=["_winograd", "_few_pixels"])
def by_kernel(request):
    @torch.no_grad()
    def run(x, w, style=None, scale=None, up=1, padding=(0, 0, 0, 0)):
        return getattr(module, request.param)(x, w, style, scale, up, padding)
    return run


@torch.no_grad()
def directly(*arguments, **options):
    with dispatch.use("reference"):
        return scaled_conv2d(*arguments, **options)


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_kernels_are_as_exact_as_the_plain_sum(shape, geometry, by_kernel):
    """Within four times its error (issue 4)."""
    options, given = GEOMETRIES[geometry], operands(*shape)
    expected = exact(*given, **options)
    ours, plain = by_kernel(*given, **options), directly(*given, **options)
    assert error(ours, expected) < 4 * error(plain, expected)
    assert ours.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("has_style, has_scale", [(False, False), (True, False), (False, True)])
def test_either_scale_may_be_missing(up, has_style, has_scale, by_kernel):
    x, w, style, scale = operands(2, 20, 18, 9, 8)
    style, scale = style if has_style else None, scale if has_scale else None
    assert error(by_kernel(x, w, style, scale, up), exact(x, w, style, scale, up)) < 16 * EPS[torch.float32]


def test_one_row_of_scales_serves_all_samples(by_kernel):
    x, w, style, scale = operands(3, 16, 16, 8, 8)
    both = [by_kernel(x, w, *(t[:1].expand(rows, -1) for t in (style, scale))) for rows in (1, 3)]
    assert torch.equal(*both)


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1)])
def test_images_of_a_pixel_or_a_line(size, up, by_kernel):
    x, w, style, scale = operands(2, 17, 16, *size)
    options = dict(up=up, padding=(0,) * 4 if up == 2 else (1,) * 4)
    assert error(by_kernel(x, w, style, scale, **options), exact(x, w, style, scale, **options)) < 16 * EPS[x.dtype]


@pytest.mark.parametrize("up", [1, 2])
def test_empty_batch(up, by_kernel):
    x, w, style, scale = operands(0, 16, 16, 20, 20)
    assert by_kernel(x, w, style, scale, up).shape == exact(x, w, style, scale, up).shape


@pytest.mark.parametrize("up", [1, 2])
def test_bfloat16_is_rounded_once(up, by_kernel):
    x, w, style, scale = operands(2, 33, 18, 12, 13, dtype=torch.bfloat16)
    ours = by_kernel(x, w, style, scale, up)
    assert ours.dtype == torch.bfloat16
    # the exact result rounded to nearest, but for those few that float32's own error takes across a midpoint
    expected = exact(x, w, style, scale, up)
    assert error(ours, expected) < 1.01 * error(expected.bfloat16(), expected)


def test_any_layout_and_offset(by_kernel):
    x, w, style, scale = operands(2, 18, 16, 21, 20)
    views = [x.contiguous(), x.contiguous(memory_format=torch.channels_last), x.transpose(2, 3).contiguous().mT,
             F.pad(x, (3, 1, 2, 1))[:, :, 2:-1, 3:-1], torch.cat([x, x], 1)[:, 18:]]
    first, *others = (by_kernel(view, w, style, scale) for view in views)
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("shape", [(1, 40, 65, 20, 21), (1, 16, 16, 120, 130)], ids=str)   # few chunks and many
def test_same_bits_on_any_number_of_threads(shape, up, by_kernel):
    given = operands(*shape)
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        try:
            results.append(by_kernel(*given, up))
        finally:
            torch.set_num_threads(1)
    assert all(torch.equal(results[0], other) for other in results[1:])


# --- the plain forms -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [dict(padding=(1,) * 4), dict(up=2), dict(stride=2)], ids=str)
def test_the_two_forms_are_equal(options):
    x, w, style, scale = (t.double() for t in operands(1, 5, 4, 8, 8))
    with torch.no_grad():
        on_weights = module._direct(x, w, style, scale, **dict(up=1, stride=1, padding=(0,) * 4) | options)
        both = torch.cat([x, x]), w, torch.cat([style, style]), torch.cat([scale, scale])
        on_activations = module._direct(*both, **dict(up=1, stride=1, padding=(0,) * 4) | options)[:1]
    assert error(on_activations, on_weights) < 1e-14


def test_the_form_is_the_cheaper_one(monkeypatch):
    taken = []
    for name in ("_on_weights", "_on_activations"):
        monkeypatch.setattr(module, name, lambda x, *_, name=name: taken.append(name) or x)
    for n, size in [(1, 4), (1, 8), (2, 8)]:     # 180 weights against 80, 320 and 640 activations
        directly(*operands(n, 5, 4, size, size))
    assert taken == ["_on_activations", "_on_weights", "_on_activations"]


# --- which of them runs ----------------------------------------------------------------------------------------------

@pytest.fixture
def taken(monkeypatch):
    """The names of the ways that were taken."""
    names = []
    for name in ("_winograd", "_few_pixels", "_on_weights", "_on_activations"):
        def run(*arguments, name=name, original=getattr(module, name)):
            names.append(name)
            return original(*arguments)
        monkeypatch.setattr(module, name, run)
    return names


def test_kernels_run_where_they_pay(taken):
    x, w, style, scale = operands(1, 32, 32, 32, 32)
    with torch.no_grad():
        scaled_conv2d(x, w, style, scale)                       # a parameter, enough of everything
        scaled_conv2d(x[:, :, :8, :8], w, style, scale)
        assert taken == ["_winograd", "_few_pixels"]
        for size in (8, 32):
            scaled_conv2d(x[:, :, :size, :size], w * 1, style, scale)   # weights to prepare each time
            scaled_conv2d(x[:, :, :size, :size], w, style, scale, stride=2)
            directly(x[:, :, :size, :size], w, style, scale)
        scaled_conv2d(*operands(1, 31, 32, 32, 32))             # too few channels
    scaled_conv2d(x, w, style, scale)                           # gradients to record
    assert len(taken) == 2 + 2 * 3 + 2 and not {"_winograd", "_few_pixels"} & set(taken[2:])


def test_gradients_are_those_of_the_plain_form():
    x, w, style, scale = operands(1, 32, 32, 24, 24)
    gradients = []
    for backend in ("auto", "reference"):
        with dispatch.use(backend):
            y = scaled_conv2d(x.requires_grad_(), w, style, scale, padding=(1,) * 4)
            gradients.append(torch.autograd.grad(y.square().sum(), (x, w)))
    assert all(torch.equal(a, b) for a, b in zip(*gradients))


def test_status_tells():
    status = next(s for s in dispatch.status("cpu") if s.op == "conv2d")
    assert status.backend == "cpu" and status.reasons == ("cuda: the tensor is on cpu",)
    with dispatch.use("cpu"), pytest.raises(dispatch.BackendError, match="conv2d cannot run on backend 'cpu'.*float64"):
        scaled_conv2d(torch.zeros(1, 2, 4, 4, dtype=torch.float64), torch.zeros(2, 2, 3, 3))


# --- weights prepared once -------------------------------------------------------------------------------------------

def prepared(w):
    """Checks a convolution with w, which prepares it."""
    x, _, style, scale = operands(1, 32, 32, 16, 16)
    with torch.no_grad():
        y = scaled_conv2d(x, w, style, scale, padding=(1,) * 4)
    assert error(y, exact(x, w, style, scale, padding=(1,) * 4)) < 16 * EPS[torch.float32]


@pytest.fixture
def transformed(monkeypatch):
    count = []
    original = module._transformed
    monkeypatch.setattr(module, "_transformed", lambda w, up: count.append(1) or original(w, up))
    return count


def test_weights_are_prepared_once(transformed):
    _, w, _, _ = operands(1, 32, 32, 1, 1)
    for _ in range(3):
        prepared(w)
    with torch.inference_mode():
        prepared(w)
    assert len(transformed) == 1


@pytest.mark.parametrize("change", ["in place", "optimiser", "load", "half", "copy"])
def test_changed_weights_are_prepared_anew(change, transformed):
    layer = nn.Conv2d(32, 32, 3)
    prepared(layer.weight)
    if change == "in place":
        with torch.no_grad():
            layer.weight.mul_(2)
    elif change == "optimiser":
        layer.weight.square().sum().backward()
        torch.optim.Adam(layer.parameters(), lr=0.1).step()
    elif change == "load":
        layer.load_state_dict(nn.Conv2d(32, 32, 3).state_dict())
    elif change == "half":
        layer.bfloat16()
    else:
        layer.weight.data = torch.randn(32, 32, 3, 3)
    prepared(layer.weight)
    assert len(transformed) == 2


def test_what_is_kept_goes_with_the_network():
    layers = [nn.Conv2d(32, 32, 3) for _ in range(3)]
    for layer in layers:
        prepared(layer.weight)
    held = kept.kept_bytes()
    del layer, layers[0]
    gc.collect()
    assert kept.kept_bytes() == held * 2 // 3 > 0
    layers.clear()
    gc.collect()
    assert kept.kept_bytes() == 0


def test_over_the_budget_the_longest_unused_goes(monkeypatch, transformed):
    layers = [nn.Conv2d(32, 32, 3) for _ in range(3)]
    prepared(layers[0].weight)
    monkeypatch.setattr(kept, "BUDGET", 2 * kept.kept_bytes())
    for used in (1, 0, 2, 0, 1):                 # 2 displaces 1, whose return displaces 2
        prepared(layers[used].weight)
        assert kept.kept_bytes() <= kept.BUDGET
    assert len(transformed) == 4


def test_a_change_of_style_prepares_nothing(transformed):
    x, w, style, scale = operands(1, 32, 32, 16, 16)
    with torch.no_grad():
        for factor in (1, 3):
            y = scaled_conv2d(x, w, factor * style, scale, padding=(1,) * 4)
            assert error(y, exact(x, w, factor * style, scale, padding=(1,) * 4)) < 16 * EPS[torch.float32]
    assert len(transformed) == 1
