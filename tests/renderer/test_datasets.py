"""Data sets: folders and zips of pictures, with all that lies about in them."""
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from nets.errors import UserError
from renderer.datasets import Dataset, UnfitPicture, is_dataset


def pixels(seed: int, shape: tuple[int, ...] = (6, 8, 3)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def encoded(array: np.ndarray, format: str = "PNG", mode: str | None = None) -> bytes:
    file = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(file, format)
    return file.getvalue()


CONTENT = {
    "b/10.png": encoded(pixels(1)), "b/2.png": encoded(pixels(2)), "a.PNG": encoded(pixels(3)),
    "grey.png": encoded(pixels(4, (6, 8))), "see-through.png": encoded(pixels(5), mode="RGBA"),
    "photo.jpg": encoded(pixels(6), "JPEG"), "few.bmp": encoded(pixels(7), "BMP", "P"),
    "dataset.json": json.dumps({"labels": None}).encode(), "notes.txt": b"no picture",
    ".hidden.png": b"", "__MACOSX/._a.png": b"",
}
NAMES = ["a.PNG", "b/10.png", "b/2.png", "few.bmp", "grey.png", "photo.jpg", "see-through.png"]


@pytest.fixture(params=["folder", "zip", "deflated"])
def written(request, tmp_path):
    def written(content: dict[str, bytes]):
        if request.param == "folder":
            for name, data in content.items():
                (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / "set" / name).write_bytes(data)
            return tmp_path / "set"
        method = zipfile.ZIP_STORED if request.param == "zip" else zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(tmp_path / "set.zip", "w", method) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return tmp_path / "set.zip"
    return written


def test_pictures_in_order(written):
    path = written(CONTENT)
    data = Dataset(path)
    assert is_dataset(path) and data.names == NAMES and len(data) == 7 and data.size == (6, 8)
    read = {name: data.read(i) for i, name in enumerate(NAMES)}
    assert all(picture.dtype == np.uint8 for picture in read.values())
    assert np.array_equal(read["a.PNG"], pixels(3)) and np.array_equal(read["b/2.png"], pixels(2))
    assert np.array_equal(read["grey.png"], pixels(4, (6, 8))[:, :, None])
    assert np.array_equal(read["see-through.png"], pixels(5))
    assert read["few.bmp"].shape == (6, 8, 3)
    assert np.array_equal(read["photo.jpg"], np.asarray(Image.open(io.BytesIO(CONTENT["photo.jpg"]))))


@pytest.mark.parametrize("bad, why", [
    (encoded(pixels(0, (8, 6, 3))), "is 6x8, the others are 8x6"),
    (encoded(pixels(0))[:60], "is a damaged picture"),
    (b"", "is a damaged picture"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 6\n", "is a damaged picture"),      # runs a program if let
    (encoded(pixels(0, (6, 8)).astype(np.uint16) * 256), "has more than 8 bits a channel"),
])
def test_a_bad_picture_is_named_and_the_others_are_read(written, bad, why):
    data = Dataset(written({"a.png": encoded(pixels(0)), "b.png": bad, "c.png": encoded(pixels(1))}))
    with pytest.raises(UnfitPicture, match=f"b.png.* {why}"):
        data.read(1)
    assert np.array_equal(data.read(2), pixels(1))


def test_the_size_is_that_of_the_first_that_can_be_read(written):
    data = Dataset(written({"a.png": b"damaged", "b.png": encoded(pixels(0))}))
    assert data.size == (6, 8)


def test_a_set_without_pictures(written):
    with pytest.raises(UserError, match="holds no pictures"):
        Dataset(written({"readme.txt": b"nothing"}))
    with pytest.raises(UserError, match="none of its 1 pictures can be read; the first: .*z.png is a damaged picture"):
        Dataset(written({"readme.txt": b"nothing", "z.png": b"damaged"}))


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(UserError, match="is not there"):
        Dataset(tmp_path / "missing.zip")
    (tmp_path / "text.zip").write_bytes(b"no archive")
    with pytest.raises(UserError, match="text.zip: cannot be read as a data set: it is no zip"):
        Dataset(tmp_path / "text.zip")
    assert is_dataset(tmp_path) and not is_dataset(tmp_path / "network.pkl") and not is_dataset("demo:stylegan2")


def test_a_damaged_member(tmp_path):
    """The archive's directory is fine, the bytes of one member are not: its checksum tells."""
    picture = encoded(pixels(0))
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.png", picture)
        archive.writestr("b.png", encoded(pixels(1)))
    data = bytearray((tmp_path / "set.zip").read_bytes())
    data[data.index(picture) + len(picture) - 20] ^= 255
    (tmp_path / "set.zip").write_bytes(data)
    read = Dataset(tmp_path / "set.zip")
    with pytest.raises(UnfitPicture, match="a.png is a damaged picture"):
        read.read(0)
    assert np.array_equal(read.read(1), pixels(1))
