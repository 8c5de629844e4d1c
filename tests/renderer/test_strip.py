"""The strip of layers: its curve estimates without bias, its walk changes nothing, the picture comes before its end."""
import math
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, good, stage_names, tiny

from nets.demos import DEMOS, build_demo
from nets.stages import State, all_taps, draw_noise, ignore
from renderer.colormaps import BAD
from renderer.measures.spectrum import power, radial
from renderer.measures.summary import MAX_SIGNS, SIDE, curve, summary
from renderer.pipeline import Pipeline
from renderer.steps import Abandoned
from renderer.thread import RenderThread
from renderer.types import Latent, Mix, MixTable, RenderRequest, Source, Spectrum, Synth, TapInfo, View, sources


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def tap_of(x: torch.Tensor, name: str = "b8.conv0.act", rate: float | None = None) -> TapInfo:
    return TapInfo(name, tuple(x.shape), 0, rate or float(x.shape[2]))


def smooth(*shape: int) -> torch.Tensor:
    """Noise with most of its power at low frequencies, and a mean."""
    return noise(*shape).cumsum(1).cumsum(2) / shape[-1] + 3


# -- the curve --------------------------------------------------------------------------------------------------------

def exact(x: torch.Tensor, rate: float) -> torch.Tensor:
    return radial(power(x), rate)


@pytest.mark.parametrize(("shape", "rate"), [((1, 32, 32), 32.0), ((1, 36, 36), 16.0), ((1, 33, 20), 24.3),
                                             ((1, 1, 4), 4.0)])
def test_the_curve_of_one_channel_is_exact(shape, rate):
    x = smooth(*shape)
    frequencies, levels = curve(x, rate, torch.eye(1))
    wanted = exact(x, rate) / power(x).mean()
    np.testing.assert_array_equal(frequencies, np.arange(len(wanted)))
    seen = wanted > 1e-9                                     # below, float32 rounds more than there is
    torch.testing.assert_close(levels[seen].double(), 10 * wanted[seen].log10(), atol=1e-3, rtol=0)


def test_the_curve_is_unbiased_over_signs():
    """Mean of S over many draws against the exact S, within five standard errors in every ring."""
    x, rate = smooth(12, 24, 24) * torch.arange(1, 13)[:, None, None], 24.0
    wanted = exact(x, rate)
    total = power(x).mean()
    draws = []
    for seed in range(600):
        signs = 2.0 * torch.randint(0, 2, (1, 12), generator=torch.Generator().manual_seed(seed)) - 1
        mixed = (signs @ x.flatten(1)).reshape(1, 24, 24)
        shown = 10 ** (curve(x, rate, signs)[1].double() / 10) * power(mixed).mean()     # undo its normalisation
        draws.append(shown / wanted)
    draws = torch.stack(draws)
    error = draws.std(dim=0) / math.sqrt(len(draws))
    assert (error < 0.1).all() and total > 0
    assert ((draws.mean(dim=0) - 1).abs() < 5 * error).all()


def test_few_channels_are_exact_and_the_curve_does_not_flicker():
    x = smooth(MAX_SIGNS, 32, 32)
    seen = summary(x, tap_of(x))
    np.testing.assert_allclose(seen.radial, 10 * (exact(x, 32.0) / power(x).mean()).log10().numpy(), atol=1e-3)
    many = smooth(64, 32, 32)
    np.testing.assert_array_equal(summary(many, tap_of(many)).radial, summary(many.clone(), tap_of(many)).radial)


def test_a_flat_signal_has_no_spectrum_and_one_pixel_no_frequency():
    flat = torch.full((8, 16, 16), 0.1)
    assert (summary(flat, tap_of(flat)).radial == -300).all()
    style = noise(20, 1, 1)
    seen = summary(style, tap_of(style))
    assert len(seen.radial) == len(seen.frequencies) == 0 and seen.peak == 1
    assert seen.picture.shape == (48, 60, 3)                 # 20 magnitudes in 4 rows of 5


# -- picture and numbers ----------------------------------------------------------------------------------------------

