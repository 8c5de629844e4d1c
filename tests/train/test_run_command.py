"""`python -m train run`: every option reaches its place, doomed runs are refused in one line, runs go on."""
from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nets.command_line import Parser
from nets.errors import UserError
from train import __main__ as command_line
from train import config as train_config
from train import launch, memory, run_options, settings
from train.augment import PIPELINES
from train.configure import config_of, options_of
from train.losses import ADVERSARIAL
from train.presets import ARCHITECTURES, PRESETS, Data, preset
from train.run_options import BY_NAME, OPTIONS, add_options, written
from train.state import save_state

ROOT = Path(__file__).resolve().parent.parent.parent
SMALL = ["--cbase", "64", "--cmax", "4", "--map-depth", "1", "--batch", "8", "--metrics", "none", "--workers", "0"]


def parsed(*words: str):
    parser = Parser(prog="run")
    add_options(parser)
    return parser.parse_args([*words])


def pictures(folder: Path, count: int = 10, size: tuple[int, int] = (16, 16), labels: list | None = None) -> Path:
    folder.mkdir()
    for i in range(count):
        Image.fromarray(np.full((*size, 3), i, np.uint8)).save(folder / f"{i:03d}.png")
    if labels is not None:
        rows = [[f"{i:03d}.png", label] for i, label in enumerate(labels)]
        (folder / "dataset.json").write_text(json.dumps({"labels": rows}))
    return folder


@pytest.fixture
def small_set(tmp_path):
    return pictures(tmp_path / "set")


@pytest.fixture
def no_estimate(monkeypatch):
    """Tests of something else do without the memory estimate, which takes a second or two."""
    monkeypatch.setattr(memory, "fitted", lambda config, *others: (config, memory.Needs(0, {"G main": 0})))


def refusal(capsys, *argv) -> str:
    """The one line on standard error."""
    assert command_line.main(list(map(str, argv))) == 1
    found = capsys.readouterr()
    assert found.err.count("\n") == 1, found.err
    return found.err


# -- options ----------------------------------------------------------------------------------------------------------

REACHED = [   # words, place (of config.json), value; the preset is stylegan2 unless the words say another
    ("--cond", "run.cond", True), ("--mirror", "train.mirror", True), ("--no-mirror", "train.mirror", False),
    ("--max-images 7", "run.max_images", 7), ("--channels 1", "run.channels", 1), ("--workers 3", "run.workers", 3),
    ("--gpus 2", "train.gpus", 2), ("--batch 16", "train.batch", 16), ("--batch-gpu 8", "train.batch_gpu", 8),
    ("--mbstd-group 8", "train.discriminator.config.mbstd_group_size", 8), ("--gamma 2.5", "train.loss.gamma", 2.5),
    ("--loss hinge", "train.loss.adversarial", "hinge"), ("--glr 0.001", "train.g_adam.lr", 0.001),
    ("--dlr 0.001", "train.d_adam.lr", 0.001), ("--aug ada", "train.augmentation.mode", "ada"),
    ("--aug noaug", "train.augmentation.mode", "none"), ("--aug fixed --p 0.2", "train.augmentation.p", 0.2),
    ("--aug ada --augpipe bg", "train.augmentation.pipe", "bg"),
    ("--aug ada --target 0.5", "train.augmentation.target", 0.5),
    ("--cfg stylegan1 --phase-kimg 5", "train.growing.fade_kimg", 5),
    ("--cfg stylegan1 --phase-kimg 5", "train.growing.steady_kimg", 5),
    ("--cbase 4096", "train.discriminator.config.channel_base", 4096),
    ("--cbase 4096", "train.generator.config.channel_base", 4096),
    ("--cbase 4096 --cfg stylegan3-r", "train.generator.config.channel_base", 8192),
    ("--cmax 64", "train.discriminator.config.channel_max", 64),
    ("--cmax 64", "train.generator.config.channel_max", 64),
    ("--cmax 64 --cfg stylegan3-r", "train.generator.config.channel_max", 128),
    ("--map-depth 3", "train.generator.config.mapping.num_layers", 3),
    ("--g-arch orig", "train.generator.config.architecture", "orig"),
    ("--d-arch skip", "train.discriminator.config.architecture", "skip"),
    ("--freezed 4 --resume x.pkl", "train.discriminator.config.freeze_layers", 4),
    ("--metrics swd,spectrum", "run.metrics", ("swd", "spectrum")), ("--metrics none", "run.metrics", ()),
    ("--metric-images 100", "run.metric_images", 100), ("--detectors /models", "run.detectors", "/models"),
    ("--tick 2.5", "run.tick", 2.5), ("--snap 0", "run.snap", 0), ("--grid 8x4", "run.grid", (8, 4)),
    ("--device cpu", "run.device", "cpu"), ("--backend reference", "run.backend", "reference"),
    ("--precision bf16", "run.precision", "bf16"), ("--kimg 12.5", "train.kimg", 12.5), ("--seed 3", "train.seed", 3),
    ("--desc name", "run.desc", "name"), ("--data /set.zip", "run.data", "/set.zip"),
    ("--outdir /runs", "run.outdir", "/runs"), ("--cfg cifar", "run.cfg", "cifar"),
    ("--precision fp16", "train.generator.config.conv_clamp", 256), ("--loss wgan", "train.loss.regularizer", "gp"),
    ("--loss wgan", "train.d_reg_interval", None), ("--loss wgan --gamma 3", "train.loss.regularizer", "r1"),
    ("--gamma 0", "train.loss.regularizer", "none"),
]


