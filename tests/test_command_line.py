"""The headless face: every recorded number through `render` and `score` on the checkpoint files, and its manners."""
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from headless import refused, shape_of
from PIL import Image

import visualizer
from cuda_ops import dispatch

ROOT = Path(__file__).resolve().parent.parent
TORCH_FILES = {"sg2_skip": "sg2_skip.snapshot.pkl", "sg2_resnet_cond": "sg2_resnet_cond.snapshot.pkl",
               "sg3_t": "sg3_t.snapshot.pkl", "sg3_r": "sg3_r.snapshot.pkl"}
TF_FILES = {name: f"{name}.nosrc.pkl" for name in ("sg1_a", "sg1_b", "sg1_r128", "sg2tf_d_skip", "sg2tf_d_resnet",
                                                   "sg2tf_f")}
TF_DISCRIMINATORS = {"sg1_a": "sg1_c", "sg1_b": "sg1_b_D", "sg1_r128": "sg1_r128_D", "sg2tf_d_skip": "sg2tf_e_resnet",
                     "sg2tf_d_resnet": "sg2tf_e_skip", "sg2tf_f": "sg2tf_f_D"}
TOLERANCE = 1e-4                                     # the issue's, for float32


def error(a, b) -> float:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    assert a.shape == b.shape, (a.shape, b.shape)
    return np.linalg.norm(a - b) / np.linalg.norm(b)


ON_EVERY_BACKEND = pytest.mark.parametrize("run", ["reference", "cpu"], indirect=True)


@pytest.fixture
def run(request, tmp_path, capsys):
    """`run('render', file, psi=0.7, w=array)`: the array written to OUT.npy. Arrays travel as .npy files.

    On the backend that is the fixture's parameter, if it can run here; without one on the fastest.
    """
    backend = getattr(request, "param", "auto")
    if backend != "auto" and (reason := dispatch.why_not(backend, "cpu")):
        pytest.skip(reason)

    def run(command, file, **options):
        argv = [command, str(file)]
        for name, value in options.items():
            if isinstance(value, np.ndarray):
                path = tmp_path / f"{name}.npy"
                np.save(path, value)
                value = path
            argv += [f"--{name.replace('_', '-')}", str(value)]
        out = tmp_path / "out.npy"
        status = visualizer.main(argv + ["--device", "cpu", "--backend", backend, "-o", str(out)])
        assert status == 0, capsys.readouterr().err
        return np.load(out)
    return run


def by_class(npz, labels: str):
    """The recorded samples in groups that one `--class` serves: all at once, or one by one if labelled one-hot."""
    if labels not in npz or not npz[labels].size:
        return [(slice(None), {})]
    return [(slice(i, i + 1), {"class": int(c.argmax())}) for i, c in enumerate(npz[labels]) if c.max() == 1]


# -- PyTorch files ----------------------------------------------------------------------------------------------------

@ON_EVERY_BACKEND
@pytest.mark.parametrize("name", TORCH_FILES)
def test_pytorch_images(name, run, reference, reference_file):
    file, npz = reference_file(TORCH_FILES[name]), reference(f"{name}.npz")
    extra = {"transform": npz["input_transform"]} if "input_transform" in npz else {}
    assert error(run("render", file, w=npz["w_mixed"], **extra), npz["image"]) < TOLERANCE
    assert error(run("render", file, w=npz["w_mixed"], network="G_ema", **extra), npz["image"]) < TOLERANCE
    if "image_nonoise" in npz:
        assert error(run("render", file, w=npz["w_mixed"], noise="none"), npz["image_nonoise"]) < TOLERANCE


@pytest.mark.parametrize("name", TORCH_FILES)
def test_pytorch_mapping_and_truncation(name, run, reference, reference_file):
    """Mapped and truncated w are seen through the images they give."""
    file, npz = reference_file(TORCH_FILES[name]), reference(f"{name}.npz")
    for w, options in (("w", {}), ("w_psi0.7", {"psi": 0.7}), ("w_psi0.5_cutoff4", {"psi": 0.5, "cutoff": 4})):
        for part, label in by_class(npz, "c"):
            image = run("render", file, z=npz["z"][part], **options, **label)
            assert error(image, run("render", file, w=npz[w][part])) < TOLERANCE


