"""The window's parts that draw nothing: geometry, requests, rows, names, settings, pace."""
import json
import math
import time
from dataclasses import replace

import numpy as np
import pytest

from gui import placement, requests, rows, settings, words
from gui.browser import listing
from gui.jobs import Jobs
from gui.levels import Scale
from gui.messages import Messages
from gui.pace import SETTLE, Pace
from gui.panels import performance, transform
from gui.placement import FIT, Placement
from gui.saving import Saver, free_path, stem
from nets.errors import UserError
from renderer.types import (
    COLORMAPS,
    DEMOS,
    Array,
    Checkpoint,
    Latent,
    Mix,
    RenderRequest,
    Source,
    Spectrum,
    Synth,
    View,
)

ROOM = (100, 50, 700, 450)


def test_names_are_the_real_ones():
    from nets import demos
    from renderer import colormaps
    assert DEMOS == tuple(demos.DEMOS) and COLORMAPS == tuple(colormaps.COLORMAPS)


# -- placement --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("size, width", [((64, 64), 384), ((32, 64), 576), ((1024, 512), 200), ((400, 400), 400),
                                         ((401, 401), 400)])
def test_fit_takes_whole_multiples_where_it_magnifies(size, width):
    x0, y0, x1, y1 = FIT.rectangle(ROOM, size)
    assert x1 - x0 == width and (y1 - y0) * size[1] == pytest.approx(width * size[0])
    assert abs((x0 + x1) / 2 - 400) <= 0.5 and abs((y0 + y1) / 2 - 250) <= 0.5


@pytest.mark.parametrize("factor", [1.2, 0.7, 30.0])
def test_zoom_keeps_the_point_under_the_cursor(factor):
    size, at = (100, 200), (333.0, 222.0)
    for start in (FIT, Placement((0.3, 0.2), 900.0)):
        def point(p):
            x0, y0, x1, _ = p.rectangle(ROOM, size)
            return (at[0] - x0) / (x1 - x0), (at[1] - y0) / (x1 - x0)
        after = start.zoomed(factor, at, ROOM, size)
        one_pixel = 1 / min(start.shown_width(ROOM, size), after.width)
        assert np.allclose(point(start), point(after), atol=one_pixel)


def test_zoom_stops_at_both_ends():
    size = (100, 200)
    assert FIT.zoomed(1e9, (400, 250), ROOM, size).width == 200 * placement.LARGEST_PIXEL
    assert FIT.zoomed(1e-9, (400, 250), ROOM, size).width == placement.SMALLEST_WIDTH


def test_pan_moves_by_screen_pixels_and_keeps_the_picture_in_sight():
    start = Placement((0.5, 0.25), 800.0)
    x0, y0, _, _ = start.rectangle(ROOM, (100, 200))
    x1, y1, _, _ = start.panned((30, -20), ROOM, (100, 200)).rectangle(ROOM, (100, 200))
    assert (x1 - x0, y1 - y0) == (30, -20)
    assert start.panned((1e6, 1e6), ROOM, (100, 200)).center == (0.0, 0.0)


def test_the_view_holds_across_resolutions():
    """A layer of a quarter of the resolution covers the same place."""
    view = Placement((0.2, 0.3), 1600.0)
    assert view.rectangle(ROOM, (256, 256)) == view.rectangle(ROOM, (64, 64))
    assert view.actual_size((64, 64)).width == 64


def test_place_in():
    rectangle = (10, 20, 50, 40)
    assert placement.place_in((10, 20), rectangle) == (0, 0)
    assert placement.place_in((45, 25), rectangle) == (0.875, 0.25)
    assert placement.place_in((50, 30), rectangle) is None and placement.place_in((9, 30), rectangle) is None


# -- requests ---------------------------------------------------------------------------------------------------------

