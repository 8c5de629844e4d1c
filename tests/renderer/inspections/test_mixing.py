"""Style-mixing tables of the lab: those that `render` draws, and how far mixtures are from their sources."""
from dataclasses import replace

import numpy as np
import pytest

from nets.errors import UserError
from renderer.colormaps import BACKDROP
from renderer.inspection import Mixing
from renderer.pipeline import Pipeline
from renderer.rows import range_rows
from renderer.types import Latent, MixTable, Synth, sources


def figures(report) -> dict:
    return {figure.name: figure for figure in report.figures}


RANGES = {"sg2-skip": ("coarse", "middle"), "sg3-t": ("coarse",), "sg1": ("coarse", "middle"),
          "sg2-conditional": ("coarse", "middle")}


@pytest.mark.parametrize("name", RANGES)
def test_tables_are_those_that_are_rendered(asked, name):
    request = asked(name, latent=Latent(psi=0.7), synth=Synth("random", 3) if name == "sg1" else Synth(),
                    inspect=Mixing(sources_a=(4, 9), sources_b=(1, 2, 4)))
    pipeline = Pipeline()
    report = pipeline.inspect(request)
    found, info = figures(report), pipeline.info(request.checkpoint)
    assert tuple(found) == (*(f"mixing_{part}" for part in RANGES[name]), "changes")
    for part in RANGES[name]:
        table = MixTable(sources(4, 9), sources(1, 2, 4), range_rows(part.capitalize(), info))
        rendered = Pipeline().picture(replace(request, inspect=None, table=table))
        np.testing.assert_array_equal(found[f"mixing_{part}"].pixels, rendered)


def test_given_rows(asked):
    request = asked("sg2-skip", inspect=Mixing(rows=(7, 2, 2), sources_a=(4,), sources_b=(1,)))
    found = figures(Pipeline().inspect(request))
    rendered = Pipeline().picture(replace(request, inspect=None, table=MixTable(sources(4), sources(1), (2, 7))))
    np.testing.assert_array_equal(found["mixing_chosen"].pixels, rendered)
    assert found["changes"].rows[0][:2] == ("chosen", "2,7")


def test_changes_are_distances_of_the_cells(asked):
    request = asked("sg1", inspect=Mixing(part="coarse", sources_a=(4, 5), sources_b=(1,)))
    (_, rows, from_a, from_b, change), = figures(Pipeline().inspect(request))["changes"].rows
    b, mixtures = cell(request, 1), [cell(request, 4, rows=(0, 1, 2, 3)), cell(request, 5, rows=(0, 1, 2, 3))]
    of_a = [cell(request, 4), cell(request, 5)]

    def mean(pairs) -> float:
        return np.mean([np.sqrt(np.square(x.astype(float) - y).mean()) for x, y in pairs])
    assert rows == "0-3" and from_a == pytest.approx(mean(zip(mixtures, of_a)), rel=1e-6)
    assert from_b == pytest.approx(mean((m, b) for m in mixtures), rel=1e-6)
    assert change == pytest.approx(100 * mean((m, b) for m in mixtures) / mean((a, b) for a in of_a), rel=1e-6)


def cell(request, seed: int, rows: tuple[int, ...] = ()) -> np.ndarray:
    """The picture of a seed, or of seed 1 with these rows from it."""
    latent = replace(request.latent, x=1.0 if rows else float(seed))
    mix = replace(request.mix, source=sources(seed)[0], rows=rows)
    return Pipeline().picture(replace(request, inspect=None, latent=latent, mix=mix))


def test_all_rows_are_a_and_a_source_mixed_with_itself_is_itself(asked):
    request = asked("sg2-skip", inspect=Mixing(rows=tuple(range(8)), sources_a=(1, 2), sources_b=(1, 3)))
    (_, _, from_a, from_b, change), = figures(Pipeline().inspect(request))["changes"].rows
    assert from_a == 0 and change == pytest.approx(100) and from_b > 0
    same = figures(Pipeline().inspect(replace(request, inspect=Mixing(rows=(0,), sources_a=(1,), sources_b=(1,)))))
    assert same["changes"].rows[0][2:4] == (0, 0) and np.isnan(same["changes"].rows[0][4])


def test_a_table_fills_cell_by_cell(asked):
    request = asked("sg2-skip", inspect=Mixing(part="middle", sources_a=(4, 9), sources_b=(1,)))
    pipeline, seen = Pipeline(), []
    pipeline.render(request, early=lambda result: seen.append(result.report))
    first = figures(seen[0])["mixing_middle"].pixels
    assert seen[0].done == 0 and seen[0].total == 2 + 1 + 2
    cells = first[-64:, -96:]            # below and right of the labels
    assert (cells == BACKDROP).all() and (first != BACKDROP).any()


@pytest.mark.parametrize("inspection, sentence", [
    (Mixing(part="fine"), "no fine rows of w; it has coarse, middle"),
    (Mixing(rows=(3, 8)), "w has rows 0 to 7 in this network, and no row 8"),
    (Mixing(sources_a=()), "a seed or more in each"),
    (Mixing(sources_a=tuple(range(1000)), sources_b=tuple(range(1000))), "megapixels"),
])
def test_what_cannot_be_drawn_is_refused(asked, inspection, sentence):
    with pytest.raises(UserError, match=sentence):
        Pipeline().inspect(asked("sg2-skip", inspect=inspection))
