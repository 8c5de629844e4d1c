"""The memory estimate against the same pass on real tensors, and what it makes of a machine's free memory."""
from __future__ import annotations

import dataclasses

import pytest
import torch

from cuda_ops import dispatch
from nets.build import build
from nets.errors import UserError
from train import memory
from train.config import Augmentation
from train.memory import Needs, Peak, between, fitted, in_words, needs, phases
from train.presets import Data, preset
from train.summary import count_parameters


def small(name: str, resolution: int = 16, batch_gpu: int = 4, **changes):
    config = preset(name, Data((resolution, resolution)), 1, 16)
    few = {"channel_base": 128, "channel_max": 8}
    return dataclasses.replace(config, generator=dataclasses.replace(config.generator, **few),
                               discriminator=dataclasses.replace(config.discriminator, **few), batch_gpu=batch_gpu,
                               **{"augmentation": Augmentation()} | changes)


def measured(config, backend: str = "reference") -> dict[str, int]:
    """Peaks of the phases on real tensors, on the CPU."""
    torch.manual_seed(0)
    G, D = (build(network).train() for network in (config.generator, config.discriminator))
    found = {}
    for name, phase in phases(config, G, D).items():
        for p in (*G.parameters(), *D.parameters()):
            p.grad = torch.zeros_like(p)
        with dispatch.use(backend), Peak() as peak:
            phase()
        found[name] = peak.bytes
    return found


# -- counting ---------------------------------------------------------------------------------------------------------

def test_the_peak_is_of_what_lives_at_once():
    def work():
        x = torch.ones(1000)             # 4000 bytes
        y = x + 1                        # 8000
        del x
        z = y * 2                        # 8000 again
        z.view(10, 100).add_(1)          # none of its own
        return z
    with Peak() as peak:
        work()
    assert peak.bytes == 8000


def test_graphs_are_counted_until_they_are_gone():
    x = torch.ones(1000, requires_grad=True)
    with Peak() as peak:
        y = (x.exp().exp().exp()).sum()  # keeps three results of 4000 bytes
        y.backward()
    assert 4 * 3000 < peak.bytes <= 4 * 6000


# -- the estimate -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["stylegan2", "stylegan1", pytest.param("stylegan3-t", marks=pytest.mark.slow)])
def test_without_content_as_with(name):
    """The same ops, the same storages, but for copies of a batch of pictures that ops take of real tensors alone."""
    config = small(name, 32 if "3" in name else 16)
    batch = 4 * config.batch_gpu * 3 * config.generator.resolution ** 2
    expected, found = measured(config), needs(config, is_fused=False).phases
    assert expected.keys() == found.keys()
    for phase, size in expected.items():
        assert found[phase] == pytest.approx(size, rel=0.01, abs=batch), phase


@pytest.mark.slow
def test_with_augmentation_and_blur():
    """More than without, and as on real tensors: what the margins are depends on the same numbers."""
    config = small("stylegan2", augmentation=Augmentation("ada", "bgcfnc"), blur=True, g_reg_interval=None)
    expected, found = measured(config), needs(config).phases
    assert found["D main"] == pytest.approx(expected["D main"], rel=0.02)
    assert found["D main"] > needs(small("stylegan2", g_reg_interval=None)).phases["D main"]


@pytest.mark.slow
def test_between_two_sizes_lies_the_chord():
    """It is no less than what is found there, and at most a tenth more."""
    config = small("stylegan2", g_reg_interval=None)
    at = {size: needs(dataclasses.replace(config, batch_gpu=size)) for size in (2, 8, 16)}
    chord = between(8, 2, at[2], 16, at[16])
    for phase, size in at[8].phases.items():
        assert 0.999 * size <= chord.phases[phase] <= 1.1 * size


def test_networks():
    """G, D, the average; gradients and two moments for each of G and D; the share of the minibatch."""
    config = small("stylegan2")
    G, D = (sum(tensor.numel() for tensor in build(network).state_dict().values())
            for network in (config.generator, config.discriminator))
    learned = sum(map(count_parameters, (config.generator, config.discriminator)))
    before = torch.get_rng_state()
    assert needs(config).networks == 4 * (2 * G + D + 3 * learned) + 16 * 3 * 16 * 16 * 5
    assert torch.get_rng_state().equal(before)


@pytest.mark.slow
def test_the_share_that_fused_activations_take():
    """FUSED is a bound from above, by less than half."""
    config = small("stylegan3-r", 32)
    config = dataclasses.replace(config, generator=dataclasses.replace(config.generator, channel_base=512))
    share = measured(config, "cpu")["G main"] / measured(config)["G main"]
    assert memory.FUSED / 2 < share <= memory.FUSED


# -- what is free -----------------------------------------------------------------------------------------------------

@pytest.fixture
def linear(monkeypatch):
    """Stands in for the measurement: 1 GB and 1 GB a sample."""
    monkeypatch.setattr(memory, "_networks", lambda config, precision: (None, None))
    monkeypatch.setattr(memory, "_needs", lambda config, G, D, is_fused: Needs(
        1 << 30, {"G main": round(config.batch_gpu * 2 ** 30 / memory.LOOSE)}))


def gigabytes(count: float) -> int:
    return round(count * 2 ** 30) + memory.RESERVE + 16


@pytest.mark.parametrize("free, batch_gpu", [(17, 16), (16.9, 8), (9, 8), (8.9, 4), (3, 2), (2, 1)])
def test_the_largest_micro_batch_that_fits(linear, free, batch_gpu):
    config, need = fitted(small("stylegan2", batch_gpu=16), gigabytes(free), is_chosen=False)
    assert config.batch_gpu == batch_gpu and need.total <= gigabytes(free)


def test_memory_that_is_not_known(linear):
    assert fitted(small("stylegan2", batch_gpu=16), None, is_chosen=False)[0].batch_gpu == 16


@pytest.mark.parametrize("free, says", [
    (10, "a micro-batch of 16 needs 17.5 GB of memory, 10.5 GB are free; choose --batch-gpu 8"),
    (1, "not even the smallest micro-batch fits")])
def test_one_that_was_chosen_is_kept_or_refused(linear, free, says):
    with pytest.raises(UserError, match=says) as error:
        fitted(small("stylegan2", batch_gpu=16), gigabytes(free), is_chosen=True)
    assert "\n" not in str(error.value)


def test_the_machine(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal:  100 kB\nMemAvailable:   64 kB\n")
    assert memory._machine(str(tmp_path / "meminfo")) == 64 << 10
    assert memory._machine(str(tmp_path / "nothing")) is None


@pytest.mark.parametrize("files, left", [
    ({"memory.max": "1000\n", "memory.current": "700", "memory.stat": "anon 5\ninactive_file 100\n"}, 400),
    ({"memory.max": "max\n", "memory.current": "700", "memory.stat": ""}, None),
    ({"memory/memory.limit_in_bytes": "1000", "memory/memory.usage_in_bytes": "700",
      "memory/memory.stat": "total_inactive_file 50"}, 350),
    ({}, None)], ids=["version 2", "no limit", "version 1", "none"])
def test_the_container(files, left, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory._container(str(tmp_path)) == left


def test_words():
    assert [in_words(count) for count in (1 << 20, 1 << 29, 3 << 30)] == ["1 MB", "0.5 GB", "3.0 GB"]