def test_opening_drops_what_belongs_to_the_old_network():
    before = RenderRequest(
        Checkpoint("a.pkl", "G", "cpu", "fp16", "reference", 3), Latent(3.5, 2, classes=((4, 1.0),), psi=0.7, cutoff=5),
        Mix(Source(9), (1, 2)), Synth("random", 8, (1.0,) * 9, 2.0), "b8.conv0.act", View("channel", channel=400),
        Spectrum(7))
    after = requests.opening(before, ' "b.pkl" ')
    assert after == RenderRequest(Checkpoint("b.pkl", "", "cpu", "fp16", "reference"), Latent(3.5, 2, psi=0.7),
                                  Mix(Source(9)), Synth("random", 8), spectrum=Spectrum(7))
    assert requests.opening(after, "b.pkl") == replace(after, checkpoint=replace(after.checkpoint, reload=1))
    assert requests.closed(after).checkpoint == Checkpoint("", "", "cpu", "fp16", "reference")


def test_a_conditional_network_gets_a_class():
    import fake
    request = RenderRequest(Checkpoint("x/conditional.pkl"))
    assert requests.completed(request, fake.answer(request)).latent.classes == ((0, 1.0),)
    chosen = replace(request, latent=Latent(classes=((3, 1.0),)))
    assert requests.completed(chosen, fake.answer(chosen)) == chosen
    other = RenderRequest(Checkpoint("other.pkl"))
    assert requests.completed(other, fake.answer(request)) == other


def test_image_and_layers_keep_views_apart():
    memory, image = requests.ViewMemory(), RenderRequest(Checkpoint("a.pkl"), view=View(gain_db=3))
    layer = memory.follow(image, replace(image, tap="b8.conv0.act"))
    assert layer.view == View(range="symmetric")
    looked = replace(layer, view=View("channel", channel=5))
    assert memory.follow(layer, looked) == looked
    back = memory.follow(looked, replace(looked, tap="image"))
    assert back.view == View(gain_db=3)
    assert memory.follow(back, replace(back, tap="b8.conv1.act")).view == looked.view


def test_a_layer_with_fewer_channels_draws_them_in():
    import fake
    info = fake.model("a.pkl")
    torgb = next(tap for tap in info.taps if tap.name == "b8.torgb")
    request = RenderRequest(view=View("channel", (0, 50, 1), 60), spectrum=Spectrum(40))
    after = requests.look_at(request, torgb)
    assert after.view.channels == (0, 2, 1) and after.view.channel == 2 and after.spectrum.channel == 2


def test_saving_the_image_of_a_layers_request():
    request = RenderRequest(Checkpoint("a.pkl"), tap="b8.conv0.act", view=View(gain_db=20), spectrum=Spectrum())
    assert requests.of_image(request) == RenderRequest(Checkpoint("a.pkl"))


@pytest.mark.parametrize("latent_, seed", [(Latent(3, 2), 203), (Latent(2.6, 0.4), 3), (Latent(150, 1), 250)])
def test_seed_of_the_plane(latent_, seed):
    assert requests.seed_of(latent_) == seed
    assert requests.seed_of(requests.at_seed(latent_, seed + 1)) == seed + 1
    assert requests.seed_of(requests.at_seed(latent_, 123456)) == 123456


