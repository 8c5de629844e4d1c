"""TensorFlow pickles written here, from this project's networks turned back into variables."""
import dataclasses

import numpy as np
import pytest
import torch
from checkpoint_files import dump_tf, random_network, tf_generator, tf_network, tf_variables

from nets.build import build
from nets.checkpoint import open_checkpoint
from nets.checkpoint.tf_convert import convert_generator
from nets.config import (
    DiscriminatorConfig,
    MappingConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
)
from nets.errors import CheckpointError

SIZES = {"z_dim": 12, "w_dim": 20, "channel_base": 128, "channel_max": 10}
KWARGS = {"latent_size": 12, "dlatent_size": 20, "fmap_base": 64, "fmap_max": 10}
CONCAT = MappingConfig(num_layers=2, label="concat", w_avg_beta=0.995)
EMBED = MappingConfig(num_layers=2, w_avg_beta=0.995)
G1 = StyleGAN1Config(16, **SIZES, mapping=dataclasses.replace(CONCAT, scale_bias=False))
G2 = StyleGAN2Config(16, **SIZES, scaled_weights=True, mapping=CONCAT)
D1 = StyleGAN1DiscriminatorConfig(16, channel_base=128, channel_max=10)
D2 = DiscriminatorConfig(16, channel_base=128, channel_max=10, label="dot")
TRADITIONAL = dataclasses.replace(G1, const_input=False, use_styles=False, use_noise=False, use_instance_norm=False,
                                  use_pixel_norm=True, w_dim=12,
                                  mapping=dataclasses.replace(G1.mapping, num_layers=0))


@pytest.fixture
def written(tmp_path):
    """`written(root)`: a pickle of it, opened."""
    def write(root, protocol=3):
        path = tmp_path / "network.pkl"
        path.write_bytes(dump_tf(root, protocol))
        return open_checkpoint(str(path))
    return write


def assert_same(built: torch.nn.Module, network: torch.nn.Module):
    """The +1 of a style's bias, taken off in the file, costs one rounding."""
    expected = network.state_dict()
    assert set(built.state_dict()) == set(expected)
    for key, value in built.state_dict().items():
        error = (value - expected[key]).abs().max().item() if value.numel() else 0
        assert error <= (4e-7 if key.endswith("affine.bias") else 0), key


@pytest.mark.parametrize("protocol", [2, 3, 4])
@pytest.mark.parametrize("g, d", [(G1, D1), (G2, D2)])
def test_every_protocol(written, protocol, g, d):
    networks = [random_network(config, seed) for seed, config in enumerate((g, d, g))]
    variables = [tf_variables(network) for network in networks]
    checkpoint = written((tf_generator(variables[0], KWARGS, name="G"), tf_network("D", variables[1], KWARGS),
                          tf_generator(variables[2], KWARGS)), protocol)
    assert checkpoint.format == "tensorflow-pickle" and checkpoint.notes == ()
    for name, network in zip(("G", "D", "G_ema"), networks):
        assert_same(checkpoint.build(name), network)
    assert checkpoint.networks["G_ema"].config == g and checkpoint.networks["D"].config == d


@pytest.mark.parametrize("config, kwargs", [
    (dataclasses.replace(G1, c_dim=3), {"label_size": 3}),
    (dataclasses.replace(G1, use_noise=False), {}),
    (dataclasses.replace(G1, use_styles=False), {"use_pixel_norm": False}),
    (dataclasses.replace(G1, blur_filter=(1, 1), activation="relu", img_channels=1),
     {"blur_filter": [1, 1], "nonlinearity": "relu"}),
    (TRADITIONAL, {"use_pixel_norm": True, "use_instance_norm": False, "dlatent_size": 12}),
    (dataclasses.replace(G1, channels=(9, 7, 5), mapping=MappingConfig(3, 6, label="concat", scale_bias=False,
                                                                    lr_multiplier=0.1, w_avg_beta=0.9)),
     {"mapping_lrmul": 0.1, "dlatent_avg_beta": 0.9, "fmap_decay": 1.3}),
    (dataclasses.replace(G2, architecture="resnet"), {"architecture": "resnet"}),
    (dataclasses.replace(G2, architecture="orig"), {}),
    (dataclasses.replace(G2, architecture="growing"), {"synthesis_func": "G_synthesis_stylegan_revised"}),
    (dataclasses.replace(G2, c_dim=3), {"label_size": 3}),
    (dataclasses.replace(G2, c_dim=3, mapping=dataclasses.replace(EMBED, embed_dim=7), conv_clamp=256, num_fp16_res=2),
     {"label_size": 3, "label_fmaps": 7, "conv_clamp": 256, "num_fp16_res": 2}),
])
def test_generators(written, config, kwargs):
    g = random_network(config)
    checkpoint = written(tf_generator(tf_variables(g), KWARGS | kwargs))
    assert checkpoint.networks["G_ema"].config == config
    assert_same(checkpoint.build(), g)


