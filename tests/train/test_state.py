"""A run's state: exact to the last bit, never half written, and found again after damage, a full disk or kill -9."""
from __future__ import annotations

import copy
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nets.build import build
from nets.config import DiscriminatorConfig, StyleGAN2Config
from nets.errors import UserError
from train.state import DamagedState, newest_state, random_state, read_state, save_state, set_random_state

TINY = {"channel_base": 64, "channel_max": 4}
ROOT = Path(__file__).resolve().parents[2]


def assert_same(a, b):
    """Types, keys and their order, and every bit, NaNs and the sign of 0 included."""
    assert type(a) is type(b) or isinstance(a, dict) and isinstance(b, dict)
    if isinstance(a, torch.Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert a.contiguous().reshape(-1).view(torch.uint8).equal(b.contiguous().reshape(-1).view(torch.uint8))
    elif isinstance(a, dict):
        assert [(type(key), key) for key in a] == [(type(key), key) for key in b]
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            assert_same(x, y)
    else:
        assert repr(a) == repr(b)


def test_everything_a_state_may_hold_comes_back(tmp_path):
    x = torch.tensor([float("nan"), -0.0, float("-inf"), 1e-45])
    state = {"types": [x, x.double(), x.half(), x.bfloat16(), torch.tensor(7), torch.tensor([True, False]),
                       torch.zeros(0, 3), torch.arange(3, dtype=torch.uint8)],
             "strided": torch.arange(12.0).view(3, 4).T, "shared": (x, x), "a.b": x + 1, "a": {"b": x + 2},
             1: x + 3, "1": x + 4, "betas": (0.0, 0.99), "floats": [0.1, 1e-310, -0.0, float("inf")],
             "int": 1 << 127, "empty": [{}, [], ()], "none": None, "text": "Füße \n", "flag": True}
    path = save_state(tmp_path, 12, state)
    images_shown, found = read_state(path)
    assert images_shown == 12
    assert_same(found, state)


@pytest.mark.parametrize("value", [object(), {1, 2}, {(1, 2): 3}, 1j], ids=lambda value: type(value).__name__)
def test_what_cannot_be_kept_is_refused(tmp_path, value):
    with pytest.raises(TypeError, match="state.here.0 is of type .*which a state cannot hold"):
        save_state(tmp_path, 0, {"here": [value]})
    assert not list(tmp_path.iterdir())


class Run:
    """A generator, its EMA and a discriminator in training on noise, random numbers from all places."""

    def __init__(self):
        torch.manual_seed(1)
        generator = build(StyleGAN2Config(8, z_dim=8, w_dim=8, **TINY))
        self.nets = {"G": generator, "G_ema": copy.deepcopy(generator), "D": build(DiscriminatorConfig(8, **TINY))}
        self.optimizers = {name: torch.optim.Adam(self.nets[name].parameters(), 1e-3, (0.0, 0.99)) for name in "GD"}
        self.own, self.p = torch.Generator().manual_seed(2), 0.1

    def step(self):
        images = self.nets["G"](torch.randn(4, 8, generator=self.own), noise="random")
        for name, sign in ("G", -1), ("D", 1):
            self.optimizers[name].zero_grad()
            (sign * self.nets["D"](images)).mean().backward(retain_graph=True)
        for optimizer in self.optimizers.values():
            optimizer.step()
        for ema, value in zip(self.nets["G_ema"].parameters(), self.nets["G"].parameters()):
            ema.data.lerp_(value.data, 0.1)
        self.p += random.random() * torch.rand(()).item()

    def state(self):
        return {"nets": {name: net.state_dict() for name, net in self.nets.items()}, "p": self.p,
                "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
                "random": random_state(), "own": self.own.get_state()}

    def load(self, state):
        for name, net in self.nets.items():
            net.load_state_dict(state["nets"][name])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        set_random_state(state["random"])
        self.own.set_state(state["own"])
        self.p = state["p"]


def test_the_continued_run_equals_the_unbroken_one(tmp_path):
    unbroken = Run()
    random.seed(3)
    for step in range(6):
        if step == 3:
            save_state(tmp_path, 12, unbroken.state())
        unbroken.step()
    continued = Run()
    random.seed(99)
    continued.step()                                    # whatever was there before must not matter
    continued.load(newest_state(tmp_path).state)
    for _ in range(3):
        continued.step()
    assert_same(continued.state(), unbroken.state())


def test_a_state_is_a_copy(tmp_path):
    x = torch.zeros(3)
    path = save_state(tmp_path, 0, {"x": x})
    _, found = read_state(path)
    path.write_bytes(bytes(path.stat().st_size))
    assert not x.any() and not found["x"].any()


def test_old_states_go_and_the_newest_is_found(tmp_path):
    for images_shown in (0, 999, 1000, 20_000):
        save_state(tmp_path, images_shown, {"n": images_shown})
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "state-000000001000.safetensors", "state-000000020000.safetensors"]
    found = newest_state(tmp_path)
    assert (found.images_shown, found.state, found.damaged) == (20_000, {"n": 20_000}, ())


