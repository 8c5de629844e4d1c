"""`render` in all its ways: places, classes, views, states, many pictures at once, and how it ends early."""
import hashlib
import io
import os
import pkgutil
import re
import shutil
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from headless import refused, shape_of
from PIL import Image

import visualizer
from renderer import arrays, state
from renderer.images import load_request
from renderer.types import (
    Array,
    Checkpoint,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    SeedGrid,
    Source,
    Synth,
    View,
    sources,
)

ROOT = Path(__file__).resolve().parent.parent
SG2 = Checkpoint("demo:stylegan2")


def picture_of(request) -> np.ndarray:
    """What the window shows."""
    from renderer.pipeline import Pipeline
    result = Pipeline().render(request)
    assert result.error is None, result.error
    return result.picture


def written(out, *argv) -> np.ndarray:
    """The picture or array that `render ARGV -o OUT` writes."""
    assert visualizer.main(["render", *map(str, argv), "-o", str(out)]) == 0
    return np.load(out) if str(out).endswith(".npy") else np.asarray(Image.open(out))


# -- places, classes, views -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("argv, latent", [
    (["--at", "1.25,-0.5"], Latent(1.25, -0.5)), (["--at=-1.5,2"], Latent(-1.5, 2.0)),
    (["--at", "3,2"], Latent(203.0)), (["--seed", "203"], Latent(3.0, 2.0))])
def test_places_in_the_seed_plane(argv, latent, tmp_path):
    picture = written(tmp_path / "x.png", "demo:stylegan2", *argv)
    np.testing.assert_array_equal(picture, picture_of(RenderRequest(SG2, latent)))


def test_classes_mix_by_weight(tmp_path):
    checkpoint = Checkpoint("demo:stylegan2-conditional")
    for text, classes in (("2", ((2, 1.0),)), ("0:0.25,3:0.75", ((0, 0.25), (3, 0.75))),
                          ("1,2:-1", ((1, 1.0), (2, -1.0)))):
        picture = written(tmp_path / "x.png", checkpoint.path, "--class", text)
        np.testing.assert_array_equal(picture, picture_of(RenderRequest(checkpoint, Latent(classes=classes))))


@pytest.mark.parametrize("argv, view", [
    (["--view", "channel", "--channel", 5, "--colormap", "magma", "--gain", -6],
     View("channel", channel=5, colormap="magma", gain_db=-6.0)),
    (["--channels", "7,0,3", "--range", "each", "--offset", "0.25"],
     View(channels=(7, 0, 3), range="each", offset=0.25)),
    (["--view", "rms", "--range", "minmax"], View("rms", range="minmax")), (["--view", "pca"], View("pca")),
    (["--view", "sheet", "--order", "energy"], View("sheet", order="energy"))])
def test_views(argv, view, tmp_path):
    picture = written(tmp_path / "x.png", "demo:stylegan2", "--tap", "b8.conv1.act", *argv)
    np.testing.assert_array_equal(picture, picture_of(RenderRequest(SG2, tap="b8.conv1.act", view=view)))


def test_a_saved_w_is_mixed_in(tmp_path):
    info = shape_of("demo:stylegan2")
    w = np.random.RandomState(0).randn(info["num_ws"], info["w_dim"]).astype(np.float32)
    expected = picture_of(RenderRequest(SG2, mix=Mix(Source(w=Array.of(w)), (1, 2))))
    for given in (w, w[None]):
        np.save(tmp_path / "ada.npy", given)
        picture = written(tmp_path / "x.png", "demo:stylegan2", "--mix-w", tmp_path / "ada.npy", "--mix-rows", "1-2")
        np.testing.assert_array_equal(picture, expected)
    assert load_request(tmp_path / "x.png").mix.source.name == "ada"


# -- states -----------------------------------------------------------------------------------------------------------

