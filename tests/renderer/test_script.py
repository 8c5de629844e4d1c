"""What a request is copied as gives the pixels that the window shows."""
import argparse
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from random_requests import random_request, random_value

import renderer.pipeline
import visualizer
from renderer import inspect_options, options, script, state
from renderer.images import load_request
from renderer.inspection import KINDS, Filters, Layers
from renderer.pipeline import Pipeline
from renderer.report_files import numbers
from renderer.types import (
    Array,
    Checkpoint,
    Compare,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    SeedGrid,
    Source,
    Spectrum,
    Synth,
    View,
    sources,
)

SG1, SG2, SG3 = (Checkpoint(f"demo:{name}") for name in ("stylegan1", "stylegan2", "stylegan3-r"))
CONDITIONAL = Checkpoint("demo:stylegan2-conditional")
TURNED = (0.8, -0.6, 0.1, 0.6, 0.8, -1 / 3, 0.0, 0.0, 1.0)


def w_of(checkpoint: Checkpoint, seed: int) -> np.ndarray:
    """Some w [num_ws, w_dim] for that network."""
    info = Pipeline().info(checkpoint)
    return np.random.RandomState(seed).randn(info.num_ws, info.w_dim).astype(np.float32)


REQUESTS = {
    "default": lambda: RenderRequest(SG2),
    "between seeds": lambda: RenderRequest(SG3, Latent(1 / 3, -7.1, psi=-0.7, cutoff=3)),
    "row of the seed plane": lambda: RenderRequest(SG2, Latent(-3.0, 2.0, psi=0.5)),
    "negative seed": lambda: RenderRequest(SG2, Latent(-3.0, 0.0)),
    "saved w": lambda: RenderRequest(SG3, Latent(5.0, w=Array.of(w_of(SG3, 1)[None]))),
    "several z": lambda: RenderRequest(SG2, Latent(z=Array.of(np.random.RandomState(0).randn(3, 64)), psi=0.3)),
    "classes": lambda: RenderRequest(CONDITIONAL, Latent(2.0, classes=((1, 0.1), (3, -1.5), (0, 1.0)))),
    "style mixing": lambda: RenderRequest(SG2, Latent(9.0), Mix(Source(1), (5, 0, 1))),
    "mixing with a saved w": lambda: RenderRequest(SG2, mix=Mix(Source(w=Array.of(w_of(SG2, 2)), name="Ada"), (2, 3))),
    "a layer by its components": lambda: RenderRequest(SG2, tap="b16.conv1.act", view=View("pca", gain_db=-3.5)),
    "a channel": lambda: RenderRequest(SG1, tap="b8.conv0.norm", view=View(
        "channel", channel=3, colormap="coolwarm", offset=-0.125, range="minmax")),
    "a sheet": lambda: RenderRequest(SG2, tap="b8.conv0.act", view=View("sheet", range="each", order="energy")),
    "random noise": lambda: RenderRequest(SG1, Latent(4.0), synth=Synth("random", 77, lod=1.25)),
    "a transform": lambda: RenderRequest(SG3, synth=Synth(transform=TURNED), view=View(channels=(2, 1, 0))),
    "a table": lambda: RenderRequest(SG2, Latent(7.0), table=MixTable(sources(3, 1, 2), sources(9), (0, 1, 4), False)),
    "a table with a saved w": lambda: RenderRequest(SG2, table=MixTable(
        sources(1), (Source(w=Array.of(w_of(SG2, 3)), name="顔's"), Source(8)), (2,))),
    "a grid": lambda: RenderRequest(SG2, Latent(psi=0.6), Mix(Source(4), (1,)), seeds=SeedGrid((8, 1, 2, 3, 50), 2)),
    "a table before a grid": lambda: RenderRequest(
        SG2, table=MixTable(sources(4), sources(2, 3), (3, 4, 5)), seeds=SeedGrid((8, 1))),
    "only a window's": lambda: RenderRequest(
        SG2, spectrum=Spectrum(), strip=True, compare=Compare("split", pinned=RenderRequest())),
    "another network": lambda: RenderRequest(replace(SG2, network="G_ema", precision="fp32", backend="reference")),
}


def shown(request: RenderRequest) -> np.ndarray:
    """What the window shows."""
    result = Pipeline().render(request)
    assert result.error is None, result.error
    return result.picture


def run_line(line: str) -> None:
    interpreter, program, *argv = shlex.split(line)
    assert interpreter == sys.executable and program == visualizer.__file__
    assert visualizer.main(argv) == 0