def test_every_kind_of_damage_is_noticed(tmp_path):
    """A file cut at any place, one bit turned at any place, or filled with something else."""
    whole = save_state(tmp_path, 5, {"x": torch.randn(40), "p": 0.25}).read_bytes()
    path, chance = tmp_path / "damaged.safetensors", random.Random(0)
    damaged = [whole[:chance.randrange(len(whole))] for _ in range(40)] + [b"", b"\0" * len(whole), whole + b"x"]
    for place in [*range(8), *(chance.randrange(8, len(whole)) for _ in range(150))]:
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1:])
    for content in damaged:
        path.write_bytes(content)
        try:
            found = read_state(path)
        except DamagedState as error:
            assert "\n" not in str(error)
        else:                                           # a bit of what carries no meaning, such as "format": "pt"
            assert_same(found, read_state(next(tmp_path.glob("state-*"))))


def test_a_turned_bit_of_a_weight_is_named(tmp_path):
    path = save_state(tmp_path, 5, {"x": torch.zeros(100)})
    content = bytearray(path.read_bytes())
    content[-17] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedState, match="does not match its checksum"):
        read_state(path)


def test_another_safetensors_file_is_no_state(tmp_path):
    from safetensors.torch import save_file
    save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors")
    with pytest.raises(DamagedState, match="or no training state"):
        read_state(tmp_path / "a.safetensors")


def test_an_older_state_stands_in_for_a_damaged_one(tmp_path):
    for images_shown in (100, 200):
        path = save_state(tmp_path, images_shown, {"n": images_shown})
    path.write_bytes(path.read_bytes()[:-1])
    found = newest_state(tmp_path)
    assert found.state == {"n": 100} and len(found.damaged) == 1 and path.name in found.damaged[0]
    save_state(tmp_path, 150, {"n": 150})               # the damaged one no longer stands before what is good
    assert newest_state(tmp_path).damaged == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state-000000000100.safetensors", "state-000000000150.safetensors", "state-000000000200.superseded"]


def test_no_state_is_one_line(tmp_path):
    with pytest.raises(UserError, match="holds no training state to resume from"):
        newest_state(tmp_path)
    (tmp_path / "state-000000000001.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="none of its 1 training states can be read; the newest: "):
        newest_state(tmp_path)


@pytest.mark.parametrize("fails", ["save_file", "os.fsync", "os.replace"])
def test_a_full_disk_leaves_the_state_before(tmp_path, monkeypatch, fails):
    save_state(tmp_path, 1, {"n": 1})

    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("train.state.save_file" if fails == "save_file" else f"nets.replacing.{fails}", full)
    with pytest.raises(UserError, match="state-000000000002.safetensors: can't be written .No space left on device"):
        save_state(tmp_path, 2, {"n": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["state-000000000001.safetensors"]
    assert newest_state(tmp_path).state == {"n": 1}


@pytest.mark.skipif(os.name != "posix", reason="POSIX limits")
def test_a_file_that_cannot_grow_leaves_the_state_before(tmp_path):
    """The system itself refuses, in the middle of the tensors."""
    import resource
    save_state(tmp_path, 1, {"n": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(UserError, match="can't be written"):
            save_state(tmp_path, 2, {"x": torch.zeros(1 << 20)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert newest_state(tmp_path).state == {"n": 1}
    save_state(tmp_path, 2, {"n": 2})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state-000000000001.safetensors", "state-000000000002.safetensors"]


WRITER = """
import sys, torch
from pathlib import Path
from train.state import save_state
for n in range(1, 1 << 30):
    save_state(Path(sys.argv[1]), n, {"x": torch.full([1 << 18], n)})
    print(n, flush=True)
"""


def kill_while_writing(folder: Path, seconds: float) -> int:
    """The last state that a process reported as written before it was killed."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    time.sleep(seconds)
    os.kill(writer.pid, signal.SIGKILL)
    reported = writer.stdout.read().split("\n")[:-1]
    writer.wait()
    writer.stdout.close()
    return int(reported[-1]) if reported else 1


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
@pytest.mark.parametrize("kills", [1, pytest.param(20, marks=pytest.mark.slow)])
def test_kill_9_loses_nothing_written(tmp_path, kills):
    chance = random.Random(kills)
    for kill in range(kills):
        folder = tmp_path / str(kill)
        folder.mkdir()
        reported = kill_while_writing(folder, chance.uniform(0, 0.2))
        found = newest_state(folder)
        assert found.images_shown in (reported, reported + 1) and not found.damaged
        assert (found.state["x"] == found.images_shown).all()
        save_state(folder, found.images_shown + 1, {})
        assert not list(folder.glob(".*")) and len(list(folder.iterdir())) == 2


def test_tensors_stay_readable_elsewhere(tmp_path):
    """Plain safetensors, with names that say where a tensor belongs."""
    path = save_state(tmp_path, 3, {"D": {"b4.out.bias": torch.ones(1)}})
    assert list(load_file(path)) == ["0 state.D.b4.out.bias"]
