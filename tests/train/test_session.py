"""Whole runs, tiny: what stands in their folder, how they go on, and what they do when something goes wrong."""
from __future__ import annotations

import dataclasses
import json
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_training import assert_equal, png, tiny_run

import visualizer
from nets.checkpoint import open_checkpoint
from nets.errors import UserError
from train import records, session
from train.config import Growing, to_json
from train.folder import RunFolder
from train.presets import PRESETS
from train.settings import RunOptions
from train.state import newest_state
from train.writing import Entry, write_set


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> str:
    """20 of 16 x 16, in three classes."""
    path = tmp_path_factory.mktemp("set") / "set.zip"
    write_set(path, [Entry(f"{i:02d}.png", png(i), i % 3) for i in range(20)])
    return str(path)


def options_for(data: str, outdir, **changes) -> RunOptions:
    """Ticks of 16 images, a snapshot every second one, small grids, nothing measured."""
    defaults = {"tick": 0.016, "snap": 2, "workers": 0, "device": "cpu", "metrics": (), "grid": (2, 2)}
    return RunOptions(str(outdir), data, "stylegan2", **defaults | changes)


def run_to(kimg: float, config, options: RunOptions, folder: RunFolder | None = None) -> RunFolder:
    """The folder of a run that was carried out, or on, to `kimg`."""
    config = dataclasses.replace(config, kimg=kimg)
    resume = folder and newest_state(folder.path)
    folder = (RunFolder.open(folder.path, quiet=True) if folder else
              RunFolder.create(options.outdir, "test", {"train": to_json(config)}, quiet=True))
    with folder:
        session.run(config, options, folder, resume)
    return folder


