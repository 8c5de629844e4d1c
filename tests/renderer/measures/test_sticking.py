"""The tests for texture sticking against their definitions, and on sequences whose texture sticks or moves."""
import math

import numpy as np
import pytest
import torch

from renderer.inspection import Sticking
from renderer.measures import sticking

N, SIDE = Sticking().samples, 96


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def wave(fx: float, fy: float, x0: float = 0.0, y0: float = 0.0) -> torch.Tensor:
    """A sinusoid of so many cycles per pixel, seen from (x0, y0) on: [1, 48, 48]."""
    y, x = torch.meshgrid(torch.arange(48).double() + y0, torch.arange(48).double() + x0, indexing="ij")
    return torch.sin(2 * math.pi * (fx * x + fy * y) + 0.3)[None]


# -- parts against their definitions ----------------------------------------------------------------------------------

@pytest.mark.parametrize("fx, fy", [(0.05, 0.0), (0.1, 0.2), (0.3, 0.0), (0.5, 0.5), (0.0, 0.283)])
def test_detail_has_the_stated_response(fx, fy):
    x = wave(fx, fy)
    response = (1 - math.cos(math.pi * fx) ** 4 * math.cos(math.pi * fy) ** 4) ** 2
    inner = slice(None), slice(4, -4), slice(4, -4)
    torch.testing.assert_close(sticking.detail(x)[inner], response * x[inner], rtol=0, atol=1e-12)


def test_detail_of_a_line_looks_along_it_alone():
    x = wave(0.2, 0.4)
    response = (1 - math.cos(math.pi * 0.2) ** 4) ** 2
    torch.testing.assert_close(sticking.line_detail(x)[..., 4:-4], response * x[..., 4:-4], rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (3, 8), (2, 5), (20, 17)])
def test_a_constant_has_no_detail(size):
    assert sticking.detail(torch.full((2, *size), 3.0, dtype=torch.float64)).abs().max() < 1e-14


def test_a_slope_has_no_detail_at_its_ends_either():
    """Else a picture's borders would stick, whatever moves."""
    y, x = torch.meshgrid(torch.arange(20).double(), torch.arange(17).double(), indexing="ij")
    slope = (3 * x - 2 * y)[None]
    assert sticking.detail(slope).abs().max() < 1e-12 and sticking.line_detail(slope).abs().max() < 1e-12


@pytest.mark.parametrize("size", [(20, 30), (9, 9), (4, 5), (1, 12)])
def test_local_mean_is_the_mean_of_what_there_is_around(size):
    x = drawn(*size).numpy()
    expected = [[x[max(i - 4, 0):i + 5, max(j - 4, 0):j + 5].mean() for j in range(size[1])] for i in range(size[0])]
    np.testing.assert_allclose(sticking.local_mean(torch.from_numpy(x)), expected, rtol=1e-12)


def test_sharpness_is_the_ratio_of_local_energies_where_there_is_texture():
    details = drawn(5, 2, 24, 30)
    details[..., :12] *= 0.01                                   # hardly any texture
    mean_energy = details.square().sum(dim=1).mean(dim=0)
    ratio, textured, score = sticking.sharpness(details.mean(dim=0), mean_energy)
    held = sticking.local_mean(details.mean(dim=0).square().sum(dim=0))
    local = sticking.local_mean(mean_energy)
    torch.testing.assert_close(ratio, held / local)
    assert torch.equal(textured, local >= local.mean() / 2)
    assert textured[:, 20:].all() and not textured[:, :7].any()
    assert score == pytest.approx(ratio[textured].mean().item(), rel=1e-12)
    inner = ratio[3:-3, 3:-3][textured[3:-3, 3:-3]].mean().item()
    assert sticking.sharpness(details.mean(dim=0), mean_energy, border=3)[2] == pytest.approx(inner, rel=1e-12)


