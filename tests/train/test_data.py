"""Training's view of a data set: pixels, labels, flips, choice, and the lines for what doesn't fit."""
from __future__ import annotations

import io
import json
import multiprocessing
import os
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from nets.errors import UserError
from renderer import datasets
from renderer.datasets import Dataset, UnfitPicture
from train.data import Shuffle, TrainingSet, to_images
from train.writing import Entry, write_set

COUNT = 5


def picture(seed: int, shape: tuple[int, ...] = (6, 8, 3)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(params=["folder", "zip"])
def written(request, tmp_path):
    """Writes five pictures `d/0.png` .., with `labels` if not None, and `more` files over them."""
    def written(labels=None, more=()):
        content = {f"d/{i}.png": png(picture(i)) for i in range(COUNT)}
        content |= {} if labels is None else {"dataset.json": json.dumps({"labels": labels}).encode()}
        content |= dict(more)
        if request.param == "folder":
            (tmp_path / "set" / "d").mkdir(parents=True)
            for name, data in content.items():
                (tmp_path / "set" / name).write_bytes(data)
            return tmp_path / "set"
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return tmp_path / "set.zip"
    return written


def listed(values) -> list:
    """Not in the order of the pictures."""
    return [[f"d/{i}.png", value] for i, value in reversed(list(enumerate(values)))]


def test_pictures_as_channels_first_without_labels(written):
    data = TrainingSet(written())
    assert len(data) == COUNT and data.shape == (3, 6, 8) and data.label_width == 0
    for i in range(COUNT):
        pixels, label = data[i]
        assert pixels.dtype == torch.uint8 and label.shape == (0,)
        assert np.array_equal(pixels, picture(i).transpose(2, 0, 1))
    with pytest.raises(IndexError):
        data[COUNT]


def test_flipped_pictures_stand_behind_with_the_same_labels(written):
    data = TrainingSet(written(listed([0, 1, 2, 1, 0])), conditional=True, mirror=True)
    assert len(data) == 2 * COUNT
    for i in range(COUNT):
        (pixels, label), (flipped, same) = data[i], data[COUNT + i]
        assert torch.equal(flipped, pixels.flip(2)) and torch.equal(label, same)


def test_class_labels_become_one_hot(written):
    data = TrainingSet(written(listed([2, 0, 3, 0, 2])), conditional=True)
    assert data.label_width == 4
    assert torch.equal(torch.stack([data[i][1] for i in range(COUNT)]), torch.eye(4)[[2, 0, 3, 0, 2]])


def test_vector_labels_are_kept(written):
    vectors = [[i, 0.5 - i] for i in range(COUNT)]
    data = TrainingSet(written(listed(vectors)), conditional=True)
    assert data.label_width == 2 and torch.equal(data[3][1], torch.tensor(vectors[3]))


def test_labels_with_backslashes_and_of_pictures_no_longer_there(written):
    labels = [[f"d\\{i}.png", i] for i in range(COUNT)] + [["gone.png", 99]]
    assert TrainingSet(written(labels), conditional=True).label_width == COUNT


def test_random_labels_are_as_frequent_as_in_the_set(written):
    data = TrainingSet(written(listed([0, 1, 1, 1, 1])), conditional=True)
    labels = data.random_labels(4000, torch.Generator().manual_seed(0))
    assert labels.shape == (4000, 2) and torch.equal(labels.sum(1), torch.ones(4000))
    assert abs(labels[:, 1].mean() - 0.8) < 5 * (0.8 * 0.2 / 4000) ** 0.5             # five standard errors
    assert torch.equal(labels, data.random_labels(4000, torch.Generator().manual_seed(0)))


def test_random_labels_are_those_of_the_chosen_pictures(written):
    data = TrainingSet(written(listed(range(COUNT))), conditional=True, max_size=2, seed=3)
    chosen = {int(data[i][1].argmax()) for i in range(2)}
    assert set(data.random_labels(100, torch.Generator().manual_seed(0)).argmax(1).tolist()) == chosen


def test_a_smaller_set_is_chosen_by_the_seed(written):
    path = written()
    def chosen(size, seed):
        data = TrainingSet(path, max_size=size, seed=seed)
        return [next(i for i in range(COUNT) if np.array_equal(p, picture(i).transpose(2, 0, 1))) for p, _ in
                (data[k] for k in range(len(data)))]
    assert chosen(3, 1) == chosen(3, 1) == sorted(set(chosen(3, 1)))
    assert {tuple(chosen(3, seed)) for seed in range(100)} == {
        (a, b, c) for a in range(COUNT) for b in range(a + 1, COUNT) for c in range(b + 1, COUNT)}
    assert chosen(COUNT + 9, 1) == list(range(COUNT))
    with pytest.raises(UserError, match="must be 1 or more"):
        TrainingSet(path, max_size=0)


@pytest.mark.parametrize("labels, message", [
    (None, "dataset.json is missing; train without --cond, or"),
    ([], "dataset.json holds no labels; train without --cond, or"),
    (listed([0, 1, 2]), "has no label for 2 of 5 pictures, the first: d/3.png"),
    (listed([0, 1, 2, [1.0], 0]), "mixes labels of different kinds"),
    (listed([[0], [1], [2], [1, 2], [0]]), "mixes labels of different kinds"),
    (listed([[0], [1], [2], ["two"], [0]]), "something else than finite numbers"),
    (listed([[0], [1], [2], [float("nan")], [0]]), "something else than finite numbers"),
    (listed([[0], [1], [2], [[1]], [0]]), "something else than finite numbers"),
    (listed([0, 1, -1, 0, 0]), "names class -1; classes are counted from 0"),
    (listed([0, 1, 10**30, 0, 0]), f"names class {10**30}; classes are counted from 0"),
    ({"d/0.png": 1}, "is not of the form"),
])
def test_labels_that_dont_fit(written, labels, message):
    path = written(labels)
    with pytest.raises(UserError, match=message) as caught:
        TrainingSet(path, conditional=True)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_dataset_json_that_is_none(written):
    path = written(more={"dataset.json": b'{"labels": [['})
    assert len(TrainingSet(path)) == COUNT
    with pytest.raises(UserError, match="dataset.json is not of the form"):
        TrainingSet(path, conditional=True)


def test_the_check_names_each_bad_picture_among_the_good(written):
    data = TrainingSet(written(more={"d/1.png": png(picture(1))[:70], "d/3.png": png(picture(3, (8, 6, 3)))}))
    found = list(data.check())
    assert [found[i] for i in (0, 2, 4)] == [None] * 3
    assert "d/1.png is a damaged picture" in found[1] and "d/3.png is 6x8, the others are 8x6" in found[3]
    with pytest.raises(UnfitPicture, match="d/1.png"):
        data[1]


def test_a_file_far_too_large_is_not_opened(written, monkeypatch):
    path = written()
    monkeypatch.setattr(datasets, "MOST_BYTES", len(png(picture(0))) - 1)
    with pytest.raises(UserError, match="the first: .*d/0.png is larger than 0 MiB"):
        TrainingSet(path)


def test_grey_among_colour_and_colour_among_grey(written):
    grey = picture(9, (6, 8))
    data = TrainingSet(written(more={"d/2.png": png(grey)}))
    assert np.array_equal(data[2][0], np.stack([grey] * 3))


def test_colour_among_grey(written):
    path = written(more={"d/0.png": png(picture(9, (6, 8)))})
    with pytest.raises(UnfitPicture, match="d/1.png is coloured, the first picture is grey"):
        TrainingSet(path)[1]
    assert TrainingSet(path, channels=1)[1][0].shape == (1, 6, 8)
    assert np.array_equal(TrainingSet(path, channels=3)[1][0], picture(1).transpose(2, 0, 1))


def test_four_channels_on_demand(written):
    rgba = picture(5, (6, 8, 4))
    path = written(more={"d/0.png": png(rgba)})
    data = TrainingSet(path, channels=4)
    assert data.shape == (4, 6, 8) and np.array_equal(data[0][0], rgba.transpose(2, 0, 1))
    assert torch.equal(data[1][0][3], torch.full((6, 8), 255, dtype=torch.uint8))
    assert TrainingSet(path).shape == (3, 6, 8)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_the_loader_reads_in_processes_of_its_own(written, start):
    data = TrainingSet(written(listed(range(COUNT))), conditional=True)
    order = Shuffle(len(data), seed=0)
    loader = DataLoader(data, batch_size=4, sampler=order, num_workers=2, multiprocessing_context=start)
    for (pixels, labels), _ in zip(loader, range(25)):
        for one, label in zip(pixels, labels.argmax(1).tolist()):
            assert np.array_equal(one, picture(label).transpose(2, 0, 1))


def test_a_forked_process_opens_the_zip_itself(tmp_path):
    """With one open file between them they would read each other's bytes: it has one place to read at."""
    far = bytes(1 << 20)                                 # more than a file's buffer holds, on both sides of z.png
    write_set(tmp_path / "set.zip", [Entry("a.png", png(picture(0))), Entry("far.bin", far),
                                     Entry("z.png", png(picture(1))), Entry("farther.bin", far)])
    pictures = Dataset(tmp_path / "set.zip")
    shared = pictures._archive().fp.fileno()
    place = os.lseek(shared, 1 << 19, os.SEEK_SET)
    fork = multiprocessing.get_context("fork").Process(target=pictures.read, args=(1,))
    fork.start()
    fork.join()
    assert fork.exitcode == 0 and os.lseek(shared, 0, os.SEEK_CUR) == place


def test_other_files_of_a_set(written):
    pictures = Dataset(written(more={"notes.txt": b"said"}))
    assert pictures.read_bytes("notes.txt") == b"said" and pictures.read_bytes("other.txt") is None


def test_range_of_images():
    assert to_images(torch.tensor([0, 51, 255], dtype=torch.uint8)).tolist() == pytest.approx([-1, -0.6, 1], abs=1e-7)
