"""Hostile and broken files: each ends in one line, within seconds, in bounded memory, and nothing in it runs."""
import builtins
import functools
import io
import json
import operator
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_files import (
    Persistent,
    dump_persistent,
    dump_tf,
    persist,
    random_network,
    tf_generator,
    tf_network,
    tf_variables,
)

from nets.checkpoint import open_checkpoint, save_native
from nets.checkpoint.allowed import resolve
from nets.checkpoint.blob import Blob, Malformed
from nets.checkpoint.reader import Reader
from nets.config import DiscriminatorConfig, MappingConfig, StyleGAN2Config
from nets.errors import CheckpointError

TESTS = Path(__file__).resolve().parents[2]
MEGABYTES, SECONDS = 500, 20             # 20: two cores shared with everything else; alone the slowest takes 2
G2 = StyleGAN2Config(8, z_dim=4, w_dim=5, channel_base=32, channel_max=4, mapping=MappingConfig(num_layers=1))
KWARGS = {"img_resolution": 8, "c_dim": 0, "z_dim": 4, "w_dim": 5, "img_channels": 3, "channel_base": 32,
          "channel_max": 4, "mapping_kwargs": {"num_layers": 1}}


class Calls:
    """Reduces to a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call

    def __call__(self):
        raise AssertionError("pickle only asks whether this can be called")


def snapshot(**changes) -> bytes:
    return dump_persistent({"G_ema": persist(random_network(G2), KWARGS), **changes})


def word(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def global_(module: str, name: str) -> bytes:
    return word(module) + word(name) + b"\x93"


def array(shape: bytes, data: bytes = b"C\x04abcd") -> bytes:
    """NumPy array opcodes: `shape` is a pickled tuple."""
    dtype = (global_("numpy", "dtype") + word("f4") + b"\x89\x88\x87R(K\x03" + word("<")
             + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb")
    return (global_("numpy.core.multiarray", "_reconstruct") + global_("numpy", "ndarray") + b"K\x00\x85C\x01b\x87R"
            + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb")


def rebuilt(storage: bytes, shape: bytes = b"K\x05\x85", stride: bytes = b"K\x01\x85") -> bytes:
    """Opcodes of a tensor whose storage is these bytes."""
    return (global_("torch._utils", "_rebuild_tensor_v2") + b"(" + global_("torch.storage", "_load_from_bytes")
            + b"B" + struct.pack("<I", len(storage)) + storage + b"\x85RK\x00" + shape + stride + b"\x89}tR")


def tensor(shape: bytes, stride: bytes) -> bytes:
    data = io.BytesIO()
    torch.save(torch.zeros(4)._typed_storage(), data, _use_new_zipfile_serialization=False)
    return rebuilt(data.getvalue(), shape, stride)


def with_tensor(opcodes: bytes) -> bytes:
    """A snapshot whose w_avg is replaced by these opcodes."""
    g = random_network(G2)
    del g.mapping.w_avg
    mark = "the tensor goes here"
    persistent = persist(g, KWARGS)
    persistent.meta["state"]["_modules"]["mapping"].meta["state"]["_buffers"]["w_avg"] = mark
    data = dump_persistent({"G_ema": persistent}, protocol=3)
    found = b"X" + struct.pack("<I", len(mark)) + mark.encode()
    assert data.count(found) == 1
    return data.replace(found, opcodes)


def legacy_storage_that_calls(function, *args) -> bytes:
    """A pickled tensor whose storage holds, where its own description belongs, a call."""
    raw = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps({"little_endian": True}, 2)
    return rebuilt(raw + pickle.dumps(Calls(function, *args), 2))


def zipped_storage(**entry) -> bytes:
    """A pickled tensor whose storage is a zip archive written with these options."""
    good, bad = io.BytesIO(), io.BytesIO()
    torch.save(torch.zeros(5)._typed_storage(), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w", **entry) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    return rebuilt(bad.getvalue())


def huge_directory() -> bytes:
    """A zip archive of 30 000 empty entries."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as target:
        for i in range(30_000):
            target.writestr(f"archive/data/{i}", b"")
    return rebuilt(data.getvalue())


def doubled(times: int) -> bytes:
    """A tuple that holds 2^times things, through the memo."""
    return b"K\x01" + b"2\x86" * times


def cyclic_module() -> bytes:
    """A plain PyTorch module, as its state may refer back to it."""
    module = torch.nn.Sequential()
    module._modules["synthesis"] = module
    return pickle.dumps({"G_ema": module})


