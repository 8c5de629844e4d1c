"""Convolutions in bfloat16: on a CPU with and without instructions for it they are float32's, rounded."""
import pytest
import torch

from cuda_ops import processor
from cuda_ops.convolution import conv2d, conv_transpose2d
from cuda_ops.upfirdn2d import setup_filter, upfirdn2d

ROUNDING = 2.0 ** -8                                 # bfloat16 has 8 significant bits: half a unit in the last place


@pytest.fixture(params=[False, True], ids=["converted", "native"], autouse=True)
def native(request, monkeypatch):
    """oneDNN computes bfloat16 convolutions without the instructions too, only more slowly."""
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: request.param)
    return request.param


def operands(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """x [2, 48, 13, 11] and w [40, 48, 3, 3], exact in bfloat16."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 48, 13, 11, generator=generator)
    w = torch.randn(40, 48, 3, 3, generator=generator)
    return x.bfloat16(), w.bfloat16()


def limit(exact: torch.Tensor, magnitudes: torch.Tensor) -> torch.Tensor:
    """The result's own rounding, and float32's of a sum of so many terms of these magnitudes."""
    return ROUNDING * exact.abs() + 48 * 9 * 2.0 ** -24 * magnitudes


@pytest.mark.parametrize("run", [
    lambda x, w: conv2d(x, w, padding=(1, 1, 1, 1)),
    lambda x, w: conv2d(x, w, stride=(2, 2), padding=(2, 0, -1, 1)),
    lambda x, w: conv_transpose2d(x, w.transpose(0, 1), stride=(2, 2)),
], ids=["plain", "strided", "transposed"])
def test_sums_are_of_float32_and_rounded_once(run):
    x, w = operands()
    y, exact = run(x, w), run(x.double(), w.double())
    assert y.dtype == torch.bfloat16
    magnitudes = run(x.double().abs(), w.double().abs())
    assert ((y.double() - exact).abs() <= limit(exact, magnitudes)).all()
    assert torch.equal(y, run(x, w))


def test_a_product_is_in_bfloat16_only_where_the_cpu_multiplies_it(native, monkeypatch):
    seen = []
    real = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda x, *a, **k: seen.append(x.dtype) or real(x, *a, **k))
    conv2d(*operands())
    conv2d(*(t.half() for t in operands()))
    assert seen == [torch.bfloat16 if native else torch.float32, torch.float32]


def test_filters_keep_their_taps():
    """A constant image stays constant: taps of 8 bits would no longer sum to 1."""
    taps = setup_filter([1.0, 2.3, 3.1, 2.3, 1.0, 0.7, 0.4, 0.1, 0.05])
    assert taps.bfloat16().float().sum() != 1
    y = upfirdn2d(torch.ones(1, 4, 16, 16, dtype=torch.bfloat16), taps, padding=4)
    assert (y[:, :, 4:-4, 4:-4] == 1).all()
