"""PyTorch persistence pickles written here: both layouts of kwargs, all protocols and storages, forks and variants."""
import dataclasses
import pickle

import numpy as np
import pytest
import torch
from checkpoint_files import EasyDict, Persistent, dump_persistent, geometry_attributes, persist, random_network

from nets.checkpoint import open_checkpoint
from nets.checkpoint.allowed import resolve
from nets.checkpoint.blob import Blob, Malformed
from nets.checkpoint.limits import check_config
from nets.checkpoint.reader import Reader
from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN2Config, StyleGAN3Config
from nets.errors import CheckpointError
from nets.plan import plan

SIZES = {"z_dim": 12, "w_dim": 20, "img_channels": 3}
WIDTHS = {"channel_base": 128, "channel_max": 10}
G2 = StyleGAN2Config(16, **SIZES, **WIDTHS, mapping=MappingConfig(num_layers=2))
D2 = DiscriminatorConfig(16, **WIDTHS)
G_KWARGS = {"img_resolution": 16, "c_dim": 0, **SIZES}
D_KWARGS = {"img_resolution": 16, "c_dim": 0, "img_channels": 3, **WIDTHS}
ADA_KWARGS = {**G_KWARGS, "mapping_kwargs": {"num_layers": 2}, "synthesis_kwargs": WIDTHS}
FLAT_KWARGS = {**G_KWARGS, "mapping_kwargs": {"num_layers": 2}, **WIDTHS}


@pytest.fixture
def written(tmp_path):
    """`written(root)`: a pickle of it, opened."""
    def write(root, *args, **kwargs):
        path = tmp_path / "snapshot.pkl"
        path.write_bytes(dump_persistent(root, *args, **kwargs))
        return open_checkpoint(str(path))
    return write


def assert_same(built: torch.nn.Module, network: torch.nn.Module):
    expected = network.state_dict()
    assert set(built.state_dict()) == set(expected)
    for key, value in built.state_dict().items():
        assert torch.equal(value, expected[key]), key


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("zip_storages", [False, True])
def test_every_protocol_and_storage_format(written, protocol, zip_storages):
    g, d = random_network(G2), random_network(D2)
    root = {"G": None, "D": persist(d, D_KWARGS), "G_ema": persist(g, FLAT_KWARGS), "augment_pipe": None,
            "training_set_kwargs": EasyDict(path="data.zip", resolution=16)}
    checkpoint = written(root, protocol, zip_storages)
    assert list(checkpoint.networks) == ["D", "G_ema"]
    assert_same(checkpoint.build("G_ema"), g)
    assert_same(checkpoint.build("D"), d)
    assert checkpoint.networks["G_ema"].parameters == sum(p.numel() for p in g.parameters())


@pytest.mark.parametrize("kwargs, clamp, fp16", [(ADA_KWARGS, None, 0), (FLAT_KWARGS, 256, 4)])
def test_both_layouts_and_their_defaults(written, kwargs, clamp, fp16):
    """A file silent about clamp and precision means the defaults of its generation (networks.md)."""
    checkpoint = written({"G_ema": persist(random_network(G2), EasyDict(kwargs)),
                          "D": persist(random_network(D2), D_KWARGS)})
    g, d = checkpoint.networks["G_ema"].config, checkpoint.networks["D"].config
    expected = dataclasses.replace(G2, conv_clamp=clamp, num_fp16_res=fp16)
    if clamp is None:
        expected = dataclasses.replace(expected, mapping=dataclasses.replace(G2.mapping, w_avg_beta=0.995))
    assert g == expected
    assert d == dataclasses.replace(D2, conv_clamp=clamp, num_fp16_res=fp16)
    assert checkpoint.networks["G_ema"].kwargs == kwargs


