"""StyleGAN2 against direct formulas in float64; its walk in every architecture, growing, gradients, precision."""
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d, correlate2d
from stage_checks import check_derivative, check_fading, check_stages, randomize, relative_error, taps_of, to_double

from nets.config import MappingConfig, StyleGAN2Config
from nets.errors import UserError
from nets.stages import all_taps
from nets.stylegan2 import Generator, Layer

FLOAT64 = 1e-11                          # relative error after a few dozen layers of 1e-16 roundings
FILTER = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
SMALL = StyleGAN2Config(resolution=16, z_dim=8, w_dim=12, channels=(6, 5, 4), mapping=MappingConfig(num_layers=2))
GROWING = replace(SMALL, architecture="growing")
VARIANTS = {
    "skip": SMALL,
    "resnet": replace(SMALL, architecture="resnet"),
    "orig": replace(SMALL, architecture="orig"),
    "growing": GROWING,
    "growing, half way": replace(GROWING, lod=0.5),
    "TensorFlow, labels": replace(SMALL, scaled_weights=True, c_dim=3, mapping=MappingConfig(2, label="concat")),
    "gray, clamped": replace(SMALL, img_channels=1, conv_clamp=0.5),
    "five channels": replace(SMALL, img_channels=5, architecture="resnet"),
    "portrait": replace(SMALL, start_size=(4, 2), resolution=8),
    "landscape, growing": replace(GROWING, start_size=(3, 5), resolution=20, lod=1.25),
    "no noise": replace(SMALL, use_noise=False),
    "wider filter": replace(SMALL, resample_filter=(1, 2, 3, 4, 4, 3, 2, 1), architecture="resnet"),
    "4x4": replace(SMALL, resolution=4, channels=None, channel_base=32),
}


def make(config: StyleGAN2Config = SMALL, seed: int = 0) -> Generator:
    return randomize(Generator(config), seed)


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def draw_ws(network: Generator, num: int = 2) -> torch.Tensor:
    return draw(num, network.num_ws, network.w_dim)


# -- formulas ---------------------------------------------------------------------------------------------------------

def upsampled(x: np.ndarray, pad: int = 0) -> np.ndarray:
    """[C, H, W] -> [C, 2H + 2 pad, 2W + 2 pad]: zeros between the samples, then the FIR filter [1, 3, 3, 1], gain 4."""
    out = []
    for channel in x:
        stuffed = np.zeros((2 * channel.shape[0], 2 * channel.shape[1]))
        stuffed[::2, ::2] = channel
        out.append(4 * convolve2d(np.pad(stuffed, (2 + pad, 1 + pad)), FILTER, mode="valid"))
    return np.stack(out)


