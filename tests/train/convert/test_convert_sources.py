"""Every kind of source: what is found in it, under which names, with which labels, and its lines when damaged."""
from __future__ import annotations

import gzip
import os
import pickle
import struct
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from picture_files import jpeg, png

from nets.errors import UserError
from train.convert.source import Skip, open_source

COUNT = 7
DATA = np.random.RandomState(1).randint(0, 256, (COUNT, 3072)).astype(np.uint8)
CLASSES = [3, 1, 9, 0, 3, 2, 7]


def content(source, index: int):
    opened = source.open(index)
    return opened if isinstance(opened, np.ndarray) else opened.read()


# -- folders and zips -------------------------------------------------------------------------------------------------

TREE = {"b/x y.png": png(seed=1), "a/ä.jpg": jpeg(seed=2), "c.PNG": png(seed=3), "notes.txt": b"no",
        ".hidden/d.png": b"", "__MACOSX/a/._ä.jpg": b"x", "._c.png": b"x", "dataset.json": b"{}", "README": b""}
PICTURES = ["a/ä.jpg", "b/x y.png", "c.PNG"]


@pytest.fixture(params=["folder", "zip"])
def tree(request, tmp_path):
    def tree(files=TREE):
        if request.param == "zip":
            with zipfile.ZipFile(tmp_path / "set.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
            return tmp_path / "set.zip"
        for name, data in files.items():
            (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set" / name).write_bytes(data)
        return tmp_path / "set"
    return tree


def test_pictures_of_a_folder_or_zip(tree):
    source = open_source(tree())
    assert source.names == PICTURES
    assert [content(source, i) for i in range(3)] == [TREE[name] for name in PICTURES]
    assert source.read_bytes("dataset.json") == b"{}" and source.read_bytes("none.json") is None
    assert source.notes == ["skipped 2 files not named as pictures: 1 of suffix .txt, 1 of suffix none"]


def test_none_in_it(tree):
    with pytest.raises(UserError, match="holds no pictures; skipped 1 file not named as pictures: 1 of suffix .txt"):
        open_source(tree({"notes.txt": b"no"}))


def test_an_empty_file_and_one_of_3_gigabytes(tmp_path):
    (tmp_path / "empty.png").touch()
    with open(tmp_path / "huge.png", "wb") as file:
        file.truncate(3 << 30)                           # takes no room on the disk
    source = open_source(tmp_path)
    for index, reason in enumerate(["empty", "larger than 256 MiB"]):
        with pytest.raises(Skip, match=reason):
            source.open(index)


@pytest.mark.skipif(sys.platform == "win32", reason="links are made otherwise")
def test_links(tmp_path):
    """To files they are followed; to folders, or nowhere, they are named."""
    (tmp_path / "set").mkdir()
    (tmp_path / "a.png").write_bytes(png())
    (tmp_path / "set" / "a.png").symlink_to(tmp_path / "a.png")
    (tmp_path / "set" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "set" / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "set" / "pipe.png")             # who opened it would wait for ever
    source = open_source(tmp_path / "set")
    assert source.names == ["a.png", "gone.png", "pipe.png"] and content(source, 0) == png()
    assert source.notes == [f"skipped folder {tmp_path / 'set' / 'round'}: a link to a folder"]
    with pytest.raises(FileNotFoundError):
        source.open(1)
    with pytest.raises(Skip, match="empty"):
        source.open(2)


def test_a_zip_whose_names_lead_out(tmp_path):
    names = ["..\\b.png", "../../etc/a.png", "/root/c.png", "C:\\d.png"]
    with zipfile.ZipFile(tmp_path / "slip.zip", "w") as archive:
        for name in names:
            archive.writestr(name, png())
    assert open_source(tmp_path / "slip.zip").names == sorted(names)


def test_an_encrypted_member(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("a.png", png())
    data = bytearray((tmp_path / "set.zip").read_bytes())
    data[6] |= 1                                         # bit 0 of the flags: in the member's own header ..
    data[data.index(b"PK\1\2") + 8] |= 1                 # .. and in the list at the end
    (tmp_path / "set.zip").write_bytes(data)
    with pytest.raises(Skip, match="encrypted"):
        open_source(tmp_path / "set.zip").open(0)


@pytest.mark.parametrize("name, data, line", [
    ("no.zip", None, "no.zip: is not there"), ("bad.zip", b"PK\3\4 no zip", "bad.zip: is a damaged zip"),
    ("one.png", png(), "one.png: is no source of pictures; give a folder"),
    ("bad.tar.gz", b"no tar", "bad.tar.gz: is a damaged tar"),
    ("net.pkl", pickle.dumps({"G": 1}), "holds no pictures; skipped file net.pkl: is no file of CIFAR's pictures"),
    ("data_batch_1", b"text", "holds no pictures; skipped file data_batch_1: is"),
], ids=lambda value: value if isinstance(value, str) and "." in value[:9] else None)
def test_what_is_no_source(tmp_path, name, data, line):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=line):
        open_source(tmp_path / name)


@pytest.mark.skipif(sys.platform == "win32" or getattr(os, "geteuid", lambda: 0)() == 0, reason="root may read all")
def test_a_subfolder_that_cannot_be_read_is_a_note(tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "a.png").write_bytes(png())
    os.chmod(tmp_path / "closed", 0)
    try:
        source = open_source(tmp_path)
        assert "closed: Permission denied" in source.notes[0] and source.obstacle
    finally:
        os.chmod(tmp_path / "closed", 0o700)


# -- CIFAR ------------------------------------------------------------------------------------------------------------

def python2(data: np.ndarray, fields: dict[str, list[int]]) -> bytes:
    """As Python 2's cPickle writes it, protocol 2: text and bytes are both its str."""
    def text(value: bytes) -> bytes:
        return b"U" + bytes([len(value)]) + value if len(value) < 256 else b"T" + struct.pack("<I", len(value)) + value
    def numbers(values: list[int]) -> bytes:
        return b"](" + b"".join(b"K" + bytes([value]) for value in values) + b"e"
    dtype = b"cnumpy\ndtype\nU\x02u1K\0K\1\x87R(K\3U\1|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    array = (b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\1b\x87R(K\1J"
             + struct.pack("<I", len(data)) + b"M\x00\x0c\x86" + dtype + b"\x89" + text(data.tobytes()) + b"tb")
    names = b"](" + b"".join(text(b"frog_s_%06d.png" % i) for i in range(len(data))) + b"e"
    items = text(b"batch_label") + text(b"training batch 1 of 5") + text(b"data") + array + text(b"filenames") + names
    return b"\x80\x02}(" + items + b"".join(text(k.encode()) + numbers(v) for k, v in fields.items()) + b"u."


def python3(data, fields, protocol=4, binary=False):
    fields = {"data": data, **fields}
    return pickle.dumps({key.encode() if binary else key: value for key, value in fields.items()}, protocol)


WRITERS = {"python2": python2, "python3": python3, "python3-0": lambda *a: python3(*a, protocol=0),
           "python3-bytes": lambda *a: python3(*a, binary=True), "python3-bytes-2": lambda *a: python3(*a, 2, True),
           "fortran": lambda data, fields: python3(np.asfortranarray(data), fields)}


def test_the_test_writes_what_python_reads():
    batch = pickle.loads(python2(DATA, {"labels": CLASSES}), encoding="latin1")
    assert (batch["data"] == DATA).all() and batch["labels"] == CLASSES and len(batch["filenames"]) == COUNT


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("key", ["labels", "fine_labels"])
def test_cifar_is_read(tmp_path, write, key):
    (tmp_path / "data_batch_1").write_bytes(write(DATA, {"coarse_labels": [0] * COUNT, key: CLASSES}))
    source = open_source(tmp_path / "data_batch_1")
    assert source.labels == CLASSES and source.names[:2] == ["0000/img00000000", "0000/img00000001"]
    for index in range(COUNT):
        assert (content(source, index) == DATA[index].reshape(3, 32, 32).transpose(1, 2, 0)).all()


def cifar10() -> dict[str, bytes]:
    files = {f"data_batch_{i}": python2(DATA[i - 1:i], {"labels": [i]}) for i in range(1, 6)}
    return files | {"test_batch": python2(DATA[5:6], {"labels": [6]}), "batches.meta": pickle.dumps({}, 2)}


@pytest.mark.parametrize("part, labels", [("train", [1, 2, 3, 4, 5]), ("test", [6]), ("all", [1, 2, 3, 4, 5, 6])])
@pytest.mark.parametrize("form", ["folder", "around", "tar"])
def test_cifar_10_in_a_folder_or_tar(tmp_path, part, labels, form):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, data in cifar10().items():
        (folder / name).write_bytes(data)
    path = {"folder": folder, "around": tmp_path, "tar": tmp_path / "cifar-10-python.tar.gz"}[form]
    if form == "tar":
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, folder.name)
    source = open_source(path, part)
    assert source.labels == labels and len(source.names) == len(labels)
    assert (content(source, 0) == DATA[labels[0] - 1].reshape(3, 32, 32).transpose(1, 2, 0)).all()


