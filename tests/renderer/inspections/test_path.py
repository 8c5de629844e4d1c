"""Paths between seeds: pictures against renders at the same latents, speeds against derivatives in float64."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import tiny

from nets.checkpoint import save_native
from nets.errors import UserError
from renderer.inspection import LatentPath
from renderer.latents import random_z
from renderer.measures.moments import mean_interval
from renderer.measures.paths import slerp, spread
from renderer.pipeline import Pipeline
from renderer.types import Array, Checkpoint, Latent, RenderRequest, Synth

FAMILIES = ["sg1", "sg2-skip", "sg2-conditional", "sg3-t"]


def figures(report) -> dict:
    return {figure.name: figure for figure in report.figures}


def curves(report) -> dict:
    return {curve.name: curve for curve in figures(report)["speed"].curves}


@pytest.mark.parametrize("name", FAMILIES)
def test_pictures_are_renders_of_the_latents_on_the_way(asked, name):
    request = asked(name, latent=Latent(psi=0.8), inspect=LatentPath(3, 5, steps=3, samples=2))
    found, mapping = figures(Pipeline().inspect(request)), tiny(name).mapping

    def rendered(**latent) -> np.ndarray:
        one = replace(request, inspect=None, latent=replace(request.latent, **latent))
        return Pipeline().picture(one)
    for t, seed in (("0.000", 3), ("1.000", 5)):
        for space in "wz":
            shown = found[f"{space}_{t}"].pixels
            assert np.abs(shown.astype(int) - rendered(x=float(seed))).max() <= 1    # z and w may differ in one bit
    z = slerp(*(random_z(seed, mapping.z_dim)[0] for seed in (3, 5)), 0.5)
    np.testing.assert_array_equal(found["z_0.500"].pixels, rendered(z=Array.of(z[None])))
    ends = [replace(request, inspect=None, latent=replace(request.latent, x=float(seed))) for seed in (3, 5)]
    middle = np.mean([Pipeline().render(end).ws for end in ends], axis=0, dtype=np.float64)
    shown = found["w_0.500"].pixels.astype(int)
    assert np.abs(shown - rendered(w=Array.of(middle.astype(np.float32)))).max() <= 1


def lively(name: str) -> torch.nn.Module:
    """With w of about unit variance; with tiny networks' own, a step is less than float32 rounds."""
    network = tiny(name).eval()
    for layer in network.mapping.children():
        layer.weight.data /= network.config.mapping.lr_multiplier
    return network


def in_double(network: torch.nn.Module) -> torch.nn.Module:
    """The ops take filters in float32 alone."""
    network.double()
    for name, buffer in network.named_buffers():
        if "filter" in name or "blur" in name:
            buffer.data = buffer.data.float()
    return network


@pytest.mark.parametrize("name", ["sg1", "sg2-skip", "sg3-t"])
def test_speeds_are_squared_derivatives(tmp_path, name):
    """Of the network in float64, where rounding is nothing against the step."""
    network, path = lively(name), str(tmp_path / "lively.safetensors")
    save_native(path, {"G_ema": network})
    report = Pipeline().inspect(RenderRequest(Checkpoint(path, device="cpu"), inspect=LatentPath(3, 5, 2, 4)))
    in_double(network)
    a, b = (random_z(seed, network.z_dim)[0] for seed in (3, 5))

    def of_z(t: float) -> torch.Tensor:
        return network.mapping(torch.from_numpy(slerp(a, b, t)[None]))

    def of_w(t: float) -> torch.Tensor:
        return torch.lerp(of_z(0.0), of_z(1.0), t)
    for curve, ws in (("W (lerp)", of_w), ("Z (slerp)", of_z)):
        found = curves(report)[curve]
        assert found.x.tolist() == sorted(spread(4))
        with torch.no_grad():
            pairs = [(network.synthesis(ws(t)), network.synthesis(ws(t + 1e-4))) for t in found.x]
        speeds = [((there - here) / 1e-4).square().mean().sqrt().item() for here, there in pairs]
        # latents and layers in float32 are off by up to some 1e-6 of their size, so a step of 1e-4 by up to 1e-2
        np.testing.assert_allclose(np.sqrt(found.y), speeds, rtol=1e-2)


def test_lengths_are_means_of_the_speeds(asked):
    report = Pipeline().inspect(asked("sg1", inspect=LatentPath(samples=6)))
    for space, name in (("w", "W (lerp)"), ("z", "Z (slerp)")):
        fact, speeds = figures(report)[f"length_{space}"], curves(report)[name].y
        mean, low, high = mean_interval(speeds.tolist())
        assert (fact.value, fact.low, fact.high) == pytest.approx((mean, max(low, 0), high))
        assert fact.label == f"Pixel path length in {space.upper()}"     # named as what it is
    assert "these numbers are no PPL" in report.remarks[1]


def test_between_a_seed_and_itself_nothing_changes(asked):
    report = Pipeline().inspect(asked("sg2-skip", inspect=LatentPath(4, 4, samples=3)))
    assert figures(report)["length_w"].value == 0
    assert report.remarks[0].startswith("The picture hardly changes on this way")


def test_speeds_are_of_fp32_in_any_precision(asked):
    request = asked("sg2-skip", inspect=LatentPath(samples=3), synth=Synth("random", 2))
    low = replace(request, checkpoint=replace(request.checkpoint, precision="bf16"))
    reports = [Pipeline().inspect(one) for one in (request, low)]
    assert curves(reports[0])["W (lerp)"].y.tolist() == curves(reports[1])["W (lerp)"].y.tolist()
    shown = [figures(report)["w_0.400"].pixels for report in reports]
    assert (shown[0] != shown[1]).any()          # the strip is what the window shows


class Quarters(torch.nn.Module):
    """Stands in for VGG16."""

    def forward(self, x: torch.Tensor, resize_images: bool = True, return_lpips: bool = False) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 2).flatten(1)


def test_a_detector_makes_it_perceptual(asked, tmp_path):
    torch.jit.script(Quarters()).save(str(tmp_path / "vgg16.pt"))
    report = Pipeline().inspect(asked("sg3-t", inspect=LatentPath(samples=2, detector=str(tmp_path / "vgg16.pt"))))
    fact = figures(report)["length_w"]
    assert fact.label == "Perceptual path length in W" and fact.value > 0
    assert not any("pixel" in remark.lower() for remark in report.remarks)


def test_what_it_needs_is_said_before_any_work(asked):
    with pytest.raises(UserError, match="nowhere.pt: is not there; the detector is vgg16.pt"):
        Pipeline().inspect(asked("sg1", inspect=LatentPath(detector="nowhere.pt")))
    conditional = replace(asked("sg2-conditional", inspect=LatentPath()), latent=Latent())
    with pytest.raises(UserError, match="choose a class"):
        Pipeline().inspect(conditional)
