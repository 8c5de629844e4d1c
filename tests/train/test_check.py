"""The look at data and disk: what is fine passes, everything else is one line with number, culprit and remedy."""
from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nets.errors import UserError
from renderer.datasets import Dataset
from train.check import Summary, check_disk, check_enough, check_place, check_set, check_unchanged
from train.presets import Data, preset
from train.settings import RunOptions


def options(path: Path, **others) -> RunOptions:
    return RunOptions("runs", str(path), "stylegan2", **others)


def picture(size=(16, 16), mode="RGB", format="PNG") -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], len(mode)), np.uint8)
    Image.fromarray(noise.squeeze()).save(file, format)
    return file.getvalue()


@pytest.fixture(params=["folder", "zip"])
def made(request, tmp_path):
    """made({name: bytes}): a data set of these files."""
    def make(files: dict[str, bytes]) -> Path:
        if request.param == "zip":
            path = tmp_path / "set.zip"
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            return path
        for name, content in files.items():
            (tmp_path / "set").mkdir(exist_ok=True)
            (tmp_path / "set" / name).write_bytes(content)
        return tmp_path / "set"
    make.kind = request.param
    return make


def good(count: int = 20) -> dict[str, bytes]:
    return {f"{i:04d}.{'png' if i % 2 else 'jpg'}": picture(format="PNG" if i % 2 else "JPEG") for i in range(count)}


def refused(path: Path, **others) -> str:
    with pytest.raises(UserError) as error:
        check_set(options(path, **others), show=False)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_good_set(made):
    path = made(good())
    assert check_set(options(path), show=False) == Summary(str(path), 20, (16, 16), 3, 0)
    assert str(check_set(options(path, max_images=7), show=False)) == f"{path}: 7 pictures of 16x16, RGB"
    assert check_set(options(path, channels=1), show=False).channels == 1


def test_a_glance_is_what_reading_finds(made):
    files = good(4) | {"grey.png": picture(mode="L"), "wide.png": picture((32, 16))}
    pictures = Dataset(made(files))
    for index, name in enumerate(pictures.names):
        assert pictures.glance(index) == pictures._picture(name).shape


def test_one_broken_file_among_many(made):
    line = refused(made(good() | {"0005x.png": b"no picture"}))
    assert line.startswith("1 of 21 pictures cannot be trained with, the first: ") and "0005x.png is a damaged" in line
    assert "python -m train data" in line and "-o NEW.zip --resolution 16x16" in line


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_file_that_was_cut(format, tmp_path):
    """Its header is whole."""
    (tmp_path / "set").mkdir()
    for name, content in good(4).items():
        (tmp_path / "set" / name).write_bytes(content)
    (tmp_path / "set" / f"x.{format.lower()}").write_bytes(picture((16, 16), format=format)[:-200])
    assert f"x.{format.lower()} is a damaged picture" in refused(tmp_path / "set")


def test_what_follows_a_whole_picture_does_no_harm(tmp_path):
    (tmp_path / "set").mkdir()
    for name in "ab":
        (tmp_path / "set" / f"{name}.jpg").write_bytes(picture(format="JPEG") + b"added by a camera")
    assert check_set(options(tmp_path / "set"), show=False).images == 2


def test_mixed_sizes(made):
    line = refused(made(good() | {"1.png": picture((32, 16)), "2.png": picture((8, 16))}))
    assert "2 of 22 pictures" in line and "1.png is 32x16, the others are 16x16" in line


def test_mixed_colours(made):
    files = {f"{i}.png": picture(mode="L") for i in range(4)}
    assert "4.png is coloured, the first picture is grey" in refused(made(files | {"4.png": picture()}))
    assert check_set(options(made({"0.png": picture()} | {f"{i}.png": picture(mode="L") for i in range(1, 4)}
                                  | {"4.png": picture()})), show=False).channels == 3


def test_a_file_of_gigabytes(tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.png").write_bytes(picture())
    with open(tmp_path / "set" / "b.png", "wb") as file:
        file.truncate(3 << 30)           # takes no room
    assert "b.png is larger than 256 MiB" in refused(tmp_path / "set")


def test_labels(made):
    files = good(4)
    labels = {"labels": [[name, i] for i, name in enumerate(files)]}
    path = made(files | {"dataset.json": json.dumps(labels).encode()})
    assert check_set(options(path, cond=True), show=False).c_dim == 4
    assert check_set(options(path), show=False).c_dim == 0
    if made.kind == "folder":
        (path / "dataset.json").write_text('{"labels": [["0000.jpg", 1]]}')
        assert "has no label for 3 of 4 pictures" in refused(path, cond=True)


def test_fewer_pictures_than_a_batch():
    config = preset("stylegan2", Data((16, 16)))
    check_enough(Summary("set", 32, (16, 16), 3, 0), config)
    with pytest.raises(UserError, match="31 pictures are fewer than a minibatch of 32; choose a smaller --batch"):
        check_enough(Summary("set", 31, (16, 16), 3, 0), config)


def test_a_set_that_changed():
    summary = Summary("set", 32, (16, 16), 3, 0)
    check_unchanged(summary, json.loads(json.dumps(summary._asdict())))
    check_unchanged(summary, {})
    for field, value in ("images", 31), ("size", [16, 8]), ("c_dim", 2), ("channels", 1):
        with pytest.raises(UserError, match=f"is not the set this run began with: {field} "):
            check_unchanged(summary, summary._asdict() | {field: value})


def test_the_disk(tmp_path, monkeypatch):
    config = preset("stylegan2-auto", Data((64, 64)))
    check_disk(tmp_path / "not" / "yet", config)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 1 << 20))
    with pytest.raises(UserError, match="1 MB are free, a snapshot and 3 training states take .* choose another"):
        check_disk(tmp_path / "not" / "yet", config)


def test_the_place(tmp_path, monkeypatch):
    check_place(tmp_path / "not" / "yet")
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: is a file; choose a folder with --outdir"):
        check_place(tmp_path / "file" / "runs")
    monkeypatch.setattr(os, "access", lambda path, mode: False)          # a superuser may write everywhere
    with pytest.raises(UserError, match="cannot be written to; choose another --outdir"):
        check_place(tmp_path)
