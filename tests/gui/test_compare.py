"""Comparing: what a request is held against, the difference's arithmetic, and two networks in the real window."""
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import driver
import numpy as np
import pytest

from gui import comparison, requests
from gui.reference import Reference
from renderer.colormaps import BAD, colours
from renderer.images import load_request
from renderer.inspection import Droplets
from renderer.types import (
    Array,
    Checkpoint,
    Compare,
    Latent,
    Mix,
    MixTable,
    RenderRequest,
    RenderResult,
    Source,
    Spectrum,
    Synth,
    TapStats,
    View,
    sources,
)


@pytest.fixture(scope="module")
def infos():
    """What is known of each demo."""
    from renderer.pipeline import Pipeline
    pipeline, names = Pipeline(), ("stylegan1", "stylegan2", "stylegan2-conditional", "stylegan3-t")
    return {name: pipeline.info(Checkpoint(f"demo:{name}")) for name in names}


# -- what the picture is held against ---------------------------------------------------------------------------------

def test_what_is_pinned_stays_as_it_is(infos):
    shown = RenderRequest(Checkpoint("demo:stylegan2"), Latent(7), tap="b32.conv1.act", spectrum=Spectrum(), strip=True)
    request = requests.pinned(replace(shown, latent=Latent(8)), shown)
    one = infos["stylegan2"]
    assert requests.reference_of(request, one, None) == replace(shown, spectrum=None, strip=False)
    assert requests.reference_of(replace(request, tap="image", view=View(gain_db=3)), one, None).latent == Latent(7)
    assert requests.reference_of(replace(request, compare=None), one, None) is None


def test_the_other_network_gets_the_same_request():
    w = Array.of(np.zeros((1, 12, 64)))
    request = RenderRequest(Checkpoint("a.pkl", device="cpu", precision="bf16", reload=3),
                            Latent(3.5, 1, psi=0.6, cutoff=4), Mix(Source(5, w), (1, 2)), Synth("random", 9), "image",
                            View(gain_db=4), Spectrum(), strip=True)
    other = requests.reference_of(requests.against(request, ' "b.pkl" '), None, None)
    assert other == replace(request, checkpoint=Checkpoint("b.pkl", device="cpu", precision="bf16"), spectrum=None,
                            strip=False)


def test_what_the_other_network_has_no_use_for_is_left_out(infos):
    synth = Synth(transform=(1.0, 0, 0.2, 0, 1, 0, 0, 0, 1), lod=2.0)
    request = RenderRequest(Checkpoint("demo:stylegan1"), Latent(2, classes=((9, 0.5), (50, 0.5))), Mix(rows=(1, 11)),
                            synth, table=MixTable(sources(1), sources(2), (3, 10, 11)))

    def against(name):
        return requests.reference_of(requests.against(request, f"demo:{name}"), infos["stylegan1"], infos[name])
    conditional = against("stylegan2-conditional")                   # 10 rows of w, 10 classes
    assert conditional.latent.classes == ((9, 0.5),) and conditional.mix.rows == (1,) and conditional.synth == Synth()
    assert conditional.table == MixTable(sources(1), sources(2), (3,))
    three = against("stylegan3-t")
    assert three.synth == replace(synth, lod=None) and three.latent.classes == () and three.mix.rows == (1, 11)
    request = replace(request, latent=Latent(2))
    assert against("stylegan2-conditional").latent.classes == ((0, 1.0),)


@pytest.mark.parametrize("one, tap, other, wanted", [
    ("stylegan2", "image", "stylegan3-t", "image"),
    ("stylegan2", "b32.conv1.act", "stylegan1", "b32.conv1.act"),
    ("stylegan2", "b128.conv1.act", "stylegan2-conditional", "b64.conv1.act"),
    ("stylegan2", "b32.conv0.act", "stylegan3-t", "L2_36_20.act"),             # both at 32 cycles per image
    ("stylegan3-t", "L3_52_20.out", "stylegan2", "b32.conv0.act"),
    ("stylegan2", "b64.image", "stylegan3-t", "image"),
    ("stylegan2", "const", "stylegan3-t", "input"),
])
def test_a_layer_the_other_lacks_is_matched(infos, one, tap, other, wanted):
    request = requests.against(RenderRequest(Checkpoint(f"demo:{one}"), tap=tap), f"demo:{other}")
    assert requests.reference_of(request, infos[one], infos[other]).tap == wanted


