"""The viewer in the real window: values, grid, cells, drags, comparisons, mostly on a renderer that answers at once."""
import time
from dataclasses import replace
from pathlib import Path

import driver
import fake
import numpy as np
import pytest
from PIL import Image

from gui import values
from gui.comparison import difference
from renderer.images import load_request
from renderer.state import to_json
from renderer.types import Checkpoint, Compare, Latent, MixTable, RenderRequest, SeedGrid, View, sources

TAP = "b16.conv0.act"
FINE = 610                               # pixels of a picture that is all detail, and shown smaller
ENTRY = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dataclasses import replace
import fake, gui.app, numpy as np
answer = fake.answer
def with_fine(request):
    result = answer(request)
    if "fine" in request.checkpoint.path:
        y, x = np.mgrid[:{FINE}, :{FINE}]
        fine = np.repeat(((x + y) % 2 * 255).astype(np.uint8)[..., None], 3, -1)
        result = replace(result, picture=fine, values=None)
    return result
fake.answer = with_fine
gui.app.RenderThread = fake.FakeThread
sys.exit(gui.app.run(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def window(display, tmp_path_factory):
    folder = tmp_path_factory.mktemp("viewer")
    for name in ("plain.pkl", "fine.pkl", "none.txt"):
        (folder / name).touch()
    (folder / "entry.py").write_text(ENTRY)
    window = driver.Window(display, folder, str(folder / "plain.pkl"), entry=str(folder / "entry.py"))
    window.answered()
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def show(window, **parts) -> dict:
    """Brings the window to a request, through a saved state dropped on it."""
    parts.setdefault("checkpoint", Checkpoint(str(window.folder / "plain.pkl")))
    request = RenderRequest(**parts)
    state = window.folder / f"state{time.monotonic_ns()}.json"
    state.write_text(to_json(request))
    window.drop(state)
    path = request.checkpoint.path
    window.wait(lambda r: r["request"]["latent"]["x"] == request.latent.x and r["request"]["checkpoint"]["path"] == path
                and r["request"]["tap"] == request.tap and bool(r["request"]["compare"]) == bool(request.compare)
                and r["request"]["view"]["mode"] == request.view.mode)
    window.move("Viewer/Canvas", (0.01, 0.99))
    window.key("f")
    return window.answered()


def seen(window, name: str, inset: int = 0) -> np.ndarray:
    """The pixels of a widget on the screen, [h, w, 3]."""
    window.answered()
    time.sleep(0.15)                                                  # the last frame is on the screen
    x0, y0, x1, y1 = window.rectangle(name)
    shot = Image.open(window.screenshot(window.folder / "shot.png")).convert("RGB")
    return np.array(shot)[y0 + inset:y1 - inset, x0 + inset:x1 - inset]


def said(report) -> list[str]:
    return report["readout"].replace("−", "-").split()


def middle(x: float, y: float, size: int) -> tuple[float, float]:
    """Of a pixel, as shares of a picture."""
    return (x + 0.5) / size, (y + 0.5) / size


# -- the real network, before the other window opens ------------------------------------------------------------------

def test_values_are_those_of_the_network(display, checkpoints, tmp_path):
    from renderer.pipeline import Pipeline
    path, pipeline = str(checkpoints["stylegan2"]), Pipeline()
    window = driver.Window(display, tmp_path, path)
    try:
        window.answered(60)
        window.click("Viewer/Grid")
        for mode in ("rgb", "rms"):
            state = tmp_path / f"{mode}.json"
            state.write_text(to_json(RenderRequest(Checkpoint(path), Latent(3), tap=TAP, view=View(mode, (1, 9, 4)))))
            window.drop(state)
            window.wait(lambda r, mode=mode: r["request"]["view"]["mode"] == mode and r["answered"], 20)
            signal = pipeline.tensor(load_request(state))[0].numpy()
            for x, y in ((3, 12), (15, 0)):
                window.move("Viewer/Picture", middle(x, y, 16))
                words = said(window.wait(lambda r, x=x, y=y: said(r)[:4] == ["x", str(x), "y", str(y)]))
                truth = signal[:, y, x]
                wanted = truth[[1, 9, 4]] if mode == "rgb" else [np.sqrt(np.mean(np.square(truth)))]
                shown = [float(word) for word in words[5:5 + 2 * len(wanted):2]]
                assert np.allclose(shown, wanted, rtol=2e-3, atol=1e-6), (mode, x, y, words)    # of four figures
    finally:
        window.close()


# -- one picture ------------------------------------------------------------------------------------------------------

def test_grid_and_numbers_appear_with_zoom_only(window):
    show(window, latent=Latent(1))
    picture = fake.answer(RenderRequest(Checkpoint("plain.pkl"), Latent(1))).picture
    side = window.rectangle("Viewer/Picture")
    scale = (side[2] - side[0]) // 64
    assert "Viewer/Numbers" not in window.report()["widgets"] and scale < 8
    np.testing.assert_array_equal(seen(window, "Viewer/Picture"), picture.repeat(scale, 0).repeat(scale, 1))
    window.scroll("Viewer/Picture", 16, (0.5, 0.5))
    window.wait(lambda r: "Viewer/Numbers" in r["widgets"])
    window.move("Viewer/Canvas", (0.5, 0.5))
    numbered = seen(window, "Viewer/Canvas")
    window.key("g")
    window.wait(lambda r: "Viewer/Numbers" not in r["widgets"])
    plain = seen(window, "Viewer/Canvas")
    pixel = 384 * 1.2 ** 16 / 64
    changed = (numbered != plain).any(-1)
    assert 0.08 < changed.mean() < 0.5
    columns = np.flatnonzero(changed.mean(0) > 0.95)                  # lines of the grid
    assert len(columns) >= 5 and np.allclose(np.diff(columns), pixel, atol=1)
    window.key("g", "f")


def test_the_backdrop_is_grey_or_squares_of_two_shades(window):
    show(window, latent=Latent(1))
    window.click("Viewer/Backdrop")
    room = window.rectangle("Viewer/Picture")[0] - window.rectangle("Viewer/Canvas")[0] - 4     # left of the picture
    assert room > 60
    beside = seen(window, "Viewer/Canvas")[4:, 4:room]
    shades = np.unique(beside.reshape(-1, 3), axis=0)
    assert len(shades) == 2
    squares = (beside == shades[0]).all(-1)
    assert 0.45 < squares.mean() < 0.55
    edges = np.flatnonzero(squares[0, 1:] != squares[0, :-1])
    side = np.diff(edges)[0]
    assert 6 <= side <= 24 and (np.diff(edges) == side).all()
    down = np.flatnonzero(squares[1:, 0] != squares[:-1, 0])
    assert (np.diff(down) == side).all() and (squares[:, :-side] != squares[:, side:]).all()
    window.click("Viewer/Backdrop")
    assert len(np.unique(seen(window, "Viewer/Canvas")[4:, 4:room].reshape(-1, 3), axis=0)) == 1


def test_minified_detail_turns_grey_and_does_not_alias(window):
    """A checkerboard of single pixels, at several ratios: its mean is what may be seen."""
    show(window, checkpoint=Checkpoint(str(window.folder / "fine.pkl")))
    for steps in (0, -1, -2, -3, -4):
        if steps:
            window.scroll("Viewer/Canvas", -1)
        shown = seen(window, "Viewer/Picture", inset=2).astype(float)
        assert abs(shown.mean() - 127.5) < 1.5
        assert shown.std() < residue(round(shown.shape[1] + 4)) + 1, (steps, shown.shape)        # mipmaps leave 16


def residue(width: int) -> float:
    """What an exact tent leaves of the checkerboard's contrast at `width` pixels, before it is rounded to bytes."""
    ratio = FINE / width
    at, middles = np.arange(FINE) + 0.5, (np.arange(width) + 0.5) * ratio
    weights = np.clip(1 - np.abs(at - middles[:, None]) / ratio, 0, None)
    left = weights @ (-1.0) ** np.arange(FINE) / weights.sum(axis=1)
    return 127.5 * np.outer(left, left)[2:-2, 2:-2].std()


def test_the_readout_of_a_layer_and_its_card(window):
    request = RenderRequest(Checkpoint("plain.pkl"), Latent(2), tap="b8.conv0.act", view=View("channel", channel=5))
    show(window, latent=request.latent, tap=request.tap, view=request.view)
    truth = fake.answer(request)
    for x, y in ((2, 2), (7, 0), (3, 6)):
        window.move("Viewer/Picture", middle(x, y, 8))
        words = values.readout(truth, x, y)
        window.wait(lambda r, words=words: r["readout"] == words)
        assert "#5" in words
    assert "Viewer/Colour bar" in window.report()["widgets"] and "Viewer/Card" not in window.report()["widgets"]
    window._xdotool("keydown", "alt")
    window.wait(lambda r: "Viewer/Card" in r["widgets"])
    window._xdotool("keyup", "alt")
    window.wait(lambda r: "Viewer/Card" not in r["widgets"])
    window.click("Viewer/All channels")
    window.move("Viewer/Picture", middle(2, 2, 8))
    window.wait(lambda r: "Viewer/Card" in r["widgets"])
    window.key("i")
    window.wait(lambda r: "Viewer/Card" not in r["widgets"])


# -- cells ------------------------------------------------------------------------------------------------------------

def test_a_sheet_names_its_channels_and_a_click_chooses_one(window):
    show(window, tap="b8.conv0.act")
    window.click("Viewer/Channels")
    window.wait(lambda r: r["request"]["view"]["mode"] == "sheet" and r["picture"] == [64, 64, 3] and r["answered"])
    window.move("Viewer/Picture", middle(5 * 8 + 2, 2, 64))
    report = window.wait(lambda r: "Viewer/Cell" in r["widgets"])
    assert said(report)[:7] == ["channel", "5", "x", "2", "y", "2", "3"]
    window.drag("Viewer/Picture", (0.5, 0.5), (0.55, 0.55))           # a drag is no click
    assert window.answered()["request"]["view"]["mode"] == "sheet"
    window.key("f")
    window.click("Viewer/Picture", middle(5 * 8 + 2, 8 + 2, 64))
    report = window.wait(lambda r: r["request"]["view"]["mode"] == "channel" and r["answered"])
    assert report["request"]["view"]["channel"] == 13 and report["viewer"]["width"] is None
    window.click("Viewer/Channels")
    window.wait(lambda r: r["request"]["view"]["mode"] == "sheet")
    window.click("Viewer/Layer")
    window.wait(lambda r: r["request"]["view"]["mode"] == "channel" and r["answered"])


def test_a_click_on_a_seed_goes_there_and_the_tab_leads_back(window):
    show(window, seeds=SeedGrid((4, 15, 6, 7), 2, labels=False))
    window.move("Viewer/Picture", (0.75, 0.25))
    window.wait(lambda r: r["readout"].startswith("seed 15"))
    window.click("Viewer/Picture", (0.75, 0.25))
    report = window.wait(lambda r: r["request"]["seeds"] is None and r["answered"])
    assert report["request"]["latent"]["x"] == 15 and report["picture"] == [64, 64, 3]
    window.click("Viewer/Seeds")
    window.wait(lambda r: r["request"]["seeds"] and r["picture"] == [128, 128, 3])
    window.click("Viewer/Image")
    window.wait(lambda r: not r["request"]["seeds"] and r["picture"] == [64, 64, 3])


def test_a_click_on_a_table_shows_that_mix_live(window):
    show(window, latent=Latent(1, psi=0.7), table=MixTable(sources(3, 4), sources(20), (0, 1), labels=False))
    window.move("Viewer/Picture", (5 / 6, 3 / 4))                     # A 4 across, B 20 down
    window.wait(lambda r: r["readout"].startswith("A seed 4 in B seed 20"))
    window.click("Viewer/Picture", (5 / 6, 3 / 4))
    request = window.wait(lambda r: r["request"]["table"] is None and r["answered"])["request"]
    assert request["latent"]["x"] == 20 and request["latent"]["psi"] == pytest.approx(0.7)
    assert request["mix"]["source"]["seed"] == 4 and request["mix"]["rows"] == [0, 1]
    window.click("Viewer/Table")
    window.wait(lambda r: r["request"]["table"])


# -- the latent -------------------------------------------------------------------------------------------------------

def test_dragging_pans_or_moves_the_latent(window):
    start = show(window, latent=Latent(10, 3))["viewer"]["center"]
    window.drag("Viewer/Canvas", (0.5, 0.5), (0.6, 0.5))
    report = window.wait(lambda r: r["viewer"]["center"] != start)
    assert report["request"]["latent"]["x"] == 10
    window.key("f", "d")
    x0, _, x1, _ = window.rectangle("Viewer/Canvas")
    window.drag("Viewer/Canvas", (0.4, 0.5), (0.4 + 150 / (x1 - x0), 0.5))
    report = window.wait(lambda r: r["request"]["latent"]["x"] > 10.9 and r["answered"])
    assert abs(report["request"]["latent"]["x"] - 11) < 0.03 and report["request"]["latent"]["y"] == 3
    assert report["viewer"]["width"] is None and report["readout"].startswith("seed plane  x 1")
    window.key("d")


# -- comparisons ------------------------------------------------------------------------------------------------------

PINNED = RenderRequest(Checkpoint("plain.pkl"), Latent(7))
A, B = (fake.answer(replace(PINNED, latent=Latent(x))).picture for x in (5, 7))


def against_pinned(window, mode: str, **look) -> tuple[dict, int]:
    """Seed 5 against seed 7, and the screen pixels per pixel."""
    pinned = replace(PINNED, checkpoint=Checkpoint(str(window.folder / "plain.pkl")))
    show(window, latent=Latent(5), compare=Compare(mode, pinned=pinned, **look))
    window.wait(lambda r: r["matched"] and "Viewer/Waiting" not in r["widgets"])
    x0, _, x1, _ = window.rectangle("Viewer/Picture")
    return window.answered(), (x1 - x0) // 64


def below_labels(shown: np.ndarray, picture: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
    return shown[12 * scale:], picture.repeat(scale, 0).repeat(scale, 1)[12 * scale:]


def test_flip_shows_b_while_shift_is_held(window):
    _, scale = against_pinned(window, "flip")
    assert "Viewer/Label A" in window.report()["widgets"]
    np.testing.assert_array_equal(*below_labels(seen(window, "Viewer/Picture"), A, scale))
    window._xdotool("keydown", "shift")
    window.wait(lambda r: "Viewer/Label B" in r["widgets"] and "Viewer/Label A" not in r["widgets"])
    np.testing.assert_array_equal(*below_labels(seen(window, "Viewer/Picture"), B, scale))
    window._xdotool("keyup", "shift")
    window.wait(lambda r: "Viewer/Label A" in r["widgets"])


def test_split_draws_both_and_its_line_can_be_dragged(window):
    _, scale = against_pinned(window, "split")
    x, y = window.point("Viewer/Split", (0.5, 0.8))
    window.move("Viewer/Split", (0.5, 0.8))
    window._press()
    for step in range(1, 5):
        window._move_to(x + step * 4 * scale, y)                      # a quarter of the picture in all
    window._release()
    share = window.wait(lambda r: r["request"]["compare"]["split"] > 0.7)["request"]["compare"]["split"]
    assert abs(share - 0.75) < 0.02
    shown, one = below_labels(seen(window, "Viewer/Picture"), A, scale)
    other = below_labels(shown, B, scale)[1]
    meet, width = round(share * shown.shape[1]), 8
    half = shown.shape[0] // 2 - 14 * scale                           # above the handle in the middle
    np.testing.assert_array_equal(shown[:half, :meet - width], one[:half, :meet - width])
    np.testing.assert_array_equal(shown[:half, meet + width:], other[:half, meet + width:])
    assert window.report()["viewer"]["width"] is None                 # dragging the line does not pan


def test_split_pictures_with_other_ranges_have_a_legend_each(window):
    pinned = replace(PINNED, checkpoint=Checkpoint(str(window.folder / "plain.pkl")))
    for view, other, names in ((View(), View(), []), (View("rms"), View(), ["A"]), (View(), View("rms"), ["B"]),
                               (View("rms", colormap="magma"), View("rms"), ["A", "B"])):
        show(window, latent=Latent(5), view=view, compare=Compare("split", pinned=replace(pinned, view=other)))
        report = window.wait(lambda r: r["matched"] and "Viewer/Waiting" not in r["widgets"] and r["answered"])
        bars = sorted(name for name in report["widgets"] if name.startswith("Viewer/Colour bar"))
        assert bars == [f"Viewer/Colour bar {name}" for name in names]
    (_, *_, above), (_, below, *_) = (report["widgets"][name] for name in bars)
    assert above < below


def test_the_difference_and_its_legend(window):
    _, scale = against_pinned(window, "difference", error="AE", gain_db=6.0)
    a, b = (fake.answer(replace(PINNED, latent=Latent(x))) for x in (5, 7))
    picture, limits = difference(a, b, Compare("difference", "AE", 6.0))
    np.testing.assert_array_equal(*below_labels(seen(window, "Viewer/Picture"), picture, scale))
    assert "Viewer/Colour bar" in window.report()["widgets"]
    window.move("Viewer/Picture", middle(30, 40, 64))
    words = said(window.wait(lambda r: r["readout"].startswith("|A")))
    error = np.abs(a.values[:, 40, 30] - b.values[:, 40, 30]).mean()
    assert words[:3] == ["|A", "-", "B|"] and float(words[3]) == pytest.approx(error, rel=1e-3)
    assert words[4:7] == ["A", "x", "30"] and "B x 30 y 40" in " ".join(words)


def test_side_by_side_zoom_and_cursor_are_linked(window):
    against_pinned(window, "side")
    before = [window.rectangle(f"Viewer/{name}") for name in ("Picture", "Reference picture")]
    assert before[0][2] - before[0][0] == before[1][2] - before[1][0] and before[0][1] == before[1][1]
    window.move("Viewer/Reference picture", middle(20, 31, 64))
    report = window.wait(lambda r: "Viewer/Crosshair" in r["widgets"])
    words = said(report)
    assert words[:5] == ["A", "x", "20", "y", "31"] and "RGB" in words and "B x 20 y 31" in " ".join(words)
    cross, place = report["widgets"]["Viewer/Crosshair"], report["widgets"]["Viewer/Picture"]
    assert abs((cross[0] + cross[2]) / 2 - (place[0] + 20.5 / 64 * (place[2] - place[0]))) < 3
    window.scroll("Viewer/Reference picture", -3, middle(20, 31, 64))
    report = window.wait(lambda r: r["viewer"]["width"] is not None)
    one, other = (report["widgets"][f"Viewer/{name}"] for name in ("Picture", "Reference picture"))
    assert one[2] - one[0] == other[2] - other[0] < before[0][2] - before[0][0]
    shift = before[1][0] - before[0][0]
    assert (other[0] - one[0], other[1]) == (shift, one[1])
    scale = 64 / (one[2] - one[0])
    assert abs(scale * (report["mouse"][0] - other[0]) - 20.5) < 1.5  # zoomed at the cursor


def test_another_network_is_placed_over_the_same_rectangle(window):
    """A is 64², B of another resolution."""
    show(window, latent=Latent(5), compare=Compare("split", checkpoint=Checkpoint(str(window.folder / "fine.pkl"))))
    report = window.wait(lambda r: r["matched"] and "Viewer/Label B" in r["widgets"] and r["answered"])
    x0, y0, x1, y1 = report["widgets"]["Viewer/Picture"]
    shown = seen(window, "Viewer/Picture").astype(float)
    right = shown[60:, (x1 - x0) // 2 + 12:][:, :-4]
    assert abs(right.mean() - 127.5) < 2 and shown[60:, 4:100].std() > 20
    window.move("Viewer/Picture", (0.75, 0.25))
    words = " ".join(said(window.wait(lambda r: r["readout"])))
    assert words.startswith("A x 48 y 16") and f"B x {int(0.75 * FINE)} y {int(0.25 * FINE)}" in words


def test_a_reference_that_is_not_there_says_so(window):
    show(window, latent=Latent(5), compare=Compare("side", checkpoint=Checkpoint(str(window.folder / "none.txt"))))
    window.wait(lambda r: "Viewer/Waiting" in r["widgets"])