def recorded_tap(layer: str, is_resnet: bool) -> tuple[str, float] | None:
    """The tap that a recorded module's output is seen at, and the factor the record has over it."""
    block, _, output = layer.partition(":")
    if output:                                       # a block gives its features and its image
        return (f"{block}.image", 1) if output == "1" else (f"{block}.out", 1) if is_resnet and block != "b4" else None
    if layer.endswith("skip"):
        return None                                  # seen in the sum
    if layer.endswith("torgb") or layer == "input":
        return layer, 1
    if layer.startswith("L"):
        return f"{layer}.out", 1
    scaled = is_resnet and layer.endswith("conv1") and layer != "b4.conv1"
    return f"{layer}.act", 0.5 ** 0.5 if scaled else 1    # the record has the residual sum's 1/sqrt 2 in it


@ON_EVERY_BACKEND
@pytest.mark.parametrize("name", TORCH_FILES)
def test_pytorch_taps(name, run, reference, reference_file):
    file, npz = reference_file(TORCH_FILES[name]), reference(f"{name}.npz")
    extra = {"transform": npz["input_transform"]} if "input_transform" in npz else {}
    checked = 0
    for key in npz.files:
        found = recorded_tap(key[4:], "resnet" in name) if key.startswith("act.") and key != "act.output" else None
        if found is None or npz[key].size == 0:
            continue
        tap, factor = found
        value = run("render", file, w=npz["w_mixed"], tap=tap, **extra)[:1, :8] * factor
        assert error(value, npz[key].reshape(value.shape)) < TOLERANCE, tap
        checked += 1
    assert checked > 8


@ON_EVERY_BACKEND
@pytest.mark.parametrize("name", TORCH_FILES)
def test_pytorch_scores(name, run, reference, reference_file):
    file, npz = reference_file(TORCH_FILES[name]), reference(f"{name}.npz")
    labels = {"labels": npz["D_c"]} if npz["D_c"].size else {}
    assert error(run("score", file, images=npz["D_in"], **labels), npz["D_out"]) < TOLERANCE


# -- TensorFlow files -------------------------------------------------------------------------------------------------

@ON_EVERY_BACKEND
@pytest.mark.parametrize("name", TF_FILES)
def test_tensorflow_images(name, run, reference, reference_file):
    file, npz = reference_file(TF_FILES[name]), reference(f"{name}.npz")
    recorded = [(w, image) for w, image in (("w", "syn_img"), ("w_mixed", "syn_img_mixed")) if image in npz]
    assert recorded
    for w, image in recorded:
        assert error(run("render", file, w=npz[w]), npz[image]) < TOLERANCE


@pytest.mark.parametrize("name", TF_FILES)
def test_tensorflow_latents(name, run, reference, reference_file):
    """psi and cutoff, and that G is not taken for Gs. StyleGAN1's sampler had cutoff 8 by default."""
    file, npz = reference_file(TF_FILES[name]), reference(f"{name}.npz")
    default = {"psi": 0.7} | ({"cutoff": 8} if name.startswith("sg1") else {})
    cases = {"img_psi1": {}, "img_psi0.7": default, "img_psi0.7_cut4": {"psi": 0.7, "cutoff": 4},
             "img_psi-0.5_cut8": {"psi": -0.5, "cutoff": 8}, "G_img_psi0.7": default | {"network": "G"}}
    recorded = {key: options for key, options in cases.items() if key in npz}
    assert "img_psi0.7" in recorded and "G_img_psi0.7" in recorded
    for part, label in by_class(npz, "labels"):
        for key, options in recorded.items():
            assert error(run("render", file, z=npz["z"][part], **options, **label), npz[key][part]) < TOLERANCE, key


@pytest.mark.parametrize("name, lods", [("sg1_b", (0, 1, 1.5, 2.25, 3)), ("sg2tf_f", (0, 1, 1.5, 2.25, 3))])
def test_tensorflow_growing(name, lods, run, reference, reference_file):
    file, npz = reference_file(TF_FILES[name]), reference(f"{name}.npz")
    w = npz["w_psi0.7"]
    for lod in lods:
        assert error(run("render", file, w=w, lod=lod), npz[f"img_psi0.7_lod{lod:g}"]) < TOLERANCE, lod