def stored(words: str) -> dict:
    """What config.json would hold."""
    args = parsed("--outdir", "runs", "--data", "set", "--cfg", "stylegan2", *words.split())
    return {"train": train_config.to_json(config_of(args, Data((64, 64)))), "run": settings.to_json(options_of(args))}


def at(about: dict, place: str):
    for key in place.split("."):
        about = about[key]
    return about


@pytest.mark.parametrize("words, place, value", REACHED, ids=lambda part: str(part).replace(" ", ""))
def test_an_option_reaches_its_place(words, place, value):
    assert at(stored(words), place) == value


def test_every_option_is_tested():
    tried = {word.removeprefix("--").removeprefix("no-") for words, *_ in REACHED for word in words.split()}
    assert {option.name for option in OPTIONS} - {"dry-run"} <= tried


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.place], ids=lambda option: option.name)
def test_the_place_of_an_option_is_where_it_goes(option):
    """Runs that go on compare there: so every place is one that some test above has reached."""
    assert option.place in {place for _, place, _ in REACHED}


def test_names_are_those_of_what_they_stand_for():
    from train.metrics.names import KINDS
    assert list(run_options.PRESETS) and set(run_options.PRESETS) == set(PRESETS)
    assert set(run_options.PIPES) == set(PIPELINES) and set(run_options.LOSSES) == set(ADVERSARIAL)
    assert run_options.ARCHITECTURES == ARCHITECTURES
    assert set(run_options.METRICS) == {name for name, kind in KINDS.items() if not kind.needs_classifiers}


def test_options_as_json_without_torch():
    code = "import sys; from train.__main__ import main; main(['options', '--json']); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    about = json.loads(done.stdout)
    assert [option["name"] for option in about["options"]] == [option.name for option in OPTIONS]
    assert about["presets"] == run_options.PRESETS
    assert all(option["help"] and option["group"] and option["kind"] for option in about["options"])


def test_words_and_back():
    words = ("--data set --cond --no-mirror --gamma 0.0002 --metrics none --grid 3x2 --kimg 123456789 --desc a,b "
             "--dry-run").split()
    args = parsed(*words)
    again = parsed(*[word for option in OPTIONS if getattr(args, option.dest) is not None
                     for word in written(option, getattr(args, option.dest))])
    assert vars(again) == vars(args)


def test_the_batch_follows_the_presets_rules():
    args = parsed("--batch", "16", "--outdir", "runs", "--data", "set")
    assert config_of(args, Data((64, 64))) == preset("stylegan2-auto", Data((64, 64)), 1, 16)


@pytest.mark.parametrize("words", ["--batch 6 --mbstd-group 3", "--batch 6 --batch-gpu 2", "--batch 8 --batch-gpu 4"])
def test_batches_that_the_preset_alone_would_refuse(words):
    config = config_of(parsed(*words.split()), Data((64, 64)))
    assert config.batch % config.batch_gpu == 0


def test_a_run_from_a_checkpoint():
    config = config_of(parsed("--resume", "x.pkl"), Data((64, 64)), is_transfer=True)
    assert config.ema.ramp is None and config.augmentation.kimg == 100


