"""The layers panel in the real window: pictures that follow the seed, marks on a planted fault, filter, keys, names."""
import time

import driver
import numpy as np
import pytest
from PIL import Image

from gui.panels.layers import FEW, PEAK, mark_of, matches, share
from gui.sparkline import POINTS, level_range, points_of
from renderer.types import TapInfo, TapSummary

# -- without a window -------------------------------------------------------------------------------------------------


def summary(radial=(20.0, 0.0, -10.0), peak: float = 3.0, nonfinite: float = 0.0) -> TapSummary:
    radial = np.array(radial, np.float32)
    return TapSummary("a", np.zeros((1, 1, 3), np.uint8), np.arange(len(radial), dtype=np.float32), radial, 1.0, peak,
                      nonfinite, None)


def test_filters_match_all_words():
    assert matches("b64.conv0.act", "B64 act") and matches("b64.conv0.act", "") and matches("b64.conv0.act", " ")
    assert not matches("b64.conv0.act", "b64 noise")


def test_marks_need_a_fault():
    maps, picture = TapInfo("a", (FEW + 1, 8, 8), None, 8.0), TapInfo("a", (FEW, 8, 8), None, 8.0)
    assert not mark_of(maps, summary(peak=PEAK)) and mark_of(maps, summary(peak=PEAK + 1))
    assert not mark_of(picture, summary(peak=1e6)) and mark_of(picture, summary(nonfinite=1e-9))


def test_noise_alone_is_never_marked():
    """The bound that MARKS states, at its worst: the fewest channels, the most pixels."""
    energy = np.square(np.random.RandomState(0).randn(FEW + 1, 1 << 20)).sum(axis=0)
    assert energy.max() / np.median(energy) < 11 < PEAK


@pytest.mark.parametrize(("value", "words"), [(0.5, "50 %"), (1.0, "100 %"), (0.0312, "3.1 %"), (1e-7, "<0.01 %")])
def test_shares_never_hide_a_little(value, words):
    assert share(value) == words


def test_curves_share_a_range_of_whole_steps():
    strip = (summary((23.0, -4.0)), summary((5.0, -18.0)), summary((np.nan, np.nan)), summary(()))
    assert level_range(strip) == (-20, 30) and level_range(()) < (0, 1)
    assert level_range((summary((30.0, -300.0)),)) == (-40, 30)
    assert points_of(summary((30.0, 5.0, -20.0)), (-20, 30)) == [(0, 1), (0.5, 0.5), (1, 0)]
    assert points_of(summary((np.nan, np.nan)), (-20, 30)) == points_of(summary(()), (-20, 30)) == []
    many = points_of(summary(np.linspace(30, -20, 600)), (-20, 30))
    assert len(many) == POINTS and all(a[0] < b[0] and a[1] > b[1] for a, b in zip(many, many[1:]))


# -- in the window ----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A StyleGAN2 file: from b8.conv0.noise on one pixel shines, b32.torgb gives what is not a number."""
    import torch

    from nets.build import build
    from nets.checkpoint import save_native
    from nets.config import StyleGAN2Config
    torch.manual_seed(0)
    network = build(StyleGAN2Config(32, z_dim=32, w_dim=32, channel_base=256, channel_max=16))
    with torch.no_grad():
        network.synthesis.b8.conv0.noise_const.zero_()[3, 5] = 300
        network.synthesis.b8.conv0.noise_strength.fill_(1)
        network.synthesis.b32.torgb.bias[1] = torch.nan
    file = tmp_path_factory.mktemp("faulty") / "faulty.safetensors"
    save_native(file, {"G_ema": network})
    return file


@pytest.fixture(scope="module")
def window(display, faulty, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("window"), str(faulty))
    window.answered(60)
    yield window
    assert window.close() == 0
    assert window.errors() == ""


@pytest.fixture
def seen(window, tmp_path):
    """`seen(widget)`: the pixels of a widget, uint8 [H, W, 3]."""
    def seen(name: str) -> np.ndarray:
        x0, y0, x1, y1 = window.rectangle(name)
        return np.asarray(Image.open(window.screenshot(tmp_path / "screen.png")))[y0:y1, x0:x1]
    return seen


def settled(window) -> dict:
    report = window.answered()
    time.sleep(0.3)                                          # and drawn
    return report


def show(window, words: str) -> dict:
    window.fill("Layers/Filter", words or " ", "")
    return settled(window)


def rows(report) -> list[str]:
    """The layers that are in sight with a picture."""
    pictures = [name for name in report["widgets"] if name.startswith("Layers/") and name.endswith("/Picture")]
    return [name.split("/")[1] for name in pictures]


def seed(report) -> float:
    latent = report["request"]["latent"]
    return latent["x"] + 100 * latent["y"]