def stats(folder: RunFolder) -> list[dict]:
    return [json.loads(line) for line in (folder.path / "stats.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_from_start_to_end_and_again_in_two_parts(name, pictures, tmp_path, capsys):
    """32 images in one run are the same, bit for bit, as 24 and then the rest; the snapshot is a checkpoint."""
    config = tiny_run(name)
    if config.growing:
        config = dataclasses.replace(config, growing=Growing(8, 0.008, 0.016, ((8, 8),)))
    whole = run_to(0.032, config, options_for(pictures, tmp_path / "whole"))
    parts = run_to(0.024, config, options_for(pictures, tmp_path / "parts"))
    run_to(0.032, config, options_for(pictures, tmp_path / "parts"), parts)
    assert_equal(newest_state(whole.path).state, newest_state(parts.path).state)

    for before, line in zip(stats(parts), stats(parts)[1:]):
        seconds, images = line["elapsed"] - before["elapsed"], line["images"] - before["images"]
        assert line["img_per_s"] == pytest.approx(images / seconds)
    lines = stats(whole)
    assert [line["images"] for line in lines] == [0, 16, 32]
    assert all(np.isfinite(line["G.loss"]) and line["nonfinite"] == 0 for line in lines[1:])
    first, last = (open_checkpoint(str(path)) for path in (whole.snapshots()[0], whole.snapshots()[-1]))
    moved = [not torch.equal(a.load(), b.load()) for a, b in zip(first.networks["G_ema"].tensors.values(),
                                                                last.networks["G_ema"].tensors.values())]
    assert sum(moved) > len(moved) // 3 and last.networks.keys() == {"G_ema", "G", "D"}

    picture = tmp_path / "a.png"
    for words in ["info", str(whole.snapshots()[-1])], ["render", str(whole.snapshots()[-1]), "-o", str(picture)]:
        assert visualizer.main(words) == 0, capsys.readouterr().err
    assert Image.open(picture).size == (16, 16) and "image 16x16" in capsys.readouterr().out


def test_a_snapshot_of_growing_networks_shows_the_level_of_detail_they_have_come_to(pictures, tmp_path):
    config = tiny_run("stylegan1", growing=Growing(8, 0.008, 0.016, ((8, 8),)))
    folder = run_to(0.016, config, options_for(pictures, tmp_path))
    with open_checkpoint(str(folder.snapshots()[-1])) as checkpoint:
        assert {record.config.lod for record in checkpoint.networks.values()} == {config.at(0.016).lod} == {0.5}


# -- asked from outside -----------------------------------------------------------------------------------------------

def status(folder: RunFolder) -> dict:
    return json.loads((folder.path / "status.json").read_text())


def wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


def begin(config, options: RunOptions) -> tuple[RunFolder, threading.Thread]:
    """A run of its own thread."""
    folder = RunFolder.create(options.outdir, "test", {"train": to_json(config)}, quiet=True)

    def go():
        with folder:
            session.run(config, options, folder)

    thread = threading.Thread(target=go)
    thread.start()
    return folder, thread


def test_a_run_pauses_goes_on_and_stops_as_files_in_its_folder_ask(pictures, tmp_path):
    folder, thread = begin(tiny_run("stylegan2", kimg=1000), options_for(pictures, tmp_path, tick=1))
    wait_for(lambda: status(folder)["images"] > 8)
    (folder.path / "pause").touch()
    wait_for(lambda: status(folder)["state"] == "paused")
    paused = newest_state(folder.path).images_shown
    assert paused == status(folder)["images"] and folder.snapshots()[-1].name == f"snapshot-{paused:012d}.safetensors"
    (folder.path / "pause").unlink()
    wait_for(lambda: status(folder)["images"] > paused)
    (folder.path / "stop").touch()
    thread.join(60)
    state = newest_state(folder.path)
    assert status(folder)["state"] == "stopped" and state.images_shown == status(folder)["images"] > paused
    assert not list(folder.path.glob("stop")) and str(folder.path) in (folder.path / "log.txt").read_text()


def test_a_stop_while_paused_ends_the_run(pictures, tmp_path):
    folder, thread = begin(tiny_run("stylegan2", kimg=1000), options_for(pictures, tmp_path, tick=1))
    (folder.path / "pause").touch()
    wait_for(lambda: status(folder)["state"] == "paused")
    (folder.path / "stop").touch()
    thread.join(60)
    assert not thread.is_alive() and status(folder)["state"] == "stopped"


# -- what goes wrong --------------------------------------------------------------------------------------------------

def log(folder: RunFolder) -> str:
    return (folder.path / "log.txt").read_text()


def test_a_picture_that_cannot_be_read_gives_way_to_the_next_and_is_named_once(pictures, tmp_path):
    path = tmp_path / "set"
    write_set(path, [Entry(f"{i}.png", png(i) if i != 2 else png(i)[:90]) for i in range(5)])
    folder = run_to(0.032, tiny_run("stylegan2"), options_for(str(path), tmp_path))
    assert log(folder).count("2.png") == 1 and "takes its place" in log(folder)
    assert newest_state(folder.path).images_shown == 32


def test_a_disk_that_is_full_for_a_while_costs_no_run(pictures, tmp_path, monkeypatch):
    full, save = [True, True], records.save_state

    def refuse(*args):
        if full and args[1] == 32:
            full.pop()
            raise UserError("state: can't be written (No space left on device)")
        return save(*args)

    monkeypatch.setattr(records, "save_state", refuse)
    folder = run_to(0.064, tiny_run("stylegan2"), options_for(pictures, tmp_path))
    assert log(folder).count("No space left on device") == 1 and len(full) == 1
    assert newest_state(folder.path).images_shown == 64 and len(list(folder.path.glob("state-*048*"))) == 1


def test_a_run_that_cannot_save_its_end_says_so(pictures, tmp_path, monkeypatch):
    def refuse(*args):
        raise UserError("state: can't be written (No space left on device)")
    folder = run_to(0.016, tiny_run("stylegan2"), options_for(pictures, tmp_path))
    monkeypatch.setattr(records, "save_state", refuse)
    with pytest.raises(UserError, match="No space left"):
        run_to(0.032, tiny_run("stylegan2"), options_for(pictures, tmp_path), folder)
    assert status(folder)["state"] == "failed" and "No space left" in status(folder)["error"]


def test_weights_that_are_not_finite_end_a_run_before_they_are_saved(pictures, tmp_path, monkeypatch):
    step = session.Training.step

    def poisoned(training, *args):
        step(training, *args)
        if training.images == 40:
            training.G.synthesis.b8.conv1.weight.data[0, 0, 0, 0] = float("nan")

    monkeypatch.setattr(session.Training, "step", poisoned)
    with pytest.raises(UserError, match=r"step 6: G.synthesis.b8.conv1.weight holds .* not finite"):
        run_to(0.064, tiny_run("stylegan2"), options_for(pictures, tmp_path))
    folder, = tmp_path.glob("00000-test")
    assert newest_state(folder).images_shown == 32
    assert json.loads((folder / "status.json").read_text())["state"] == "failed"


def test_gradients_that_are_not_finite_are_named_with_step_and_hint_and_end_a_hopeless_run(
        pictures, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "MOST_BAD_STEPS", 5)
    step = session.Training.step

    def poisoned(training, *args):
        step(training, *args)
        training.bad = {"D.b16.conv0.weight": 3, "D.b8.conv0.weight": 1} if training.steps > 1 else {}

    monkeypatch.setattr(session.Training, "step", poisoned)
    with pytest.raises(UserError, match="step 6: gradients of D.b16.conv0.weight .* in 5 steps in a row"):
        run_to(0.064, tiny_run("stylegan2"), options_for(pictures, tmp_path))
    folder, = tmp_path.glob("00000-test")
    text = (folder / "log.txt").read_text()
    assert text.count("3 gradients of D.b16.conv0.weight and of 1 more tensors") == 3 and "--gamma" in text
    last = json.loads((folder / "stats.jsonl").read_text().splitlines()[-1])
    assert (last["images"], last["nonfinite"]) == (32, 8)


def test_a_damaged_last_state_costs_an_interval_not_the_run(pictures, tmp_path):
    config, options = tiny_run("stylegan2"), options_for(pictures, tmp_path / "damaged")
    folder = run_to(0.032, config, options)
    run_to(0.064, config, options, folder)
    newest = newest_state(folder.path).path
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    run_to(0.064, config, options, folder)
    assert "damaged" in log(folder) and [line["images"] for line in stats(folder)] == [0, 16, 32, 48, 64]
    whole = run_to(0.064, config, options_for(pictures, tmp_path / "whole"))
    assert_equal(newest_state(whole.path).state, newest_state(folder.path).state)