def test_numbers_are_the_taps():
    x = noise(16, 40, 24)
    seen = summary(x, tap_of(x), clamp=2.0)
    energy = x.square().mean(dim=0)
    assert seen.rms == pytest.approx(energy.mean().sqrt().item(), rel=1e-5)
    assert seen.peak == pytest.approx((energy.max() / energy.median()).item(), rel=1e-5)
    assert seen.clamped == (x.abs() >= 2).sum().item() / x.numel() > 0 and seen.nonfinite == 0
    assert summary(x, tap_of(x), clamp=100.0).clamped == 0 and summary(x, tap_of(x)).clamped is None


@pytest.mark.parametrize(("shape", "size"), [((16, 256, 256), (64, 64)), ((16, 40, 160), (16, 64)),
                                             ((16, 4, 8), (32, 64)), ((16, 48, 48), (48, 48))])
def test_pictures_fit_their_square(shape, size):
    x = noise(*shape)
    picture = summary(x, tap_of(x)).picture
    assert picture.shape == (*size, 3) and picture.dtype == np.uint8 and not picture.flags.writeable
    assert max(size) <= SIDE


def test_three_channels_are_rgb_and_the_image_is_as_it_is_shown():
    x = torch.stack([torch.full((8, 8), v) for v in (0.5, -0.25, 0.0)])
    assert summary(x, tap_of(x, "b8.torgb")).picture[0, 0].tolist() == [255, 64, 128]
    assert summary(x, tap_of(x, "image")).picture[0, 0].tolist() == [191, 96, 128]
    grey = summary(x[:1], tap_of(x[:1], "image")).picture[0, 0]
    assert grey.tolist() == [191, 191, 191]
    loud = 1e25 * x                                          # its squares are beyond float32
    assert summary(loud, tap_of(loud, "image")).picture[0, 0].tolist() == [255, 0, 128]


def test_a_planted_blob_shows_in_picture_and_peak():
    x = noise(32, 256, 256)
    plain = summary(x, tap_of(x))
    x[:, 100:104, 180:184] *= 30
    seen = summary(x, tap_of(x))
    assert plain.peak < 5 and seen.peak > 500
    light = seen.picture.astype(int).sum(axis=2)
    assert np.unravel_index(light.argmax(), light.shape) == (25, 45) and light.max() > 2 * np.median(light)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_values_that_are_not_finite_are_counted_and_magenta(bad):
    x = noise(10, 32, 32)
    rest = summary(x, tap_of(x), 50.0)
    x[3, 5, 7] = bad
    seen = summary(x, tap_of(x), 50.0)
    assert seen.nonfinite == pytest.approx(1 / x.numel()) and math.isnan(seen.rms) and np.isnan(seen.radial).all()
    assert seen.peak == pytest.approx(rest.peak, rel=0.01)
    assert seen.clamped == (0 if math.isnan(bad) else 1 / x.numel())
    where = (seen.picture == BAD).all(axis=2)
    assert where[10:12, 14:16].all() and where.sum() == 4    # each pixel twice as large


@pytest.mark.parametrize("factor", [1e-30, 1e-18, 1e18, 1e30])
def test_the_scale_changes_the_rms_alone(factor):
    x = noise(16, 32, 32)
    one, other = summary(x, tap_of(x)), summary(factor * x, tap_of(x))
    assert other.rms == pytest.approx(factor * one.rms, rel=1e-4) and other.peak == pytest.approx(one.peak, rel=1e-4)
    np.testing.assert_allclose(other.radial, one.radial, atol=1e-3)
    assert np.abs(other.picture.astype(int) - one.picture).max() <= 1


def test_half_precision_is_seen_as_float32():
    x = noise(16, 32, 32).half()
    one, other = summary(x, tap_of(x), 3.0), summary(x.float(), tap_of(x), 3.0)
    assert one.rms == other.rms and one.clamped == other.clamped
    np.testing.assert_array_equal(one.picture, other.picture)


# -- the walk ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", DEMOS)
def test_a_watched_stage_hands_on_the_same_state(name):
    """What keeping the states of watched stages rests on (resume.py), for every stage of every family's demo."""
    with torch.inference_mode():
        synthesis = build_demo(name).synthesis
        stages, ws = synthesis.stages(), noise(1, synthesis.num_ws, synthesis.w_dim)
        noises = draw_noise(stages, "const", 1)
        state = watched = State()
        for stage in stages:
            inputs = stage.inputs(ws, noises)
            state = stage.run(state, inputs, ignore)
            watched = stage.run(watched, inputs, lambda *_: None)
            for one, other in zip(state, watched, strict=True):
                assert one is other if one is None else torch.equal(one, other), stage.name


