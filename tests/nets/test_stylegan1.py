"""StyleGAN1 against direct formulas in float64; its walk in every ablation, growing, gradients, precision, errors."""
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from stage_checks import check_derivative, check_fading, check_stages, randomize, relative_error, taps_of, to_double

from cuda_ops.style_epilogue import apply_style, instance_norm
from nets.config import MappingConfig, StyleGAN1Config, StyleGAN1DiscriminatorConfig
from nets.errors import UserError
from nets.stages import State, all_taps, draw_noise, ignore
from nets.stylegan1 import Discriminator, Generator, Layer

FLOAT64 = 1e-11                          # relative error after a few dozen layers of 1e-16 roundings
MAPPING = MappingConfig(num_layers=2, label="concat", scale_bias=False, w_avg_beta=0.995)
SMALL = StyleGAN1Config(resolution=16, z_dim=8, w_dim=12, channels=(6, 5, 4), mapping=MAPPING)
TRADITIONAL = replace(SMALL, w_dim=8, const_input=False, use_styles=False, use_noise=False, use_instance_norm=False,
                      use_pixel_norm=True, mapping=replace(MAPPING, num_layers=0))
VARIANTS = {
    "style": SMALL,
    "traditional": TRADITIONAL,
    "no styles": replace(SMALL, use_styles=False),
    "no noise": replace(SMALL, use_noise=False),
    "no normalisation": replace(SMALL, use_instance_norm=False),
    "both normalisations": replace(SMALL, use_pixel_norm=True),
    "traditional input": replace(SMALL, const_input=False),
    "no blur": replace(SMALL, blur_filter=()),
    "gray": replace(SMALL, img_channels=1),
    "five channels, labels": replace(SMALL, img_channels=5, c_dim=3),
    "4x4": replace(SMALL, resolution=4, channels=None, channel_base=32),
    "8x8, growing": replace(SMALL, resolution=8, channels=None, channel_base=64, channel_max=7, lod=0.5),
}


def make(config: StyleGAN1Config = SMALL, seed: int = 0) -> Generator:
    return randomize(Generator(config), seed)


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def draw_ws(network: Generator, num: int = 2) -> torch.Tensor:
    return draw(num, network.num_ws, network.w_dim)


# -- formulas ---------------------------------------------------------------------------------------------------------

