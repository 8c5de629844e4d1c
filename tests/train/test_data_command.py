"""The data command from its options to its files, lines and refusals, on sources with everything wrong in them."""
from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from picture_files import LEVELS, encoded, jpeg, pixels, png
from PIL import Image

from nets.errors import UserError
from renderer.datasets import Dataset
from train import data_command, writing
from train.data import TrainingSet


def data(*words) -> None:
    parser = argparse.ArgumentParser()
    data_command.add_options(parser)
    data_command.run(parser.parse_args(list(map(str, words))))


@pytest.fixture
def source(tmp_path):
    """Writes files to a folder: a bytes-like each, by its relative path."""
    def source(files: dict[str, bytes], place: str = "src") -> Path:
        for name, content in files.items():
            (tmp_path / place / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / place / name).write_bytes(content)
        return tmp_path / place
    return source


def refused(*words) -> str:
    with pytest.raises(UserError) as raised:
        data(*words)
    assert "\n" not in str(raised.value)
    return str(raised.value)


MESS = {"cat/good.jpg": jpeg(32, 1), "cat/cmyk.jpg": jpeg(32, 2, "CMYK"), "cat/turned.jpg": jpeg(32, 3, orientation=6),
        "cat/cut.jpg": jpeg(32, 4)[:-200], "dog/deep.png": encoded(np.full((32, 32), 40000, np.uint16)),
        "dog/empty.png": b"", "dog/text.png": b"not a picture", "dog/good.png": png(32, 5),
        "dog/ünï cödé.png": png(32, 6), "dog/moving.gif": encoded(
            Image.new("RGB", (32, 32), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (32, 32))]),
        "dog/clear.png": encoded(np.full((32, 32, 4), 128, np.uint8)), "read me.txt": b"x"}


def test_a_mess_becomes_a_set_and_every_fate_a_line(source, tmp_path, capsys):
    data(source(MESS), "-o", tmp_path / "set.zip", "--labels", "folders")
    lines = capsys.readouterr().out.splitlines()
    for line in ("skipped 1 file not named as pictures: 1 of suffix .txt", "skipped cat/cut.jpg: truncated",
                 "skipped dog/empty.png: empty", "skipped dog/text.png: damaged, or no picture",
                 "changed cat/cmyk.jpg: CMYK made RGB", "changed cat/turned.jpg: turned as its EXIF says",
                 "changed dog/deep.png: 16 bits a channel reduced to 8", "changed dog/deep.png: grey made RGB",
                 "changed dog/moving.gif: first of several frames", "changed dog/clear.png: transparency put on black",
                 "classes: 0 cat, 1 dog",
                 f"{tmp_path / 'set.zip'}: 8 pictures, 32x32 RGB, 2 classes; fits every --cfg"):
        assert line in lines
    written = (tmp_path / "set-report.txt").read_text(encoding="utf-8").splitlines()
    assert written[:3] == [lines[-1], "class 0: cat", "class 1: dog"] and set(written[3:]) == set(lines[:-2])
    made = TrainingSet(tmp_path / "set.zip", conditional=True)
    assert len(made) == 8 and made.shape == (3, 32, 32) and not any(made.check())
    assert [int(made[i][1].argmax()) for i in range(8)] == [0] * 3 + [1] * 5
    names = Dataset(tmp_path / "set.zip").names
    assert "dog/ünï cödé.png" in names and "cat/good.jpg" in names and "cat/cmyk.png" in names
    assert zipfile.ZipFile(tmp_path / "set.zip").read("cat/good.jpg") == MESS["cat/good.jpg"]


def test_one_broken_file_among_thousands(tmp_path, capsys):
    good = png(8)
    with zipfile.ZipFile(tmp_path / "src.zip", "w") as archive:
        for i in range(2000):
            archive.writestr(f"{i:04d}.png", good[:60] if i == 1234 else good)
    data(tmp_path / "src.zip", "-o", tmp_path / "set.zip")
    assert capsys.readouterr().out.splitlines()[0] == "skipped 1234.png: truncated"
    assert len(Dataset(tmp_path / "set.zip")) == 1999


def test_many_of_the_same_fate_are_counted(source, tmp_path, capsys):
    folder = source({f"{i}.png": b"" for i in range(10, 14)} | {"a.png": png(8)})
    data(folder, "-o", tmp_path / "set.zip")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "skipped 4 pictures: empty (the first: 10.png)"
    assert lines[-1] == f"every one of them: {tmp_path / 'set-report.txt'}"
    each = [f"skipped {i}.png: empty" for i in range(10, 14)]
    assert (tmp_path / "set-report.txt").read_text().splitlines()[1:] == each
    data(folder, "--check", "--verbose")
    assert capsys.readouterr().out.splitlines()[:4] == each


