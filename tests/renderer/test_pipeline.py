"""The pipeline on real files: what runs again, and that the numbers are the network's own."""
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, good, stage_names, tiny

from nets.errors import UserError
from renderer import look, synthesis
from renderer.colormaps import BACKDROP
from renderer.pipeline import Pipeline
from renderer.types import (
    Array,
    Checkpoint,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    Source,
    Spectrum,
    Synth,
    View,
    sources,
)

# -- what runs again --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_mixed_rows_run_their_stages_and_equal_a_full_run(asked, ran, name, noise):
    """Through the whole pipeline, against one that keeps no states and so runs every stage."""
    pipeline, whole, base = Pipeline(), Pipeline(cache_bytes=0), asked(name, synth=Synth(noise, 5))
    rows, names = range(tiny(name).num_ws), stage_names(name)
    good(pipeline.render(base))
    assert ran == names
    readers = {stage.w_row: stage.name for stage in reversed(tiny(name).synthesis.stages())}
    for k in reversed([row for row in rows if row in readers]):
        ran.clear()
        request = replace(base, mix=Mix(Source(9), tuple(range(k, len(rows)))))
        result = good(pipeline.render(request))
        assert ran == names[names.index(readers[k]):]
        assert [t.name for t in result.times if not t.reused] == ["mapping", *ran, "view"]
        ran.clear()
        assert torch.equal(whole.tensor(request), pipeline.tensor(request)) and ran == names
        np.testing.assert_array_equal(result.picture, whole.picture(request))


@pytest.mark.parametrize("name", TINY)
def test_the_ops_may_keep_what_they_make_of_its_weights(asked, name):
    """Which they do for parameters that count their changes: tensors made in inference mode don't."""
    pipeline = Pipeline()
    good(pipeline.render(asked(name)))
    parameters = list(pipeline._setting.value.network.generator.parameters())
    assert parameters and not any(p.is_inference() for p in parameters)


@pytest.mark.parametrize("name", TINY)
def test_view_and_spectrum_run_no_stage(asked, ran, name):
    pipeline, base = Pipeline(), asked(name, spectrum=Spectrum())
    good(pipeline.render(base))
    ran.clear()
    for request, again in [
            (replace(base, view=View(gain_db=6.0)), ["view"]),
            (replace(base, view=View("channel", channel=1, colormap="magma")), ["view"]),
            (replace(base, view=View(range="symmetric")), ["view"]),
            (replace(base, spectrum=Spectrum(range_db=20.0)), ["view", "spectrum"]),     # from the last view back
            (replace(base, spectrum=Spectrum(range_db=30.0)), ["spectrum"]),
            (replace(base, spectrum=Spectrum(beta=4.0)), ["spectrum"]),
            (replace(base, spectrum=Spectrum(channel=0)), ["spectrum"]),
            (replace(base, spectrum=None), []), (base, ["spectrum"])]:
        result = good(pipeline.render(request))
        assert [t.name for t in result.times if not t.reused] == again and ran == []
        fresh = good(Pipeline().render(request))
        ran.clear()
        np.testing.assert_array_equal(result.picture, fresh.picture)
        if request.spectrum:
            np.testing.assert_array_equal(result.spectrum.picture, fresh.spectrum.picture)
            np.testing.assert_array_equal(result.spectrum.radial, fresh.spectrum.radial)


def test_the_range_runs_no_transform(asked, monkeypatch):
    """Nor does the colormap: the power is remembered apart from its picture."""
    calls, original = [], look.power
    monkeypatch.setattr(look, "power", lambda *args: calls.append(1) or original(*args))
    pipeline, base = Pipeline(), asked("sg2-skip", spectrum=Spectrum())
    for spectrum in (Spectrum(), Spectrum(range_db=10.0), Spectrum(range_db=9.0, colormap="magma")):
        good(pipeline.render(replace(base, spectrum=spectrum)))
    assert len(calls) == 1


def test_a_tap_and_back(asked, ran):
    pipeline, names = Pipeline(), stage_names("sg3-t")
    good(pipeline.render(asked("sg3-t")))
    ran.clear()
    taps = [tap.name for stage in tiny("sg3-t").synthesis.stages() for tap in stage.taps]
    for tap in ("L2_16_8.up", "L2_16_8.act", "input", "image"):
        tap = next(t for t in taps if t.startswith(tap.split("_")[0]) and t.endswith(tap.split(".")[-1]))
        good(pipeline.render(asked("sg3-t", tap=tap)))
    assert ran == [names[3], names[3], "input", "image"]