def modulated_layer(layer: Layer, x: np.ndarray, w: np.ndarray, noise: np.ndarray) -> dict[str, np.ndarray]:
    """Fig. 2d, eqs. 1 and 3, for one sample: x [C, H, W], w [w_dim], noise [R, R]."""
    p = {name: value.numpy() for name, value in layer.state_dict().items()}
    style = w @ p["affine.weight"].T / sqrt(len(w)) + p["affine.bias"]
    weight = p["weight"] / (sqrt(p["weight"][0].size) if layer.config.scaled_weights else 1)
    weight = weight * style[:, None, None]
    weight = weight / np.sqrt((weight ** 2).sum(axis=(1, 2, 3), keepdims=True) + 1e-8)
    if layer.up > 1:
        padded, slide = upsampled(x, pad=1), convolve2d
    else:
        padded, slide = np.pad(x, ((0, 0), (1, 1), (1, 1))), correlate2d
    x = np.stack([sum(slide(padded[i], kernel[i], mode="valid") for i in range(len(x))) for kernel in weight])
    steps = {"style": style[:, None, None], "conv": x}
    steps["noise"] = x = x + noise * p["noise_strength"]
    x = x + p["bias"][:, None, None]
    clamp = layer.config.conv_clamp or np.inf
    steps["act"] = np.clip(sqrt(2) * np.where(x > 0, x, 0.2 * x), -clamp, clamp)
    return steps


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("options", [{}, {"scaled_weights": True, "conv_clamp": 0.4}])
def test_layer_is_its_formula(up, options):
    layer = to_double(randomize(Layer(replace(SMALL, **options), "l", 3, 4, (6, 8), up=up)))
    x, w, noise = draw(2, 3, 6 // up, 8 // up).double(), draw(2, 12).double(), draw(2, 1, 6, 8).double()
    seen = {}
    layer(x, w, noise, seen.__setitem__)
    for n in range(2):
        steps = modulated_layer(layer, x[n].numpy(), w[n].numpy(), noise[n, 0].numpy())
        assert list(seen) == [f"l.{step}" for step in steps]
        for step, value in steps.items():
            assert relative_error(seen[f"l.{step}"][n], value) < FLOAT64, step


@pytest.mark.parametrize("clamp", [None, 0.3])
def test_skip_architecture_sums_images(clamp):
    network = to_double(make(replace(SMALL, conv_clamp=clamp)))
    ws = draw_ws(network).double()
    taps = taps_of(network.synthesis, ws)
    assert torch.equal(taps["const"], network.synthesis.b4.const.expand(2, -1, -1, -1))
    for r, row in [(4, 1), (8, 3), (16, 5)]:
        torgb, x = network.synthesis.get_submodule(f"b{r}.torgb"), taps[f"b{r}.conv1.act"]
        style = (ws[:, row] @ torgb.affine.weight.T / sqrt(12) + torgb.affine.bias) / sqrt(x.shape[1])
        rgb = torch.einsum("nchw,oc,nc->nohw", x, torgb.weight[:, :, 0, 0], style) + torgb.bias[:, None, None]
        rgb = rgb if clamp is None else rgb.clamp(-clamp, clamp)
        assert relative_error(taps[f"b{r}.torgb"], rgb) < FLOAT64
        if r > 4:
            rgb = rgb + torch.from_numpy(np.stack([upsampled(image) for image in taps[f"b{r // 2}.image"].numpy()]))
        assert relative_error(taps[f"b{r}.image"], rgb) < FLOAT64
    assert torch.equal(taps["image"], taps["b16.image"])


def test_resnet_architecture_sums_features():
    network = to_double(make(replace(SMALL, architecture="resnet")))
    taps = taps_of(network.synthesis, draw_ws(network).double())
    before = taps["b4.conv1.act"]
    for r in (8, 16):
        weight = network.synthesis.get_submodule(f"b{r}.skip").weight[:, :, 0, 0] / sqrt(before.shape[1])
        skip = np.stack([upsampled(x) for x in torch.einsum("nchw,oc->nohw", before, weight).numpy()])
        expected = (taps[f"b{r}.conv1.act"] + torch.from_numpy(skip)) / sqrt(2)
        assert relative_error(taps[f"b{r}.out"], expected) < FLOAT64
        before = taps[f"b{r}.out"]
    assert torch.equal(taps["image"], taps["b16.torgb"]) and "b8.torgb" not in taps


# -- stages -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_walk(config):
    network = make(config)
    check_stages(network.synthesis, draw_ws(network))
    c = draw(3, config.c_dim) if config.c_dim else None
    image = network(draw(3, config.z_dim), c)
    assert list(image.shape) == [3, config.img_channels, *config.size] == [3, network.img_channels, *network.resolution]
    assert image.isfinite().all() and not image.requires_grad
    assert network.variant == config.architecture


@pytest.mark.parametrize("lod", [0, 0.25, 1, 1.5, 2])
def test_walk_at_each_level_of_detail(lod):
    network = make(GROWING)
    check_stages(network.synthesis, draw_ws(network), lod)


@pytest.mark.parametrize("architecture, per_block", [
    ("skip", ["conv0", "conv1", "torgb"]), ("resnet", ["conv0", "conv1", "out"]), ("orig", ["conv0", "conv1"])])
def test_names_are_the_contract(architecture, per_block):
    stages = make(replace(SMALL, architecture=architecture)).synthesis.stages()
    first = [f"b4.{part}" for part in per_block if part not in ("conv0", "out")]
    layers = [f"b{r}.{part}" for r in (8, 16) for part in per_block]
    last = ["image"] if architecture == "skip" else ["b16.torgb", "image"]
    assert [stage.name for stage in stages] == ["const", *first, *layers, *last]
    assert [stage.w_row for stage in stages if "conv" in stage.name] == [0, 1, 2, 3, 4]
    assert [stage.w_row for stage in stages if "torgb" in stage.name][-1] == 5
    taps = [tap.name for tap in all_taps(stages)]
    assert taps[:5] == ["const"] + [f"b4.conv1.{step}" for step in ("style", "conv", "noise", "act")]
    assert taps[-3:] == ["b16.torgb", "b16.image", "image"]


def test_parameter_names_are_those_of_the_files():
    names = set(make(replace(SMALL, architecture="resnet")).state_dict())
    layer = {"weight", "bias", "noise_const", "noise_strength", "affine.weight", "affine.bias", "resample_filter"}
    layers = ["b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"]
    expected = {f"{name}.{p}" for name in layers for p in layer}
    expected |= {f"b{r}.resample_filter" for r in (4, 8, 16)} | {"b4.const"}
    expected |= {f"b{r}.skip.{p}" for r in (8, 16) for p in ("weight", "resample_filter")}
    expected |= {f"b16.torgb.{p}" for p in ("weight", "bias", "affine.weight", "affine.bias")}
    mapping = {"mapping.w_avg"} | {f"mapping.fc{i}.{p}" for i in (0, 1) for p in ("weight", "bias")}
    assert names == {f"synthesis.{name}" for name in expected} | mapping


def test_w_rows_reach_only_their_layers():
    network = make()
    ws = draw_ws(network)
    before = taps_of(network.synthesis, ws)
    for row, first in enumerate(["b4.conv1.style", "b4.torgb", "b8.conv1.style", "b8.torgb", "b16.conv1.style",
                                 "b16.torgb"]):
        changed = ws.clone()
        changed[:, row] += 1
        after = taps_of(network.synthesis, changed)
        moved = [name for name in before if not torch.equal(before[name], after[name])]
        assert moved[0] == first
        if row in (1, 3):
            assert f"b{8 << row // 2}.conv0.style" in moved, "a ToRGB shares the row of the next conv0"


# -- growing ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lod", [0, 0.25, 1, 1.5, 2])
def test_level_of_detail_fades_between_torgbs(lod):
    network = make(GROWING)
    ws = draw_ws(network)
    check_fading(network.synthesis, ws, lod)
    stored = make(replace(GROWING, lod=lod))
    assert torch.equal(stored.synthesis(ws), network.synthesis(ws, lod=lod)), "the file's own lod is the default"


def test_level_of_detail_where_there_is_none():
    network = make()
    ws = draw_ws(network)
    assert torch.equal(network.synthesis(ws, lod=0), network.synthesis(ws))
    with pytest.raises(UserError, match="does not grow"):
        network.synthesis(ws, lod=1)
    with pytest.raises(UserError, match="outside 0 to 2"):
        make(GROWING).synthesis(ws, lod=3)


# -- noise, precision, gradients, errors ------------------------------------------------------------------------------

def test_noise_modes():
    network = make()
    ws = draw_ws(network, 1).expand(2, -1, -1)

    def image(noise, seed=0):
        return network.synthesis(ws, noise=noise, generator=torch.Generator().manual_seed(seed))
    drawn = image("random")
    assert torch.equal(drawn, image("random")) and not torch.equal(drawn, image("random", seed=1))
    assert not torch.equal(drawn[0], drawn[1]), "every sample has its own"
    assert not torch.equal(image("const"), image("none"))
    silent = make(replace(SMALL, use_noise=False))
    assert all(stage.noise_const is None for stage in silent.synthesis.stages())
    assert not any("noise" in name for name in [*silent.state_dict(), *taps_of(silent.synthesis, ws)])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("architecture", ["skip", "resnet", "growing"])
def test_half_precision(dtype, architecture):
    """Some 20 roundings per path, each of at most eps / 2."""
    network = make(replace(SMALL, resolution=64, channels=(8,) * 5, architecture=architecture, num_fp16_res=2))
    ws = draw_ws(network)
    exact = network.synthesis(ws)
    network.synthesis.precision = dtype
    taps = taps_of(network.synthesis, ws)
    for name, x in taps.items():
        blocks = ("b32.", "b64.") if dtype == torch.float16 else ("b8.", "b16.", "b32.", "b64.")
        in_half = name.startswith(blocks) and name.endswith(("conv", "noise", "act", "out"))
        assert x.dtype == (dtype if in_half else torch.float32), name
    assert 0 < relative_error(taps["image"], exact) < 10 * torch.finfo(dtype).eps


@pytest.mark.parametrize("num_fp16_res, halves", [(0, {8, 16, 32, 64}), (1, {64}), (9, {8, 16, 32, 64})])
def test_which_resolutions_run_in_half(num_fp16_res, halves):
    network = make(replace(SMALL, resolution=64, channels=(4,) * 5, num_fp16_res=num_fp16_res))
    for dtype, expected in ((torch.float16, halves), (torch.bfloat16, {8, 16, 32, 64})):
        network.synthesis.precision = dtype
        taps = taps_of(network.synthesis, draw_ws(network))
        assert {r for r in (4, 8, 16, 32, 64) if taps[f"b{r}.conv1.act"].dtype == dtype} == expected


def test_half_precision_survives_large_styles():
    """In float16 a style of 1e5 would overflow; demodulation cancels it."""
    network = make(replace(SMALL, architecture="orig"))
    for block in (network.synthesis.b4, network.synthesis.b8, network.synthesis.b16):
        for layer in (block.conv1, getattr(block, "conv0", block.conv1)):
            layer.affine.weight *= 1e5
    ws = draw_ws(network)
    exact = network.synthesis(ws)
    network.synthesis.precision = torch.float16
    assert relative_error(network.synthesis(ws), exact) < 10 * torch.finfo(torch.float16).eps


@pytest.mark.parametrize("architecture", ["skip", "resnet", "growing"])
def test_path_length_gradient(architecture):
    """d |d(G·y)/dw|² / d theta, with an activation that has a second derivative."""
    network = to_double(make(replace(SMALL, resolution=8, channels=(4, 3), activation="swish", lod=0.0,
                                     architecture=architecture)))
    synthesis, ws = network.synthesis.requires_grad_(True), draw_ws(network).double().requires_grad_()
    parameters = list(synthesis.parameters())
    y = draw(2, 3, 8, 8, seed=2).double()

    def penalty():
        grad, = torch.autograd.grad((synthesis(ws) * y).sum(), ws, create_graph=True)
        return grad.square().sum()
    grads = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    check_derivative(penalty, parameters, [draw(*p.shape, seed=3).double() for p in parameters], grads)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_every_parameter_has_a_gradient(architecture):
    network = make(replace(SMALL, c_dim=3, architecture=architecture)).requires_grad_(True)
    network(draw(2, 8), draw(2, 3), psi=0.7).square().sum().backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_initial_values():
    torch.manual_seed(0)
    network = Generator(replace(SMALL, channels=None, channel_base=256, channel_max=64, w_dim=64))
    state = network.synthesis.state_dict()
    for name, value in state.items():
        if name.endswith("affine.bias"):
            assert (value == 1).all(), name
        elif name.endswith(("bias", "noise_strength")):
            assert not value.any(), name
    for name in ("b4.const", "b4.conv1.weight", "b8.conv0.affine.weight", "b8.conv0.noise_const"):
        assert state[name].std().item() == pytest.approx(1, rel=0.2), name


@pytest.mark.parametrize("shape", [(2, 5, 12), (2, 6, 11), (6, 12)])
def test_wrong_w(shape):
    with pytest.raises(UserError, match=r"takes \[N, 6, 12\]"):
        make().synthesis(torch.zeros(shape))
