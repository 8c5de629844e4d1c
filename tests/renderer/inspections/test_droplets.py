"""Droplets in networks: planted in a StyleGAN1's noise, absent elsewhere; their cause, their undoing, the search."""
import numpy as np
import pytest
import torch
from tiny_networks import tiny

from nets.checkpoint import save_native
from nets.errors import UserError
from renderer.inspection import Droplets
from renderer.inspections import droplet_figures
from renderer.inspections.droplet_findings import Findings, Seed
from renderer.inspections.droplets import UNDOING, Estimate
from renderer.measures.droplets import Blob
from renderer.pipeline import Pipeline
from renderer.report import Picture
from renderer.steps import Abandoned, Run
from renderer.subject import Subject
from renderer.types import Checkpoint, Latent, RenderRequest, Synth

PLACE = (0.32, 0.71)
PLANTED = [f"b{resolution}.conv{i}" for resolution in (16, 32, 64) for i in (0, 1)]


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> str:
    """A 64 x 64 StyleGAN1 whose noise has one huge value, at the same place in each layer from 16 x 16 on."""
    network = tiny("sg1", resolution=64)
    for name in PLANTED:
        layer = network.synthesis.get_submodule(name)
        y, x = (int(at * len(layer.noise_const)) for at in PLACE)
        layer.noise_const[y, x] = 1e4
    path = str(tmp_path_factory.mktemp("planted") / "droplet.safetensors")
    save_native(path, {"G_ema": network})
    return path


@pytest.fixture(scope="module")
def report(planted):
    return Pipeline().inspect(request(planted, layer="b32.conv1", samples=4, first_seed=7))


def request(path: str, **options) -> RenderRequest:
    return RenderRequest(Checkpoint(path, device="cpu"), Latent(x=3), inspect=Droplets(**options))


def subject(path: str, **options) -> Subject:
    asked = request(path, **options)
    return Subject(Pipeline()._prepare(Run(asked))[0], asked)


def figure(report, name: str):
    return next(figure for figure in report.figures if figure.name == name)


def finish(estimate: Estimate) -> Estimate:
    while estimate.done < estimate.total:
        estimate.advance()
    return estimate


# -- found ------------------------------------------------------------------------------------------------------------

def test_a_planted_droplet_is_found_in_every_layer_that_has_it(report):
    table = figure(report, "layers")
    rows = {row[0]: dict(zip(table.columns, row)) for row in table.rows}
    assert [name for name, row in rows.items() if row["Droplet"] == "yes"] == PLANTED
    assert table.flagged == tuple(name in PLANTED for name in rows)
    assert table.taps == tuple(f"{name}.act" for name in rows)
    for name in PLANTED:
        pixel = 1 / rows[name]["Samples per image"]
        assert abs(rows[name]["y"] - PLACE[0]) <= pixel and abs(rows[name]["x"] - PLACE[1]) <= pixel
        assert rows[name]["Peak ratio"] > 1000 and rows[name]["Deflation (x)"] > 5
    assert figure(report, "resolutions").value == 3
    assert report.remarks[0].startswith("A droplet: ") and "from 16 to 64 samples" in report.remarks[0]


def test_heat_maps_of_layers_and_over_the_image(report):
    for name in PLANTED:
        shown, size = figure(report, f"energy_{name}"), int(name[1:3])
        assert shown.pixels.shape == (size, size, 3) and shown.tap == f"{name}.act"
        y, x = (int(at * size) for at in shown.spot)
        brightest = shown.pixels.astype(int).sum(axis=2)
        assert brightest[y, x] == brightest.max()
    over, image = figure(report, "image_energy"), figure(report, "image")
    assert over.pixels.shape == image.pixels.shape == (64, 64, 3) and over.group == image.group
    assert image.spot == pytest.approx(PLACE, abs=1 / 16)
    y, x = (int(at * 64) for at in image.spot)
    colours = over.pixels.astype(int)
    assert np.abs(colours - colours.mean(axis=2, keepdims=True)).sum(axis=2).argmax() != 0      # not grey everywhere
    assert colours[y, x].sum() > np.median(colours.sum(axis=2))


