"""Augmentation's random numbers, gradients of both orders, edges, and what its parts promise."""
from __future__ import annotations

from dataclasses import fields
from math import sqrt

import numpy as np
import pytest
import torch

from train.augment import PIPELINES, Drawn, Numbers, Pipeline, augment, draw
from train.augment.draws import TRANSFORMS
from train.augment.geometry import SYM6, margins, rotation
from train.augment.pictures import BANK, POWER, band_gains, mirrored
from train.losses import squared_gradient

EVERYTHING = PIPELINES["bgcfnc"]
NAMES = [f.name for f in fields(Pipeline)]


def seeded(seed: int = 0) -> Numbers:
    return Numbers(torch.Generator().manual_seed(seed))


def random(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture
def dtype(backend):
    """What the backend computes in, as exactly as it can: the fused C++ has no float64."""
    return torch.float64 if backend == "reference" else torch.float32


# --- random numbers --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0, 1.7])
def test_gates_open_as_often_as_p_says(name, p):
    n = 4000
    drawn = getattr(draw(Pipeline(**{name: 1}), p, (n, 1, 2, 2), seeded()), name)
    changed = drawn != TRANSFORMS[name].shut
    # an open gate may draw the value that changes nothing: no flip, no quarter turn
    changing = {"xflip": 1 / 2, "lumaflip": 1 / 2, "rotate90": 3 / 4}.get(name, 1) * min(p, 1)
    happened = changed[:, 0] if name == "imgfilter" else changed.any(1)
    assert abs(happened.double().mean() - changing) <= 5 * sqrt(changing * (1 - changing) / n)


def test_a_multiplier_scales_p():
    n = 4000
    drawn = draw(Pipeline(contrast=0.5), 0.5, (n, 3, 2, 2), seeded())
    assert abs((drawn.contrast != 1).double().mean() - 0.25) <= 5 * sqrt(0.25 * 0.75 / n)


def test_one_gate_serves_both_axes_of_a_translation_and_each_band_has_its_own():
    drawn = draw(EVERYTHING, 0.5, (1000, 1, 2, 2), seeded())
    for name in ("xint", "xfrac"):
        moved = getattr(drawn, name) != 0
        assert torch.equal(moved[:, 0], moved[:, 1])
    for name in ("rotate", "imgfilter"):
        opened = getattr(drawn, name) != TRANSFORMS[name].shut
        assert not torch.equal(opened[:, 0], opened[:, 1])


def test_what_is_drawn_takes_as_many_numbers_whatever_p():
    few, many = seeded(), seeded()
    draw(EVERYTHING, 0.01, (4, 3, 8, 8), few)
    draw(EVERYTHING, 0.99, (4, 3, 8, 8), many)
    assert torch.equal(few.generator.get_state(), many.generator.get_state())


def test_the_same_state_of_the_generator_draws_the_same():
    once, again = (draw(EVERYTHING, 0.5, (4, 3, 8, 8), seeded(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(once, again))


def test_only_what_the_pipeline_has_is_drawn():
    drawn = draw(PIPELINES["blit"], 1, (2, 3, 8, 8), seeded())
    assert [name for name, values in drawn._asdict().items() if values is not None] == ["xflip", "rotate90", "xint"]
    images = random(2, 3, 8, 8)
    assert augment(images, Drawn()) is images


@pytest.mark.parametrize("p", [-0.1, float("nan")])
def test_impossible_probabilities_are_refused(p):
    with pytest.raises(ValueError, match="not 0 or more"):
        draw(EVERYTHING, p, (1, 3, 8, 8), seeded())


# --- what comes out --------------------------------------------------------------------------------------------------

def test_shut_gates_change_nothing_but_by_rounding():
    images = random(3, 3, 24, 20)
    pipeline = Pipeline(brightness=1, contrast=1, lumaflip=1, hue=1, saturation=1, imgfilter=1, noise=1, cutout=1)
    result = augment(images, draw(pipeline, 0, images.shape, seeded()))
    # sums of 43 products twice, of taps and values of order 1
    assert (result - images).abs().max() <= 100 * torch.finfo(torch.float64).eps * images.abs().max()


def test_the_resampling_keeps_a_picture_that_does_not_move(dtype):
    """sym6 is orthonormal, so up and down by 2 is the identity up to the float32 rounding of its taps."""
    images = random(2, 3, 24, 20).to(dtype)
    result = augment(images, draw(PIPELINES["geom"], 0, images.shape, seeded()))
    # two filters in x and y: 4 x 12 taps, each rounded to float32
    assert (result - images).abs().max() <= 48 * torch.finfo(torch.float32).eps * images.abs().max()


def test_a_flat_picture_stays_flat_however_it_is_moved(backend):
    """Nothing from beyond the mirrored edges comes in, as long as no margin is as wide as the picture."""
    n, size = 8, 48
    drawn = draw(Pipeline(xflip=1, xint=1, rotate=1, xfrac=1), 1, (n, 1, size, size), seeded(3))
    result = augment(torch.ones(n, 1, size, size), drawn)
    assert (result - 1).abs().max() <= 48 * torch.finfo(torch.float32).eps


def test_margins_are_those_of_the_worst_corner_and_less_than_the_picture():
    turned = rotation(torch.tensor([0.0, torch.pi / 4]))
    # the corner of 9x5 pixels at (4, 2) reaches (4 + 2) / sqrt 2 = 4.24 on each side, and 6 pixels of filters
    assert margins(turned, 9, 5) == [7, 4, 7, 4]
    assert margins(turned[:1], 9, 5) == [6, 4, 6, 4]


@pytest.mark.parametrize("samples", [slice(0, 3), slice(5, 6), slice(1, None, 2)])
def test_a_part_of_a_batch_comes_out_as_in_the_whole(dtype, samples):
    images = random(8, 3, 20, 24).to(dtype)
    drawn = draw(EVERYTHING, 0.7, images.shape, seeded())
    part = augment(images[samples], drawn, samples)
    torch.testing.assert_close(part, augment(images, drawn)[samples])


def test_one_channel_is_recoloured_as_the_mean_of_grey():
    grey = random(4, 1, 8, 8)
    drawn = draw(PIPELINES["color"], 1, grey.shape, seeded())
    as_rgb = augment(grey.expand(-1, 3, -1, -1), drawn._replace(hue=None, saturation=None))
    torch.testing.assert_close(augment(grey, drawn), as_rgb.mean(1, keepdim=True))


def test_hue_and_saturation_alone_leave_grey_pictures_alone():
    grey = random(2, 1, 8, 8)
    assert augment(grey, draw(Pipeline(hue=1, saturation=1), 1, grey.shape, seeded())) is grey


def test_noise_is_the_pattern_times_its_strength():
    images = torch.zeros(3, 2, 6, 5)
    drawn = draw(PIPELINES["noise"], 1, images.shape, seeded())
    result = augment(images, drawn)
    assert drawn.noise.min() > 0
    for i in range(3):
        assert torch.equal(result[i], drawn.noise[i] * drawn.pattern[i])


def test_a_hole_inside_takes_a_quarter_of_the_picture():
    images = torch.ones(1, 3, 12, 16)
    result = augment(images, Drawn(cutout=torch.tensor([[0.5]]), hole=torch.tensor([[0.5, 0.25]])))
    hole = torch.zeros(12, 16, dtype=torch.bool)
    hole[:6, 4:12] = True
    assert torch.equal(result == 0, hole.expand(1, 3, 12, 16))


def test_bands_keep_the_expected_power():
    """Whatever the factors, the sum over the bands of power times gain² is 1 for every factor alone (app. B.3)."""
    for band in range(4):
        factors = torch.ones(1, 4)
        factors[0, band] = 3.7
        gains = band_gains(factors)[0]
        assert (POWER * gains.square()).sum().item() == pytest.approx(1)
        ratio = gains[band] / gains[(band + 1) % 4]
        assert ratio.item() == pytest.approx(3.7)


def test_the_bands_add_up_to_the_identity_and_part_the_spectrum_in_octaves():
    delta = torch.zeros(43, dtype=torch.float64)
    delta[21] = 1
    assert torch.allclose(BANK.sum(0), delta, atol=43 * torch.finfo(torch.float64).eps)
    response = torch.fft.rfft(BANK, 256).abs()                                  # 0 .. 128: up to half a cycle per pixel
    peak = response.argmax(1)
    edges = [0, 16, 32, 64, 128]
    assert all(low <= where <= high for low, where, high in zip(edges, peak, edges[1:]))


def test_sym6_is_orthonormal_with_six_vanishing_moments():
    taps = SYM6.double() * sqrt(2)
    rounding = 12 * torch.finfo(torch.float32).eps
    for shift in range(0, 12, 2):
        assert abs((taps[shift:] * taps[:12 - shift]).sum() - int(shift == 0)) <= rounding
    k = torch.arange(12)
    for moment in range(6):
        weights = (-1.0) ** k * (k / 11.0) ** moment                            # positions in 0..1
        assert abs((taps * weights).sum()) <= rounding


@pytest.mark.parametrize("size", [(2, 3), (16, 16), (30, 25)])
def test_mirroring_goes_to_and_fro_in_small_pictures(size):
    images = random(1, 2, *size)
    expected = np.pad(images.numpy(), ((0, 0), (0, 0), (21, 21), (21, 21)), mode="reflect")
    assert np.array_equal(mirrored(images, 21).numpy(), expected)


@pytest.mark.parametrize("shape", [(2, 3, 4, 4), (1, 1, 5, 32)])
def test_every_transform_takes_small_and_oblong_pictures(dtype, shape):
    images = random(*shape).to(dtype)
    result = augment(images, draw(EVERYTHING, 1, shape, seeded()))
    assert result.shape == images.shape and result.isfinite().all()


def test_unsuitable_images_are_refused():
    colour = draw(PIPELINES["color"], 1, (1, 4, 8, 8), seeded())
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        augment(torch.zeros(1, 4, 8, 8), colour)
    with pytest.raises(ValueError, match="float32 or float64, not torch.uint8"):
        augment(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), colour)
    with pytest.raises(ValueError, match="2 images were given to augment, but numbers drawn for 1"):
        augment(torch.zeros(2, 3, 8, 8), colour)
    with pytest.raises(ValueError, match="nothing to mirror"):
        augment(torch.zeros(1, 3, 1, 8), draw(PIPELINES["filter"], 1, (1, 3, 1, 8), seeded()))


# --- gradients -------------------------------------------------------------------------------------------------------

def test_gradients_of_both_orders():
    images = random(2, 3, 5, 6).requires_grad_()
    drawn = draw(EVERYTHING, 1, images.shape, seeded())
    assert torch.autograd.gradcheck(lambda x: augment(x, drawn), images, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, drawn).square(), images, fast_mode=True)


def test_r1_through_augmentation_equals_that_of_the_dense_matrix(dtype):
    """Augmentation is affine: its matrix A, written out, turns D's gradient g into Aᵀ g, and so R1's gradient too."""
    shape = (1, 3, 6, 5)
    drawn = draw(EVERYTHING, 1, shape, seeded(2))
    weights = random(90, seed=3).to(dtype).requires_grad_()
    images = random(*shape).to(dtype).requires_grad_()
    matrix = torch.autograd.functional.jacobian(lambda x: augment(x.view(shape), drawn).flatten(), images.flatten())
    offset = augment(torch.zeros_like(images), drawn).flatten()

    def r1(augmented):
        return squared_gradient((augmented.flatten() * weights).sum().div(100).tanh().reshape(1, 1), images).sum()

    through, dense = r1(augment(images, drawn)), r1(matrix @ images.flatten() + offset)
    torch.testing.assert_close(through, dense)
    torch.testing.assert_close(*(torch.autograd.grad(penalty, weights)[0] for penalty in (through, dense)))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("backend_name", ["cuda", "reference"])
def test_a_cuda_device_gives_what_the_cpu_gives_with_the_same_draws(backend_name):
    from cuda_ops import dispatch
    images = random(4, 3, 40, 48).float()
    drawn = draw(EVERYTHING, 1, images.shape, seeded())

    def r1_and_image(x):
        x = x.detach().requires_grad_()
        y = augment(x, drawn)
        gradient, = torch.autograd.grad(y.tanh().sum(), x, create_graph=True)
        second, = torch.autograd.grad(gradient.square().sum(), x)
        return [t.detach().cpu() for t in (y, gradient, second)]

    expected = r1_and_image(images)
    with dispatch.use(backend_name):
        result = r1_and_image(images.cuda())
    for a, b in zip(result, expected):
        assert (a - b).norm() / b.norm() < 1e-4      # float32 (reference README)