@pytest.mark.parametrize("dest", ["set.zip", "set"])
def test_the_same_command_makes_the_same_bytes(source, tmp_path, dest):
    folder, found = source({f"{i}/{i}.jpg": jpeg(40, i) for i in range(20)}), []
    for place, workers in (("one", 1), ("two", 3)):
        (tmp_path / place).mkdir()
        data(folder, "-o", tmp_path / place / dest, "--resolution", 16, "--max-images", 9, "--workers", workers)
        found.append({p.relative_to(tmp_path / place): p.read_bytes()
                      for p in sorted((tmp_path / place).rglob("*")) if p.is_file() and p.suffix != ".txt"})
    assert found[0] == found[1] and len(Dataset(tmp_path / "one" / dest)) == 9


def test_names_that_lead_out_of_a_zip_stay_inside(tmp_path):
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        for name in ("../../evil.png", "/tmp/root.png", "..\\win.png", "C:\\d.png"):
            archive.writestr(name, png())
    (tmp_path / "in").mkdir()
    data(tmp_path / "slip.zip", "-o", tmp_path / "in" / "set")
    assert Dataset(tmp_path / "in" / "set").names == ["C_/d.png", "evil.png", "tmp/root.png", "win.png"]
    assert {p.name for p in tmp_path.iterdir()} == {"slip.zip", "in"}


def test_encrypted_pictures_are_skipped(tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, png())
    content = bytearray((tmp_path / "set.zip").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "set.zip").write_bytes(content)
    data(tmp_path / "set.zip", "-o", tmp_path / "made.zip")
    assert capsys.readouterr().out.splitlines()[0] == "skipped a.png: encrypted"


def test_mixed_sizes_are_one_line_with_the_remedy(source, tmp_path):
    folder = source({f"{i}.png": png(64, i) for i in range(5)} | {"x.png": png(63), "y.png": png(16), "z.png": png(9)})
    line = refused(folder, "-o", tmp_path / "set.zip")
    assert line == (f"{folder}: its pictures have 4 sizes: 5 of 64x64, 1 of 63x63, 1 of 16x16, 1 of others; "
                    "choose one, such as --resolution 64")
    assert not (tmp_path / "set.zip").exists() and not (tmp_path / "set-report.txt").exists()
    data(folder, "-o", tmp_path / "set.zip", "--resolution", 64)
    assert Dataset(tmp_path / "set.zip").size == (64, 64)


def test_a_size_that_no_network_has(source, tmp_path):
    assert "are 100x100, which no network here can have" in refused(source({"a.png": png(100)}), "-o", tmp_path / "s")
    assert "no network here can have pictures of 48x48" in refused("x", "-o", tmp_path / "s", "--resolution", 48)
    assert "such as 32x32 or 32x24" in refused("x", "-o", tmp_path / "s", "--resolution", "48")
    assert "such as 8x8" in refused("x", "-o", tmp_path / "s", "--resolution", "7")


@pytest.mark.parametrize("options, shape", [
    (["16"], (16, 16)), (["16x8"], (8, 16)), (["8X16", "--transform", "pad"], (16, 8)),
    (["16x12", "--transform", "center-crop-wide"], (16, 16))], ids=range(4))
def test_sizes_and_transforms(source, tmp_path, options, shape, capsys):
    folder = source({"a.png": png(40), "b.png": encoded(LEVELS.repeat(2, 0))})
    data(folder, "-o", tmp_path / "set.zip", "--resolution", *options)
    assert Dataset(tmp_path / "set.zip").size == shape
    assert ("every --cfg" if shape == (16, 16) else "--cfg stylegan2, ") in capsys.readouterr().out


@pytest.mark.parametrize("grey_first", [True, False])
def test_grey_and_colour_become_rgb(source, tmp_path, grey_first, capsys):
    a, b = (1, 3) if grey_first else (3, 1)
    folder = source({"a.png": png(8, channels=a), "b.png": png(8, channels=b)})
    data(folder, "-o", tmp_path / "set.zip")
    assert "note: 1 of 2 pictures are grey, the others coloured: all become RGB" in capsys.readouterr().out
    assert TrainingSet(tmp_path / "set.zip").shape == (3, 8, 8) and not any(TrainingSet(tmp_path / "set.zip").check())
    for channels in (1, 3, 4):
        data(folder, "-o", tmp_path / "set.zip", "--overwrite", "--channels", channels)
        with zipfile.ZipFile(tmp_path / "set.zip") as archive:
            assert {pixels(archive.read(f"{name}.png")).shape for name in "ab"} == {
                (8, 8) if channels == 1 else (8, 8, channels)}