def test_attributes_speak_where_kwargs_are_silent(written):
    g, d = random_network(G2), random_network(D2)
    attributes = {
        "": {"z_dim": 12, "c_dim": 0, "w_dim": 20, "img_resolution": 16, "img_channels": 3},
        "synthesis.b8": {"use_fp16": False, "architecture": "skip"}, "synthesis.b16": {"use_fp16": True},
        "synthesis.b4.conv1": {"conv_clamp": 100.0, "activation": "relu"},
        "mapping": {"num_layers": 2, "w_avg_beta": 0.5},
        "mapping.fc0": {"bias_gain": 0.03, "activation": "elu"},
    }
    config = written({"G_ema": persist(g, WIDTHS, attributes)}).networks["G_ema"].config
    mapping = MappingConfig(num_layers=2, lr_multiplier=0.03, activation="elu", w_avg_beta=0.5)
    assert config == dataclasses.replace(G2, conv_clamp=100.0, activation="relu", num_fp16_res=1, mapping=mapping)
    attributes = {"": {"c_dim": 0, "img_resolution": 16, "img_channels": 3}, "b4.mbstd": {"group_size": None},
                  "b16": {"use_fp16": True, "architecture": "resnet"}, "b8": {"use_fp16": True},
                  "b16.conv0": {"conv_clamp": 7, "activation": "lrelu"}}
    d.b4.mbstd = torch.nn.Module()
    config = written({"D": persist(d, WIDTHS, attributes)}).networks["D"].config
    assert config == dataclasses.replace(D2, conv_clamp=7, num_fp16_res=2, mbstd_group_size=None)


@pytest.mark.parametrize("config, kwargs", [
    (dataclasses.replace(G2, architecture="resnet"), {"architecture": "resnet"}),
    (dataclasses.replace(G2, architecture="orig", img_channels=1), {"architecture": "orig", "img_channels": 1}),
    (dataclasses.replace(G2, architecture="orig"), {}),                 # seen from the tensors
    (dataclasses.replace(G2, c_dim=6), {"c_dim": 6}),
    (dataclasses.replace(G2, channels=(9, 7, 5)), {}),                  # pruned: not the formula's widths
    (dataclasses.replace(G2, conv_clamp=0.6, num_fp16_res=2), {"conv_clamp": 0.6, "num_fp16_res": 2}),
    (dataclasses.replace(G2, resample_filter=(1, 2, 1)), {"resample_filter": [1, 2, 1]}),
    (dataclasses.replace(G2, use_noise=False), {}),
    (dataclasses.replace(G2, start_size=(4, 2), resolution=8), {"img_resolution": 16}),      # StyleGAN-Human
    (dataclasses.replace(G2, c_dim=2, mapping=MappingConfig(3, hidden_dim=7, embed_dim=5, lr_multiplier=0.1)),
     {"mapping_kwargs": {"num_layers": 3, "lr_multiplier": 0.1}, "c_dim": 2}),
])
def test_generators(written, config, kwargs):
    g = random_network(config)
    silent = {"conv_clamp": None, "num_fp16_res": 0}
    checkpoint = written({"G_ema": persist(g, FLAT_KWARGS | silent | kwargs)})
    assert checkpoint.networks["G_ema"].config == config
    assert_same(checkpoint.build(), g)


@pytest.mark.parametrize("config, kwargs", [
    (dataclasses.replace(D2, architecture="skip"), {"architecture": "skip"}),
    (dataclasses.replace(D2, architecture="orig", img_channels=1), {"img_channels": 1}),
    (dataclasses.replace(D2, c_dim=6, cmap_dim=8, mapping=MappingConfig(num_layers=3)),
     {"c_dim": 6, "cmap_dim": 8, "mapping_kwargs": {"num_layers": 3}}),
    (dataclasses.replace(D2, freeze_layers=3), {"block_kwargs": {"freeze_layers": 3}}),
    (dataclasses.replace(D2, mbstd_group_size=8, mbstd_num_channels=2),
     {"epilogue_kwargs": {"mbstd_group_size": 8, "mbstd_num_channels": 2}}),
    (dataclasses.replace(D2, start_size=(4, 2), resolution=8), {}),
    (dataclasses.replace(D2, channels=(9, 7, 5), fc_dim=11), {}),
])
def test_discriminators(written, config, kwargs):
    d = random_network(config)
    silent = {"conv_clamp": None, "num_fp16_res": 0}
    checkpoint = written({"D": persist(d, D_KWARGS | silent | kwargs)})
    assert checkpoint.networks["D"].config == config
    assert_same(checkpoint.build("D"), d)


G3 = StyleGAN3Config(16, **SIZES, channel_base=256, channel_max=12, num_layers=5, num_fp16_res=0)
KWARGS3 = {**G_KWARGS, "channel_base": 256, "channel_max": 12, "num_layers": 5, "num_fp16_res": 0}


