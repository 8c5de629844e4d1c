"""FID, KID, precision and recall, and the inception score against scipy, direct definitions and closed forms."""
from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

from nets.errors import UserError
from train.metrics import manifold
from train.metrics.features import Collected, Gaussian
from train.metrics.frechet import frechet_distance
from train.metrics.inception import inception_score
from train.metrics.kernel import kernel_distance, unbiased_mmd2
from train.metrics.manifold import precision_recall


def features(count: int, width: int, seed: int, spread: float = 1.0) -> torch.Tensor:
    return spread * torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def gaussian(x: torch.Tensor, *cuts: int) -> Gaussian:
    found = Gaussian()
    for part in x.tensor_split(cuts):
        found.add(part)
    return found


# -- collecting -------------------------------------------------------------------------------------------------------

def test_a_gaussian_in_batches_is_the_one_of_all():
    """A mean 10 000 times the deviation, which the difference of raw moments would lose in float32's input digits."""
    x = features(500, 7, 1) + 1e4 * torch.arange(1, 8)
    found = gaussian(x, 1, 30, 31, 400)
    assert found.count == 500
    np.testing.assert_allclose(found.mean, x.double().numpy().mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(x.double().numpy().T, ddof=0), rtol=1e-9, atol=1e-9)


def test_collected_keeps_the_first_rows_and_copies_them():
    kept, x = Collected(5), features(4, 3, 1)
    kept.add(x)
    before = x.clone()
    x.zero_()
    assert not kept.full
    kept.add(before)
    kept.add(before)
    assert kept.full and kept.count == 5
    assert torch.equal(kept.rows(), torch.cat([before, before[:1]])) and torch.equal(kept.rows()[:4], before)
    assert Collected(2, torch.float16).count == 0
    with pytest.raises(UserError, match="empty"):
        Collected(2).rows()


