"""filtered_lrelu in C++ against the float64 reference: values, gradients, layouts, tile borders, threads."""
from __future__ import annotations

import pytest
import torch
from direct_ops import relative_error

from cuda_ops import dispatch, native
from cuda_ops.filtered_lrelu import filtered_lrelu
from nets.filters import lowpass

if native.why_not(torch.zeros(1)):
    pytest.skip(f"no kernels here: {native.why_not(torch.zeros(1))}", allow_module_level=True)

EPS = 2.0 ** -23


def numbers(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def taps(*shape):
    """Nothing symmetric about them."""
    f = torch.rand(*shape, generator=torch.Generator().manual_seed(7)) + 0.1
    return f / f.sum()


def radial(n):
    return lowpass(n, 4.0, 6.0, 32.0, radial=True)


# up, down, fu, fd: those with loops of their own (separable, radial), then what only the general loops take
COMBINATIONS = {
    "T up2": (2, 2, taps(12), taps(12)), "T up4": (4, 2, taps(24), taps(12)), "T down4": (2, 4, taps(12), taps(24)),
    "R up2": (2, 2, taps(12), radial(12)), "R up4": (4, 2, taps(24), radial(12)),
    "asymmetric 2-D down": (2, 2, taps(12), taps(12, 12)), "2-D up": (2, 2, taps(12, 12), taps(12)),
    "odd radial": (2, 2, taps(11), radial(11)), "rectangular": (3, 2, taps(5, 7), taps(4, 9)),
    "per axis": ((2, 4), (1, 2), taps(12), taps(5)), "pointwise": (1, 1, None, None),
    "up without a filter": (2, 1, None, taps(3)), "down without a filter": (1, 3, taps(4), None),
}


@pytest.fixture(autouse=True)
def fused():
    with dispatch.use("cpu"):
        yield


def reference(x, fu, fd, b, *args):
    with dispatch.use("reference"):
        return filtered_lrelu(x, fu, fd, b, *args)


def held_to_reference(ours, run, *tensors):
    """Within 4 times what the float32 reference itself loses to float64, or a rounding if that is more."""
    exact = run(*(t.double() for t in tensors))
    assert relative_error(ours, exact) <= max(4 * relative_error(run(*tensors), exact), EPS)


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("size, padding, clamp", [((13, 20), 12, None), ((1, 1), [20, 17, 19, 18], 0.6),
                                                  ((11, 40), [-3, 16, 17, -2], 0.6)], ids=str)
def test_values(combination, size, padding, clamp):
    up, down, fu, fd = COMBINATIONS[combination]
    for n, channels, flip in [(1, 16, False), (2, 3, True), (1, 17, False), (0, 40, False)]:
        x, b = numbers(n, channels, *size), numbers(channels, seed=1)

        def run(x, b, flip=flip):
            return reference(x, fu, fd, b, up, down, padding, 1.3, 0.1, clamp, flip)

        ours = filtered_lrelu(x, fu, fd, b, up, down, padding, 1.3, 0.1, clamp, flip)
        assert ours.is_contiguous(memory_format=torch.channels_last)
        if n:
            held_to_reference(ours, run, x, b)
        else:
            assert ours.shape == run(numbers(1, channels, *size), b)[:0].shape


@pytest.mark.parametrize("gain, slope", [(-1.5, 0.2), (0.0, 0.2), (1.0, 1.0), (2.0, 3.0), (1.0, -0.5)])
def test_any_gain_and_slope(gain, slope):
    up, down, fu, fd = COMBINATIONS["R up2"]
    x = numbers(1, 5, 9, 9)
    ours = filtered_lrelu(x, fu, fd, None, up, down, 11, gain, slope, 0.5)
    held_to_reference(ours, lambda x: reference(x, fu, fd, None, up, down, 11, gain, slope, 0.5), x)


@pytest.mark.parametrize("combination", ["T up2", "T up4", "R up2", "2-D up", "rectangular"])
def test_many_tiles(combination):
    """So wide and high that the output is cut along both axes."""
    up, down, fu, fd = COMBINATIONS[combination]
    x = numbers(1, 2, 101, 1203)
    ours = filtered_lrelu(x, fu, fd, None, up, down, 12)
    held_to_reference(ours, lambda x: reference(x, fu, fd, None, up, down, 12), x)


@pytest.mark.parametrize("combination", [name for name in COMBINATIONS if name != "pointwise"])
@pytest.mark.parametrize("size", [(9, 8), (6, 700)], ids=str)
def test_first_and_second_gradients(combination, size):
    up, down, fu, fd = COMBINATIONS[combination]
    x, b = numbers(1, 3, *size), numbers(3, seed=1)
    dy = numbers(*filtered_lrelu(x, fu, fd, b, up, down, 12).shape, seed=2)
    direction = numbers(*x.shape, seed=3)

    def gradients(x, b, dy, direction):
        """dx and db; and the gradient of <dx, direction> to dy."""
        x, b, dy = (t.clone().requires_grad_() for t in (x, b, dy))
        y = filtered_lrelu(x, fu, fd, b, up, down, 12, 1.3, 0.1, 0.4)
        dx, db = torch.autograd.grad(y, (x, b), dy, create_graph=True)
        return dx, db, *torch.autograd.grad((dx * direction).sum(), dy)

    def theirs(i):
        def run(*tensors):
            with dispatch.use("reference"):
                return gradients(*tensors)[i]
        return run

    dx, db, ddy = gradients(x, b, dy, direction)
    held_to_reference(dx, theirs(0), x, b, dy, direction)
    held_to_reference(ddy, theirs(2), x, b, dy, direction)
    exact = [theirs(i)(*(t.double() for t in (x, b, dy, direction))) for i in (0, 1)]
    assert ((db - exact[1]).abs() <= EPS * exact[0].abs().sum((0, 2, 3))).all()  # as sums round


def test_recording_gradients_changes_no_bit():
    up, down, fu, fd = COMBINATIONS["R up2"]
    x, b = numbers(1, 17, 20, 20), numbers(17, seed=1)
    plain = filtered_lrelu(x, fu, fd, b, up, down, 11, clamp=0.7)
    assert torch.equal(plain, filtered_lrelu(x.requires_grad_(), fu, fd, b, up, down, 11, clamp=0.7))
    with torch.no_grad():
        assert filtered_lrelu(x, fu, fd, b, up, down, 11).grad_fn is None


@pytest.mark.parametrize("combination", ["T up2", "R up2"])
def test_threads_change_no_bit(combination):
    up, down, fu, fd = COMBINATIONS[combination]
    x = numbers(1, 20, 70, 300).requires_grad_()
    results = []
    for threads in (1, 2, 4):
        torch.set_num_threads(threads)
        y = filtered_lrelu(x, fu, fd, None, up, down, 11, clamp=0.7)
        results.append((y, *torch.autograd.grad(y.square().sum(), x)))
    torch.set_num_threads(1)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other))


