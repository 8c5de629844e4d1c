"""The recorded checkpoint files: what opens, what it is made of, and recorded pictures and scores through `build`."""
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from stage_checks import relative_error

from nets.checkpoint import open_checkpoint, save_native
from nets.checkpoint.tf_convert import convert_discriminator, convert_generator
from nets.config import DiscriminatorConfig, StyleGAN1Config, StyleGAN1DiscriminatorConfig, StyleGAN2Config
from nets.errors import CheckpointError
from nets.plan import plan

TORCH = ["sg2_skip", "sg2_resnet_cond", "sg3_t", "sg3_r"]
TF = {"sg1_a": "sg1_c", "sg1_b": "sg1_b_D", "sg1_r128": "sg1_r128_D", "sg2tf_d_skip": "sg2tf_e_resnet",
      "sg2tf_d_resnet": "sg2tf_e_skip", "sg2tf_f": "sg2tf_f_D"}      # generator: discriminator
SINGLE = 1e-4                            # the recordings' own bound in float32


@pytest.fixture
def snapshot(reference_file):
    def open_it(name):
        return open_checkpoint(str(reference_file(f"{name}.snapshot.pkl" if name in TORCH else f"{name}.nosrc.pkl")))
    return open_it


def tensor(data, key):
    return torch.from_numpy(data[key]) if key in data.files else None


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_tensors_are_the_recorded_ones(snapshot, reference, name):
    checkpoint, data = snapshot(name), reference(f"{name}.npz")
    assert checkpoint.format == "pytorch-pickle" and set(checkpoint.networks) == {"G", "D", "G_ema"}
    assert checkpoint.default_generator == "G_ema" and checkpoint.notes == ()
    for network, prefix in (("G_ema", "G."), ("D", "D.")):
        recorded = {key.removeprefix(prefix): data[key] for key in data.files if key.startswith(prefix)}
        tensors = checkpoint.networks[network].tensors
        assert set(tensors) == set(recorded)
        for key, value in recorded.items():
            assert tensors[key].shape == value.shape and tensors[key].dtype == torch.float32
            assert np.array_equal(tensors[key].load().numpy(), value), key


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_configurations(snapshot, reference, name):
    checkpoint, meta = snapshot(name), json.loads(reference(f"{name}.npz")["meta"].item())
    for network, kwargs in (("G_ema", meta["G_kwargs"]), ("D", meta["D_kwargs"])):
        record = checkpoint.networks[network]
        assert {k: v for k, v in record.kwargs.items() if k in kwargs} == kwargs
        said = asdict(record.config)
        for key in set(kwargs) & set(said):
            assert said[key] == (tuple(kwargs[key]) if isinstance(kwargs[key], list) else kwargs[key]), key
        assert record.config.resolution == kwargs["img_resolution"]
    assert checkpoint.networks["G_ema"].config.mapping.num_layers == meta["G_kwargs"]["mapping_kwargs"]["num_layers"]
    if meta["family"] == "stylegan3":
        config = checkpoint.networks["G_ema"].config
        assert config.layers == plan(config)                  # the file's own geometry is the paper's
        assert checkpoint.networks["D"].config.conv_clamp == 256          # the class default of that era
    json.dumps([record.kwargs for record in checkpoint.networks.values()])


@pytest.mark.parametrize("name", TORCH)
def test_pytorch_networks_compute_what_was_recorded(snapshot, reference, name):
    checkpoint, data = snapshot(name), reference(f"{name}.npz")
    g, d = checkpoint.build("G_ema"), checkpoint.build("D")
    checkpoint.close()                                        # built networks stand by themselves
    assert not g.training and not any(p.requires_grad for p in g.parameters())
    image = g.synthesis(tensor(data, "w_mixed"), transform=tensor(data, "input_transform"))
    assert relative_error(image, data["image"]) < SINGLE
    assert relative_error(g.mapping(tensor(data, "z"), tensor(data, "c")), data["w"]) < SINGLE
    assert relative_error(d(tensor(data, "D_in"), tensor(data, "D_c")), data["D_out"]) < SINGLE


def expected_config(name):
    """From README_TF.md: fmap_base 512, fmap_max 64, or 32 at 128²."""
    size = {"resolution": 128, "channel_max": 32} if "128" in name else {"resolution": 32, "channel_max": 64}
    label = {"c_dim": 5 if name == "sg1_b" else 0, "lod": 1.5 if name == "sg1_b" else 0.0}
    return size | {"channel_base": 1024, "channels": None} | label


@pytest.mark.parametrize("name", TF)
def test_tensorflow_configurations(snapshot, name):
    checkpoint = snapshot(name)
    assert checkpoint.format == "tensorflow-pickle" and list(checkpoint.networks) == ["G", "D", "G_ema"]
    g, d = checkpoint.networks["G_ema"].config, checkpoint.networks["D"].config
    is_first = name.startswith("sg1")
    assert (type(g), type(d)) == ((StyleGAN1Config, StyleGAN1DiscriminatorConfig) if is_first else
                                  (StyleGAN2Config, DiscriminatorConfig))
    for config in (g, d):
        assert {key: getattr(config, key) for key in expected_config(name)} == expected_config(name)
        assert config.mbstd_group_size == 4 if config is d else (config.z_dim, config.w_dim) == (64, 64)
    assert (g.mapping.num_layers, g.mapping.label, g.mapping.scale_bias) == (4, "concat", not is_first)
    if not is_first:
        architectures = {"sg2tf_d_skip": ("skip", "resnet"), "sg2tf_d_resnet": ("resnet", "skip"),
                         "sg2tf_f": ("growing", "growing")}
        assert (g.architecture, d.architecture) == architectures[name] and g.scaled_weights