@pytest.mark.parametrize("config, kwargs", [
    (G3, {}),
    (dataclasses.replace(G3, conv_kernel=1, use_radial_filters=True), {"conv_kernel": 1, "use_radial_filters": True}),
    (dataclasses.replace(G3, filter_size=4, margin_size=6, lrelu_upsampling=4, num_critical=1, conv_clamp=None),
     {"filter_size": 4, "margin_size": 6, "lrelu_upsampling": 4, "num_critical": 1, "conv_clamp": None}),
])
def test_stylegan3(written, config, kwargs):
    g = random_network(config)
    record = written({"G_ema": persist(g, KWARGS3 | kwargs)}).networks["G_ema"]
    assert record.config == config
    checkpoint = written({"G_ema": persist(g, KWARGS3 | kwargs, geometry_attributes(g))})
    read = checkpoint.networks["G_ema"].config
    assert read.layers == plan(config)
    assert (read.input_size, read.input_rate, read.input_cutoff) == (
        g.synthesis.input.size[0], g.synthesis.input.rate, g.synthesis.input.cutoff)
    assert_same(checkpoint.build(), g)


def test_geometry_is_read_not_recomputed(written):
    """Layers that no plan gives, as StyleGAN-XL's super-resolution stages are, come from their attributes."""
    layers = list(plan(G3))
    odd = dataclasses.replace(layers[2], name="L2_36_9", out_cutoff=layers[2].out_cutoff * 0.9)
    config = dataclasses.replace(G3, layers=(*layers[:2], odd, *layers[3:]))
    g = random_network(config)
    checkpoint = written({"G_ema": persist(g, KWARGS3, geometry_attributes(g))})
    assert checkpoint.networks["G_ema"].config.layers == config.layers
    assert_same(checkpoint.build(), g)
    ws = torch.ones(1, g.num_ws, g.w_dim)
    assert torch.equal(checkpoint.build().synthesis(ws), g.synthesis(ws))


def test_stylegan_xl(written):
    """Labels through an embedding table (an ordinary PyTorch module), an average of w for each class."""
    mapping = MappingConfig(num_layers=2, label="table", embed_dim=9, w_avg_per_class=True)
    g = random_network(dataclasses.replace(G3, c_dim=4, mapping=mapping))
    kwargs = KWARGS3 | {"c_dim": 4, "rand_embedding": False}
    checkpoint = written({"G_ema": persist(g, kwargs, geometry_attributes(g))})
    assert checkpoint.networks["G_ema"].config.mapping == mapping
    assert_same(checkpoint.build(), g)
    assert any("rand_embedding" in note for note in checkpoint.notes)


def test_a_network_at_the_top(written):
    g, d = random_network(G2), random_network(D2)
    assert_same(written(persist(g, FLAT_KWARGS)).build("G_ema"), g)
    assert_same(written(persist(d, D_KWARGS)).build("D"), d)
    assert written(persist(d, D_KWARGS)).default_generator == ""


def test_half_precision_and_strided_storages(written):
    """float16 weights, channels-last weights, and views that share one storage with a neighbour."""
    g = random_network(G2)
    g.synthesis.b8.conv0.weight = torch.nn.Parameter(g.synthesis.b8.conv0.weight.half())
    g.synthesis.b8.conv1.weight = torch.nn.Parameter(
        g.synthesis.b8.conv1.weight.to(memory_format=torch.channels_last))
    both = torch.randn(2 * g.mapping.w_avg.numel())
    g.mapping.w_avg = both[g.mapping.w_avg.numel():]
    checkpoint = written({"G_ema": persist(g, FLAT_KWARGS)})
    tensors = checkpoint.networks["G_ema"].tensors
    assert tensors["synthesis.b8.conv0.weight"].dtype == torch.float16
    built = checkpoint.build()
    assert built.synthesis.b8.conv0.weight.dtype == torch.float32
    assert_same(built, g.float())


def test_what_is_left_out_is_said(written):
    d = Persistent("ProjectedDiscriminator", {"_modules": {}, "_parameters": {}, "_buffers": {}, "_init_kwargs": {}})
    checkpoint = written({"G_ema": persist(random_network(G2), FLAT_KWARGS | {"new_option": 3}), "D": d})
    assert list(checkpoint.networks) == ["G_ema"]
    assert any("ProjectedDiscriminator" in note for note in checkpoint.notes)
    assert any("new_option" in note for note in checkpoint.notes)
    with pytest.raises(CheckpointError, match="ProjectedDiscriminator"):
        written({"D": d})


