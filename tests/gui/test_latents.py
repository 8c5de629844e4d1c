"""Latents in the real window: classes by name and mixed, w to a file and back, history, favourites, a grid of seeds."""
import shutil
import time

import driver
import numpy as np
import pytest
from PIL import Image

from renderer.images import load_request

NUM_WS, W_DIM, Z_DIM = 16, 32, 32        # of the StyleGAN3 in conftest


@pytest.fixture(scope="module")
def place(checkpoints, tmp_path_factory):
    """A folder with the conditional network and its class names."""
    folder = tmp_path_factory.mktemp("latents")
    shutil.copy(checkpoints["stylegan3"], folder / "three.safetensors")
    (folder / "three.classes.txt").write_text("Tabby cat\nHound\nPärchen 顔\nFox\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def window(display, place):
    window = driver.Window(display, place, str(place / "three.safetensors"))
    window.answered(60)
    yield window
    assert window.close() == 0
    assert window.errors() == ""


def latent(report) -> dict:
    return report["request"]["latent"]


def answered(window, condition) -> dict:
    return window.wait(lambda r: condition(latent(r)) and r["answered"] and not r["error"], 20)


def picture(window) -> np.ndarray:
    """What is shown, by way of a saved PNG."""
    before = set(window.captures.glob("[!.]*.png"))
    window.answered()
    window.move("Viewer/Canvas")
    window.key("ctrl+s")
    window.wait(lambda r: set(window.captures.glob("[!.]*.png")) - before)
    (path,) = set(window.captures.glob("[!.]*.png")) - before
    return np.asarray(Image.open(path))


def to_seed(window, seed: int) -> None:
    window.fill("Latent/Seed", str(seed))
    answered(window, lambda l: l["x"] + 100 * l["y"] == seed)


def load(window, path, values) -> str:
    """Drops a file; the message that follows."""
    np.savez(path, **values)
    window.drop(path)
    return window.wait(lambda r: path.name in r["message"])["message"]


# -- classes ----------------------------------------------------------------------------------------------------------

def test_class_by_name_changes_the_picture(window):
    first = picture(window)
    window.click("Latent/Class")
    window.fill("Latent/Class/Search", "RCHEN")
    answered(window, lambda l: l["classes"] == [[2, 1.0]])
    assert (picture(window) != first).any()
    window.click("Latent/Class")
    window.click("Latent/Class/3")
    answered(window, lambda l: l["classes"] == [[3, 1.0]])
    window.click("Latent/Class")
    window.fill("Latent/Class/Search", "0")
    answered(window, lambda l: l["classes"] == [[0, 1.0]])
    assert (picture(window) == first).all()


def test_classes_are_mixed_with_weights_that_add_up_to_one(window):
    alone = picture(window)
    window.click("Latent/Mix in a class")
    answered(window, lambda l: l["classes"] == [[0, 0.5], [1, 0.5]])
    halves = picture(window)
    window.type_into("Latent/Weight 1", "0.9")
    (_, first), (_, second) = latent(answered(window, lambda l: l["classes"][0][1] > 0.8))["classes"]
    assert first == pytest.approx(0.9, abs=1e-6) and first + second == pytest.approx(1, abs=1e-6)
    shifted = picture(window)
    assert (alone != halves).any() and (halves != shifted).any() and (shifted != alone).any()
    window.click("Latent/Remove 2")
    answered(window, lambda l: l["classes"] == [[0, 1.0]])
    assert (picture(window) == alone).all()


def test_names_from_a_file_are_remembered(window, place):
    (place / "mine.json").write_text('{"1": "Zebra"}')
    window.click("Latent/More")
    window.click("Latent/Load class names…")
    window.fill("Browser/Path", str(place / "mine.json"))
    window.wait(lambda r: r["message"] == "1 of 4 classes have names from mine.json")
    window.click("Latent/Class")
    window.fill("Latent/Class/Search", "zeb")
    answered(window, lambda l: l["classes"] == [[1, 1.0]])
    assert "mine.json" in (place / "config" / "stylescope" / "classes.json").read_text()


# -- the plane --------------------------------------------------------------------------------------------------------

def test_random_seed_by_dice_and_key(window):
    to_seed(window, 5)
    window.click("Latent/Random seed")
    here = latent(answered(window, lambda l: l["x"] != 5))
    assert here["x"] % 1 == 0 and 0 <= here["x"] + 100 * here["y"] < 1_000_000
    window.move("Viewer/Canvas")
    window.key("r")
    answered(window, lambda l: l["x"] != here["x"])


def test_travelling_in_a_loop_comes_back(window):
    to_seed(window, 303)
    window.click("Latent/Path")
    window.click("Latent/Path/Circle")
    window.type_into("Latent/Speed", "10")
    start = latent(window.report())
    window.click("Latent/Play")
    seen = []
    window.wait(lambda r: seen.append((latent(r)["x"], latent(r)["y"])) or len(set(seen)) > 12, 30)
    window.click("Latent/Play")
    center = start["x"], max(start["y"], 1.0)        # the whole loop has seeds
    away = [np.hypot(x - center[0], y - center[1]) for x, y in seen]
    assert max(away) == pytest.approx(1, abs=1e-6)
    window.answered()
    window.click("Latent/Path")
    window.click("Latent/Path/Line")
    to_seed(window, 3)


def test_grid_of_seeds_and_its_pages(window):
    to_seed(window, 7)
    one = window.answered()["picture"]
    window.click("Latent/Grid of seeds")
    report = window.wait(lambda r: r["request"]["seeds"] and r["picture"] != one and r["answered"], 30)
    assert report["request"]["seeds"]["seeds"] == list(range(7, 31)) and report["request"]["seeds"]["columns"] == 6
    assert report["picture"][0] >= 4 * one[0] and report["picture"][1] >= 6 * one[1]
    window.type_into("Latent/Columns", "3")
    window.type_into("Latent/Rows", "2")
    window.wait(lambda r: r["request"]["seeds"]["seeds"] == [7, 8, 9, 10, 11, 12] and r["answered"], 30)
    window.click("Latent/Next page")
    window.wait(lambda r: r["request"]["seeds"]["seeds"][0] == 13 and latent(r)["x"] == 13 and r["answered"], 30)
    window.key("Prior")
    window.wait(lambda r: r["request"]["seeds"]["seeds"][0] == 7 and latent(r)["x"] == 7 and r["answered"], 30)
    window.click("Latent/Close grid")
    window.wait(lambda r: r["request"]["seeds"] is None and r["picture"] == one and r["answered"])


# -- w and z in files -------------------------------------------------------------------------------------------------

def test_w_saved_and_loaded_shows_the_same_picture(window):
    to_seed(window, 11)
    shown = picture(window)
    window.click("Latent/More")
    window.click("Latent/Save w")
    window.wait(lambda r: r["message"].endswith(".npz"))
    (path,) = window.captures.glob("[!.]*.npz")
    with np.load(path, allow_pickle=False) as saved:
        assert saved["w"].shape == (1, NUM_WS, W_DIM) and saved["seed"] == 11 and saved["psi"] == 1
        assert saved["network"] == "three.safetensors" and len(str(saved["content"])) == 64
    to_seed(window, 12)
    assert (picture(window) != shown).any()
    window.drop(path)
    answered(window, lambda l: l["w"] and l["w"]["shape"] == [1, NUM_WS, W_DIM])
    assert (picture(window) == shown).all()
    window.click("Latent/Back to seeds")
    assert latent(answered(window, lambda l: l["w"] is None))["x"] == 12


def test_samples_of_z_are_stepped_through(window, place):
    z = np.random.RandomState(0).randn(3, Z_DIM)
    load(window, place / "drei ü.npz", {"z": z})
    answered(window, lambda l: l["z"] and l["z"]["shape"] == [1, Z_DIM])
    first = picture(window)
    window.fill("Latent/Sample", "3")
    third = latent(answered(window, lambda l: l["z"]))["z"]
    window.answered()
    assert (picture(window) != first).any() and third["shape"] == [1, Z_DIM]
    window.fill("Latent/Sample", "1")
    window.answered()
    assert (picture(window) == first).all()
    window.click("Latent/Back to seeds")
    answered(window, lambda l: l["z"] is None)


@pytest.mark.parametrize("values, words", [
    ({"w": np.zeros((1, 3, 4), np.float32)}, f"w has shape [1, 3, 4]; this network takes [N, {NUM_WS}, {W_DIM}]"),
    ({"z": np.full((1, Z_DIM), np.inf)}, "z holds values that are not finite"),
    ({"w": np.array(["a"], object)}, "is no NumPy file of plain numbers")])
def test_other_files_are_refused_in_one_line(window, place, values, words):
    before = latent(window.answered())
    assert words in load(window, place / f"bad{len(words)}.npz", values)
    assert latent(window.answered()) == before


# -- history and favourites -------------------------------------------------------------------------------------------

def test_history_goes_back(window):
    for seed in (21, 22):
        to_seed(window, seed)
        time.sleep(0.9)                  # a person rests here
    window.click("History/Tab")
    window.click("History/Visit 2")
    answered(window, lambda l: l["x"] == 21)
    time.sleep(0.9)
    window.click("History/Visit 1")      # going back changed no order
    answered(window, lambda l: l["x"] == 22)
    window.click("Latent/Tab")


def test_favourites_survive_a_restart_and_restore(display, window, place):
    to_seed(window, 31)
    window.type_into("Truncation & noise/ψ", "0.5")
    answered(window, lambda l: l["psi"] == 0.5)
    shown = picture(window)
    window.move("Viewer/Canvas")
    window.key("b")
    window.wait(lambda r: r["message"] == "Kept among the favourites as seed 31 three")
    folder = place / "data" / "stylescope" / "favourites"
    kept = load_request(folder / "seed 31 three.png")
    assert kept.latent.psi == 0.5 and kept.checkpoint.path == str(place / "three.safetensors")
    assert len(kept.checkpoint.content) == 64
    window.click("Favourites/Tab")
    window.move("Favourites/seed 31 three")
    window.click("Favourites/Menu")
    window.click("Favourites/Rename")
    window.fill("Favourites/New name", "smile")
    window.wait(lambda r: "Favourites/smile" in r["widgets"])
    (folder / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    window.click("Latent/Tab")
    assert window.close() == 0

    second = driver.Window(display, place, str(place / "three.safetensors"))
    try:
        second.wait(lambda r: "damaged.png" in r["message"])
        second.answered(60)
        second.click("Favourites/Tab")
        second.click("Favourites/smile")
        assert latent(answered(second, lambda l: l["psi"] == 0.5))["x"] == 31
        assert (picture(second) == shown).all()
        second.move("Favourites/smile")
        second.click("Favourites/Menu")
        second.click("Favourites/Delete")
        second.wait(lambda r: "Favourites/smile" not in r["widgets"])
        second.click("Favourites/Undo")
        second.wait(lambda r: "Favourites/smile" in r["widgets"])
        second.key("r")
        answered(second, lambda l: l["x"] != 31)
        second.move("Favourites/smile")
        second.click("Favourites/Menu")
        second.click("Favourites/Open everything")
        answered(second, lambda l: l["x"] == 31)
    finally:
        assert second.close() == 0
    assert sorted(path.name for path in folder.iterdir()) == ["damaged.png", "smile.png"]
