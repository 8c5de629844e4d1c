"""The spectrum panels: what they read out, what they link, and the files they save, held against renderer.measures."""
import math

import driver
import numpy as np
import pytest
from PIL import Image

from gui import exports, figure, plots, waterfall
from gui.panels import all_layers, spectrum
from renderer.colormaps import BAD, colours
from renderer.images import load_request
from renderer.types import RenderRequest, RenderResult, SpectrumResult, TapSummary

TAP = "b16.conv0.act"


def summary(name: str, nyquist: int, level: float = 0.0) -> TapSummary:
    rings = np.arange(nyquist + 1, dtype=np.float32)
    return TapSummary(name, np.zeros((4, 4, 3), np.uint8), rings, np.full(len(rings), level, np.float32), 1, 1, 0, None)


def result(height=4, width=6) -> RenderResult:
    levels = np.arange(height * width, dtype=np.float32).reshape(height, width)
    curve = np.array([0.5, -3.25, np.nan], np.float32)
    found = SpectrumResult(np.zeros((height, width, 3), np.uint8), (4.0, 6.0), curve, np.arange(3, dtype=np.float32),
                           1.5, None, 2.0, None, curve + 1, None, levels)
    return RenderResult(RenderRequest(tap="b4.act"), spectrum=found)


# -- geometry ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size, extent", [((8, 8), (8.0, 8.0)), ((5, 7), (5.0, 7.0)), ((6, 6), (4.0, 4.0))])
def test_zero_frequency_is_the_middle_of_its_bin(size, extent):
    levels = np.random.default_rng(0).normal(size=size).astype(np.float32)
    height, width = size
    fx, fy, level = spectrum.bin_at(levels, extent, 0.0, 0.0)
    assert (fx, fy, level) == (0, 0, levels[height // 2, width // 2])
    left, top, right, bottom = spectrum.edges(size, extent)
    for row in range(height):
        for column in range(width):          # the middle of every pixel on the screen is its bin
            x = left + (column + 0.5) / width * (right - left)
            y = top + (row + 0.5) / height * (bottom - top)
            found = spectrum.bin_at(levels, extent, x, y)
            assert found[:2] == pytest.approx((x, y), abs=1e-12) and found[2] == levels[row, column]
    assert spectrum.bin_at(levels, extent, right + 1e-6, 0) is None
    assert spectrum.bin_at(levels, extent, 0, top + 1e-6) is None


def test_a_plane_wave_is_read_at_its_frequency():
    """cos(2 pi (3 x + 2 y)), y downward, has its energy at fx 3, fy -2 upward, and opposite."""
    import torch

    from renderer.measures.spectrum import decibels, power
    y, x = torch.meshgrid(torch.arange(32) / 32, torch.arange(32) / 32, indexing="ij")
    levels = decibels(power(torch.cos(2 * math.pi * (3 * x + 2 * y))[None])).numpy()
    at = [spectrum.bin_at(levels, (32.0, 32.0), fx, fy)[2] for fx, fy in ((3, -2), (-3, 2), (3, 2))]
    assert at[0] == pytest.approx(at[1], abs=1e-6) and at[0] > at[2] + 20 and at[0] == pytest.approx(levels.max())


def test_pointing_is_seen_by_the_others():
    pointed = plots.Pointed()
    pointed.point("a", 3.0)
    pointed.point("b", None)
    assert pointed.elsewhere("a") is None and pointed.elsewhere("b") == 3.0
    pointed.point("a", None)
    assert pointed.elsewhere("b") is None


def test_derived_values_are_computed_once():
    calls = []
    derived = plots.Derived(lambda array, name: calls.append(name) or array.sum())
    one, two = np.ones(3), np.ones(3)
    assert [derived(one, "x"), derived(one, "x"), derived(one, "y"), derived(two, "y")] == [3] * 4
    assert calls == ["x", "y", "y"]


# -- all layers -------------------------------------------------------------------------------------------------------

def test_the_last_tap_of_each_layer():
    names = ["const", "b4.conv1.conv", "b4.conv1.act", "b4.torgb", "b4.image", "L3_5_6.up", "L3_5_6.out", "image"]
    strip = (summary("dot", 0), *(summary(name, 4) for name in names))
    assert [t.name for t in all_layers.chosen_taps(strip, False)] == [
        "const", "b4.conv1.act", "b4.image", "L3_5_6.out", "image"]
    assert [t.name for t in all_layers.chosen_taps(strip, True)] == names     # a single pixel has no curve


@pytest.mark.parametrize("logarithmic", [True, False])
def test_long_curves_are_thinned_at_their_own_points(logarithmic):
    tap = summary("a", 512)
    tap.radial[:] = np.random.default_rng(1).normal(size=513)
    (_, x, y), = all_layers._curves([tap], logarithmic)
    assert len(x) <= all_layers.POINTS and x[0] == int(logarithmic) and x[-1] == 512
    np.testing.assert_array_equal(y, tap.radial[x.astype(int)].astype(float))


@pytest.mark.parametrize("logarithmic", [True, False])
def test_the_waterfalls_colours(logarithmic):
    taps = [summary("a", 8, -20.0), summary("b", 32, 0.0), summary("c", 32, np.nan)]
    picture = waterfall.waterfall_picture(taps, 32.0, logarithmic, 64, "viridis", 20.0, 0xFF030201)
    axis = waterfall.Axis(32.0, logarithmic)
    edge = round(64 * axis.share(8.5))
    table = colours("viridis")
    assert (picture[0, :edge] == table[0]).all() and (picture[0, edge:] == (1, 2, 3)).all()
    assert (picture[1] == table[128]).all() and (picture[2] == BAD).all()
    assert axis.at(axis.share(7.0)) == pytest.approx(7.0) and axis.ticks()[-1] <= 32


# -- files without a window -------------------------------------------------------------------------------------------

def test_csv_ends_short_columns_in_empty_fields():
    text = exports.csv(["about", "more"], {"f": np.arange(3), "a, b": np.array([0.5, np.nan])})
    assert text == '# about\n# more\nf,"a, b"\n0,0.5\n1,nan\n2,\n'


def test_profile_files(tmp_path):
    exports.profile_npy(result())(tmp_path / "a.npy")
    table = np.load(tmp_path / "a.npy")
    assert table.dtype.names == ("frequency", "radial", "slice_0")
    np.testing.assert_array_equal(table["slice_0"], result().spectrum.slice_0)
    exports.profile_csv(result())(tmp_path / "a.csv")
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert "# cutoff: 1.5 cycles per image" in lines and not any("stopband" in line for line in lines)
    assert lines[-4:] == ["frequency (cycles per image),radial (dB),slice_0 (dB)", "0,0.5,1.5", "1,-3.25,-2.25",
                          "2,nan,nan"]


def test_the_figure_frames_every_bin():
    found = result().spectrum
    found.picture[1, 4] = (250, 100, 50)
    page = figure.framed(found, 40.0, "magma", "b4.act, all channels")
    scale = math.ceil(figure.SIDE / 6)
    assert page.shape == (4 * scale + figure.TOP + figure.BOTTOM, 6 * scale + figure.LEFT + figure.RIGHT, 3)
    inside = page[figure.TOP:figure.TOP + 4 * scale, figure.LEFT:figure.LEFT + 6 * scale]
    np.testing.assert_array_equal(inside[scale // 2::scale, scale // 2::scale], found.picture)
    bar = page[figure.TOP:figure.TOP + 4 * scale, figure.LEFT + 6 * scale + 25]
    assert (bar[0] == colours("magma")[255]).all() and (bar[-1] == colours("magma")[0]).all()


# -- the window -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("spectra"), str(checkpoints["stylegan2"]))
    window.answered(60)
    window.fill("Layers/Filter", "b16.conv0", "")
    window.click(f"Layers/{TAP}")
    window.wait(lambda r: r["request"]["tap"] == TAP and r["spectrum"] == [16, 16] and r["answered"])
    yield window
    assert window.close() == 0
    assert window.errors() == ""


@pytest.fixture(scope="module")
def truth(window):
    """(power spectrum, frequencies, radial, slice_0, slice_45) of the request in a saved picture, by the measures."""
    from renderer.measures.spectrum import power, profiles
    from renderer.pipeline import Pipeline

    def measured(path):
        request = load_request(path)
        x = Pipeline().tensor(request)[0]
        wanted = request.spectrum
        s = power(x if wanted.channel is None else x[wanted.channel:wanted.channel + 1], wanted.beta)
        return s, *profiles(s, float(x.shape[-1]))
    return measured


def exported(window, panel: str, name: str, suffix: str):
    """Saves by the panel's menu; the new file, which the window names."""
    before = set(window.captures.glob(f"[!.]*{suffix}"))
    window.click(f"{panel}/Export")
    window.click(f"{panel}/Export/{name}")
    window.wait(lambda r: set(window.captures.glob(f"[!.]*{suffix}")) - before)
    path, = set(window.captures.glob(f"[!.]*{suffix}")) - before
    window.wait(lambda r: r["message"] == f"Saved {path}")
    return path


def columns(path) -> tuple[list[str], dict[str, np.ndarray]]:
    """The comments and the columns of a CSV."""
    lines = path.read_text().splitlines()
    comments = [line for line in lines if line.startswith("# ")]
    names, *rows = (line.split(",") for line in lines[len(comments):])
    return comments, {name: np.array([float(v) if v else np.nan for v in column])
                      for name, column in zip(names, zip(*rows), strict=True)}


def near(found, wanted, decibels=1e-3):
    """float32 rounds a float64 level of up to 300 dB by less than 2e-5; a CSV's seven figures keep that."""
    np.testing.assert_allclose(np.asarray(found, float), np.asarray(wanted, float), atol=decibels, rtol=0)


def test_the_spectrums_files_are_the_measures(window, truth):
    window.click("Spectrum/Options")
    window.type_into("Spectrum/Kaiser β", "4.5")
    window.wait(lambda r: r["request"]["spectrum"]["beta"] == 4.5 and r["answered"])
    window.click("Spectrum/Colormap")
    window.click("Spectrum/Colormap/magma")
    window.wait(lambda r: r["request"]["spectrum"]["colormap"] == "magma" and r["answered"])
    window.key("Escape")
    picture = exported(window, "Spectrum", "Picture", ".png")
    request = load_request(picture)
    assert request.tap == TAP and request.spectrum.beta == 4.5 and request.spectrum.colormap == "magma"
    s, frequencies, radial, slice_0, slice_45 = truth(picture)
    levels = 10 * (s / s.mean()).log10().numpy()
    near(np.load(exported(window, "Spectrum", "Levels", ".npy")), levels)
    byte = np.clip(np.rint(127.5 + 127.5 * levels / request.spectrum.range_db), 0, 255).astype(int)
    assert (np.array(Image.open(picture)) == colours("magma")[byte]).mean() > 0.99       # ties round either way
    comments, table = columns(exported(window, "Spectrum", "Profiles", ".csv"))
    assert any("beta 4.5, summed over all channels" in c for c in comments) and f"# signal: {TAP}" in comments
    for column, wanted in zip(table.values(), (frequencies, radial, slice_0, slice_45), strict=True):
        near(column, wanted)
    framed = exported(window, "Spectrum", "Figure", ".png")
    assert load_request(framed) == request and min(Image.open(framed).size) > figure.SIDE


def test_the_radial_files_are_the_measures(window, truth):
    window.type_into("Spectrum/Channel", "3")
    window.wait(lambda r: r["request"]["spectrum"]["channel"] == 3 and r["answered"])
    picture = exported(window, "Spectrum", "Picture", ".png")
    _, *wanted = truth(picture)
    table = np.load(exported(window, "Radial profile", "Curves as an array", ".npy"))
    _, written = columns(exported(window, "Radial profile", "Curves", ".csv"))
    for name, column, curve in zip(table.dtype.names, written.values(), wanted, strict=True):
        near(table[name], curve)
        near(column, curve)


def test_the_value_under_the_cursor(window, truth):
    picture = exported(window, "Spectrum", "Picture", ".png")
    s, *_ = truth(picture)
    levels = 10 * (s / s.mean()).log10().numpy()
    window.move("Spectrum/Plot", (0.7, 0.4))
    words = window.wait(lambda r: r["spectra"][0])["spectra"][0].replace("−", "-").split()
    fx, fy, radius, level = (float(words[i]) for i in (1, 3, 5, 6))
    assert fx > 0 < fy and radius == pytest.approx(math.hypot(fx, fy), abs=0.01)
    assert level == pytest.approx(levels[8 - int(fy), 8 + int(fx)], abs=0.051)
    window.move("Radial profile/Plot", (0.5, 0.5))
    said = window.wait(lambda r: r["spectra"][1])["spectra"][1]
    assert said.startswith("f ") and "Mean" in said and "45°" in said
    window.click("Radial profile/45°")
    window.move("Radial profile/Plot", (0.5, 0.5))
    window.wait(lambda r: "Mean" in r["spectra"][1] and "45°" not in r["spectra"][1])
    window.click("Radial profile/Logarithmic")
    window.move("Radial profile/Plot", (0.5, 0.5))
    middle = window.wait(lambda r: r["spectra"][1] and r["spectra"][1] != said)["spectra"][1]
    assert int(middle.split()[1]) < int(said.split()[1])
    window.click("Radial profile/Logarithmic")
    window.click("Radial profile/45°")


def test_zoom_and_back(window):
    """The wheel zooms at the cursor, a double click shows all again."""
    def corner() -> str:
        window.move("Viewer/Canvas")
        window.move("Spectrum/Plot", (0.2, 0.25))
        return window.wait(lambda r: r["spectra"][0])["spectra"][0]
    whole = corner()
    for _ in range(4):                   # ImPlot zooms once a frame, however many steps the wheel made
        window.scroll("Spectrum/Plot", 1, (0.5, 0.5))
    assert corner() != whole
    window.double_click("Spectrum/Plot", (0.4, 0.4))
    assert corner() == whole


def test_the_cursor_is_linked(window, tmp_path):
    """Pointing at the radial profile draws a circle into the 2-D picture, and the other way round a line."""
    for pointed, other in (("Radial profile", "Spectrum"), ("Spectrum", "Radial profile")):
        window.move("Viewer/Canvas", (0.02, 0.02))
        window.wait(lambda r: not any(r["spectra"]))
        x0, y0, x1, y1 = window.rectangle(f"{other}/Plot")
        rest = np.array(Image.open(window.screenshot(tmp_path / "rest.png")))[y0:y1, x0:x1]
        window.move(f"{pointed}/Plot", (0.6, 0.35))
        window.wait(lambda r: any(r["spectra"]))
        window.wait(lambda r: _settled(window, r))
        seen = np.array(Image.open(window.screenshot(tmp_path / "seen.png")))[y0:y1, x0:x1]
        assert (seen != rest).any(axis=-1).sum() > 40


def _settled(window, report) -> bool:
    """Nothing is drawn any more."""
    import time
    time.sleep(0.15)
    return window.report()["frame"] == report["frame"]


# -- all layers in the window -----------------------------------------------------------------------------------------

def test_all_layers_in_curves_and_waterfall(window):
    window.click("All layers/Tab")
    window.wait(lambda r: r["request"]["strip"] and "All layers/Plot" in r["widgets"] and r["answered"])
    curves = exported(window, "All layers", "Curves as arrays", ".npz")
    arrays = np.load(curves)
    assert TAP in arrays.files and "b16.conv0.conv" not in arrays.files and len(arrays[TAP]) == 9
    comments, table = columns(exported(window, "All layers", "Curves", ".csv"))
    frequencies, *_ = table.values()
    assert list(frequencies) == list(range(17)) and len(table) == 1 + len(arrays.files)
    for name in arrays.files:
        near(table[f"{name} (dB)"][:len(arrays[name])], arrays[name])
        assert np.isnan(table[f"{name} (dB)"][len(arrays[name]):]).all()
    window.click("All layers/Options")
    window.click("All layers/Taps/all")
    window.key("Escape")
    assert "b16.conv0.conv" in np.load(exported(window, "All layers", "Curves as arrays", ".npz")).files


def test_a_click_inspects_the_layer(window):
    window.click("All layers/Kind/Waterfall")
    window.wait(lambda r: "All layers/Waterfall" in r["widgets"])
    window.move("All layers/Waterfall", (0.2, 0.05))
    assert window.wait(lambda r: r["spectra"][2])["spectra"][2].endswith("dB")
    name = window.report()["spectra"][2].split()[0]
    window.click("All layers/Waterfall", (0.2, 0.05))
    window.wait(lambda r: r["request"]["tap"] == name and r["answered"])
    picture = exported(window, "All layers", "Waterfall", ".png")
    assert load_request(picture).tap == name and Image.open(picture).size[0] == 512
    window.click("All layers/Kind/Curves")
    found = pointed_curve(window)
    window.wait(lambda r: r["request"]["tap"] == found and r["answered"])
    window.click("Radial profile/Tab")
    window.wait(lambda r: "Radial profile/Plot" in r["widgets"])


def test_only_a_visible_panel_asks_for_all_layers(window):
    window.click("Menu/View")
    window.click("Menu/Layers")
    window.wait(lambda r: not r["request"]["strip"] and r["answered"])
    window.click("All layers/Tab")
    window.wait(lambda r: r["request"]["strip"] and "All layers/Plot" in r["widgets"] and r["answered"])
    window.click("Menu/View")
    window.click("Menu/Reset layout")
    window.wait(lambda r: "Layers/Filter" in r["widgets"])


def pointed_curve(window) -> str:
    """Goes down the plot until it meets a curve of another tap, and clicks."""
    tap = window.report()["request"]["tap"]
    for step in range(2, 48):
        window.move("All layers/Plot", (0.3, step / 50))
        said = window.report()["spectra"][2]
        if said and said.split()[0] != tap:
            window.click("All layers/Plot", (0.3, step / 50))
            return said.split()[0]
    raise AssertionError("no curve was met")
