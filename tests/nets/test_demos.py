"""The built-in networks: the same on every call, alive, and every control has an effect on them."""
import pytest
import torch

from nets import stylegan3
from nets.demos import DEMOS, build_demo


@pytest.fixture(scope="module")
def demos():
    return {name: build_demo(name) for name in DEMOS}


@pytest.fixture(params=DEMOS)
def demo(request, demos):
    return demos[request.param]


def draw_z(network, num: int = 4) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Latents, and the first classes of a conditional network."""
    z = torch.randn(num, network.z_dim, generator=torch.Generator().manual_seed(1))
    return z, torch.eye(network.c_dim)[:num] if network.c_dim else None


def test_all_families_are_there(demos):
    assert {type(network).__module__ for network in demos.values()} == {
        "nets.stylegan1", "nets.stylegan2", "nets.stylegan3"}
    assert demos["stylegan3-t"].variant == "T" and demos["stylegan3-r"].variant == "R"
    assert [name for name, config in DEMOS.items() if config.c_dim] == ["stylegan2-conditional"]


@pytest.mark.parametrize("name", ["stylegan2-conditional", "stylegan3-r"])
def test_building_again_gives_the_same_and_draws_nothing(name, demos):
    torch.manual_seed(5)
    again = build_demo(name).state_dict()
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)
    assert all(torch.equal(value, again[key]) for key, value in demos[name].state_dict().items())


def test_pictures_can_be_seen(demo):
    """Contrast within the range of a picture, in every sample and not all alike."""
    image = demo(*draw_z(demo))
    assert image.isfinite().all()
    assert not demo.training and not any(p.requires_grad for p in demo.parameters())
    for picture in image:
        assert 0.05 < picture.std(dim=(1, 2)).mean() < 2
    assert (image[1:] - image[:1]).square().mean().sqrt() > 0.1


def test_truncation_pulls_to_the_average(demo):
    z, c = draw_z(demo)
    ws = demo.mapping(z, c)
    assert demo.mapping.w_avg.norm() > 0.01
    near = demo.mapping(z, c, psi=0.5)
    assert torch.allclose(near - demo.mapping.w_avg, 0.5 * (ws - demo.mapping.w_avg), atol=1e-6)
    many = torch.randn(500, demo.z_dim, generator=torch.Generator().manual_seed(2))
    labels = torch.eye(demo.c_dim)[torch.arange(500) % demo.c_dim] if demo.c_dim else None
    mean = demo.mapping(many, labels)[:, 0].mean(dim=0)
    spread = demo.mapping(many, labels)[:, 0].std(dim=0)
    assert (mean - demo.mapping.w_avg).norm() < 0.3 * spread.norm()


def test_noise_shows(demo):
    z, c = draw_z(demo, 1)
    change = (demo(z, c) - demo(z, c, noise="none")).square().mean().sqrt()
    assert change == 0 if isinstance(demo, stylegan3.Generator) else change > 0.02


def test_classes_show(demo):
    if demo.c_dim:
        z = draw_z(demo, 1)[0].expand(2, -1)
        image = demo(z, torch.eye(demo.c_dim)[:2])
        assert (image[0] - image[1]).square().mean().sqrt() > 0.05


def test_magnitudes_are_measured(demo):
    """Every StyleGAN3 layer sees an input of about the magnitude that its gain divides out."""
    if isinstance(demo, stylegan3.Generator):
        inputs = {}
        for g in demo.synthesis.layers:
            layer = demo.synthesis.get_submodule(g.name)
            layer.register_forward_hook(lambda layer, given, out: inputs.update({layer: given[0].square().mean()}))
        demo(*draw_z(demo))
        for layer, magnitude in inputs.items():
            assert 0.1 < magnitude / layer.magnitude_ema < 10
