"""StyleGAN1 as its original program computed it: w, images at every psi and lod, each layer's steps, scores."""
import re

import numpy as np
import pytest
import torch
from stage_checks import relative_error, taps_of

from nets.checkpoint import open_checkpoint

RECORDED = 1e-5                          # relative; two versions of the recording program differ by up to 7e-6
GENERATORS = ["sg1_a", "sg1_b", "sg1_r128"]
DISCRIMINATORS = {"sg1_c": "sg1_a", "sg1_b_D": "sg1_b", "sg1_r128_D": "sg1_r128"}    # recording: file it is in


@pytest.fixture(scope="module")
def network(reference_file):
    """`network('sg1_a', 'G_ema')`, read from the checkpoint file."""
    return lambda name, which="G_ema": open_checkpoint(str(reference_file(f"{name}.nosrc.pkl"))).build(which)


def tensor(data, key: str) -> torch.Tensor | None:
    return torch.from_numpy(data[key]) if key in data.files else None


@pytest.mark.parametrize("name", GENERATORS)
def test_mapping_and_truncation(network, reference, name):
    data, mapping = reference(f"{name}.npz"), network(name).mapping
    z, c = tensor(data, "z"), tensor(data, "labels")
    assert relative_error(mapping(z, c), data["w"]) < RECORDED
    cases = {"w_psi0.7": (0.7, 8), "w_psi0.7_cut4": (0.7, 4), "w_psi-0.5_cut8": (-0.5, 8), "w_default": (0.7, 8)}
    present = [key for key in cases if key in data.files]
    assert len(present) == (2 if name == "sg1_r128" else 4)
    for key in present:
        assert relative_error(mapping(z, c, *cases[key]), data[key]) < RECORDED, key


@pytest.mark.usefixtures("backend")
@pytest.mark.parametrize("name", GENERATORS)
def test_images(network, reference, name):
    data, g = reference(f"{name}.npz"), network(name)
    z, c = tensor(data, "z"), tensor(data, "labels")
    assert relative_error(g.synthesis(tensor(data, "w")), data["syn_img"]) < RECORDED
    if "w_mixed" in data.files:
        assert relative_error(g.synthesis(tensor(data, "w_mixed")), data["syn_img_mixed"]) < RECORDED
    checked = 0
    for key in data.files:
        case = re.fullmatch(r"img_psi([-\d.]+)(?:_cut(\d+|None))?(?:_lod([\d.]+))?(_fixed|_linear|_recursive)?", key)
        if case:
            psi, cutoff, lod, structure = case.groups()
            psi, cutoff = (1, None) if cutoff == "None" else (float(psi), int(cutoff or 8))
            lod = 0 if structure == "_fixed" else None if lod is None else float(lod)
            assert relative_error(g(z, c, psi, cutoff, lod=lod), data[key]) < RECORDED, key
            checked += 1
    assert checked == {"sg1_a": 6, "sg1_b": 21, "sg1_r128": 1}[name]
    assert relative_error(network(name, "G")(z, c, 0.7, 8), data["G_img_psi0.7"]) < RECORDED


@pytest.mark.parametrize("name, key, flipped", [
    ("sg1_a", "img_psi0.7_fusedTrue", (8, 16, 32)), ("sg1_a", "img_psi0.7_fusedFalse", ()),
    ("sg1_r128", "img_psi0.7_fusedFalse", (128,))])
def test_fused_upsampling_is_a_flipped_kernel(network, reference, name, key, flipped):
    data, g = reference(f"{name}.npz"), network(name)
    for r in flipped:
        weight = g.synthesis.get_submodule(f"b{r}.conv0").weight
        weight.copy_(weight.flip(2, 3))
    assert relative_error(g(tensor(data, "z"), psi=0.7, cutoff=8), data[key]) < RECORDED


