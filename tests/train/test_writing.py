"""Sets written as zip and folder: read back, whole or not at all."""
from __future__ import annotations

import json
import zipfile

import pytest

from nets.errors import UserError
from renderer.datasets import Dataset
from train.data import TrainingSet
from train.demo import demo_entries
from train.writing import Entry, write_set

PICTURES = [entry.content for entry in demo_entries(3, 8)]


@pytest.mark.parametrize("name", ["set.zip", "SET.ZIP", "set"])
@pytest.mark.parametrize("labels", [[2, 0, 1], [[0.5, 1.0], [2.0, 3.0], [-1.0, 0.0]]])
def test_what_is_written_is_read(tmp_path, name, labels):
    names = ["b/x.png", "b/a.png", "c.png"]
    write_set(tmp_path / name, map(Entry, names, PICTURES, labels))
    pictures = Dataset(tmp_path / name)
    assert pictures.names == sorted(names)
    assert [pictures.read_bytes(n) for n in names] == PICTURES
    rows = TrainingSet(tmp_path / name, conditional=True)
    found = [rows[pictures.names.index(n)][1].tolist() for n in names]
    assert found == (labels if isinstance(labels[0], list) else [[float(i == c) for i in range(3)] for c in labels])


def test_without_labels(tmp_path):
    write_set(tmp_path / "set.zip", [Entry("a.png", PICTURES[0])])
    assert json.loads(zipfile.ZipFile(tmp_path / "set.zip").read("dataset.json")) == {"labels": None}
    with pytest.raises(UserError, match="holds no labels"):
        TrainingSet(tmp_path / "set.zip", conditional=True)


@pytest.mark.parametrize("name", ["set.zip", "set"])
def test_nothing_is_left_of_a_set_that_fails(tmp_path, name):
    def entries():
        yield Entry("a.png", PICTURES[0])
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        write_set(tmp_path / name, entries())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["no/set.zip", "no/set"])
def test_a_place_that_is_not_there(tmp_path, name):
    with pytest.raises(UserError, match="cannot be written: No such file"):
        write_set(tmp_path / name, [Entry("a.png", PICTURES[0])])


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="is there already; choose a new folder"):
        write_set(tmp_path, [Entry("a.png", PICTURES[0])])
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
