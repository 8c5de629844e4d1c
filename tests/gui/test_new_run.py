"""A new training run: what is filled in, without a window; from a folder of pictures to a process, in the real one."""
import dataclasses
import json
import os
import shlex
import sys
import time
from pathlib import Path

import driver
import numpy as np
import pytest
from PIL import Image

from gui import newrun, runform
from gui.jobs import Jobs
from gui.messages import Messages
from gui.newrun import NewRun
from gui.panels import newrun as panel
from gui.runform import Conversion, Form
from renderer import launching

STAND_IN = Path(__file__).with_name("trainingstandin.py")


@pytest.fixture(scope="module")
def options():
    return launching.offer().options


def pictures(folder: Path, count: int = 40, size: tuple[int, int] = (16, 16), odd: tuple[int, int] | None = None):
    """Random ones; `odd`: the size of the last."""
    folder.mkdir(parents=True)
    draw = np.random.default_rng(0)
    for i in range(count):
        width, height = odd if odd and i == count - 1 else size
        Image.fromarray(draw.integers(0, 256, (height, width, 3), np.uint8)).save(folder / f"{i:03d}.png")
    return folder


# -- the form ---------------------------------------------------------------------------------------------------------

def test_words_of_a_form(options):
    form = Form("/a set", outdir="/runs", desc="first try").having("kimg", "100").having("mirror", "yes")
    words = runform.words(form.having("metrics", "swd, spectrum").having("gamma", " 0.5 "), options)
    assert words == ["run", "--outdir", "/runs", "--data", "/a set", "--cfg", "stylegan2-auto", "--desc", "first try",
                     "--kimg", "100", "--mirror", "--gamma", "0.5", "--metrics", "swd,spectrum"]
    assert runform.words(Form("x", outdir="~/y"), options)[2:5:2] == [str(Path.home() / "y"), str(Path.cwd() / "x")]


def test_every_option_reaches_the_command_line(options):
    """What the form writes, training's own parser reads as the same value."""
    from nets.command_line import Parser
    from train.run_options import add_options
    parser = Parser(prog="run")
    add_options(parser)
    samples = {"whole": "3", "number": "0.5", "size": "8x4", "names": "swd", "switch": "yes", "path": "/x", "text": "x"}
    form, wanted = Form("/set", "cifar", "/runs", "-x y", "net.pkl", "2"), {}
    for option in options:
        if option.name not in runform.ELSEWHERE:
            text = option.choices[-1] if option.kind == "choice" else samples[option.kind]
            form, wanted[option.name.replace("-", "_")] = form.having(option.name, text), text
    args = vars(parser.parse_args(runform.words(form, options)[1:]))
    assert (args["desc"], args["resume"], args["freezed"], args["cfg"]) == ("-x y", "net.pkl", 2, "cifar")
    assert {name: newrun.written(args[name]) for name in wanted} == {
        name: "True" if text == "yes" else text for name, text in wanted.items()}


@pytest.mark.parametrize("name, text, words", [
    ("kimg", "1e3", ""), ("kimg", "many", "'many' is not a finite number"), ("kimg", "-1", "below 0"),
    ("batch", "8", ""), ("batch", "8.5", "not a whole number"), ("grid", "8x4", ""), ("grid", "8", "form 8x4"),
    ("metrics", "swd spectrum", ""), ("metrics", "none", ""), ("metrics", "fod", "there is no 'fod'"),
    ("seed", "", "")])
def test_values_are_judged_at_once(options, name, text, words):
    option = next(option for option in options if option.name == name)
    found = runform.trouble(option, text)
    assert words in found and bool(found) == bool(words)


def test_what_was_filled_in_is_kept():
    form = Form("/ü 顔", "stylegan3-r", "/runs", "x", "net.pkl", "4", {"kimg": "10", "mirror": "yes"})
    again = runform.from_json(runform.to_json(form))
    assert again == dataclasses.replace(form, source="", freezed="")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"data": 3, "values": []}', '{"values": {"kimg": 1}}', "null",
                                  "[" * 10 ** 5], ids=range(7))
def test_damaged_settings_are_an_empty_form(text):
    assert runform.from_json(text) == Form()


def test_a_summary_in_words():
    text = "generator   stylegan2 skip\nbatch     32 = 1 GPU(s)\nmemory     2.8 GB: networks 0.7 GB\nweights from x"
    rows = panel.rows_of(text)
    assert rows[0] == ("generator", "stylegan2 skip") and rows[-1] == ("", "weights from x")
    assert panel.in_short(text) == "Batch 32, about 2.8 GB of memory" and panel.in_short("") == ""