def tf_layer(scope: str) -> str:
    """'16x16/Conv0_up' -> 'b16.conv0'."""
    resolution, layer = scope.split("/")
    index = {"Const": 0, "Conv": 1, "Conv0_up": 0, "Conv1": 1}[layer]
    return f"b{resolution.split('x')[0]}.conv{index}"


@pytest.mark.parametrize("name, steps", [
    ("sg1_a", {"conv": "conv", "noise": "noise", "act": "act", "inorm": "norm", "out": "style"}),
    ("sg2tf_d_skip", {"conv": "conv", "noise": "noise", "out": "act"})])
def test_tensorflow_taps(name, steps, run, reference, reference_file):
    file, trace = reference_file(TF_FILES[name]), reference(f"{name}_trace.npz")
    checked = 0
    for key in trace.files:
        scope, _, step = key.rpartition("/")
        if step not in steps or (scope == "4x4/Const" and step == "conv"):
            continue
        tap = f"{tf_layer(scope)}.{steps[step]}"
        assert error(run("render", file, w=trace["w"], tap=tap), trace[key]) < TOLERANCE, tap
        checked += 1
    assert checked > 12


@pytest.mark.parametrize("name", TF_FILES)
def test_tensorflow_scores(name, run, reference, reference_file):
    file, npz = reference_file(TF_FILES[name]), reference(f"{TF_DISCRIMINATORS[name]}.npz")
    for count in (8, 4, 3, 2, 1):
        if f"scores_b{count}" in npz:
            labels = {"labels": npz["labels"][:count]} if "labels" in npz else {}
            scores = run("score", file, images=npz["images"][:count], **labels)
            assert error(scores, npz[f"scores_b{count}"]) < TOLERANCE, count


# -- the same on files of our own -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [*TORCH_FILES, *TF_FILES])
def test_converted_file_renders_the_same(name, run, tmp_path, reference_file):
    file, ours = reference_file({**TORCH_FILES, **TF_FILES}[name]), tmp_path / "ours.safetensors"
    assert visualizer.main(["convert", str(file), "-o", str(ours)]) == 0
    label = {"class": 2} if name in ("sg2_resnet_cond", "sg1_b") else {}
    for network in ("G_ema", "G"):
        a = run("render", file, seed=5, psi=0.6, network=network, **label)
        np.testing.assert_array_equal(run("render", ours, seed=5, psi=0.6, network=network, **label), a)


def test_seed_is_randomstate(run):
    z = np.random.RandomState(7).randn(1, shape_of("demo:stylegan3-t")["z_dim"])
    np.testing.assert_array_equal(run("render", "demo:stylegan3-t", z=z), run("render", "demo:stylegan3-t", seed=7))


def test_png_is_the_rounded_image(run, tmp_path):
    image = run("render", "demo:stylegan3-t", seed=3)[0]
    out = tmp_path / "out.png"
    assert visualizer.main(["render", "demo:stylegan3-t", "--seed", "3", "-o", str(out)]) == 0
    expected = np.rint(np.clip(127.5 * image.astype(np.float64) + 127.5, 0, 255)).transpose(1, 2, 0)
    assert np.abs(np.asarray(Image.open(out)).astype(float) - expected).max() <= 1     # ties of float32 and float64
    assert (np.asarray(Image.open(out)) == expected).mean() > 0.999


