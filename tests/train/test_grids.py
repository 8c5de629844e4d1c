"""Sample grids: their layout, which pictures are in them, and files that hold what they should."""
from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import train.grids
from nets.errors import UserError
from train.data import TrainingSet
from train.grids import Layout, grid_layout, grid_samples, save_grid, to_pixels
from train.writing import Entry, write_set


@pytest.mark.parametrize("size, layout", [
    ((1024, 1024), (7, 4)), ((512, 512), (15, 8)), ((256, 256), (30, 16)), ((64, 64), (32, 32)), ((16, 16), (32, 32)),
    ((2048, 2048), (7, 4)), ((256, 512), (15, 16)), ((1024, 256), (30, 4))])
def test_a_screen_full_of_pictures(size, layout):
    assert grid_layout(size) == layout


def test_pixels_are_rounded_and_clipped():
    x = torch.tensor([-2, -1, -1 + 0.9 / 127.5, 0, 0.999, 1, 7, float("nan"), float("inf"), -float("inf")])
    assert to_pixels(x).tolist() == [0, 0, 1, 128, 255, 255, 255, 0, 255, 0]
    assert to_pixels(torch.arange(256.0) / 127.5 - 1).tolist() == list(range(256))
    assert to_pixels(x.half()).dtype == np.uint8


# --- which pictures --------------------------------------------------------------------------------------------------

def data_set(path, labels: list, broken: tuple[int, ...] = (), **options) -> TrainingSet:
    """Picture i, 4x4, is of the grey value i."""
    def entry(i: int) -> Entry:
        file = io.BytesIO()
        Image.new("L", (4, 4), i).save(file, "PNG")
        return Entry(f"{i:03d}.png", b"\x89PNG" if i in broken else file.getvalue(), labels[i])
    write_set(path / "set.zip", map(entry, range(len(labels))))
    return TrainingSet(path / "set.zip", **options)


def values(samples) -> list[int]:
    assert all((picture == picture[0, 0, 0]).all() for picture in samples.pictures)
    return samples.pictures[:, 0, 0, 0].tolist()


def test_without_labels_all_differ(tmp_path):
    data = data_set(tmp_path, [None] * 40)
    samples = grid_samples(data, Layout(6, 5), seed=1)
    assert samples.pictures.shape == (30, 1, 4, 4) and samples.labels.shape == (30, 0)
    assert samples.pictures.dtype == np.uint8 and samples.labels.dtype == np.float32
    assert len(set(values(samples))) == 30
    assert values(samples) == values(grid_samples(data, Layout(6, 5), seed=1))
    assert values(samples) != values(grid_samples(data, Layout(6, 5), seed=2))


def test_too_few_repeat(tmp_path):
    found = values(grid_samples(data_set(tmp_path, [None] * 3), Layout(4, 2)))
    assert sorted(found[:3]) == [0, 1, 2] and found == (found[:3] * 3)[:8]


def test_a_row_is_of_one_class_and_its_pictures_too(tmp_path):
    data = data_set(tmp_path, [i % 4 for i in range(48)], conditional=True)
    samples = grid_samples(data, Layout(5, 7))
    classes = samples.labels.argmax(1).reshape(7, 5)
    assert (classes == np.array([0, 1, 2, 3, 0, 1, 2])[:, None]).all()
    assert (np.array(values(samples)).reshape(7, 5) % 4 == classes).all()
    assert len(set(values(samples))) == 35                               # the second row of a class shows others


