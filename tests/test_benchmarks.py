"""The benchmarks stay alive, and their floor is what it says."""
from __future__ import annotations

import json

import pytest
import torch

import benchmarks.networks as networks
import benchmarks.ops as ops
from benchmarks.floor import Rates, largest_shapes
from nets.config import StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.work import Work

SMALL = {"z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 16}
TINY = {"stylegan1-8": StyleGAN1Config(8, **SMALL), "stylegan2-8": StyleGAN2Config(8, **SMALL),
        "stylegan3-t-16": StyleGAN3Config(16, num_layers=6, **SMALL)}
CPU = torch.device("cpu")


def test_the_largest_convolutions_are_tried():
    work = [Work(name, conv, 0, 0, torch.float32, (1, size, size, 3, 4, 4) if size else None)
            for name, conv, size in (("a", 1.0, 1), ("b", 9.0, 2), ("c", 5.0, 1), ("dense", 99.0, 0), ("d", 5.0, 1))]
    assert largest_shapes(work) == [(1, 1, 1, 3, 4, 4), (1, 2, 2, 3, 4, 4)]


def test_the_floor_is_the_longer_of_arithmetic_and_traffic():
    work = [Work("a", 6e9, 4e9, 1e6, torch.float32, (1, 4, 4, 3, 8, 8)), Work("b", 1e3, 0, 5e9, torch.float32)]
    rates = Rates(work, CPU, matrix=32, copied=1024)
    for _ in range(3):
        rates.measure()
    rate, least, most, name = rates.arithmetic(torch.float32)
    assert least <= rate <= most and name in ("float32 matmul 32", "float32 conv 4-4 3x3 at 8x8")
    assert rates.floor(work) == pytest.approx(10e9 / rate + 5e9 / rates.bandwidth)


@pytest.mark.parametrize("backend", ["auto", "reference"])
@pytest.mark.parametrize("name", [*TINY, "stylegan2-8-train", "stylegan3-t-16-train"])
def test_networks_run(name, backend, monkeypatch):
    table = networks.TRAINING if name.endswith("-train") else networks.NETWORKS
    monkeypatch.setitem(table, name, TINY[name.removesuffix("-train")])
    monkeypatch.setattr(networks, "peak_bytes", lambda *given: 3 * 2 ** 20)      # another process knows no tiny ones
    row = networks.measure(name, "fp32", backend, CPU, 2, matrix=32, copied=1024)
    assert row.backend == "reference" if backend == "reference" else "cpu" in row.backend or "reference" in row.backend
    assert 0 < row.floor_seconds and row.ratio == pytest.approx(row.seconds / row.floor_seconds)
    assert set(row.as_json()) == {"network", "precision", "backend", "seconds", "floor_seconds", "ratio",
                                  "reference_seconds"}
    assert row.as_text().startswith(name)


def test_peak_memory_holds_what_a_run_takes(monkeypatch):
    """64 MiB written and let go, to within what the system counts late: proc(5)."""
    taking = networks.Case(lambda size: torch.ones(int(size)).sum(), lambda: torch.tensor(2 ** 24), [])
    monkeypatch.setattr(networks, "case", lambda *given: taking)
    peak = networks._peak("", "fp32", "reference", CPU, torch.get_num_threads())
    assert peak is None or 62 * 2 ** 20 <= peak < 80 * 2 ** 20


def test_networks_as_json(monkeypatch, capsys):
    monkeypatch.setitem(networks.NETWORKS, "stylegan2-8", TINY["stylegan2-8"])
    monkeypatch.setattr(networks, "peak_bytes", lambda *given: None)
    networks.main(["--networks", "stylegan2-8", "--json", "--runs", "1", "--threads", "1", "--precision", "bf16"])
    row, = json.loads(capsys.readouterr().out)
    assert row["network"] == "stylegan2-8" and row["precision"] == "bf16" and row["seconds"] > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_ops_run(precision):
    rows = ops.block_rows(CPU, base=512) + ops.stylegan3_rows(CPU, resolution=16, channels=8)
    assert {row.op for row in rows} >= {"bias_act", "filter2d", "filtered_lrelu", "modulated_conv2d",
                                        "style_epilogue"}
    for row in rows:
        result, rates = ops.measure(row, precision, "auto", CPU, 1, matrix=32, copied=1024)
        assert result.seconds > 0 and result.ratio > 0 and result.reference_seconds > 0 and "GFLOP/s" in rates


def test_ops_as_json(monkeypatch, capsys):
    monkeypatch.setattr(ops, "block_rows", lambda device: [ops._bias_act("small", (1, 4, 8, 8), device)])
    monkeypatch.setattr(ops, "stylegan3_rows", lambda device: [])
    ops.main(["--json", "--runs", "1", "--threads", "1", "--ops", "bias_act"])
    row, = json.loads(capsys.readouterr().out)
    assert row["op"] == "bias_act" and row["floor_seconds"] > 0
    with pytest.raises(SystemExit):
        ops.main(["--ops", "nothing"])