def test_names_of_figures_are_unique_and_pictures_read_only(report):
    names = [figure.name for figure in report.figures]
    assert len(set(names)) == len(names)
    assert not any(figure.pixels.flags.writeable for figure in report.figures if isinstance(figure, Picture))


@pytest.mark.parametrize("name", ["sg1", "sg1-lod", "sg1-traditional", "sg2-skip", "sg2-oblong", "sg3-t", "sg3-r"])
def test_none_is_found_in_networks_without_any(name, asked):
    report = Pipeline().inspect(asked(name, inspect=Droplets(samples=2)))
    assert report.complete and not any(figure(report, "layers").flagged)
    assert all(row[1] == "missing" for row in figure(report, "seeds").rows)
    assert report.remarks[0].startswith("No droplet: ")
    assert report.remarks[-1] == "Seeds with a droplet: 0 of 2."
    is_normal = name in ("sg1", "sg1-lod")
    assert any(figure.name == "bypassed" for figure in report.figures) == is_normal
    assert any("nothing to undo" in remark for remark in report.remarks) != is_normal


def test_no_layer_of_that_name(planted):
    with pytest.raises(UserError, match="no layer 'b63.conv0'; there are b4.conv0, b4.conv1, b8"):
        Pipeline().inspect(request(planted, layer="b63.conv0"))


# -- cause ------------------------------------------------------------------------------------------------------------

def test_the_cause_is_what_the_layer_itself_holds(planted, report):
    seen = subject(planted).look(subject(planted).ws(), ("b32.conv1.act", "b32.conv1.norm"))
    act, norm = (seen[f"b32.conv1.{step}"][0].double().numpy() for step in ("act", "norm"))
    inside = np.zeros((32, 32), bool)
    inside[int(PLACE[0] * 32), int(PLACE[1] * 32)] = True
    order = np.argsort(-act.std(axis=(1, 2)))
    whole, without = figure(report, "cause_before").curves
    np.testing.assert_allclose(whole.y, act.std(axis=(1, 2))[order], rtol=1e-5)
    np.testing.assert_allclose(without.y, act[:, ~inside].std(axis=1)[order], rtol=1e-5)
    deflated, inflated = figure(report, "cause_after").curves
    np.testing.assert_allclose(deflated.y, norm[:, ~inside].std(axis=1)[order], rtol=1e-4)
    assert (inflated.y == 1).all() and (deflated.y < 0.5).mean() > 0.5


def test_normalised_without_the_blob_the_rest_has_unit_deviation(planted):
    given = subject(planted)
    edits = {"b32.conv1": UNDOING["without"]}
    norm = given.look(given.ws(), ("b32.conv1.norm",), edits=edits)["b32.conv1.norm"][0]
    inside = torch.zeros(32, 32, dtype=torch.bool)
    inside[int(PLACE[0] * 32), int(PLACE[1] * 32)] = True
    torch.testing.assert_close(norm[:, ~inside].std(dim=1, correction=0), torch.ones(len(norm)))
    bypassed = given.look(given.ws(), ("b32.conv1.norm", "b32.conv1.act"), edits={"b32.conv1": UNDOING["bypassed"]})
    assert torch.equal(bypassed["b32.conv1.norm"], bypassed["b32.conv1.act"])