def test_a_state_in_words(tmp_path, monkeypatch):
    request = RenderRequest(SG2, Latent(4.5, 0.25), tap="b8.image")
    for text in (state.to_json(request), state.to_json(request, brief=True), "  " + state.to_json(request)):
        np.testing.assert_array_equal(written(tmp_path / "x.png", "--state", text), picture_of(request))
    monkeypatch.setattr("sys.stdin", io.StringIO(state.to_json(request)))
    np.testing.assert_array_equal(written(tmp_path / "x.png", "--state", "-"), picture_of(request))


def test_options_override_a_state(tmp_path):
    text = state.to_json(RenderRequest(SG2, Latent(1.0, psi=0.5), Mix(Source(2), (0,)), view=View("mean")), brief=True)
    expected = RenderRequest(SG2, Latent(3.0, psi=0.5), Mix(Source(2), (1,)), tap="b16.image", view=View("channel"))
    picture = written(tmp_path / "x.png", "--state", text, "--seed", 3, "--mix-rows", 1, "--tap", "b16.image", "--view",
                      "channel")
    np.testing.assert_array_equal(picture, picture_of(expected))
    table = RenderRequest(SG2, table=MixTable(sources(1), sources(2), (0,)), seeds=SeedGrid((1, 2)))
    picture = written(tmp_path / "x.png", "--state", state.to_json(table), "--seed", 5)      # one picture again
    np.testing.assert_array_equal(picture, picture_of(RenderRequest(SG2, Latent(5.0))))


def test_a_state_of_another_network_leaves_out_what_this_one_lacks(capsys, tmp_path):
    """As the window does; an option of the same kind is a mistake."""
    text = state.to_json(RenderRequest(Checkpoint("demo:stylegan1"), Latent(2.0), synth=Synth(lod=1.0),
                                       tap="b8.conv0.norm"))
    picture = written(tmp_path / "x.png", "demo:stylegan2", "--state", text)
    np.testing.assert_array_equal(picture, picture_of(RenderRequest(SG2, Latent(2.0))))
    assert "lod" in refused(capsys, "render", "demo:stylegan2", "--state", text, "--lod", "1", "-o", tmp_path / "x.png")


@pytest.fixture
def network(tmp_path):
    """A small network in a file."""
    path = tmp_path / "netz.safetensors"
    assert visualizer.main(["convert", "demo:stylegan2", "-o", str(path)]) == 0
    return path


def test_the_picture_knows_its_file(network, tmp_path, capsys, monkeypatch):
    """By content: beside its network it is rendered again wherever both went; another file under that name is not used
    unless it is named."""
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(network.parent)
    picture = written("a/shot.png", network.name, "--seed", 6)
    checkpoint = load_request("a/shot.png").checkpoint
    assert checkpoint.path == str(network) and checkpoint.content == hashlib.sha256(network.read_bytes()).hexdigest()
    network.rename(tmp_path / "a" / network.name)
    monkeypatch.chdir(tmp_path / "a")
    np.testing.assert_array_equal(written("again.png", "--state", "shot.png"), picture)
    assert load_request("again.png").checkpoint.path == str(tmp_path / "a" / network.name)
    (tmp_path / "a" / network.name).rename(tmp_path / "a" / "other.safetensors")
    assert "does not exist" in refused(capsys, "render", "--state", "shot.png", "-o", "x.png")
    shutil.copy("other.safetensors", network)
    with open(network, "ab") as file:
        file.write(b"changed")
    assert "has changed since" in refused(capsys, "render", "--state", "shot.png", "-o", "x.png")
    np.testing.assert_array_equal(written("x.png", "other.safetensors", "--state", "shot.png"), picture)


# -- many -------------------------------------------------------------------------------------------------------------

def single(seed: int, **parts) -> np.ndarray:
    return picture_of(RenderRequest(SG2, Latent(float(seed), psi=0.5), **parts))


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_precision_and_what_it_costs(precision, tmp_path, capsys):
    """The numbers told are those of the pictures written, but for the rounding of these to whole levels."""
    argv = "demo:stylegan2", "--seed", "3", "--device", "cpu"
    exact = written(tmp_path / "exact.png", *argv)
    picture = written(tmp_path / "x.png", *argv, "--precision", precision, "--compare-fp32")
    line, = capsys.readouterr().err.splitlines()
    largest, rms, psnr = map(float, re.findall(r"[-\d.]+(?= at| RMS| dB)", line))
    assert abs(largest - abs(picture.astype(int) - exact).max()) <= 1 and 0 < rms <= largest
    assert psnr == pytest.approx(20 * np.log10(255 / rms), abs=0.5)          # rms is told in two figures
    assert load_request(str(tmp_path / "x.png")).checkpoint.precision == precision