@pytest.mark.parametrize("change, says", [
    (lambda g: g.synthesis.b8.conv1.register_parameter("bias", torch.nn.Parameter(torch.zeros(11))),
     r"synthesis.b8.conv1.bias is \[11\].* takes \[10\]"),
    (lambda g: delattr(g.synthesis.b16.conv0, "noise_const"), r"lacks 1 .* synthesis.b16.conv0.noise_const \[16, 16\]"),
    (lambda g: g.mapping.register_buffer("extra", torch.zeros(3)), "mapping.extra .* no place"),
    (lambda g: g.mapping.register_buffer("w_avg", torch.zeros(21)), r"mapping.w_avg is \[21\].* takes \[20\]"),
])
def test_tensors_that_do_not_fit(written, change, says):
    g = random_network(G2)
    change(g)
    checkpoint = written({"G_ema": persist(g, FLAT_KWARGS)})
    with pytest.raises(CheckpointError, match=says) as caught:
        checkpoint.build()
    assert "snapshot.pkl" in str(caught.value) and "\n" not in str(caught.value)


def test_filters_a_file_lacks_are_recomputed(written):
    g = random_network(G3)
    for g_layer in g.synthesis.layers[:-1]:
        for name in ("up_filter", "down_filter"):
            delattr(getattr(g.synthesis, g_layer.name), name)
    built = written({"G_ema": persist(g, KWARGS3, geometry_attributes(g))}).build()
    assert_same(built, random_network(G3))


@pytest.mark.parametrize("field, value", [
    ("img_resolution", 24), ("img_resolution", 1 << 20), ("img_resolution", "16"), ("z_dim", 1 << 30), ("z_dim", None),
    ("conv_clamp", float("nan")), ("architecture", "unet"), ("channel_base", -4), ("c_dim", 10 ** 100),
    ("resample_filter", [[1]]), ("resample_filter", [1] * 1000), ("mapping_kwargs", {"num_layers": 1 << 40}),
    ("mapping_kwargs", {"activation": "__class__"}),
])
def test_absurd_configurations(written, field, value):
    with pytest.raises(CheckpointError):
        written({"G_ema": persist(random_network(G2), FLAT_KWARGS | {field: value})}).build()


def test_no_other_generator_stands_in(written):
    """A file is opened for its G_ema; where that can't be read, G would pass for it."""
    g = random_network(G2)
    with pytest.raises(CheckpointError, match="z_dim = -1"):
        written({"G": persist(g, FLAT_KWARGS), "G_ema": persist(g, FLAT_KWARGS | {"z_dim": -1})})
    checkpoint = written({"G": persist(g, FLAT_KWARGS | {"z_dim": -1}), "G_ema": persist(g, FLAT_KWARGS)})
    assert list(checkpoint.networks) == ["G_ema"] and any("z_dim" in note for note in checkpoint.notes)


@pytest.mark.parametrize("layer, change, says", [
    ("L1_36_12", {"padding": [60000] * 4}, "L1_36_12 whose sizes contradict"),
    ("L1_36_12", {"padding": [-60000] * 4}, "contradict"),
    ("L1_36_12", {"in_size": np.array([65535, 65535])}, "contradict"),
    ("L0_36_12", {"in_size": np.array([40, 40])}, "L0_36_12 whose sizes contradict"),
    ("L1_36_12", {"conv_clamp": -3}, "conv_clamp = -3"),
    ("input", {"bandwidth": -2}, "input_cutoff = -2"),
])
def test_absurd_geometries(written, layer, change, says):
    g = random_network(G3)
    attributes = geometry_attributes(g)
    attributes[f"synthesis.{layer}"] |= change
    with pytest.raises(CheckpointError, match=says):
        written({"G_ema": persist(g, KWARGS3, attributes)})


@pytest.mark.parametrize("change, says", [
    ({"first_cutoff": 0}, "cannot be planned"), ({"first_cutoff": -1.0}, "cannot be planned"),
    ({"num_critical": 100}, "cannot be planned"), ({"lrelu_upsampling": 0}, "lrelu_upsampling = 0"),
    ({"filter_size": 0}, "filter_size = 0")])
def test_plans_that_cannot_be(written, change, says):
    g = random_network(G3)
    for attributes in ({}, geometry_attributes(g)):
        with pytest.raises(CheckpointError, match=says):
            written({"G_ema": persist(g, KWARGS3 | change, attributes)})


def test_absurd_signals(tmp_path):
    """Layers whose weights are few, but whose signals would fill any memory."""
    config = StyleGAN3Config(512, z_dim=4, w_dim=4, channel_base=512 * 700, channel_max=700, num_layers=6,
                             conv_kernel=1, lrelu_upsampling=16, filter_size=2)
    with pytest.raises(Malformed, match="asks for signals of 700x"):
        check_config(config)
    for resolution in (1024, 2048):                          # real ones pass
        check_config(StyleGAN3Config(resolution, channel_base=65536, channel_max=1024, conv_kernel=1))


