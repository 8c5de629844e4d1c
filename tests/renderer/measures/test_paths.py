"""Great circles by their properties: ends, lengths, even angles, in the plane of both ends."""
import math

import numpy as np
import pytest

from renderer.measures.paths import slerp, spread


def ends(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.random.RandomState(4).randn(2, size) * [[2.0], [0.5]])


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return math.acos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_slerp_goes_from_one_to_the_other_at_even_angles():
    a, b = ends()
    np.testing.assert_allclose(slerp(a, b, 0), a, rtol=1e-14)
    np.testing.assert_allclose(slerp(a, b, 1), b, rtol=1e-14)
    points = [slerp(a, b, t) for t in np.linspace(0, 1, 9)]
    angles = [angle(*pair) for pair in zip(points, points[1:])]
    np.testing.assert_allclose(angles, angle(a, b) / 8, rtol=1e-10)
    lengths = list(map(np.linalg.norm, points))
    np.testing.assert_allclose(lengths, np.linspace(np.linalg.norm(a), np.linalg.norm(b), 9), rtol=1e-14)
    assert np.linalg.matrix_rank(np.array(points), tol=1e-10) == 2


def test_slerp_in_the_plane_is_a_turn():
    turned = slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.25)
    np.testing.assert_allclose(turned, [math.cos(math.pi / 8), math.sin(math.pi / 8)], rtol=1e-15)


@pytest.mark.parametrize("near", [0.0, 1e-12, 1e-8, 1e-4])
def test_slerp_of_nearly_the_same_is_a_straight_line(near):
    a, b = ends()
    b = a + near * b
    np.testing.assert_allclose(slerp(a, b, 0.3), a + 0.3 * (b - a), rtol=0, atol=10 * near ** 2 + 1e-14)


@pytest.mark.parametrize("count", [1, 2, 7, 64])
def test_points_are_the_middles_of_equal_parts(count):
    np.testing.assert_allclose(sorted(spread(count)), (np.arange(count) + 0.5) / count)


def test_the_first_points_reach_all_of_the_way():
    first = np.sort(spread(64)[:8])
    assert np.diff([0, *first, 1]).max() <= 13.5 / 64     # it comes back to an eighth in 5, 8 or 13 steps