def test_labels_are_kept(source, tmp_path):
    labels = {"labels": [["b.png", 2], ["a.gif", 1]]}
    folder = source({"a.gif": encoded(LEVELS, "GIF"), "b.png": png(), "dataset.json": json.dumps(labels).encode()})
    data(folder, "-o", tmp_path / "set.zip")
    made = json.loads(zipfile.ZipFile(tmp_path / "set.zip").read("dataset.json"))
    assert made == {"labels": [["a.png", 1], ["b.png", 2]]}


# -- check ------------------------------------------------------------------------------------------------------------

CHECKED = {
    "good": ({"a.png": png(), "b.jpg": jpeg()}, "training can use it as it is, 16x16, with every --cfg"),
    "broken": ({"a.png": png(), "b.jpg": jpeg(64)[:500]}, "1 of its pictures cannot be read. Convert it: python -m"),
    "cut": ({"a.png": png(), "b.png": png(64)[:3000]}, "1 of its pictures cannot be read"),
    "deep": ({"a.png": png(), "b.png": encoded(np.zeros((16, 16), np.uint16))}, "1 picture of more than 8 bits"),
    "sizes": ({"a.png": png(16), "b.png": png(17)}, "have 2 sizes: 1 of 16x16, 1 of 17x17. Convert it: python -m"),
    "grey-first": ({"a.png": png(channels=1), "b.png": png()}, "some pictures are coloured and the first is grey"),
    "grey-second": ({"a.png": png(), "b.png": png(channels=1)}, "training can use it as it is"),
    "gif": ({"a.png": png(), "b.png": encoded(LEVELS, "GIF")}, "1 picture of format GIF"),
    "cmyk": ({"a.png": png(), "b.jpg": jpeg(mode="CMYK")}, "every --cfg; converted, 1 of its pictures would change"),
    "turned": ({"a.png": png(), "b.jpg": jpeg(orientation=6)}, "converted, 1 of its pictures would change"),
}


@pytest.mark.parametrize("files, line", CHECKED.values(), ids=CHECKED)
def test_the_check_says_what_training_would(source, tmp_path, capsys, files, line):
    """Its verdict against training itself, which reads every picture."""
    folder = source(files)
    before = sorted(tmp_path.rglob("*"))
    data(folder, "--check")
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert line in verdict and sorted(tmp_path.rglob("*")) == before
    assert ("can use it as it is" in verdict) == (not any(TrainingSet(folder).check()))


def test_the_check_of_a_size_that_fits_not_all(source, capsys):
    data(source({"a.png": encoded(LEVELS[:8])}), "--check")
    verdict = capsys.readouterr().out.splitlines()[-1]
    assert "training can use it as it is, 16x8, with --cfg stylegan2, " in verdict and "stylegan3-t" not in verdict