def test_words_of_a_conversion():
    assert Conversion("/a", "/b.zip").words() == ["data", "/a", "-o", "/b.zip", "--progress"]
    words = Conversion("/a", "/b.zip", "64", "pad", True).words()
    assert words == ["data", "/a", "-o", "/b.zip", "--resolution", "64", "--transform", "pad", "--labels", "folders",
                     "--progress"]


# -- on its way, without a window -------------------------------------------------------------------------------------

class Stand:
    """The stand-in for `python` (see trainingstandin.py), and what it was asked."""

    def __init__(self, folder: Path):
        self.file, self.program = folder / "told.json", folder / "python"
        self.program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STAND_IN}" "$@"\n')
        self.program.chmod(0o755)
        self.environment = {"STYLESCOPE_PYTHON": str(self.program), "STAND_IN": str(self.file)}
        self.tell()

    def tell(self, refusal: str = "", end: str = "") -> None:
        self.file.write_text(json.dumps({"refusal": refusal, "end": end}))

    @property
    def asked(self) -> list[list[str]]:
        words = Path(f"{self.file}.words")
        return [json.loads(line) for line in words.read_text().splitlines()] if words.exists() else []


@pytest.fixture
def stand(tmp_path):
    if os.name == "nt":
        pytest.skip("the stand-in is a shell script")
    return Stand(tmp_path)


@pytest.fixture
def model(tmp_path, stand, monkeypatch):
    """A new run whose calls are made at once, and the folders that were opened."""
    for name, value in stand.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(newrun, "REST", 0.0)
    opened = []
    run = NewRun(Jobs(Messages(), lambda: None), Form(outdir=str(tmp_path / "runs")), lambda form: None, opened.append,
                 lambda call: call())
    run.opened = opened
    yield run
    for folder in opened:
        Path(folder, "stop").touch()
    run.close()


def until(run: NewRun, condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, (run.said, run.refusal, run.tried, run.doing)
        run.poll()
        time.sleep(0.01)


def test_a_set_is_tried_by_itself_and_its_values_are_known(model, stand, tmp_path):
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "a set"))))
    until(model, lambda: model.verdict)
    assert model.verdict.look and model.glimpse.count == 40
    batch, gamma, snap = (next(o for o in model.options if o.name == name) for name in ("batch", "gamma", "snap"))
    assert [model.own(option) for option in (batch, gamma, snap)] == ["16", "0.0125", "10"]
    model.change(model.form.having("batch", "8"))
    assert model.verdict is None
    until(model, lambda: model.verdict)
    assert model.own(batch) == "" and stand.asked[-1][-4:] == ["--batch", "8", "--dry-run", "json"]


def test_what_cannot_be_tried_is_not(model, stand, tmp_path):
    until(model, lambda: model.offer)
    assert model.trouble == "Choose the pictures to learn from"
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "set"))).having("kimg", "x"))
    until(model, lambda: model.glimpse)
    assert "kimg: 'x' is not" in model.trouble
    for _ in range(5):
        model.poll()
    assert all(words[0] == "options" for words in stand.asked)


def test_a_start_is_refused_before_anything_is_started(model, stand, tmp_path):
    stand.tell(refusal="/x: cannot be written to; choose another --outdir")
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "set"))))
    until(model, lambda: model.offer)
    model.start()
    until(model, lambda: model.verdict)
    assert model.verdict.refusal == "/x: cannot be written to; choose another --outdir"
    assert not model.opened and all("--dry-run" in words for words in stand.asked if words[0] == "run")


def test_a_run_is_started_and_found(model, tmp_path):
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "set"))))
    until(model, lambda: model.offer)
    model.start()
    until(model, lambda: model.opened)
    assert model.opened == [str(tmp_path / "runs" / "00007-stylegan2-auto-stand-in")] and not model.refusal


def test_one_that_dies_at_once_says_why(model, stand, tmp_path):
    stand.tell(end="the card is on fire")
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "set"))))
    until(model, lambda: model.offer)
    model.start()
    until(model, lambda: model.refusal)
    assert model.refusal == "the card is on fire" and not model.opened


def test_a_change_takes_back_a_start(model, tmp_path):
    model.change(dataclasses.replace(model.form, data=str(pictures(tmp_path / "set"))))
    until(model, lambda: model.offer)
    model.start()
    model.change(model.form.having("kimg", "7"))
    until(model, lambda: model.verdict)
    assert "7" in model.verdict.words and not model.opened and not model.started


