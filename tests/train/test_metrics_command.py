"""`python -m train metrics`: what it prints and writes, and its errors of one line."""
from __future__ import annotations

import argparse
import io
import json
import sys
import time

import pytest
from stand_in_detectors import save_detectors
from tiny_networks import tiny

from nets.checkpoint import save_native
from nets.errors import UserError
from train.demo import write_demo
from train.metrics.names import KINDS
from train.metrics_command import _bar, add_options, run


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with a data set, a conditional network and both detectors."""
    folder = tmp_path_factory.mktemp("files")
    write_demo(folder / "demo.zip", 12, 16)
    save_native(folder / "g.safetensors", {"G_ema": tiny("sg2-conditional", c_dim=4),
                                           "G": tiny("sg2-conditional", c_dim=4, seed=1)})
    save_detectors(folder)
    return folder


@pytest.fixture
def command(files, monkeypatch, tmp_path, capsys):
    """`command('--json', ..)`: what is printed; the network, the CPU, 12 images and a cache of its own are given."""
    monkeypatch.setattr("train.metrics.reals.cache_folder", lambda: tmp_path / "statistics")
    monkeypatch.setattr("train.metrics.detectors.cache_folder", lambda: tmp_path / "detectors")

    def given(*options: str, file: str = "") -> str:
        parser = argparse.ArgumentParser()
        add_options(parser)
        run(parser.parse_args([file or str(files / "g.safetensors"), "--images", "12", "--device", "cpu",
                               "--workers", "0", *options]))
        return capsys.readouterr().out
    return given


def test_the_default_needs_a_set_and_no_detector(command, files):
    lines = command("--data", str(files / "demo.zip")).splitlines()
    assert [line.split()[0] for line in lines[:-1]] == ["swd_12", "swd_12.16", "spectrum_12"]
    assert lines[-1] == "(swd_12: 12 generated; spectrum_12: 12 generated; data set: 12 pictures)"
    with pytest.raises(UserError, match="swd compares with a data set; name it: --data"):
        command()


def test_results_are_printed_and_written_as_json(command, files, tmp_path):
    out = tmp_path / "found.json"
    options = "--data", str(files / "demo.zip"), "--detector", str(files), "--metrics", "fid50k_full,is50k"
    found = json.loads(command(*options, "--json", "-o", str(out)))
    assert found == json.loads(out.read_text()) and found["network"] == "G_ema"
    assert list(found["metrics"]) == ["fid12_full", "is12", "is12.std"]
    other = json.loads(command(*options, "--json", "--network", "G"))
    assert other["network"] == "G" and other["metrics"]["fid12_full"] != found["metrics"]["fid12_full"]
    assert f"{found['metrics']['fid12_full']:.6g}" in command(*options)


def test_every_backend_gives_the_same_but_for_rounding(command, files):
    found = [json.loads(command("--data", str(files / "demo.zip"), "--metrics", "spectrum", "--json", "--backend",
                                backend))["metrics"]["spectrum_12"] for backend in ("auto", "reference")]
    assert found[0] == pytest.approx(found[1], rel=1e-3)     # pixels that round to the other side of a whole number


def test_without_a_set_classes_are_alike_and_that_is_said(command, files):
    assert "all 4 classes alike" in command("--metrics", "is50k", "--detector", str(files))


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.detector])
def test_a_missing_detector_is_named_before_the_set_is_read(command, files, name):
    with pytest.raises(UserError, match="is not there, and the metric needs .*pt, .*published with.*--detector PATH"):
        command("--metrics", name, "--data", str(files / "demo.zip"))


@pytest.mark.parametrize("options, said", [
    (["--metrics", "fid"], "no metric 'fid'"),
    (["--metrics", ","], "no metric is named"),
    (["--metrics", "swd", "--data", "nowhere"], "nowhere: is not there"),
    (["--batch", "0", "--data", "nowhere"], "batch is 0"),
    (["--workers", "-1"], "workers is -1"),
    (["--metrics", "eqr50k"], "no input transform"),
    (["-o", "nowhere/found.json"], "nowhere/found.json: its folder does not exist"),
])
def test_errors_are_one_line(command, options, said):
    with pytest.raises(UserError, match=said) as error:
        command(*options)
    assert "\n" not in str(error.value)


def test_a_file_without_that_generator_is_refused(command, tmp_path, files):
    path = tmp_path / "only.safetensors"
    save_native(path, {"G": tiny("sg2-skip")})
    with pytest.raises(UserError, match="has no generator G_ema; it has G"):
        command("--network", "G_ema", "--data", str(files / "demo.zip"), file=str(path))


def test_the_bar_begins_anew_with_other_work(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True
    monkeypatch.setattr("sys.stderr", Terminal())
    with _bar() as tell:
        for text in "patches", "image":
            for share in 0.2, 0.9:
                time.sleep(0.12)                         # it is drawn ten times a second at most
                tell(text, share)
        shown = sys.stderr.getvalue()
    assert "patches  90%" in shown and "image  90%" in shown