@pytest.mark.parametrize("name", ["out/", "out", "made"])
def test_seeds_into_a_folder(name, tmp_path, capsys):
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "seed0012.png").write_bytes(b"an older picture, replaced")
    argv = ["render", "demo:stylegan2", "--psi", "0.5", "--mix-seed", "1", "--mix-rows", "2", "--seeds", "3,10-12"]
    assert visualizer.main([*argv, "-o", f"{tmp_path}/{name}"]) == 0
    assert capsys.readouterr() == ("", "")
    folder = tmp_path / name
    assert sorted(p.name for p in folder.iterdir()) == [f"seed{n:04}.png" for n in (3, 10, 11, 12)]
    for path in folder.iterdir():
        request = load_request(path)
        assert request == RenderRequest(SG2, Latent(float(path.stem[4:]), psi=0.5), Mix(Source(1), (2,)))
        np.testing.assert_array_equal(np.asarray(Image.open(path)), picture_of(request))


def test_signals_into_a_folder_or_one_array(tmp_path):
    argv = ["demo:stylegan2", "--tap", "b8.conv0.act", "--seeds", "4294967295,7"]
    assert visualizer.main(["render", *argv, "--format", "npy", "-o", str(tmp_path / "out")]) == 0
    stack = written(tmp_path / "all.npy", *argv)
    assert stack.dtype == np.float32 and len(stack) == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["seed0000000007.npy", "seed4294967295.npy"]
    for i, seed in enumerate((4294967295, 7)):
        one = written(tmp_path / "one.npy", "demo:stylegan2", "--tap", "b8.conv0.act", "--seed", seed)
        np.testing.assert_array_equal(np.load(tmp_path / "out" / f"seed{seed:010}.npy"), one)
        np.testing.assert_array_equal(stack[i:i + 1], one)


def cut(picture: np.ndarray, request: RenderRequest, cell: int) -> np.ndarray:
    """One cell of a grid or table."""
    from renderer.pipeline import Pipeline
    cells = Pipeline().render(request).cells
    (top, left), (height, width) = cells.origin, cells.size
    y, x = top + cell // cells.columns * height, left + cell % cells.columns * width
    return picture[y:y + height, x:x + width]


@pytest.mark.parametrize("argv, options", [
    ([], {}), (["--columns", "2"], {"columns": 2}), (["--no-labels"], {"labels": False})])
def test_seeds_in_a_grid(argv, options, tmp_path):
    out = tmp_path / "grid.png"
    picture = written(out, "demo:stylegan2", "--psi", "0.5", "--seeds", "0-3,9", *argv)
    request = load_request(out)
    assert request == RenderRequest(SG2, Latent(psi=0.5), seeds=SeedGrid((0, 1, 2, 3, 9), **options))
    for i, seed in enumerate((0, 1, 2, 3, 9)):
        np.testing.assert_array_equal(cut(picture, request, i), single(seed))
    np.testing.assert_array_equal(written(tmp_path / "again.png", "--state", out), picture)
    more = written(out, "--state", out, "--seeds", "4,1")
    assert load_request(out).seeds == SeedGrid((4, 1), **options)            # laid out as the state's
    np.testing.assert_array_equal(cut(more, load_request(out), 1), single(1))