def test_a_set_that_is_not_there(model, tmp_path):
    model.change(dataclasses.replace(model.form, data=str(tmp_path / "nowhere")))
    until(model, lambda: model.said)
    assert model.said.error and model.said.lines[0] == f"{tmp_path / 'nowhere'}: is not there"
    assert not model.wants_conversion


@pytest.mark.slow
def test_a_misfit_is_checked_converted_and_taken(model, tmp_path):
    """By the real `python -m train data`."""
    data = pictures(tmp_path / "photos ü", 10, (40, 30), odd=(50, 60))
    model.change(dataclasses.replace(model.form, data=str(data)))
    until(model, lambda: model.glimpse)
    assert "different sizes" in model.glimpse.trouble and model.wants_conversion
    model.check()
    until(model, lambda: model.said)
    assert newrun.is_unfit(model.said) and "--resolution 32" in model.said.lines[-1]
    conversion = runform.suggestion(model.form.data, model.glimpse)
    assert conversion.resolution == "32" and conversion.dest == str(tmp_path / "photos ü-32.zip")
    model.convert(conversion)
    until(model, lambda: model.form.data == conversion.dest and model.glimpse)
    assert model.glimpse.count == 10 and not model.glimpse.trouble and not model.said.error
    assert any("photos ü-32.zip: 10 pictures, 32x32 RGB" in line for line in model.said.lines)
    model.check()
    until(model, lambda: "training can use it as it is" in " ".join(model.said.lines))
    assert not newrun.is_unfit(model.said)


@pytest.mark.slow
def test_a_conversion_that_cannot_be_is_refused(model, tmp_path):
    data = pictures(tmp_path / "set", 3)
    model.change(dataclasses.replace(model.form, data=str(data)))
    model.convert(Conversion(str(data), str(tmp_path / "new.zip"), "100"))
    until(model, lambda: model.said)
    assert model.said.error and "no network here can have pictures of 100x100" in model.said.lines[0]
    assert model.form.data == str(data)


# -- in the window ----------------------------------------------------------------------------------------------------

def opened(display, folder: Path, **environment: str) -> driver.Window:
    window = driver.Window(display, folder, "demo:stylegan2", **environment)
    window.answered(60)
    window.click("Menu/Training")
    window.click("Menu/New run…")
    window.wait(lambda r: "New run/kimg" in r["widgets"], 30)
    return window


def says(window: driver.Window, words: str, seconds: float = 60) -> dict:
    return window.wait(lambda r: words in r["new_run"]["says"], seconds)


def ended(window: driver.Window) -> None:
    assert not window.report()["traces"]
    assert window.close() == 0 and window.errors() == ""


def test_from_a_folder_to_a_run_that_is_watched(display, tmp_path, stand):
    """Everything a person does, and each thing that may be in the way."""
    data, runs = pictures(tmp_path / "my photos", odd=(20, 16)), tmp_path / "my runs"
    settings = tmp_path / "config" / "stylescope" / "window.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"greeted": True, "outdir": str(runs)}))
    window = opened(display, tmp_path, **stand.environment)
    assert "Choose the pictures" in window.report()["new_run"]["says"]
    window.fill("New run/data", str(tmp_path / "nowhere"))
    window.wait(lambda r: r["new_run"]["said"] == [f"{tmp_path / 'nowhere'}: is not there"])
    window.drop(data, "New run/data")
    window.wait(lambda r: "New run/Convert" in r["widgets"], 30)
    assert "do not fit yet" in window.report()["new_run"]["says"]
    window.click("New run/Convert")
    window.wait(lambda r: r["new_run"]["data"] == f"{data}-16.zip", 60)
    says(window, "It can start.  Batch 16, about 1.5 GB of memory")
    assert window.report()["new_run"]["own"]["gamma"] == "0.0125" and data.exists()

    window.fill("New run/kimg", "x", "")
    window.wait(lambda r: "New run/kimg/Trouble" in r["widgets"])
    stand.tell(refusal="the batch of 5000 needs 900 GB; 2 GB are free")
    window.fill("New run/kimg", "5000", "Tab")
    says(window, "the batch of 5000 needs 900 GB; 2 GB are free")
    window.click("New run/Start")
    says(window, "2 GB are free")
    stand.tell(end="the card is on fire")
    window.fill("New run/kimg", "5", "Tab")
    says(window, "It can start")
    window.click("New run/Start")
    says(window, "the card is on fire")

    window.click("New run/Copy")
    window.scroll("New run/stylegan3-t", -60)
    window.click("New run/desc")
    window.key("ctrl+v")
    copied = window.wait(lambda r: "--desc" in r["new_run"]["command"])["new_run"]["command"]
    words = shlex.split(copied)
    assert shlex.split(words[words.index("--desc") + 1])[:4] == ["python", "-m", "train", "run"]
    window.key("ctrl+a", "BackSpace")
    window.wait(lambda r: "--desc" not in r["new_run"]["command"])
    says(window, "It can start")         # the foot, which had grown, is as it was
    window.click("New run/Transfer")
    window.wait(lambda r: "--resume demo:stylegan2" in r["new_run"]["command"])
    window.scroll("New run/desc", -30)
    window.fill("New run/freezed", "2", "Tab")
    window.wait(lambda r: r["new_run"]["command"].endswith("--resume demo:stylegan2 --freezed 2 --kimg 5"))
    stand.tell()
    window.click("New run/Start")
    folder = runs / "00007-stylegan2-auto-stand-in"
    report = window.wait(lambda r: "Training/Tab" in r["widgets"] and "New run/Start" not in r["widgets"], 60)
    assert folder.is_dir() and stand.asked[-1] == words_of(report)
    ended(window)
    os.kill(json.loads((folder / "status.json").read_text())["pid"], 0)          # it outlives the window
    kept = json.loads(settings.read_text())
    assert kept["outdir"] == str(runs) and json.loads(kept["new_run"])["values"] == {"kimg": "5"}
    (folder / "stop").touch()


