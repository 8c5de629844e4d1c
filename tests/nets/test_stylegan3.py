"""StyleGAN3: the plan by hand, layers against formulas in float64, equivariance, every option's walk, recordings."""
import json
from dataclasses import replace
from math import pi, sqrt

import numpy as np
import pytest
import torch
from stage_checks import check_derivative, check_stages, randomize, relative_error, taps_of, to_double

from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN3Config
from nets.discriminator import Discriminator
from nets.errors import UserError
from nets.plan import bands, plan
from nets.stages import all_taps
from nets.stylegan3 import FourierInput, Generator, Layer

FLOAT64 = 1e-11                          # relative error after a few dozen layers of 1e-16 roundings
RECORDED = 1e-4                          # float32 on both sides (reference README)
SMALL = StyleGAN3Config(32, z_dim=8, w_dim=12, channel_base=96, channel_max=5, num_layers=5, margin_size=5,
                        num_fp16_res=0)
SMALL_R = replace(SMALL, conv_kernel=1, use_radial_filters=True)
T1024 = StyleGAN3Config(1024)
R1024 = StyleGAN3Config(1024, channel_base=65536, channel_max=1024, conv_kernel=1, use_radial_filters=True)


def make(config: StyleGAN3Config = SMALL, seed: int = 0) -> Generator:
    """With magnitudes as large as the layers' inputs, so that no signal dies or explodes."""
    torch.manual_seed(seed)                          # of the input's frequencies and phases
    network = randomize(Generator(config), seed)
    network.synthesis(draw_ws(network), update_ema=True)
    return network


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def draw_ws(network: Generator, num: int = 2) -> torch.Tensor:
    return draw(num, network.num_ws, network.w_dim)


# -- plan -------------------------------------------------------------------------------------------------------------

def test_published_layer_names():
    """The layers of the published 1024² networks; the 645 of config R come from its doubled channels."""
    assert [g.name for g in plan(T1024)] == [
        "L0_36_512", "L1_36_512", "L2_52_512", "L3_52_512", "L4_84_512", "L5_148_512", "L6_148_512", "L7_276_323",
        "L8_276_203", "L9_532_128", "L10_1044_81", "L11_1044_51", "L12_1044_32", "L13_1024_32", "L14_1024_3"]
    assert [g.name for g in plan(R1024)][6:9] == ["L6_148_1024", "L7_276_645", "L8_276_406"]


def test_plan_by_hand():
    band = bands(T1024)
    assert [b.rate for b in band] == [16, 16, 32, 32, 64, 128, 128, 256, 256, 512, 1024, 1024, 1024, 1024, 1024]
    assert (band[0].cutoff, band[0].stopband) == (2, 2 ** 2.1)
    assert band[3].cutoff == pytest.approx(2 * 256 ** (3 / 12)) == pytest.approx(8)
    assert band[6].cutoff == pytest.approx(32) and band[6].stopband == pytest.approx(2 ** (2.1 + 7.2 / 2))
    assert [b.cutoff for b in band[12:]] == [512] * 3
    assert [b.stopband for b in band[12:]] == pytest.approx([512 * 2 ** 0.3] * 3)
    assert band[0].half_width == 16 / 2 - 2                       # the rate's half lies beyond f_t
    assert band[12].half_width == pytest.approx(512 * (2 ** 0.3 - 1))
    layers = plan(T1024)
    assert [g.up_factor for g in layers] == [2, 2, 4, 2, 4, 4, 2, 4, 2, 4, 4, 2, 2, 2, 1]
    assert [g.down_factor for g in layers] == [2] * 14 + [1]
    assert [g.up_taps for g in layers] == [12, 12, 24, 12, 24, 24, 12, 24, 12, 24, 24, 12, 12, 12, 1]
    assert [g.down_taps for g in layers] == [12] * 14 + [1]
    # (36-1)*2+1 - (36+2)*2 + 12+12-2 = 17, lo = (17+2)//2; (52-1)*2+1 - (36+2)*4 + 24+12-2 = -15, lo = (-15+4)//2
    assert layers[0].padding == (9, 8, 9, 8) and layers[2].padding == (-6, -9, -6, -9)
    assert layers[13].padding == (-11, -12, -11, -12) and layers[14].padding == (0, 0, 0, 0)
    assert [g.critically_sampled for g in layers] == [False] * 12 + [True] * 3
    assert [g.use_fp16 for g in layers] == [rate * 16 > 1024 for rate in [b.rate for b in band]]
    assert not any(g.radial_down for g in layers)
    assert [g.radial_down for g in plan(R1024)] == [True] * 12 + [False] * 3
    assert {g.conv_kernel for g in plan(R1024)} == {1}