def strips(request: RenderRequest) -> RenderRequest:
    return replace(request, strip=True)


@pytest.mark.parametrize("name", TINY)
def test_the_picture_is_the_same_with_and_without(asked, name):
    plain, striped = Pipeline(), Pipeline(cache_bytes=30_000)
    taps = [tap.name for tap in all_taps(tiny(name).synthesis.stages())]
    for x, tap in enumerate((taps[-1], taps[len(taps) // 2], taps[-1], taps[0])):
        request = asked(name, latent=Latent(x=x), tap=tap, synth=Synth("random", x), spectrum=Spectrum())
        with_strip, without = good(striped.render(strips(request))), good(plain.render(request))
        np.testing.assert_array_equal(with_strip.picture, without.picture)
        np.testing.assert_array_equal(with_strip.values, without.values)
        np.testing.assert_array_equal(with_strip.spectrum.radial, without.spectrum.radial)
        assert without.strip == ()
        assert [s.name for s in with_strip.strip] == taps and all(s.current for s in with_strip.strip)


@pytest.mark.parametrize("name", ["sg1", "sg2-skip", "sg3-t"])
def test_summaries_are_of_the_taps(asked, name):
    """Whatever was looked at before: each equals that of the tap's value by itself."""
    pipeline, base = Pipeline(), strips(asked(name, tap="image"))
    good(pipeline.render(base))
    rows = tuple(range(3, tiny(name).num_ws))
    request = replace(base, mix=Mix(Source(8), rows), tap=stage_tap(name, 4))
    for seen in good(pipeline.render(request)).strip:
        x = Pipeline().tensor(replace(request, tap=seen.name))[0]
        info = next(tap for tap in pipeline.info(request.checkpoint).taps if tap.name == seen.name)
        alone = summary(x, info)
        np.testing.assert_array_equal(seen.picture, alone.picture)
        np.testing.assert_array_equal(seen.radial, alone.radial)
        assert seen.rms == alone.rms and seen.peak == alone.peak


def stage_tap(name: str, index: int) -> str:
    """The last tap of the stage at that place."""
    return tiny(name).synthesis.stages()[index].taps[-1].name


def test_one_pass_fills_it_and_what_did_not_change_is_kept(asked, ran):
    pipeline, base, names = Pipeline(), strips(asked("sg2-skip")), stage_names("sg2-skip")
    first = good(pipeline.render(base)).strip
    assert ran == names                                      # the picture's own pass
    for change in ({"view": View(gain_db=6.0)}, {"spectrum": Spectrum()}, {"strip": False}, {"strip": True}):
        ran.clear()
        again = good(pipeline.render(replace(base, **change)))
        assert ran == [] and again.strip == (first if "strip" not in change or change["strip"] else ())
    ran.clear()
    mixed = good(pipeline.render(replace(base, mix=Mix(Source(5), (4, 5, 6, 7))))).strip
    resumed = names.index("b16.conv1")
    assert ran == names[resumed:]
    before = sum(len(stage.taps) for stage in tiny("sg2-skip").synthesis.stages()[:resumed])
    assert all(a.picture is b.picture for a, b in zip(first[:before], mixed[:before], strict=True))
    assert not any(a.picture is b.picture for a, b in zip(first[before:], mixed[before:], strict=True))


def test_walking_through_the_taps_runs_only_what_is_looked_at(asked, ran):
    pipeline, base = Pipeline(), strips(asked("sg2-skip"))
    whole = good(pipeline.render(base)).strip
    for tap in ("b8.conv0.act", "b32.torgb", "b4.conv1.noise"):
        ran.clear()
        assert good(pipeline.render(replace(base, tap=tap))).strip == whole
        assert ran == [tap.rpartition(".")[0] if "conv" in tap else tap]


def test_headless_tables_and_grids_have_none(asked, ran):
    pipeline, base = Pipeline(), strips(asked("sg2-skip", tap="b8.conv0.act"))
    pipeline.picture(base)
    pipeline.tensor(base)
    assert ran == stage_names("sg2-skip")[:ran.index("b8.conv0") + 1]
    assert good(pipeline.render(replace(base, table=MixTable(sources(1), sources(2), (0,))))).strip == ()
    assert "image" not in ran


# -- the picture first ------------------------------------------------------------------------------------------------

def test_the_answer_comes_before_the_layers_behind_it(asked, ran):
    pipeline, base = Pipeline(), strips(asked("sg2-skip", tap="b8.conv0.act"))
    names, early = stage_names("sg2-skip"), []

    def take(result):
        early.append((result, list(ran)))
    good(pipeline.render(base, early=take))
    (first, had_run), = early
    assert had_run == names[:names.index("b8.conv0") + 1] and ran == names
    assert first.picture is not None and first.strip[-1].name == "b8.conv0.act" and all(s.current for s in first.strip)
    ran.clear()
    last = good(pipeline.render(replace(base, latent=Latent(x=7)), early=take))
    second = early[-1][0]
    assert [s.name for s in second.strip] == [s.name for s in last.strip]
    assert {s.current for s in second.strip} == {True, False} and all(s.current for s in last.strip)
    stale = next(i for i, s in enumerate(second.strip) if not s.current)
    assert second.strip[stale - 1].name == "b8.conv0.act" and ran == names
    assert second.picture is last.picture
    ran.clear()
    good(pipeline.render(replace(base, latent=Latent(x=7), view=View(gain_db=3.0)), early=take))
    assert len(early) == 2 and ran == []


def test_in_haste_most_passes_leave_the_strip_for_later(asked):
    """And what is put off is never taken for current, whatever changes: all rows of w, or those of the last layer."""
    pipeline, plain, base = Pipeline(), Pipeline(), strips(asked("sg2-skip", tap="image"))
    good(pipeline.render(base))
    rows = good(plain.render(base)).ws.shape[1]
    changes = [{"latent": Latent(x=x)} for x in range(1, 5)] + [
        {"latent": Latent(x=4), "mix": Mix(Source(seed), (rows - 1,))} for seed in range(5, 9)]
    looked = []
    for change in changes:
        early, request = [], replace(base, **change)
        last = good(pipeline.render(request, early=early.append, in_haste=True))
        wanted = good(plain.render(request))
        np.testing.assert_array_equal(last.picture, wanted.picture)
        assert all(s.current for s in last.strip)
        for seen, true in zip(last.strip, wanted.strip, strict=True):
            np.testing.assert_array_equal(seen.picture, true.picture)
            np.testing.assert_array_equal(seen.radial, true.radial)
        looked.append(not early)
        for seen, true in zip(early[0].strip if early else (), wanted.strip):
            assert not seen.current or np.array_equal(seen.picture, true.picture) and seen.rms == true.rms
    assert looked == [False, False, False, True] * 2         # one in four is looked at in the pass itself


def test_what_is_abandoned_goes_on_where_it_was_left(asked, ran):
    pipeline, base, names = Pipeline(), strips(asked("sg2-skip", tap="b8.conv0.act")), stage_names("sg2-skip")
    answered = []

    def abandoned() -> bool:
        return bool(answered) and "b16.conv1" in ran
    with pytest.raises(Abandoned):
        pipeline.render(base, abandoned, early=answered.append)
    assert ran == names[:names.index("b16.conv1") + 1]
    ran.clear()
    result = good(pipeline.render(replace(base, view=View(gain_db=3.0))))
    assert ran == names[names.index("b16.conv1") + 1:] and all(s.current for s in result.strip)


def test_too_little_memory_for_the_strip_leaves_the_picture(asked, monkeypatch):
    from renderer import synthesis
    pipeline, base = Pipeline(), asked("sg2-skip", tap="b8.conv0.act")
    wanted = pipeline.picture(base)

    def failing(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")
    monkeypatch.setattr(synthesis, "summary", failing)
    result = Pipeline().render(strips(base))
    np.testing.assert_array_equal(good(result).picture, wanted)
    assert result.strip == ()
    pipeline.render(base)
    result = good(pipeline.render(strips(base)))             # here only the rest needs it
    assert result.strip == () and "strip of layers is not complete: out of memory" in result.notes[-1]


def until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.002)


class Slow:
    """A pipeline that answers early and then takes its time for the rest."""

    def __init__(self):
        self.rests, self.done, self.haste = [], False, []

    def render(self, request, abandoned=None, progress=None, early=None, in_haste=False):
        from renderer.types import RenderResult
        if abandoned is None:
            return RenderResult(request)
        self.haste.append(in_haste)
        early(RenderResult(request, seconds=1.0))
        self.rests.append([request.latent.x, "runs"])
        try:
            while not self.done:
                progress("Looking at the other layers", 0.5)
                if abandoned():
                    raise Abandoned
                time.sleep(0.002)
        except Abandoned:
            self.rests[-1][1] = "abandoned"
            raise
        self.rests[-1][1] = "done"
        return RenderResult(request, seconds=2.0)


@pytest.fixture
def slow(monkeypatch):
    from renderer import thread as module
    slow = Slow()
    monkeypatch.setattr(module, "_start_renderer", lambda: slow.render)
    slow.thread = RenderThread(lambda: None, patience=60.0)
    yield slow
    slow.done = True
    slow.thread.close()


def test_the_thread_publishes_first_the_answer_then_the_rest(slow):
    request = RenderRequest(latent=Latent(x=1))
    slow.thread.submit(request)
    until(lambda: slow.thread.latest() is not None and slow.rests)
    first = slow.thread.latest()
    assert first.request == request and first.seconds == 1
    until(lambda: slow.thread.activity() and slow.thread.activity().text == "Looking at the other layers")
    slow.thread.submit(request)                              # as a frame loop may
    slow.done = True
    until(lambda: slow.thread.latest() is not first and slow.thread.activity() is None)
    assert slow.thread.latest().seconds == 2 and slow.rests == [[1, "done"]]
    slow.thread.submit(request)
    time.sleep(0.05)
    assert len(slow.rests) == 1                              # answered, and complete


def test_the_rest_is_abandoned_at_once_and_taken_up_on_return(slow):
    """However patient the thread is with what is not answered yet."""
    one, two = RenderRequest(latent=Latent(x=1)), RenderRequest(latent=Latent(x=2))
    slow.thread.submit(one)
    until(lambda: slow.rests == [[1, "runs"]])
    slow.thread.submit(two)
    until(lambda: slow.rests == [[1, "abandoned"], [2, "runs"]])
    slow.thread.submit(one)
    until(lambda: slow.rests[1:] == [[2, "abandoned"], [1, "runs"]])
    slow.thread.cancel()
    until(lambda: slow.rests[-1] == [1, "abandoned"] and slow.thread.activity() is None)
    assert slow.thread.latest().request == one
    slow.thread.submit(one)                                  # cancelled: not begun again by a frame loop
    time.sleep(0.05)
    assert len(slow.rests) == 3
    slow.thread.submit(two)
    until(lambda: slow.rests[-1] == [2, "runs"])
    slow.done = True
    until(lambda: slow.thread.latest().seconds == 2 and slow.thread.latest().request == two)


def test_the_rest_waits_while_requests_follow_each_other(slow, monkeypatch):
    from renderer import thread as module
    monkeypatch.setattr(module, "HASTE", 60.0)
    for x in range(3):
        slow.thread.submit(RenderRequest(latent=Latent(x=x)))
        until(lambda x=x: slow.thread.latest() and slow.thread.latest().request.latent.x == x)
        if x == 0:
            until(lambda: slow.rests == [[0, "runs"]])       # the first came alone
    time.sleep(0.05)
    assert slow.haste == [False, True, True] and [rest for rest in slow.rests if rest[1] == "runs"] == []
    slow.thread.cancel()
    until(lambda: slow.thread.activity() is None)            # at once, not after HASTE


def test_the_real_thread_completes_the_strip(asked):
    thread, request = RenderThread(lambda: None), strips(asked("sg3-t", tap="input"))
    try:
        for x in range(8):
            thread.submit(replace(request, latent=Latent(x=x)))
            time.sleep(0.01)
        last = replace(request, latent=Latent(x=7))
        until(lambda: thread.latest() and thread.latest().request == last and not thread.activity(), 60)
        latest = good(thread.latest())
        assert len(latest.strip) == len(latest.info.taps) and all(s.current for s in latest.strip)
    finally:
        thread.close()
