"""The sticking estimate: planted textures found through the whole of it, every family, refusals, what it depends on."""
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, tiny

from nets.errors import UserError
from renderer import state
from renderer.inspection import Sticking
from renderer.inspections import sticking as kind
from renderer.measures import sticking
from renderer.motions import w_spread
from renderer.pipeline import Pipeline
from renderer.report import Fact, Picture, Plot, Table
from renderer.report_files import numbers
from renderer.steps import Abandoned, Run
from renderer.subject import Subject
from renderer.types import Array, Checkpoint, Latent, RenderRequest, Synth

FEW, DEMO = Sticking(samples=4), "demo:stylegan2"


@pytest.fixture
def ask(asked):
    """A request to a tiny network or to a demo, whose pictures differ more from w to w."""
    def ask(name: str, **parts) -> RenderRequest:
        if not name.startswith("demo:"):
            return asked(name, **parts)
        return RenderRequest(Checkpoint(name, device="cpu"), **{"latent": Latent(x=3)} | parts)
    return ask


@pytest.fixture
def look(ask):
    """`look(name, inspection, **parts)`: the complete report."""
    return lambda name, inspection=FEW, **parts: Pipeline().inspect(ask(name, inspect=inspection, **parts))


@pytest.fixture
def subject(ask):
    """`subject(name, **parts)`: the network as an estimate sees it."""
    def subject(name: str, inspection: Sticking = FEW, **parts) -> Subject:
        pipeline, request, caught = Pipeline(), ask(name, inspect=inspection, **parts), []
        patch = pytest.MonkeyPatch()
        with patch.context() as within:
            within.setattr(kind.Estimate, "__init__", lambda self, _, given: caught.append(given) or stop())
            with pytest.raises(UserError, match="enough"):
                pipeline.inspect(request)
        return caught[0]

    def stop():
        raise UserError("enough")
    return subject


def figures(report, cls: type) -> dict:
    return {figure.name: figure for figure in report.figures if isinstance(figure, cls)}


def scores(report) -> dict[str, float]:
    return {name: fact.value for name, fact in figures(report, Fact).items()}


# -- planted ----------------------------------------------------------------------------------------------------------

def grain(size: int) -> torch.Tensor:
    return torch.randn(1, size, size, generator=torch.Generator().manual_seed(7))


def planted(stuck: bool, request_transform: torch.Tensor):
    """Subject.look of a network whose every signal is grain: fixed to its pixels, or moved as the transform says."""
    def look(self, ws, taps, noise=None, transform=None, see=None):
        for tap in self.taps():
            if tap.name in taps:
                channels, height, width = tap.shape
                back = torch.linalg.solve(request_transform, transform)
                right, down = (-tap.rate * back[:2, 2]).tolist()
                margin = 64 + width
                wide = grain(width + 2 * margin)
                x = wide if stuck else sticking.moved(wide, right, down)
                see(tap.name, x[None, :, margin:-margin, margin:-margin].expand(1, channels, height, width))
    return look


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("stuck", [True, False])
def test_planted_texture_is_told_by_both_tests_in_the_image_and_in_every_layer(look, monkeypatch, stuck, turned):
    """Through the whole estimate, with its own shifts; the request's transform stays in effect."""
    given = (0.6, -0.8, 0.1, 0.8, 0.6, -0.2, 0.0, 0.0, 1.0) if turned else None
    matrix = torch.eye(3) if given is None else torch.tensor(given).reshape(3, 3)
    monkeypatch.setattr(Subject, "look", planted(stuck, matrix))
    report = look("sg3-t", Sticking(), synth=Synth(transform=given))
    table = figures(report, Table)["layers"]
    both = [scores(report)["sticking"], scores(report)["streaks"], *(score for row in table.rows for score in row[2:])]
    assert min(both) > 0.9 if stuck else max(both) < 0.1
    assert all(table.flagged) if stuck else not any(table.flagged)
    moving = scores(report)["moving"]
    assert moving < 0.2 if stuck else moving > 0.9               # of 32 pixels few are far enough from the borders
    assert ("sticks to the pixels:" if stuck else "moves with the picture") in report.remarks[0]


# -- what is computed -------------------------------------------------------------------------------------------------

