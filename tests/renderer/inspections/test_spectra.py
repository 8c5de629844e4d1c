"""The spectra view: what it says of networks and data sets is what their signals have."""
import gc
import weakref
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, tiny

from cuda_ops.upfirdn2d import upsample2d
from nets.checkpoint import save_native
from nets.errors import UserError
from nets.stages import all_taps
from renderer.images import save_png
from renderer.info import tap_info
from renderer.inspection import Spectra
from renderer.inspections.spectra import Seeds
from renderer.latents import random_z
from renderer.measures.spectrum import Average, power, radial
from renderer.pipeline import Pipeline
from renderer.report import Fact, Picture
from renderer.steps import Abandoned
from renderer.types import Checkpoint, Latent, Synth


@pytest.fixture
def look(asked):
    def look(name: str, latent: Latent = Latent(), synth: Synth = Synth(), **options):
        return Pipeline().inspect(asked(name, latent=latent, synth=synth, inspect=Spectra(**options)))
    return look


def figure(report, name: str):
    return next(figure for figure in report.figures if figure.name == name)


def curves(report, plot: str = "radial") -> dict[str, np.ndarray]:
    return {curve.name: curve.y for curve in figure(report, plot).curves}


def source(report, which: int) -> dict:
    """Its row of the table of sources."""
    table = figure(report, "sources")
    return dict(zip(table.columns, table.rows[which]))


def assert_averaged(report, which: int, average: Average) -> None:
    said = source(report, which)
    assert said["Mean"] == pytest.approx(average.mean, rel=1e-4, abs=1e-5)
    assert said["Standard deviation"] == pytest.approx(average.std, rel=1e-4)


@torch.no_grad()
def taps_of(name: str, seed: int) -> dict[str, torch.Tensor]:
    """All taps of a tiny network, by its own forward pass, and its ws."""
    network, taps = tiny(name), {}
    c = torch.eye(3)[1:2] if network.c_dim else None
    taps["ws"] = network.mapping(torch.from_numpy(random_z(seed, network.z_dim).astype(np.float32)), c)
    network.synthesis(taps["ws"], watch=taps.__setitem__)
    return taps


def averaged(images: list[torch.Tensor], beta: float = 8.0, interp: int = 4) -> Average:
    average = Average(tuple(images[0].shape[1:]), float(images[0].shape[2]), beta, interp)
    for image in images:
        average.add(average.of(image))
    return average


def random_pictures(count: int, size: int = 32) -> list[np.ndarray]:
    """uint8 [H, W, 3], smooth across and rough downwards."""
    noise = np.random.RandomState(0).rand(count, size, size + 1, 3)
    return list(((noise[:, :, 1:] + noise[:, :, :-1]) * 127).astype(np.uint8))