@pytest.mark.parametrize("change", [{"precision": "bf16"}, {"backend": "reference"}, {"network": "G"}, {"reload": 1}])
def test_another_setting_starts_from_nothing(asked, ran, change):
    pipeline, base = Pipeline(), asked("sg2-skip")
    good(pipeline.render(base))
    ran.clear()
    request = replace(base, checkpoint=replace(base.checkpoint, **change))
    result = good(pipeline.render(request))
    assert ran == stage_names("sg2-skip")
    np.testing.assert_array_equal(result.picture, Pipeline().picture(request))
    good(pipeline.render(base))                                          # and back
    np.testing.assert_array_equal(pipeline.picture(base), Pipeline().picture(base))


@pytest.mark.parametrize("name", ["sg1", "sg2-growing"])
def test_another_lod_starts_from_nothing(asked, ran, name):
    pipeline = Pipeline()
    for lod in (None, 0.0, 0.5, 2.0, 1.25):
        ran.clear()
        request = asked(name, synth=Synth(lod=lod))
        result = good(pipeline.render(request))
        assert ran == [stage.name for stage in tiny(name).synthesis.stages(lod)]
        assert [tap.name for tap in result.info.taps] == [
            tap.name for stage in tiny(name).synthesis.stages(lod) for tap in stage.taps]
        np.testing.assert_array_equal(result.picture, Pipeline().picture(request))


# -- the numbers are the network's own --------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("noise", ["const", "random", "none"])
def test_tensor_is_the_network_itself(asked, name, noise):
    network, num = tiny(name), 3
    z = np.random.RandomState(0).randn(num, network.z_dim).astype(np.float32)
    ours = Pipeline().tensor(asked(name, latent=Latent(z=Array.of(z), psi=0.7, cutoff=2), synth=Synth(noise, 11)))
    c = torch.eye(3)[[1]].expand(num, 3) if network.c_dim else None
    expected = network(torch.from_numpy(z), c, psi=0.7, cutoff=2, noise=noise,
                       generator=torch.Generator().manual_seed(11))
    assert torch.equal(ours, expected) and ours.dtype == torch.float32


def test_every_tap_as_a_tensor(asked):
    for name in ("sg1", "sg2-resnet", "sg3-r"):
        network, pipeline = tiny(name), Pipeline()
        seen = {}
        network(torch.from_numpy(np.random.RandomState(3).randn(1, 8)).float())
        ws = network.mapping(torch.from_numpy(np.random.RandomState(3).randn(1, 8)).float())
        network.synthesis(ws, watch=seen.__setitem__)
        for tap, value in seen.items():
            torch.testing.assert_close(pipeline.tensor(asked(name, tap=tap)), value, msg=tap)


def test_many_samples_go_in_batches(asked, monkeypatch):
    """Pieces are run one after the other: the same samples with the same noise, in order."""
    z = np.random.RandomState(0).randn(7, 8)
    request = asked("sg2-skip", latent=Latent(z=Array.of(z)), synth=Synth("random", 2))
    whole = Pipeline().tensor(request)
    monkeypatch.setattr(synthesis, "BATCH", 3)
    told = []
    result = good(Pipeline().render(request, progress=lambda text, fraction: told.append(fraction)))
    torch.testing.assert_close(Pipeline().tensor(request), whole)
    assert result.picture.shape == (3 * 32, 3 * 32, 3) and (result.picture[64:, 32:] == 0).all()
    told = [fraction for fraction in told if fraction is not None]
    assert told[-1] > 6 / 7


def test_random_noise_is_the_seed_s(asked):
    pipeline = Pipeline()
    a, b, again = (pipeline.tensor(asked("sg1", synth=Synth("random", seed))) for seed in (1, 2, 1))
    assert torch.equal(a, again) and not torch.equal(a, b)
    z = Array.of(np.repeat(np.random.RandomState(0).randn(1, 8), 2, axis=0))
    first, second = pipeline.tensor(asked("sg1", latent=Latent(z=z), synth=Synth("random", 1)))
    assert not torch.equal(first, second)                                # each sample has its own


def test_transform_is_the_buffer_s_replacement(asked):
    matrix = np.array([[0.6, -0.8, 0.1], [0.8, 0.6, -0.2], [0, 0, 1]])
    network = tiny("sg3-t")
    network.synthesis.input.transform.copy_(torch.from_numpy(matrix))
    expected = network(torch.from_numpy(np.random.RandomState(3).randn(1, 8)).float())
    request = asked("sg3-t", synth=Synth(transform=tuple(matrix.ravel())))
    assert torch.equal(Pipeline().tensor(request), expected)
    result = Pipeline().render(replace(request, synth=Synth(transform=(1.0, 0.0))))
    assert "3x3" in result.error and result.details is None


def test_the_picture_of_one_channel_is_grey_and_an_oblong_one_oblong(asked):
    assert np.ptp(Pipeline().picture(asked("sg2-orig")), axis=2).max() == 0
    assert Pipeline().picture(asked("sg2-oblong")).shape == (32, 16, 3)