@pytest.mark.parametrize("words, says", [
    ("--phase-kimg 5", "--phase-kimg is for presets that grow"),
    ("--cfg stylegan1 --freezed 2 --resume x.pkl", "--freezed is for StyleGAN2's and StyleGAN3's"),
    ("--freezed 2", "add --resume FILE"), ("--aug fixed", "add --p"),
    ("--aug noaug --p 0.5", "--p would have no effect"),
    ("--aug fixed --p 0.1 --target 0.5", "--target would have no effect"),
    ("--cfg stylegan3-t --g-arch skip", "no choice"),
    ("--gamma -1", "must be 0 or more"), ("--glr 0", "must be above 0"), ("--cbase 0", "leaves no channels"),
    ("--map-depth -1", "at least 1 layer"), ("--batch 9 --gpus 2", "choose a multiple of 2"),
    ("--batch 16 --batch-gpu 5", "choose a multiple of 5"), ("--aug fixed --p 1.5", "is not between 0 and 1"),
])
def test_what_does_not_go_together(words, says):
    with pytest.raises(UserError, match=says) as error:
        config_of(parsed(*words.split()), Data((64, 64)))
    assert "\n" not in str(error.value)


def test_learning_rates_that_rise():
    with pytest.raises(UserError, match="give both"):
        config_of(parsed("--cfg", "stylegan1", "--glr", "0.001"), Data((256, 256)))
    config = config_of(parsed("--cfg", "stylegan1", "--glr", "0.004", "--dlr", "0.005"), Data((256, 256)))
    assert {(config.at(kimg).g_adam.lr, config.at(kimg).d_adam.lr) for kimg in (0, 5000, 9000)} == {(0.004, 0.005)}


def test_colours_that_are_not_there():
    with pytest.raises(UserError, match="choose --augpipe bg"):
        config_of(parsed("--aug", "ada"), Data((64, 64), channels=4))


# -- refusals ---------------------------------------------------------------------------------------------------------

def test_words_that_mean_nothing(capsys, tmp_path):
    assert "choose one of data, run" in refusal(capsys, "dance")
    assert "there is no metric 'beauty'" in refusal(capsys, "run", "--metrics", "beauty")
    assert "'x' is no whole number" in refusal(capsys, "run", "--batch", "x")
    assert "nan is not a finite number" in refusal(capsys, "run", "--gamma", "nan")
    assert "not of the form 8x4" in refusal(capsys, "run", "--grid", "8")
    assert "add --outdir DIR" in refusal(capsys, "run")
    assert "add --data SET" in refusal(capsys, "run", "--outdir", tmp_path)
    assert "--gpus 0: must be 1 or more" in refusal(capsys, "run", "--gpus", 0)
    assert command_line.main([]) == 0 and "python -m train run" in capsys.readouterr().out


def run_refusal(capsys, data: Path, *words) -> str:
    return refusal(capsys, "run", "--outdir", data.parent / "runs", "--data", data, *SMALL, *words)


def test_bad_data(capsys, tmp_path, no_estimate):
    (tmp_path / "empty").mkdir()
    assert "holds no pictures" in run_refusal(capsys, tmp_path / "empty")
    assert "is not there" in run_refusal(capsys, tmp_path / "nowhere")
    good = pictures(tmp_path / "set")
    assert "dataset.json is missing; train without --cond" in run_refusal(capsys, good, "--cond")
    assert "10 pictures are fewer than a minibatch of 16" in run_refusal(capsys, good, "--batch", 16)
    assert "do not fit" in run_refusal(capsys, pictures(tmp_path / "odd", size=(20, 20)))
    labelled = pictures(tmp_path / "labelled", labels=[0, 1, 2])
    assert "has no label for 7 of 10" in run_refusal(capsys, labelled, "--cond")
    assert not (tmp_path / "runs").exists()


def test_bad_places(capsys, tmp_path, small_set, no_estimate):
    (tmp_path / "file").write_text("")
    line = refusal(capsys, "run", "--outdir", tmp_path / "file", "--data", small_set, *SMALL)
    assert "is a file; choose a folder with --outdir" in line
    if os.name == "posix" and Path("/proc/self").is_dir():
        line = refusal(capsys, "run", "--outdir", "/proc/self/runs", "--data", small_set, *SMALL)
        assert "cannot be written to" in line or "no run can be written there" in line


def test_too_little_memory(capsys, small_set, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda device: 1 << 20)
    monkeypatch.setattr(memory, "_networks", lambda config, precision: (None, None))
    monkeypatch.setattr(memory, "_needs", lambda *others: memory.Needs(1 << 30, {"G main": 1 << 30}))
    line = run_refusal(capsys, small_set, "--batch-gpu", 8)
    assert "a micro-batch of 8 needs" in line and "1 MB are free" in line