@pytest.mark.parametrize("one, layer, other, wanted", [
    ("stylegan1", "b32.conv1", "stylegan2", "b32.conv1"), ("stylegan1", "b128.conv1", "stylegan3-t", "L9_64_12"),
    ("stylegan3-t", "L3_52_20", "stylegan2", "b32.conv0"), ("stylegan1", "", "stylegan2", "")])
def test_a_layer_that_is_inspected_is_matched_too(infos, one, layer, other, wanted):
    request = RenderRequest(Checkpoint(f"demo:{one}"), inspect=Droplets(layer))
    held = requests.reference_of(requests.against(request, f"demo:{other}"), infos[one], infos[other])
    assert held.inspect == Droplets(wanted)
    assert not wanted or wanted in requests.layers_of(infos[other])


def test_swapping_twice_changes_nothing(infos):
    a, b = infos["stylegan2"], infos["stylegan3-t"]
    request = requests.against(RenderRequest(Checkpoint("demo:stylegan2"), Latent(4), spectrum=Spectrum()),
                               "demo:stylegan3-t")
    swapped = requests.swapped(request, a, b)
    assert swapped.checkpoint.path == "demo:stylegan3-t" and swapped.compare.checkpoint.path == "demo:stylegan2"
    assert requests.swapped(swapped, b, a) == request
    pinned = requests.pinned(replace(request, latent=Latent(9)), request)
    assert requests.swapped(pinned, a, a).latent == Latent(4) and requests.swapped(
        requests.swapped(pinned, a, a), a, a) == pinned


# -- the second thread ------------------------------------------------------------------------------------------------

class Threads:
    """Starts fake render threads, and counts those that run."""

    def __init__(self):
        self.running, self.asked = 0, []

    def __call__(self):
        import fake
        outer = self

        class Thread(fake.FakeThread):
            def submit(self, request):
                outer.asked.append(request)
                super().submit(request)

            def close(self):
                outer.running -= 1
        self.running += 1
        return Thread(lambda: None)


def test_a_pinned_picture_needs_no_second_thread_until_it_is_not_at_hand():
    import fake
    threads = Threads()
    reference = Reference(threads)
    request = RenderRequest(Checkpoint("a.pkl"), Latent(1), spectrum=Spectrum())
    shown = fake.answer(request)
    request = requests.pinned(request, shown.request)
    assert reference.follow(request, shown) is None and reference.result() is shown and threads.running == 0
    moved = fake.answer(replace(request, latent=Latent(2), compare=None))
    reference.follow(replace(request, latent=Latent(2)), moved)
    assert reference.result() is shown and reference.matched() is shown and threads.running == 0
    restored = requests.pinned(request, replace(request, latent=Latent(3)))
    reference.follow(restored, moved)
    assert reference.result() is None and threads.running == 1       # what was pinned before is not shown for it
    reference.follow(restored, moved)
    assert reference.matched().request.latent == Latent(3)
    wait_until(lambda: threads.running == 0)                         # it never changes: its network is closed


def test_another_network_follows_what_is_shown_and_ends():
    import fake
    threads = Threads()
    reference = Reference(threads)
    request = requests.against(RenderRequest(Checkpoint("a.pkl"), Latent(1)), "conditional.pkl")
    for seed in (1, 2):
        shown = fake.answer(RenderRequest(Checkpoint("a.pkl"), Latent(seed)))
        for _ in range(3):
            reference.follow(request, shown)
        assert reference.matched().request.latent == Latent(seed, classes=((0, 1.0),))
    assert threads.running == 1 and len(threads.asked) == len(set(threads.asked)) == 3
    broken = requests.against(request, "no checkpoint")
    assert reference.follow(broken, shown) is None and reference.result() is None
    assert "no checkpoint" in reference.follow(broken, shown).error
    reference.follow(replace(request, compare=None), shown)
    assert reference.result() is None
    wait_until(lambda: threads.running == 0)