@pytest.mark.parametrize("onwards, layers", [(False, ["b32.conv1"]), (True, ["b32.conv1", "b64.conv0", "b64.conv1"])])
def test_the_counterfactual_pictures(planted, onwards, layers):
    report = Pipeline().inspect(request(planted, layer="b32.conv1", samples=0, onwards=onwards))
    given = subject(planted)
    for name in ("without", "bypassed"):
        image = given.look(given.ws(), edits=dict.fromkeys(layers, UNDOING[name]))["image"][0]
        expected = (image * 127.5 + 127.5).clamp(0, 255).round().byte().permute(1, 2, 0).numpy()
        assert np.array_equal(figure(report, name).pixels, expected)
        plain, undone = figure(report, "as_it_is").pixels.astype(float), figure(report, name).pixels.astype(float)
        change = np.abs(plain - undone).mean(axis=2)
        assert change.max() > 1
        assert figure(report, f"{name}_change").scale.high == pytest.approx(change.max(), abs=1)
    assert figure(report, "image").pixels is not None and "seeds" not in [figure.name for figure in report.figures]


# -- running ----------------------------------------------------------------------------------------------------------

def test_search(planted, report):
    table = figure(report, "seeds")
    seeds, ratios = ([row[table.columns.index(column)] for row in table.rows]
                     for column in ("Seed", "Peak ratio"))
    assert sorted(seeds) == [7, 8, 9, 10] and ratios == sorted(ratios, reverse=True)
    assert "Seeds with a droplet: 4 of 4." in report.remarks
    for name, seed in (("strongest_seed", seeds[0]), ("weakest_seed", seeds[-1])):
        plain = RenderRequest(Checkpoint(planted, device="cpu"), Latent(x=seed))
        assert np.array_equal(figure(report, name).pixels, Pipeline().picture(plain))


def test_search_without_the_noise_that_carries_it(planted):
    asked = request(planted, samples=3)
    asked = RenderRequest(asked.checkpoint, asked.latent, synth=Synth(noise="none"), inspect=asked.inspect)
    report = Pipeline().inspect(asked)
    assert report.remarks[-1] == "Seeds with a droplet: 0 of 3."
    assert not any(figure(report, "layers").flagged)


def test_the_missing_droplet_ranks_last_and_is_named():
    found = Findings("StyleGAN1", True, Droplets())
    for seed, has, ratio in ((0, True, 500), (1, False, 9e9), (2, True, 700), (3, False, 3), (4, True, 600)):
        blob = Blob(ratio, 0.5, (0, 0), (0.5, 0.5), 0.001, 1.0)
        found.add(Seed(seed, has, "b64.conv0", blob), np.full((1, 1, 3), seed, np.uint8))
        assert set(found.pictures) == {found.seeds[0].seed, found.seeds[-1].seed}
    assert [row.seed for row in found.seeds] == [2, 4, 0, 1, 3]
    table = next(figure for figure in droplet_figures.search(found) if figure.name == "seeds")
    assert table.flagged == (False, False, False, True, True)
    assert [row[1] for row in table.rows] == ["yes"] * 3 + ["missing"] * 2
    assert droplet_figures.in_words(found) == "Seeds with a droplet: 3 of 5; missing in 1, 3."
    assert {seed: pixels[0, 0, 0] for seed, pixels in found.pictures.items()} == {2: 2, 3: 3}


def test_an_abandoned_sample_leaves_all_as_it_was(planted):
    """Abandoned in the middle of every sample, and advanced again, the report is that of one that ran through."""
    options = Droplets(samples=2)
    through, estimate = finish(Estimate(options, subject(planted))), Estimate(options, interrupted := subject(planted))
    while estimate.done < estimate.total:
        calls, before = iter(range(100)), (estimate.done, len(estimate.report().figures), estimate.report().remarks)
        interrupted.run = Run(interrupted.request, abandoned=lambda calls=calls: next(calls) > 5)
        with pytest.raises(Abandoned):
            estimate.advance()
        assert (estimate.done, len(estimate.report().figures), estimate.report().remarks) == before
        interrupted.run = Run(interrupted.request)
        estimate.advance()
    for ours, theirs in zip(estimate.report().figures, through.report().figures, strict=True):
        assert ours.name == theirs.name
        if isinstance(ours, Picture):
            assert np.array_equal(ours.pixels, theirs.pixels)
    assert estimate.report().remarks == through.report().remarks