# -- transform --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("x, y, degrees", [(0.25, -0.1, 0.0), (0.0, 0.0, 30.0), (0.2, 0.3, -135.0)])
def test_transform_is_the_inverse_and_comes_back(x, y, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    inverse = np.linalg.inv([[c, s, x], [-s, c, y], [0, 0, 1]])
    np.testing.assert_allclose(np.reshape(transform.matrix(x, y, degrees), (3, 3)), inverse, atol=1e-15)
    np.testing.assert_allclose(transform.parts(transform.matrix(x, y, degrees)), (x, y, degrees), atol=1e-6)


def test_no_transform_is_the_files_own():
    assert transform.matrix(0, 0, 0) is None and transform.parts(None) == (0, 0, 0)


# -- mixing -----------------------------------------------------------------------------------------------------------

def test_ranges_of_rows():
    import fake
    two = replace(fake.model("a.pkl"), num_ws=18)
    assert rows.range_rows("Coarse", two) == (0, 1, 2, 3) and rows.range_rows("Middle", two) == (4, 5, 6, 7)
    assert rows.range_rows("Fine", two) == tuple(range(8, 18))
    three = replace(two, family="stylegan3", num_ws=16)
    assert rows.range_rows("Coarse", three) == tuple(range(7)) and rows.range_rows("Middle", three) == ()
    assert rows.range_rows("Fine", three) == tuple(range(7, 16)) and len(rows.range_rows("All", three)) == 16


def test_rows_know_their_layers():
    import fake
    layers = rows.layers_of_rows(fake.model("a.pkl"))
    assert layers[1] == (["b4.torgb", "b8.conv0"], 8) and layers[2] == (["b8.conv1"], 8)
    assert rows.layer_of("L3_52_512.out") == "L3_52_512" and rows.layer_of("image") == "image"


# -- the rest ---------------------------------------------------------------------------------------------------------

def test_settings_survive_and_damage_is_ignored(tmp_path):
    file = tmp_path / "deep" / "window.json"
    assert settings.load(file) == settings.Settings()
    kept = settings.Settings().with_recent("顔.pkl").with_recent("b.pkl").with_recent("顔.pkl")
    assert kept.recents == ("顔.pkl", "b.pkl")
    settings.save(kept, file)
    assert settings.load(file) == kept and [p.name for p in file.parent.iterdir()] == ["window.json"]
    for damage in ("", "[]", '{"width": "wide"}', json.dumps({"recents": 3}), "\0"):
        file.write_text(damage)
        assert settings.load(file) == settings.Settings()


def test_what_is_damaged_in_the_settings_costs_nothing_else(tmp_path):
    file, first = tmp_path / "window.json", settings.Settings()
    wrong = {"width": -5, "height": 10 ** 30, "zoom": math.nan, "position": [math.inf, "a"], "maximized": 1,
             "hidden": {"a": 1}, "theme": None, "layout": ["x"], "greeted": "yes", "capture_folder": 3}
    file.write_text(json.dumps({**wrong, "recents": ["a.pkl", "b\udce9.pkl"], "unknown": 3}))
    assert settings.load(file) == replace(first, recents=("a.pkl", "b?.pkl"), width=320, height=16384)
    file.write_text('{"zoom": 99, "width": 640}')
    assert settings.load(file) == replace(first, zoom=3.0, width=640)
    for damage in ("[" * 100_000, json.dumps({"zoom": -10 ** 400})):
        file.write_text(damage)
        assert settings.load(file) in (first, replace(first, zoom=0.5))


def test_settings_that_cannot_be_written_leave_the_old_ones(tmp_path, monkeypatch):
    file = tmp_path / "window.json"
    settings.save(settings.Settings(width=999), file)

    def full(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr("renderer.images.os.replace", full)
    with pytest.raises(UserError, match="window.json: cannot be written: No space left"):
        settings.save(settings.Settings(), file)
    assert settings.load(file).width == 999 and list(tmp_path.iterdir()) == [file]


def test_characters_that_no_text_may_have_are_marked():
    named = RenderRequest(Checkpoint("n\udce9t.pkl"), mix=Mix(Source(name="顔\ud800"), (1,)))
    marked = replace(named, checkpoint=Checkpoint("n?t.pkl"), mix=Mix(Source(name="顔?"), (1,)))
    assert words.readable(named) == marked and words.readable(marked) == marked


@pytest.mark.parametrize("gain_db", [1e308, -1e308])
def test_a_gain_beyond_all_measure_is_a_large_one(gain_db):
    low, high = Scale().limits(View(gain_db=gain_db))
    assert math.isfinite(low) and math.isfinite(high) and low < high


def test_recents_are_limited():
    kept = settings.Settings()
    for index in range(50):
        kept = kept.with_recent(f"{index}.pkl")
    assert len(kept.recents) == settings.RECENT_LIMIT and kept.recents[0] == "49.pkl"


def test_a_second_network_comes_second():
    """And alternating frames of both change nothing more."""
    kept = settings.Settings().with_recent("c.pkl").with_recent("a.pkl").with_second("b.pkl")
    assert kept.recents == ("a.pkl", "b.pkl", "c.pkl")
    assert kept.with_recent("a.pkl") == kept.with_second("b.pkl") == kept.with_second("a.pkl") == kept
    assert settings.Settings().with_second("b.pkl").recents == ("b.pkl",)


def test_pace_settles_and_rests():
    pace, now, frames = Pace(), 100.0, 0
    pace.happened(now)
    while (wait := pace.wait(now)) is not None:
        now += wait
        pace.drawn(now)
        frames += 1
    assert frames == len(SETTLE) and now == pytest.approx(100 + SETTLE[-1])
    assert pace.wait(now, every=0.1) == 0.1


def test_stems_and_free_paths(tmp_path):
    request = RenderRequest(Checkpoint("/data/ffhq 1024:v2.pkl"), Latent(3, 2))
    assert stem(request) == "ffhq-1024-v2_seed203"
    assert stem(replace(request, checkpoint=Checkpoint("demo:stylegan3-t"))) == "stylegan3-t_seed203"
    assert stem(replace(request, checkpoint=Checkpoint("https://x.org/a/net.pkl?v=1"))) == "net_seed203"
    assert stem(replace(request, latent=Latent(w=Array.of(np.zeros((1, 2, 3)))))) == "ffhq-1024-v2_w"
    (tmp_path / "a.png").touch()
    assert free_path(tmp_path, "a").name == "a-2.png" and free_path(tmp_path, "b").name == "b.png"


def test_saver_renders_what_it_saves_and_says_where(tmp_path):
    import fake

    from renderer.images import load_request
    messages = Messages()
    jobs = Jobs(messages, lambda: None)
    saver = Saver(jobs, messages, lambda: tmp_path)
    request = RenderRequest(Checkpoint("x/plain.pkl"), tap="b8.conv0.act")
    saver.render(request)
    assert saver.request == request and not saver.take(fake.answer(RenderRequest(Checkpoint("x/plain.pkl"))))
    assert saver.take(fake.answer(request)) and saver.request is None
    saver.render(replace(request, checkpoint=Checkpoint("nothing")))
    assert saver.take(fake.answer(saver.request)) and messages.latest.error
    jobs.close()
    written, = tmp_path.glob("*.png")
    assert load_request(written) == request and str(written) in messages.latest.text


def test_a_job_that_fails_says_so():
    messages = Messages()
    jobs = Jobs(messages, lambda: None)

    def fails():
        raise PermissionError(13, "Permission denied")
    jobs.run("save the picture", fails)
    jobs.close()
    assert messages.latest.text == "Could not save the picture: Permission denied"
    assert "Traceback" in messages.latest.details


def test_messages_are_kept_after_the_trouble_is_over():
    messages = Messages(limit=2)
    for text in ("a", "b", "c"):
        messages.say(text)
    messages.clear()
    assert messages.latest is None and [m.text for m in messages.all()] == ["b", "c"]
    assert abs(messages.all()[-1].at - time.time()) < 60


def test_listing_shows_folders_first_and_hides_dots(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("a.pkl", "Z.pkl", ".hidden"):
        (tmp_path / name).write_bytes(b"123")
    assert [entry.name for entry in listing(tmp_path)] == ["b", "a.pkl", "Z.pkl"]
    assert [entry.name for entry in listing(tmp_path, folders_only=True)] == ["b"]
    with pytest.raises(OSError):
        listing(tmp_path / "nowhere")


def test_numbers_are_written_short():
    assert [words.file_size(n) for n in (0, 999, 310e6, 12.34e9)] == ["0 B", "999 B", "310 MB", "12.3 GB"]
    assert [words.milliseconds(s) for s in (0.0004, 0.041, 2.314)] == ["0.4 ms", "41 ms", "2.31 s"]
    assert [words.count(n) for n in (53_657, 23_191_522)] == ["54 k", "23.2 M"]
    assert requests.shown_name("demo:stylegan3-t") == "StyleGAN3-T"
    assert requests.shown_name("demo:stylegan2-conditional") == "StyleGAN2, conditional"


def test_frame_times_give_quantiles_that_stand_still():
    frames = performance.FrameTimes()
    assert frames.quantiles() == (0, 0)
    for index in range(100):
        frames.add(index)
    assert frames.quantiles() == (50, 95)
    frames.add(1000)
    assert frames.quantiles() == (50, 95)
