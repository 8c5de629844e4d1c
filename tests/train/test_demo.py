"""The demo set: reproducible, varied as promised, learnable by class, written whole."""
from __future__ import annotations

import numpy as np
import pytest

from nets.errors import UserError
from train.data import TrainingSet
from train.demo import KINDS, demo_entries, draw_head, paint, write_demo


def upright(**changes):
    """Picture 1's head in the middle, upright, without marks."""
    plain = {"centre": np.zeros(2), "radius": 0.4, "angle": 0.0, "stripes": (1.0, 0.0, 0.0)}
    return draw_head(1, 64)._replace(**(plain | changes))


def difference(a: np.ndarray, b: np.ndarray) -> float:
    return float(abs(a.astype(float) - b).mean())


@pytest.mark.parametrize("name", ["demo.zip", "demo"])
def test_a_set_that_training_reads(tmp_path, name):
    done = []
    write_demo(tmp_path / name, images=300, resolution=16, progress=done.append)
    data = TrainingSet(tmp_path / name, conditional=True)
    assert len(data) == 300 and data.shape == (3, 16, 16) and data.label_width == len(KINDS)
    assert done == list(range(1, 301)) and [entry.name for entry in tmp_path.iterdir()] == [name]
    for index in (0, 5, 299):
        head, (pixels, label) = draw_head(index, 16), data[index]
        assert np.array_equal(pixels, paint(head, 16).transpose(2, 0, 1)) and label.argmax() == head.kind


def test_the_same_seed_makes_the_same_file(tmp_path):
    for name, seed in [("a.zip", 0), ("b.zip", 0), ("c.zip", 1)]:
        write_demo(tmp_path / name, images=5, resolution=16, seed=seed)
    a, b, c = ((tmp_path / f"{name}.zip").read_bytes() for name in "abc")
    assert a == b != c


def test_a_larger_set_begins_with_the_smaller_one():
    assert list(demo_entries(3, 16)) == list(demo_entries(7, 16))[:3]


@pytest.mark.parametrize("resolution", [8, 33, 64, 256])
def test_any_resolution_shows_the_same_heads(resolution):
    """Averaged down to 8 pixels they agree but for hair, whose number follows the resolution; strangers do not."""
    def small(index, size):
        picture = paint(draw_head(index, size), size).astype(float)
        edges = np.linspace(0, size, 9).round().astype(int)
        sums = np.add.reduceat(np.add.reduceat(picture, edges[:-1], 0), edges[:-1], 1)
        return sums / (np.diff(edges)[:, None] * np.diff(edges))[:, :, None]
    fine = [small(i, 128) for i in range(12)]
    for i in range(12):
        assert np.argmin([difference(small(i, resolution), f) for f in fine]) == i


def test_position_rotation_and_scale_are_free():
    heads = [draw_head(i, 16) for i in range(500)]
    for values, low, high in [([h.centre[0] for h in heads], -0.35, 0.35), ([h.centre[1] for h in heads], -0.35, 0.35),
                              ([h.angle for h in heads], -np.pi, np.pi), ([h.radius for h in heads], 0.35, 0.6)]:
        counts, _ = np.histogram(values, 5, (low, high))
        assert counts.sum() == 500 and counts.min() > 50                 # 100 each, by chance within 5 sigma = 45
    assert np.bincount([h.kind for h in heads]).min() > 75               # of 125


def test_a_turned_head_is_the_turned_picture():
    """By 90 degrees, before a plain ground: the same up to rounding, fur included, which so belongs to the head."""
    ground = np.full((2, 3), 0.4, np.float32)
    straight, turned = (paint(upright(ground=ground, angle=angle), 64).astype(int) for angle in (0.0, np.pi / 2))
    assert abs(np.rot90(straight, -1) - turned).max() <= 2


def test_a_moved_head_is_the_moved_picture():
    """By four pixels; the fur goes with it."""
    ground = np.full((2, 3), 0.4, np.float32)
    here, moved = (paint(upright(ground=ground, centre=np.array([x, 0.0])), 64).astype(int) for x in (0, 8 / 64))
    assert abs(here[:, :-4] - moved[:, 4:]).max() <= 2


def test_fur_is_fine_and_stochastic():
    """Other hairs change the head, not the ground; most of the change is fine: little is left in blocks of 8 pixels."""
    one = upright()
    other = one._replace(hairs=np.random.RandomState(0).rand(*one.hairs.shape).astype(np.float32))
    change = paint(one, 64).astype(float) - paint(other, 64)
    assert abs(change).max() > 50 and not change[:6].any()
    assert abs(change[40:43, 26:38]).max() > 20                          # the chin's fur, not only the outline
    blocks = change.reshape(8, 8, 8, 8, 3).mean((1, 3))
    assert (blocks ** 2).mean() < 0.25 * (change ** 2).mean()


def test_the_outline_is_ragged_by_the_hairs():
    ground = np.full((2, 3), 0.4, np.float32)
    one = upright(ground=ground)
    other = one._replace(hairs=1 - one.hairs)
    bare = [(paint(head, 64) == paint(head, 64)[0, 0]).all(2) for head in (one, other)]
    assert (bare[0] != bare[1]).sum() > 20


def test_kinds_differ_by_their_outline_alone():
    pictures = [paint(upright(kind=kind), 64) for kind in range(len(KINDS))]
    for i in range(len(KINDS)):
        for j in range(i):
            differs = abs(pictures[i].astype(int) - pictures[j]).max(2) > 20
            assert 30 < differs.sum() < 64 * 64 / 4 and not differs[28:36, 24:40].any()    # the face is the same


def test_eyes_look_where_the_gaze_goes():
    left, right = (paint(upright(gaze=np.array([x, 0.0])), 64).astype(int) for x in (-0.08, 0.08))
    eyes = (slice(24, 36), slice(20, 44))
    darkness = [(255 - picture[eyes].mean(2)) * (picture[eyes].max(2) < 80) for picture in (left, right)]
    middle = [(d * np.arange(24)).sum() / d.sum() for d in darkness]
    assert middle[1] - middle[0] > 1                                     # of 2 * 0.08 heads of 12.8 pixels


def test_edges_are_smooth():
    """A head that moves by a tenth of a pixel changes no pixel by much: nothing jumps from one colour to another."""
    a, b = (paint(upright(centre=np.array([x, 0.0])), 64).astype(int) for x in (0, 0.2 / 64))
    assert 0 < abs(a - b).max() < 64


@pytest.mark.parametrize("images, resolution", [(0, 64), (5, 4), (5, 5000)])
def test_numbers_out_of_range(tmp_path, images, resolution):
    with pytest.raises(UserError, match="at least 1 picture, and 8 to 4096 pixels"):
        write_demo(tmp_path / "demo.zip", images, resolution)
    assert not list(tmp_path.iterdir())