def test_plan_follows_the_signal():
    for config in (T1024, R1024, SMALL, SMALL_R):
        layers = plan(config)
        for before, after in zip(layers, layers[1:]):
            assert (after.in_channels, after.in_size, after.in_rate, after.in_cutoff, after.in_half_width) == (
                before.out_channels, before.out_size, before.out_rate, before.out_cutoff, before.out_half_width)
        assert layers[-1].out_size == (config.resolution,) * 2 and layers[-1].out_channels == config.img_channels


def test_plan_with_fixed_band_limits():
    """Before the flexible layers: one band per rate, its stop band ending at Nyquist; the last rate is critical."""
    for band in bands(replace(T1024, flexible_layers=False)):
        nyquist = band.rate / 2
        assert band.half_width == pytest.approx((sqrt(2) - 1) * nyquist)
        assert band.cutoff == pytest.approx(nyquist if band.rate == 1024 else nyquist * (2 - sqrt(2)))
        assert band.stopband == pytest.approx(band.cutoff + band.half_width)


@pytest.mark.parametrize("num_layers, num_critical", [(2, 2), (0, 0), (3, -1)])
def test_impossible_plan(num_layers, num_critical):
    with pytest.raises(UserError, match="cannot be critically sampled"):
        plan(replace(T1024, num_layers=num_layers, num_critical=num_critical))


# -- formulas ---------------------------------------------------------------------------------------------------------

