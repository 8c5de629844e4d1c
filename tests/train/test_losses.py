"""Losses against their formulas and closed-form gradients."""
from __future__ import annotations

import math

import pytest
import torch
from torch.autograd import gradcheck

from train.losses import ADVERSARIAL, gradient_penalty, path_length_penalty, path_lengths, squared_gradient

FAKE, REAL = [-3.0, -0.4, 0.0, 1.5], [2.0, 0.3, -0.7, -5.0]


def softplus(x):
    return math.log(1 + math.exp(x))


@pytest.mark.parametrize("name, generator, discriminator", [
    ("nonsaturating", lambda f: softplus(-f), lambda f, r: softplus(f) + softplus(-r)),
    ("saturating", lambda f: -softplus(f), lambda f, r: softplus(f) + softplus(-r)),
    ("wgan", lambda f: -f, lambda f, r: f - r + 1e-3 * r * r),
    ("hinge", lambda f: -f, lambda f, r: max(0.0, 1 + f) + max(0.0, 1 - r)),
])
def test_adversarial_formulas(name, generator, discriminator):
    loss = ADVERSARIAL[name]
    fake, real = torch.tensor(FAKE, dtype=torch.float64)[:, None], torch.tensor(REAL, dtype=torch.float64)[:, None]
    torch.testing.assert_close(loss.generator(fake)[:, 0].tolist(), [generator(f) for f in FAKE])
    torch.testing.assert_close((loss.fake(fake) + loss.real(real))[:, 0].tolist(),
                               [discriminator(f, r) for f, r in zip(FAKE, REAL)])


def test_every_loss_was_tested():
    assert set(ADVERSARIAL) == {"nonsaturating", "saturating", "wgan", "hinge"}


def test_nonsaturating_gradient_survives_a_winning_discriminator():
    """-sigmoid(-D) stays near -1 where the saturating loss has faded to 0 (Goodfellow et al. 2014 sec. 3)."""
    for name, expected in [("nonsaturating", -1.0), ("saturating", 0.0)]:
        score = torch.tensor([[-20.0]], requires_grad=True)
        gradient, = torch.autograd.grad(ADVERSARIAL[name].generator(score).sum(), score)
        assert abs(gradient.item() - expected) < 1e-6


def test_squared_gradient_of_a_quadratic_score():
    """D(x) = sum a x² has |dD/dx|² = sum 4 a² x², whose own derivative by a is 8 a x² per pixel."""
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64).requires_grad_()
    a = torch.randn(2, 4, 5, dtype=torch.float64).requires_grad_()
    found = squared_gradient((a * x.square()).sum((1, 2, 3))[:, None], x)
    torch.testing.assert_close(found, (4 * a.square() * x.square()).sum((1, 2, 3)))
    by_a, = torch.autograd.grad(found.sum(), a)
    torch.testing.assert_close(by_a, (8 * a * x.square()).sum(0))


def test_squared_gradient_is_at_the_image_before_augmentation():
    """A gain of 3 inside the graph counts 9 fold."""
    x = torch.randn(2, 1, 4, 4).requires_grad_()
    plain, augmented = ((gain * x).sin().sum((1, 2, 3))[:, None] for gain in (1, 3))
    torch.testing.assert_close(squared_gradient(plain, x), x.cos().square().sum((1, 2, 3)))
    torch.testing.assert_close(squared_gradient(augmented, x), 9 * (3 * x).cos().square().sum((1, 2, 3)))


def test_gradient_penalty():
    """A linear score has the same gradient everywhere; a quadratic one shows where it was taken."""
    v = torch.randn(2, 4, 4, dtype=torch.float64).requires_grad_()
    real, fake = torch.randn(2, 3, 2, 4, 4, dtype=torch.float64)

    def linear(v):
        return gradient_penalty(lambda x: (v * x).sum((1, 2, 3))[:, None], real, fake, t)

    t = torch.rand(3, generator=torch.Generator().manual_seed(5)).double()
    torch.testing.assert_close(linear(v), (10 * (v.norm() - 1) ** 2).expand(3))
    assert gradcheck(linear, v)

    found = gradient_penalty(lambda x: x.square().sum((1, 2, 3))[:, None] / 2, real, fake, t)
    points = real + (fake - real) * t[:, None, None, None]
    torch.testing.assert_close(found, 10 * (points.flatten(1).norm(dim=1) - 1) ** 2)


def test_path_lengths_of_a_linear_generator():
    """For image = A w the gradient is A^T y in every row of w that is used: sum over w_dim, mean over num_ws."""
    n, num_ws, w_dim = 2, 3, 4
    a = torch.randn(num_ws, w_dim, 1, 6, 5, dtype=torch.float64).requires_grad_()
    ws = torch.randn(n, num_ws, w_dim, dtype=torch.float64).requires_grad_()
    noise = torch.randn(n, 1, 6, 5, dtype=torch.float64)
    found = path_lengths(torch.einsum("nkw,kwchx->nchx", ws, a), ws, noise)
    gradient = torch.einsum("kwchx,nchx->nkw", a, noise) / math.sqrt(30)
    torch.testing.assert_close(found, gradient.square().sum(2).mean(1).sqrt())
    assert torch.autograd.grad(found.sum(), a)[0].any()


def test_path_length_penalty_and_its_average():
    lengths = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64, requires_grad=True)
    penalty, average = path_length_penalty(lengths, torch.tensor(0.5, dtype=torch.float64))
    a = 0.5 + 0.01 * (3 - 0.5)
    torch.testing.assert_close(average.item(), a)
    torch.testing.assert_close(penalty.tolist(), [(v - a) ** 2 for v in (1, 2, 6)])


def test_gradients_flow_through_the_average():
    """d/dl_j sum_i (l_i - a)² = 2 (l_j - a) - 2 (0.01 / N) sum_i (l_i - a), where a moves with every length."""
    lengths = torch.tensor([1.0, 2.0, 6.0], dtype=torch.float64, requires_grad=True)
    penalty, average = path_length_penalty(lengths, torch.tensor(0.5, dtype=torch.float64))
    found, = torch.autograd.grad(penalty.sum(), lengths)
    offset = (lengths - average).detach()
    torch.testing.assert_close(found, 2 * offset - 2 * 0.01 / 3 * offset.sum())


def test_average_converges_to_the_mean_length():
    average = torch.zeros(())
    for _ in range(1000):
        average = path_length_penalty(torch.tensor([2.0, 4.0]), average)[1].detach()
    torch.testing.assert_close(average, torch.tensor(3.0), rtol=2 * 0.99 ** 1000, atol=1e-5)