def test_a_mixing_table(tmp_path):
    out = tmp_path / "table.png"
    picture = written(out, "demo:stylegan2", "--psi", "0.5", "--across", "1-3", "--down", "11,10", "--mix-rows", "0-2")
    request = load_request(out)
    assert request == RenderRequest(SG2, Latent(psi=0.5), table=MixTable(sources(1, 2, 3), sources(11, 10), (0, 1, 2)))
    for cell, expected in ((1, single(1)), (4, single(11)), (10, single(10, mix=Mix(Source(2), (0, 1, 2))))):
        np.testing.assert_array_equal(cut(picture, request, cell), expected)
    fewer = written(out, "--state", out, "--across", "2", "--no-labels")
    assert load_request(out).table == MixTable(sources(2), sources(11, 10), (0, 1, 2), labels=False)
    assert fewer.size < picture.size


def test_progress(tmp_path, capsys, monkeypatch):
    """A bar where standard error is a terminal, or where it is asked for; on request none at all."""
    argv = ["render", "demo:stylegan2", "--seeds", "0-3", "-o"]
    for out in ("out/", "grid.png", "all.npy"):
        assert visualizer.main([*argv, str(tmp_path / out), "--progress"]) == 0
        err = capsys.readouterr().err
        assert "/4 [" in err and "pictures" in err and "Traceback" not in err, out
    argv = [*argv, str(tmp_path / "grid.png")]
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert visualizer.main(argv) == 0 and "/4 [" in capsys.readouterr().err
    assert visualizer.main([*argv, "--quiet"]) == 0 and capsys.readouterr().err == ""
    assert visualizer.main(["render", "demo:stylegan2", "-o", str(tmp_path / "x.png")]) == 0
    assert capsys.readouterr().err == ""                             # a single one


def test_the_bar_goes_before_the_error(tmp_path, capsys):
    argv = ["render", "demo:stylegan2", "--tap", "nothing", "--seeds", "0-3", "--progress", "-o", str(tmp_path / "out")]
    assert visualizer.main(argv) == 1
    err = capsys.readouterr().err
    assert err.endswith("\n") and err.count("\n") == 1 and "no tap 'nothing'" in err.split("\r")[-1]
    assert not (tmp_path / "out").exists()


def stopping(monkeypatch, place: str, after: int, error: BaseException) -> None:
    """`place` raises `error` once it was called `after` times."""
    original, calls = pkgutil.resolve_name(place), []

    def call(*args, **kwargs):
        if len(calls) == after:
            raise error
        calls.append(1)
        return original(*args, **kwargs)
    monkeypatch.setattr(place, call)


@pytest.mark.parametrize("place, error, says", [
    ("os.replace", OSError(28, "No space left on device"), "seed0002.png: cannot be written: No space left on device"),
    ("renderer.batch.of_seed", KeyboardInterrupt(), "interrupted")])
def test_what_ends_early_keeps_what_is_written(place, error, says, tmp_path, capsys, monkeypatch):
    stopping(monkeypatch, place, 2, error)
    line = refused(capsys, "render", "demo:stylegan2", "--seeds", "0-9", "-o", tmp_path / "out")
    assert says in line and f"2 of 10 are written in {tmp_path / 'out'}" in line
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["seed0000.png", "seed0001.png"]


@pytest.mark.parametrize("out", ["all.npy", "grid.png", "out"])
def test_interrupted_before_anything_is_whole(out, tmp_path, capsys, monkeypatch):
    stopping(monkeypatch, "renderer.synthesis.Synthesis.observe", 0 if out == "out" else 2, KeyboardInterrupt())
    assert refused(capsys, "render", "demo:stylegan2", "--seeds", "0-9", "-o", tmp_path / out) == "interrupted"
    assert not list(tmp_path.iterdir())


def test_control_c(tmp_path):
    folder = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "visualizer.py", "render", "demo:stylegan2", "--seeds", "0-9999", "-o",
                                str(folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not (folder / "seed0002.png").exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    finally:
        process.kill()
    files = sorted(path.name for path in folder.iterdir())
    assert process.returncode == 1 and err == f"interrupted ({len(files)} of 10000 are written in {folder})\n"
    assert files == [f"seed{i:04}.png" for i in range(len(files))]
    Image.open(folder / files[-1]).load()


def test_many_pass_through_memory_one_by_one(tmp_path):
    alive = []

    def parts():
        for i in range(6):
            part = np.full((1, 2, 3), i, np.float32)
            alive.append(weakref.ref(part))
            yield part
            del part
            assert sum(ref() is not None for ref in alive) <= 1
    arrays.write_stack(tmp_path / "x.npy", parts(), 6)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.arange(6.0)[:, None, None] * np.ones((6, 2, 3)))