def test_every_row_has_a_picture_that_follows_the_seed(window, seen):
    report = show(window, "b16.conv0")
    assert report["request"]["strip"] and report["request"]["tap"] == "image"
    assert rows(report) == [f"b16.conv0.{step}" for step in ("style", "conv", "noise", "act")]
    names = [f"Layers/{row}/Picture" for row in rows(report)]
    before = [seen(name) for name in names]
    assert all(len(np.unique(picture.reshape(-1, 3), axis=0)) > 20 for picture in before)
    window.fill("Latent/Seed", "12")
    window.wait(lambda r: r["request"]["latent"]["x"] == 12)
    settled(window)
    assert all((seen(name) != picture).any() for name, picture in zip(names, before))


def test_looking_at_a_layer_runs_it_alone(window):
    show(window, "b16.conv0")
    window.click("Layers/b16.conv0.act")
    report = window.wait(lambda r: r["request"]["tap"] == "b16.conv0.act" and r["answered"])
    assert report["stats"]["shape"] == [16, 16, 16] and "b16.conv0" in report["ran"]
    assert not [name for name in report["ran"] if name.startswith(("b4", "b8", "b32"))]
    window.fill("Latent/Seed", "13")                         # now most layers lie behind it: they come after
    window.wait(lambda r: r["request"]["latent"]["x"] == 13)
    before = settled(window)
    assert before["activity"] == "" and "image" not in before["ran"]


def test_filters_by_words(window):
    assert rows(show(window, "B8 act")) == ["b8.conv0.act", "b8.conv1.act"]
    assert rows(show(window, "no such thing")) == []
    report = show(window, "")
    assert len(rows(report)) >= 4 and report["request"]["tap"] in rows(report)     # back to what is looked at


def test_arrows_step_through_the_layers_while_the_panel_has_the_focus(window):
    show(window, "")
    window.click("Layers/Tab")
    start = settled(window)["request"]
    names = ["b16.conv0.act", "b16.conv1.style", "b16.conv1.conv"]
    assert start["tap"] == names[0]
    for key, wanted in (("Down", names[1]), ("Down", names[2]), ("Up", names[1])):
        window.key(key)
        report = window.wait(lambda r, w=wanted: r["request"]["tap"] == w and f"Layers/{w}" in r["widgets"])
        assert report["request"]["latent"] == start["latent"]
    window.click("Viewer/Canvas")
    window.key("Down")                                       # the seed's key again
    report = window.wait(lambda r: seed(r) == seed({"request": start}) + 100)
    assert report["request"]["tap"] == names[1]


def test_marks_lead_to_where_a_fault_starts(window):
    show(window, "")
    window.fill("Network/Path", window.report()["settings"]["recents"][0])       # from the beginning
    window.click("Viewer/Image")
    window.wait(lambda r: r["request"]["tap"] == "image")
    settled(window)
    steps = []
    while not steps or steps[-1] != steps[0] or len(steps) == 1:
        before = window.report()["request"]["tap"]
        window.click("Layers/Next marked")
        report = window.wait(lambda r, b=before: r["request"]["tap"] != b and r["answered"])
        steps.append(report["request"]["tap"])
    assert steps[0] == "b8.conv0.noise" and {"b32.torgb", "b32.image", "image"} <= set(steps)
    assert not [tap for tap in steps if tap.startswith("b4.")]
    assert not {"b8.conv0.conv", "b8.torgb", "b8.image"} & set(steps)
    show(window, "b8.conv0")
    marked = [name for name in window.report()["widgets"] if name.endswith("/Marked")]
    assert marked == ["Layers/b8.conv0.noise/Marked", "Layers/b8.conv0.act/Marked"]


def test_names_alone_compute_nothing(window):
    show(window, "b8")
    window.click("Layers/Compact")
    report = window.wait(lambda r: r["request"]["strip"] is False and r["answered"])
    assert rows(report) == [] and "Layers/b8.conv0.act" in report["widgets"]
    assert "Layers/Next marked" not in report["widgets"]
    window.click("Layers/b8.conv1.act")
    window.wait(lambda r: r["request"]["tap"] == "b8.conv1.act" and r["answered"])
    window.click("Layers/Compact")
    assert rows(window.wait(lambda r: r["request"]["strip"] and r["answered"] and rows(r)))


def test_a_hidden_panel_computes_nothing(window):
    window.click("Menu/View")
    window.click("Menu/Layers")
    window.wait(lambda r: "Layers/Filter" not in r["widgets"])
    window.key("Escape")
    report = window.wait(lambda r: r["request"]["strip"] is False and r["answered"])
    before = seed(report)
    window.move("Viewer/Canvas")
    window.key("Down")                                       # no key is kept for it either
    window.wait(lambda r: seed(r) == before + 100 and r["answered"])
    window.click("Menu/View")
    window.click("Menu/Layers")
    window.key("Escape")
    window.wait(lambda r: r["request"]["strip"] and r["answered"] and "Layers/Filter" in r["widgets"])