def test_a_damaged_file_of_cifar_is_left_out(tmp_path):
    for name, data in (cifar10() | {"data_batch_2": cifar10()["data_batch_2"][:2000],
                                    "data_batch_3": pickle.dumps(os.system)}).items():
        (tmp_path / name).write_bytes(data)
    source = open_source(tmp_path)
    assert source.labels == [1, 4, 5] and len(source.notes) == 2
    assert source.notes[0].startswith("skipped file data_batch_2: is truncated")


def test_nothing_in_a_pickle_is_run(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made"),)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps({"data": Hostile(), "labels": []}))
    with pytest.raises(UserError, match="calls .*mkdir, which no checkpoint needs"):
        open_source(tmp_path)
    assert not (tmp_path / "made").exists()


def test_a_folder_with_a_file_named_train_is_a_folder(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.png").write_bytes(png())
    assert open_source(tmp_path).kind == "folder"


# -- MNIST ------------------------------------------------------------------------------------------------------------

DIGITS = np.random.RandomState(2).randint(0, 256, (COUNT, 28, 28)).astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(folder, start="train-", dot="-", packed=False, digits=DIGITS, classes=CLASSES):
    gz, pack = (".gz", gzip.compress) if packed else ("", bytes)
    (folder / f"{start}images{dot}idx3-ubyte{gz}").write_bytes(pack(idx(digits)))
    (folder / f"{start}labels{dot}idx1-ubyte{gz}").write_bytes(pack(idx(np.array(classes, np.uint8))))


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("part", ["train", "test", "all"])
def test_mnist_is_read(tmp_path, dot, packed, part):
    write_mnist(tmp_path, "train-", dot, packed)
    write_mnist(tmp_path, "t10k-", dot, packed, DIGITS[:2], [5, 6])
    source = open_source(tmp_path, part)
    assert source.labels == {"train": CLASSES, "test": [5, 6], "all": [5, 6, *CLASSES]}[part]
    assert (content(source, 0) == DIGITS[0]).all() and not source.notes
    file = next(tmp_path.glob("train-images*"))
    assert open_source(file).labels == CLASSES


@pytest.mark.parametrize("packed", [False, True])
def test_mnist_cut_off(tmp_path, packed):
    write_mnist(tmp_path, packed=packed)
    file = next(tmp_path.glob("*images*"))
    file.write_bytes(file.read_bytes()[:-1000])
    source = open_source(tmp_path)
    assert source.notes == [f"skipped 2 of 7 entries of {file.name}: truncated"]
    assert source.labels == CLASSES[:5] and (content(source, 4) == DIGITS[4]).all()


def test_mnist_that_does_not_fit(tmp_path):
    write_mnist(tmp_path, classes=CLASSES[:3])
    with pytest.raises(UserError, match="has 3 classes beside it for 7 pictures"):
        open_source(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\3" + b"\xff" * 12)
    with pytest.raises(UserError, match="claims 4294967295 entries of 4294967295x4294967295"):
        open_source(tmp_path)


# -- LMDB -------------------------------------------------------------------------------------------------------------

def test_lmdb_is_read(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    values = {b"00b1": jpeg(seed=1), b"00a2": png(seed=2), b"\xff\0": png(seed=3), b"none": b""}
    with lmdb.open(str(tmp_path / "bedroom_lmdb")) as data, data.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    for path in (tmp_path / "bedroom_lmdb", tmp_path / "bedroom_lmdb" / "data.mdb"):
        source = open_source(path)
        assert source.names == ["00a2", "00b1", "none", "ff00"]
        assert [content(source, i) for i in (0, 1, 3)] == [values[b"00a2"], values[b"00b1"], values[b"\xff\0"]]
        with pytest.raises(Skip, match="empty"):
            source.open(2)
        source.close()


def test_a_damaged_lmdb(tmp_path):
    pytest.importorskip("lmdb")
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match="cannot be read as an LMDB"):
        open_source(tmp_path)


def test_lmdb_without_its_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lmdb", None)
    (tmp_path / "data.mdb").write_bytes(b"")
    with pytest.raises(UserError, match="pip install lmdb"):
        open_source(tmp_path)