@pytest.mark.parametrize("moments", [7, 16])
def test_streaks_are_the_first_temporal_frequency_of_the_scan(moments):
    """|f_t| < 1 cycle per scan, taken at its word with a Fourier transform over time."""
    details = drawn(moments, 3, 20) + 0.5 * drawn(1, 3, 20, seed=1)
    power = np.abs(np.fft.fft(details.numpy(), axis=0)) ** 2
    cycles = np.abs(np.fft.fftfreq(moments, 1 / moments))
    assert sticking.streaks(details) == pytest.approx(power[cycles < 1].sum() / power.sum(), rel=1e-12)


def test_without_detail_there_is_no_score():
    assert math.isnan(sticking.sharpness(torch.zeros(3, 12, 12), torch.zeros(12, 12))[2])
    assert math.isnan(sticking.streaks(torch.zeros(4, 3, 12)))


@pytest.mark.parametrize("line, size, rows, columns", [
    ((0.0, 0.5, 1.0, 0.5), (4, 6), [2] * 6, [0, 1, 2, 3, 4, 5]),
    ((1.0, 0.5, 0.0, 0.5), (4, 6), [2] * 6, [5, 4, 3, 2, 1, 0]),
    ((0.25, 0.0, 0.25, 1.0), (5, 4), [0, 1, 2, 3, 4], [1] * 5),
    ((0.0, 0.0, 1.0, 1.0), (4, 4), [0, 1, 2, 3], [0, 1, 2, 3]),
    ((0.3, 0.5, 0.7, 0.5), (10, 8), [5] * 4, [2, 3, 4, 5]),              # 2.4 .. 5.6: whole pixels
    ((0.0, 1.0, 1.0, 0.0), (2, 4), [1, 1, 0, 0], [0, 1, 2, 3]),
    ((0.51, 0.52, 0.52, 0.51), (8, 8), [4], [4]),                        # shorter than a pixel
    ((1.0, 1.0, 0.9, 1.0), (10, 10), [9], [9]),
])
def test_pixels_of_a_line(line, size, rows, columns):
    ours = sticking.line_pixels(line, size)
    assert [part.tolist() for part in ours] == [rows, columns]


@pytest.mark.parametrize("right, down", [(3, 0), (-2, 5), (0, 0)])
def test_whole_shifts_are_exact(right, down):
    x = drawn(2, 20, 24)
    inner = slice(None), slice(6, -6), slice(6, -6)
    torch.testing.assert_close(sticking.moved(x, right, down)[inner], x.roll((down, right), (1, 2))[inner],
                               rtol=0, atol=1e-14)


@pytest.mark.parametrize("right, down", [(0.5, 0.0), (-1.25, 2.7)])
def test_fractions_of_a_pixel_shift_a_wave(right, down):
    """To the right and down, but for the ripple of Lanczos's window, below 1 % well within Nyquist."""
    x = wave(0.15, 0.1)
    expected = wave(0.15, 0.1, -right, -down)
    inner = slice(None), slice(8, -8), slice(8, -8)
    assert (sticking.moved(x, right, down) - expected)[inner].abs().max() < 0.01
    assert (x - expected)[inner].abs().max() > 0.3


def test_sums_with_random_signs_keep_energies():
    """Over many draws the energy of a sum is that of all channels, of any linear filter's output too."""
    x = sticking.detail(drawn(10, 16, 16))
    sums = torch.stack([sticking.signs(10, 4, seed).double() @ x.flatten(1) for seed in range(400)])
    energies, whole = sums.square().sum(dim=-1).flatten(), x.square().sum().item()
    assert energies.mean().item() == pytest.approx(whole, abs=5 * energies.std().item() / math.sqrt(len(energies)))
    assert torch.equal(sticking.signs(3, 4), torch.eye(3))


# -- planted: the same texture, fixed to pixels or moving with an object ----------------------------------------------

def texture(grain: float, seed: int = 0) -> torch.Tensor:
    """Noise blurred by a Gaussian of that standard deviation in pixels, of variance 1: [1, 3 SIDE, 3 SIDE]."""
    f = torch.fft.fftfreq(3 * SIDE, dtype=torch.float64)
    blur = torch.exp(-2 * (math.pi * grain) ** 2 * (f[:, None] ** 2 + f ** 2))
    x = torch.fft.ifft2(torch.fft.fft2(drawn(1, 3 * SIDE, 3 * SIDE, seed=seed)) * blur).real
    return x / x.std()


