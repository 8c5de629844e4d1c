"""Requests that don't fit, files that don't open, work that is abandoned, scores."""
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_networks import TINY, good, stage_names, tiny

from nets.checkpoint import open_checkpoint, save_native
from nets.errors import UserError
from renderer import opened
from renderer.pipeline import Pipeline
from renderer.steps import Abandoned
from renderer.types import Checkpoint, Latent, Mix, MixTable, RenderRequest, Source, Spectrum, Synth, sources

# -- parts that don't fit, errors -------------------------------------------------------------------------------------

@pytest.mark.parametrize("parts, says", [
    ({"latent": Latent(x=3, classes=((1, 1.0),))}, "no classes"),
    ({"synth": Synth(transform=(1.0,) * 9)}, "no input transform"), ({"synth": Synth(lod=1.0)}, "grow"),
    ({"mix": Mix(Source(1), (0, 99))}, "99"), ({"tap": "b8.conv0.norm"}, "b8.conv0.noise"),
    ({"table": MixTable(sources(1), sources(2), (-1,))}, "-1")])
def test_what_the_network_has_no_use_for(files, parts, says):
    """The window goes on without it and says so; the command line refuses."""
    request = RenderRequest(Checkpoint(files("sg2-skip"), device="cpu"), **{"latent": Latent(x=3), **parts})
    pipeline = Pipeline()
    result = good(pipeline.render(request))
    assert len(result.notes) == 1 and says in result.notes[0] and result.picture is not None
    for face in (pipeline.picture, pipeline.tensor):
        with pytest.raises(UserError, match=says):
            face(request)


def test_errors_are_results_that_say_what_is_known(files):
    pipeline, open_ = Pipeline(), Checkpoint(files("sg2-conditional"), device="cpu")
    result = pipeline.render(RenderRequest(open_))
    assert result.error == "this network is conditional: choose a class from 0 to 2." and result.details is None
    assert result.info.c_dim == 3 and result.picture is None
    result = pipeline.render(RenderRequest(open_, Latent(classes=((3, 1.0),))))
    assert "0 to 2" in result.error
    assert good(pipeline.render(RenderRequest(open_, Latent(classes=((2, 1.0),))))).picture is not None
    lod = pipeline.render(RenderRequest(Checkpoint(files("sg1"), device="cpu"), synth=Synth(lod=9.0)))
    assert "lod 9" in lod.error and lod.info.has_lod


@pytest.mark.parametrize("change, says", [
    ({"path": "nowhere.pkl"}, "nowhere.pkl"), ({"path": "demo:none"}, "demo:none"), ({"network": "G2"}, "G2"),
    ({"network": "D"}, "no generator"), ({"device": "tpu"}, "tpu"), ({"precision": "fp8"}, "fp8"),
    ({"backend": "cuda"}, "the tensor is on cpu")])
def test_what_cannot_be_opened_or_run(asked, change, says):
    request = asked("sg2-skip")
    bad = replace(request, checkpoint=replace(request.checkpoint, **change))
    pipeline = Pipeline()
    good(pipeline.render(request))
    result = pipeline.render(bad)
    assert says in result.error and "\n" not in result.error and result.details is None, result.details
    with pytest.raises(UserError, match=says):
        Pipeline().tensor(bad)
    good(pipeline.render(request))                                       # and the pipeline goes on


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_a_device_that_is_not_there_says_why(asked):
    request = asked("sg2-skip")
    result = Pipeline().render(replace(request, checkpoint=replace(request.checkpoint, device="cuda")))
    assert "CUDA" in result.error and "cpu" in result.error


def test_an_unforeseen_error_has_its_trace(asked, monkeypatch):
    pipeline = Pipeline()
    monkeypatch.setattr(opened, "model_info", lambda *_: 1 / 0)
    result = pipeline.render(asked("sg1"))
    assert result.error.startswith("unexpected ZeroDivisionError") and "Traceback" in result.details


# -- abandoning -------------------------------------------------------------------------------------------------------

