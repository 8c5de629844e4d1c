"""Style mixing: sources and tables without a window, then in the real one; the saved table is made again headless."""
import time
from dataclasses import replace

import driver
import numpy as np
import pytest
from PIL import Image

from gui import rows, sources
from gui.panels import mixing
from renderer.content import unstamped
from renderer.images import load_request
from renderer.types import Array, Checkpoint, Latent, Mix, MixTable, RenderRequest, Source


@pytest.fixture(scope="module")
def network():
    """A pipeline on the demo of StyleGAN2, and what is known of it."""
    from renderer.pipeline import Pipeline
    pipeline = Pipeline()
    return pipeline, pipeline.info(Checkpoint("demo:stylegan2"))


# -- without a window -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("text, wanted", [
    ("1-4, 9", (1, 2, 3, 4, 9)), ("7", (7,)), ("3;2 1", (3, 2, 1)), ("", ()), ("x", ()), ("5-", ()), ("-3", ()),
    ("1-1000000", ()), ("99999999999", ()), ("0-63", tuple(range(64))), ("0-63,64", ()), ("4-1", ())])
def test_seeds_are_read(text, wanted):
    assert sources.numbers(text) == wanted


@pytest.mark.parametrize("seeds", [(1, 2, 3, 4, 9), (7,), (3, 2, 1), (5, 5), (0, 1), ()])
def test_seeds_are_written_as_they_are_read(seeds):
    assert sources.numbers(rows.spans(seeds)) == seeds


def test_latents_are_named():
    w = Array.of(np.zeros((1, 2, 3)))
    named = [sources.name_of(RenderRequest(latent=latent, mix=mix)) for latent, mix in (
        (Latent(3, 1), Mix()), (Latent(3.25, psi=0.5), Mix()), (Latent(w=w, psi=0.5), Mix(rows=(1,))))]
    assert named == ["seed 103", "x 3.25 y 0.00 ψ 0.5", "saved w mixed"]


def test_rows_are_named(network):
    info = network[1]
    assert rows.rows_named(rows.range_rows("Coarse", info), info) == "coarse rows"
    assert rows.rows_named((0, 1, 5), info) == "rows 0-1, 5" and rows.rows_named((), info) == "no rows"


def test_the_first_table_is_of_the_seed_looked_at(network):
    panel, info = mixing.MixingPanel(None, lambda info: ()), network[1]
    table = panel.table(RenderRequest(latent=Latent(7)), info)
    assert [s.seed for s in table.down] == [7, 8, 9] and [s.seed for s in table.across] == [10, 11, 12, 13]
    assert table.rows == (0, 1, 2, 3) and panel.table(RenderRequest(), None) is None


def test_a_table_is_fit_for_another_network(network):
    panel, info = mixing.MixingPanel(None, lambda info: ()), network[1]
    foreign, own = (Source(w=Array.of(np.zeros(shape, np.float32)), name="a") for shape in ((18, 512), (12, 64)))
    panel._table = MixTable((Source(1), foreign, own), (foreign,), (1, 11, 17))
    assert panel.table(RenderRequest(), info) == MixTable((Source(1), own), (), (1, 11))


@pytest.mark.parametrize("labels", [True, False])
def test_the_size_said_is_the_pictures(network, labels):
    pipeline, info = network
    w = Array.of(np.zeros((12, 64), np.float32))
    table = MixTable((Source(1), Source(w=w, name="a saved one")), (Source(3),) * 3, (0, 1), labels)
    request = RenderRequest(Checkpoint("demo:stylegan2"), tap="b64.image", table=table)
    assert mixing.table_size(table, request, info) == pipeline.picture(request).shape[:2]


def test_tables_that_cannot_be_drawn_say_why(network):
    info = network[1]
    large = MixTable(tuple(map(Source, range(64))), tuple(map(Source, range(64))), (0,))
    huge = replace(info, taps=tuple(replace(tap, shape=(3, 1024, 1024)) for tap in info.taps))
    assert mixing.problem_of(large, RenderRequest(), info) == ""
    assert "megapixels" in mixing.problem_of(large, RenderRequest(), huge)
    assert "Write a seed" in mixing.problem_of(MixTable((), (), (0,)), RenderRequest(), info)


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("mixing"), str(checkpoints["stylegan2"]),
                           XDG_DATA_HOME=str(tmp_path_factory.mktemp("data")))
    window.answered(60)
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def saved(window, count: int) -> list:
    window.wait(lambda r: len(list(window.captures.glob("[!.]*.png"))) >= count, 30)
    return sorted(window.captures.glob("[!.]*.png"), key=lambda path: path.stat().st_mtime_ns)


def seeds(side) -> list:
    return [source["seed"] for source in side if not source["w"]]


def click_popup(window, button: str, item: str) -> None:
    window.click(f"Style mixing/{button}")
    window.click(f"Style mixing/{item}")