def test_a_missing_detector_is_named_before_any_work(capsys, tmp_path, small_set, no_estimate):
    line = run_refusal(capsys, small_set, "--metrics", "fid50k_full", "--detectors", tmp_path)
    assert "inception-2015-12-05.pt" in line and not (tmp_path / "runs").exists()


def test_a_checkpoint_of_another_family(capsys, small_set, no_estimate):
    line = run_refusal(capsys, small_set, "--resume", "demo:stylegan3-t")
    assert "its generator is stylegan3, this run trains stylegan2" in line
    assert "does not exist" in run_refusal(capsys, small_set, "--resume", "nothing.pkl")


# -- dry runs ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", [name if name == "stylegan2-auto" else
                                  pytest.param(name, marks=pytest.mark.slow) for name in PRESETS])
def test_a_dry_run_of_every_preset(name, tmp_path, capsys):
    data = pictures(tmp_path / "set", 8, size=(64, 64))
    before = sorted(tmp_path.rglob("*"))
    words = ["run", "--outdir", str(tmp_path / "runs"), "--data", str(data), "--cfg", name, "--dry-run", *SMALL]
    words[words.index("--map-depth"):][:2] = []
    assert command_line.main([*words, "--mbstd-group", "4"]) == 0, capsys.readouterr().err
    text = capsys.readouterr().out
    rows = dict(line.split(maxsplit=1) for line in text.splitlines() if line)
    assert "64x64x3" in rows["generator"] and rows["data"].endswith("8 pictures of 64x64, RGB")
    assert "networks" in rows["memory"] and f"--cfg {name}" in rows["command"] and "--dry-run" not in rows["command"]
    assert sorted(tmp_path.rglob("*")) == before


# -- runs that go on --------------------------------------------------------------------------------------------------

@pytest.fixture
def session(monkeypatch, no_estimate):
    """Stands in for the session: saves a state and notes what it was given."""
    given = []

    class Session:
        @staticmethod
        def run(config, options, folder, resume=None):
            given.append((config, options, folder.path, resume))
            if resume is None:
                save_state(folder.path, 32, {"w": torch.ones(2)})
            folder.status(state="finished")

    import train
    monkeypatch.setitem(sys.modules, "train.session", Session)
    monkeypatch.setattr(train, "session", Session, raising=False)
    return given


def begin(data: Path, *words) -> int:
    return command_line.main(["run", "--outdir", str(data.parent / "runs"), "--data", str(data), *SMALL, *words])


def test_a_new_run(session, small_set, capsys):
    assert begin(small_set, "--desc", "my name") == 0, capsys.readouterr().err
    config, options, path, resume = session[0]
    assert path.name == "00000-stylegan2-auto-set-my-name" and resume is None
    about = json.loads((path / "config.json").read_text())
    assert train_config.from_json(about["train"]) == config and settings.from_json(about["run"]) == options
    assert about["data"] == {"path": str(small_set), "images": 10, "size": [16, 16], "channels": 3, "c_dim": 0}
    assert about["command"].startswith("python -m train run --outdir ") and about["versions"]["torch"]
    assert "batch" in (path / "log.txt").read_text()


def test_going_on(session, small_set, tmp_path, capsys):
    begin(small_set)
    begin(small_set, "--desc", "two")
    for name in ["latest", str(session[1][2])]:
        words = ["run", "--resume", name, "--outdir", str(tmp_path / "runs"), "--kimg", "7", "--batch", "8", "--tick",
                 "2", "--metrics", "swd"]
        assert command_line.main(words) == 0, capsys.readouterr().err
    first, (config, options, path, resume) = session[1], session[2]
    assert path == first[2] and resume.images_shown == 32 and resume.state["w"].equal(torch.ones(2))
    assert config == dataclasses.replace(first[0], kimg=7)
    assert options == dataclasses.replace(first[1], tick=2.0, metrics=("swd",))
    assert json.loads((path / "config.json").read_text())["train"]["kimg"] == 7
    assert len(list((tmp_path / "runs").iterdir())) == 2


