"""Weights from checkpoints: what fits is copied bit for bit, what does not is listed with the reason."""
from __future__ import annotations

import copy
import dataclasses

import pytest
import torch

from nets.build import build
from nets.checkpoint import open_checkpoint, save_native
from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN2Config
from nets.errors import UserError
from train.presets import Data, preset
from train.transfer import foresee, transfer

MAPPING = MappingConfig(num_layers=2)
GENERATOR = StyleGAN2Config(16, z_dim=8, w_dim=8, channel_base=64, channel_max=8, mapping=MAPPING)
DISCRIMINATOR = DiscriminatorConfig(16, channel_base=64, channel_max=8, mapping=MAPPING)


def networks(seed: int, generator=GENERATOR, discriminator=DISCRIMINATOR) -> dict[str, torch.nn.Module]:
    """G, D and an average of G that differs from it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {"G": build(generator), "G_ema": build(generator), "D": build(discriminator)}


@pytest.fixture
def file(tmp_path):
    def saved(names=("G_ema", "G", "D"), **kinds) -> str:
        made = networks(1, **kinds)
        save_native(tmp_path / "net.safetensors", {name: made[name] for name in names})
        return str(tmp_path / "net.safetensors")
    return saved


def check_equal(network: torch.nn.Module, other: torch.nn.Module) -> None:
    for name, tensor in other.state_dict().items():
        assert network.state_dict()[name].equal(tensor), name


def test_everything_fits(file):
    ours, theirs = networks(0), networks(1)
    report = transfer(ours, file())
    for name in ours:
        check_equal(ours[name], theirs[name])
    assert {part.network: part.source for part in report.parts} == {"G": "G", "G_ema": "G_ema", "D": "D"}
    assert all(not part.left for part in report.parts) and not report.notes
    assert str(report).count("all that it has") == 3
    assert all(parameter.requires_grad for parameter in ours["G"].parameters())


def test_a_file_with_the_average_alone(file):
    ours = networks(0)
    before = copy.deepcopy(ours["D"])
    report = transfer(ours, file(["G_ema"]))
    theirs = networks(1)["G_ema"]
    check_equal(ours["G"], theirs)
    check_equal(ours["G_ema"], theirs)
    check_equal(ours["D"], before)
    assert "D begins anew: the file has none" in str(report)


def test_what_does_not_fit_is_listed_and_left_as_it_was(file):
    """A network twice as large, with labels: its highest block and its labels are new."""
    ours = networks(0, dataclasses.replace(GENERATOR, resolution=32, c_dim=3),
                    dataclasses.replace(DISCRIMINATOR, resolution=32))
    before = copy.deepcopy(ours["G"]).state_dict()
    report = transfer(ours, file())
    part = next(part for part in report.parts if part.network == "G")
    theirs, after = networks(1)["G"].state_dict(), ours["G"].state_dict()
    expected = {name for name in after if name in theirs or not name.endswith("resample_filter")}    # else: computed
    assert set(part.copied) | {line.split(":")[0] for line in part.left} == expected
    for name, tensor in after.items():
        assert tensor.equal(theirs[name] if name in part.copied else before[name]), name
    assert "mapping.fc0.weight: [8, 8] in the file against [8, 16]" in part.left
    assert "mapping.embed.weight: missing in the file" in part.left
    assert any(name.startswith("synthesis.b16.") for name in part.copied)
    assert str(report).count("\n") < 10 and f"and {len(part.left) - 3} more" in str(report)
    assert all(line in report.full() for line in part.left)


def test_what_only_the_file_has(file):
    report = transfer(networks(0, dataclasses.replace(GENERATOR, mapping=MappingConfig(num_layers=1))), file())
    assert "mapping.fc1.weight: not in this network" in report.parts[0].left


@pytest.mark.parametrize("source", ["sg2_skip.snapshot.pkl", "sg2_resnet_cond.snapshot.pkl", "sg3_t.snapshot.pkl",
                                    "sg2tf_f.nosrc.pkl", "sg1_a.nosrc.pkl"])
def test_recorded_checkpoints(source, reference_file):
    """Every readable format: networks of the file's own configuration take all of it."""
    path = str(reference_file(source))
    with open_checkpoint(path) as checkpoint:
        ours = {name: build(record.config) for name, record in checkpoint.networks.items()}
        report = transfer(ours, path)
        assert not any(line for part in report.parts for line in part.left if "not in this" not in line)
        for name in ours:
            built = checkpoint.build(name).state_dict()
            assert all(ours[name].state_dict()[key].equal(value) for key, value in built.items())


def test_frozen_layers_take_the_files_weights(file):
    ours = networks(0, discriminator=dataclasses.replace(DISCRIMINATOR, freeze_layers=3))
    transfer(ours, file())
    check_equal(ours["D"], networks(1)["D"])


def test_foreseen_as_it_happens(file):
    config = preset("stylegan2", Data((16, 16)))
    config = dataclasses.replace(config, generator=dataclasses.replace(GENERATOR, channel_max=4),
                                 discriminator=dataclasses.replace(DISCRIMINATOR, channel_max=4))
    source, before = file(), torch.get_rng_state()
    foreseen = foresee(config, source)
    assert torch.get_rng_state().equal(before)
    ours = networks(0, config.generator, config.discriminator)
    done = transfer({name: ours[name] for name in ("G", "D")}, source)
    assert foreseen == done and done.parts[0].left


@pytest.mark.parametrize("source, message", [
    ("demo:stylegan3-t", "its generator is stylegan3, this run trains stylegan2, so nothing would fit; choose a --cfg"),
    ("demo:nothing", "is no demo of this program"), ("nowhere.pkl", "does not exist")])
def test_refusals(source, message):
    with pytest.raises(UserError, match=message) as error:
        transfer(networks(0), source)
    assert "\n" not in str(error.value)


def test_a_file_without_a_generator(file):
    with pytest.raises(UserError, match="has no generator"):
        transfer(networks(0), file(["D"]))


def test_nothing_of_the_family_fits(file):
    wide = dataclasses.replace(GENERATOR, z_dim=5, w_dim=5, channel_base=48, channel_max=3)
    with pytest.raises(UserError, match="no weight of its G fits"):
        transfer(networks(0, wide), file())
