"""Requests survive JSON and PNG; what is no request is refused in one helpful line."""
import dataclasses
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from random_requests import random_request

from nets.errors import UserError
from renderer import images, png, state
from renderer.inspection import Filters
from renderer.types import (
    Array,
    Checkpoint,
    Compare,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    SeedGrid,
    Source,
    Spectrum,
    Synth,
    View,
    sources,
)

FULL = RenderRequest(
    Checkpoint("Gesichter ü 脸.pkl", "G", "cuda", "bf16", "reference", 3, "e3b0"),
    Latent(0.5, -2.25, Array.of(np.arange(6.0).reshape(2, 3)), Array.of(np.ones((1, 4, 2), np.float32)),
           ((3, 0.5), (1, -1.0)), 0.7, 8),
    Mix(Source(-5, Array.of(np.ones((4, 2))), "Ada"), (0, 1, 7)),
    Synth("random", 2 ** 40, tuple(map(float, range(9))), 1.5), "b64.conv0.act",
    View("channel", (3, 2, 1), 5, "coolwarm", -6.0, 0.25, "minmax", "energy"),
    Spectrum(2, 4.0, 30.0, "magma"), MixTable(sources(1, 2), (Source(w=Array.of(np.ones((4, 2))), name="顔"),), (4, 5)),
    SeedGrid((5, 6), 1), True, Filters("L3_52_512"),
    Compare("split", "SE", 6.0, 0.25, Checkpoint("b.pkl"), RenderRequest(tap="const")))


def test_the_full_request_sets_every_field():
    """So that a field added to the types is covered below, and a request that lacks one stands out here."""
    def differing(a, b):
        for field in dataclasses.fields(a):
            x, y = getattr(a, field.name), getattr(b, field.name)
            if dataclasses.is_dataclass(x) and type(x) is type(y):
                differing(x, y)
            else:
                assert x != y, field.name
    differing(FULL, RenderRequest())


@pytest.mark.parametrize("request_", [RenderRequest(), FULL], ids=["default", "full"])
def test_round_trip(request_):
    text = state.to_json(request_)
    again = state.from_json(text)
    assert again == request_ and hash(again) == hash(request_) and state.to_json(again) == text
    assert json.loads(text)["stylescope"] == state.SCHEMA


@pytest.mark.parametrize("seed", range(60))
def test_round_trip_of_random_requests(seed):
    request = random_request(seed)
    for brief in (False, True):
        again = state.from_json(state.to_json(request, brief))
        assert again == request
        assert repr(again) == repr(request)                   # 1 and 1.0 are equal, but not the same request


def test_brief_is_one_line_of_what_differs():
    request = RenderRequest(Checkpoint("Gesicht ü.pkl"), Latent(psi=0.7), mix=Mix(Source(2)), view=View("mean"))
    assert state.to_json(request, brief=True) == (
        '{"stylescope": 2, "request": {"checkpoint": {"path": "Gesicht ü.pkl"}, "latent": {"psi": 0.7}, '
        '"mix": {"source": 2}, "view": {"mode": "mean"}}}')
    assert state.to_json(RenderRequest(), brief=True) == '{"stylescope": 2, "request": {}}'
    assert "\n" not in state.to_json(FULL, brief=True) and state.from_json(state.to_json(FULL, brief=True)) == FULL


def test_a_seed_as_a_source_is_its_number():
    table = json.loads(state.to_json(FULL))["request"]["table"]
    assert table["across"] == [1, 2] and table["down"][0]["name"] == "顔"
    assert state.from_json(state.to_json(RenderRequest(mix=Mix(Source(7))))).mix.source == Source(7)
    named = Mix(Source(7, name="Ada"))
    assert state.from_json(state.to_json(RenderRequest(mix=named))).mix == named


def test_version_1_opens():
    """What the first window saved: other names for range and mixing, tables of seeds without labels."""
    old = {"view": {"mode": "channel", "channel": 3, "normalize": True, "gain_db": 6.0},
           "mix": {"seed": 9, "rows": [1]}, "table": {"across": [1, 2], "down": [3], "rows": [0]}, "tap": "b8.image",
           "latent": {"x": 5.0, "y": 0.0, "z": None, "w": None, "classes": [[1, 1.0]], "psi": 0.5, "cutoff": None}}
    request = state.from_json(json.dumps({"stylescope": 1, "request": old}))
    assert request == RenderRequest(
        latent=Latent(5.0, classes=((1, 1.0),), psi=0.5), mix=Mix(Source(9), (1,)), tap="b8.image",
        view=View("channel", channel=3, range="symmetric", gain_db=6.0),
        table=MixTable(sources(1, 2), sources(3), (0,), labels=False))
    plain = {"view": {"normalize": False}, "mix": {"seed": 1, "rows": []}, "table": None}
    assert state.from_json(json.dumps({"stylescope": 1, "request": plain})) == RenderRequest()
    for now in ({"view": {"normalize": True}}, {"mix": {"seed": 1}}):
        with pytest.raises(UserError, match="unknown field"):
            state.from_json(json.dumps({"stylescope": 2, "request": now}))


