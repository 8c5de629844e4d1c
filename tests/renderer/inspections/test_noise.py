"""The noise view against renders of the same noise, and against a network whose noise is known."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, tiny

from nets.build import build
from nets.checkpoint import save_native
from nets.errors import UserError
from nets.stages import draw_noise, synthesize
from renderer.colormaps import colours
from renderer.inspection import Noise
from renderer.pipeline import Pipeline
from renderer.report import Fact
from renderer.types import Checkpoint, Latent, Mix, RenderRequest, Source, Synth, View

DEMO = RenderRequest(Checkpoint("demo:stylegan1", device="cpu"), Latent(x=5, psi=0.8), Mix(Source(2), (4, 5)))


def figures(report) -> dict:
    return {figure.name: figure for figure in report.figures}


def shown(image: torch.Tensor) -> np.ndarray:
    """The levels 0..255 of an image [1, C, H, W], by the definition of a picture: float64 [3, H, W]."""
    return ((image[0].double().numpy() + 1) * 127.5).clip(0, 255) * np.ones([3, 1, 1])


@pytest.fixture(scope="module")
def found():
    return figures(Pipeline().inspect(replace(DEMO, inspect=Noise(samples=2))))


def test_pictures_are_those_of_each_range(found):
    for name, mode in (("all", "const"), ("none", "none")):
        rendered = Pipeline().picture(replace(DEMO, synth=Synth(mode)))
        np.testing.assert_array_equal(found[f"noise_{name}"].pixels, rendered)
    pipeline = Pipeline()
    pipeline.tensor(DEMO)
    setting = pipeline._setting.value
    for name, is_in in (("coarse", lambda size: size <= 32), ("fine", lambda size: size >= 64)):
        noise = {stage: x if is_in(x.shape[-1]) else None
                 for stage, x in draw_noise(setting.stages, "const", 1).items()}
        assert len({x is None for x in noise.values()}) == 2
        ws = torch.from_numpy(pipeline.render(DEMO).ws.copy())
        image = synthesize(setting.stages, ws, noise)
        np.testing.assert_array_equal(found[f"noise_{name}"].pixels, np.rint(shown(image)).astype(np.uint8).transpose(
            1, 2, 0))


def test_the_picture_is_that_of_the_open_request(asked):
    request = asked("sg2-skip", synth=Synth("random", 7), inspect=Noise(samples=0))
    found = figures(Pipeline().inspect(request))
    np.testing.assert_array_equal(found["noise_all"].pixels, Pipeline().picture(request))
    assert found["noise_all"].group == found["noise_coarse"].group and "spread" not in found


@pytest.mark.parametrize("name", ["sg1", "sg2-resnet", "sg2-orig", "sg2-oblong"])
def test_the_map_is_the_standard_deviation_of_each_pixel(asked, name):
    request = asked(name, synth=Synth("none"), inspect=Noise(samples=6, first_seed=3))
    report = Pipeline().inspect(request)
    rendered = [shown(Pipeline().tensor(replace(request, synth=Synth("random", seed), inspect=None)))
                for seed in range(3, 9)]
    variance = np.var(rendered, axis=0, ddof=1).mean(axis=0)
    picture, fact = figures(report)["spread"], next(figure for figure in report.figures if isinstance(figure, Fact))
    tolerance = 1e-3                     # float32 levels of up to 255: 3e-5, and they are squared against small spreads
    assert picture.scale.high == pytest.approx(np.sqrt(variance).max(), rel=tolerance)
    assert fact.value == pytest.approx(np.sqrt(variance.mean()), rel=tolerance) and fact.low < fact.value < fact.high
    index = np.rint(255 * np.sqrt(variance) / np.sqrt(variance).max()).astype(int)
    nearest = np.abs(picture.pixels[:, :, None].astype(int) - colours("magma")[None, None]).sum(axis=3).argmin(axis=2)
    assert np.abs(nearest - index).max() <= 1


def test_the_conclusion_is_what_each_range_does():
    report = Pipeline().inspect(replace(DEMO, inspect=Noise(samples=0, fine=0.0)))
    shown = {name: picture.pixels.astype(float) for name, picture in figures(report).items() if name != "layers"}
    change = np.sqrt(np.square(shown["noise_all"] - shown["noise_none"]).mean())
    assert change > 1                    # of pictures in whole levels, so two digits need not be the same
    told = [float(part.split()[0]) for part in report.remarks[0].partition(": ")[2].split(", ")]
    assert told[0] == told[1] == pytest.approx(change, rel=0.06) and told[2] == 0


@pytest.fixture
def one_layer(tmp_path):
    """A StyleGAN2 whose noise is 0 but in b8.conv1: its path."""
    network = tiny("sg2-skip")
    for name, parameter in network.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.7 if "b8.conv1" in name else 0.0)
    save_native(tmp_path / "one.safetensors", {"G_ema": network})
    return str(tmp_path / "one.safetensors")


def test_the_one_layer_with_noise_is_found(one_layer):
    request = RenderRequest(Checkpoint(one_layer, device="cpu"), Latent(x=1), inspect=Noise(samples=0))
    table = figures(Pipeline().inspect(request))["layers"]
    images = [shown(Pipeline().tensor(replace(request, synth=Synth(mode)))) for mode in ("const", "none")]
    effect = np.sqrt(np.square(images[0] - images[1]).mean())
    for (layer, found, size, strength, multiplier), tap in zip(table.rows, table.taps, strict=True):
        assert tap == f"{layer}.noise" and size == int(layer[1:].split(".")[0]) and multiplier == 1
        if layer == "b8.conv1":
            assert strength == pytest.approx(0.7) and found == pytest.approx(effect, rel=1e-5) and effect > 1
        else:
            assert strength == found == 0


def test_multipliers_multiply(one_layer):
    request = RenderRequest(Checkpoint(one_layer, device="cpu"), Latent(x=1))

    def all_noise(**options) -> np.ndarray:
        return figures(Pipeline().inspect(replace(request, inspect=Noise(samples=0, **options))))["noise_all"].pixels
    plain, none = (Pipeline().picture(replace(request, synth=Synth(mode))) for mode in ("const", "none"))
    assert (plain != none).any()
    np.testing.assert_array_equal(all_noise(), plain)
    np.testing.assert_array_equal(all_noise(coarse=0.0), none)
    np.testing.assert_array_equal(all_noise(fine=0.0), plain)                # b8 is coarse
    np.testing.assert_array_equal(all_noise(strengths=(0.0, 0.0, 1.0)), plain)       # b8.conv1 is the third layer
    np.testing.assert_array_equal(all_noise(strengths=(1.0, 1.0, 0.0)), none)
    np.testing.assert_array_equal(all_noise(coarse=2.0, strengths=(3.0, 3.0, 0.5)), plain)
    assert (all_noise(coarse=2.0) != plain).any()


def test_details_are_parts_of_each_realisation(asked):
    request = asked("sg2-skip", inspect=Noise(samples=2, first_seed=8, place=(0.0, 0.75)))
    found = figures(Pipeline().inspect(request))
    for i in range(2):
        whole = Pipeline().picture(replace(request, synth=Synth("random", 8 + i)))
        np.testing.assert_array_equal(found[f"detail_{i}"].pixels, whole[:8, 20:28])
    assert found["noise_all"].spot == (0.0, 0.75)


@pytest.mark.parametrize("name", ["sg3-t", "sg1-traditional"])
def test_without_noise_it_says_so(asked, name):
    with pytest.raises(UserError, match="takes no noise"):
        Pipeline().inspect(asked(name, inspect=Noise()))


def test_too_many_strengths_are_refused(asked):
    with pytest.raises(UserError, match="9 strengths, and this network has noise in 7 layers: b4.conv1, "):
        Pipeline().inspect(asked("sg2-skip", inspect=Noise(strengths=(1.0,) * 9)))


def test_a_network_that_was_never_trained_is_told_apart(tmp_path):
    save_native(tmp_path / "fresh.safetensors", {"G_ema": build(TINY["sg2-skip"])})
    request = RenderRequest(Checkpoint(str(tmp_path / "fresh.safetensors"), device="cpu"), view=View("rms"))
    report = Pipeline().inspect(replace(request, inspect=Noise(samples=2)))
    assert "Every strength is 0, as in a network that was never trained: noise has no effect." in report.remarks
    assert figures(report)["spread"].scale.high == 0