def test_more_classes_than_rows(tmp_path):
    data = data_set(tmp_path, [i // 3 for i in range(60)], conditional=True)
    classes = [grid_samples(data, Layout(3, 4), seed).labels.argmax(1).reshape(4, 3) for seed in range(2)]
    for found in classes:
        assert (found == found[:, :1]).all() and (np.diff(found[:, 0]) > 0).all()
    assert (classes[0] != classes[1]).any()


def test_a_rare_class_repeats(tmp_path):
    samples = grid_samples(data_set(tmp_path, [0] * 9 + [1], conditional=True), Layout(3, 2))
    assert values(samples)[3:] == [9, 9, 9] and len(set(values(samples)[:3])) == 3


def test_labels_that_are_nearly_all_different_make_no_rows(tmp_path):
    data = data_set(tmp_path, [[i / 16, 1.0] for i in range(12)], conditional=True)
    samples = grid_samples(data, Layout(4, 3))
    assert sorted(values(samples)) == list(range(12))
    assert samples.labels[:, 0].tolist() == [value / 16 for value in values(samples)]


@pytest.mark.parametrize("conditional", [False, True])
def test_what_cannot_be_read_is_passed_over(tmp_path, conditional):
    data = data_set(tmp_path, [i % 2 for i in range(12)], broken=(3, 4, 5), conditional=conditional)
    found = values(grid_samples(data, Layout(4, 2)))
    assert len(found) == 8 and not {3, 4, 5} & set(found)
    if conditional:
        assert [value % 2 for value in found] == [0] * 4 + [1] * 4


def test_a_class_of_broken_pictures_has_no_row(tmp_path):
    data = data_set(tmp_path, [0] * 6 + [1] * 2, broken=(6, 7), conditional=True)
    assert len(grid_samples(data, Layout(3, 2)).pictures) == 3


def test_nothing_to_be_read(tmp_path, monkeypatch):
    data = data_set(tmp_path, [None] * 3)
    monkeypatch.setattr(train.grids, "_read", lambda *given: [])
    with pytest.raises(UserError, match="none of the pictures .* --check"):
        grid_samples(data, Layout(2, 2))


def test_flipped_and_chosen_pictures_keep_their_labels(tmp_path):
    data = data_set(tmp_path, [i % 3 for i in range(30)], conditional=True, mirror=True, max_size=20, seed=5)
    indices = np.arange(len(data))
    assert torch.equal(data.labels_of(indices), torch.stack([data[i][1] for i in indices]))
    samples = grid_samples(data, Layout(4, 3))
    assert [value % 3 for value in values(samples)] == samples.labels.argmax(1).tolist()


# --- files -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("channels, mode", [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_small_grid_is_a_png_of_every_pixel(tmp_path, channels, mode):
    pictures = np.random.RandomState(0).randint(0, 256, (5, channels, 2, 3)).astype(np.uint8)
    path = save_grid(tmp_path / "fakes-000000000001", pictures, 3)
    assert path == tmp_path / "fakes-000000000001.png"
    with Image.open(path) as image:
        assert image.mode == mode and image.size == (9, 4)
        sheet = np.asarray(image).reshape(4, 9, channels)
    for i, picture in enumerate(pictures):
        y, x = i // 3 * 2, i % 3 * 3
        assert (sheet[y:y + 2, x:x + 3] == picture.transpose(1, 2, 0)).all()
    assert not sheet[2:, 6:].any()


@pytest.mark.parametrize("channels, suffix", [(1, ".jpg"), (3, ".jpg"), (4, ".png")])
def test_a_large_one_is_a_jpeg_unless_it_is_transparent(tmp_path, monkeypatch, channels, suffix):
    monkeypatch.setattr(train.grids, "MOST_PIXELS", 1000)
    ramp = np.linspace(20, 230, 32, dtype=np.uint8) * np.ones((2, channels, 32, 1), np.uint8)
    path = save_grid(tmp_path / "reals", ramp, 2)
    assert path == tmp_path / f"reals{suffix}"
    with Image.open(path) as image:
        sheet = np.asarray(image).reshape(32, 64, channels).astype(int)
    bound = 8 if suffix == ".jpg" else 0     # half of quality 95's largest step, 12, in every coefficient; roundings
    assert abs(sheet[:, :32] - ramp[0].transpose(1, 2, 0)).max() <= bound


def test_an_unwritable_place(tmp_path):
    with pytest.raises(UserError, match="cannot be written"):
        save_grid(tmp_path / "missing" / "fakes", np.zeros((1, 3, 2, 2), np.uint8), 1)
