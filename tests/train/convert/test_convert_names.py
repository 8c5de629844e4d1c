"""Names within the set: harmless, recognisable, each of its own. Labels: read, matched, refused."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from nets.errors import UserError
from train.convert.classes import classes_of
from train.convert.names import stems
from train.convert.source import Source


@pytest.mark.parametrize("name, stem", [
    ("a/b c.png", "a/b c"), ("../../etc/x.png", "etc/x"), ("..\\x.png", "x"), ("/root/x.jpg", "root/x"),
    ("C:\\d\\x.png", "C_/d/x"), ("a/./b/../x.png", "a/b/x"), ("ü/鳥.jpeg", "ü/鳥"), ("00b1f2", "00b1f2"),
    ("what? <1>.png", "what_ _1_"), ("a\nb.png", "a_b"), ("bad\udcff.png", "bad_"), ("v1.5/x.tar.png", "v1.5/x.tar"),
    ("..png", "_"), (".hid/x.png", "_hid/x"), ("a. /x .png", "a/x"), ("/", "picture"), ("x" * 300 + ".png", "x" * 150),
], ids=range(17))
def test_a_name_is_kept_as_far_as_it_is_harmless(name, stem):
    assert stems([name]) == [stem]


def test_every_name_is_its_own():
    names = ["a.jpg", "a.png", "A.gif", "a-png.png", "a.jpg/b.png", "b", "b", "b"]
    found = stems(names)
    assert found == ["a-jpg", "a-png", "A-gif", "a-png-png", "a.jpg/b", "b", "b-2", "b-3"]
    assert stems(["a.jpg", "a.png", "b.png"]) == ["a", "a-png", "b"]


# -- labels -----------------------------------------------------------------------------------------------------------

class Listed(Source):
    def __init__(self, *names: str, given: object = None, labels=None):
        super().__init__(Path("source"))
        self.names, self.labels, self._given = list(names), labels, given

    def read_bytes(self, name):
        return None if self._given is None else json.dumps(self._given).encode()


NAMES = ["a/1.png", "a/2.png", "b/1.png"]


def test_folders_are_classes():
    assert classes_of(Listed(*NAMES, "b/c/4.png"), "folders")[:2] == ([0, 0, 1, 1], ["a", "b"])
    around = classes_of(Listed(*(f"set/{name}" for name in NAMES)), "folders")
    assert around[:2] == ([0, 0, 1], ["a", "b"])
    with pytest.raises(UserError, match=r"1 of 4 pictures lie in no subfolder.*the first: x.png\); move them"):
        classes_of(Listed(*NAMES, "x.png"), "folders")


def test_labels_of_the_source_are_kept():
    assert classes_of(Listed(*NAMES, labels=[1, 2, 3]), None).labels == [1, 2, 3]
    assert classes_of(Listed(*NAMES, labels=[1, 2, 3]), "none").labels is None
    given = {"labels": [["b\\1.png", 5], ["./a/1.png", 0], ["a/2.png", 1], ["gone.png", 7]]}
    assert classes_of(Listed(*NAMES, given=given), None).labels == [0, 1, 5]
    assert classes_of(Listed(*NAMES, given={"labels": None}), None) == (None, [], [])


@pytest.mark.parametrize("given, why", [
    ({"labels": [["a/1.png", 1]]}, "2 of 3 pictures have no label, the first: a/2.png"),
    ({"labels": [["a/1.png", 1], ["a/2.png", [1.0]], ["b/1.png", 2]]}, "labels are of different kinds"),
    ({"labels": [["a/1.png", -1]]}, "must be whole numbers from 0 on"), ([1], "is not of the form"),
    (3, "not of the form"),
], ids=range(5))
def test_labels_that_do_not_fit(tmp_path, given, why):
    kept = classes_of(Listed(*NAMES, given=given), None)
    assert kept.labels is None and kept.notes[0].startswith("note: labels of dataset.json left out:")
    assert why in kept.notes[0]
    (tmp_path / "l.json").write_text(json.dumps(given))
    with pytest.raises(UserError, match=f"l.json: does not fit source: .*{why}"):
        classes_of(Listed(*NAMES), str(tmp_path / "l.json"))


@pytest.mark.parametrize("text, labels, names", [
    ("a/1.png,2\na/2.png,0\nb/1.png,10\n", [2, 0, 10], []),
    ("\ufeffpath,class\r\na/2.png, dog\r\na/1.png,cat\r\n\r\nb\\1.png,cat\r\n", [0, 1, 0], ["cat", "dog"]),
    ('"a/1.png",0\na/2.png,0\nb/1.png,0\nz.png,1\n', [0, 0, 0], []),
], ids=["numbers", "names", "one-too-many"])
def test_labels_of_a_table(tmp_path, text, labels, names):
    (tmp_path / "l.csv").write_text(text, encoding="utf-8", newline="")
    found = classes_of(Listed(*NAMES), str(tmp_path / "l.csv"))
    assert found[:2] == (labels, names)
    assert [note for note in found.notes if "1 labels of" in note] == found.notes and bool(found.notes) == ("z" in text)


@pytest.mark.parametrize("content, why", [
    (b"a/1.png,1,2\n", "must have two columns, path and class, but a row has 3: a/1.png,1,2"),
    (b"\xff\xfe\0", "no CSV file in UTF-8"), (b"", "holds no labels"),
    (b"a/1.png,1\n", "2 of 3 pictures have no label"),
], ids=range(4))
def test_tables_that_do_not_fit(tmp_path, content, why):
    (tmp_path / "l.csv").write_bytes(content)
    with pytest.raises(UserError, match=why):
        classes_of(Listed(*NAMES), str(tmp_path / "l.csv"))


def test_labels_that_are_not_there():
    with pytest.raises(UserError, match="no/l.csv: cannot be read: No such file.*; --labels takes 'folders', 'none'"):
        classes_of(Listed(*NAMES), "no/l.csv")
