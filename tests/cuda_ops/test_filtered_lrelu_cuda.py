"""filtered_lrelu's CUDA kernels, run by the emulation, against the reference in float64: values and gradients."""
from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from cuda_emulation import emulated, planned
from direct_ops import relative_error

from cuda_ops import dispatch
from cuda_ops.filtered_lrelu import SPECIALISED, filtered_lrelu, filtered_lrelu_steps

EPS = {torch.float32: 2.0 ** -24, torch.float16: 2.0 ** -11, torch.bfloat16: 2.0 ** -8}        # of one rounding


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def taps(*shape):
    """A low-pass filter of sum 1 without any symmetry."""
    f = noise(*shape, seed=7) * 0.2
    for axis, size in enumerate(shape):
        window = torch.hann_window(size + 2, periodic=False)[1:-1]
        f = f + window.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return f / f.sum()


class Case(NamedTuple):
    """Tiles have 56 x 24 outputs (separable, down 2), 56 x 16 (radial), 16 x 16 (any)."""
    up: int | tuple[int, int]
    down: int | tuple[int, int]
    fu: tuple[int, ...] | None
    fd: tuple[int, ...] | None
    padding: tuple[int, int, int, int]
    size: tuple[int, int]                # height, width
    channels: int = 2
    dtype: torch.dtype = torch.float32
    flip: bool = False


T, R = ((12,), (12,)), ((12,), (12, 12))             # filters of up 2, down 2
LAYERS = {                                           # of configs T and R (nets/plan.py), their sizes made small
    "T": Case(2, 2, *T, (9, 8, 9, 8), (26, 58)),
    "T critical": Case(2, 2, *T, (-11, -12, -11, -12), (26, 31)),
    "T to a higher rate": Case(4, 2, (24,), (12,), (-6, -9, -6, -9), (18, 20)),
    "R": Case(2, 2, *R, (11, 10, 11, 10), (17, 37)),
    "R critical": Case(2, 2, *T, (-9, -10, -9, -10), (27, 28)),
    "R to a higher rate": Case(4, 2, (24,), (12, 12), (-2, -5, -2, -5), (17, 20)),
}
EDGES = {
    "one row and column beyond a tile": Case(2, 2, *T, (9, 8, 9, 8), (27, 59)),
    "one less than a tile": Case(2, 2, *T, (9, 8, 9, 8), (25, 57), channels=1),
    "radial, beyond a tile": Case(2, 2, *R, (11, 10, 11, 10), (17, 57), channels=1),
    "phases that differ": Case(2, 2, *T, (8, 5, 11, 4), (13, 9)),
    "radial, phases that differ": Case(2, 2, *R, (8, 9, 13, 4), (11, 13)),
    "phases of a higher rate": Case(4, 2, (24,), (12,), (5, 3, -3, 20), (13, 9)),
    "phases of a higher rate, radial": Case(4, 2, (24,), (12, 12), (7, 13, 4, 9), (9, 9)),
    "one pixel in": Case(2, 2, *T, (12, 11, 12, 13), (1, 1)),
    "one pixel out": Case(2, 2, *T, (9, 8, 9, 8), (3, 3), channels=16),
    "padding larger than the image": Case(2, 2, *R, (40, 35, 30, 37), (2, 3), channels=1),
    "cropped on one side": Case(2, 2, *T, (-7, 14, 21, -8), (20, 15)),
    "filters flipped": Case(2, 2, *R, (11, 10, 11, 10), (7, 9), flip=True),
    "8 taps a phase": Case(2, 2, (16,), (16,), (13, 12, 13, 12), (10, 9)),
    "a reduction": Case(2, 4, (12,), (24,), (17, 16, 17, 16), (40, 60), channels=1),
}
ANY = {
    "no factors, one filter": Case(1, 1, None, (3,), (1, 1, 1, 1), (19, 18)),
    "only padding": Case(1, 1, None, None, (2, -1, 0, 3), (17, 5)),
    "axes that differ": Case((1, 3), (3, 2), (5,), (7, 4), (3, 4, 5, 6), (14, 31)),
    "phases of unlike taps": Case(2, 2, (11,), (9,), (9, 8, 9, 8), (17, 18)),
    "both 2-D": Case(3, 2, (7, 6), (4, 5), (4, 5, 8, 3), (8, 9)),
    "a filter that narrows the tile": Case(1, 4, None, (70, 70), (35, 35, 35, 35), (10, 9), channels=1),
}
HALVES = {f"{name} in {str(dtype)[6:]}": LAYERS[name]._replace(dtype=dtype, size=(15, 14))
          for name in ("T", "R", "R to a higher rate") for dtype in (torch.float16, torch.bfloat16)}
HALVES["any in float16"] = ANY["both 2-D"]._replace(dtype=torch.float16)
CASES = LAYERS | EDGES | ANY | HALVES


class Results(NamedTuple):
    plain: torch.Tensor                  # without gradients to record
    y: torch.Tensor
    dx: torch.Tensor
    db: torch.Tensor
    second: torch.Tensor                 # the gradient of (dx * u) by dy