def signal_of(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1


@pytest.fixture
def folder(tmp_path):
    for i, picture in enumerate(random_pictures(5)):
        save_png(tmp_path / f"{i}.png", picture)
    return tmp_path


# The walk may use ops of another rounding than the tests': relative to the signals' own power it is far below 1e-4.
CLOSE = {"rtol": 1e-3, "atol": 1e-4}


# -- one network ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("network", TINY)
def test_the_average_is_that_of_the_pictures(network, look):
    report = look(network, samples=3, first_seed=5, every_layer=False, interp=2, kaiser_beta=4.0)
    average = averaged([taps_of(network, seed)["image"][0] for seed in (5, 6, 7)], 4.0, 2)
    assert report.complete and report.done == 3
    assert_averaged(report, 0, average)
    assert source(report, 0)["Pictures"] == 3
    expected = average.profiles(average.half(average.mean, average.std))
    shown = (*curves(report).values(), *curves(report, "slices").values())
    for ours, one in zip(shown, expected, strict=True):
        np.testing.assert_allclose(10 ** (ours / 10), one.numpy(), **CLOSE)


@pytest.mark.parametrize("network", TINY)
def test_every_layer_has_its_spectrum(network, look):
    report = look(network, samples=2)
    taps = {tap.name: tap for tap in map(tap_info, all_taps(tiny(network).synthesis.stages()))}
    seen = [taps_of(network, seed) for seed in (0, 1)]
    plot = figure(report, "layers")
    assert {name.rpartition(".")[0] for name in taps} - {curve.name.rpartition(".")[0] for curve in plot.curves} <= {
        name.rpartition(".")[0] for name in taps if name.endswith(("torgb", "image"))}
    for curve in plot.curves:
        s = sum(power(one[curve.name][0]) for one in seen)
        expected = radial(s, taps[curve.name].rate) / s.mean()
        np.testing.assert_array_equal(curve.x, np.arange(1, len(expected)))
        np.testing.assert_allclose(10 ** (curve.y / 10), expected[1:].numpy(), **CLOSE)
    waterfall = figure(report, "waterfall").pixels
    assert waterfall.dtype == np.uint8 and not waterfall.flags.writeable
    assert len(waterfall) % len(plot.curves) == 0


@pytest.mark.parametrize("network", ["sg3-t", "sg3-r"])
def test_the_budget_of_filtered_layers(network, look):
    table = figure(look(network, samples=2), "aliasing")
    seen = [taps_of(network, seed) for seed in (0, 1)]
    layers = {g.name: g for g in tiny(network).synthesis.layers}
    assert [row[0] for row in table.rows] == list(layers) and table.taps == tuple(f"{name}.out" for name in layers)
    for name, *shares, f_c, f_t, nyquist, _ in table.rows:
        g = layers[name]
        s = sum(power(one[f"{name}.out"][0]) for one in seen).numpy()
        f = np.abs((np.arange(len(s)) - len(s) // 2) * g.out_rate / len(s))
        distance = np.hypot(f[:, None], f) if g.radial_down else np.maximum(f[:, None], f)
        assert (f_c, nyquist) == (g.out_cutoff, g.out_rate / 2) and f_t > f_c
        for limit, (percent, db) in zip((f_c, f_t), (shares[:2], shares[2:])):
            if limit >= nyquist:
                assert percent is db is None
            else:
                assert percent == pytest.approx(100 * s[distance > limit + 1e-6].sum() / s.sum(), rel=1e-3, abs=1e-4)
                assert db == pytest.approx(10 * np.log10(percent / 100))
    assert any(row[1] is None for row in table.rows) and any(row[3] is not None for row in table.rows)


def test_a_layer_without_filters_stands_out(tmp_path, asked):
    """Repeated samples and one tap in place of a layer's filters: what lies beyond the band stays there."""
    shares = {}
    for kind in ("designed", "one tap"):
        network = tiny("sg3-t")
        layer = network.synthesis.get_submodule(network.synthesis.layers[1].name)
        if kind == "one tap":
            up, centre = layer.geometry.up_factor, len(layer.up_filter) // 2
            layer.up_filter.zero_()[centre:centre + up] = 1 / up
            layer.down_filter.zero_()[len(layer.down_filter) // 2] = 1
        save_native(tmp_path / "network.safetensors", {"G_ema": network})
        request = replace(asked("sg3-t"), checkpoint=Checkpoint(str(tmp_path / "network.safetensors"), device="cpu"),
                          inspect=Spectra(samples=2))
        report = Pipeline().inspect(request)
        shares[kind] = figure(report, "aliasing").rows[1][3]
    assert shares["one tap"] > 10 * shares["designed"]
    assert report.remarks[0].startswith(tiny("sg3-t").synthesis.layers[1].name)


@pytest.mark.parametrize("network", ["sg1", "sg1-traditional", "sg2-skip", "sg2-resnet", "sg2-oblong", "sg2-growing"])
@torch.no_grad()
def test_what_upsampling_brings_in(network, look):
    """Against the network's own op: the windowed input of each upsampling convolution, enlarged and transformed."""
    report = look(network, samples=2)
    synthesis, seen = tiny(network).synthesis, [taps_of(network, seed) for seed in (0, 1)]
    table, names = figure(report, "aliasing"), list(seen[0])
    assert [row[0] for row in table.rows] == [
        stage.name for stage in synthesis.stages() if stage.name.endswith("conv0") and stage.name != "b4.conv0"]
    for (layer, percent, db, old, new, _), tap in zip(table.rows, table.taps):
        above = everything = 0.0
        before = names.index(next(name for name in names if name.startswith(f"{layer}.")))
        assert tap == [name for name in names[:before] if "torgb" not in name and "image" not in name][-1]
        for one in seen:
            x, module = one[tap].double(), synthesis.get_submodule(layer)
            if network.startswith("sg2"):
                row = next(stage.w_row for stage in synthesis.stages() if stage.name == layer)
                x = x * module.affine(one["ws"][:, row])[:, :, None, None]
            height, width = x.shape[2:]
            window = torch.from_numpy(np.outer(np.kaiser(height, 8), np.kaiser(width, 8)))
            x = ((x - x.mean((2, 3), keepdim=True)) * window).repeat(1, 1, 3, 3)
            f = module.resample_filter if network.startswith("sg2") else torch.full((2, 2), 0.25)
            x = upsample2d(x, f)[:, :, 2 * height:4 * height, 2 * width:4 * width]       # one period of it
            enlarged = torch.fft.fft2(x).abs().square().sum((0, 1)).numpy()
            fy, fx = (np.abs(np.fft.fftfreq(n)) for n in enlarged.shape)
            above += enlarged[np.maximum(fy[:, None], fx) > 0.25].sum()
            everything += enlarged.sum()
        assert percent == pytest.approx(100 * above / everything, rel=1e-3, abs=1e-4)
        assert new == 2 * old == seen[0][tap].shape[3] and db == pytest.approx(10 * np.log10(percent / 100))


def test_a_picture_that_is_not_finite_is_named(tmp_path, asked):
    network = tiny("sg2-skip")
    network.synthesis.b32.torgb.bias.data[1] = float("nan")
    save_native(tmp_path / "network.safetensors", {"G_ema": network})
    request = replace(asked("sg2-skip"), checkpoint=Checkpoint(str(tmp_path / "network.safetensors"), device="cpu"),
                      inspect=Spectra(first_seed=4))
    with pytest.raises(UserError, match="the picture of seed 4 in network.safetensors has values that are not finite"):
        Pipeline().inspect(request)
    result = Pipeline().render(request)
    assert result.error is None and any("not finite" in note for note in result.notes)


# -- beside another source --------------------------------------------------------------------------------------------

def test_the_same_network_differs_by_nothing(look, files):
    report = look("sg2-skip", samples=2, against=files("sg2-skip"))
    difference = figure(report, "difference")
    assert isinstance(difference, Fact) and difference.value == 0
    ours, theirs = curves(report).values()
    np.testing.assert_array_equal(ours, theirs)
    assert (figure(report, "spectrum_1").pixels == figure(report, "spectrum_2").pixels).all()
    assert report.complete and "0.0 dB" in report.remarks[0]


def test_another_network(look, files):
    """Of half the sampling rate: both have the levels of power per area of the frequency plane."""
    report = look("sg2-skip", samples=2, against=files("sg2-oblong"), kaiser_beta=4.0, every_layer=False)
    first, second = ([taps_of(name, seed)["image"][0] for seed in (0, 1)] for name in ("sg2-skip", "sg2-oblong"))
    own, other = averaged(first, 4.0), averaged(second, 4.0)
    ratio = (first[0].shape[2] / second[0].shape[2]) ** 2
    radial, *_ = other.profiles(other.half(own.mean, own.std) * ratio)
    np.testing.assert_allclose(10 ** (list(curves(report).values())[1] / 10), radial.numpy(), rtol=1e-3,
                               atol=1e-4 * ratio)
    assert not any(one.name == "difference" for one in report.figures if isinstance(one, Picture))


def test_a_conditional_network_has_to_be_the_first(look, files):
    """Its class is chosen in the request, which is fitted to the first one."""
    with pytest.raises(UserError, match="is conditional and this network is not: open that one, choose a class"):
        look("sg2-skip", against=files("sg2-conditional"))
    report = look("sg2-conditional", samples=2, against=files("sg2-skip"), every_layer=False)
    assert_averaged(report, 0, averaged([taps_of("sg2-conditional", seed)["image"][0] for seed in (0, 1)]))
    assert_averaged(report, 1, averaged([taps_of("sg2-skip", seed)["image"][0] for seed in (0, 1)]))


@pytest.mark.parametrize("packed", [False, True])
def test_a_data_set(packed, look, folder, tmp_path_factory):
    """Whitened by its own mean and deviation, the network's pictures too."""
    path = folder
    if packed:
        path = tmp_path_factory.mktemp("packed") / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"sub/{file.name}")
    report = look("sg2-skip", samples=5, against=str(path), every_layer=False)
    data = averaged([signal_of(picture) for picture in random_pictures(5)])
    own = averaged([taps_of("sg2-skip", seed)["image"][0] for seed in range(5)])
    assert_averaged(report, 1, data)
    assert_averaged(report, 0, own)
    for ours, one in zip(curves(report).values(), (own, data), strict=True):
        half = one.half(data.mean, data.std)
        np.testing.assert_allclose(10 ** (ours / 10), one.profiles(half)[0].numpy(), rtol=1e-3,
                                   atol=1e-4 * (own.std / data.std) ** 2)
    level = list(curves(report, "slices").values())[2]
    assert level[1] > level[-1] + 10             # two neighbours averaged: nothing is left at Nyquist


def test_a_data_set_is_drawn_from_by_the_seed(look, folder):
    def levels(first_seed: int):
        return list(curves(look("sg2-skip", samples=2, against=str(folder), first_seed=first_seed)).values())[1]
    assert (levels(0) == levels(0)).all() and (levels(0) != levels(1)).any()


def test_what_does_not_fit_is_told(look, folder):
    save_png(folder / "9.png", np.zeros((8, 8, 3), np.uint8))
    (folder / "8.jpg").write_bytes(b"damaged")
    report = look("sg2-skip", samples=7, against=str(folder), every_layer=False)
    assert f"{folder.name} has no more than 5 pictures that fit." in report.remarks
    (skipped,) = (remark for remark in report.remarks if "skipped" in remark)
    assert skipped.startswith("2 of its pictures were skipped") and ("8.jpg" in skipped or "9.png" in skipped)
    assert_averaged(report, 1, averaged([signal_of(picture) for picture in random_pictures(5)]))
    assert [source(report, which)["Pictures"] for which in (0, 1)] == [7, 5]


@pytest.mark.parametrize("source, why", [("missing.zip", "missing.zip: is not there"), ("missing.pkl", "missing.pkl"),
                                         ("demo:nothing", "nothing")])
def test_a_source_that_is_not_there(source, why, look, tmp_path):
    with pytest.raises(UserError, match=why):
        look("sg2-skip", against=source if source.startswith("demo:") else str(tmp_path / source))


# -- as an estimate ---------------------------------------------------------------------------------------------------

def test_interrupted_anywhere_it_goes_on_as_if_it_had_not_been(asked, folder):
    """Every other attempt is abandoned, each time one step later, until one gets through."""
    request = asked("sg2-skip", inspect=Spectra(samples=3, against=str(folder)))
    whole = Pipeline().inspect(request)
    pipeline, allowed = Pipeline(), 0

    def attempt(steps: int):
        left = [steps]

        def abandoned() -> bool:
            left[0] -= 1
            return left[0] < 0
        try:
            return pipeline.render(request, abandoned).report
        except Abandoned:
            return None
    report = None
    while report is None or not report.complete:
        allowed += 1
        report = attempt(allowed)
    assert allowed > 20
    assert report.remarks == whole.remarks
    for plot in ("radial", "slices", "layers", "aliasing_over_layers"):
        for name, y in curves(report, plot).items():
            np.testing.assert_array_equal(y, curves(whole, plot)[name])


def test_random_noise_is_another_for_each_seed(look):
    still, moving = (look("sg2-skip", Latent(psi=0.0), Synth(noise=noise), samples=4, every_layer=False)
                     for noise in ("const", "random"))
    assert source(still, 0) != source(moving, 0)
    one = look("sg2-skip", Latent(psi=0.0), Synth(noise="random"), samples=1, every_layer=False)
    assert (list(curves(one).values())[0] != list(curves(moving).values())[0]).any()


def test_what_it_depends_on(asked):
    """Another seed or tap leaves it as it is; truncation, another beta or input transform begin anew."""
    pipeline = Pipeline()
    request = asked("sg3-t", inspect=Spectra(samples=1, every_layer=False))
    report = pipeline.render(request).report
    for same in (replace(request, latent=Latent(x=9)), replace(request, tap="input")):
        assert pipeline.render(same).report is report
    quarter = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    for other in (replace(request, latent=Latent(psi=0.5)), replace(request, inspect=Spectra(1, kaiser_beta=2.0)),
                  replace(request, synth=Synth(transform=quarter))):
        assert pipeline.render(other).report is not report


@pytest.mark.parametrize("source", ["data", "network"])
def test_an_estimate_that_is_dropped_leaves_nothing(source, asked, files, folder):
    """Neither its sums nor the data set or network that it opened."""
    pipeline = Pipeline()
    source = str(folder) if source == "data" else files("sg1")
    request = asked("sg2-skip", inspect=Spectra(samples=1, against=source))
    pipeline.render(request)
    estimate = pipeline._lab._estimate
    left = [weakref.ref(one) for one in (estimate, estimate._average, estimate._rivals)]
    if isinstance(estimate._rivals, Seeds):
        left.append(weakref.ref(estimate._rivals.subject.generator))
    del estimate
    pipeline.render(replace(request, inspect=None))
    gc.collect()
    assert [one() for one in left] == [None] * len(left)
