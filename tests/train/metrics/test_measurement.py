"""What a measurement leaves alone, keeps, and refuses before any work."""
from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image
from stand_in_detectors import save_detectors
from tiny_networks import tiny

from nets.errors import UserError
from train.data import TrainingSet
from train.demo import write_demo
from train.metrics.fakes import Fakes, exactly
from train.metrics.measure import Measurement
from train.metrics.names import KINDS, label
from train.metrics.reals import Reals

PICTURES = ("fid50k_full", "kid50k_full", "pr50k3_full", "swd", "spectrum")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "demo.zip"
    write_demo(path, 20, 16)
    return str(path)


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    return save_detectors(tmp_path_factory.mktemp("detectors"))


@pytest.fixture
def measurement(data, detectors, tmp_path):
    """`measurement('swd', ..)` of 12 images; options as Measurement's."""
    def make(*names: str, **options) -> Measurement:
        return Measurement(names, **{"data": data, "images": 12, "detectors": detectors, "labelled": True,
                                     "cache": tmp_path / "cache"} | options)
    return make


@pytest.fixture
def G():
    return tiny("sg2-conditional", c_dim=4)


@pytest.fixture
def tf32():
    """Leaves the switches as they were."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


# -- left alone -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("family", ["sg2-conditional", "sg3-t", "sg1"])
def test_measuring_changes_no_generator_and_no_random_state(measurement, detectors, family):
    names = ["is50k", "ppl_zfull", "ppl_wend"] + ["eqt50k_frac", "eqr50k"] * (family == "sg3-t")
    G = tiny(family).train().requires_grad_(True)
    G.synthesis.precision = torch.bfloat16
    before = {name: tensor.clone() for name, tensor in G.state_dict().items()}
    states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    found = measurement(*names, data=None, labelled=False)
    results = [found.measure(G) for _ in range(2)]
    assert results[0] == results[1] and all(np.isfinite(value) for value in results[0].values())
    assert all(torch.equal(tensor, before[name]) for name, tensor in G.state_dict().items())
    assert G.training and G.synthesis.precision == torch.bfloat16
    assert all(parameter.requires_grad and parameter.grad is None for parameter in G.parameters())
    assert random.getstate() == states[0] and np.array_equal(np.random.get_state()[1], states[1])
    assert torch.equal(torch.get_rng_state(), states[2])


def test_a_set_is_measured_against_without_a_trace_too(measurement, G):
    state = torch.get_rng_state()
    found = measurement(*PICTURES, workers=1).measure(G)
    assert torch.equal(torch.get_rng_state(), state)
    assert found == measurement(*PICTURES).measure(G)    # from the cache, without workers


def test_images_follow_from_seed_and_number_alone(G):
    whole = Fakes(G, 5).pictures(range(9))
    parts = torch.cat([Fakes(G, 5).pictures(range(start, min(start + 4, 9))) for start in range(0, 9, 4)])
    assert (whole.int() - parts.int()).abs().max() <= 1      # a batch's sums are rounded in another order
    assert not torch.equal(whole, Fakes(G, 6).pictures(range(9)))


@pytest.mark.parametrize("allowed", [False, True])
def test_small_steps_are_looked_at_in_float32(G, allowed, tf32):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    G.synthesis.precision = torch.float16
    with pytest.raises(KeyboardInterrupt), exactly(G):
        assert G.synthesis.precision == torch.float32
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
        raise KeyboardInterrupt
    assert G.synthesis.precision == torch.float16
    assert torch.backends.cudnn.allow_tf32 == torch.backends.cuda.matmul.allow_tf32 == allowed


def test_a_growing_network_is_measured_at_its_level_of_detail():
    G = tiny("sg1-lod")
    images = [Fakes(G, 0, lod=lod).pictures(range(2)) for lod in (None, 1.25, 0.0)]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])


# -- labels -----------------------------------------------------------------------------------------------------------

def test_labels_are_as_frequent_as_in_the_set_or_all_alike(data, G):
    reals = Reals(data, labelled=True)
    fakes = Fakes(G, 0, reals.label)
    counts = fakes.draw(range(500)).c.sum(dim=0)
    share = torch.stack([reals.set[i][1] for i in range(len(reals))]).mean(dim=0)
    assert ((counts / 500 - share).abs() < 4 * (share * (1 - share) / 500).sqrt() + 1e-6).all()
    counts = Fakes(G, 0).draw(range(500)).c.sum(dim=0)
    assert ((counts / 500 - 0.25).abs() < 4 * (0.25 * 0.75 / 500) ** 0.5).all()


def test_labels_that_no_set_gives_are_said_to_be_alike(measurement, G):
    assert "labels: all 4 classes alike" in measurement("is50k", data=None).remarks(G)[-1]
    assert not [line for line in measurement("is50k").remarks(G) if "labels" in line]


# -- kept -------------------------------------------------------------------------------------------------------------

def test_a_set_is_read_once_and_again_when_it_changes(measurement, G, monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(TrainingSet, "__getitem__", counting(TrainingSet.__getitem__, read))
    first = measurement(*PICTURES).measure(G)
    assert len(read) == 5 * 20                           # for each of five statistics once
    again = measurement(*PICTURES)
    assert again.measure(G) == again.measure(G) == first and len(read) == 100
    other = tmp_path / "other.zip"
    write_demo(other, 20, 16, seed=1)
    assert measurement("fid50k_full", data=str(other)).measure(G)["fid12_full"] != first["fid12_full"]
    assert len(read) == 120


def counting(read, seen: list):
    return lambda self, index: (seen.append(index), read(self, index))[1]


def test_a_share_of_a_set_is_drawn_from_all_of_it(data, tmp_path):
    """In the order of names come first those of one class, of one scene."""
    seen, reals = [], Reals(data, cache=tmp_path)
    reals.statistics(seen.extend, lambda: {}, 8, what="seen")
    whole = {bytes(reals.set[i][0].flatten().tolist()): i for i in range(len(reals))}
    numbers = [whole[bytes(picture.flatten().tolist())] for picture in seen]
    assert len(set(numbers)) == 8 and max(numbers) >= 8


def test_where_nothing_can_be_kept_a_run_reads_the_set_once_all_the_same(measurement, G, monkeypatch, tmp_path):
    read = []
    monkeypatch.setattr(TrainingSet, "__getitem__", counting(TrainingSet.__getitem__, read))
    (tmp_path / "file").touch()
    found = measurement("fid50k_full", cache=tmp_path / "file")
    assert found.measure(G) == found.measure(G) and len(read) == 20


def test_pictures_that_cannot_be_read_are_left_out(measurement, tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    drawn = np.random.default_rng(0)
    for number in range(9):
        Image.fromarray(drawn.integers(256, size=(32, 32, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    (folder / "4.png").write_bytes(b"no picture")
    found = measurement("fid50k_full", "swd", data=str(folder), labelled=False)
    assert np.isfinite(list(found.measure(tiny("sg2-skip")).values())).all()
    assert "9 pictures, 1 of which cannot be read" in found.remarks(tiny("sg2-skip"))[-1]


# -- refused ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("names, options, said", [
    (["fid"], {}, "no metric 'fid'; choose of fid50k_full, .*spectrum"),
    ([], {}, "no metric is named"),
    (["swd"], {"data": None}, "swd compares with a data set.*--data"),
    (["swd"], {"images": 0}, "images is 0"),
    (["swd"], {"seed": -1}, "seed is -1"),
    (["ls"], {}, "ls needs classifiers.*--classifier"),
    (["ls"], {"classifiers": ["nowhere.pt"]}, "nowhere.pt: is not there"),
    (["fid50k_full"], {"detectors": "nowhere"}, "nowhere: is not there.*inception-2015-12-05.pt.*--detector"),
    (["ppl2_wend"], {"detectors": "nowhere"}, "nowhere: is not there.*vgg16.pt.*--detector"),
    (["swd"], {"data": "nowhere"}, "nowhere: is not there"),
])
def test_what_is_missing_is_named_before_any_work(measurement, names, options, said):
    with pytest.raises(UserError, match=said) as error:
        measurement(*names, **options)
    assert "\n" not in str(error.value)


def test_detectors_are_opened_before_any_work(measurement, tmp_path):
    (tmp_path / "inception-2015-12-05.pt").write_bytes(b"\x80\x03pickle")
    with pytest.raises(UserError, match="pickled detectors hold code and are refused"):
        measurement("fid50k_full", detectors=str(tmp_path))
    with pytest.raises(UserError, match="one file where these metrics need two.*inception.* and vgg16.pt"):
        measurement("fid50k_full", "pr50k3_full", detectors=str(tmp_path / "inception-2015-12-05.pt"))


@pytest.mark.parametrize("names, network, options, said", [
    (["swd"], "sg2-skip", {"labelled": False}, "pictures of 16x16, the network's are 32x32; convert.*--resolution"),
    (["swd"], "sg2-conditional", {}, "has labels of 4, the network takes 3"),
    (["swd"], "sg2-oblong", {"labelled": False}, "16x16, the network's are 16x32"),
    (["eqr50k"], "sg2-skip", {"data": None}, "eqr50k: this network has no input transform"),
])
def test_generators_that_do_not_fit_are_refused(measurement, names, network, options, said):
    with pytest.raises(UserError, match=said):
        measurement(*names, **options).check(tiny(network))


def test_nan_is_no_number(measurement, G):
    G.synthesis.b16.torgb.bias.fill_(float("nan"))
    with pytest.raises(UserError, match="NaN"):
        measurement("swd").measure(G)


# -- told -------------------------------------------------------------------------------------------------------------

def test_progress_is_told_and_may_give_up(measurement, G):
    told = []
    measurement(*PICTURES, batch=4).measure(G, lambda text, share: told.append((text, share)))
    texts = [text for text, _ in told]
    assert "patches of the data set" in texts and "image 12 of 12" in texts and "kid12_full" in texts
    assert all(0 <= share <= 1 for _, share in told)

    def stop(text: str, share: float) -> None:
        if text == "image 8 of 12":
            raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        measurement("swd", batch=4).measure(G, stop)


def test_results_are_named_by_their_number_of_images():
    assert [label(name, 2000) for name in KINDS] == [
        "fid2k_full", "kid2k_full", "pr2k3_full", "is2k", "ppl_zfull_2k", "ppl_wfull_2k", "ppl_zend_2k", "ppl_wend_2k",
        "ppl2_wend_2k", "eqt2k_int", "eqt2k_frac", "eqr2k", "ls_2k", "swd_2k", "spectrum_2k"]
    assert label("fid50k_full", 50_000) == label("fid50k_full", None) == "fid50k_full"
    assert label("pr50k3_full", 12) == "pr12_3_full"