def unconverted(data):
    """Variables by name, and the static kwargs of the network and its components."""
    kwargs = {}
    for key in data.files:
        if key.startswith("static_kwargs_json"):
            kwargs |= json.loads(data[key].item())
    return {key.removeprefix("vars/"): data[key] for key in data.files if key.startswith("vars/")}, kwargs


@pytest.mark.parametrize("name", TF)
def test_tensorflow_pickle_and_recorded_variables_are_the_same_network(snapshot, reference, name):
    checkpoint = snapshot(name)
    for network, recording, convert in (("G_ema", name, convert_generator), ("D", TF[name], convert_discriminator)):
        config, tensors = convert(*unconverted(reference(f"{recording}.npz")))
        record = checkpoint.networks[network]
        assert record.config == config and set(record.tensors) == set(tensors)
        for key, source in tensors.items():
            assert torch.equal(record.tensors[key].load(), source.load()), key


def test_orientations(snapshot, reference):
    """Spot checks, spelled out, of the conversions listed in checkpoints.md."""
    sg1, sg2 = reference("sg1_r128.npz"), reference("sg2tf_d_resnet.npz")
    first, second = snapshot("sg1_r128").networks["G_ema"].tensors, snapshot("sg2tf_d_resnet").networks["G_ema"].tensors
    conv = lambda w: w.transpose(3, 2, 0, 1)                                     # noqa: E731
    synthesis = "vars/G_synthesis/"
    for tensors, key, value in (
        (first, "mapping.fc0.weight", sg1["vars/G_mapping/Dense0/weight"].T),
        (first, "synthesis.b64.conv0.weight", conv(sg1[synthesis + "64x64/Conv0_up/weight"])),
        (first, "synthesis.b128.conv0.weight", conv(sg1[synthesis + "128x128/Conv0_up/weight"])[:, :, ::-1, ::-1]),
        (first, "synthesis.b128.conv1.weight", conv(sg1[synthesis + "128x128/Conv1/weight"])),
        (first, "synthesis.b8.conv0.noise_const", sg1[synthesis + "noise2"][0, 0]),
        (first, "synthesis.b4.const", sg1[synthesis + "4x4/Const/const"][0]),
        (first, "synthesis.b4.conv1.affine.bias", sg1[synthesis + "4x4/Conv/StyleMod/bias"]),
        (first, "synthesis.b128.torgb.weight", conv(sg1[synthesis + "ToRGB_lod0/weight"])),
        (second, "synthesis.b8.conv0.weight", conv(sg2[synthesis + "8x8/Conv0_up/weight"])[:, :, ::-1, ::-1]),
        (second, "synthesis.b8.conv1.affine.bias", sg2[synthesis + "8x8/Conv1/mod_bias"] + 1),
        (second, "synthesis.b8.conv0.noise_const", sg2[synthesis + "noise1"][0, 0]),
        (second, "synthesis.b8.conv1.noise_strength", sg2[synthesis + "8x8/Conv1/noise_strength"]),
        (second, "synthesis.b16.skip.weight", conv(sg2[synthesis + "16x16/Skip/weight"])),
        (second, "mapping.w_avg", sg2["vars/dlatent_avg"]),
    ):
        assert np.array_equal(tensors[key].load().numpy(), value), key


@pytest.mark.parametrize("name", TF)
def test_tensorflow_networks_compute_what_was_recorded(snapshot, reference, name):
    checkpoint, data, scores = snapshot(name), reference(f"{name}.npz"), reference(f"{TF[name]}.npz")
    g, d = checkpoint.build("G_ema"), checkpoint.build("D")
    assert relative_error(g.synthesis(tensor(data, "w")), data["syn_img"]) < SINGLE
    z, c = tensor(data, "z"), tensor(data, "labels")
    cutoff = 8 if name.startswith("sg1") else None
    assert relative_error(checkpoint.build("G")(z, c, 0.7, cutoff), data["G_img_psi0.7"]) < SINGLE
    images, labels = tensor(scores, "images"), tensor(scores, "labels")
    assert relative_error(d(images[:4], None if labels is None else labels[:4]), scores["scores_b4"]) < SINGLE


@pytest.mark.parametrize("name", ["sg1_b", "sg2tf_f", "sg2_resnet_cond", "sg3_r"])
def test_saved_in_our_format_it_is_the_same_file(snapshot, tmp_path, name):
    original, path = snapshot(name), tmp_path / "copy.safetensors"
    save_native(path, original.networks)
    copy = open_checkpoint(str(path))
    assert copy.format == "safetensors" and list(copy.networks) == list(original.networks)
    for network, record in original.networks.items():
        assert copy.networks[network].config == record.config and copy.networks[network].kwargs == record.kwargs
        built = copy.build(network).state_dict()
        for key, value in original.build(network).state_dict().items():
            assert torch.equal(built[key], value), key


@pytest.mark.parametrize("name", [*TORCH, *TF])
def test_a_cut_file_says_so(snapshot, reference_file, tmp_path, name):
    """Cut at any of its many places, it never opens and never raises anything else."""
    data = reference_file(f"{name}.snapshot.pkl" if name in TORCH else f"{name}.nosrc.pkl").read_bytes()
    for size in np.linspace(2, len(data) - 1, 12).astype(int):
        path = tmp_path / "cut.pkl"
        path.write_bytes(data[:size])
        with pytest.raises(CheckpointError, match="truncated|damaged"):
            open_checkpoint(str(path))
