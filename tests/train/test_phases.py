"""What each phase trains, on which images, how strongly, and what it leaves alone."""
from __future__ import annotations

import copy

import pytest
import torch
from one_step import NUM, Step, check_close
from tiny_networks import TINY

from nets.stages import synthesize
from train.losses import ADVERSARIAL
from train.phases import frozen, replace_nonfinite

GROWING = [("sg1", 1.5), ("sg1", 2.0), ("sg2-growing", 0.5), ("sg2-growing", 1.0)]


@pytest.mark.parametrize("name, lod", [(name, None) for name in TINY if name != "sg1-lod"] + GROWING)
def test_each_phase_trains_one_network_of_every_family(name, lod):
    step = Step(name, lod, num=1)
    for run, trained in [(step.gmain, "G"), (step.dmain, "D"), (step.dreg, "D")]:
        gradients = step.gradients(run)
        assert gradients and {key[0] for key in gradients} == {trained}
        assert all(g.isfinite().all() for g in gradients.values())
        assert all(g.any() for name, g in gradients.items() if name.endswith("weight"))
    if step.G.config.mapping.num_layers:
        assert {key[0] for key in step.gradients(step.greg)} == {"G"}


@pytest.mark.parametrize("adversarial", ADVERSARIAL)
def test_losses_are_those_of_the_scores(adversarial):
    step, loss = Step(adversarial=adversarial), ADVERSARIAL[adversarial]
    stats = step.gmain() | step.dmain()
    for name, function in [("G.loss", loss.generator), ("D.fake_loss", loss.fake), ("D.real_loss", loss.real)]:
        scores = stats["G.score" if name == "G.loss" else name.replace("loss", "score")]
        assert list(scores.shape) == [NUM]
        torch.testing.assert_close(stats[name], function(scores))


def test_the_second_style_starts_at_the_cutoff():
    """The images D is shown, in G's phase and in D's, are those of the mixed rows."""
    shown = []
    step = Step(phases={"show": lambda images: shown.append(images.detach()) or images})
    step.latents = step.latents._replace(cutoff=3)
    step.gmain()
    step.dmain()
    own, other = (step.G.mapping(z, step.labels) for z in (step.latents.z, step.latents.other_z))
    ws = torch.cat([own[:, :3], other[:, 3:]], dim=1).detach()
    noise = step.latents.noise
    stages = step.G.synthesis.stages()
    expected = synthesize(stages, ws, noise)
    assert torch.equal(shown[0], expected) and torch.equal(shown[1], expected) and torch.equal(shown[2], step.real)
    assert not torch.allclose(synthesize(stages, own, noise), expected)


def test_path_lengths_see_the_mixed_styles():
    step, lengths = Step(), []
    for cutoff in (step.G.num_ws, 2):
        step.latents = step.latents._replace(cutoff=cutoff)
        lengths.append(step.greg()["G.path_length"])
    assert len(lengths[0]) == NUM // 2 and not torch.allclose(*lengths)


@pytest.mark.parametrize("num, shrink, used", [(4, 2, 2), (4, 1, 4), (5, 2, 2), (1, 2, 1), (4, 8, 1)])
def test_path_lengths_of_the_first_part(num, shrink, used):
    step = Step(num=num, pl_batch_shrink=shrink)
    assert len(step.greg()["G.path_length"]) == used


def test_a_lazy_regulariser_is_scaled_by_its_interval():
    step = Step()
    check_close(step.gradients(lambda: step.dreg(gain=16)), step.gradients(step.dreg), 16)
    check_close(step.gradients(lambda: step.greg(gain=4)), step.gradients(step.greg), 4)


@pytest.mark.parametrize("regularizer", ["r1", "r2", "gp"])
def test_a_regulariser_inside_the_main_loss_adds_the_same_gradient(regularizer):
    step = Step(regularizer=regularizer, gamma=3.0)
    check_close(step.gradients(lambda: step.dmain(regularize=True)), step.gradients(step.dmain, step.dreg))
    assert set(step.dmain(regularize=True)) - set(step.dmain()) == {"D.penalty"}


def test_no_regulariser_leaves_no_gradient():
    step = Step(regularizer="none")
    assert step.gradients(step.dreg) == {}


