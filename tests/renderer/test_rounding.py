"""bf16 and fp16 against fp32: how large the error is, how it is found after the answer, what speaks against them."""
import math
from dataclasses import replace

import pytest
import torch
from tiny_networks import TINY, good

from cuda_ops import processor
from renderer import choices
from renderer.pipeline import Pipeline
from renderer.rounding import compare
from renderer.steps import Abandoned
from renderer.types import RenderRequest, Rounding, SeedGrid, View

FAMILIES = ("sg1", "sg1-traditional", "sg2-skip", "sg2-resnet", "sg2-orig", "sg3-t", "sg3-r")
# Rounding to 8 significant bits errs by up to 2^-8 of a number whose first digit is 1 and by half of that near the next
# power of two: 2^-9.24 of it in the mean square, over numbers of all magnitudes.
ROUNDING = 2.0 ** -9.24
STEPS = 6                                            # roundings in a layer, at most, in the reference ops


def in_bf16(request: RenderRequest, precision: str = "bf16") -> RenderRequest:
    return replace(request, checkpoint=replace(request.checkpoint, precision=precision))


@pytest.mark.parametrize("native", [False, True], ids=["converted", "native"])
@pytest.mark.parametrize("name", FAMILIES)
def test_bf16_errs_by_its_rounding(asked, name, native, monkeypatch):
    """Independent errors add up in squares; a network of 8 channels has no large number of them, so twice that."""
    monkeypatch.setattr(processor, "multiplies_bfloat16", lambda: native)
    pipeline, request = Pipeline(), asked(name)
    exact, image = pipeline.tensor(request), pipeline.tensor(in_bf16(request))
    layers = 2 * int(math.log2(TINY[name].resolution)) - 2
    error = ((image - exact).norm() / exact.norm()).item()
    assert 0 < error < 2 * ROUNDING * math.sqrt(STEPS * layers)
    assert torch.equal(image, Pipeline().tensor(in_bf16(request)))


def test_levels_of_an_error():
    exact = torch.linspace(-0.5, 0.5, 3 * 8 * 8).reshape(1, 3, 8, 8)
    x = exact.clone()
    x[0, 1, 2, 3] += 2 / 127.5
    found = compare(x, exact, View())
    assert found.largest == pytest.approx(2, rel=1e-4) and found.rms == pytest.approx(2 / math.sqrt(192), rel=1e-4)
    assert found.psnr_db == pytest.approx(20 * math.log10(255 / found.rms))
    assert compare(x, exact, View(gain_db=20 * math.log10(2))).largest == pytest.approx(4, rel=1e-4)
    assert compare(x, exact, View(mode="channel", channel=0)).rms == 0
    assert compare(10 * exact, 20 * exact, View(range="fixed", offset=-1)).largest <= 255
    assert Rounding(0.0, 0.0).psnr_db == math.inf


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_error_follows_the_answer(asked, precision):
    request, pipeline, early = in_bf16(asked("sg2-skip"), precision), Pipeline(), []
    with_strip = good(pipeline.render(replace(request, strip=True), early=early.append))
    assert all(result.rounding is None and result.picture is not None for result in early) and early
    fp32 = good(Pipeline().render(asked("sg2-skip")))
    difference = abs(with_strip.picture.astype(int) - fp32.picture.astype(int))
    assert difference.max() - 1 <= with_strip.rounding.largest <= difference.max() + 1
    assert 0 < with_strip.rounding.rms < with_strip.rounding.largest
    assert Pipeline().rounding(request) == with_strip.rounding
    early.clear()                                    # a new view only compares anew
    brighter = good(pipeline.render(replace(request, view=View(gain_db=6)), early=early.append))
    assert not early and brighter.rounding.rms > with_strip.rounding.rms


def test_there_is_none_in_fp32_nor_of_many(asked):
    request = asked("sg2-skip")
    assert good(Pipeline().render(request)).rounding is None
    assert good(Pipeline().render(replace(in_bf16(request), seeds=SeedGrid((1, 2))))).rounding is None


def test_a_newer_request_ends_the_comparison(asked):
    answered = []
    with pytest.raises(Abandoned):
        Pipeline().render(in_bf16(asked("sg2-skip")), abandoned=lambda: bool(answered), early=answered.append)
    assert len(answered) == 1 and answered[0].picture is not None


def test_what_speaks_against_a_precision(asked, monkeypatch):
    def against(option):
        found = good(Pipeline().render(asked("sg1"))).reasons
        return [reason for reason in found if (reason.chooser, reason.option) == ("precision", option)]
    monkeypatch.setattr(choices, "multiplies_bfloat16", lambda: False)
    assert against("bf16")[0].text == "this CPU has no bfloat16 instructions: bf16 is slower than fp32 here"
    assert against("bf16")[0].runs and against("fp16")[0].runs and not against("fp32")
    monkeypatch.setattr(choices, "multiplies_bfloat16", lambda: True)
    assert not against("bf16")


def test_what_cannot_be_chosen_says_why_as_the_error_does(asked):
    request = asked("sg1")
    for reason in good(Pipeline().render(request)).reasons:
        if not reason.runs:
            wrong = replace(request, checkpoint=replace(request.checkpoint, **{reason.chooser: reason.option}))
            assert reason.text in Pipeline().render(wrong).error