def test_abandoned_between_stages(asked, ran):
    pipeline, request = Pipeline(), asked("sg2-skip", spectrum=Spectrum())
    good(pipeline.render(asked("sg2-skip", latent=Latent(x=8))))
    ran.clear()
    with pytest.raises(Abandoned):
        pipeline.render(request, abandoned=lambda: len(ran) == 5)
    assert len(ran) == 5
    result = good(pipeline.render(request))
    assert ran == stage_names("sg2-skip")                                # the five were not run again
    np.testing.assert_array_equal(result.picture, Pipeline().picture(request))


def test_progress_may_abandon_the_opening(asked):
    def progress(text, fraction):
        if text.startswith("Loading"):
            raise Abandoned
    pipeline = Pipeline()
    with pytest.raises(Abandoned):
        pipeline.render(asked("sg1"), progress=progress)
    good(pipeline.render(asked("sg1")))


def test_progress_in_plain_words(asked):
    told = []
    good(Pipeline().render(asked("sg2-skip"), progress=lambda *what: told.append(what)))
    texts = [text for text, _ in told]
    assert texts[0] == "Opening sg2-skip.safetensors" and "Loading G_ema" in texts
    assert texts[-len(stage_names("sg2-skip")):] == [f"Rendering {name}" for name in stage_names("sg2-skip")]
    assert all(fraction is None or 0 <= fraction <= 1 for _, fraction in told)


@pytest.mark.parametrize("source, name", [
    ("/a/b/ffhq.pkl", "ffhq.pkl"), ("https://x.org/a/ffhq%20x.pkl?sig=1", "ffhq%20x.pkl"),
    ("demo:stylegan2", "demo:stylegan2"), ("https://x.org", "https://x.org")])
def test_short_names(source, name):
    assert opened.short_name(source) == name


# -- scores -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["sg1", "sg2-skip", "sg2-oblong", "sg2-conditional"])
def test_score_is_the_discriminator_on_one_batch(files, name):
    config = TINY[name]
    pipeline, path = Pipeline(), Checkpoint(files(name), device="cpu")
    height, width = tiny(name).resolution
    images = np.random.RandomState(0).randn(8, config.img_channels, height, width) * 3
    labels = np.eye(3)[np.arange(8) % 3] if config.c_dim else None
    scores = pipeline.score(path, images, labels)
    d = open_checkpoint(files(name)).build("D")
    expected = d(torch.from_numpy(images).float(), None if labels is None else torch.from_numpy(labels).float())
    np.testing.assert_array_equal(scores, expected.numpy())
    assert scores.shape == (8, 1) and scores.dtype == np.float32
    alone = pipeline.score(path, images[:1], None if labels is None else labels[:1])
    assert np.abs(alone / scores[:1] - 1) > 1e-3                         # the minibatch matters


def test_score_refuses_in_a_sentence(files, tmp_path):
    pipeline, path = Pipeline(), Checkpoint(files("sg2-conditional"), device="cpu")
    images, labels = np.zeros((4, 3, 16, 16)), np.eye(3)[[0, 1, 2, 0]]
    for bad_images, bad_labels, says in ((images, None, "conditional"), (images[:, :, :8], labels, "shape"),
                                         (images[0], labels, "shape"), (images[:0], labels[:0], "shape"),
                                         (images, labels[:2], "shape"), (images, labels[:, :2], "shape"),
                                         (np.repeat(images, 2, 0)[:6], np.repeat(labels, 2, 0)[:6], "groups")):
        with pytest.raises(UserError, match=says):
            pipeline.score(path, bad_images, bad_labels)
    plain, images = Checkpoint(files("sg2-skip"), device="cpu"), np.zeros((4, 3, 32, 32))
    with pytest.raises(UserError, match="takes no labels"):
        pipeline.score(plain, images, labels)
    assert pipeline.score(plain, images, labels[:, :0]).shape == (4, 1)
    save_native(tmp_path / "g.safetensors", {"G_ema": tiny("sg1")})
    with pytest.raises(UserError, match="no discriminator"):
        pipeline.score(Checkpoint(str(tmp_path / "g.safetensors"), device="cpu"), images)
