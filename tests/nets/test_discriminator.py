"""The discriminator against formulas in float64, its architectures and options, freezing, precision, and recordings."""
import json
from dataclasses import replace
from math import log2, sqrt

import pytest
import torch
from stage_checks import check_derivative, randomize, relative_error, to_double
from torch.nn import functional as F

from nets.build import build
from nets.checkpoint.tf_convert import convert_discriminator
from nets.config import DiscriminatorConfig, MappingConfig, channels_at
from nets.discriminator import Discriminator
from nets.errors import UserError

FLOAT64 = 1e-11                          # relative error after a few dozen layers of 1e-16 roundings
RECORDED = 1e-4                          # float32 on both sides (reference README)
SMALL = DiscriminatorConfig(16, channel_base=64, channel_max=8, mapping=MappingConfig(num_layers=2))
ARCHITECTURES = ["resnet", "skip", "orig", "growing"]


def make(config: DiscriminatorConfig = SMALL) -> Discriminator:
    return randomize(Discriminator(config))


def draw(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- formulas ---------------------------------------------------------------------------------------------------------

def fir(x: torch.Tensor, config: DiscriminatorConfig, pad: tuple[int, int]) -> torch.Tensor:
    """[N, C, H, W] padded by (before, after) on both axes, then convolved with the normalised filter."""
    taps = torch.tensor(config.resample_filter).flip(0)
    taps = (taps.outer(taps) / taps.sum() ** 2).double()
    return F.conv2d(F.pad(x, pad * 2), taps.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def conv(x: torch.Tensor, layer, config: DiscriminatorConfig, down: bool = False, clamp: bool = True) -> torch.Tensor:
    """Convolution (halved: FIR, then stride 2), and with a bias lrelu times sqrt 2 and the clamp."""
    weight = layer.weight / sqrt(layer.weight[0].numel())
    pad = weight.shape[2] // 2
    if down:
        taps = len(config.resample_filter)
        x = F.conv2d(fir(x, config, (pad + (taps - 1) // 2, pad + (taps - 2) // 2)), weight, stride=2)
    else:
        x = F.conv2d(x, weight, padding=pad)
    if layer.bias is None:
        return x
    x = F.leaky_relu(x + layer.bias[:, None, None], 0.2) * sqrt(2)
    return x.clamp(-config.conv_clamp, config.conv_clamp) if clamp and config.conv_clamp else x


def spread(x: torch.Tensor, group_size: int | None, num_channels: int) -> torch.Tensor:
    """[N, num_channels]: for each sample the standard deviation within its group, by definition."""
    num = len(x)
    groups = num // min(group_size or num, num)
    out = torch.zeros(num, num_channels, dtype=x.dtype)
    for n in range(num):
        members = x[[m for m in range(num) if m % groups == n % groups]]
        deviation = ((members - members.mean(dim=0)).square().mean(dim=0) + 1e-8).sqrt()
        out[n] = torch.stack([part.mean() for part in deviation.chunk(num_channels)])
    return out


def scores(d: Discriminator, image: torch.Tensor, c: torch.Tensor | None = None, lod: float = 0) -> torch.Tensor:
    """networks.md "StyleGAN2 discriminator", without an eye to speed."""
    config, kind, k = d.config, d.config.architecture, int(lod)
    last = int(log2(config.resolution // config.start_size[1]))

    def block(level):
        return d.get_submodule(f"b{4 << (last - level)}")

    def average(level):
        return F.avg_pool2d(image, 2 ** level)
    x, small = conv(average(k), block(k).fromrgb, config, clamp=k < last), image
    for level in range(k, last):
        y = conv(conv(x, block(level).conv0, config), block(level).conv1, config, down=True)
        if kind == "resnet":
            y = (y + conv(x, block(level).skip, config, down=True)) / sqrt(2)
        x = y
        if kind == "skip":
            taps = len(config.resample_filter)
            small = fir(small, config, ((taps - 1) // 2, (taps - 2) // 2))[:, :, ::2, ::2]
            x = x + conv(small, block(level + 1).fromrgb, config, clamp=level + 1 < last)
        if kind == "growing" and level == k and lod > k:
            rgb = conv(average(k + 1), block(k + 1).fromrgb, config, clamp=k + 1 < last)
            x = (1 - (lod - k)) * x + (lod - k) * rgb
    if config.mbstd_num_channels:
        s = spread(x, config.mbstd_group_size, config.mbstd_num_channels)
        x = torch.cat([x, s[:, :, None, None].expand(-1, -1, *config.start_size)], dim=1)
    x = conv(x, d.b4.conv, config).flatten(1)
    x = F.leaky_relu(x @ d.b4.fc.weight.T / sqrt(x.shape[1]) + d.b4.fc.bias, 0.2) * sqrt(2)
    x = x @ d.b4.out.weight.T / sqrt(x.shape[1]) + d.b4.out.bias
    if c is None:
        return x
    if config.label == "dot":
        return (x * c).sum(dim=1, keepdim=True)
    return (x * d.mapping(None, c)).sum(dim=1, keepdim=True) / sqrt(x.shape[1])


@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_is_its_formula(architecture, clamp):
    config = replace(SMALL, architecture=architecture, conv_clamp=clamp, img_channels=2,
                     resample_filter=(1, 2, 3, 5, 9))
    d = to_double(make(config))
    image = draw(8, 2, 16, 16).double() * 2
    assert relative_error(d(image), scores(d, image)) < 1e-6, "5 taps / 20 are not exact in the filter's float32"
    d = to_double(make(replace(config, resample_filter=(1, 3, 3, 1))))
    assert relative_error(d(image), scores(d, image)) < FLOAT64


@pytest.mark.parametrize("lod", [0, 0.3, 1, 1.5, 2])
def test_growing(lod):
    d = to_double(make(replace(SMALL, architecture="growing")))
    image = draw(4, 3, 16, 16).double()
    assert relative_error(d(image, lod=lod), scores(d, image, lod=lod)) < FLOAT64
    stored = to_double(make(replace(SMALL, architecture="growing", lod=lod)))
    assert torch.equal(stored(image), d(image, lod=lod)), "the file's own lod is the default"


@pytest.mark.parametrize("label", ["projection", "dot"])
def test_labels(label):
    d = to_double(make(replace(SMALL, c_dim=3, label=label)))
    image, c = draw(4, 3, 16, 16).double(), draw(4, 3).double()
    assert relative_error(d(image, c), scores(d, image, c)) < FLOAT64
    assert d.b4.out.weight.shape[0] == (3 if label == "dot" else 8)
    assert not torch.equal(d(image, c), d(image, c.flip(0)))


@pytest.mark.parametrize("group, features, num", [(4, 1, 8), (4, 2, 3), (None, 1, 6), (2, 4, 6), (1, 1, 3), (4, 0, 8)])
def test_minibatch_statistics(group, features, num):
    d = to_double(make(replace(SMALL, mbstd_group_size=group, mbstd_num_channels=features)))
    image = draw(num, 3, 16, 16).double()
    assert relative_error(d(image), scores(d, image)) < FLOAT64
    assert features == 0 or group == 1 or not torch.allclose(d(image)[:1], d(image[:1]))


@pytest.mark.parametrize("config", [
    replace(SMALL, resolution=8, start_size=(4, 2)),
    replace(SMALL, resolution=4),
    replace(SMALL, channels=(5, 6, 7), fc_dim=3, activation="lrelu"),
    replace(SMALL, c_dim=2, cmap_dim=5, channels=(6, 5, 4)),
], ids=["tall", "4x4", "widths", "cmap_dim"])
def test_other_shapes(config):
    d = to_double(make(config))
    image, c = draw(4, 3, *d.resolution).double(), draw(4, 2).double() if config.c_dim else None
    assert d.resolution == (config.resolution * config.start_size[0] // config.start_size[1], config.resolution)
    assert relative_error(d(image, c), scores(d, image, c)) < FLOAT64


# -- names, freezing, precision, gradients, errors --------------------------------------------------------------------

def parameters(layer: str) -> list[str]:
    return [f"{layer}.weight", f"{layer}.bias"]


def test_names_are_the_contract():
    def names(architecture, **options):
        return set(make(replace(SMALL, architecture=architecture, **options)).state_dict())
    filters = {f"b{r}.{layer}resample_filter" for r in (16, 8) for layer in ("", "conv0.", "conv1.")}
    filters |= {"b16.fromrgb.resample_filter", "b4.conv.resample_filter"}
    layers = ["b16.fromrgb", "b4.conv", "b4.fc", "b4.out"] + [f"b{r}.conv{i}" for r in (16, 8) for i in (0, 1)]
    orig = filters | {name for layer in layers for name in parameters(layer)}
    assert names("orig") == orig
    assert names("resnet") == orig | {f"b{r}.skip.{p}" for r in (16, 8) for p in ("weight", "resample_filter")}
    rgbs = {name for r in (8, 4) for name in parameters(f"b{r}.fromrgb") + [f"b{r}.fromrgb.resample_filter"]}
    assert names("skip") == names("growing") == orig | rgbs
    mapping = {name for layer in ("embed", "fc0", "fc1") for name in parameters(f"mapping.{layer}")}
    assert names("orig", c_dim=3) == orig | mapping
    assert names("orig", c_dim=3, label="dot") == orig


@pytest.mark.parametrize("architecture, num, frozen", [
    ("resnet", 0, []),
    ("resnet", 3, ["b16.fromrgb", "b16.conv0", "b16.conv1"]),
    ("resnet", 5, ["b16.fromrgb", "b16.conv0", "b16.conv1", "b16.skip", "b8.conv0"]),
    ("skip", 5, ["b16.fromrgb", "b16.conv0", "b16.conv1", "b8.fromrgb", "b8.conv0"]),
    ("orig", 99, ["b16.fromrgb", "b16.conv0", "b16.conv1", "b8.conv0", "b8.conv1"]),
])
def test_freeze_layers(architecture, num, frozen):
    config = replace(SMALL, architecture=architecture)
    trained = Discriminator(replace(config, freeze_layers=num))
    everything = {name for name, _ in Discriminator(config).named_parameters()}
    expected = {name for layer in frozen for name in parameters(layer)} & everything
    assert everything - {name for name, _ in trained.named_parameters()} == expected
    trained.load_state_dict(make(config).state_dict())
    image = draw(4, 3, 16, 16)
    assert torch.equal(trained(image), make(config)(image))
    trained(image).sum().backward()
    assert all(p.grad is not None for p in trained.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("num_fp16_res, marked", [(0, (64, 32, 16, 8)), (2, (64, 32)), (9, (64, 32, 16, 8))])
def test_half_precision(dtype, num_fp16_res, marked):
    """Some 5 roundings per block, each of at most eps / 2, add up at random over 4 blocks: about 2 eps; four times that
    for the statistics of differences between samples."""
    d = make(replace(SMALL, resolution=64, channels=(8,) * 5, num_fp16_res=num_fp16_res, architecture="skip"))
    types = {}
    for r in (64, 32, 16, 8, 4):
        layer = d.get_submodule(f"b{r}").fromrgb
        layer.register_forward_hook(lambda module, given, x, r=r: types.update({r: x.dtype}))
    image = draw(4, 3, 64, 64)
    exact = d(image)
    assert set(types.values()) == {torch.float32}
    d.precision = dtype
    half = d(image)
    assert types == {r: dtype if r in marked else torch.float32 for r in (64, 32, 16, 8, 4)}
    assert half.dtype == torch.float32 and 0 < relative_error(half, exact) < 8 * torch.finfo(dtype).eps


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradient_penalty(architecture):
    """R1 differentiates twice, with an activation that has a second derivative."""
    config = replace(SMALL, architecture=architecture, activation="swish", resolution=8, c_dim=2)
    d = to_double(make(config)).requires_grad_(True)
    image, c = draw(4, 3, 8, 8).double().requires_grad_(), draw(4, 2).double()
    tensors = [image, *d.parameters()]

    def penalty():
        grad, = torch.autograd.grad(d(image, c).sum(), image, create_graph=True)
        return grad.square().sum()
    grads = torch.autograd.grad(penalty(), tensors, allow_unused=True)
    check_derivative(penalty, tensors, [draw(*x.shape, seed=2).double() for x in tensors], grads)


@pytest.mark.parametrize("shape, c, lod, said", [
    ((2, 3, 16, 8), None, None, r"images have shape .* \[N, 3, 16, 16\]"),
    ((2, 1, 16, 16), None, None, "images have shape"),
    ((2, 3, 16, 16), None, 1, "does not grow"),
    ((6, 3, 16, 16), None, None, "6 cannot be split into groups of 4"),
])
def test_errors(shape, c, lod, said):
    with pytest.raises(UserError, match=said):
        make()(torch.zeros(shape), c, lod)


def test_label_and_lod_errors():
    with pytest.raises(UserError, match=r"no label is given, this network takes \[2, 3\]"):
        make(replace(SMALL, c_dim=3))(torch.zeros(2, 3, 16, 16))
    with pytest.raises(UserError, match="outside 0 to 2"):
        make(replace(SMALL, architecture="growing"))(torch.zeros(2, 3, 16, 16), lod=2.5)


def test_initial_values():
    torch.manual_seed(0)
    d = Discriminator(replace(SMALL, channel_base=1024, channel_max=64))
    for name, value in d.state_dict().items():
        if name.endswith("bias"):
            assert not value.any(), name
        elif name.endswith("weight") and value.numel() > 1000:
            assert value.std().item() == pytest.approx(1, rel=0.1), name
    assert [channels_at(d.config, r) for r in (16, 8, 4)] == [64, 64, 64]


# -- recordings -------------------------------------------------------------------------------------------------------

def recorded_config(kwargs: dict) -> DiscriminatorConfig:
    kwargs = dict(kwargs)
    return DiscriminatorConfig(resolution=kwargs.pop("img_resolution"), **kwargs.pop("epilogue_kwargs"), **kwargs)


@pytest.mark.parametrize("name", ["sg2_skip", "sg2_resnet_cond", "sg2_orig_gray_clamp", "sg3_t", "sg3_r"])
def test_recorded(name, reference):
    data = reference(f"{name}.npz")
    d = Discriminator(recorded_config(json.loads(str(data["meta"]))["D_kwargs"])).requires_grad_(False)
    d.load_state_dict({key[2:]: torch.from_numpy(value) for key, value in data.items() if key.startswith("D.")})
    scored = d(torch.from_numpy(data["D_in"]), torch.from_numpy(data["D_c"]))
    assert relative_error(scored, data["D_out"]) < RECORDED


@pytest.mark.parametrize("name", ["sg2", "sg2_resnet_skipD", "sg3_t", "sg3_r"])
def test_recorded_gradient_penalty(name, reference):
    data = {key.removeprefix(f"{name}."): value for key, value in reference("sg_loss.npz").items()
            if key.startswith(f"{name}.")}
    meta = json.loads(str(data["meta"]))
    d = Discriminator(recorded_config(meta["D_kwargs"]))
    d.load_state_dict({key[2:]: torch.from_numpy(value) for key, value in data.items() if key.startswith("D.")})
    real = torch.from_numpy(data["real"]).requires_grad_()
    gradient, = torch.autograd.grad(d(real, torch.from_numpy(data["c"])).sum(), real, create_graph=True)
    (meta["r1_gamma"] / 2 * gradient.square().sum(dim=(1, 2, 3)).mean()).backward()
    recorded = {key.removeprefix("grad.Dreg."): value for key, value in data.items() if key.startswith("grad.Dreg.")}
    assert len(recorded) > 15
    for key, value in recorded.items():
        given = d.get_parameter(key).grad
        assert relative_error(given, value) < RECORDED if value.any() else not given.any(), key


@pytest.mark.parametrize("name, architecture", [("sg2tf_e_resnet", "resnet"), ("sg2tf_e_skip", "skip"),
                                                ("sg2tf_f_D", "growing")])
def test_recorded_tensorflow(name, architecture, reference):
    data = reference(f"{name}.npz")
    variables = {key.removeprefix("vars/"): data[key] for key in data.files if key.startswith("vars/")}
    config, tensors = convert_discriminator(variables, json.loads(str(data["static_kwargs_json"])))
    assert config.architecture == architecture and config.label == "dot"
    d = build(config).requires_grad_(False)
    state = {key: value.load() for key, value in tensors.items()}
    filters = {key: value for key, value in d.state_dict().items() if key.endswith("resample_filter")}
    d.load_state_dict(state | filters)
    features = {}
    d.b4.conv.register_forward_hook(lambda module, given, out: features.update(x=given[0]))
    image = torch.from_numpy(data["images"])
    for num in (8, 4, 3, 2, 1):
        assert relative_error(d(image[:num]), data[f"scores_b{num}"]) < RECORDED, num
    d(image[:4])
    assert relative_error(features["x"][:2], data["act/4x4/MinibatchStddev"]) < RECORDED
    lods = [key for key in data.files if key.startswith("scores_b4_lod")]
    assert bool(lods) == (architecture == "growing")
    for key in lods:
        lod = float(key.removeprefix("scores_b4_lod").split("_")[0])
        assert relative_error(d(image[:4], lod=lod), data[key]) < RECORDED, key
