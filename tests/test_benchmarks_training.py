"""The benchmark of training steps stays alive, and its images per second are what it says."""
from __future__ import annotations

import json

import pytest
import torch

import benchmarks.training as training
from benchmarks.training import PHASES, Row, configuration
from train.presets import PRESETS

CPU = torch.device("cpu")


def test_lazy_regularizers_count_as_often_as_they_are_run():
    seconds = {"G main": 1.0, "G reg": 4.0, "D main": 2.0, "D reg": 16.0}
    row = Row("x", 8, 4, 1.0, "fp32", "cpu", {"G main": 1, "G reg": 4, "D main": 1, "D reg": 16}, seconds,
              {name: 2 * s for name, s in seconds.items()})
    assert row.images_per_second == 4 / 5 and row.reference_images_per_second == 4 / 10
    assert row.as_text().split() == ["x", "cpu", "1000.0", "4000.0", "2000.0", "16000.0", "0.80", "0.40", "2.00"]


@pytest.mark.parametrize("name", PRESETS)
def test_widths_are_scaled(name):
    full, half = (configuration(name, 64, 8, width) for width in (1, 0.5))
    for network in "generator", "discriminator":
        assert getattr(half, network).channel_max * 2 == getattr(full, network).channel_max
        assert getattr(half, network).channel_base * 2 == getattr(full, network).channel_base
    assert half.batch == 8 and half.loss == full.loss


@pytest.mark.parametrize("name, expected", [
    ("stylegan2", list(PHASES)), ("stylegan1", ["G main", "D main"]), ("stylegan2-d", ["G main", "G reg", "D main",
    "D reg"]), ("stylegan3-r", ["G main", "D main", "D reg"]), ("traditional", ["G main", "D main"])])
def test_phases_of_a_step_run(name, expected):
    row = training.measure(name, 16, 2, 1 / 64, "fp32", "auto", CPU, 1)
    assert list(row.seconds) == list(row.reference_seconds) == expected == list(row.every)
    assert min([*row.seconds.values(), *row.reference_seconds.values()]) > 0
    assert row.every.get("D reg", 16) == 16 and row.every.get("G reg", 4) == 4
    assert set(row.backend.split("+")) <= {"cpu", "reference"}


def test_gradients_are_there_after_a_phase():
    """Backward has been run, for the network that the phase trains."""
    parts = training.phases(configuration("stylegan2", 16, 2, 1 / 64), "fp32", CPU)
    for name, phase in parts.items():
        phase.run()
        G, D = phase.run.args[1]
        trained, other = (G, D) if name.startswith("G") else (D, G)
        assert any(p.grad is not None and p.grad.any() for p in trained.parameters())
        assert all(p.grad is None for p in other.parameters())


def test_training_as_json(capsys):
    training.main(["--presets", "stylegan2", "--resolution", "8", "--batch", "2", "--width", "0.015625", "--runs", "1",
                   "--threads", "1", "--json"])
    row, = json.loads(capsys.readouterr().out)
    assert row["preset"] == "stylegan2" and row["batch"] == 2 and set(row["seconds"]) == set(PHASES)
    assert row["images_per_second"] > 0 and row["reference_images_per_second"] > 0