def test_a_pinned_request_pins_none():
    """Else a file of some kilobytes could nest requests without end."""
    nested = RenderRequest(compare=Compare(pinned=FULL))
    with pytest.raises(ValueError):
        state.to_json(nested)
    text = {}
    for _ in range(200):
        text = {"compare": {"pinned": text}}
    with pytest.raises(UserError, match="'compare.pinned' in the state holds a comparison of its own"):
        state.from_json(json.dumps({"stylescope": 2, "request": text}))


def test_names_that_are_no_unicode(tmp_path):
    """Linux file names may be any bytes; Python keeps them as lone surrogates."""
    request = RenderRequest(Checkpoint(b"alt\xe4.pkl".decode("utf-8", "surrogateescape")))
    images.save_png(tmp_path / "x.png", PICTURE, request)
    assert images.load_request(tmp_path / "x.png") == request


def test_missing_fields_take_their_defaults():
    assert state.from_json('{"stylescope": 1, "request": {}}') == RenderRequest()
    partial = state.from_json('{"stylescope": 1, "request": {"latent": {"psi": 1, "x": 4}, "tap": "b8.image"}}')
    assert partial == RenderRequest(latent=Latent(x=4.0, psi=1.0), tap="b8.image")
    assert type(partial.latent.psi) is float


def wrong(**request) -> str:
    return json.dumps({"stylescope": 1, "request": request})


ARRAY = {"shape": [2], "dtype": "<f4", "base64": "AAAAAAAAAAA="}


@pytest.mark.parametrize("text, says", [
    ("", "JSON"), ("not json", "JSON"), ("[" * 100000, "JSON"), ("[]", "stylescope"), ("{}", "stylescope"),
    ('{"stylescope": "1"}', "stylescope"), ('{"stylescope": 1}', "request"),
    ('{"stylescope": 99, "request": {}}', "newer"), (wrong(unknown=1), "'unknown'"),
    (wrong(latent={"psii": 1}), "'latent.psii'"), (wrong(latent=[]), "'latent'"),
    (wrong(latent={"psi": "0.7"}), "'latent.psi'"), (wrong(latent={"psi": True}), "'latent.psi'"),
    ('{"stylescope": 1, "request": {"latent": {"psi": NaN}}}', "NaN"),
    ('{"stylescope": 1, "request": {"latent": {"psi": 1e999}}}', "latent.psi"),
    (wrong(latent={"psi": 10 ** 400}), "latent.psi"),
    (wrong(mix={"source": {"seed": 1.5}}), "whole"), (wrong(mix={"source": "Ada"}), "mix.source"),
    (wrong(mix={"source": True}), "mix.source"), (wrong(view=3, mix=4), "'view'"),
    ('{"stylescope": 1, "request": 3}', "'request'"), (wrong(view={"normalize": 1}), "'view.normalize'"),
    (wrong(mix={"rows": [0, "1"]}), "mix.rows[1]"),
    (wrong(mix={"rows": 3}), "list"),
    (wrong(view={"channels": [1, 2]}), "3"), (wrong(view={"mode": "hsv"}), "rgb, channel"),
    (wrong(view={"gain_db": True}), "a number"), (wrong(strip=1), "true or false"),
    (wrong(checkpoint={"device": "tpu"}), "cuda"),
    (wrong(tap=5), "'tap'"), (wrong(tap=None), "'tap'"), (wrong(table={"across": [1], "down": [2]}), "table.rows"),
    (wrong(**{"x\n" * 500: 1}), "unknown"),
    *((wrong(latent={"w": w}), "latent.w") for w in (
        {**ARRAY, "base64": "!"}, {**ARRAY, "shape": [3]}, {**ARRAY, "shape": [-2]}, {**ARRAY, "dtype": "O"},
        {**ARRAY, "dtype": "nonsense"}, [1, 2], {"shape": [2]}, {**ARRAY, "shape": [2] + [1] * 70},
        {"shape": [10 ** 18, 10 ** 18, 0], "dtype": "<f4", "base64": ""})),
    (wrong(seeds={"seeds": [0] * 100_001}), "'seeds.seeds' in the state has 100,001 items"),
    (" " * (64 << 20) + "{}", "too large"),
])
def test_refusals(text, says):
    with pytest.raises(UserError) as error:
        state.from_json(text)
    assert says in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 700


def test_what_is_not_finite_is_not_written():
    with pytest.raises(ValueError):
        state.to_json(RenderRequest(latent=Latent(psi=float("nan"))))


# -- files ------------------------------------------------------------------------------------------------------------