def test_averaging_test_is_of_w_plus_sigma_n(look, subject):
    """The image's score from the definition: neighbours by hand, the measure on their details."""
    inspection = Sticking(samples=5, sigma=0.7, first_seed=11, every_layer=False)
    given = subject(DEMO)
    ws, spread = given.ws(), w_spread(given)
    images = []
    for seed in range(11, 16):
        n = torch.from_numpy(np.random.RandomState(seed).randn(1, given.generator.config.w_dim).astype(np.float32))
        images.append(given.look(ws + 0.7 * spread * n)["image"][0].double())
    details = torch.stack([sticking.detail(image) for image in images])
    expected = sticking.sharpness(details.mean(dim=0), details.square().sum(dim=1).mean(dim=0))[2]
    report = look(DEMO, inspection)
    assert 0.3 < expected < 0.9 and scores(report)["sticking"] == pytest.approx(expected, rel=1e-4)
    mean = figures(report, Picture)["mean"].pixels.astype(float)
    levels = (torch.stack(images).mean(dim=0).permute(1, 2, 0) * 127.5 + 127.5).clamp(0, 255).numpy()
    assert np.abs(mean - levels).max() < 0.51                    # of rounding


def test_slit_scan_is_the_line_on_the_way_to_a_seed(look, subject):
    inspection = Sticking(samples=6, toward=9, line=(0.1, 0.25, 0.9, 0.25), every_layer=False)
    given = subject(DEMO)
    ws, end = given.ws(), given.ws_of(9)
    scan = torch.stack([given.look(ws.lerp(end, share))["image"][0, :, 32, 12:116] for share in np.linspace(0, 1, 6)])
    report = look(DEMO, inspection)
    levels = (scan.permute(0, 2, 1) * 127.5 + 127.5).clamp(0, 255).numpy()
    assert np.abs(figures(report, Picture)["scan"].pixels - levels).max() < 0.51
    expected = sticking.streaks(sticking.line_detail(scan.double()))
    assert 0.3 < expected < 0.9 and scores(report)["streaks"] == pytest.approx(expected, rel=1e-4)


def test_spread_is_of_w_before_truncation(subject):
    w = tiny("sg2-skip").mapping(torch.from_numpy(np.concatenate(
        [np.random.RandomState(seed).randn(1, 8) for seed in range(64)]).astype(np.float32)))[:, 0].double()
    expected = (w - w.mean(dim=0)).square().mean().sqrt().item()
    for psi in (1.0, 0.0):
        assert w_spread(subject("sg2-skip", latent=Latent(x=3, psi=psi))) == pytest.approx(expected, rel=1e-5)


def test_translation_moves_the_picture_that_way(look):
    """Moved back, more of it is as before than in place; a wrong sign or unit would make it less."""
    for name in ("demo:stylegan3-t", "demo:stylegan3-r"):
        found = scores(look(name, Sticking(samples=16, every_layer=False)))
        assert found["moving"] > 0.9 and found["sticking"] < 0.2


def test_random_noise_is_drawn_anew_for_each_neighbour(look):
    inspection = Sticking(samples=8, every_layer=False)
    found = {noise: scores(look("sg2-skip", inspection, synth=Synth(noise=noise)))["sticking"]
             for noise in ("const", "random")}
    assert found["random"] < found["const"]


def test_layers_are_cropped_to_the_image(look):
    """StyleGAN3's margins are no part of it."""
    rows = figures(look("sg3-t"), Table)["layers"].rows
    rates = [g.out_rate for g in tiny("sg3-t").synthesis.layers]
    assert [row[1] for row in rows[:-1]] == [rate for rate in rates if rate >= kind.SMALLEST]


# -- every family -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
def test_every_network_has_a_report(name, look):
    report = look(name)
    assert report.complete and report.total == 4 and report.remarks
    table, plot = figures(report, Table)["layers"], figures(report, Plot)["scores"]
    assert table.rows[-1][0] == "image" and plot.x.ticks == tuple(row[0] for row in table.rows)
    values = [score for row in table.rows for score in row[2:] if not math.isnan(score)]
    assert all(0 <= value <= 1 + 1e-6 for value in values) and len(values) >= len(table.rows)
    assert [scores(report)[name] for name in ("sticking", "streaks")] == list(table.rows[-1][2:])
    assert ("moving" in scores(report)) == name.startswith("sg3")
    names = [figure.name for figure in report.figures]
    assert len(names) == len(set(names))
    assert all(not figure.pixels.flags.writeable for figure in report.figures if isinstance(figure, Picture))


@pytest.mark.parametrize("name", ["sg1", "sg2-skip", "sg3-t"])
def test_its_state_gives_the_same_report(name, asked):
    request = asked(name, inspect=FEW)
    again = state.from_json(state.to_json(request))
    assert again == request
    first, second = Pipeline().inspect(request), Pipeline().inspect(again)
    assert numbers(first) == numbers(second)
    for one, other in zip(figures(first, Picture).values(), figures(second, Picture).values(), strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)