def wide_module() -> Persistent:
    """2^30 modules, each level naming the next twice."""
    module = Persistent("ToRGBLayer", {"_modules": {}})
    for _ in range(30):
        module = Persistent("SynthesisBlock", {"_modules": {"a": module, "b": module}})
    return Persistent("Generator", {"_modules": {"synthesis": module}})


def cyclic_network() -> bytes:
    network = tf_network("G", {}, {})
    network.components = {"synthesis": network}
    return dump_tf((network, network, network))


def cyclic_list() -> list:
    values: list = []
    values.append(values)
    return values


def safetensors(header: bytes, data: bytes = b"") -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def native(config: dict | None = None, **about) -> bytes:
    about = {"format_version": 1, "summary": {}, "networks": {
        "G_ema": {"family": "stylegan2", "config": {"resolution": 16, **(config or {})}, "kwargs": {}}}, **about}
    return safetensors(json.dumps({"__metadata__": {"stylescope": json.dumps(about)}}).encode())


def collisions() -> bytes:
    """Ints that Python hashes alike: a dict of n of them takes n² steps."""
    prime = (1 << 61) - 1
    items = b"".join(b"\x8a\x0b" + (i * prime).to_bytes(11, "little") + b"N" for i in range(1, 200_000))
    return b"\x80\x04}(" + items + b"u."


TRAP = "trap"                            # a file that must not come to be