PICTURE = np.random.RandomState(0).randint(0, 256, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("request_", [RenderRequest(), FULL], ids=["default", "full"])
def test_png_carries_the_state(tmp_path, request_):
    path = tmp_path / "Bild ü 脸.png"
    images.save_png(path, PICTURE, request_)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), PICTURE)
    assert images.load_request(path) == request_
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_png_carries_a_large_latent(tmp_path):
    request = RenderRequest(latent=Latent(w=Array.of(np.random.RandomState(0).randn(64, 18, 512))))
    images.save_png(tmp_path / "x.png", PICTURE, request)
    assert images.load_request(tmp_path / "x.png") == request


def chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def png_of(*texts: bytes) -> bytes:
    """One that claims more pixels than any memory holds; its texts follow them."""
    header = chunk(b"IHDR", (2 ** 31 - 1).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0]))
    chunks = [header, chunk(b"IDAT", b""), *(chunk(b"iTXt", text) for text in texts), chunk(b"IEND", b"")]
    return png.SIGNATURE + b"".join(chunks)


def test_the_state_of_a_picture_is_read_without_its_pixels(tmp_path):
    text = state.to_json(FULL).encode()
    for data in (b"stylescope\0\0\0\0\0" + text, b"stylescope\0\1\0en\0\0" + zlib.compress(text)):
        (tmp_path / "x.png").write_bytes(png_of(b"Title\0\0\0\0\0ein Bild", data))
        assert images.load_request(tmp_path / "x.png") == FULL


def test_texts_that_are_damaged_or_endless_are_refused(tmp_path):
    good = b"stylescope\0\0\0\0\0{}"
    endless = zlib.compress(b"[" * (65 << 20))           # what is read of it is no JSON
    for data in (png_of(good).replace(b"{}", b"{]"), png_of(b"stylescope"), png_of(b"stylescope\0\1\0\0\0nonsense"),
                 png_of(b"stylescope\0\0\0\0\0\xff"), png_of(b"stylescope\0\1\0\0\0" + endless), png_of(good)[:-12]):
        (tmp_path / "x.png").write_bytes(data)
        with pytest.raises(UserError, match="x.png"):
            images.load_request(tmp_path / "x.png")


def test_a_preset_too_large_to_be_one_is_not_read(tmp_path):
    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(1 << 40)           # of zeros that take no room
    with pytest.raises(UserError, match="x.json: is too large for a state"):
        images.load_request(tmp_path / "x.json")


def test_json_file(tmp_path):
    (tmp_path / "preset.json").write_text(state.to_json(FULL), encoding="utf-8")
    assert images.load_request(tmp_path / "preset.json") == FULL


@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 4)])
def test_png_modes(tmp_path, shape):
    picture = np.random.RandomState(1).randint(0, 256, shape, dtype=np.uint8)
    images.save_png(str(tmp_path / "x.png"), picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), picture)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    images.save_png(path, PICTURE)
    before = path.read_bytes()

    def full_disk(self, file, *args, **kwargs):
        file.write(b"half")
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(UserError, match="x.png.*No space"):
        images.save_png(path, PICTURE, FULL)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_places_that_cannot_be_written_or_read(tmp_path):
    with pytest.raises(UserError, match="nowhere"):
        images.save_png(tmp_path / "nowhere" / "x.png", PICTURE)
    for name, content, says in (("a.png", None, "No such file"), ("b.json", b"{}", "stylescope"),
                                ("c.json", b"\xff\xfe\x00", "neither"),
                                ("d.png", png.SIGNATURE + b"junk", "damaged")):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=says) as error:
            images.load_request(tmp_path / name)
        assert name in str(error.value) and "\n" not in str(error.value)
    images.save_png(tmp_path / "plain.png", PICTURE)
    with pytest.raises(UserError, match="holds no Stylescope state"):
        images.load_request(tmp_path / "plain.png")
    images.save_png(tmp_path / "cut.png", PICTURE, FULL)
    whole = (tmp_path / "cut.png").read_bytes()
    for length in (20, 60, 200):
        (tmp_path / "cut.png").write_bytes(whole[:length])
        with pytest.raises(UserError, match="cut.png"):
            images.load_request(tmp_path / "cut.png")


@pytest.mark.parametrize("count, columns, rows", [(1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (9, 3, 3),
                                                  (10, 4, 3)])
def test_grid(count, columns, rows):
    pictures = [np.full((2, 3, 3), i + 1, np.uint8) for i in range(count)]
    sheet = images.grid(pictures)
    assert sheet.shape == (2 * rows, 3 * columns, 3)
    cells = sheet.reshape(rows, 2, columns, 3, 3).transpose(0, 2, 1, 3, 4).reshape(rows * columns, -1)
    assert (cells == np.array([*range(1, count + 1), *[0] * (rows * columns - count)])[:, None]).all()