def test_results_that_go_past_the_caches_have_the_same_bits():
    """From 16 MiB on, as the kernel's STREAMED says: two samples are, each of them isn't."""
    x = numbers(2, 32, 300, 300)
    arguments = taps(4), taps(4), numbers(32)
    alone = [filtered_lrelu(sample, *arguments) for sample in x.split(1)]
    assert torch.equal(filtered_lrelu(x, *arguments), torch.cat(alone))


def test_any_layout():
    up, down, fu, fd = COMBINATIONS["T up2"]
    x = numbers(2, 6, 12, 10)
    expected = filtered_lrelu(x, fu, fd, None, up, down, 10)
    for same in (x.to(memory_format=torch.channels_last), x.mT.contiguous().mT, numbers(2, 12, 12, 10)[:, ::2] * 0 + x):
        assert torch.equal(filtered_lrelu(same, fu, fd, None, up, down, 10), expected)
    assert torch.equal(filtered_lrelu(x, fu.repeat_interleave(2)[::2], fd, None, up, down, 10), expected)


def test_not_a_number_spreads_as_far_as_the_filters_and_no_farther():
    up, down, fu, fd = COMBINATIONS["T up2"]
    x = numbers(1, 2, 30, 30)
    x[0, 0, 14, 15] = float("nan")
    ours, theirs = (run(x, fu, fd, None, up, down, 9, 1.0, 0.2, 0.5) for run in (filtered_lrelu, reference))
    assert torch.equal(ours.isnan(), theirs.isnan())


def test_bfloat16_is_rounded_once():
    """Arithmetic is in float32: next to the exact result, a rounding of the result is all that is lost."""
    up, down, fu, fd = COMBINATIONS["R up2"]
    x, b = numbers(2, 17, 12, 12).bfloat16(), numbers(17, seed=1).bfloat16()
    ours = filtered_lrelu(x, fu, fd, b, up, down, 11)
    exact = reference(x.double(), fu, fd, b.double(), up, down, 11)
    assert ours.dtype == torch.bfloat16
    assert ((ours.double() - exact).abs() <= exact.abs() * 2 ** -8 + 1e-6).all()


def test_types_without_a_kernel_say_so():
    for dtype, name in [(torch.float64, "float64"), (torch.float16, "float16")]:
        with pytest.raises(dispatch.BackendError, match=f"no fused C\\+\\+ kernel computes in {name}"):
            filtered_lrelu(torch.zeros(1, 1, 2, 2, dtype=dtype), b=torch.zeros(1))