def test_mixing_table(asked):
    pipeline, told = Pipeline(), []
    request = asked("sg2-skip", latent=Latent(psi=0.8),
                    table=MixTable(sources(1, 2, 3), sources(4, 5), (0, 1, 2), labels=False))
    result = good(pipeline.render(request, progress=lambda *what: told.append(what)))
    cells = result.picture.reshape(3, 32, 4, 32, 3).transpose(0, 2, 1, 3, 4)
    assert (cells[0, 0] == BACKDROP).all()
    for j, b in enumerate((4, 5), start=1):
        for i, a in enumerate((1, 2, 3), start=1):
            cell = asked("sg2-skip", latent=Latent(x=b, psi=0.8), mix=Mix(Source(a), (0, 1, 2)))
            np.testing.assert_array_equal(cells[j, i], pipeline.picture(cell))
        np.testing.assert_array_equal(cells[j, 0], pipeline.picture(asked("sg2-skip", latent=Latent(x=b, psi=0.8))))
    fractions = [fraction for text, fraction in told if text.startswith("Mixing table: picture")]
    assert fractions == sorted(fractions) and told[-1][0] == "Mixing table: picture 11 of 11"
    assert good(pipeline.render(request)).picture is not None
    again = good(pipeline.render(request))
    assert again.picture is good(pipeline.render(request)).picture       # remembered


# -- information ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", TINY)
def test_info(files, name):
    info, network = Pipeline().info(Checkpoint(files(name), device="cpu")), tiny(name)
    assert (info.family, info.variant) == ({"1": "stylegan1", "2": "stylegan2", "3": "stylegan3"}[name[2]],
                                           network.variant)
    assert info.resolution == tuple(network.resolution) and info.channels == network.img_channels
    assert (info.z_dim, info.w_dim, info.c_dim, info.num_ws) == (8, 8, TINY[name].c_dim, network.num_ws)
    assert info.network == "G_ema" and set(info.networks) == {"G", "G_ema", "D"} and info.format == "safetensors"
    assert info.parameters == sum(p.numel() for p in network.parameters())
    assert info.has_transform == name.startswith("sg3")
    assert info.has_noise == (name.startswith("sg2") or name in ("sg1", "sg1-lod"))
    assert info.has_lod == (name.startswith("sg1") or name == "sg2-growing")
    assert info.lod == (getattr(TINY[name], "lod", None) if info.has_lod else None)
    assert info.taps[-1].name == "image" and info.taps[-1].rate == network.resolution[1]
    assert isinstance(json.loads(info.kwargs), dict) and hash(info) is not None


def test_stats_and_frequencies_of_taps(asked):
    result = good(Pipeline().render(asked("sg2-resnet", tap="b16.conv0.act", spectrum=Spectrum())))
    assert result.stats.shape == (4, 16, 16) and result.stats.absmax == pytest.approx(0.6) and result.stats.clamped > 0
    assert (result.spectrum.nyquist, result.spectrum.previous_nyquist, result.spectrum.cutoff) == (8, 4, None)
    result = good(Pipeline().render(asked("sg2-resnet", tap="const", spectrum=Spectrum())))
    assert (result.spectrum.nyquist, result.spectrum.previous_nyquist) == (2, None)
    assert good(Pipeline().render(asked("sg2-resnet", tap="b16.conv0.conv"))).stats.clamped is None
    layer = tiny("sg3-t").synthesis.layers[1]
    result = good(Pipeline().render(asked("sg3-t", tap=f"{layer.name}.out", spectrum=Spectrum())))
    assert (result.spectrum.cutoff, result.spectrum.nyquist) == (layer.out_cutoff, layer.out_rate / 2)
    assert result.spectrum.previous_nyquist is None
    result = good(Pipeline().render(asked("sg3-t", tap=f"{layer.name}.act", spectrum=Spectrum())))
    assert result.stats.clamped == 0 and result.spectrum.nyquist == layer.in_rate * layer.up_factor / 2


def test_the_result_names_device_precision_ops_and_memory(asked):
    result = good(Pipeline().render(asked("sg2-skip")))
    assert result.device.startswith("CPU (") and result.precision == "fp32" and result.memory_bytes > 1 << 20
    assert {op.op for op in result.ops} >= {"upfirdn2d", "bias_act"} and result.cache_bytes > 0
    assert [t.name for t in result.times] == ["load", "mapping", *stage_names("sg2-skip"), "view"]
    assert result.seconds >= sum(t.seconds for t in result.times) - 1e-3
    assert not result.picture.flags.writeable


def test_nothing_open(asked):
    pipeline = Pipeline()
    good(pipeline.render(asked("sg1")))
    result = good(pipeline.render(RenderRequest()))
    assert result.picture is None and result.info is None and result.cache_bytes == 0
    with pytest.raises(UserError, match="no checkpoint"):
        pipeline.picture(RenderRequest())
