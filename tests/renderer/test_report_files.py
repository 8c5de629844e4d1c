"""A report as files: every picture, number and word of it is there and reads back."""
import csv
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from nets.errors import UserError
from renderer.images import load_request
from renderer.report import Axis, Curve, Fact, Picture, Plot, Report, Scale, Table
from renderer.report_files import csv_of, files, numbers, write_report
from renderer.state import from_json
from renderer.types import Checkpoint, Latent, RenderRequest

REQUEST = RenderRequest(Checkpoint("demo:stylegan2"), Latent(5.0))
RNG = np.random.RandomState(0)
PICTURE = Picture("energy", "Energy of a pixel", RNG.randint(0, 256, (5, 7, 3)).astype(np.uint8),
                  Scale("viridis", -3.0, math.inf, "Energy", "dB"), "mean over channels of x²")
PLOT = Plot("curve", "Gain over frequency", Axis("Frequency", "cycles per image"), Axis("Gain", "dB"), (
    Curve("up", np.array([0.0, 0.1, 1e-9]), np.array([1.0, math.nan, 1 / 3])),
    Curve("down", np.array([2.0]), np.array([3.0], np.float32), low=np.array([2.5]), high=np.array([math.inf]))),
    marks=((1.5, "f_c"),), levels=((-3.0, "half"),))
LAYERS = Plot("layers", "By layer", Axis("Layer", ticks=("b4", "b8")), Axis("Level"),
              (Curve("a", np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), dots=True),))
TABLE = Table("rows", "Rows", ("Layer", "Share (%)", "Place, y"),
              (("b4, first", 1 / 3, None), ("ü \"x\"", math.nan, 2)), flagged=(True, False))
FACT = Fact("eq_t", "EQ-T", 63.2, "dB", 62.8, math.inf, "peak signal over error")
REPORT = Report("filters", (PICTURE, PLOT, LAYERS, TABLE, FACT), 12, 64, ("it holds.", "it is early."))


def cells(figure) -> list[list[str]]:
    return list(csv.reader(io.StringIO(csv_of(figure))))


@pytest.fixture
def written(tmp_path):
    paths = write_report(tmp_path, REPORT, REQUEST)
    assert sorted(paths) == sorted(tmp_path.iterdir())
    return tmp_path


def test_what_is_written(written):
    assert {path.name for path in written.iterdir()} == {
        "energy.png", "curve.csv", "layers.csv", "rows.csv", "report.json", "state.json"}
    np.testing.assert_array_equal(np.asarray(Image.open(written / "energy.png")), PICTURE.pixels)


def test_pictures_and_state_hold_the_request(written):
    assert load_request(written / "energy.png") == REQUEST
    assert from_json((written / "state.json").read_text(encoding="utf-8")) == REQUEST


def test_the_numbers_as_json(written):
    """Strict JSON: what is not finite is null."""
    def refuse(constant):
        raise AssertionError(constant)
    held = json.loads((written / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert held == json.loads(json.dumps(numbers(REPORT)))
    assert (held["kind"], held["samples"], held["asked_for"]) == ("filters", 12, 64)
    assert held["remarks"] == ["it holds.", "it is early."]
    assert held["facts"]["eq_t"] == {"label": "EQ-T", "value": 63.2, "unit": "dB", "low": 62.8, "high": None,
                                     "meaning": "peak signal over error"}
    assert held["tables"]["rows"]["rows"] == [["b4, first", 1 / 3, None], ["ü \"x\"", None, 2]]
    assert held["tables"]["rows"]["flagged"] == [True, False]
    plot = held["plots"]["curve"]
    assert (plot["x"], plot["y"]) == ("Frequency (cycles per image)", "Gain (dB)")
    assert (plot["marks"], plot["levels"]) == ([[1.5, "f_c"]], [[-3.0, "half"]])
    assert plot["curves"] == [{"name": "up", "x": [0.0, 0.1, 1e-9], "y": [1.0, None, 1 / 3]},
                              {"name": "down", "x": [2.0], "y": [3.0], "low": [2.5], "high": [None]}]
    assert held["pictures"]["energy"]["scale"] == {"low": -3.0, "high": None, "label": "Energy", "unit": "dB"}


def test_a_table_as_csv():
    header, first, second = cells(TABLE)
    assert header == list(TABLE.columns)
    assert first == ["b4, first", "0.333333333", ""] and second == ["ü \"x\"", "", "2"]


def test_a_plot_as_csv():
    """A line for each point: 9 digits bring any float32 back."""
    header, *rows = cells(PLOT)
    assert header == ["curve", "Frequency (cycles per image)", "Gain (dB)", "Gain (dB), low end of 95 %",
                      "Gain (dB), high end of 95 %"]
    assert rows == [["up", "0", "1", "", ""], ["up", "0.1", "", "", ""], ["up", "1e-09", "0.333333333", "", ""],
                    ["down", "2", "3", "2.5", "inf"]]


def test_layers_are_named_in_csv():
    """Where a tick has no name, its number stands."""
    assert [row[1] for row in cells(LAYERS)[1:]] == ["b4", "b8", "2"]


def test_any_float32_reads_back():
    values = (RNG.randn(1000) * 10.0 ** RNG.randint(-30, 30, 1000)).astype(np.float32)
    plot = Plot("p", "", Axis("x"), Axis("y"), (Curve("c", np.arange(1000.0), values),))
    np.testing.assert_array_equal(np.array([row[2] for row in cells(plot)[1:]], np.float32), values)


def test_a_refusal_is_a_report_too(tmp_path):
    write_report(tmp_path, Report("filters", (), 0, 0, refusal="no."), REQUEST)
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "state.json"}


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="missing"):
        write_report(tmp_path / "missing", REPORT, REQUEST)


def test_files_are_written_when_asked(tmp_path):
    """The names are known before: a program may say what it will write."""
    made = files(REPORT, REQUEST)
    assert list(made) == ["energy.png", "curve.csv", "layers.csv", "rows.csv", "report.json", "state.json"]
    made["rows.csv"](tmp_path / "elsewhere.csv")
    assert (tmp_path / "elsewhere.csv").read_text(encoding="utf-8") == csv_of(TABLE)