def test_png_of_several_is_a_grid(tmp_path):
    info = shape_of("demo:stylegan3-t")
    np.save(tmp_path / "z.npy", np.random.RandomState(0).randn(5, info["z_dim"]))
    out = tmp_path / "grid.png"
    assert visualizer.main(["render", "demo:stylegan3-t", "--z", str(tmp_path / "z.npy"), "-o", str(out)]) == 0
    single = tmp_path / "single.png"
    assert visualizer.main(["render", "demo:stylegan3-t", "-o", str(single)]) == 0
    (w, h), (gw, gh) = Image.open(single).size, Image.open(out).size
    assert gw % w == 0 and gh % h == 0 and (gw // w) * (gh // h) >= 5 and gw > w


def test_screenshot_reproduces_itself(run, tmp_path):
    shot = tmp_path / "shot.png"
    assert visualizer.main(["render", "demo:stylegan3-r", "--seed", "11", "--psi", "0.5", "--mix-seed", "4",
                            "--mix-rows", "0-2,5", "-o", str(shot)]) == 0
    direct = run("render", "demo:stylegan3-r", seed=11, psi=0.5, mix_seed=4, mix_rows="0-2,5")
    out = tmp_path / "again.npy"
    assert visualizer.main(["render", "--state", str(shot), "-o", str(out)]) == 0
    np.testing.assert_array_equal(np.load(out), direct)


def test_w_is_not_truncated_and_may_lack_the_batch(run):
    info = shape_of("demo:stylegan3-t")
    w = np.random.RandomState(0).randn(info["num_ws"], info["w_dim"])
    np.testing.assert_array_equal(run("render", "demo:stylegan3-t", w=w, psi=0.3),
                                  run("render", "demo:stylegan3-t", w=w[None]))


def test_truncation_comes_before_mixing(run):
    """The mixed rows are those of the second seed, truncated like the first."""
    info = shape_of("demo:stylegan3-t")
    rows = f"0-{info['num_ws'] - 1}"
    np.testing.assert_array_equal(run("render", "demo:stylegan3-t", seed=1, psi=0.5, mix_seed=2, mix_rows=rows),
                                  run("render", "demo:stylegan3-t", seed=2, psi=0.5))


# -- manners ----------------------------------------------------------------------------------------------------------

def test_info_json(capsys):
    assert visualizer.main(["info", "demo:stylegan1", "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert info["family"] == "stylegan1" and info["resolution"][0] == info["resolution"][1]
    assert {"variant", "channels", "z_dim", "w_dim", "c_dim", "num_ws", "parameters", "format", "networks", "kwargs",
            "taps"} <= set(info)
    names = [tap["name"] for tap in info["taps"]]
    assert names[0] == "const" and names[-1] == "image" and "b8.conv0.norm" in names
    assert all(set(tap) >= {"name", "shape", "w_row"} and len(tap["shape"]) == 3 for tap in info["taps"])


def test_info_for_people(capsys):
    assert visualizer.main(["info", "demo:stylegan3-r"]) == 0
    out = capsys.readouterr().out
    assert "stylegan3 R" in out and "image" in out and "untrained" in out


@pytest.mark.parametrize("argv, says", [
    (["render", "-o", "x.png"], "FILE"),
    (["render", "demo:stylegan2"], "-o"),
    (["render", "demo:stylegan2", "-o", "x.jpg"], ".png or .npy"),
    (["render", "demo:stylegan2", "-o", "no/such/folder/x.png"], "does not exist"),
    (["render", "no-such-file.pkl", "-o", "x.png"], "no-such-file.pkl"),
    (["render", "demo:nothing", "-o", "x.png"], "demo:"),
    (["render", "demo:stylegan2", "--psi", "much", "-o", "x.png"], "psi"),
    (["render", "demo:stylegan2", "--mix-rows", "3-x", "--mix-seed", "1", "-o", "x.png"], "rows"),
    (["render", "demo:stylegan2", "--mix-seed", "1", "-o", "x.png"], "--mix-rows"),
    (["render", "demo:stylegan3-t", "--mix-seed", "1", "--mix-rows", "99", "-o", "x.png"], "99"),
    (["render", "demo:stylegan3-t", "--tap", "b8.conv0.act", "-o", "x.png"], "b8.conv0.act"),
    (["render", "demo:stylegan3-t", "--class", "1", "-o", "x.png"], "class"),
    (["render", "demo:stylegan3-t", "--lod", "1", "-o", "x.png"], "lod"),
    (["render", "demo:stylegan3-t", "--seed", "1", "--z", "z.npy", "-o", "x.png"], "--z"),
    (["render", "demo:stylegan3-t", "--z", "missing.npy", "-o", "x.png"], "missing.npy"),
    (["render", "demo:stylegan3-t", "--backend", "cuda", "-o", "x.png"], "cuda"),
    (["render", "--state", "missing.json", "-o", "x.png"], "missing.json"),
    (["render", "demo:stylegan3-t", "--cutoff", "x", "-o", "x.png"], "cutoff"),
    (["score", "demo:stylegan2", "--images", "missing.npy", "-o", "x.npy"], "missing.npy"),
    (["frobnicate.pkl", "--unknown"], "--unknown"),
    (["render", "demo:stylegan2", "--seed", "-1", "-o", "x.npy"], "4294967295"),
    (["render", "demo:stylegan2", "--seed", "4294967296", "-o", "x.npy"], "4294967295"),
    (["render", "demo:stylegan2", "--seed", "1" * 400, "-o", "x.npy"], "seed"),
    (["render", "demo:stylegan2", "--mix-seed", "-1", "--mix-rows", "0", "-o", "x.npy"], "--mix-seed"),
    (["render", "demo:stylegan2", "--noise", "random", "--noise-seed", "-1", "-o", "x.npy"], "--noise-seed"),
    (["render", "demo:stylegan2", "--psi", "nan", "-o", "x.npy"], "finite"),
    (["render", "demo:stylegan2", "--psi", "inf", "-o", "x.png"], "finite"),
    (["render", "demo:stylegan1", "--lod", "nan", "-o", "x.npy"], "finite"),
    (["render", "demo:stylegan2", "--mix-rows", "3-0", "--mix-seed", "1", "-o", "x.png"], "rows"),
    (["render", "demo:stylegan2", "--mix-rows", "\u00b2", "--mix-seed", "1", "-o", "x.png"], "such as"),
    (["render", "demo:stylegan2", "--mix-rows", "0-3,", "--mix-seed", "1", "-o", "x.png"], "such as"),
    (["render", "demo:stylegan2", "--tap", "", "-o", "x.png"], "no tap"),
    (["render", "demo:stylegan2", "--z", "", "-o", "x.png"], "cannot be read"),
    (["render", "http://[::1/x.pkl", "-o", "x.png"], "address"),
    (["info", "http://host:port/x.pkl"], "address"),
    (["info", "x" * 5000], "File name too long"),
    (["render", "demo:stylegan3-t", "--z", "x" * 5000, "-o", "x.npy"], "File name too long"),
    (["convert", "~nobody-of-this-name/x.pkl", "-o", "x.safetensors"], "does not exist"),
    (["info"], "FILE"),
])
def test_refusals_are_one_line(argv, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = refused(capsys, *argv)
    assert says in line and "Traceback" not in line
    assert not list(tmp_path.iterdir())


def test_a_conditional_network_names_its_classes(capsys, reference_file, tmp_path):
    file = reference_file("sg2_resnet_cond.snapshot.pkl")
    line = refused(capsys, "render", file, "-o", tmp_path / "x.npy")
    assert "0" in line and "4" in line and "class" in line
    assert "4" in refused(capsys, "render", file, "--class", "5", "-o", tmp_path / "x.npy")


def test_arrays_of_the_wrong_shape(capsys, tmp_path):
    np.save(tmp_path / "bad.npy", np.zeros((1, 7), np.float32))
    assert "7" in refused(capsys, "render", "demo:stylegan3-t", "--z", tmp_path / "bad.npy", "-o", tmp_path / "x.npy")
    np.save(tmp_path / "bad.npy", np.zeros((2, 3, 5), np.float32))
    assert "5" in refused(capsys, "render", "demo:stylegan3-t", "--w", tmp_path / "bad.npy", "-o", tmp_path / "x.npy")
    np.save(tmp_path / "bad.npy", np.array(["text"]))
    refused(capsys, "render", "demo:stylegan3-t", "--z", tmp_path / "bad.npy", "-o", tmp_path / "x.npy")
    np.save(tmp_path / "bad.npy", np.zeros((3, 4), np.float32))
    refused(capsys, "render", "demo:stylegan3-t", "--transform", tmp_path / "bad.npy", "-o", tmp_path / "x.npy")


@pytest.mark.parametrize("numbers", [np.nan, np.inf])
def test_a_transform_that_is_not_finite(numbers, capsys, tmp_path):
    np.save(tmp_path / "m.npy", np.full((3, 3), numbers))
    assert "finite" in refused(capsys, "render", "demo:stylegan3-t", "--transform", tmp_path / "m.npy",
                               "-o", tmp_path / "x.png")


def header(shape: str) -> bytes:
    text = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize("data", [b"", b"text", header("(10**12, 64)"), header("(1000000000000, 64)"),
                                  header("(-1, 64)"), header("((((("), header("(1, 64)")])
def test_damaged_arrays(data, capsys, tmp_path):
    (tmp_path / "z.npy").write_bytes(data)
    line = refused(capsys, "render", "demo:stylegan3-t", "--z", tmp_path / "z.npy", "-o", tmp_path / "x.npy")
    assert "z.npy: not a NumPy .npy file" in line


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_are_not_waited_for(capsys, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for argv in (["demo:stylegan3-t", "--z", tmp_path / "pipe"], ["--state", tmp_path / "pipe"], [tmp_path / "pipe"]):
        assert "no ordinary file" in refused(capsys, "render", *argv, "-o", tmp_path / "x.npy")


def test_places_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "folder.npy").mkdir()
    assert "is a folder" in refused(capsys, "render", "demo:stylegan3-t", "-o", tmp_path / "folder.npy")
    for suffix in ("npy", "png"):
        out = tmp_path / f"{'x' * 250}.{suffix}"                     # its temporary name is too long
        assert "cannot be written" in refused(capsys, "render", "demo:stylegan3-t", "-o", out)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.npy"]


def test_a_state_without_a_checkpoint(capsys, tmp_path):
    (tmp_path / "state.json").write_text('{"stylescope": 1, "request": {}}')
    assert "FILE" in refused(capsys, "render", "--state", tmp_path / "state.json", "-o", tmp_path / "x.npy")


def test_nan_latents_render(run):
    info = shape_of("demo:stylegan3-t")
    assert np.isnan(run("render", "demo:stylegan3-t", z=np.full((1, info["z_dim"]), np.nan))).all()


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written(unbuffered):
    """A closed pipe and a full disk are one line too, although Python may write output only as it ends."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    for argv in (["info", "demo:stylegan3-t"], ["convert", "--help"])[:1 if unbuffered else 2]:   # argparse hides it
        read, write = os.pipe()
        os.close(read)
        done = subprocess.run([sys.executable, "visualizer.py", *argv], cwd=ROOT, stdout=write, stderr=subprocess.PIPE,
                              text=True, env=environment)
        os.close(write)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert done.stderr.startswith("standard output cannot be written")


@pytest.mark.parametrize("package", ["numpy", "torch"])
def test_a_missing_package(package):
    """As with a Python other than the project's own."""
    script = (f"import runpy, sys; sys.modules['{package}'] = None; sys.argv[1:] = ['info', 'demo:stylegan2'];"
              "sys.path.insert(0, '.'); runpy.run_path('visualizer.py', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
    assert f"'{package}'" in done.stderr and "make run" in done.stderr


def test_as_a_process(tmp_path):
    """As a script calls it: status, streams and nothing else."""
    good = subprocess.run([sys.executable, "visualizer.py", "render", "demo:stylegan3-t", "--seed", "1",
                           "-o", str(tmp_path / "x.png")], cwd=ROOT, capture_output=True, text=True)
    assert (good.returncode, good.stderr) == (0, "")
    bad = subprocess.run([sys.executable, "visualizer.py", "info", str(tmp_path / "x.png")], cwd=ROOT,
                         capture_output=True, text=True)
    assert bad.returncode == 1 and bad.stderr.count("\n") == 1 and "x.png" in bad.stderr


@pytest.mark.parametrize("demo", ["demo:stylegan2", "demo:stylegan3-t", "demo:stylegan1"])
def test_backends_are_forced_each_way(demo, capsys, tmp_path):
    """Each that runs gives the picture of the reference but for rounding; each that can't says so in one line."""
    from cuda_ops import dispatch
    pictures = {}
    for backend in ("reference", "cpu", "cuda", "auto"):
        out = tmp_path / f"{backend}.npy"
        argv = ["render", demo, "--device", "cpu", "--backend", backend, "-o", str(out)]
        why_not = "" if backend == "auto" else dispatch.why_not(backend, "cpu")
        if why_not:
            line = refused(capsys, *argv)
            assert f"cannot run on backend '{backend}': " in line and why_not in line
        else:
            assert visualizer.main(argv) == 0
            pictures[backend] = np.load(out)
    assert {"reference", "auto"} <= pictures.keys() and "cuda" not in pictures
    for picture in pictures.values():
        assert np.allclose(picture, pictures["reference"], atol=1e-3 * np.abs(pictures["reference"]).max())


def test_the_doctor_speaks_of_the_kernels(capsys):
    from cuda_ops import build
    assert visualizer.main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "C++ kernels" in out and str(build.cache_folder()) in out
    assert ("could not be built" in out) == isinstance(build.outcome(), build.BuildError)