def test_tensors_that_claim_one_storage_many_times(written):
    """A small file can't become a large network by naming the same bytes over and over."""
    g = random_network(dataclasses.replace(G2, channels=(64, 64, 64)))
    one = torch.nn.Parameter(torch.zeros(64, 64, 3, 3), requires_grad=False)
    for layer in (g.synthesis.b4.conv1, g.synthesis.b8.conv0, g.synthesis.b8.conv1, g.synthesis.b16.conv0,
                  g.synthesis.b16.conv1):
        layer.weight = one
    checkpoint = written({"G_ema": persist(g, FLAT_KWARGS)})
    with pytest.raises(CheckpointError, match="more numbers than its bytes"):
        checkpoint.build()


def test_building_draws_no_random_numbers(written):
    checkpoint = written({"G_ema": persist(random_network(G2), FLAT_KWARGS)})
    state = torch.get_rng_state()
    checkpoint.build()
    assert torch.equal(state, torch.get_rng_state())


def test_progress_and_cancel(tmp_path):
    class Cancelled(Exception):
        pass

    path = tmp_path / "snapshot.pkl"
    path.write_bytes(dump_persistent({"G_ema": persist(random_network(G3), KWARGS3)}))
    heard = []
    checkpoint = open_checkpoint(str(path), lambda text, fraction: heard.append((text, fraction)))
    checkpoint.build(progress=lambda text, fraction: heard.append((text, fraction)))
    opening = [fraction for text, fraction in heard if "snapshot.pkl" in text]
    building = [fraction for text, fraction in heard if "G_ema" in text]
    for fractions in (opening, building):
        assert fractions and fractions == sorted(fractions) and 0 <= fractions[0] <= fractions[-1] <= 1

    def give_up(text, fraction):
        raise Cancelled
    with pytest.raises(Cancelled):
        open_checkpoint(str(path), give_up)


def test_stamp_follows_the_file(tmp_path):
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(dump_persistent({"G_ema": persist(random_network(G2), FLAT_KWARGS)}))
    first = open_checkpoint(str(path)).stamp
    assert open_checkpoint(str(path)).stamp == first
    path.write_bytes(path.read_bytes() + b" ")
    assert open_checkpoint(str(path)).stamp != first


def test_a_file_overwritten_while_open(tmp_path):
    """Its tensors would be read from where they no longer lie."""
    path = tmp_path / "snapshot.pkl"
    path.write_bytes(dump_persistent({"G_ema": persist(random_network(G2), FLAT_KWARGS)}))
    first, closed = open_checkpoint(str(path)), open_checkpoint(str(path))
    path.write_bytes(dump_persistent({"G_ema": persist(random_network(G2, seed=1), FLAT_KWARGS), "D": None}))
    with pytest.raises(CheckpointError, match="changed while it was open"):
        first.build()
    closed.close()
    with pytest.raises(CheckpointError, match="was closed"):
        closed.build()


def test_numpy_kwargs_and_deep_copies_of_them(written):
    """kwargs may hold NumPy scalars and arrays, and parts that refer to one another."""
    shared = EasyDict(channel_max=np.int64(10), note=np.array([1.5, 2.5]))
    kwargs = {**G_KWARGS, "channel_base": np.float32(128), "channel_max": np.int64(10), "other": [shared, shared],
              "mapping_kwargs": {"num_layers": np.int32(2)}}
    checkpoint = written({"G_ema": persist(random_network(G2), kwargs)})
    config = checkpoint.networks["G_ema"].config
    assert (config.channel_base, config.channel_max, config.mapping.num_layers) == (128, 10, 2)


def test_plain_values_read_as_python_unpickles_them():
    values = {"text": "ψ", "big": -(1 << 70), "float": 1e-300, "bytes": b"\x00\xff" * 300, "set": {1, 2},
              "frozen": frozenset("ab"), "nested": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "none": None,
              "bool": [True, False], "array": bytearray(b"xy"), "long": "y" * 5000}
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        read = Reader(Blob.of(pickle.dumps(values, protocol)), resolve).read()
        for name, value in values.items():
            if name == "long":
                assert isinstance(read[name], (str, Blob))
            elif isinstance(value, (bytes, bytearray)):
                found = read[name] if isinstance(read[name], bytes) else read[name].decoded().read()
                assert found == bytes(value), (protocol, name)
            else:
                assert read[name] == value, (protocol, name)
