"""StyleGAN2 as its original programs computed it: w, images at every psi and lod, each layer and its steps."""
import json
import re

import numpy as np
import pytest
import torch
from stage_checks import relative_error, taps_of

from nets.checkpoint import open_checkpoint
from nets.config import MappingConfig, StyleGAN2Config
from nets.stylegan2 import Generator

RECORDED = 1e-5                          # relative; two versions of the recording program differ by up to 4e-6
PYTORCH = ["sg2_skip", "sg2_resnet_cond", "sg2_orig_gray_clamp"]
TENSORFLOW = ["sg2tf_d_skip", "sg2tf_d_resnet", "sg2tf_f"]


def tensor(data, key: str) -> torch.Tensor:
    return torch.from_numpy(data[key])


# -- PyTorch: the recorded state dict under its own names -------------------------------------------------------------

@pytest.fixture(scope="module", params=PYTORCH)
def recorded(request, reference):
    """The arrays and the generator they were recorded from."""
    data = reference(f"{request.param}.npz")
    kwargs = json.loads(str(data["meta"]))["G_kwargs"]
    names = ("img_channels", "z_dim", "c_dim", "w_dim", "channel_base", "channel_max", "architecture", "conv_clamp")
    config = StyleGAN2Config(resolution=kwargs["img_resolution"], mapping=MappingConfig(**kwargs["mapping_kwargs"]),
                             **{name: kwargs[name] for name in names})
    network = Generator(config).eval().requires_grad_(False)
    network.load_state_dict({key[2:]: tensor(data, key) for key in data.files if key.startswith("G.")})
    return data, network


def test_mapping_and_truncation(recorded):
    data, network = recorded
    z, c = tensor(data, "z"), tensor(data, "c")
    assert relative_error(network.mapping(z, c), data["w"]) < RECORDED
    assert relative_error(network.mapping(z, c, 0.7), data["w_psi0.7"]) < RECORDED
    assert relative_error(network.mapping(z, c, 0.5, 4), data["w_psi0.5_cutoff4"]) < RECORDED


@pytest.mark.usefixtures("backend")
def test_images(recorded):
    data, network = recorded
    ws = tensor(data, "w_mixed")
    assert relative_error(network.synthesis(ws), data["image"]) < RECORDED
    assert relative_error(network.synthesis(ws, noise="none"), data["image_nonoise"]) < RECORDED


@pytest.mark.usefixtures("backend")
def test_layers(recorded):
    data, network = recorded
    taps = taps_of(network.synthesis, tensor(data, "w_mixed"))
    keys = [key for key in data.files if key.startswith("act.") and not key.endswith(".skip")]
    for key in keys:
        expected, name = np.asarray(data[key]), key.removeprefix("act.")
        if name == "output":
            tap = "image"
        elif name.endswith(":0"):        # a block's features, and its image
            block = name.removesuffix(":0")
            tap = f"{block}.out" if f"{block}.out" in taps else f"{block}.conv1.act"
        elif name.endswith(":1"):
            tap = name.replace(":1", ".image")
        else:
            tap = name if name.endswith("torgb") else f"{name}.act"
        if tap.endswith("conv1.act") and name.endswith("conv1") and f"{name.split('.')[0]}.out" in taps:
            expected = expected * np.sqrt(2)         # the recorded layer includes the 1 / sqrt 2 of the sum
        assert relative_error(taps[tap][:1, :8], expected) < RECORDED, key
    assert len(keys) > 9


# -- TensorFlow: read from the checkpoint file ------------------------------------------------------------------------

@pytest.fixture(scope="module")
def network(reference_file):
    """`network('sg2tf_f', 'G_ema')`"""
    return lambda name, which="G_ema": open_checkpoint(str(reference_file(f"{name}.nosrc.pkl"))).build(which)


@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow_mapping_and_truncation(network, reference, name):
    data, mapping = reference(f"{name}.npz"), network(name).mapping
    cases = {"w": (1, None), "w_psi0.7": (0.7, None), "w_psi0.7_cut4": (0.7, 4), "w_psi-0.5_cut8": (-0.5, 8),
             "w_default": (0.5, None)}
    for key, truncation in cases.items():
        assert relative_error(mapping(tensor(data, "z"), None, *truncation), data[key]) < RECORDED, key


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow_images(network, reference, name):
    data, g = reference(f"{name}.npz"), network(name)
    z = tensor(data, "z")
    for key in ("syn_img", "syn_img_mixed"):
        assert relative_error(g.synthesis(tensor(data, key.replace("syn_img", "w"))), data[key]) < RECORDED
    assert relative_error(g(z, psi=0.5), data["img_default"]) < RECORDED
    assert relative_error(network(name, "G")(z, psi=0.7), data["G_img_psi0.7"]) < RECORDED
    checked = 0
    for key in data.files:
        case = re.fullmatch(r"img_psi([-\d.]+)(?:_cut(\d+|None))?(?:_lod([\d.]+))?(_fixed|_linear|_recursive)?", key)
        if case:
            psi, cutoff, lod, structure = case.groups()
            cutoff = int(cutoff) if cutoff and cutoff != "None" else None
            lod = 0 if structure == "_fixed" else None if lod is None else float(lod)
            assert relative_error(g(z, None, float(psi), cutoff, lod=lod), data[key]) < RECORDED, key
            checked += 1
    assert checked == (21 if name == "sg2tf_f" else 5)


def tap_name(scope: str, resolution: int) -> str:
    """'8x8/Conv0_up' -> 'b8.conv0.act'"""
    torgb = re.fullmatch(r"ToRGB_lod(\d)", scope)
    if torgb:
        return f"b{resolution >> int(torgb[1])}.torgb"
    block, layer = scope.split("/")
    if layer == "Const":
        return "const"
    return f"b{block.split('x')[0]}." + {"Conv": "conv1.act", "Conv0_up": "conv0.act", "Conv1": "conv1.act",
                                         "ToRGB": "image", "Skip": "out"}[layer]


@pytest.mark.parametrize("name", TENSORFLOW)
def test_tensorflow_layers(network, reference, name):
    data, g = reference(f"{name}.npz"), network(name)
    taps = taps_of(g.synthesis, tensor(data, "w"), lod=0)
    keys = [key for key in data.files if key.startswith("act/") and "Grow" not in key and "Upsample" not in key]
    for key in keys:
        value = taps[tap_name(key[4:], g.resolution[0])]
        assert relative_error(value[:len(data[key])], data[key]) < RECORDED, key
    assert len(keys) >= 12


def test_steps_of_each_layer(network, reference):
    trace, g = reference("sg2tf_d_skip_trace.npz"), network("sg2tf_d_skip")
    taps = taps_of(g.synthesis, tensor(trace, "w"))
    compared = 0
    for key in trace.files:
        scope, _, step = key.rpartition("/")
        if step in ("style", "conv", "noise", "out"):
            tap = tap_name(scope, 32).removesuffix("act") + ("act" if step == "out" else step)
            expected = trace[key][:, :, None, None] if step == "style" else trace[key]
            assert relative_error(taps[tap], expected) < RECORDED, key
            compared += 1
    assert compared == 4 * 7