def object_at(right: float, down: float) -> torch.Tensor:
    """The shading of a smooth object, [1, SIDE, SIDE], 0 .. 1."""
    y, x = torch.meshgrid(torch.arange(SIDE).double() - down, torch.arange(SIDE).double() - right, indexing="ij")
    return torch.exp(-((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2) / (2 * (SIDE / 5) ** 2))[None]


WINDOW = slice(None), slice(SIDE, 2 * SIDE), slice(SIDE, 2 * SIDE)


def frame(grain: torch.Tensor, right: float, down: float, stuck: float) -> torch.Tensor:
    """A moved object with texture, of which the part `stuck` stays on its pixels: [1, SIDE, SIDE]."""
    moving = sticking.moved(grain, right, down)
    return object_at(right, down) + 0.1 * (stuck * grain + (1 - stuck) * moving)[WINDOW]


def averaging_score(stuck: float, spread: float = Sticking().shift, grain: float = 0.0) -> float:
    shifts, grain = spread * drawn(N, 2, seed=3), texture(grain)
    details = [sticking.detail(frame(grain, *shift.tolist(), stuck)) for shift in shifts]
    energy = torch.stack([x.square().sum(dim=0) for x in details]).mean(dim=0)
    return sticking.sharpness(torch.stack(details).mean(dim=0), energy)[2]


def scan_score(stuck: float, travel: float = Sticking().travel, line=Sticking().line, grain: float = 0.0) -> float:
    pixels, grain = sticking.line_pixels(line, (SIDE, SIDE)), texture(grain)
    scan = torch.stack([frame(grain, share * travel - travel / 2, 0.2 * share * travel, stuck)[:, *pixels]
                        for share in np.linspace(0, 1, N)])
    return sticking.streaks(sticking.line_detail(scan))


@pytest.mark.parametrize("grain", [0.0, 1.0, 2.0])
def test_texture_that_is_fixed_to_pixels_sticks_by_both_tests(grain):
    assert averaging_score(1.0, grain=grain) > 0.9
    assert scan_score(1.0, grain=grain) > 0.9


@pytest.mark.parametrize("grain", [0.0, 1.0, 2.0])
def test_texture_that_moves_with_the_object_does_not_stick_by_either_test(grain):
    assert averaging_score(0.0, grain=grain) < 0.1
    assert scan_score(0.0, grain=grain) < 0.1


@pytest.mark.parametrize("line", [(0.2, 0.3, 0.8, 0.7), (0.5, 0.8, 0.5, 0.2)])
def test_the_slit_may_lie_anywhere(line):
    assert scan_score(1.0, line=line) > 0.9
    assert scan_score(0.0, line=line) < 0.1


def test_the_scores_grow_with_the_share_that_sticks():
    for score in (averaging_score, scan_score):
        values = [score(stuck) for stuck in (0.0, 0.3, 0.6, 1.0)]
        assert values == sorted(values)


def test_a_still_object_sticks_whatever_its_texture():
    """Which is why the reports say so when hardly anything changes."""
    assert averaging_score(0.0, spread=0.0) > 0.999


def test_the_map_shows_where_texture_sticks():
    """Fixed grain on the left half, moving grain on the right: the boundary within a neighbourhood."""
    grain = texture(1.0)
    half = torch.arange(SIDE) < SIDE // 2
    total, energy = 0.0, 0.0
    for shift in 5.0 * drawn(N, 2, seed=6):
        detail = sticking.detail(torch.where(half, grain[WINDOW], sticking.moved(grain, *shift.tolist())[WINDOW]))
        total, energy = total + detail / N, energy + detail.square().sum(dim=0) / N
    ratio, _, _ = sticking.sharpness(total, energy)
    margin = sticking.NEIGHBOURHOOD // 2 + 2 * (sticking.SUPPORT // 2)   # of the averaging and of the filter
    left, right = slice(0, SIDE // 2 - margin), slice(SIDE // 2 + margin, SIDE)
    assert ratio[:, left].min() > 0.9
    assert ratio[:, right].mean() < 0.1