def test_the_image_alone(look):
    report = look("sg3-t", replace(FEW, every_layer=False))
    assert not figures(report, Table) and not figures(report, Plot)
    assert set(figures(report, Picture)) == {"mean", "realigned", "sharpness", "slit", "scan", "scan_detail"}


def test_stylegan3_can_move_by_its_latent(look):
    assert "moving" not in scores(look("sg3-t", replace(FEW, motion="latent")))


# -- on its way -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [2, 3, 4, 16, 64, 1000])
def test_the_moments_cover_the_scan_from_the_start(count):
    visited = kind._moments(count)
    assert sorted(visited) == list(range(count)) and visited[0] == 0
    part = sorted(visited[:max(count // 4, 1)]) + [count]
    assert max(b - a for a, b in zip(part, part[1:])) <= 3 * math.ceil(count / len(part[:-1]))


def test_rows_still_to_come_repeat_the_nearest(subject):
    estimate = kind.Estimate(FEW, subject(DEMO))
    assert estimate.report().figures == ()
    estimate.advance()
    report = estimate.report()
    scan = figures(report, Picture)["scan"].pixels
    assert (scan == scan[0]).all() and report.done == 1
    assert scores(report)["sticking"] == pytest.approx(1, rel=1e-5)
    estimate.advance()
    scan, second = figures(estimate.report(), Picture)["scan"].pixels, kind._moments(4)[1]
    middle = second / 2
    assert all((row == scan[0 if time < middle else second]).all() for time, row in enumerate(scan) if time != middle)
    assert (scan[0] != scan[second]).any()


@pytest.mark.parametrize("name", ["sg2-skip", "sg3-t"])
def test_an_abandoned_sample_leaves_the_estimate_as_it_was(name, subject):
    given = subject(name)
    estimate = kind.Estimate(FEW, given)
    estimate.advance()
    before = numbers(estimate.report())
    asked = 0

    def after_a_while() -> bool:
        nonlocal asked
        asked += 1
        return asked > 12
    given.run = Run(given.request, abandoned=after_a_while)
    with pytest.raises(Abandoned):
        estimate.advance()
    assert numbers(estimate.report()) == before
    given.run = Run(given.request)
    while estimate.done < estimate.total:
        estimate.advance()
    whole = kind.Estimate(FEW, given)
    while whole.done < whole.total:
        whole.advance()
    assert numbers(estimate.report()) == numbers(whole.report())


# -- what is said -----------------------------------------------------------------------------------------------------

def test_what_cannot_be_looked_into_is_said_in_a_line(look):
    with pytest.raises(UserError, match="only StyleGAN3 can translate.*'latent'"):
        look("sg2-skip", replace(FEW, motion="translation"))
    with pytest.raises(UserError, match="seed 3 is where it starts"):
        look("sg2-skip", replace(FEW, toward=3))
    with pytest.raises(UserError, match="same point"):
        look("sg2-skip", replace(FEW, line=(0.5, 0.5, 0.5, 0.5)))
    with pytest.raises(UserError, match="must be"):
        look("sg2-skip", replace(FEW, line=(0.5, 0.5, 0.5, 1.5)))


def test_caveats(look):
    still = " ".join(look("sg2-skip", replace(FEW, sigma=0.001)).remarks)
    assert "levels, too little to tell: raise sigma" in still
    assert "'none'" in still and "coarse layers" in still
    without = " ".join(look("sg2-skip", synth=Synth(noise="none")).remarks)
    assert "'none'" not in without
    assert "coarse layers" not in " ".join(look("sg3-t").remarks)


def test_a_picture_without_detail_has_no_score(look, monkeypatch):
    def flat(self, ws, taps, noise=None, transform=None, see=None):
        for tap in self.taps():
            if tap.name in taps:
                see(tap.name, torch.zeros(1, *tap.shape))
    monkeypatch.setattr(Subject, "look", flat)
    report = look("sg2-skip")
    assert "no fine detail" in report.remarks[0] and numbers(report)["facts"]["sticking"]["value"] is None


def test_a_given_w_is_where_it_starts(look):
    w = np.random.RandomState(0).randn(1, tiny("sg2-skip").mapping.num_ws, 8).astype(np.float32)
    assert look("sg2-skip", latent=Latent(w=Array.of(w))).complete