# -- refusals ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("options, out, says", [
    ("--at 1", "x.png", "position"), ("--at 1,x", "x.png", "finite"), ("--at 1,2 --seed 1", "x.png", "--at"),
    ("--class 1:", "x.png", "such as"), ("--class a", "x.png", "such as"), ("--class 1:nan", "x.png", "such as"),
    ("--view hsv", "x.png", "'hsv'"), ("--colormap jet", "x.png", "viridis"), ("--channels 1,2", "x.png", "three"),
    ("--gain inf", "x.png", "finite"), ("--view mean", "x.npy", "a .npy holds the signal itself"),
    ("--seeds 5-1", "x.png", "list of seeds"), ("--seeds 0-4294967296", "x.png", "4,000,000"),
    ("--seeds 4294967296", "x.png", "4294967295"), ("--seeds 0-99999", "x.png", "megapixels"),
    ("--seeds 1,2 --seed 3", "x.png", "--seed"), ("--seeds 1,2", "no/such/", "does not exist"),
    ("--seeds 1,2", "x.jpg", ".png or .npy"), ("--seeds 1,2 --columns 2", "out/", "--columns"),
    ("--seeds 1,2 --columns -1", "x.png", "--columns"), ("--columns 2", "x.png", "--columns"),
    ("--no-labels", "x.png", "--labels"), ("", "out/", ".png or .npy"), ("--format npy", "x.npy", "--format"),
    ("--seeds 1,2 --tap nothing", "out", "no tap"), ("--across 1,2", "x.png", "--mix-rows"),
    ("--across 1 --mix-rows 0", "x.npy", "a mixing table is a picture"),
    ("--across 1 --mix-rows 0 --mix-seed 1", "x.png", "--mix-seed"),
    ("--across 1 --mix-rows 0 --seed 1", "x.png", "--seed"), ("--across 1 --mix-rows 99", "x.png", "99"),
    ("--mix-w missing.npy --mix-rows 0", "x.png", "missing.npy"), ("--mix-rows 0", "x.png", "--mix-seed"),
    ("--compare-fp32 --precision bf16", "x.npy", "ONE.png"), ("--compare-fp32 --precision fp32", "x.png", "another"),
    ("--state {}", "x.png", "stylescope"), ("--state {", "x.png", "JSON"), ("--progress --quiet", "x.png", "--quiet")])
def test_refusals_of_options(options, out, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(capsys, "render", "demo:stylegan2", *options.split(), "-o", out)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_or_written(capsys, tmp_path):
    (tmp_path / "file").touch()
    argv = ["render", "demo:stylegan2", "--seeds", "0,1", "-o"]
    assert "is no folder" in refused(capsys, *argv, tmp_path / "file")
    assert "does not exist" in refused(capsys, *argv, tmp_path / "file" / "out")
    assert "too long" in refused(capsys, *argv, f"{tmp_path / ('x' * 300)}/")
    (tmp_path / "out" / "seed0001.png").mkdir(parents=True)
    line = refused(capsys, *argv, tmp_path / "out")
    assert "seed0001.png: cannot be written" in line and "1 of 2 are written" in line


def test_kernels_that_cannot_be_built_are_a_line_beside_the_picture(tmp_path):
    environment = {**os.environ, "CXX": shutil.which("false"), "STYLESCOPE_KERNELS": str(tmp_path / "kernels")}
    done = subprocess.run([sys.executable, "visualizer.py", "render", "demo:stylegan2", "-o", str(tmp_path / "a.png")],
                          cwd=ROOT, env=environment, capture_output=True, text=True)
    said = done.stderr.splitlines()
    assert done.returncode == 0 and (tmp_path / "a.png").exists() and len(said) == 1
    assert "false could not compile them" in said[0] and "PyTorch's own operations run instead" in said[0]