# -- Fréchet distance -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("width, counts", [(5, (300, 200)), (24, (400, 30))])
def test_frechet_distance_is_scipys(width, counts):
    mix = features(width, width, 9)
    a, b = features(counts[0], width, 1) @ mix, features(counts[1], width, 2, 0.5) + 0.3
    x, y = a.double().numpy(), b.double().numpy()
    cx, cy = np.cov(x.T, ddof=0), np.cov(y.T, ddof=0)
    expected = (((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
                + np.trace(cx + cy - 2 * scipy.linalg.sqrtm(cx @ cy).real))
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_fewer_images_than_features():
    """Singular covariances: with centred rows X and Y, tr (A B)^½ is the nuclear norm of X Y^T / √(N M)."""
    a, b = features(20, 64, 1), features(30, 64, 2)
    x, y = (part.double().numpy() - part.double().numpy().mean(axis=0) for part in (a, b))
    gap = a.double().mean(dim=0) - b.double().mean(dim=0)
    expected = (gap.square().sum().item() + (x ** 2).sum() / 20 + (y ** 2).sum() / 30
                - 2 * np.linalg.norm(x @ y.T, "nuc") / math.sqrt(600))
    assert frechet_distance(gaussian(a), gaussian(b)) == pytest.approx(expected, rel=1e-5)     # √eps of null spaces


def test_frechet_distance_of_a_set_to_itself_and_of_a_shift():
    x = features(100, 6, 1)
    assert frechet_distance(gaussian(x), gaussian(x, 50)) == pytest.approx(0, abs=1e-10)
    assert frechet_distance(gaussian(x.double()), gaussian(x.double() + 2)) == pytest.approx(24, rel=1e-10)


def test_frechet_distance_says_what_is_not_finite():
    with pytest.raises(UserError, match="not finite"):
        frechet_distance(gaussian(features(9, 3, 1)), gaussian(features(9, 3, 1) * math.nan))


# -- kernel distance --------------------------------------------------------------------------------------------------

def direct_mmd2(x: np.ndarray, y: np.ndarray) -> float:
    m = len(x)

    def kernel(p, q):
        return (float(p @ q) / len(p) + 1) ** 3
    same = sum(kernel(s[i], s[j]) for s in (x, y) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return same - 2 * sum(kernel(p, q) for p in x for q in y) / m ** 2


def test_mmd2_is_its_double_sum():
    x, y = features(11, 6, 1), features(11, 6, 2) + 0.5
    assert unbiased_mmd2(x, y) == pytest.approx(direct_mmd2(x.double().numpy(), y.double().numpy()), rel=1e-10)


def test_kernel_distance_is_the_mean_over_subsets_without_replacement():
    x, y, shares = features(7, 4, 1), features(9, 4, 2) + 1, []
    found = kernel_distance(x, y, torch.Generator().manual_seed(3), subsets=4, size=5, progress=shares.append)
    drawn, expected = torch.Generator().manual_seed(3), []
    for _ in range(4):
        parts = [s[torch.randperm(len(s), generator=drawn)[:5]].double().numpy() for s in (x, y)]
        expected.append(direct_mmd2(*parts))
    assert found == pytest.approx(np.mean(expected), rel=1e-10) and shares == [0.25, 0.5, 0.75, 1]


def test_kernel_distance_of_small_sets_takes_all_of_the_smaller():
    x, y = features(6, 4, 1), features(6, 4, 2)
    found = kernel_distance(x, y, torch.Generator().manual_seed(0), subsets=2)       # any order of all six
    assert found == pytest.approx(direct_mmd2(x.double().numpy(), y.double().numpy()), rel=1e-10)
    with pytest.raises(UserError, match="1 real"):
        kernel_distance(x[:1], y, torch.Generator())


def test_kernel_distance_is_unbiased():
    """Of two samples of one distribution it is 0 but for chance: within four standard errors of independent pairs."""
    values = [unbiased_mmd2(features(20, 8, 2 * i), features(20, 8, 2 * i + 1)) for i in range(400)]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))


# -- precision and recall ---------------------------------------------------------------------------------------------

def direct_precision_recall(real: np.ndarray, fake: np.ndarray, k: int) -> tuple[float, float]:
    across = cdist(fake, real)
    ball, other = (np.sort(cdist(s, s), axis=1)[:, k] for s in (real, fake))
    return (across <= ball).any(axis=1).mean(), (across <= other[:, None]).any(axis=0).mean()


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_are_their_definition(k, monkeypatch):
    monkeypatch.setattr(manifold, "BLOCK", 1000)         # several blocks, the last one short
    real, fake = features(70, 5, 1).half(), (features(55, 5, 2, 0.6) + 0.5).half()
    shares = []
    found = precision_recall(real, fake, k, progress=shares.append)
    expected = direct_precision_recall(real.double().numpy(), fake.double().numpy(), k)
    assert found == pytest.approx(expected, abs=1e-7) and expected[0] != expected[1]
    assert shares[-1] == 1 and shares == sorted(shares) and len(shares) > 4


def test_balls_are_closed_and_as_wide_as_the_kth_neighbour():
    real = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    assert precision_recall(real, torch.tensor([[2.0], [2.5], [9.0], [100.0]]), 1).precision == 0.5
    assert precision_recall(real, real, 3) == (1, 1)


def test_precision_and_recall_need_neighbours():
    with pytest.raises(UserError, match="need 4 images"):
        precision_recall(features(9, 2, 1), features(3, 2, 1))


# -- inception score --------------------------------------------------------------------------------------------------

def test_inception_score_is_its_definition():
    p = torch.softmax(features(43, 6, 1, 2), dim=1)
    rows = p.double().numpy()
    scores = [math.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()) for part in np.array_split(rows, 10)]
    found = inception_score(p)
    assert found.mean == pytest.approx(np.mean(scores), rel=1e-10)
    assert found.std == pytest.approx(np.std(scores), rel=1e-8)


def test_inception_score_at_its_ends():
    assert inception_score(torch.eye(5).repeat(4, 1), 4) == pytest.approx((5, 0), abs=1e-12)     # sure, all classes
    assert inception_score(torch.full((20, 5), 0.2), 4) == pytest.approx((1, 0), abs=1e-12)      # says nothing
    with pytest.raises(UserError, match="10 images"):
        inception_score(torch.eye(5))
