"""The benchmarks stay alive, and their floor counts what a hand counts."""
from __future__ import annotations

import json

import pytest
import torch

import benchmarks.networks as networks
import benchmarks.ops as ops
from benchmarks.floor import Rates, Work, count, largest_shapes
from nets.build import build
from nets.config import DiscriminatorConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config
from nets.layers import Conv2d
from nets.plan import plan

SMALL = {"z_dim": 8, "w_dim": 8, "channel_base": 64, "channel_max": 16}
TINY = {"stylegan1-8": StyleGAN1Config(8, **SMALL), "stylegan2-8": StyleGAN2Config(8, **SMALL),
        "stylegan3-t-16": StyleGAN3Config(16, num_layers=6, **SMALL)}
CPU = torch.device("cpu")


def counted(config, num=1) -> dict[str, Work]:
    synthesis = build(config).synthesis
    return {w.name: w for w in count(synthesis, lambda s: s(torch.empty(num, s.num_ws, s.w_dim, device="meta")))}


@pytest.mark.parametrize("num", [1, 3])
def test_stylegan2_by_hand(num):
    """16 channels at 4 x 4, 8 at 8 x 8: 4 + 4 taps a pixel after the transposed convolution of 9 x 9 pixels."""
    work = counted(StyleGAN2Config(8, **SMALL), num)
    assert work["b4.conv1"].conv == num * 2 * 9 * 16 * 16 * 4 * 4
    assert work["b8.conv0"].conv == num * 2 * 9 * 16 * 8 * 4 * 4
    assert work["b8.conv0"].fir == num * 2 * 8 * (4 * 9 * 8 + 4 * 8 * 8)
    assert work["b8.torgb"].conv == num * 2 * 3 * 8 * 8 * 8
    assert work["b8.conv1.affine"].conv == num * 2 * 8 * 8
    assert work["b8.conv1"].bytes == 4 * (2 * num * 8 * 8 * 8 + 9 * 8 * 8) and work["b8.conv1"].fir == 0
    assert largest_shapes(work.values())[0] == (num, 16, 16, 3, 4, 4)
    layers = [w for w in work.values() if w.name.split(".")[-1] in ("conv0", "conv1", "torgb")]
    assert len(layers) == 5


def test_stylegan1_by_hand():
    """Its box of 2 and blur of 3 taps are one filter of 4."""
    work = counted(StyleGAN1Config(8, **SMALL | {"channel_base": 64}))
    assert work["b8.conv0"].conv == 2 * 9 * 16 * 8 * 4 * 4
    assert work["b8.conv0"].fir == 2 * 8 * (4 * 9 * 8 + 4 * 8 * 8)
    assert work["b8.conv1"].conv == 2 * 9 * 8 * 8 * 8 * 8 and work["b8.conv1"].fir == 0
    assert work["b4.conv0"].conv == 0


@pytest.mark.parametrize("radial", [False, True])
def test_stylegan3_by_hand(radial):
    config = StyleGAN3Config(16, num_layers=6, conv_kernel=1 if radial else 3, use_radial_filters=radial, **SMALL)
    work = counted(config)
    g = next(g for g in plan(config) if g.up_factor > 1 and g.down_factor > 1 and g.radial_down == radial)
    k, c, high, out = g.conv_kernel, g.out_channels, g.up_size[0], g.out_size[0]
    wide = g.in_size[0] + k - 1
    up = (g.up_taps // g.up_factor) * (wide * high + high * high)
    down = g.down_taps ** 2 * out * out if radial else g.down_taps * (high * out + out * out)
    assert work[g.name].conv == 2 * g.in_channels * c * k * k * wide * wide
    assert work[g.name].fir == 2 * c * (up + down)


def test_discriminator_by_hand():
    """4 taps along each axis: at the full rate before the 3 x 3 convolution, at the reduced one before the pointwise.
    """
    judge = build(DiscriminatorConfig(8, channel_base=64, channel_max=16))
    work = {w.name: w for w in count(judge, lambda d: d(torch.empty(2, 3, 8, 8, device="meta")))}
    assert work["b8.conv1"].conv == 2 * 2 * 9 * 8 * 16 * 4 * 4
    assert work["b8.conv1"].fir == 2 * 2 * 8 * 4 * (8 * 8 + 8 * 8)
    assert work["b8.skip"].fir == 2 * 2 * 8 * 4 * (8 * 4 + 4 * 4)
    assert work["b8.skip"].conv == 2 * 2 * 8 * 16 * 4 * 4


def test_pointwise_upsampling_by_hand():
    conv = Conv2d(3, 5, 1, up=2)
    work, = count(conv, lambda m: m(torch.empty(1, 3, 4, 6, device="meta")))
    assert work.conv == 2 * 3 * 5 * 4 * 6 and work.fir == 2 * 5 * 2 * (4 * 12 + 8 * 12)


@pytest.mark.parametrize("name, conv, fir", [("stylegan2-256", 30, 0), ("stylegan3-t-256", 463, 13),
                                             ("stylegan3-r-256", 199, 59)])
@pytest.mark.slow
def test_networks_of_the_papers_sizes(name, conv, fir):
    """Published for orientation, without dense layers and Fourier features: within 2 %, or the digits given."""
    work = counted(networks.NETWORKS[name])
    assert sum(w.conv for w in work.values()) / 1e9 == pytest.approx(conv, rel=0.02)
    assert sum(w.fir for w in work.values()) / 1e9 == pytest.approx(fir, abs=1)


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