@pytest.fixture
def run_program(monkeypatch):
    def run(program: str) -> None:
        monkeypatch.setattr(sys, "path", list(sys.path))
        exec(compile(program, "program", "exec"), {})
    return run


@pytest.mark.parametrize("name", REQUESTS)
def test_the_same_pixels(name, tmp_path, monkeypatch, run_program):
    monkeypatch.chdir(tmp_path)
    request = REQUESTS[name]()
    expected = shown(request)
    run_line(script.command_line(request, "line's ü.png"))
    run_program(script.python(request, 'program "脸".png'))
    assert visualizer.main(["render", "--state", state.to_json(request), "-o", "picture.png"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"line's ü.png", 'program "脸".png', "picture.png"}
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), expected, err_msg=path.name)
        np.testing.assert_array_equal(shown(load_request(path)), expected)


def test_what_the_network_has_no_use_for(tmp_path, monkeypatch, run_program):
    """As after opening another network: the window says so and shows the rest."""
    monkeypatch.chdir(tmp_path)
    request = RenderRequest(SG2, Latent(3.0, classes=((7, 1.0),)), Mix(Source(2), (1, 99)), tap="L3_36_1024.out",
                            synth=Synth(transform=TURNED, lod=2.0))
    result = Pipeline().render(request)
    assert len(result.notes) == 5
    run_line(script.command_line(request, "line.png", fitted=True))
    run_program(script.python(request, "program.png", fitted=True))
    for name in ("line.png", "program.png"):
        np.testing.assert_array_equal(np.asarray(Image.open(name)), result.picture)