@functools.cache
def cases() -> dict[str, tuple[bytes, str]]:
    """Name -> (file, what its error says)."""
    trap = TRAP
    touch = f"touch {trap}"
    write = f"open({trap!r}, 'w')"
    calls = {
        "os.system": (Calls(os.system, touch), "posix.system"),
        "eval": (Calls(eval, write), r"calls \w*builtin\w*.eval"),
        "exec": (Calls(exec, write), r"calls \w*builtin\w*.exec"),
        "import": (Calls(__import__, "antigravity"), r"calls \w*builtin\w*.__import__"),
        "getattr chain": (Calls(Calls(getattr, Calls(__import__, "os"), "system"), touch),
                          r"calls \w*builtin\w*.__import__"),
        "getattr of a global": (Calls(getattr, Calls, "os"), r"calls \w*builtin\w*.getattr"),
        "attrgetter": (Calls(operator.attrgetter("system")), "operator.attrgetter"),
        "partial": (functools.partial(os.system, touch), "functools.partial"),
        "popen": (Calls(subprocess.Popen, ["touch", trap]), r"calls \w+.Popen"),
        "torch.load": (Calls(torch.load, trap), "torch.serialization.load"),
        "np.load": (Calls(np.load, trap), "numpy.load"),
        "open": (Calls(builtins.open, trap, "w"), "io.open"),
    }
    found = {f"{name}, protocol {protocol}": (pickle.dumps(value, protocol), says)
             for name, (value, says) in calls.items() for protocol in (0, 2, 4)}
    found |= {f"{name} inside a snapshot": (snapshot(training_set_kwargs=value), says)
              for name, (value, says) in calls.items()}
    deep = 100_000
    huge = struct.pack("<Q", 1 << 60)
    found |= {
        "inst": (b"(Vtouch x\niposix\nsystem\n.", "posix.system"),
        "obj": (b"\x80\x02(cposix\nsystem\nX\x01\x00\x00\x00xo.", "posix.system"),
        "newobj": (b"\x80\x02cposix\nsystem\nX\x01\x00\x00\x00x\x85\x81.", "posix.system"),
        "newobj with keywords": (b"\x80\x04" + global_("builtins", "dict") + b")}" + word("a") + b"K\x01s\x92.",
                                 "keyword"),
        "state for a global": (b"\x80\x02cposix\nsystem\n}b.", "plain value"),
        "state for a number": (b"\x80\x02K\x01}b.", "plain value"),
        "reconstructor of a class": (b"\x80\x02ccopy_reg\n_reconstructor\nccode\nInteractiveConsole\n"
                                     b"c__builtin__\nobject\nN\x87R.", "InteractiveConsole"),
        "call of a call's result": (b"\x80\x02c__builtin__\nset\n)R)R.", "no global"),
        "extension": (b"\x80\x02\x82\x01.", "extension"), "extension 2": (b"\x80\x02\x83\x01\x00.", "extension"),
        "persistent id": (b"\x80\x02Vx\nQ.", "outside"), "persistent line": (b"Pabc\n.", "not a checkpoint"),
        "out of band": (b"\x80\x05\x97.", "outside"),
        "global of numbers": (b"\x80\x04K\x01K\x02\x93.", "not text"),
        "memo 2^28": (b"\x80\x02}r\x00\x00\x00\x10.", "memo index 268435456"),
        "memo 2^28 as text": (b"\x80\x02}p268435456\n.", "memo index"),
        "memo of nothing": (b"\x80\x02j\x00\x00\x00\x10.", "damaged"),
        "nested tuples": (b"\x80\x02)" + b"\x85" * deep + b".", "no StyleGAN network"),
        "nested tuples as a key": (b"\x80\x02})" + b"\x85" * deep + b"Ns.", "no StyleGAN network"),
        "nested marks": (b"\x80\x02" + b"(" * deep + b"." , "nests deeper"),
        "nested lists": (b"\x80\x02" + b"]" * deep + b"a" * (deep - 1) + b".", "no StyleGAN network"),
        "nested dicts": (b"\x80\x02" + b"}K\x01" * deep + b"N" + b"s" * deep + b".", "no StyleGAN network"),
        "nested kwargs": (with_tensor(b"}K\x01" * 10_000 + b"N" + b"s" * 10_000), "lacks 1"),
        "pickle that nests itself": (pickle.dumps(cyclic_list()), "no StyleGAN network"),
        "module that holds itself": (cyclic_module(), "nested without end"),
        "modules without number": (dump_persistent({"G_ema": wide_module()}), "nested without end"),
        "network that holds itself": (cyclic_network(), "nested without end"),
        "2^60 things as a key": (b"\x80\x02}" + doubled(60) + b"Ns.", "no StyleGAN network"),
        "2^60 things in a set": (b"\x80\x04\x8f(" + doubled(60) + b"\x90.", "no StyleGAN network"),
        "2^60 things as kwargs": (with_tensor(doubled(60)), "lacks 1"),
        "copies of a list": (b"\x80\x02](" + b"N" * 100_000 + b"eq\x00"
                             + b"c__builtin__\nlist\nh\x00\x85R0" * 5000 + b".", "more pieces"),
        "encoded again and again": (b"\x80\x02X\x00\x10\x00\x00" + b"x" * 4096 + b"q\x000"
                                    + b"c_codecs\nencode\nh\x00\x85R" * 20_000 + b".", "more pieces"),
        "ints that collide": (collisions(), "no StyleGAN network"),
        "endless sets": (b"\x80\x04" + b"\x8f" * 600_000 + b".", "more pieces"),
        "endless no-ops": (b"\x80\x04" * 600_000, "more pieces"),
        "endless lines": (b"\x80\x02" + b"I1\n" * 600_000 + b".", "more pieces"),
        "large integers": (b"\x80\x02" + (b"\x8a\xff" + b"\x7f" * 255) * 200_000 + b".", "more pieces"),
        "long words": (b"\x80\x02" + (b"X\x00\x10\x00\x00" + "\U0001F600".encode() * 1024) * 20_000 + b".",
                       "more pieces"),
        "integer of 2 GB": (b"\x80\x02\x8b\xff\xff\xff\x7f" + b"1" * 9999, "integer of 2147483647 bytes"),
        "integer of -1 bytes": (b"\x80\x02\x8b\xff\xff\xff\xff.", "integer of -1 bytes"),
        "integer in text": (b"\x80\x02L" + b"9" * 60_000 + b"L\n.", "damaged"),
        "line without end": (b"cos" + b"x" * 50_000_000, "does not end"),
        "text of 2^60": (b"\x80\x04\x8d" + huge + b"abc.", "truncated"),
        "bytes of 2^60": (b"\x80\x04\x8e" + huge + b"abc.", "truncated"),
        "bytearray of 2^60": (b"\x80\x05\x96" + huge + b"abc.", "truncated"),
        "frame of 2^60": (b"\x80\x04\x95" + huge + b"}.", "truncated"),
        "array of 1 TB": (b"\x80\x04" + array(b"J\x00\x00\x00\x40M\x00\x04\x86") + b".", "claims a tensor"),
        "array of -1": (b"\x80\x04" + array(b"J\xff\xff\xff\xff\x85") + b".", "list of sizes"),
        "array of a doubled shape": (b"\x80\x04" + array(b"K\x01\x85" + b"2\x86" * 40) + b".", "list of sizes"),
        "tensor of 1 TB": (with_tensor(tensor(b"\x8a\x05\x00\x00\x00\x00\x40\x85", b"K\x01\x85")), "claims a tensor"),
        "tensor of 1 TB by stride 0": (with_tensor(tensor(b"\x8a\x05\x00\x00\x00\x00\x40\x85", b"K\x00\x85")),
                                       "claims a tensor"),
        "tensor beyond its storage": (with_tensor(tensor(b"K\x05\x85", b"K\x01\x85")), "larger than its storage"),
        "tensor striding beyond": (with_tensor(tensor(b"K\x05\x85", b"J\x00\x00\x00\x40\x85")),
                                   "larger than its storage"),
        "call inside a storage": (with_tensor(legacy_storage_that_calls(os.system, touch)), "posix.system"),
        "storage that is none": (with_tensor(legacy_storage_that_calls(int)), r"calls \w*builtin\w*.(int|long)"),
        "compressed storage": (with_tensor(zipped_storage(compression=zipfile.ZIP_DEFLATED)), "compressed"),
        "storage with a huge directory": (with_tensor(huge_directory()), "directory is larger"),
        "storage that is a broken zip": (with_tensor(rebuilt(b"PK\x03\x04" + b"x" * 100)), "no valid zip"),
        "header of 2^40": ((1 << 40).to_bytes(8, "little") + b'{"a":1}', "truncated"),
        "json nested": (safetensors(b'{"a":' + b"[" * 1_000_000), "damaged header|no safetensors file"),
        "json of a huge number": (safetensors(b'{"a":' + b"9" * 100_000 + b"}"), "damaged header|no safetensors file"),
        "another's safetensors": (safetensors(b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"1234"),
                                  "not one of this program's"),
        "tensor beyond a safetensors": (safetensors(
            b'{"__metadata__":{"stylescope":"{\\"format_version\\":1}"},"x":{"dtype":"F32","shape":[9],'
            b'"data_offsets":[0,36]}}', b"1234"), "claims a tensor|truncated"),
        "a newer format": (native(format_version=99), "format version 99"),
        "unknown family": (native(networks={"G": {"family": "biggan", "config": {}, "kwargs": {}}}), "unknown family"),
        "unknown field": (native({"evil": 1}), "TypeError"),
        "absurd resolution": (native({"resolution": 1 << 40}), "resolution"),
        "absurd width": (native({"channel_base": 1 << 24, "channel_max": 1 << 16, "w_dim": 1 << 16}), "far larger"),
        "absurd depth": (native({"mapping": {"num_layers": 1 << 40}}), "num_layers"),
        "text for a number": (native({"z_dim": "512"}), "z_dim"),
        "not a number": (native({"conv_clamp": float("nan")}), "conv_clamp"),
        "networks that are none": (native(networks=[1]), "damaged"),
        "a web page": (b"<!DOCTYPE html><html>", "web page"),
        "a picture": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG"),
        "a Git LFS pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
        "text": (b"hello there\n", "not a checkpoint"),
        "zeros": (b"\x00" * 4096, "not a checkpoint"),
        "nothing": (b"", "empty"),
        "a dict of nothing": (pickle.dumps({"a": 1}), "no StyleGAN network"),
    }
    for name, new in (("torch.save", True), ("legacy torch.save", False)):
        data = io.BytesIO()
        torch.save({"g_ema": {"input.input": torch.zeros(3)}}, data, _use_new_zipfile_serialization=new)
        found[name] = data.getvalue(), "isn't read yet"
    return found