@pytest.mark.parametrize("config, kwargs, version", [
    (dataclasses.replace(D1, c_dim=3), {"label_size": 3}, 2),
    (dataclasses.replace(D1, mbstd_group_size=8, img_channels=1), {"mbstd_group_size": 8}, 3),
    (dataclasses.replace(D2, architecture="skip"), {}, 4),
    (dataclasses.replace(D2, architecture="orig", c_dim=3), {"label_size": 3}, 4),
    (dataclasses.replace(D2, architecture="growing"), {}, 4),
    (dataclasses.replace(D2, fc_dim=16, channels=(9, 7, 5)), {}, 4),
    (dataclasses.replace(D2, mbstd_group_size=None), {}, 5),                     # ADA: the whole minibatch
    (dataclasses.replace(D2, label="projection", c_dim=3, cmap_dim=6, mbstd_group_size=None,
                         mapping=MappingConfig(num_layers=0, lr_multiplier=0.1)), {"label_size": 3}, 5),
    (dataclasses.replace(D2, label="projection", c_dim=3, mbstd_group_size=None, mapping=MappingConfig(2, 7, 5, 0.02)),
     {"label_size": 3, "mapping_lrmul": 0.02}, 5),
])
def test_discriminators(written, config, kwargs, version):
    d = random_network(config)
    checkpoint = written(tf_network("D", tf_variables(d), KWARGS | kwargs, version=version))
    assert checkpoint.networks["D"].config == config
    assert_same(checkpoint.build("D"), d)


@pytest.mark.parametrize("fused_scale, fused_from", [("auto", 128), (True, 8), (False, 1 << 20)])
def test_fused_kernels_are_turned(written, fused_scale, fused_from):
    g = random_network(dataclasses.replace(G1, resolution=128, channel_max=2, channel_base=256))
    kwargs = KWARGS | {"fmap_base": 128, "fmap_max": 2}
    if fused_scale != "auto":
        kwargs["fused_scale"] = fused_scale
    assert_same(written(tf_generator(tf_variables(g, fused_from), kwargs)).build(), g)


