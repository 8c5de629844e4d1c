"""`visualizer.py inspect`: every kind of inspection re-opens bit for bit, every refusal is one line."""
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from headless import refused
from PIL import Image

import visualizer
from renderer.images import load_request
from renderer.inspection import KINDS
from renderer.pipeline import Pipeline
from renderer.report import Picture
from renderer.state import from_json

FEW = {"samples": 2, "steps": 2, "examples": 1, "runs": 0}      # of a layer's runs none: its times are never the same
NETWORKS = "sg1", "sg2-skip", "sg3-r"


def few(kind: str) -> dict[str, int]:
    """Settings for a quick look."""
    return {field.name: FEW[field.name] for field in dataclasses.fields(KINDS[kind]) if field.name in FEW}


def options(kind: str) -> list[str]:
    """The same in words."""
    return [f"--{name}={number}" for name, number in few(kind).items()]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def inspect(tmp_path, capsys):
    """`inspect(*words)`: the folder that was written, and what was said; None and the one line of a refusal."""
    def inspect(*words) -> tuple[Path | None, str]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        status = visualizer.main(["inspect", *map(str, words), "-o", str(out)])
        said = capsys.readouterr()
        if status:
            assert len(said.err.splitlines()) == 1 and not said.out and not out.exists()
            return None, said.err
        assert not said.err
        return out, said.out
    return inspect


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_opens_again(kind, inspect, files):
    """Every picture and every number, from the state and from any of the pictures; on one network of three at least."""
    written = {}
    for network in NETWORKS:
        folder, said = inspect(files(network), kind, *options(kind), "--seed", 3, "--psi", 0.7, "--device", "cpu")
        if folder is None:
            assert said.startswith(files(network)) and said.endswith(".\n")
            continue
        written[network] = contents(folder)
        again, _ = inspect("--state", folder / "state.json")
        assert contents(again) == written[network], network
        for picture in list(folder.glob("*.png"))[:1]:
            assert contents(inspect("--state", picture)[0]) == written[network]
    assert written


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_shows_the_same(kind, inspect, files):
    """The state as a request: a picture in the window and a PNG have the same pixels."""
    folders = (inspect(files(network), kind, *options(kind))[0] for network in ("sg3-r", "sg1"))
    folder = next(folder for folder in folders if folder)
    report = Pipeline().render(from_json((folder / "state.json").read_text(encoding="utf-8"))).report
    assert report.complete and report.kind == kind and not report.refusal
    pictures = [figure for figure in report.figures if isinstance(figure, Picture)]
    assert {path.stem for path in folder.glob("*.png")} == {picture.name for picture in pictures}
    for picture in pictures:
        np.testing.assert_array_equal(np.asarray(Image.open(folder / f"{picture.name}.png")), picture.pixels)


@pytest.mark.parametrize("network", ["sg1", "sg3-r"])
@pytest.mark.parametrize("kind", KINDS)
def test_reports_can_be_drawn(kind, network, asked):
    """Names tell figures apart, words are there, curves and rows fit their axes and columns."""
    report = Pipeline().render(asked(network, inspect=KINDS[kind](**few(kind)))).report
    if report.refusal:
        return
    names = [figure.name for figure in report.figures]
    assert names and len(set(names)) == len(names), names
    assert report.remarks and all(remark.rstrip()[-1] in ".:!?" for remark in report.remarks), report.remarks
    for figure in report.figures:
        if isinstance(figure, Picture):
            assert figure.pixels.dtype == np.uint8 and figure.pixels.shape[2:] == (3,)
            assert not figure.pixels.flags.writeable and figure.title
        for curve in getattr(figure, "curves", ()):
            lengths = {len(values) for values in (curve.x, curve.y, curve.low, curve.high) if values is not None}
            assert len(lengths) == 1, (figure.name, curve.name)
        for row in getattr(figure, "rows", ()):
            assert len(row) == len(figure.columns), figure.name
        for attribute in ("taps", "flagged"):
            assert len(getattr(figure, attribute, ())) in (0, len(getattr(figure, "rows", ()))), figure.name
        assert len(getattr(figure, "tips", ())) in (0, len(getattr(figure, "columns", ()))), figure.name


