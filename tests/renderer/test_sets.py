"""The first look at a data set: what is in it, what is wrong with it, and names for another."""
import json

import numpy as np
import pytest
from PIL import Image

from nets.errors import UserError
from renderer.sets import GLANCED, SHOWN, SIDE, free_name, glimpse


def picture(path, size=(16, 16), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def test_a_set_in_words(tmp_path):
    for i in range(30):
        picture(tmp_path / f"{i:02d}.png")
    found = glimpse(tmp_path)
    assert str(found) == "30 pictures, 16x16 RGB, no labels" and found.trouble == "" and found.side == 16
    assert len(found.pictures) == SHOWN and all(p.shape == (16, 16, 3) for p in found.pictures)


def test_pictures_shown_are_spread_and_small(tmp_path):
    for i in range(40):
        Image.new("L", (256, 128), i).save(tmp_path / f"{i:02d}.png")
    found = glimpse(tmp_path)
    assert [int(p.mean()) for p in found.pictures][::11] == [0, 39]
    assert all(p.shape == (SIDE // 2, SIDE, 3) for p in found.pictures)
    assert str(found).endswith("256x128 grey, no labels")


@pytest.mark.parametrize("labels, words", [
    ([["0.png", 0], ["1.png", 4]], "5 classes"), ([["0.png", 0], ["1.png", 0]], "1 class"),
    ([["0.png", [0.5, 1]], ["1.png", [0, 1]]], "labels of 2 numbers"), (None, ""), ([], ""),
    ([["0.png", "cat"]], "labels that cannot be read"), ("what", "labels that cannot be read")])
def test_labels(tmp_path, labels, words):
    for i in range(2):
        picture(tmp_path / f"{i}.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    assert glimpse(tmp_path).labels == words


@pytest.mark.parametrize("sizes, words, side", [
    ([(16, 16), (16, 16), (20, 16)], "different sizes, such as 16x16 and 20x16", 16),
    ([(100, 100)], "100x100, and networks have 8, 16", 64), ([(4, 4)], "4x4", 8), ([(64, 48)], "", 32),
    ([(110, 200)], "110x200", 128)])
def test_sizes_that_do_not_fit(tmp_path, sizes, words, side):
    for i, size in enumerate(sizes):
        picture(tmp_path / f"{i}.png", size)
    found = glimpse(tmp_path)
    assert words in found.trouble and bool(found.trouble) == bool(words) and found.side == side


def test_damaged_pictures_are_counted_and_left_out(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png")
    (tmp_path / "0.png").write_bytes(b"no picture")
    found = glimpse(tmp_path)
    assert found.unreadable == 1 and len(found.pictures) == 2 and found.trouble == "some of its pictures cannot be read"


def test_a_large_set_is_only_glanced_at(tmp_path, monkeypatch):
    from renderer.datasets import Dataset
    picture(tmp_path / "0.png")
    seen = []
    names = [f"{i:06d}.png" for i in range(100_000)]
    monkeypatch.setattr(Dataset, "_files", lambda self: names)
    monkeypatch.setattr(Dataset, "_picture", lambda self, name: np.zeros((16, 16, 3), np.uint8))
    monkeypatch.setattr(Dataset, "glance", lambda self, index: seen.append(index) or (16, 16, 3))
    assert glimpse(tmp_path).count == 100_000 and len(seen) == GLANCED and {seen[0], seen[-1]} == {0, 99_999}


def test_folders_that_could_be_classes(tmp_path):
    for name in ("cat/0.png", "dog/1.png"):
        picture(tmp_path / name)
    assert glimpse(tmp_path).folders == 2 and str(glimpse(tmp_path)).startswith("2 pictures in 2 folders, 16x16 RGB")


@pytest.mark.parametrize("make, words", [
    (lambda p: None, "is not there"), (lambda p: p.mkdir(), "holds no pictures"),
    (lambda p: p.write_bytes(b"x"), "it is no zip")], ids=["none", "empty", "file"])
def test_what_is_no_set(tmp_path, make, words):
    make(tmp_path / "set")
    with pytest.raises(UserError, match=words) as caught:
        glimpse(tmp_path / "set")
    assert str(tmp_path / "set") in str(caught.value)


def test_names_that_are_free(tmp_path):
    (tmp_path / "my set").mkdir()
    assert free_name(tmp_path / "my set", "-64") == tmp_path / "my set-64.zip"
    (tmp_path / "my set-64.zip").touch()
    assert free_name(tmp_path / "my set", "-64") == tmp_path / "my set-64-2.zip"
    assert free_name(tmp_path / "photos.tar.gz", "-8") == tmp_path / "photos-8.zip"
