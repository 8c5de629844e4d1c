"""Sliced Wasserstein distance: its pyramid, its patches, and the distance itself against scipy."""
import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from scipy.stats import wasserstein_distance

from nets.errors import UserError
from train.metrics import swd as module
from train.metrics.swd import Patches, magnified, normalised, pyramid, sliced_wasserstein, swd


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (33, 47)])
def test_the_pyramid_gives_the_images_back(size):
    x = noise(2, 3, *size)
    levels = pyramid(x)
    assert len(levels) == {64: 3, 48: 2, 33: 2}[size[0]] and min(levels[-1].shape[2:]) >= 16
    built = levels[-1]
    for level in reversed(levels[:-1]):
        built = level + magnified(built, level.shape[2:])
    torch.testing.assert_close(built, x)


@pytest.mark.parametrize("size", [(32, 36), (33, 39)])
def test_the_coarse_level_is_filtered_by_binomials_and_halved(size):
    x = noise(1, 1, *size)
    expected = x[0, 0].numpy()
    for axis in (0, 1):
        expected = correlate1d(expected, np.array([1, 4, 6, 4, 1]) / 16, axis=axis, mode="mirror")
    np.testing.assert_allclose(pyramid(x)[1][0, 0], expected[::2, ::2], atol=1e-14)


@pytest.mark.parametrize("size", [(64, 64), (33, 47)])
def test_flat_images_have_no_detail(size):
    *details, coarse = pyramid(torch.full((1, 1, *size), 3.0, dtype=torch.float64))
    assert all(level.abs().max() < 1e-14 for level in details)
    torch.testing.assert_close(coarse, torch.full_like(coarse, 3))


def test_patches_are_cut_from_everywhere_of_their_own_image():
    """Pixels number themselves, so that a patch tells where it comes from: 3 images of 9 x 8 pixels, 3 x 2 places."""
    x = torch.arange(3 * 2 * 9 * 8.0).reshape(3, 2, 9, 8)
    patches = Patches(seeded(1), per_image=200)
    patches.add(x)
    cut = torch.cat(patches._levels[8]).reshape(3, 200, 2, 7, 7)
    for i in range(3):
        corners = cut[i, :, 0, 0, 0].int() - i * 2 * 72
        assert set(corners.tolist()) == {8 * row + column for row in range(3) for column in range(2)}
        for patch, corner in zip(cut[i], corners.tolist()):
            row, column = divmod(corner, 8)
            assert torch.equal(patch, x[i, :, row:row + 7, column:column + 7])


def test_each_channel_is_normalised_by_itself():
    x = noise(50, 3, 7, 7) * torch.tensor([1.0, 5, 9])[:, None, None] + 4
    found = normalised(x).reshape(50, 3, 49).transpose(0, 1).flatten(1)
    np.testing.assert_allclose(found.mean(dim=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(dim=1, correction=0), 1, rtol=1e-12)
    assert normalised(torch.ones(4, 1, 7, 7)).abs().max() == 0


def test_the_distance_is_scipys_along_each_direction(monkeypatch):
    a, b = noise(60, 5), noise(60, 5, seed=2) * 2 + 1
    drawn = torch.randn(5, 40, generator=seeded(3)).double().numpy()
    drawn /= np.linalg.norm(drawn, axis=0)
    expected = np.mean([wasserstein_distance(a.numpy() @ d, b.numpy() @ d) for d in drawn.T])
    monkeypatch.setattr(module, "CHUNK", 60 * 7)         # seven directions at a time
    assert sliced_wasserstein(a, b, seeded(3), 40) == pytest.approx(expected, rel=1e-6)      # float32 directions


def test_a_shift_on_one_axis_is_its_mean_projection():
    """E|cos| between a fixed and a random direction is 1/2 in three dimensions; the points' order has no part in it."""
    a = noise(40, 3)
    b = a.flip(0) + torch.tensor([2.0, 0, 0])
    assert sliced_wasserstein(a, b, seeded(1), 20000) == pytest.approx(1, abs=4 * 0.58 / 20000 ** 0.5)
    assert sliced_wasserstein(a, a.flip(0), seeded(1)) == 0


def patches_of(x: torch.Tensor, seed: int, step: int = 50) -> Patches:
    found = Patches(seeded(seed), per_image=16)
    for part in x.split(step):
        found.add(part)
    return found


def test_swd_sees_what_differs_and_at_which_level():
    """White noise lies close to white noise; noise without its finest octave differs there, and little elsewhere."""
    real, fake = noise(100, 1, 64, 64), noise(100, 1, 64, 64, seed=2)
    smooth = pyramid(fake)
    smooth = magnified(smooth[1] + magnified(smooth[2], (32, 32)), (64, 64))
    near = swd(patches_of(real, 1), patches_of(fake, 2), seeded(5))
    far = swd(patches_of(real, 1), patches_of(smooth, 2), seeded(5))
    assert list(near) == list(far) == [64, 32, 16]
    assert far[64] > 2 * near[64] and far[64] > 2 * far[16]


def test_swd_is_a_thousand_times_the_distance_of_normalised_patches():
    a, b, shares = patches_of(noise(10, 3, 16, 16), 1), patches_of(noise(10, 3, 16, 16, seed=2) ** 3, 2), []
    found = swd(a, b, seeded(3), progress=shares.append)
    assert found == {16: 1000 * sliced_wasserstein(a.level(16), b.level(16), seeded(3))} and shares == [1]


def test_batches_make_no_difference_to_whole_sets():
    x = noise(4, 1, 16, 16)
    whole = torch.cat(patches_of(x, 1)._levels[16])
    assert whole.shape == (64, 1, 7, 7) and whole.dtype == torch.float32
    assert len(patches_of(x, 1, step=1).level(16)) == 64


def test_what_cannot_be_compared_is_said():
    a = patches_of(noise(4, 1, 16, 16), 1)
    for other in (noise(3, 1, 16, 16), noise(4, 3, 16, 16), noise(4, 1, 32, 32)):
        with pytest.raises(UserError, match="equally many"):
            swd(a, patches_of(other, 2), seeded(1))
    with pytest.raises(UserError, match="6 x 8"):
        a.add(noise(1, 1, 8, 6))