def test_the_check_of_arrays(tmp_path, capsys):
    digits = np.zeros((3, 28, 28), np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(
        bytes([0, 0, 8, 3]) + np.array([3, 28, 28], ">u4").tobytes() + digits.tobytes())
    assert "holds no pictures; nothing of --part test is in it" in refused(tmp_path, "--check", "--part", "test")
    line = refused(tmp_path, "-o", tmp_path.parent / "no.zip")
    assert line.endswith("such as --resolution 32 (enlarging; with --transform pad, black is added instead)")
    data(tmp_path, "--check")
    assert "it is MNIST, training reads folders and zips" in capsys.readouterr().out
    data(tmp_path, "-o", tmp_path.parent / f"{tmp_path.name}.zip", "--resolution", 32, "--transform", "pad")
    assert TrainingSet(tmp_path.parent / f"{tmp_path.name}.zip").shape == (1, 32, 32)


# -- refusals ---------------------------------------------------------------------------------------------------------

def test_nothing_usable_leaves_nothing(source, tmp_path):
    line = refused(source({"a.png": b"", "b.png": b"x"}), "-o", tmp_path / "set.zip")
    assert line == f"{tmp_path / 'src'}: none of its 2 pictures can be used; the first: a.png: empty"
    cut = source({"a.png": png(64)[:3000]}, "cut")       # found only where it is read to the end
    assert "none of its 1 pictures can be used; the first: a.png: truncated" in refused(cut, "-o", tmp_path / "set")
    (tmp_path / "nothing").mkdir()
    assert "holds no pictures; it is empty" in refused(tmp_path / "nothing", "-o", tmp_path / "set")
    assert {p.name for p in tmp_path.iterdir()} == {"src", "cut", "nothing"}


@pytest.mark.parametrize("words, line", [
    (["src"], "where to? add -o DEST"), (["src", "-o", "src/set.zip"], "lies within SOURCE"),
    (["src", "-o", "src"], "is there already; choose a new folder"), (["no", "-o", "set"], "no: is not there"),
    (["src", "-o", "old.zip"], "is there already; add --overwrite"), (["old.zip", "-o", "old.zip", "--overwrite"],
                                                                      "is SOURCE itself"),
    (["src", "-o", "no/set.zip"], "cannot be written: No such file"),
    (["src", "-o", "old.zip/set"], "cannot be written: Not a directory"),
    (["src", "-o", "set", "--transform", "pad"], "needs to know the size"),
    (["src", "-o", "set", "--resolution", "big"], "is no size; give 256"),
    (["src", "-o", "set", "--resolution", "0"], "is no size"),
    (["src", "-o", "set", "--resolution", "99999"], "is no size"),
    (["src", "-o", "set", "--resolution", "12x16", "--transform", "center-crop-wide"], "is taller than wide"),
    (["src", "-o", "set", "--max-images", "0"], "must be 1 or more"),
    (["src", "-o", "set", "--seed", "-1"], "must be 0 or more"),
    (["src", "-o", "set", "--images", "5"], "--images is for the demo set"),
    (["src", "-o", "set", "--labels", "folders"], "lie in no subfolder"),
    (["src", "-o", "set", "--labels", "no.csv"], "no.csv: cannot be read"),
    (["demo", "--check"], "the demo set is drawn"), (["demo", "-o", "set", "--resolution", "32x16"], "is square"),
    (["demo", "-o", "set", "--channels", "1"], "not for the demo set"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else None)
def test_refusals_before_any_work(source, tmp_path, monkeypatch, words, line):
    source({"a.png": png()})
    (tmp_path / "old.zip").write_bytes(b"keep")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_command, "write_set", lambda *args: pytest.fail("work was begun"))
    before = sorted(tmp_path.rglob("*"))
    assert line in refused(*words)
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "old.zip").read_bytes() == b"keep"


def test_a_full_disk_is_one_line(source, tmp_path, monkeypatch):
    def full(self, *args):
        raise OSError(28, os.strerror(28))
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    assert "set.zip: cannot be written: No space left" in refused(source({"a.png": png()}), "-o", tmp_path / "set.zip")
    monkeypatch.setattr(writing, "_write_file", full)
    assert "set: cannot be written: No space left" in refused(tmp_path / "src", "-o", tmp_path / "set")
    assert {p.name for p in tmp_path.iterdir()} == {"src"}


@pytest.mark.skipif(sys.platform == "win32" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root may write all")
def test_a_place_that_may_not_be_written(source, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "Permission denied" in refused(source({"a.png": png()}), "-o", tmp_path / "closed" / "set.zip")
    (tmp_path / "closed").chmod(0)
    assert "Permission denied" in refused(tmp_path / "src", "-o", tmp_path / "closed" / "set")
    assert "cannot be read: Permission denied" in refused(tmp_path / "closed" / "x.zip", "--check")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no such place here")
def test_a_place_where_nobody_may_write(source):
    assert "cannot be written" in refused(source({"a.png": png()}), "-o", "/proc/self/set.zip")


def test_a_place_by_dots(source, tmp_path, monkeypatch, capsys):
    (tmp_path / "here" / "deep").mkdir(parents=True)
    folder = source({"a.png": png()})
    monkeypatch.chdir(tmp_path / "here" / "deep")
    assert "is there already" in refused(folder, "-o", "..")
    data(folder, "-o", ".")
    assert Dataset(tmp_path / "here" / "deep").names == ["a.png"]


def test_the_demo_set(tmp_path, capsys):
    data("demo", "-o", tmp_path / "demo.zip", "--resolution", 16, "--images", 5, "--seed", 3, "--progress")
    out, err = capsys.readouterr()
    assert out == f"{tmp_path / 'demo.zip'}: 5 pictures, 16x16 RGB, 4 classes; fits every --cfg\n" and "drawing" in err
    made = TrainingSet(tmp_path / "demo.zip", conditional=True)
    assert len(made) == 5 and made.shape == (3, 16, 16)


def test_no_bar_where_nobody_looks(source, tmp_path, capsys):
    data(source({"a.png": png()}), "-o", tmp_path / "set")
    assert capsys.readouterr().err == ""