def test_r1_is_taken_before_what_is_shown():
    """|d D(3x) / dx|² is 9 times |dD/dx|² at 3x."""
    step, tripled = Step(), Step(phases={"show": lambda images: 3 * images})
    step.real = 3 * step.real
    tripled.D.load_state_dict(step.D.state_dict())
    torch.testing.assert_close(tripled.dreg()["D.penalty"], 9 * step.dreg()["D.penalty"])


def test_micro_batches_add_up():
    step = Step()
    halves = slice(0, 2), slice(2, 4)
    for run in (step.gmain, step.dmain, step.dreg):
        single = [step.gradients(lambda half=half, run=run: run(half)) for half in halves]
        both = step.gradients(*(lambda half=half, run=run: run(half) for half in halves))
        check_close(both, {name: single[0][name] + single[1][name] for name in both})


def test_dealt_out_samples_give_the_gradient_of_the_whole_batch():
    """Every second sample each, minibatch statistics in groups of 2: groups alike, gradients the same on average."""
    step = Step(d={"mbstd_group_size": 2})
    for run in (step.gmain, step.dmain, step.dreg):
        shares = step.gradients(*(lambda rank=rank, run=run: run(slice(rank, None, 2)) for rank in range(2)))
        check_close(shares, step.gradients(run), 2)


def w_avg_after(step, run):
    before = step.G.mapping.w_avg.clone()
    run()
    after = step.G.mapping.w_avg.clone()
    step.G.mapping.w_avg.copy_(before)
    return before, after


def moved_average(step, before):
    mapping = copy.deepcopy(step.G.mapping)
    mapping.w_avg.copy_(before)
    mapping(step.latents.z, step.labels, update_w_avg=True)
    return mapping.w_avg


@pytest.mark.parametrize("always", [False, True])
def test_the_average_of_w_moves_in_the_pass_over_fakes_by_the_first_styles(always):
    step = Step(always_moves_w_avg=always, pl_batch_shrink=1)
    step.latents = step.latents._replace(cutoff=2)
    for run, moves in [(step.gmain, always), (step.greg, always), (step.dmain, True), (step.dreg, False)]:
        before, after = w_avg_after(step, run)
        assert torch.equal(after, moved_average(step, before) if moves else before)
    assert not torch.equal(moved_average(step, before), before)


def test_magnitudes_move_in_the_pass_over_fakes_alone():
    step = Step("sg3-r", num=1)
    for run, moves in [(step.gmain, False), (step.greg, False), (step.dreg, False), (step.dmain, True)]:
        before = {k: v.clone() for k, v in step.G.named_buffers() if "magnitude" in k}
        run()
        assert all((not torch.equal(step.G.get_buffer(k), v)) == moves for k, v in before.items()) and before


def test_frozen_layers_stay_frozen():
    step = Step(d={"freeze_layers": 3})
    names = {name for name, _ in step.D.named_parameters()}
    found = {name.removeprefix("D.") for name in step.gradients(step.dmain, step.dreg)}
    assert found <= names and "b16.fromrgb.weight" not in names


def test_freezing_ends_with_the_block_and_leaves_what_was_frozen_before():
    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    with pytest.raises(ZeroDivisionError), frozen(network):
        assert not network.weight.requires_grad
        raise ZeroDivisionError
    assert network.weight.requires_grad and not network.bias.requires_grad


def test_gradients_that_are_not_finite_are_replaced_and_counted():
    network = torch.nn.Linear(3, 2)
    assert replace_nonfinite(network) == {}
    network.weight.grad = torch.tensor([[float("nan"), float("inf"), 1.0], [-float("inf"), 2.0, 3e5]])
    network.bias.grad = torch.tensor([0.5, -4.0])
    assert replace_nonfinite(network) == {"weight": 3}
    assert network.weight.grad.tolist() == [[0.0, 1e5, 1.0], [-1e5, 2.0, 3e5]]
    assert network.bias.grad.tolist() == [0.5, -4.0]
    assert replace_nonfinite(network) == {}


def test_repeated_phases_are_equal_bit_for_bit():
    one, other = Step(), Step()
    for a, b in [(one.gmain, other.gmain), (one.greg, other.greg), (one.dmain, other.dmain), (one.dreg, other.dreg)]:
        first, second = one.gradients(a), other.gradients(b)
        assert all(torch.equal(first[name], second[name]) for name in first) and first.keys() == second.keys()


def test_growing_networks_train_only_the_levels_in_use():
    found = Step("sg1", lod=2.0)
    names = found.gradients(found.gmain)
    assert any("b8." in name for name in names) and not any("b32." in name or "b16." in name for name in names)