def same_correlation(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """x [C, H, W], w [O, C, 3, 3], zero-padded to the same size."""
    return np.stack([sum(correlate2d(x[i], w[o, i], mode="same") for i in range(len(x))) for o in range(len(w))])


def adain_layer(layer: Layer, x: np.ndarray, w: np.ndarray, noise: np.ndarray, blur) -> dict[str, np.ndarray]:
    """networks.md "StyleGAN1 synthesis" for one sample: x [C, H, W], w [w_dim], noise [R, R]."""
    p = {name: value.numpy() for name, value in layer.state_dict().items()}
    steps = {}
    if layer.up > 1:
        x = x.repeat(2, axis=1).repeat(2, axis=2)
    x = same_correlation(x, p["weight"] * sqrt(2) / sqrt(9 * len(x)))
    if layer.up > 1:
        x = np.stack([correlate2d(channel, np.outer(blur, blur) / np.sum(blur) ** 2, mode="same") for channel in x])
    steps["conv"] = x
    steps["noise"] = x = x + noise * p["noise_strength"][:, None, None]
    x = x + p["bias"][:, None, None]
    steps["act"] = x = np.where(x > 0, x, 0.2 * x)
    mean, var = x.mean(axis=(1, 2), keepdims=True), x.var(axis=(1, 2), keepdims=True)
    steps["norm"] = x = (x - mean) / np.sqrt(var + 1e-8)
    scale, shift = np.split(w @ p["affine.weight"].T / sqrt(len(w)) + p["affine.bias"], 2)
    steps["style"] = x * (scale + 1)[:, None, None] + shift[:, None, None]
    return steps


@pytest.mark.parametrize("up", [1, 2])
def test_layer_is_its_formula(up):
    config = replace(SMALL, blur_filter=(1, 2, 5))  # exact in float32; not symmetric: convolution, not correlation
    layer = to_double(randomize(Layer(config, "l", 3, 4, 8, up=up)))
    x, w, noise = draw(2, 3, 8 // up, 8 // up).double(), draw(2, 12).double(), draw(2, 1, 8, 8).double()
    seen = {}
    layer(x, w, noise, seen.__setitem__)
    for n in range(2):
        steps = adain_layer(layer, x[n].numpy(), w[n].numpy(), noise[n, 0].numpy(), (5, 2, 1))
        assert list(seen) == [f"l.{step}" for step in steps]
        for step, value in steps.items():
            assert relative_error(seen[f"l.{step}"][n], value) < FLOAT64, step


@pytest.mark.parametrize("watch", [ignore, lambda name, value: None], ids=["unwatched", "watched"])
@pytest.mark.parametrize("up", [1, 2])
def test_an_edit_stands_in_for_the_normalisation(up, watch, backend):
    layer = randomize(Layer(SMALL, "l", 3, 4, 8, up=up))
    x, w, noise = draw(2, 3, 8 // up, 8 // up), draw(2, 12), draw(2, 1, 8, 8)
    given = {}
    plain, copy = layer(x, w, noise, given.__setitem__), x.clone()
    assert relative_error(layer(x, w, noise, watch, instance_norm), plain) < 1e-6
    scale, shift = layer.affine(w).chunk(2, dim=1)
    edited = layer(x, w, noise, watch, lambda act: 3 * act)
    assert relative_error(edited, apply_style(3 * given["l.act"], scale, shift)) < 1e-6
    assert torch.equal(x, copy)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_watching_changes_no_bit(config, precision, backend):
    """What a stage hands on is the fused result, shown as the last of its taps or not looked at."""
    network = make(config)
    synthesis, ws = network.synthesis, draw_ws(network)
    synthesis.precision = precision
    stages = synthesis.stages()
    noise = draw_noise(stages, "const", len(ws))
    with torch.inference_mode():
        state = State()
        for stage in stages:
            given, seen = stage.inputs(ws, noise), {}
            watched, state = stage.run(state, given, seen.__setitem__), stage.run(state, given, ignore)
            for ours, theirs in zip(watched, state):
                assert ours is theirs or torch.equal(ours, theirs)
            if state.x is not None and "torgb" not in stage.name:
                assert torch.equal(seen[stage.taps[-1].name], state.x)


def test_first_layer_and_torgb():
    synthesis = to_double(make()).synthesis
    taps = taps_of(synthesis, draw_ws(make()).double())
    b4 = synthesis.b4
    assert torch.equal(taps["const"], b4.const.expand(2, -1, -1, -1))
    noisy = b4.const + b4.conv0.noise_const * b4.conv0.noise_strength[:, None, None]
    assert relative_error(taps["b4.conv0.noise"], noisy.expand(2, -1, -1, -1)) < FLOAT64
    rgb = torch.einsum("nchw,oc->nohw", taps["b16.conv1.style"], synthesis.b16.torgb.weight[:, :, 0, 0]) / sqrt(4)
    assert relative_error(taps["image"], rgb + synthesis.b16.torgb.bias[:, None, None]) < FLOAT64


def test_traditional_generator():
    """Fig. 1a: normalised z through a dense layer, then convolutions with pixel norm."""
    network = to_double(make(TRADITIONAL))
    z = draw(2, 8).double()
    w = z / (z.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()
    assert network.num_ws == 1 and network.variant == "traditional"
    assert relative_error(network.mapping(z)[:, 0], w) < FLOAT64
    taps = taps_of(network.synthesis, w[:, None])
    x = (w @ network.synthesis.b4.dense.weight.T * sqrt(2) / 4 / sqrt(8)).reshape(2, 6, 4, 4)
    assert relative_error(taps["input"], x) < FLOAT64
    x = torch.nn.functional.leaky_relu(x + network.synthesis.b4.conv0.bias[:, None, None], 0.2)
    assert relative_error(taps["b4.conv0.act"], x) < FLOAT64
    assert relative_error(taps["b4.conv0.norm"], x / (x.square().mean(dim=1, keepdim=True) + 1e-8).sqrt()) < FLOAT64
    assert [name for name in taps if name.startswith("b8.conv0")] == [f"b8.conv0.{s}" for s in ("conv", "act", "norm")]


# -- stages -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS)
def test_walk(config):
    network = make(config)
    check_stages(network.synthesis, draw_ws(network))
    c = draw(3, config.c_dim) if config.c_dim else None
    image = network(draw(3, config.z_dim), c)
    assert list(image.shape) == [3, config.img_channels, config.resolution, config.resolution]
    assert image.isfinite().all() and not image.requires_grad


@pytest.mark.parametrize("lod", [0, 0.25, 1, 1.5, 2])
def test_walk_at_each_level_of_detail(lod):
    network = make()
    check_stages(network.synthesis, draw_ws(network), lod)


def test_names_are_the_contract():
    stages = make().synthesis.stages()
    layers = [f"b{r}.{part}" for r in (4, 8, 16) for part in ("conv0", "conv1", "torgb")]
    assert [stage.name for stage in stages] == ["const", *layers, "image"]
    assert [stage.w_row for stage in stages if "conv" in stage.name] == [0, 1, 2, 3, 4, 5]
    taps = [tap.name for tap in all_taps(stages)]
    assert taps[:5] == ["const"] + [f"b4.conv0.{step}" for step in ("noise", "act", "norm", "style")]
    assert taps[-8:-3] == [f"b16.conv1.{step}" for step in ("conv", "noise", "act", "norm", "style")]
    assert taps[-3:] == ["b16.torgb", "b16.image", "image"]
    names = set(make().state_dict())
    epilogue = {"bias", "noise_const", "noise_strength", "affine.weight", "affine.bias"}
    assert {n.removeprefix("synthesis.b8.conv0.") for n in names if "b8.conv0" in n} == epilogue | {"weight"}
    assert {n.removeprefix("synthesis.b4.conv0.") for n in names if "b4.conv0" in n} == epilogue
    assert {n for n in names if "b4" in n and "conv" not in n} == {
        "synthesis.b4.const", "synthesis.b4.torgb.weight", "synthesis.b4.torgb.bias"}


def test_w_rows_reach_only_their_layer():
    network = make()
    ws = draw_ws(network)
    before = taps_of(network.synthesis, ws)
    for row in range(network.num_ws):
        changed = ws.clone()
        changed[:, row] += 1
        after = taps_of(network.synthesis, changed)
        first = next(name for name in before if not torch.equal(before[name], after[name]))
        assert first == f"b{4 << row // 2}.conv{row % 2}.style"


# -- growing ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("lod", [0, 0.25, 1, 1.5, 2])
def test_level_of_detail_fades_between_torgbs(lod):
    network = make()
    ws = draw_ws(network)
    check_fading(network.synthesis, ws, lod)
    stored = make(replace(SMALL, lod=lod))
    assert torch.equal(stored.synthesis(ws), network.synthesis(ws, lod=lod)), "the file's own lod is the default"


def test_hidden_torgbs_cost_nothing_unless_watched():
    network = make()
    calls = []
    for name in ("b4", "b8", "b16"):
        torgb = network.synthesis.get_submodule(name).torgb
        torgb.register_forward_hook(lambda *_, name=name: calls.append(name))
    for lod, shown in [(0, ["b16"]), (0.5, ["b8", "b16"]), (1, ["b8"]), (1.25, ["b4", "b8"]), (2, ["b4"])]:
        calls.clear()
        network.synthesis(draw_ws(network), lod=lod)
        assert calls == shown, lod


@pytest.mark.parametrize("lod", [-0.1, 2.01, float("nan")])
def test_lod_out_of_range(lod):
    with pytest.raises(UserError, match="outside 0 to 2"):
        make().synthesis.stages(lod)


# -- noise, precision, gradients, errors ------------------------------------------------------------------------------

def test_noise_modes():
    network = make()
    ws = draw_ws(network, 1).expand(2, -1, -1)

    def image(noise, seed=0):
        return network.synthesis(ws, noise=noise, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(image("random"), image("random"))
    assert not torch.equal(image("random"), image("random", seed=1))
    drawn = image("random")
    assert not torch.equal(drawn[0], drawn[1]), "every sample has its own"
    assert not torch.equal(image("const"), image("none"))
    for block in (network.synthesis.b4, network.synthesis.b8, network.synthesis.b16):
        block.conv0.noise_strength.zero_()
        block.conv1.noise_strength.zero_()
    assert torch.equal(image("const"), image("none")) and torch.equal(image("random"), image("none"))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype):
    """The 4 highest resolutions but 4x4 run in it; some 20 roundings per path, each of at most eps / 2."""
    network = make(replace(SMALL, resolution=64, channels=(8,) * 5, use_pixel_norm=True))
    ws = draw_ws(network)
    exact = network.synthesis(ws)
    network.synthesis.precision = dtype
    taps = taps_of(network.synthesis, ws)
    assert {name: x.dtype for name, x in taps.items()} == {
        name: dtype if "conv" in name and not name.startswith("b4.") else torch.float32 for name in taps}
    assert 0 < relative_error(taps["image"], exact) < 10 * torch.finfo(dtype).eps


@pytest.mark.parametrize("config", [SMALL, TRADITIONAL, replace(SMALL, use_pixel_norm=True)])
def test_path_length_gradient(config):
    """d |d(G·y)/dw|² / d theta, with an activation that has a second derivative."""
    network = to_double(make(replace(config, resolution=8, channels=(4, 3), activation="swish")))
    synthesis, ws = network.synthesis.requires_grad_(True), draw_ws(network).double().requires_grad_()
    parameters = list(synthesis.parameters())
    y = draw(2, 3, 8, 8, seed=2).double()

    def penalty():
        grad, = torch.autograd.grad((synthesis(ws) * y).sum(), ws, create_graph=True)
        return grad.square().sum()
    grads = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    check_derivative(penalty, parameters, [draw(*p.shape, seed=3).double() for p in parameters], grads)


def test_every_parameter_that_acts_has_a_gradient():
    network = make(replace(SMALL, c_dim=3)).requires_grad_(True)
    network(draw(2, 8), draw(2, 3), psi=0.7).square().sum().backward()
    idle = {name for name, p in network.named_parameters() if p.grad is None}
    assert idle == {f"synthesis.b{r}.torgb.{p}" for r in (4, 8) for p in ("weight", "bias")}


def test_initial_values():
    torch.manual_seed(0)
    network = Generator(replace(SMALL, channels=None, channel_base=256, channel_max=64, w_dim=64))
    state = network.synthesis.state_dict()
    assert (state["b4.const"] == 1).all()
    assert not any(state[name].any() for name in state if name.endswith(("bias", "noise_strength")))
    for name in ("b4.conv1.weight", "b8.conv0.affine.weight", "b8.conv0.noise_const"):
        assert state[name].std().item() == pytest.approx(1, rel=0.2), name


@pytest.mark.parametrize("shape", [(2, 5, 12), (2, 6, 11), (6, 12)])
def test_wrong_w(shape):
    with pytest.raises(UserError, match=r"takes \[N, 6, 12\]"):
        make().synthesis(torch.zeros(shape))


def test_wrong_noise_mode_and_missing_label():
    with pytest.raises(UserError, match="'loud' is not one of"):
        make()(draw(1, 8), noise="loud")
    with pytest.raises(UserError, match="conditional"):
        make(replace(SMALL, c_dim=3))(draw(1, 8))


# -- discriminator ----------------------------------------------------------------------------------------------------

SMALL_D = StyleGAN1DiscriminatorConfig(resolution=16, channel_base=64, channel_max=8)


def make_d(config: StyleGAN1DiscriminatorConfig = SMALL_D) -> Discriminator:
    return randomize(Discriminator(config))


def lrelu(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 0, x, 0.2 * x)


def conv(x: torch.Tensor, layer) -> torch.Tensor:
    """Zero-padded, at coefficient sqrt 2 / sqrt(fan in), without bias and activation."""
    weight = layer.weight * (sqrt(2) / sqrt(layer.weight[0].numel()))
    return torch.nn.functional.conv2d(x, weight, padding=weight.shape[-1] // 2)


def blurred(x: torch.Tensor) -> torch.Tensor:
    f = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    f = (f.outer(f) / 16).expand(x.shape[1], 1, 3, 3)
    return torch.nn.functional.conv2d(x, f, padding=1, groups=x.shape[1])


def scores(d: Discriminator, image: torch.Tensor, c: torch.Tensor | None, lod: float) -> torch.Tensor:
    """networks.md "StyleGAN1 discriminator", without an eye to speed."""
    def average(x, factor=2):
        return torch.nn.functional.avg_pool2d(x, factor)

    def biased(x, layer):
        return lrelu(x + layer.bias[:, None, None])

    def from_rgb(level):
        layer = d.get_submodule(f"b{d.config.resolution >> level}").fromrgb
        return biased(conv(average(image, 2 ** level), layer), layer)
    k = int(lod)
    x = from_rgb(k)
    for level in range(k, d.max_lod):
        block = d.get_submodule(f"b{d.config.resolution >> level}")
        x = blurred(biased(conv(x, block.conv0), block.conv0))
        x = biased(average(conv(x, block.conv1)), block.conv1)
        if level == k and lod > k:
            x = (1 - (lod - k)) * x + (lod - k) * from_rgb(k + 1)
    group = min(d.config.mbstd_group_size or len(x), len(x))
    groups = len(x) // group
    spread = torch.stack([(x[m::groups].var(dim=0, correction=0) + 1e-8).sqrt().mean() for m in range(groups)])
    x = torch.cat([x, spread.repeat(group)[:, None, None, None].expand(-1, -1, 4, 4)], dim=1)
    x = biased(conv(x, d.b4.conv), d.b4.conv).flatten(1)
    x = lrelu(x @ d.b4.fc.weight.T * sqrt(2) / sqrt(x.shape[1]) + d.b4.fc.bias)
    x = x @ d.b4.out.weight.T / sqrt(x.shape[1]) + d.b4.out.bias
    return x if c is None else (x * c).sum(dim=1, keepdim=True)


@pytest.mark.parametrize("lod", [0, 0.3, 1, 1.5, 2])
@pytest.mark.parametrize("c_dim", [0, 3])
def test_discriminator_is_its_formula(lod, c_dim):
    d = to_double(make_d(replace(SMALL_D, c_dim=c_dim, img_channels=2)))
    image, c = draw(8, 2, 16, 16).double(), draw(8, c_dim).double() if c_dim else None
    assert relative_error(d(image, c, lod), scores(d, image, c, lod)) < FLOAT64


@pytest.mark.parametrize("group, num", [(4, 3), (4, 4), (4, 8), (None, 6), (1, 3)])
def test_discriminator_statistics_depend_on_the_batch(group, num):
    d = to_double(make_d(replace(SMALL_D, mbstd_group_size=group)))
    image = draw(num, 3, 16, 16).double()
    assert relative_error(d(image), scores(d, image, None, 0)) < FLOAT64


def test_discriminator_names_and_options():
    names = set(make_d().state_dict())
    parts = [f"b{r}.{layer}" for r in (16, 8) for layer in ("fromrgb", "conv0", "conv1")]
    parts += [f"b4.{layer}" for layer in ("fromrgb", "conv", "fc", "out")]
    assert names == {f"{part}.{p}" for part in parts for p in ("weight", "bias")}
    plain = make_d(replace(SMALL_D, mbstd_num_channels=0, blur_filter=(), resolution=4))
    assert plain(draw(3, 3, 4, 4)).shape == (3, 1)
    stored = make_d(replace(SMALL_D, lod=1.5))
    assert torch.equal(stored(draw(4, 3, 16, 16)), make_d()(draw(4, 3, 16, 16), lod=1.5))


def test_discriminator_gradient_penalty():
    """R1 differentiates twice."""
    d = to_double(make_d(replace(SMALL_D, activation="swish", resolution=8)))
    image = draw(4, 3, 8, 8).double().requires_grad_()

    def penalty():
        grad, = torch.autograd.grad(d(image).sum(), image, create_graph=True)
        return grad.square().sum()
    grads = torch.autograd.grad(penalty(), image)
    check_derivative(penalty, [image], [draw(4, 3, 8, 8, seed=2).double()], grads)


@pytest.mark.parametrize("shape, c, lod, said", [
    ((2, 3, 16, 8), None, None, r"images have shape .* \[N, 3, 16, 16\]"),
    ((2, 1, 16, 16), None, None, "images have shape"),
    ((2, 3, 16, 16), None, 3, "outside 0 to 2"),
    ((6, 3, 16, 16), None, None, "6 cannot be split into groups of 4"),
])
def test_discriminator_errors(shape, c, lod, said):
    with pytest.raises(UserError, match=said):
        make_d()(torch.zeros(shape), c, lod)


def test_discriminator_label_errors():
    d = make_d(replace(SMALL_D, c_dim=3))
    with pytest.raises(UserError, match=r"no label is given, this network takes \[2, 3\]"):
        d(torch.zeros(2, 3, 16, 16))
    with pytest.raises(UserError, match=r"labels have shape \[2, 2\]"):
        d(torch.zeros(2, 3, 16, 16), torch.zeros(2, 2))