def test_as_processes(files, tmp_path):
    """Through a real shell and from another folder, with names that need quotes and a state too long for one word."""
    path = tmp_path / "it's $HOME `ü` 脸.safetensors"
    shutil.copy(files("sg2-skip"), path)
    checkpoint = Checkpoint(str(path), device="cpu")
    many = RenderRequest(checkpoint, Latent(
        z=Array.of(np.random.RandomState(0).randn(2000, Pipeline().info(checkpoint).z_dim))), tap="b4.conv1.act")
    one = RenderRequest(checkpoint, Latent(0.5, 0.5))
    lines = script.command_line(one, "one.png"), script.command_line(many, "many.png")
    assert "<<" in lines[1] and max(len(line.split("<<")[0]) for line in lines) < 2 ** 17
    (tmp_path / "program.py").write_text(script.python(one, "program.png"), encoding="utf-8")
    both = "\n".join((*lines, f"{shlex.quote(sys.executable)} program.py"))
    done = subprocess.run(["sh", "-e"], input=both, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for name, request in (("one", one), ("many", many), ("program", one)):
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{name}.png")), shown(request))


# -- what is said -----------------------------------------------------------------------------------------------------

def words(request: RenderRequest) -> str:
    return script.command_line(request).partition(" render ")[2]


def test_options_that_read_well():
    request = RenderRequest(SG2, Latent(3.0, 2.0, psi=0.7, classes=((3, 1.0),)), Mix(Source(1), (0, 1, 2, 7)),
                            tap="b8.conv0.act", view=View("channel", channel=5))
    assert words(request) == ("demo:stylegan2 --seed 203 --psi 0.7 --class 3 --mix-seed 1 --mix-rows 0-2,7 "
                              "--tap b8.conv0.act --view channel --channel 5 -o picture.png")
    assert words(REQUESTS["between seeds"]()) == (
        "demo:stylegan3-r --at 0.3333333333333333,-7.1 --psi=-0.7 --cutoff 3 -o picture.png")
    assert words(REQUESTS["a table"]()) == (
        "demo:stylegan2 --across 3,1-2 --down 9 --mix-rows 0-1,4 --no-labels -o picture.png")
    assert "--state" not in words(REQUESTS["a grid"]())


def test_only_what_has_no_words_is_a_state():
    assert words(RenderRequest(SG3, Latent(1.0), synth=Synth("none", transform=TURNED))) == (
        "demo:stylegan3-r --seed 1 --noise none --state '" + state.to_json(RenderRequest(synth=Synth(transform=TURNED)),
                                                                           brief=True) + "' -o picture.png")


def test_a_program_that_reads_well():
    program = script.python(RenderRequest(SG2, Latent(1.5), table=MixTable(sources(1), sources(2, 3), (4,))), "a.png")
    assert "from renderer.types import Checkpoint, MixTable, RenderRequest, sources\n" in program
    assert "    table=MixTable(across=sources(1), down=sources(2, 3), rows=(4,)),\n" in program
    assert "save_png('a.png', picture, stamped(request))\n" in program
    assert "b64decode" not in program and "latent" not in program            # a table has no use for it


def parsed(line: str, add_options, monkeypatch) -> argparse.Namespace:
    """What the command line makes of the words behind the command; no file is looked for."""
    line, _, below = line.partition(" <<'STATE'\n")
    if below:
        monkeypatch.setattr(options.sys.stdin, "read", lambda: below.removesuffix("\nSTATE"))
    monkeypatch.setattr(options, "find", lambda request, source: ())
    parser = argparse.ArgumentParser()
    add_options(parser)
    parser.add_argument("-o")
    return parser.parse_args(shlex.split(line)[3:])


def at(x: float, y: float, read: RenderRequest, args: argparse.Namespace) -> RenderRequest:
    """`read`, if it has that same seed, wherever in the plane, with that place."""
    if args.seed is None:
        return read
    assert (x + 100 * y - args.seed) % 2 ** 32 == 0 and not y % 1
    return replace(read, latent=replace(read.latent, x=x, y=y))


@pytest.mark.parametrize("seed", range(60))
def test_any_request_is_read_back(seed, monkeypatch, run_program):
    """To the last bit, whatever its values; so is the program's, whose pipeline only takes it down here."""
    request = random_request(seed)
    request = replace(request, checkpoint=replace(request.checkpoint, path=f"/{seed}{request.checkpoint.path}"))
    expected = script._essential(request)
    args = parsed(script.command_line(request), options.add_options, monkeypatch)
    read = options.request_of(args, options.saved(args), lambda request: request)
    assert at(expected.latent.x, expected.latent.y, read, args) == expected

    class Recorder:
        def picture(self, request):
            self.__class__.taken = request
            return np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setattr(renderer.pipeline, "Pipeline", Recorder)
    monkeypatch.setattr(renderer.images, "save_png", lambda *args: None)
    run_program(script.python(request))
    assert Recorder.taken == expected and repr(Recorder.taken) == repr(expected)


# -- inspections ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(12))
def test_any_inspection_is_read_back(kind, seed, monkeypatch):
    request = replace(random_request(seed), inspect=random_value(KINDS[kind], np.random.RandomState(seed)))
    request = replace(request, checkpoint=replace(request.checkpoint, path=f"/{seed}{request.checkpoint.path}"))
    args = parsed(script.inspection(request), inspect_options.add_options, monkeypatch)
    read = inspect_options.request_of(args, lambda request: request)
    expected = replace(script._essential(replace(request, table=None, seeds=None, view=View())),
                       inspect=request.inspect)
    assert at(expected.latent.x, expected.latent.y, read, args) == expected


def test_an_inspection_that_reads_well():
    line = script.inspection(RenderRequest(SG3, Latent(3.0), view=View(gain_db=2.0), seeds=SeedGrid((1, 2)),
                                           inspect=Filters("L3", widened=0.5)), "out")
    assert line.partition(" inspect ")[2] == "demo:stylegan3-r filters --layer=L3 --widened=0.5 --seed 3 -o out"
    default = script.inspection(RenderRequest(SG3, inspect=Layers()))
    assert default.partition(" inspect ")[2] == "demo:stylegan3-r layers --seed 0 -o inspection"


def test_an_inspection_of_what_has_no_words():
    """Its options stay, and override what the state says of them."""
    rest = RenderRequest(synth=Synth(transform=TURNED), inspect=Filters("\n"))
    line = script.inspection(RenderRequest(SG3, synth=Synth(transform=TURNED), inspect=Filters("\n", widened=2.0)))
    assert shlex.split(line)[3:] == ["demo:stylegan3-r", "filters", "--widened=2.0", "--seed", "0", "--state",
                                     state.to_json(rest, brief=True), "-o", "inspection"]


def test_the_same_inspection(tmp_path):
    """Through a real shell: the numbers that the window shows."""
    request = RenderRequest(SG3, Latent(3.0), tap="L3_52_20.act", inspect=Filters(widened=1.0))
    subprocess.run(["sh", "-e"], input=script.inspection(request, "found"), cwd=tmp_path, check=True, text=True,
                   capture_output=True)
    shown = Pipeline().render(request).report
    assert json.loads((tmp_path / "found" / "report.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(numbers(shown)))
    assert load_request(tmp_path / "found" / "plane_up.png").inspect == request.inspect
