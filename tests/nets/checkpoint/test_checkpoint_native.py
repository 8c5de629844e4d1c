"""The project's own files: what is written, what any safetensors library makes of it, and that writing is atomic."""
import json
import os

import pytest
import safetensors
import safetensors.torch
import torch
from checkpoint_files import dump_tf, random_network, tf_generator, tf_variables

from nets.checkpoint import NetworkRecord, open_checkpoint, save_native
from nets.config import (
    CONFIGS,
    DiscriminatorConfig,
    MappingConfig,
    StyleGAN1Config,
    StyleGAN1DiscriminatorConfig,
    StyleGAN2Config,
    StyleGAN3Config,
)
from nets.demos import DEMOS, NOTE
from nets.errors import CheckpointError
from nets.plan import plan

WIDTHS = {"channel_base": 64, "channel_max": 6}
SIZES = {"z_dim": 5, "w_dim": 7, **WIDTHS}
EXAMPLES = {
    "stylegan1": StyleGAN1Config(8, **SIZES, lod=0.5, c_dim=2),
    "stylegan2": StyleGAN2Config(8, **SIZES, conv_clamp=0.1, channels=(5, 4), scaled_weights=True),
    "stylegan3": StyleGAN3Config(16, **SIZES, num_layers=4, layers=plan(StyleGAN3Config(16, **SIZES, num_layers=4))),
    "discriminator": DiscriminatorConfig(8, **WIDTHS, c_dim=2, mbstd_group_size=None, mapping=MappingConfig(2)),
    "stylegan1-discriminator": StyleGAN1DiscriminatorConfig(8, **WIDTHS),
}


@pytest.mark.parametrize("family", CONFIGS)
def test_every_family_comes_back(tmp_path, family):
    network, path = random_network(EXAMPLES[family]), tmp_path / "network.safetensors"
    name = "D" if "discriminator" in family else "G_ema"
    save_native(path, {name: network}, {"kimg": 12.5, "dataset": "ψ"})
    checkpoint = open_checkpoint(str(path))
    assert checkpoint.summary == {"kimg": 12.5, "dataset": "ψ"} and checkpoint.format == "safetensors"
    assert checkpoint.networks[name].config == EXAMPLES[family]
    built = checkpoint.build(name)
    checkpoint.close()
    assert type(built) is type(network)
    for key, value in network.state_dict().items():
        assert torch.equal(built.state_dict()[key], value)


def test_any_safetensors_library_reads_it(tmp_path):
    path = tmp_path / "a.safetensors"
    g, d = random_network(EXAMPLES["stylegan2"]), random_network(EXAMPLES["discriminator"])
    save_native(path, {"G_ema": g, "D": d})
    tensors = safetensors.torch.load_file(path)
    assert set(tensors) == {f"G_ema.{k}" for k in g.state_dict()} | {f"D.{k}" for k in d.state_dict()}
    assert all(torch.equal(tensors[f"G_ema.{k}"], v) for k, v in g.state_dict().items())
    with safetensors.safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["stylescope"])
    assert about["format_version"] == 1 and about["networks"]["D"]["family"] == "discriminator"
    assert (8 + int.from_bytes(path.read_bytes()[:8], "little")) % 8 == 0


def test_files_have_the_usual_permissions(tmp_path):
    save_native(tmp_path / "a.safetensors", {"D": random_network(EXAMPLES["discriminator"])})
    (tmp_path / "usual").write_bytes(b"")
    assert oct((tmp_path / "a.safetensors").stat().st_mode) == oct((tmp_path / "usual").stat().st_mode)


def test_records_are_written_without_building_them(tmp_path):
    """`convert`: converted, half-precision and strided sources go straight to the file."""
    g = random_network(EXAMPLES["stylegan1"])
    source, path = tmp_path / "tf.pkl", tmp_path / "copy.safetensors"
    source.write_bytes(dump_tf(tf_generator({"lod": 0.5, **tf_variables(g)},
                                            {"fmap_base": 32, "fmap_max": 6, "label_size": 2, "latent_size": 5})))
    original = open_checkpoint(str(source))
    save_native(path, original.networks)
    copy = open_checkpoint(str(path))
    assert copy.networks["G_ema"].kwargs == original.networks["G_ema"].kwargs
    assert copy.networks["G_ema"].config == original.networks["G_ema"].config == EXAMPLES["stylegan1"]
    for key, value in original.build().state_dict().items():
        assert torch.equal(copy.build().state_dict()[key], value)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    g, path = random_network(EXAMPLES["stylegan2"]), tmp_path / "network.safetensors"
    save_native(path, {"G_ema": g})
    before = path.read_bytes()
    record = NetworkRecord.of(g)

    class Broken:
        shape, dtype = record.tensors["mapping.w_avg"].shape, torch.float32

        def load(self):
            raise OSError(28, "No space left on device")
    broken = NetworkRecord(record.config, {}, {**record.tensors, "mapping.w_avg": Broken()})
    with pytest.raises(CheckpointError, match="can't be written .No space left"):
        save_native(path, {"G_ema": broken})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["network.safetensors"]
    with pytest.raises(CheckpointError, match="can't be written"):
        save_native(tmp_path / "absent" / "x.safetensors", {"G_ema": g})
    misfit = NetworkRecord(record.config, {}, {k: v for k, v in record.tensors.items() if k != "mapping.w_avg"})
    with pytest.raises(CheckpointError, match="lacks 1 of its network's tensors"):
        save_native(path, {"G_ema": misfit})
    assert path.read_bytes() == before


def test_a_header_that_begins_like_something_else(tmp_path):
    """The first bytes are a length: 0x3c20 is also ' <', as of a web page."""
    path = tmp_path / "network.safetensors"
    save_native(path, {"D": random_network(EXAMPLES["discriminator"])})
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    padded = (0x3c20).to_bytes(8, "little") + data[8:8 + length].ljust(0x3c20) + data[8 + length:]
    path.write_bytes(padded)
    assert padded.lstrip()[:1] == b"<" and open_checkpoint(str(path)).build("D")


def test_demos(tmp_path):
    for name, config in DEMOS.items():
        checkpoint = open_checkpoint(f"demo:{name}")
        assert (checkpoint.format, checkpoint.default_generator, checkpoint.notes) == ("demo", "G_ema", (NOTE,))
        assert checkpoint.networks["G_ema"].config == config
    first, second = checkpoint.build(), checkpoint.build()
    first.mapping.w_avg += 1
    assert not torch.equal(first.mapping.w_avg, second.mapping.w_avg)               # each build owns its weights
    with pytest.raises(CheckpointError, match="has no network D; it has G_ema"):
        checkpoint.build("D")