def words_of(report: dict) -> list[str]:
    return shlex.split(report["new_run"]["command"])[3:]


@pytest.mark.slow
def test_a_real_run(display, tmp_path):
    """A tiny one, from the demo set drawn on the spot to its first snapshot."""
    window = opened(display, tmp_path)
    window.click("New run/Demo set")
    window.fill("Demo set/images", "64", "Tab")
    window.fill("Demo set/side", "16", "Tab")
    window.click("Demo set/Draw")
    window.wait(lambda r: r["new_run"]["data"].endswith(".zip") and "New run/Facts" in r["widgets"], 120)
    says(window, "Trying the settings")
    window.fill("New run/kimg", "0.016", "Tab")
    window.fill("New run/batch", "8", "Tab")
    window.click("New run/More settings")
    window.scroll("New run/More settings", -20)
    window.click("New run/Networks")
    window.scroll("New run/Networks", -20)
    window.fill("New run/cbase", "64", "Tab")
    window.fill("New run/cmax", "4", "Tab")
    says(window, "It can start", 180)
    window.click("New run/Start")
    window.wait(lambda r: "Training/Tab" in r["widgets"] and "New run/Start" not in r["widgets"], 180)
    ended(window)
    runs = Path(json.loads((tmp_path / "config" / "stylescope" / "window.json").read_text())["outdir"])
    folder, = (place for place in runs.iterdir() if place.is_dir())
    end = time.monotonic() + 300
    while json.loads((folder / "status.json").read_text())["state"] in ("starting", "running"):
        assert time.monotonic() < end
        time.sleep(0.5)
    assert json.loads((folder / "status.json").read_text())["state"] == "finished"
    assert list(folder.glob("snapshot-*.safetensors"))
    command = json.loads((folder / "config.json").read_text())["command"]
    assert shlex.split(command)[3:] == words_of(window.report())


@pytest.mark.slow
def test_real_refusals(display, tmp_path):
    """Each in the foot, as the command line has it; nothing is started."""
    good = pictures(tmp_path / "good")
    shape = pictures(tmp_path / "shape", 40, (100, 100))
    large = tmp_path / "large"
    large.mkdir()
    for i in range(16):
        Image.new("RGB", (1 << 13, 1 << 13), (i, 0, 0)).save(large / f"{i}.png")
    (tmp_path / "file").touch()
    window = opened(display, tmp_path)
    window.fill("New run/data", str(tmp_path / "nowhere"))
    window.click("New run/Start")
    says(window, "nowhere: is not there", 120)
    window.fill("New run/data", str(shape))
    window.click("New run/Start")
    says(window, "100", 120)
    window.fill("New run/data", str(good))
    window.fill("New run/batch", "64", "Tab")
    says(window, "40 pictures are fewer than a minibatch of 64", 180)
    window.fill("New run/batch", "16", "Tab")
    window.drop(large, "New run/data")
    says(window, "of memory, ", 180)
    assert "are free" in window.report()["new_run"]["says"]
    window.drop(good, "New run/data")
    window.scroll("New run/data", -30)
    window.fill("New run/outdir", str(tmp_path / "file" / "runs"), "Tab")
    says(window, "is a file; choose a folder with --outdir", 180)
    ended(window)