def test_level_of_detail_is_the_files(written):
    g = random_network(G1)
    variables = tf_variables(g)
    checkpoint = written(tf_generator({"lod": np.float32(1.25), **variables}, KWARGS))
    assert checkpoint.networks["G_ema"].config.lod == 1.25
    z = torch.randn(1, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(checkpoint.build()(z), g(z, lod=1.25), atol=1e-5)


def test_a_network_that_never_grew_lacks_what_it_never_used(written):
    """structure='fixed' has one ToRGB and one FromRGB; without truncation there is no average of w."""
    g, d = random_network(G1), random_network(D1)
    generator, discriminator = ({name: value for name, value in tf_variables(network).items()
                                 if "RGB_lod" not in name or "lod0" in name} for network in (g, d))
    del generator["dlatent_avg"]
    built = written(tf_generator(generator, KWARGS | {"structure": "fixed"})).build("G_ema")
    z = torch.randn(2, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(built(z), g(z), atol=1e-5)
    built = written(tf_network("D", discriminator, KWARGS)).build("D")
    image = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(built(image), d(image))


def test_variables_may_be_arrays_sources_or_full_names():
    g = random_network(G2)
    variables = tf_variables(g)
    full = {f"Gs_synthesis_1/{name}" if "x" in name.partition("/")[0] else name: value
            for name, value in variables.items()}
    for given in (variables, full):
        config, tensors = convert_generator(given, KWARGS)
        assert config == G2
        state = {name: source.load() for name, source in tensors.items()}
        missing, unexpected = build(config).load_state_dict(state, strict=False)
        assert not unexpected and all(name.endswith("resample_filter") for name in missing)


def test_big_endian_and_fortran_arrays(written):
    g = random_network(G2)
    variables = tf_variables(g)
    variables["4x4/Conv/weight"] = np.asfortranarray(variables["4x4/Conv/weight"])
    variables["8x8/Conv1/bias"] = variables["8x8/Conv1/bias"].astype(">f8")
    assert_same(written(tf_generator(variables, KWARGS)).build(), g)


def test_unknown_kwargs_are_reported(written):
    g = random_network(G2)
    checkpoint = written(tf_generator(tf_variables(g), KWARGS | {"resolution_h": 16, "resolution_w": 16}))
    assert any("resolution_h, resolution_w" in note for note in checkpoint.notes)
    assert_same(checkpoint.build(), g)


@pytest.mark.parametrize("change, kwargs, says", [
    ({"8x8/Conv1/bias": np.zeros(11, np.float32)}, {}, r"b8.conv1.bias is \[11\] where its network takes \[10\]"),
    ({"noise1": None}, {}, "lacks the variable noise1"),
    ({"4x4/Const/const": np.zeros((2, 10, 4, 4), np.float32)}, {}, "a constant or a noise map"),
    ({"Dense0/weight": np.zeros(7, np.float32)}, {}, "one of 2 dimensions"),
    ({"8x8/Conv0_up/weight": None, "8x8/Conv1/weight": None}, {}, "lacks the variable"),
    ({}, {"latent_size": 13}, r"mapping.fc0.weight is \[20, 12\]"),
    ({}, {"resolution": 32}, "channel counts|lacks"),
    ({}, {"use_wscale": False}, "equalised learning rates"),
    ({}, {"fmap_base": "many"}, "feature maps"),
    ({"4x4/Conv/weight": np.array("text")}, {}, "other than numbers|no array|damaged"),
])
def test_what_does_not_fit(written, change, kwargs, says):
    variables = {k: v for k, v in (tf_variables(random_network(G2)) | change).items() if v is not None}
    with pytest.raises(CheckpointError, match=says):
        written(tf_generator(variables, KWARGS | kwargs)).build()


def test_python_2_pickle(tmp_path):
    """A py2 pickle's str is text in names and bytes in arrays; both come as the same opcodes."""
    d = random_network(D1)
    path = tmp_path / "network.pkl"
    path.write_bytes(as_python_2(tf_variables(d), KWARGS))
    checkpoint = open_checkpoint(str(path))
    assert_same(checkpoint.build("D"), d)


def as_python_2(variables: dict, kwargs: dict) -> bytes:
    """Opcodes of protocol 2 as Python 2 wrote them: every str is a BINSTRING."""
    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    def number(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    def array(value: np.ndarray) -> bytes:
        value = np.ascontiguousarray(value)
        shape = b"(" + b"".join(map(number, value.shape)) + b"t"
        dtype = b"cnumpy\ndtype\n" + text(b"f4") + number(0) + number(1) + b"\x87R(" + number(3) + text(b"<") + (
            b"NNN" + number(-1) + number(-1) + number(0)) + b"tb"
        empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + number(0) + b"\x85" + text(b"b") + b"\x87R"
        return (empty + b"(" + number(1) + shape + dtype + b"\x89" + text(value.tobytes()) + b"tb")

    entries = b"".join(text(name.encode()) + array(np.asarray(value)) + b"\x86" for name, value in variables.items())
    options = b"".join(text(name.encode()) + number(value) for name, value in kwargs.items())
    state = (text(b"variables") + b"](" + entries + b"e" + text(b"static_kwargs") + b"}(" + options + b"u"
             + text(b"name") + text(b"D") + text(b"version") + number(2))
    return b"\x80\x02cdnnlib.tflib.network\nNetwork\n)\x81}(" + state + b"ub."