@pytest.mark.parametrize("words, says", [
    ("--batch 16", "this run has --batch 8, not 16"), ("--gamma 3", "this run has --gamma "),
    ("--cfg stylegan2", "this run has --cfg stylegan2-auto, not stylegan2"),
    ("--seed 1", "this run has --seed 0, not 1"),
    ("--aug noaug", "this run has --aug ada, not none"), ("--desc new", "this run has --desc , not new"),
    ("--gpus 2", "this run has --gpus 1, not 2"), ("--phase-kimg 3", "this run has --phase-kimg none, not 3")])
def test_what_may_not_change(words, says, session, small_set, capsys):
    begin(small_set)
    assert says in refusal(capsys, "run", "--resume", session[0][2], *words.split())
    assert len(session) == 1


def test_a_set_that_moved_and_one_that_changed(session, small_set, tmp_path, capsys):
    begin(small_set)
    moved = shutil.move(small_set, tmp_path / "moved")
    assert "is not there" in refusal(capsys, "run", "--resume", session[0][2])
    assert command_line.main(["run", "--resume", str(session[0][2]), "--data", str(moved)]) == 0
    assert session[1][1].data == str(moved)
    Image.new("RGB", (16, 16)).save(Path(moved) / "new.png")
    assert "is not the set this run began with: images 11, then 10" in refusal(capsys, "run", "--resume", session[0][2])


def test_nothing_to_go_on_with(session, small_set, tmp_path, capsys):
    begin(small_set)
    (tmp_path / "other").mkdir()
    assert "is no run's folder" in refusal(capsys, "run", "--resume", tmp_path / "other")
    assert "no run there has a training state" in refusal(capsys, "run", "--resume", "latest", "--outdir", tmp_path)
    assert "add --outdir DIR" in refusal(capsys, "run", "--resume", "latest")
    state, = session[0][2].glob("state-*")
    assert "name its folder" in refusal(capsys, "run", "--resume", state)
    state.unlink()
    assert "holds no training state" in refusal(capsys, "run", "--resume", session[0][2])


def test_weights_from_a_checkpoint(session, tmp_path, capsys):
    data = pictures(tmp_path / "set", size=(64, 64))
    words = ["run", "--outdir", str(tmp_path / "runs"), "--data", str(data), "--cbase", "2048", "--cmax", "64",
             "--batch", "8", "--metrics", "none", "--resume", "demo:stylegan2"]
    assert command_line.main(words) == 0, capsys.readouterr().err
    config, options, path, resume = session[0]
    assert options.resume_from == "demo:stylegan2" and resume is None and config.ema.ramp is None
    assert "weights from demo:stylegan2" in (path / "log.txt").read_text()


# -- several processes ------------------------------------------------------------------------------------------------

def test_the_status_of_a_failed_process_ends_the_others():
    code = "import os, sys, time; time.sleep(0) if os.environ['RANK'] == '1' else time.sleep(600); sys.exit(3)"
    assert launch.launch([sys.executable, "-c", code], 2) == 3


def test_a_signal_is_passed_on(tmp_path):
    child = (f"import os, pathlib, signal, sys, time; here = pathlib.Path({str(tmp_path)!r}, os.environ['RANK'])\n"
             "def end(*_): here.with_suffix('.done').touch(); sys.exit(0)\n"
             "signal.signal(signal.SIGTERM, end); here.touch(); time.sleep(600)")
    parent = f"import sys; from train.launch import launch; sys.exit(launch([sys.executable, '-c', {child!r}], 2))"
    run = subprocess.Popen([sys.executable, "-c", parent], cwd=ROOT)
    try:
        while len(list(tmp_path.iterdir())) < 2:
            assert run.poll() is None
            time.sleep(0.05)
        run.send_signal(signal.SIGTERM)
        assert run.wait(60) == 0
    finally:
        run.kill()
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "0.done", "1.done"}


def test_torchrun_and_gpus_disagree(capsys, small_set, monkeypatch, no_estimate):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert "--gpus is 2, but torchrun started 4" in run_refusal(capsys, small_set, "--gpus", 2)


@pytest.mark.slow                        # two more processes that import torch
def test_what_ends_the_first_process_ends_all(tmp_path):
    done = subprocess.run([sys.executable, "-m", "train", "run", "--gpus", "2", "--device", "cpu", "--outdir",
                           str(tmp_path / "runs"), "--data", str(tmp_path / "nowhere")], cwd=ROOT, capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "is not there" in done.stderr


def test_help_names_every_option(capsys):
    with pytest.raises(SystemExit):
        command_line.main(["run", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert all(f"--{name}" in text for name in BY_NAME)