def fourier_features(layer: FourierInput, w: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """networks.md "StyleGAN3 synthesis", Input, for one sample and pixel by pixel: [C, H, W]."""
    p = {name: value.numpy() for name, value in layer.state_dict().items()}
    t = w @ p["affine.weight"].T / sqrt(len(w)) + p["affine.bias"]
    t = t / np.hypot(t[0], t[1])
    rotation = np.array([[t[0], -t[1], 0], [t[1], t[0], 0], [0, 0, 1]])
    matrix = rotation @ np.array([[1, 0, -t[2]], [0, 1, -t[3]], [0, 0, 1]]) @ transform
    phases = p["phases"] + p["freqs"] @ matrix[:2, 2]
    freqs = p["freqs"] @ matrix[:2, :2]
    amplitude = 1 - (np.hypot(*freqs.T) - layer.cutoff) / (layer.rate / 2 - layer.cutoff)
    (width, height), out = layer.size, []
    for y in range(height):
        for x in range(width):
            position = np.array([(x + 0.5 - width / 2) / layer.rate, (y + 0.5 - height / 2) / layer.rate])
            wave = amplitude.clip(0, 1) * np.sin(2 * pi * (freqs @ position + phases))
            out.append(p["weight"] @ wave / sqrt(len(wave)))
    return np.stack(out, axis=1).reshape(-1, height, width)


def test_input_is_its_formula():
    layer = to_double(randomize(FourierInput(6, (7, 5), rate=8.0, cutoff=2.0, w_dim=12)))
    w, transform = draw(2, 12).double(), draw(3, 3, seed=2).double() * 1.5
    transform[2] = torch.tensor([0, 0, 1.0])
    x = layer(w, transform)
    for n in range(2):
        assert relative_error(x[n], fourier_features(layer, w[n].numpy(), transform.numpy())) < FLOAT64
    assert relative_error(layer(w)[1], fourier_features(layer, w[1].numpy(), np.eye(3))) < FLOAT64
    faded = FourierInput(6, (7, 5), rate=8.0, cutoff=2.0, w_dim=12)(w.float(), torch.diag(torch.tensor([99, 99, 1.0])))
    assert not faded.any(), "frequencies beyond the input's Nyquist are silent"


def filtered(x: torch.Tensor, taps: torch.Tensor | None) -> torch.Tensor:
    """Valid convolution of [N, C, H, W] with a symmetric filter, [taps] along both axes or [taps, taps]."""
    if taps is None:
        return x
    taps = taps.double()
    taps = taps.outer(taps) if taps.ndim == 1 else taps
    return torch.nn.functional.conv2d(x, taps.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def layer_steps(layer: Layer, x: torch.Tensor, w: torch.Tensor) -> dict[str, torch.Tensor]:
    """networks.md "Layer i" and ops.md "StyleGAN3", "filtered_lrelu", with inserted zeros."""
    g, weight = layer.geometry, layer.weight
    style = w @ layer.affine.weight.T / sqrt(w.shape[1]) + layer.affine.bias
    if g.is_torgb:
        kernels = weight * (style / sqrt(g.in_channels))[:, None, :, None, None]
    else:
        weight = weight / weight.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        kernels = weight * (style / style.square().mean().sqrt())[:, None, :, None, None]
        kernels = kernels / (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).sqrt()
    kernels = kernels / layer.magnitude_ema.sqrt()
    conv = torch.cat([torch.nn.functional.conv2d(x[n:n + 1], kernels[n], padding=g.conv_kernel - 1)
                      for n in range(len(x))])
    num, channels, height, width = conv.shape
    high = x.new_zeros(num, channels, height * g.up_factor, width * g.up_factor)
    high[:, :, ::g.up_factor, ::g.up_factor] = conv + layer.bias[:, None, None]
    up = filtered(torch.nn.functional.pad(high, g.padding), layer.up_filter) * g.up_factor ** 2
    act = up if g.is_torgb else torch.where(up > 0, up, 0.2 * up) * sqrt(2)
    act = act.clamp(-g.conv_clamp, g.conv_clamp)
    out = filtered(act, layer.down_filter)[:, :, ::g.down_factor, ::g.down_factor]
    return {"conv": conv, "up": up, "act": act, "out": out}


@pytest.mark.parametrize("config", [replace(SMALL, conv_clamp=1.5), SMALL_R], ids=["T", "R"])
def test_layers_are_their_formula(config):
    network = to_double(make(config))
    ws = draw_ws(network).double()
    taps = taps_of(network.synthesis, ws)
    x = taps["input"]
    for row, g in enumerate(network.synthesis.layers, start=1):
        for step, value in layer_steps(network.synthesis.get_submodule(g.name), x, ws[:, row]).items():
            assert relative_error(taps[f"{g.name}.{step}"], value) < FLOAT64, (g.name, step)
        x = taps[f"{g.name}.out"]
    assert torch.equal(taps["image"], x * 0.25)


def test_magnitudes_move_before_their_use():
    network = randomize(Generator(replace(SMALL, magnitude_ema_beta=0.75)))
    ws = draw_ws(network)
    taps = taps_of(network.synthesis, ws, update_ema=True)
    x = taps["input"]
    for g in network.synthesis.layers:
        layer = network.synthesis.get_submodule(g.name)
        assert layer.magnitude_ema.item() == pytest.approx(0.75 + 0.25 * x.square().mean().item(), rel=1e-5)
        x = taps[f"{g.name}.out"]
    assert torch.equal(network.synthesis(ws), taps["image"])
    before = network.synthesis.state_dict()["L0_26_5.magnitude_ema"].clone()
    network.synthesis.requires_grad_(True)
    network.synthesis(ws.requires_grad_(), update_ema=True).sum().backward()
    after = network.synthesis.state_dict()["L0_26_5.magnitude_ema"]
    assert after != before and not after.requires_grad


# -- equivariance -----------------------------------------------------------------------------------------------------

def moved(dx: float, dy: float) -> torch.Tensor:
    """What shows the picture moved right and down by dx, dy image widths: the inverse of that translation."""
    return torch.tensor([[1.0, 0, -dx], [0, 1, -dy], [0, 0, 1]])


def turned(degrees: float) -> torch.Tensor:
    """What shows the picture turned counter-clockwise (networks.md)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return torch.linalg.inv(torch.tensor([[cos, sin, 0], [-sin, cos, 0], [0, 0, 1]], dtype=torch.float32))


def test_input_translates_and_rotates():
    layer = to_double(randomize(FourierInput(6, (20, 20), rate=16.0, cutoff=2.0, w_dim=12)))
    w = draw(2, 12).double()
    still, shifted = layer(w), layer(w, moved(3 / 16, 2 / 16).double())
    assert relative_error(shifted[:, :, 2:, 3:], still[:, :, :-2, :-3]) < FLOAT64
    assert relative_error(layer(w, turned(90).double()), still.rot90(1, dims=(2, 3))) < FLOAT64
    each = layer(w, torch.stack([moved(0.1, 0), turned(30)]).double())
    assert relative_error(each[1], layer(w[1:], turned(30).double())[0]) < FLOAT64, "one transform per sample"


@pytest.mark.parametrize("config", [SMALL, SMALL_R], ids=["T", "R"])
def test_network_translates(config):
    """Far from the borders, whose zeros reach 16 samples inwards at most: 2 layers of (3 + 24/2 + 12/2) / 2 each."""
    network = to_double(make(replace(config, num_layers=2, num_critical=0, margin_size=20)))
    ws = draw_ws(network).double()
    still = network.synthesis(ws)
    shifted = network.synthesis(ws, transform=moved(1 / 16, 2 / 16).double())
    assert relative_error(shifted[:, :, 4:, 2:], still[:, :, :-4, :-2]) < FLOAT64
    assert relative_error(shifted, still) > 0.1


def test_only_config_r_rotates():
    """By a quarter turn, which maps the sampling grid onto itself, borders included."""
    for config, rotates in [(SMALL, False), (SMALL_R, True)]:
        network = to_double(make(config))
        ws = draw_ws(network).double()
        image = network.synthesis(ws, transform=turned(90).double())
        error = relative_error(image, network.synthesis(ws).rot90(1, dims=(2, 3)))
        assert error < FLOAT64 if rotates else error > 0.01


def test_transform_replaces_the_buffer_for_one_pass():
    network = make()
    ws, matrix = draw_ws(network), turned(20) @ moved(0.1, -0.2)
    plain, given = network.synthesis(ws), network.synthesis(ws, transform=matrix)
    assert torch.equal(network.synthesis.input.transform, torch.eye(3))
    assert torch.equal(network.synthesis(ws), plain) and not torch.equal(plain, given)
    assert torch.equal(network(draw(2, 8), transform=matrix), network.synthesis(network.mapping(draw(2, 8)),
                                                                                transform=matrix))
    network.synthesis.input.transform.copy_(matrix)
    assert torch.equal(network.synthesis(ws), given)
    with pytest.raises(UserError, match=r"takes \[3, 3\]"):
        network.synthesis(ws, transform=torch.eye(2))


# -- stages -----------------------------------------------------------------------------------------------------------

OPTIONS = {
    "T": SMALL,
    "R": SMALL_R,
    "gray, labels": replace(SMALL, img_channels=1, c_dim=3),
    "filter size": replace(SMALL, filter_size=4),
    "no lrelu upsampling": replace(SMALL, lrelu_upsampling=1),
    "lrelu upsampling 4": replace(SMALL, lrelu_upsampling=4),
    "no margin": replace(SMALL, margin_size=0),
    "one critical": replace(SMALL, num_critical=1),
    "fixed bands": replace(SMALL, flexible_layers=False),
    "fixed bands, R": replace(SMALL_R, flexible_layers=False),
    "mixed": replace(SMALL, use_radial_filters=True),
    "cutoffs": replace(SMALL, first_cutoff=3, first_stopband=7, last_stopband_rel=1.5),
    "no clamp": replace(SMALL, conv_clamp=None, output_scale=1.0),
    "three layers": replace(SMALL, num_layers=3),
}


@pytest.mark.parametrize("config", OPTIONS.values(), ids=OPTIONS)
def test_walk(config):
    network = make(config)
    check_stages(network.synthesis, draw_ws(network))
    c = draw(3, config.c_dim) if config.c_dim else None
    image = network(draw(3, config.z_dim), c, psi=0.7, cutoff=2)
    assert list(image.shape) == [3, config.img_channels, 32, 32]
    assert image.isfinite().all() and image.std() > 1e-3


def wide_layers():
    """The layers of SMALL with every height cut to half and a kernel of its own in one layer: a file's own geometry."""
    layers = []
    for i, g in enumerate(plan(SMALL)):
        kernel = 1 if i == 2 else g.conv_kernel
        in_size, out_size = ((size[0], size[1] // 2) for size in (g.in_size, g.out_size))
        padding = []
        for size_in, size_out in zip(in_size, out_size):
            total = ((size_out - 1) * g.down_factor + 1 - (size_in + kernel - 1) * g.up_factor
                     + g.up_taps + g.down_taps - 2)
            padding += [(total + g.up_factor) // 2, total - (total + g.up_factor) // 2]
        layers.append(replace(g, name=f"L{i}_own", conv_kernel=kernel, in_size=in_size, out_size=out_size,
                              padding=tuple(padding), out_cutoff=g.out_cutoff * 0.9))
    return tuple(layers)


def test_geometry_of_a_file():
    network = make(replace(SMALL, layers=wide_layers()))
    assert network.resolution == (16, 32) and network.variant == "custom" and network.num_ws == 7
    check_stages(network.synthesis, draw_ws(network))
    taps = {tap.name: tap for tap in all_taps(network.synthesis.stages())}
    first = network.synthesis.layers[0]
    assert taps["L0_own.out"].cutoff == pytest.approx(1.8)
    assert taps["L0_own.out"].stopband == pytest.approx(1.8 + first.out_half_width), "not the plan's f_t"
    own_input = make(replace(SMALL, layers=wide_layers(), input_size=30, input_rate=20.0, input_cutoff=3.0))
    stage = own_input.synthesis.stages()[0]
    assert (stage.taps[0].shape, stage.taps[0].rate, stage.taps[0].cutoff) == ((5, 30, 30), 20, 3)


def test_names_are_the_contract():
    network = make()
    stages = network.synthesis.stages()
    names = ["L0_26_5", "L1_26_5", "L2_42_5", "L3_42_3", "L4_32_3", "L5_32_3"]
    assert [stage.name for stage in stages] == ["input", *names, "image"]
    assert [stage.w_row for stage in stages] == [0, 1, 2, 3, 4, 5, 6, None] and network.num_ws == 7
    assert [stage.reads_transform for stage in stages] == [True] + [False] * 7
    taps = [tap.name for tap in all_taps(stages)]
    assert taps == ["input"] + [f"{n}.{step}" for n in names for step in ("conv", "up", "act", "out")] + ["image"]
    state = {name.removeprefix("synthesis.") for name in network.state_dict()}
    parts = {"weight", "bias", "affine.weight", "affine.bias", "magnitude_ema", "up_filter", "down_filter"}
    for name in names:
        filters = {"up_filter", "down_filter"} if name == names[-1] else set()
        assert {n.removeprefix(f"{name}.") for n in state if n.startswith(f"{name}.")} == parts - filters
    assert {n for n in state if n.startswith("input.")} == {
        f"input.{part}" for part in ("weight", "affine.weight", "affine.bias", "transform", "freqs", "phases")}


def test_taps_tell_the_signal():
    """Rates and band limits, spot-checked on the 1024² plan of config R, narrowed."""
    network = Generator(replace(R1024, channel_max=6, w_dim=4))
    taps = {tap.name: tap for tap in all_taps(network.synthesis.stages())}
    f_c, f_t = [2 * 256 ** (i / 12) for i in range(13)], [2 ** (2.1 + 7.2 * i / 12) for i in range(13)]

    def signal(name):
        return taps[name].rate, taps[name].cutoff, taps[name].stopband
    assert signal("input") == (16, 2, 2 ** 2.1) and taps["input"].shape == (6, 36, 36)
    assert signal("L7_276_6.conv") == pytest.approx((128, f_c[6], f_t[6]))
    assert signal("L7_276_6.up") == pytest.approx((512, f_c[6], f_t[6]))
    assert signal("L7_276_6.act") == pytest.approx((512, f_c[7], f_t[7]))
    assert signal("L7_276_6.out") == pytest.approx((256, f_c[7], f_t[7]))
    assert taps["L7_276_6.conv"].shape == (6, 148, 148)
    assert taps["L7_276_6.up"].shape == (6, 562, 562)         # (276 - 1) * 2 + 12
    assert signal("image") == pytest.approx((1024, 512, f_t[12])) and taps["image"].shape == (3, 1024, 1024)


@pytest.mark.parametrize("config, variant", [(SMALL, "T"), (SMALL_R, "R"), (replace(SMALL, conv_kernel=1), "custom"),
                                             (replace(SMALL, use_radial_filters=True), "custom")])
def test_variant(config, variant):
    assert Generator(config).variant == variant


def test_w_rows_reach_only_their_layer():
    network = make()
    ws = draw_ws(network)
    before = taps_of(network.synthesis, ws)
    firsts = ["input"] + [f"{g.name}.conv" for g in network.synthesis.layers]
    for row, expected in enumerate(firsts):
        changed = ws.clone()
        changed[:, row] += 1
        after = taps_of(network.synthesis, changed)
        assert next(name for name in before if not torch.equal(before[name], after[name])) == expected


def test_no_noise_and_no_growing():
    network = make()
    ws = draw_ws(network)
    assert torch.equal(network.synthesis(ws, noise="none"), network.synthesis(ws, noise="random"))
    with pytest.raises(UserError, match="does not grow"):
        network.synthesis(ws, lod=1)


# -- precision, gradients, initial values -----------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("num_fp16_res", [0, 1])
def test_half_precision(dtype, num_fp16_res):
    """Some 6 roundings per layer, each of at most eps / 2, add up at random over 6 layers: about 3 eps; twice that."""
    network = make(replace(SMALL, num_fp16_res=num_fp16_res))
    ws = draw_ws(network)
    exact = taps_of(network.synthesis, ws)
    network.synthesis.precision = dtype
    taps = taps_of(network.synthesis, ws)
    for name, x in taps.items():
        g = next((g for g in network.synthesis.layers if name.startswith(g.name)), None)
        in_half = g is not None and (num_fp16_res == 0 or g.out_rate == 32)
        if dtype == torch.bfloat16:
            in_half = g is not None and not g.is_torgb
        assert x.dtype == (dtype if in_half else torch.float32), name
    assert 0 < relative_error(taps["image"], exact["image"]) < 6 * torch.finfo(dtype).eps


@pytest.mark.parametrize("config", [SMALL, SMALL_R], ids=["T", "R"])
def test_path_length_gradient(config):
    """d |d(G·y)/dw|² / d theta: modulation and Fourier features have second derivatives."""
    network = to_double(make(replace(config, num_layers=3, margin_size=1)))
    synthesis, ws = network.synthesis.requires_grad_(True), draw_ws(network).double().requires_grad_()
    parameters = list(synthesis.parameters())
    y = draw(2, 3, 32, 32, seed=2).double()

    def penalty():
        grad, = torch.autograd.grad((synthesis(ws) * y).sum(), ws, create_graph=True)
        return grad.square().sum()
    grads = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    check_derivative(penalty, parameters, [draw(*p.shape, seed=3).double() * 1e-3 for p in parameters],
                     grads)


def test_every_parameter_has_a_gradient():
    network = make(replace(SMALL, c_dim=3)).requires_grad_(True)
    network(draw(2, 8), draw(2, 3), psi=0.7).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


def test_initial_values():
    torch.manual_seed(0)
    synthesis = Generator(replace(SMALL, channel_base=2 ** 14, channel_max=256, w_dim=64)).synthesis
    state = synthesis.state_dict()
    assert torch.equal(state["input.affine.bias"], torch.tensor([1.0, 0, 0, 0]))
    assert not state["input.affine.weight"].any()
    assert torch.equal(state["input.transform"], torch.eye(3))
    assert state["input.phases"].abs().max() <= 0.5 and state["input.phases"].std().item() == pytest.approx(
        1 / sqrt(12), rel=0.1)
    radius = state["input.freqs"].norm(dim=1)
    assert radius.max() <= 2 and (radius < 1).float().mean().item() == pytest.approx(1 / 4, abs=0.1)
    assert state["input.freqs"].mean(dim=0).abs().max() < 0.3
    for name, value in state.items():
        if name.endswith("affine.bias") and not name.startswith("input"):
            assert (value == 1).all()
        elif name.endswith("bias") and not name.startswith("input"):
            assert not value.any()
        elif name.endswith("weight") and value.numel() > 2000:
            assert value.std().item() == pytest.approx(1, rel=0.1), name


# -- recordings -------------------------------------------------------------------------------------------------------

RECORDINGS = ["sg3_t", "sg3_r", "sg3_t_cond"]


def recorded_config(kwargs: dict) -> StyleGAN3Config:
    kwargs = dict(kwargs)
    mapping = MappingConfig(**kwargs.pop("mapping_kwargs"))
    return StyleGAN3Config(resolution=kwargs.pop("img_resolution"), mapping=mapping, **kwargs)


def recorded_discriminator(kwargs: dict) -> DiscriminatorConfig:
    kwargs = dict(kwargs)
    return DiscriminatorConfig(resolution=kwargs.pop("img_resolution"), **kwargs.pop("epilogue_kwargs"), **kwargs)


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded(name, reference):
    data = {key: value if key == "meta" else torch.from_numpy(value) for key, value in reference(f"{name}.npz").items()}
    config = recorded_config(json.loads(str(data["meta"]))["G_kwargs"])
    network = Generator(config).eval().requires_grad_(False)
    designed = {key: value.clone() for key, value in network.state_dict().items() if key.endswith("_filter")}
    network.load_state_dict({key[2:]: value for key, value in data.items() if key.startswith("G.")})
    for key, taps in designed.items():
        assert relative_error(taps, data[f"G.{key}"]) < 1e-6, key
    z, c = data["z"], data["c"]
    assert relative_error(network.mapping(z, c), data["w"]) < RECORDED
    assert relative_error(network.mapping(z, c, psi=0.7), data["w_psi0.7"]) < RECORDED
    assert relative_error(network.mapping(z, c, psi=0.5, cutoff=4), data["w_psi0.5_cutoff4"]) < RECORDED
    taps = taps_of(network.synthesis, data["w_mixed"], transform=data["input_transform"])
    assert relative_error(taps["image"], data["image"]) < RECORDED
    recorded = [key.removeprefix("act.") for key in data if key.startswith("act.")]
    assert recorded == ["input", *[g.name for g in network.synthesis.layers], "output"]
    for module in recorded:
        tap = {"input": "input", "output": "image"}.get(module, f"{module}.out")
        assert relative_error(taps[tap][:1, :8], data[f"act.{module}"]) < RECORDED, module
    image = network.synthesis(data["w_mixed"], transform=data["input_transform"])
    assert relative_error(image, data["image"]) < RECORDED


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", ["sg3_t", "sg3_r"])
def test_recorded_gradients(name, reference):
    """Of the generator's loss, of its path length, and the averages after the discriminator's fake pass."""
    data = {key.removeprefix(f"{name}."): torch.from_numpy(value) for key, value in reference("sg_loss.npz").items()
            if key.startswith(f"{name}.") and value.dtype.kind == "f"}
    meta = json.loads(str(reference("sg_loss.npz")[f"{name}.meta"]))
    network = Generator(recorded_config(meta["G_kwargs"]))
    network.load_state_dict({key[2:]: value for key, value in data.items() if key.startswith("G.")})
    discriminator = Discriminator(recorded_discriminator(meta["D_kwargs"])).requires_grad_(False)
    discriminator.load_state_dict({key[2:]: value for key, value in data.items() if key.startswith("D.")})

    def check(phase, loss):
        network.zero_grad()
        loss.backward()
        recorded = {key.removeprefix(f"grad.{phase}."): value for key, value in data.items()
                    if key.startswith(f"grad.{phase}.")}
        assert recorded
        for key, value in recorded.items():
            gradient = network.get_parameter(key).grad
            assert relative_error(gradient, value) < RECORDED if value.any() else not gradient.any(), (phase, key)
    check("Gmain", torch.nn.functional.softplus(-discriminator(network(data["z"]))).mean())
    ws = network.mapping(data["z"][:4])
    image = network.synthesis(ws)
    y = data["pl_noise_unit"] / sqrt(image[0, 0].numel())
    gradient, = torch.autograd.grad((image * y).sum(), ws, create_graph=True)
    length = gradient.square().sum(dim=2).mean(dim=1).sqrt()
    mean = meta["pl_mean_before"] + meta["pl_decay"] * (length.mean() - meta["pl_mean_before"])
    check("Greg", meta["pl_weight"] * (length - mean).square().mean())
    assert mean.item() == pytest.approx(data["pl_mean_after"].item(), rel=1e-5)
    with torch.no_grad():
        network.synthesis(network.mapping(data["z"], update_w_avg=True), update_ema=True)
    after = {key.removeprefix("G_after."): value for key, value in data.items() if key.startswith("G_after.")}
    assert len(after) == 8
    for key, value in after.items():
        assert relative_error(network.state_dict()[key], value) < 1e-5, key