def test_the_second_source_is_a_seed_or_a_saved_w(window):
    window.click("Style mixing/Coarse")
    plain = window.wait(lambda r: r["request"]["mix"]["rows"] == [0, 1, 2, 3] and r["answered"])
    assert plain["request"]["mix"]["source"] == {"seed": 1, "w": None, "name": ""}
    window.click("Style mixing/None")
    window.wait(lambda r: r["request"]["mix"]["rows"] == [] and r["answered"])
    click_popup(window, "Second from saved", "The w shown")
    report = window.wait(lambda r: r["request"]["mix"]["source"]["w"])
    assert report["request"]["mix"]["source"]["name"] == "seed 0"
    window.click("Style mixing/Fine")
    window.wait(lambda r: r["request"]["mix"]["rows"] == [] or r["answered"])
    window.click("Style mixing/All")
    window.wait(lambda r: len(r["request"]["mix"]["rows"]) == 8 and r["answered"])
    window.click("Style mixing/Second source")
    window.wait(lambda r: r["request"]["mix"]["source"]["w"] is None and r["answered"])
    window.click("Style mixing/None")
    window.wait(lambda r: r["request"]["mix"]["rows"] == [] and r["answered"])


def test_the_table_is_shown_without_typing_and_is_live(window):
    window.click("Style mixing/Part/Table")
    window.click("Style mixing/Show table")
    report = window.wait(lambda r: r["request"]["table"] and r["answered"], 30)
    table = report["request"]["table"]
    assert seeds(table["down"]) == [0, 1, 2] and seeds(table["across"]) == [3, 4, 5, 6]
    assert table["rows"] == [0, 1, 2, 3] and report["picture"][0] >= 4 * 32 and report["picture"][1] >= 5 * 32
    window.click("Style mixing/Labels")
    window.wait(lambda r: r["picture"] == [4 * 32, 5 * 32, 3] and r["answered"])
    window.fill("Style mixing/Across", "8, 20-21", "")
    report = window.wait(lambda r: r["picture"] == [4 * 32, 4 * 32, 3] and r["answered"])
    assert seeds(report["request"]["table"]["across"]) == [8, 20, 21]
    window.fill("Style mixing/Across", "8, 9, x", "")                # what can't be read any more changes nothing
    window.wait(lambda r: r["picture"] == [4 * 32, 3 * 32, 3] and r["answered"])
    window.type_into("Truncation & noise/ψ", "0.5")
    report = window.wait(lambda r: abs(r["request"]["latent"]["psi"] - 0.5) < 1e-6 and r["answered"])
    assert report["ran"] and report["picture"] == [4 * 32, 3 * 32, 3]


def test_the_tables_rows_are_its_own(window):
    window.click("Style mixing/Middle")
    report = window.wait(lambda r: r["request"]["table"]["rows"] == [4, 5, 6, 7] and r["answered"])
    assert report["request"]["mix"]["rows"] == []
    window.click("Style mixing/Row 0")
    window.wait(lambda r: r["request"]["table"]["rows"] == [0, 4, 5, 6, 7] and r["answered"])


def test_saved_latents_are_sources(window):
    window.click("Viewer/Image")
    window.wait(lambda r: not r["request"]["table"] and r["answered"])
    window.drag("Latent/Seed plane", (0.3, 0.3), (0.4, 0.4))
    x = window.wait(lambda r: r["request"]["latent"]["x"] % 1 and r["answered"])["request"]["latent"]["x"]
    click_popup(window, "Add down", "The w shown")
    window.wait(lambda r: "Style mixing/Down chip 0" in r["widgets"])
    window.click("Style mixing/Show table")
    report = window.wait(lambda r: r["request"]["table"] and r["answered"], 30)
    chip = report["request"]["table"]["down"][-1]
    assert chip["w"]["shape"] == [8, 32] and chip["name"].startswith(f"x {x:.2f}")
    assert report["picture"] == [5 * 32, 3 * 32, 3]


def test_one_click_saves_what_a_script_makes_again(window, checkpoints):
    from renderer.pipeline import Pipeline
    shown = window.answered()["request"]
    window.click("Style mixing/Save table")
    path = saved(window, 1)[-1]
    window.wait(lambda r: str(path) in r["message"])
    request = load_request(path)
    assert request.checkpoint.path == str(checkpoints["stylegan2"]) and len(request.checkpoint.content) == 64
    assert [s.seed for s in request.table.across] == seeds(shown["table"]["across"])
    assert request.table.down[-1].w is not None and request.latent.psi == pytest.approx(0.5)
    picture = Pipeline().picture(unstamped(request))
    np.testing.assert_array_equal(np.array(Image.open(path)), picture)
    assert picture.shape == (5 * 32, 3 * 32, 3)


def test_chips_are_removed(window):
    window.click("Style mixing/Down chip 0")
    report = window.wait(lambda r: len(r["request"]["table"]["down"]) == 3 and r["answered"])
    assert "Style mixing/Down chip 0" not in report["widgets"]


def test_a_large_table_is_cancelled(window):
    window.click("Viewer/Image")
    shown = window.wait(lambda r: not r["request"]["table"] and r["answered"])
    window.fill("Style mixing/Across", "0-63", "")
    window.fill("Style mixing/Down", "0-63", "")
    window.click("Style mixing/Save table")
    window.wait(lambda r: "Status/Cancel" in r["widgets"])
    window.click("Status/Cancel")
    report = window.wait(lambda r: r["message"] == "Cancelled" and r["answered"])
    time.sleep(0.3)
    assert report["request"] == shown["request"] and len(list(window.captures.glob("*.png"))) == 1