def results(case, dtype):
    """Every value in `dtype` that was first rounded to the case's."""
    x, b = 3 * noise(2, case.channels, *case.size), noise(case.channels, seed=1)
    fu, fd = (None if f is None else taps(*f) for f in (case.fu, case.fd))
    x, b, u = (t.to(case.dtype).to(dtype) for t in (x, b, noise(*x.shape, seed=2)))

    def op(x, b):
        return filtered_lrelu(x, fu, fd, b, case.up, case.down, case.padding, 1.3, 0.1, 0.4, case.flip)

    plain = op(x, b)
    dy = noise(*plain.shape, seed=3).to(case.dtype).to(dtype).requires_grad_()
    y = op(x.requires_grad_(), b.requires_grad_())
    dx, db = torch.autograd.grad(y, (x, b), dy, create_graph=True)
    second, = torch.autograd.grad(dx, dy, u)
    return Results(*(t.detach() for t in (plain, y, dx, db, second)))


@pytest.fixture(scope="module")
def kernels(emulator):
    """Per case, the kernels that it launches: forward twice, backward, second."""
    names = {}
    with planned(emulator) as launches:
        for name, case in CASES.items():
            before = len(launches)
            results(case, case.dtype)
            names[name] = [launch.kernel for launch in launches[before:]]
    return names


@pytest.mark.parametrize("name", CASES)
def test_against_the_reference(name, kernels, emulator):
    case = CASES[name]
    family = "filtered_lrelu_any<" if name.startswith("any") or name in ANY else "filtered_lrelu<"
    assert [k.startswith(family) for k in kernels[name]] == [True] * 4
    with emulated(emulator):
        ours = results(case, case.dtype)
    with dispatch.use("reference"):
        exact, single = results(case, torch.float64), results(case, torch.float32)
    assert torch.equal(ours.plain, ours.y)
    for part in ("y", "dx", "second"):
        check(getattr(ours, part), getattr(exact, part), getattr(single, part))
    check_sum(ours.db, exact)


def check(ours, exact, single):
    """float32: within four times the reference's own error. 16 bits: within one rounding, and that."""
    if ours.dtype == torch.float32:
        assert relative_error(ours, exact) <= 4 * relative_error(single, exact)
    else:
        own = (single - exact).abs().max()
        assert ((ours.double() - exact).abs() <= EPS[ours.dtype] * exact.abs() + 4 * own).all()


def check_sum(db, exact):
    """Each of the terms is rounded, and so is their sum."""
    bound = EPS[db.dtype] * (4 * exact.dx.abs().sum((0, 2, 3)) + exact.db.abs())
    assert ((db.double() - exact.db).abs() <= bound).all()


def test_every_specialisation_is_run(kernels):
    run = {tuple(k.split("<")[1].split(", ")[i] for i in (1, 2, 7, 8)) for names in kernels.values() for k in names
           if k.startswith("filtered_lrelu<")}
    assert run == {(str(up), str(down), str(fu).lower(), str(fd).lower()) for up, down, fu, fd in SPECIALISED}


def test_the_states_of_the_cases_are_mixed():
    """Negative, positive and clamped samples, so that wrong states can't go unnoticed."""
    x, b = 3 * noise(2, 2, 26, 58), noise(2, seed=1)
    up, act, *_ = filtered_lrelu_steps(x, taps(12), taps(12), b, 2, 2, 9, 1.3, 0.1, 0.4)
    assert 0.2 < (up < 0).double().mean() < 0.8 and 0.1 < (act.abs() == 0.4).double().mean() < 0.6


@pytest.mark.parametrize("layout", ["channels-last", "cut out", "transposed"])
def test_any_layout_gives_the_same(layout, kernels, emulator):
    x, arguments = noise(2, 3, 9, 9), (taps(12), taps(12), noise(3, seed=1), 2, 2, 9)
    laid = {"channels-last": lambda: x.contiguous(memory_format=torch.channels_last),
            "cut out": lambda: torch.nn.functional.pad(x, (1, 2, 3, 4))[:, :, 3:-4, 1:-2],
            "transposed": lambda: x.mT.contiguous().mT}[layout]()
    with emulated(emulator):
        assert torch.equal(filtered_lrelu(laid, *arguments), filtered_lrelu(x, *arguments))


def test_empty_batch(emulator):
    x = torch.zeros(0, 3, 8, 8, requires_grad=True)
    with emulated(emulator):
        y = filtered_lrelu(x, taps(12), taps(12), noise(3), 2, 2, (9, 8, 9, 8))
        dx, = torch.autograd.grad(y.sum(), x)
    assert y.shape == (0, 3, 6, 6) and dx.shape == x.shape


def test_nan_stays_nan(kernels, emulator):
    """Where its pixel is met, and nowhere else."""
    x = noise(1, 1, 30, 30)
    x[0, 0, 12, 15] = torch.nan
    with emulated(emulator):
        ours = filtered_lrelu(x, taps(12), taps(12), None, 2, 2, (9, 8, 9, 8), clamp=0.5)
    with dispatch.use("reference"):
        assert torch.equal(ours.isnan(), filtered_lrelu(x, taps(12), taps(12), None, 2, 2, (9, 8, 9, 8),
                                                        clamp=0.5).isnan())


def test_a_filter_too_large_says_so(emulator):
    with emulated(emulator), pytest.raises(dispatch.BackendError, match="take no down filter of 130x130 taps"):
        filtered_lrelu(torch.zeros(1, 1, 200, 200), fd=taps(130, 130))