def watch(folder: Path, files: dict[str, bytes]) -> list[dict]:
    """Each file opened and built by `checkpoint_watch.py`, in a process of its own."""
    good = folder / "good.pkl"
    good.write_bytes(snapshot())
    paths = []
    for index, data in enumerate(files.values()):
        paths.append(folder / f"{index}.pkl")
        paths[-1].write_bytes(data)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(TESTS / "checkpoint_watch.py"), good, *paths]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    found = cases()
    results = watch(folder, {name: data for name, (data, _) in found.items()})
    left = {path.name for path in folder.iterdir()}
    assert left == {"good.pkl", *(f"{i}.pkl" for i in range(len(found)))}            # and no trap
    return {name: (result, says) for (name, (_, says)), result in zip(found.items(), results, strict=True)}


@pytest.mark.parametrize("name", list(cases()))
def test_ends_in_one_line(outcomes, name):
    result, says = outcomes[name]
    error = result["error"]
    assert error is not None and "\n" not in error and error.startswith(result["path"]), error
    assert re.search(says, error), error
    assert result["seconds"] < SECONDS and result["megabytes"] < MEGABYTES, result
    assert result["events"] == []


def test_folders_missing_files_and_devices(tmp_path):
    for path, says in ((tmp_path, "is a folder"), (tmp_path / "absent.pkl", "does not exist"),
                       ("/dev/zero", "no ordinary file"), ("gopher://x/y", "kind of address"), ("http://", "address"),
                       ("http://[::1/a.pkl", "http"), ("demo:nothing", "no demo")):
        with pytest.raises(CheckpointError, match=says):
            open_checkpoint(str(path))