def test_the_second_networks_memory_is_released():
    import gc
    from weakref import WeakSet

    import fake

    from nets.generator import Generator
    from renderer.thread import RenderThread

    def generators() -> list[Generator]:
        return [thing for thing in gc.get_objects() if isinstance(thing, Generator)]

    others = WeakSet(generators())       # of tests before this one
    reference = Reference(lambda: RenderThread(lambda: None))
    request = requests.against(RenderRequest(Checkpoint("demo:stylegan2")), "demo:stylegan2-conditional")
    shown = result(noise(), info=fake.model("a.pkl"))
    wait_until(lambda: reference.follow(request, shown) is not None, 60)
    assert reference.result() is not None and len(set(generators()) - set(others)) == 1
    reference.follow(replace(request, compare=None), shown)
    wait_until(lambda: gc.collect() >= 0 and not set(generators()) - set(others))


def wait_until(condition, seconds: float = 5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


# -- the difference ---------------------------------------------------------------------------------------------------

def result(values, **fields) -> RenderResult:
    values = np.asarray(values, np.float32)
    shown = values[:3] if len(values) > 2 else values[:1].repeat(3, 0)
    shown = np.moveaxis(np.nan_to_num(shown, True, 0, 0, 0), 0, -1) * 127.5 + 127.5
    picture = np.clip(shown, 0, 255).round().astype(np.uint8)
    request = RenderRequest(**{key: fields.pop(key) for key in ("tap", "view") if key in fields})
    return RenderResult(request, picture=picture, values=values, **fields)


def noise(channels=3, height=24, width=16, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (channels, height, width)).astype(np.float32)


TRUTH = {"E": lambda e: e, "AE": np.abs, "SE": np.square}


@pytest.mark.parametrize("error", TRUTH)
@pytest.mark.parametrize("gain_db", [0.0, 20.0, -6.0])
def test_difference_is_that_of_float64(error, gain_db):
    """Within a step of the 256 colours, which float32's rounding may tip."""
    x, y = noise(), noise(seed=1)
    picture, (low, high) = comparison.difference(result(x), result(y), Compare(error=error, gain_db=gain_db))
    span = 2 / 10 ** (gain_db / 20)
    assert (low, high) == pytest.approx({"E": (-span, span), "AE": (0, span), "SE": (0, span ** 2)}[error])
    exact = TRUTH[error](x.astype(np.float64) - y).mean(axis=0)
    at = np.clip((exact - low) / (high - low) * 255, 0, 255)
    table = colours(comparison.COLORMAPS[error]).astype(int)
    found = np.abs(picture[..., None, :].astype(int) - table).sum(-1).argmin(-1)
    assert picture.dtype == np.uint8 and (np.abs(found - at) <= 0.5 + 1e-3).all()


def test_difference_of_the_channels_shown():
    x, y = noise(8), noise(8, seed=1)
    for view, chosen in ((View(channels=(7, 2, 40)), [7, 2, 7]), (View("channel", channel=5), [5])):
        one, other = (comparison.signal(result(v, tap="b8.conv0.act", view=view)) for v in (x, y))
        np.testing.assert_array_equal(one - other, x[chosen] - y[chosen])
    mean, rms = (comparison.signal(result(x, view=View(mode)))[0] for mode in ("mean", "rms"))
    np.testing.assert_allclose(mean, x.mean(0, dtype=np.float64), rtol=0, atol=8 * np.finfo(np.float32).eps)
    np.testing.assert_allclose(rms, np.sqrt(np.square(x, dtype=np.float64).mean(0)), rtol=8 * np.finfo(np.float32).eps)


def test_a_layers_difference_spans_what_is_shown_of_it():
    x = 50 * noise()
    stats = TapStats("t", x.shape, "float32", 0, 1, 60.0, -60, 60, 0, None)
    layer = {"tap": "b8.conv0.act", "stats": stats}
    assert comparison.difference(result(x, **layer), result(x, **layer), Compare())[1] == (-120, 120)
    limits = comparison.difference(result(x, limits=(-5.0, 15.0), **layer), result(x, **layer), Compare(error="AE"))[1]
    assert limits == (0, 20)


def test_what_is_not_finite_is_magenta_and_left_out_of_the_numbers():
    x, y = noise(), noise(seed=1)
    x[1, 3, 4], y[0, 5, 6], y[2, 7, 8] = math.nan, math.inf, -math.inf
    picture, _ = comparison.difference(result(x), result(y), Compare())
    bad = (picture == BAD).all(-1)
    assert {tuple(at) for at in np.argwhere(bad)} == {(3, 4), (5, 6), (7, 8)}
    finite = np.isfinite(x) & np.isfinite(y)
    exact = (x.astype(np.float64) - y)[finite]
    found = comparison.numbers(result(x), result(y))
    assert found.mean == pytest.approx(np.abs(exact).mean(), rel=1e-6)
    assert found.rmse == pytest.approx(np.sqrt(np.square(exact).mean()), rel=1e-6)


def test_numbers_and_their_place():
    x = noise()
    y = x.copy()
    y[2, 20, 3] += 0.5
    found = comparison.numbers(result(x), result(y))
    exact = np.abs(x.astype(np.float64) - y)
    assert found.place == (3, 20) and found.largest == pytest.approx(exact.max(), rel=1e-6)
    assert found.mean == pytest.approx(exact.mean(), rel=1e-6)
    assert found.psnr == pytest.approx(20 * math.log10(2 / math.sqrt(np.square(exact).mean())), rel=1e-6)
    assert comparison.numbers(result(x), result(x)).psnr == math.inf
    assert comparison.numbers(result(x, tap="b8.conv0.act"), result(y)).psnr is None


def test_different_sizes_are_repeated_or_resampled_and_it_is_said():
    large, small = noise(3, 24, 16), noise(3, 12, 8, seed=1)
    one, other = comparison.paired(result(large), result(small))
    assert one is large or np.array_equal(one, large)
    np.testing.assert_array_equal(other, small.repeat(2, 1).repeat(2, 2))
    assert comparison.said_of(result(large), result(small)) == "B repeated 2 × to 16 × 24"
    assert comparison.said_of(result(small), result(large)) == "A repeated 2 × to 16 × 24"
    odd = np.full((3, 10, 10), 0.25, np.float32)
    one, other = comparison.paired(result(odd), result(large))
    assert one.shape == other.shape == (3, 24, 16) and np.allclose(one, 0.25, atol=1e-6)
    assert "resampled" in comparison.said_of(result(odd), result(large))
    assert comparison.said_of(result(large), result(large)) == ""


def test_without_a_signal_the_pictures_are_compared():
    x, y = result(noise()), replace(result(noise(seed=1)), values=None)
    one, other = comparison.paired(x, y)
    np.testing.assert_allclose(other, np.moveaxis(y.picture, -1, 0) / 127.5 - 1, atol=1e-6)
    np.testing.assert_allclose(one, np.moveaxis(x.picture, -1, 0) / 127.5 - 1, atol=1e-6)
    assert comparison.said_of(x, y) == "of the 8-bit pictures"


def test_both_in_one_picture():
    a, b = result(noise(3, 24, 16)), result(noise(3, 12, 8, seed=1))
    large = b.picture.repeat(2, 0).repeat(2, 1)
    side = comparison.composed(a, b, Compare("side"))
    np.testing.assert_array_equal(side[:, :16], a.picture)
    np.testing.assert_array_equal(side[:, 16 + comparison.GAP:], large)
    split = comparison.composed(a, b, Compare("split", split=0.25))
    np.testing.assert_array_equal(split, np.concatenate([a.picture[:, :4], large[:, 4:]], 1))
    compare = Compare("difference", "AE", 6.0)
    np.testing.assert_array_equal(comparison.composed(a, b, compare), comparison.difference(a, b, compare)[0])


# -- the window -------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def window(display, checkpoints, tmp_path_factory):
    window = driver.Window(display, tmp_path_factory.mktemp("compare"), str(checkpoints["stylegan2"]))
    window.answered(60)
    window.click("Compare/Tab")
    window.wait(lambda r: "Compare/Pin" in r["widgets"])
    yield window
    assert window.close() == 0
    assert window.errors() == ""


@pytest.fixture(scope="module")
def second(checkpoints):
    """The other network under a short name: on a busy machine typing takes its time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.safetensors"
        path.symlink_to(checkpoints["stylegan3"])
        yield str(path)


def plane(report, which: str) -> tuple[float, float]:
    latent = (report["request"] if which == "a" else report["reference"])["latent"]
    return latent["x"], latent["y"]


def both(window, condition=lambda r: True, seconds: float = 30):
    """The report once the reference is that of just the picture shown."""
    return window.wait(lambda r: r["answered"] and r["matched"] and condition(r), seconds)


def test_pinning_keeps_the_picture_and_submits_nothing(window):
    before = window.answered()
    window.move("Viewer/Canvas")
    window.key("p")
    report = both(window, lambda r: r["request"]["compare"])
    assert report["ran"] == before["ran"] and report["threads"] == before["threads"]
    window.fill("Latent/Seed", "5")
    report = both(window, lambda r: plane(r, "a") == (5, 0))
    assert plane(report, "b") == (0, 0) and report["threads"] == before["threads"]
    window.wait(lambda r: "Compare/RMSE" in r["widgets"])
    ran = report["ran"]
    window.click("Compare/Show/difference")
    window.click("Compare/Error/SE")
    window.drag("Compare/Gain", (0.4, 0.5), (0.6, 0.5))
    report = window.wait(lambda r: r["request"]["compare"]["error"] == "SE" and r["request"]["compare"]["gain_db"] > 5)
    assert report["answered"] and report["ran"] == ran
    window.click("Compare/Swap")
    report = both(window, lambda r: plane(r, "a") == (0, 0))
    assert plane(report, "b") == (5, 0)
    window.click("Compare/End")
    window.wait(lambda r: not r["request"]["compare"] and r["reference"] is None)


def test_two_networks_side_by_side_follow_a_drag(window, second):
    alone = window.answered()["threads"]
    window.fill("Compare/Path", second)
    report = both(window)
    assert report["reference"]["checkpoint"]["path"] == second == report["settings"]["recents"][1]
    assert report["reference"]["latent"]["classes"] == [[0, 1.0]] and report["threads"] == alone + 1
    window.click("Compare/Show/side")
    window.key("ctrl+s")                                              # saves what is seen
    saved, = window.wait(lambda r: list(window.captures.glob("*_side_*.png"))) and window.captures.glob("*.png")
    assert load_request(saved).compare.checkpoint.path == second
    start = plane(report, "a")
    window.drag("Latent/Seed plane", (0.3, 0.3), (0.55, 0.5), steps=8)
    report = both(window, lambda r: plane(r, "a") != start)
    assert plane(report, "b") == plane(report, "a") and plane(report, "a")[0] > start[0]
    window.fill("Layers/Filter", "b16.conv0", "")
    window.click("Layers/b16.conv0.act")
    report = both(window, lambda r: r["request"]["tap"] == "b16.conv0.act")
    assert report["reference"]["tap"].endswith(".act") and report["reference"]["tap"].startswith("L")


def test_swapping_networks_and_ending_closes_the_second(window, checkpoints):
    report = both(window)
    threads, layer = report["threads"], report["reference"]["tap"]
    window.click("Compare/Swap")
    report = both(window, lambda r: r["family"] == "stylegan3", 60)
    assert report["request"]["tap"] == layer and report["reference"]["checkpoint"]["path"] == str(
        checkpoints["stylegan2"])
    window.click("Compare/Swap")
    both(window, lambda r: r["family"] == "stylegan2", 60)
    window.click("Compare/End")
    window.wait(lambda r: r["reference"] is None and r["threads"] == threads - 1)


def test_a_second_network_that_does_not_open_is_named(window):
    window.fill("Compare/Path", "nowhere.pkl")
    report = window.wait(lambda r: r["message"].startswith("Reference: nowhere.pkl"))
    assert report["answered"] and report["picture"] and not report["error"]
    window.click("Compare/End")
    window.wait(lambda r: not r["request"]["compare"])
