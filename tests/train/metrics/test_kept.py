"""Statistics of data sets: computed once, and again where anything they depend on has changed."""
from __future__ import annotations

import hashlib
import os

import pytest
import torch

from train.metrics.features import Gaussian
from train.metrics.frechet import frechet_distance
from train.metrics.kept import content_of, kept, key_of


class Counted:
    def __init__(self, gaussian: Gaussian):
        self.calls, self.gaussian = 0, gaussian

    def __call__(self) -> dict[str, torch.Tensor]:
        self.calls += 1
        return self.gaussian.tensors()


@pytest.fixture
def compute():
    gaussian = Gaussian()
    gaussian.add(torch.randn(20, 5, generator=torch.Generator().manual_seed(1)))
    return Counted(gaussian)


def test_statistics_are_computed_once_and_come_back_the_same(tmp_path, compute):
    first, second = (Gaussian.of(kept("a", compute, tmp_path / "new")) for _ in range(2))
    assert compute.calls == 1 and first.count == second.count == 20
    assert torch.equal(first.mean, second.mean) and torch.equal(first.covariance, second.covariance)
    assert frechet_distance(second, compute.gaussian) == pytest.approx(0, abs=1e-12)
    second.add(torch.ones(1, 5))                                 # goes on as the one it was made from
    compute.gaussian.add(torch.ones(1, 5))
    assert torch.equal(second.covariance, compute.gaussian.covariance)
    kept("b", compute, tmp_path / "new")
    assert compute.calls == 2


def test_what_was_given_out_is_a_copy(compute):
    tensors = compute()
    before = tensors["scatter"].clone()
    compute.gaussian.add(torch.ones(1, 5))
    assert torch.equal(tensors["scatter"], before)


@pytest.mark.parametrize("damage", [lambda content: b"", lambda content: content[:-8], lambda content: b"x" * 99])
def test_damaged_statistics_are_computed_again(tmp_path, compute, damage):
    kept("a", compute, tmp_path)
    path = tmp_path / "a.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    kept("a", compute, tmp_path)
    assert compute.calls == 2
    kept("a", compute, tmp_path)
    assert compute.calls == 2


def test_where_nothing_can_be_kept_nothing_is(tmp_path, compute):
    (tmp_path / "file").touch()
    assert kept("a", compute, tmp_path / "file")["count"] == 20


def test_a_key_tells_its_parts_apart_and_not_their_order():
    assert key_of(data="a", detector="b") == key_of(detector="b", data="a")
    parts = [{"data": "a"}, {"data": "b"}, {"detector": "a"}, {"data": "a", "count": 1}, {"data": "a", "count": None}]
    assert len({key_of(**p) for p in parts}) == len(parts)


def test_the_content_of_a_file_is_its_digest(tmp_path):
    file, shares = tmp_path / "a.zip", []
    file.write_bytes(os.urandom(3 << 20))
    assert content_of(file, shares.append) == hashlib.sha256(file.read_bytes()).hexdigest()
    assert shares == pytest.approx([1 / 3, 2 / 3, 1])


def test_the_content_of_a_folder_is_its_files_and_names(tmp_path):
    def folder(name: str, files: dict[str, bytes]) -> str:
        for path, content in files.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_bytes(content)
        return content_of(tmp_path / name)
    same = folder("one", {"a.png": b"12", "x/b.png": b"3"})
    assert folder("two", {"x/b.png": b"3", "a.png": b"12"}) == same
    others = [{"a.png": b"1", "x/b.png": b"23"}, {"a.png": b"12", "b.png": b"3"}, {"a.png": b"12"},
              {"a.png": b"12", "x/b.png": b"4"}]
    assert len({same, *(folder(str(i), files) for i, files in enumerate(others))}) == 5