def test_truncated_in_many_places(tmp_path):
    path = tmp_path / "cut.pkl"
    d = DiscriminatorConfig(8, channel_base=16, channel_max=2)
    kwargs = {"img_resolution": 8, "channel_base": 16, "channel_max": 2}
    files = {"torch": dump_persistent(persist(random_network(d), kwargs)),
             "tf": dump_tf(tf_network("D", tf_variables(random_network(d)), {"fmap_base": 8, "fmap_max": 2}))}
    save_native(tmp_path / "whole.safetensors", {"D": random_network(d)})
    files["native"] = (tmp_path / "whole.safetensors").read_bytes()
    for data in files.values():
        path.write_bytes(data)
        open_checkpoint(str(path)).build("D")
        step = max(1, len(data) // 150)
        for size in range(1, len(data), step):
            path.write_bytes(data[:size])
            with pytest.raises(CheckpointError):
                open_checkpoint(str(path)).build("D")


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One of: bytes changed, a part cut out, doubled, or moved."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at, length = rng.randrange(len(changed)), rng.choice((1, 1, 2, 4, 30))
        kind = rng.randrange(4)
        if kind == 0:
            changed[at:at + length] = rng.randbytes(min(length, len(changed) - at))
        elif kind == 1:
            del changed[at:at + length]
        elif kind == 2:
            changed[at:at] = changed[at:at + length]
        else:
            changed[at] = rng.choice(b"()}]R\x81\x85\x86\x87\x93obidcjhqr\x94.ut\xff\x00")
    return bytes(changed) or b"."


def fuzz(tmp_path: Path, monkeypatch, count: int, seed: int) -> None:
    monkeypatch.chdir(tmp_path)
    rng, path = random.Random(seed), tmp_path / "mutant"
    d = random_network(DiscriminatorConfig(8, channel_base=16, channel_max=2))
    g = random_network(G2)
    save_native(tmp_path / "native", {"G_ema": g})
    seeds = [snapshot(), dump_persistent(persist(d, {"img_resolution": 8, "channel_base": 16, "channel_max": 2}), 2),
             dump_tf(tf_generator(tf_variables(g), {"fmap_base": 16, "fmap_max": 4, "latent_size": 4})),
             (tmp_path / "native").read_bytes()]
    survived = 0
    for _ in range(count):
        path.write_bytes(mutate(rng.choice(seeds), rng))
        try:
            with open_checkpoint(str(path)) as checkpoint:
                for name in checkpoint.networks:
                    checkpoint.build(name)
            survived += 1                                # only numbers were changed
        except CheckpointError as error:
            assert "\n" not in str(error)
    assert 0 < survived < count
    assert {entry.name for entry in tmp_path.iterdir()} == {"mutant", "native"}


def test_mutants(tmp_path, monkeypatch):
    fuzz(tmp_path, monkeypatch, 400, seed=0)


def test_mutants_of_tiny_pickles():
    """A few hundred bytes with every kind of value: most opcodes are reached, and only Malformed comes of it."""
    rng, outcomes = random.Random(0), Counter()
    values = {"a": [1, -2.5, None, True, b"bytes", "text", (1, 2), 1 << 70, {3, 4}, frozenset("x")]}
    values["again"] = values["a"]
    seeds = [pickle.dumps(values, protocol) for protocol in range(6)]
    seeds += [b"\x80\x04" + opcodes + b"." for opcodes in (array(b"K\x01\x85"), tensor(b"K\x04\x85", b"K\x01\x85"))]
    for _ in range(20_000):
        try:
            value = Reader(Blob.of(mutate(rng.choice(seeds), rng)), resolve).read()
            if hasattr(value, "load"):
                value.load()
            outcomes["read"] += 1
        except Malformed:
            outcomes["refused"] += 1
    assert set(outcomes) == {"read", "refused"}


@pytest.mark.slow
def test_many_mutants(tmp_path, monkeypatch):
    fuzz(tmp_path, monkeypatch, 20_000, seed=1)