# -- words ------------------------------------------------------------------------------------------------------------

def test_numbers_on_standard_output(inspect, files):
    folder, said = inspect(files("sg1"), "layers", "--runs", 0, "--json")
    assert json.loads(said) == json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_conclusions_on_standard_output(inspect, files):
    folder, said = inspect(files("sg1"), "layers", "--runs", 0)
    assert said.splitlines()[0].startswith("The sampling rate doubles")
    assert said.splitlines()[-1] == f"{folder}: 4 figures"


def test_a_state_may_name_file_and_kind(inspect, files, tmp_path):
    """Other options override it, another kind among them; of a state of another kind the latent is left."""
    folder, _ = inspect(files("sg3-t"), "filters", "--layer", "L1_24_8", "--seed", 5, "--widened", 2)
    again, _ = inspect("--state", folder / "state.json", "--widened", 3)
    filters = load_request(again / "plane_up.png")
    assert (filters.inspect.layer, filters.inspect.widened, filters.latent.x) == ("L1_24_8", 3.0, 5.0)
    other, _ = inspect("layers", "--runs", 0, "--state", folder / "state.json")
    layers = load_request(other / "state.json")
    assert layers.inspect == KINDS["layers"](runs=0) and layers.latent.x == 5.0
    elsewhere, _ = inspect(files("sg3-r"), "filters", "--state", folder / "state.json")
    assert load_request(elsewhere / "state.json").checkpoint.path == files("sg3-r")


def test_help_lists_every_option(capsys):
    with pytest.raises(SystemExit):
        visualizer.main(["inspect", "--help"])
    text = capsys.readouterr().out
    for kind, cls in KINDS.items():
        assert kind in text
        for field in dataclasses.fields(cls):
            assert f"--{field.name.replace('_', '-')}" in text and field.metadata["help"]


@pytest.mark.parametrize("words, line", [
    (["demo:stylegan1", "droplet"], "there is no kind of inspection 'droplet': there are droplets, "),
    (["demo:stylegan1"], "what to look into is missing: one of droplets, "),
    (["demo:stylegan1", "layers", "--widened", 2], "layers has no option --widened"),
    (["demo:stylegan1", "layers", "--runs", -1], "runs is -1, it must be from 0 to 1000."),
    (["demo:stylegan1", "layers", "--runs", "x"], "'x' is not a whole number"),
    (["demo:stylegan3-t", "filters", "--widened", "nan"], "'nan' is not a finite number"),
    (["demo:stylegan3-t", "filters", "--layer", "L77"], "demo:stylegan3-t: there is no layer 'L77'; there are L0"),
    (["demo:stylegan1", "filters"], "demo:stylegan1: only StyleGAN3's layers have designed filters"),
    (["demo:stylegan1", "layers", "--tap", "b4"], "this network has no tap 'b4'"),
    (["layers"], "the checkpoint FILE is missing"),
    (["missing.pkl", "layers"], "missing.pkl: "),
    (["--state", "{}"], "the JSON holds no Stylescope state"),
    (["layers", "--state", '{"stylescope": 2, "request": {"inspect": {"kind": "x"}}}'], "'inspect' in the state"),
])
def test_refusals(words, line, capsys, tmp_path):
    out = tmp_path / "out"
    assert line in refused(capsys, "inspect", *words, "-o", out) and not out.exists()


def test_folders_it_cannot_write(capsys, tmp_path, files):
    (tmp_path / "file").write_text("")
    assert "is no folder" in refused(capsys, "inspect", files("sg1"), "layers", "-o", tmp_path / "file")
    assert "does not exist" in refused(capsys, "inspect", files("sg1"), "layers", "-o", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]