def layer_name(scope: str) -> str:
    """'8x8/Conv0_up' -> 'b8.conv0'"""
    block, layer = scope.split("/")[:2]
    layers = {"Const": "conv0", "Conv": "conv1", "Conv0_up": "conv0", "Conv1": "conv1"}
    return f"b{block.split('x')[0]}.{layers[layer]}"


@pytest.mark.parametrize("name", GENERATORS)
def test_layers(network, reference, name):
    data, g = reference(f"{name}.npz"), network(name)
    taps = taps_of(g.synthesis, tensor(data, "w"), lod=0)
    keys = [key for key in data.files if key.startswith("act/") and "Grow" not in key]
    assert len(keys) == 3 * (g.num_ws // 2)
    for key in keys:
        torgb = re.fullmatch(r"act/ToRGB_lod(\d)", key)
        tap = f"b{g.resolution[0] >> int(torgb[1])}.torgb" if torgb else f"{layer_name(key[4:])}.style"
        assert relative_error(taps[tap][:len(data[key])], data[key]) < RECORDED, key


def test_steps_of_each_layer(network, reference):
    trace, g = reference("sg1_a_trace.npz"), network("sg1_a")
    taps = taps_of(g.synthesis, tensor(trace, "w"))
    steps = {"conv": "conv", "noise": "noise", "act": "act", "inorm": "norm", "out": "style"}
    names = [(key, f"{layer_name(key)}.{steps[key.split('/')[2]]}") for key in trace.files
             if key.count("/") == 2 and key.split("/")[2] in steps and key != "4x4/Const/conv"]
    assert {tap for _, tap in names} == {tap for tap in taps if "conv" in tap}
    for key, tap in names:
        assert relative_error(taps[tap], trace[key]) < RECORDED, key


# -- discriminator ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, file", DISCRIMINATORS.items())
def test_scores(network, reference, name, file):
    data, d = reference(f"{name}.npz"), network(file, "D")
    images, labels = tensor(data, "images"), tensor(data, "labels")
    checked = 0
    for key in data.files:
        case = re.fullmatch(r"scores_b(\d)(?:_lod([\d.]+))?(_fixed|_linear|_recursive|_fusedTrue|_fusedFalse)?", key)
        if case:
            num, lod = int(case[1]), 0 if case[3] == "_fixed" else None if case[2] is None else float(case[2])
            c = None if labels is None else labels[:num]
            assert relative_error(d(images[:num], c, lod), data[key]) < RECORDED, key
            checked += 1
    assert checked == {"sg1_c": 8, "sg1_b_D": 18, "sg1_r128_D": 7}[name]


def module_name(scope: str, resolution: int) -> str:
    """'8x8/Conv1_down' -> 'b8.conv1'"""
    if scope.startswith("FromRGB_lod"):
        return f"b{resolution >> int(scope[-1])}.fromrgb"
    block, layer = scope.split("/")
    return f"b{block.split('x')[0]}." + {"Conv0": "conv0", "Conv1_down": "conv1", "Conv": "conv", "Dense0": "fc",
                                         "Dense1": "out", "MinibatchStddev": "conv"}[layer]


@pytest.mark.parametrize("name, file", DISCRIMINATORS.items())
def test_layers_of_discriminator(network, reference, name, file):
    data, d = reference(f"{name}.npz"), network(file, "D")
    inputs, outputs = {}, {}

    def record(path: str):
        def hook(module, x, y):
            inputs[path], outputs[path] = x[0], y
        return hook
    for path, module in d.named_modules():
        if path.count(".") == 1:
            module.register_forward_hook(record(path))
    labels = tensor(data, "labels")
    d(tensor(data, "images")[:4], None if labels is None else labels[:4])
    compared = set()
    for key in data.files:
        if key.startswith("act/") and "Grow" not in key:
            path = module_name(key[4:], d.config.resolution)
            values = inputs if "Minibatch" in key else outputs
            if path in values:           # layers above a lod of 1.5 did not run, the original runs them idly
                assert relative_error(values[path][:len(data[key])], np.asarray(data[key])) < RECORDED, key
                compared.add(path)
    assert compared == set(outputs)
