"""The controller of p: its steps, its limits, and its state."""
from __future__ import annotations

import pytest
import torch

from train.augment import Controller

ALWAYS = torch.ones(8, 1)


@pytest.mark.parametrize("scores, direction", [(ALWAYS, 1), (-ALWAYS, -1), (torch.tensor([[1.0], [-1.0]]), -1)])
def test_p_moves_towards_what_overfitting_asks_for(scores, direction):
    controller = Controller(p=0.5)
    controller.observe(scores)
    assert controller.update(4 * 64) == scores.mean()
    assert controller.p == pytest.approx(0.5 + direction * 4 * 64 / 500_000)


def test_r_t_is_the_mean_sign_of_every_score_since_the_last_update():
    controller = Controller(target=0)
    controller.observe(torch.tensor([[3.0], [0.0], [-0.1]]))
    controller.observe(torch.tensor([[2.0]]))
    assert controller.update(1) == pytest.approx(1 / 4)
    controller.observe(-ALWAYS)
    assert controller.update(1) == -1


def test_p_stays_between_0_and_1():
    controller = Controller(p=0.0)
    controller.observe(-ALWAYS)
    controller.update(1000)
    assert controller.p == 0
    controller = Controller(p=0.9999)
    controller.observe(ALWAYS)
    controller.update(1000)
    assert controller.p == 1


def test_p_rests_on_target_and_when_nothing_was_seen():
    controller = Controller(p=0.25, target=0.5)
    assert controller.update(1000) is None
    controller.observe(torch.tensor([[1.0], [1.0], [1.0], [-1.0]]))
    assert controller.update(1000) == 0.5
    assert controller.p == 0.25


def test_p_crosses_its_range_in_the_images_that_kimg_says():
    controller = Controller(kimg=100)
    for _ in range(50):
        controller.observe(ALWAYS)
        controller.update(1000)
    assert controller.p == pytest.approx(0.5)


def test_processes_that_add_up_their_signs_agree():
    whole, parts = Controller(), [Controller(), Controller()]
    scores = torch.randn(16, 1, generator=torch.Generator().manual_seed(0))
    whole.observe(scores)
    for rank, part in enumerate(parts):
        part.observe(scores[rank::2])
    total = parts[0].signs + parts[1].signs
    for part in parts:
        part.signs = total.clone()
    assert {part.update(64) for part in parts} == {whole.update(64)}
    assert {part.p for part in parts} == {whole.p}


def test_a_restored_controller_goes_on_exactly_amid_an_interval():
    kept, resumed = Controller(p=1 / 3), Controller()
    kept.observe(ALWAYS)
    resumed.restore(kept.state())
    for controller in (kept, resumed):
        controller.observe(-ALWAYS[:1])
    assert kept.update(64) == resumed.update(64)
    assert kept.p == resumed.p != 1 / 3
    assert controller.observe(torch.ones(2, 1, requires_grad=True)) is None and not controller.signs.requires_grad
