"""Running means against their definitions, intervals against the share of them that hold the truth."""
import math

import numpy as np
import pytest
import scipy.stats
import torch

from renderer.measures.moments import Moments, mean_interval, rms_distance


def samples(count: int, seed: int = 0, offset: float = 0.0) -> torch.Tensor:
    return torch.randn(count, 3, 5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + offset


@pytest.mark.parametrize("count", [2, 3, 50])
def test_moments_are_the_definition(count):
    x, moments = samples(count, offset=1e6), Moments()          # far from 0: squares would lose what deviations keep
    shares = [moments.add(one) for one in x]
    assert moments.count == count and shares[0] == 0
    torch.testing.assert_close(moments.mean, x.mean(dim=0), rtol=1e-14, atol=0)
    exact = (x - 1e6).var(dim=0)                                # 1e6's spacing is 1e-10
    torch.testing.assert_close(moments.variance(), exact, rtol=1e-8, atol=1e-9)
    assert np.mean(shares[1:]) == pytest.approx(moments.variance().mean().item(), rel=1e-9)


def test_moments_take_any_type_and_leave_it():
    x = samples(4).to(torch.float16)
    kept, moments = x.clone(), Moments()
    for one in x:
        moments.add(one)
    assert torch.equal(x, kept) and moments.mean.dtype == torch.float64
    torch.testing.assert_close(moments.variance(), kept.double().var(dim=0))


def test_shares_of_the_variance_are_unbiased_and_uncorrelated():
    shares = []
    for seed in range(400):
        moments = Moments()
        shares.append([moments.add(one) for one in samples(4, seed)][1:])
    shares = np.array(shares)                                   # each the mean of 60 squares: deviation sqrt(2 / 60)
    assert np.abs(shares.mean(axis=0) - 1).max() < 4 * math.sqrt(2 / 60 / 400)
    assert np.abs(np.corrcoef(shares.T)[np.triu_indices(3, 1)]).max() < 4 / math.sqrt(400)


def test_the_interval_is_students():
    values = [3.0, 5.0, 4.5, 9.0]
    mean, low, high = mean_interval(values)
    expected = scipy.stats.t.interval(0.95, 3, np.mean(values), scipy.stats.sem(values))
    assert mean == pytest.approx(np.mean(values)) and (low, high) == pytest.approx(expected)
    assert mean_interval([2.0])[0] == 2.0 and math.isnan(mean_interval([2.0])[1]) and math.isnan(mean_interval([])[0])


def test_intervals_hold_the_truth_as_often_as_they_say():
    random = np.random.RandomState(0)
    holds = [low <= 7 <= high for _, low, high in (mean_interval(random.randn(6) + 7) for _ in range(2000))]
    assert abs(np.mean(holds) - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 2000)


def test_rms_distance():
    a, b = samples(2)
    assert rms_distance(a.half(), a.half()) == 0
    assert rms_distance(a, b) == pytest.approx(float(np.sqrt(np.mean((a.numpy() - b.numpy()) ** 2))), rel=1e-12)
