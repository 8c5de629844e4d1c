"""Metrics end to end on tiny networks and stand-in detectors, against direct definitions on the same images."""
from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from PIL import Image
from scipy.spatial.distance import cdist
from scipy.special import rel_entr
from stand_in_detectors import StandIn, drawn, image, pictures, save_classifier, save_detectors
from tiny_networks import tiny

from nets.stages import synthesize
from renderer.measures import equivariance as measure
from train.data import TrainingSet
from train.demo import write_demo
from train.metrics.measure import Measurement
from train.metrics.separability import linear_svm
from train.metrics.spectra import Spectra
from train.metrics.swd import Patches, swd

COUNT = 24                               # pictures of the set, and generated ones


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("set") / "demo.zip"
    write_demo(path, COUNT, 32)
    return str(path)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A folder of the tiny network's own pictures, of another seed and more or less contrast."""
    folder = tmp_path_factory.mktemp("own")
    for number, picture in enumerate(pictures(tiny("sg2-skip"), 99, COUNT)):
        picture = (picture - 128.0) * (0.7 + 0.6 * number / COUNT) + 128
        Image.fromarray(picture.clamp(0, 255).byte().permute(1, 2, 0).numpy()).save(folder / f"{number:03}.png")
    return str(folder)


@pytest.fixture(scope="module")
def detectors(tmp_path_factory):
    return save_detectors(tmp_path_factory.mktemp("detectors"))


@pytest.fixture
def measured(data, detectors, tmp_path):
    """`measured(G, 'fid50k_full', ..)`: results of COUNT images, batches of 7."""
    def run(G, *names: str, images: int | None = COUNT, **options):
        options = {"data": data, "batch": 7, "cache": tmp_path / "cache", "seed": 3, "detectors": detectors} | options
        return Measurement(names, images=images, **options).measure(G)
    return run


def reals(data: str) -> torch.Tensor:
    return torch.stack([picture for picture, _ in TrainingSet(data)])


def features(images: torch.Tensor, **flags: bool) -> np.ndarray:
    images = images.expand(-1, 3, -1, -1)
    return StandIn()(images, **flags or {"return_features": True}).double().numpy()


# -- against definitions ----------------------------------------------------------------------------------------------

def test_fid_is_that_of_the_same_images(measured, data):
    G = tiny("sg2-skip")
    x, y = features(reals(data)), features(pictures(G, 3, COUNT))
    cx, cy = np.cov(x.T, ddof=0), np.cov(y.T, ddof=0)
    expected = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum() + np.trace(cx + cy - 2 * scipy.linalg.sqrtm(cx @ cy).real)
    assert measured(G, "fid50k_full") == {"fid24_full": pytest.approx(expected, rel=1e-4)}       # float32 features


def test_kid_is_that_of_the_same_images(measured, data):
    G = tiny("sg2-skip")
    x, y = features(reals(data)), features(pictures(G, 3, COUNT))
    kernels = [(a @ b.T / x.shape[1] + 1) ** 3 for a, b in ((x, x), (y, y), (x, y))]
    within = sum(k.sum() - np.trace(k) for k in kernels[:2]) / (COUNT * (COUNT - 1))
    assert measured(G, "kid50k_full")["kid24_full"] == pytest.approx(within - 2 * kernels[2].mean(), rel=1e-4)


def test_precision_and_recall_are_those_of_the_same_images(measured, own):
    """The set is of the same network's images, so that some lie within the balls and some outside."""
    G = tiny("sg2-skip")
    x, y = (features(images).astype(np.float16).astype(float) for images in (reals(own), pictures(G, 3, COUNT)))
    balls = [np.sort(cdist(points, points), axis=1)[:, 3] for points in (x, y)]
    expected = {"pr24_3_full.precision": (cdist(y, x) <= balls[0]).any(axis=1).mean(),
                "pr24_3_full.recall": (cdist(x, y) <= balls[1][:, None].T).any(axis=1).mean()}
    found = measured(G, "pr50k3_full", data=own)
    assert found == pytest.approx(expected, abs=1e-6) and all(0 < share < 1 for share in found.values())


def test_the_inception_score_is_that_of_the_same_images(measured):
    G = tiny("sg2-orig")                                 # grey, and no data set
    p = features(pictures(G, 3, COUNT), no_output_bias=True)
    scores = [np.exp(rel_entr(part, part.mean(axis=0)).sum(axis=1).mean()) for part in np.array_split(p, 10)]
    expected = {"is24": np.mean(scores), "is24.std": np.std(scores)}
    assert measured(G, "is50k", data=None) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name, space, full, crop", [("ppl_zfull", "z", True, True), ("ppl_wfull", "w", True, True),
                                                     ("ppl_zend", "z", False, True), ("ppl_wend", "w", False, True),
                                                     ("ppl2_wend", "w", False, False)])
def test_path_lengths_are_those_of_the_same_pairs(measured, name, space, full, crop):
    """One image at a time on both sides: float32 rounds alike, which a step of 1e-4 would show otherwise."""
    G = tiny("sg2-conditional")
    found = measured(G, name, images=9, batch=1, data=None)
    assert found == {f"{name}_9": pytest.approx(path_by_definition(G, space, full, crop, 9), rel=1e-5)}


def path_by_definition(G, space: str, full: bool, crop: bool, count: int) -> float:
    lengths = []
    for number in range(count):
        z, c, noise = drawn(G, 3, number)
        other = torch.from_numpy(np.random.default_rng([3, number, 1]).standard_normal((1, G.z_dim), np.float32))
        t = np.random.default_rng([3, number, 2]).random() if full else 0.0
        pair = []
        for at in (t, t + 1e-4):
            if space == "z":
                ws = G.mapping(torch.from_numpy(slerped(z.numpy(), other.numpy(), at)), c)
            else:
                a, b = (G.mapping(end, c).double() for end in (z, other))
                ws = (a + (b - a) * at).float()
            picture = synthesize(G.synthesis.stages(), ws, noise)
            size = picture.shape[2]
            pair.append(picture[:, :, size * 3 // 8:size * 7 // 8, size // 4:size * 3 // 4] if crop else picture)
        a, b = features(torch.cat(pair) * 127.5 + 127.5, return_lpips=True)
        lengths.append(((a - b) ** 2).sum() / 1e-4 ** 2)
    low, high = np.percentile(lengths, 1, method="lower"), np.percentile(lengths, 99, method="higher")
    return np.mean([length for length in lengths if low <= length <= high])


def slerped(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Between rows of any length; the network normalises them."""
    a, b = (x.astype(float) / np.linalg.norm(x) for x in (a, b))
    angle = np.arccos((a * b).sum())
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype(np.float32)


@pytest.mark.parametrize("name", ["eqt50k_int", "eqt50k_frac", "eqr50k"])
def test_equivariance_is_as_defined(measured, name):
    """Every four images share a transform; here written into the input's buffer, one image at a time."""
    G, errors, weights = tiny("sg3-t", margin_size=10), 0.0, 0.0
    for number in range(6):
        random = np.random.default_rng([3, number // 4, 3])
        z, c, noise = drawn(G, 3, number)
        plain, size = made(G, z, None), G.resolution[0]
        if name == "eqr50k":
            turn = measure.rotation(random.uniform(-math.pi, math.pi))
            (seen, inside), (expected, mask) = measure.limited(made(G, z, turn), turn), measure.transformed(plain, turn)
            mask = mask * inside
        else:
            shift = random.uniform(-0.125, 0.125, 2)
            shift = np.round(shift * size) / size if name == "eqt50k_int" else shift
            seen = made(G, z, measure.translation(*shift))
            expected, mask = (measure.move_whole if name == "eqt50k_int" else measure.move)(plain, *shift)
        errors += ((seen - expected).double().square() * mask).sum().item()
        weights += mask.sum().item() * 3
    db = 20 * math.log10(2) - 10 * math.log10(errors / weights)
    assert list(measured(G, name, images=6, batch=8, data=None).values()) == [pytest.approx(db, abs=0.01)]


@torch.no_grad()
def made(G, z: torch.Tensor, moved: torch.Tensor | None) -> torch.Tensor:
    G.synthesis.input.transform.copy_(torch.eye(3) if moved is None else moved.inverse())
    picture = G.synthesis(G.mapping(z))
    G.synthesis.input.transform.copy_(torch.eye(3))
    return picture


def test_the_spectrum_is_that_of_the_same_images(measured, data):
    G, spectra = tiny("sg2-skip"), Spectra((32, 32))
    spectra.add_real(reals(data))
    spectra.add_fake(pictures(G, 3, COUNT))
    assert measured(G, "spectrum") == {"spectrum_24": pytest.approx(spectra.difference(), rel=1e-6)}


def test_swd_is_that_of_the_same_images(measured, data):
    """Its formula is test_swd.py's: here that it sees all real and all generated ones, and gives the levels too."""
    G = tiny("sg2-skip")
    real, fake = (Patches(torch.Generator().manual_seed(seed), 128) for seed in (1, 2))
    real.add(reals(data))
    for part in pictures(G, 3, COUNT).split(7):
        fake.add(part)
    levels = swd(real, fake, torch.Generator().manual_seed(3))
    expected = {"swd_24": np.mean(list(levels.values())), "swd_24.32": levels[32], "swd_24.16": levels[16]}
    assert measured(G, "swd") == pytest.approx(expected, rel=1e-6)


# -- linear separability ----------------------------------------------------------------------------------------------

def squared_hinge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The plane that scipy finds for the same objective."""
    def objective(v):
        slack = np.maximum(1 - y * (x @ v), 0)
        return v @ v / 2 + (slack ** 2).sum(), v - 2 * x.T @ (y * slack)
    found = scipy.optimize.minimize(objective, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B",
                                    options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-8})
    return found.x


def test_the_support_vector_machine_is_scipys():
    x = torch.randn(300, 5, generator=torch.Generator().manual_seed(1))
    labels = x[:, 0] + 0.3 * x[:, 1] ** 2 + 0.2 > 0
    points = np.concatenate([x.double().numpy(), np.ones((300, 1))], axis=1)
    expected = squared_hinge(points, np.where(labels.numpy(), 1.0, -1.0))
    np.testing.assert_allclose(linear_svm(x, labels).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_separability_is_two_to_the_entropy_that_is_left(measured, tmp_path):
    G, count = tiny("sg2-conditional"), 80
    with torch.no_grad():
        images = torch.cat([image(G, 3, number) for number in range(count)]).clamp(-1, 1)
        logits = images[:, 0].mean(dim=(1, 2)).numpy() - 0.085
        z = torch.cat([drawn(G, 3, number)[0] for number in range(count)])
        w = torch.cat([G.mapping(*drawn(G, 3, number)[:2])[:, 0] for number in range(count)])
    sure = np.argsort(-abs(logits), kind="stable")[:count // 2]
    labels, expected = logits[sure] > 0, {}
    for space, latents in (("z", z), ("w", w)):
        x = np.concatenate([latents[sure].double().numpy(), np.ones((len(sure), 1))], axis=1)
        side = x @ squared_hinge(x, np.where(labels, 1.0, -1.0)) > 0
        joint = np.array([[(labels & side).sum(), (labels & ~side).sum()],
                          [(~labels & side).sum(), (~labels & ~side).sum()]]) / len(sure)
        entropy = rel_entr(joint, np.broadcast_to(joint.sum(axis=0), (2, 2))).sum() / -math.log(2)
        expected[f"ls_{count}.{space}"] = 2 ** entropy
    found = measured(G, "ls", images=count, data=None, classifiers=[save_classifier(tmp_path / "red.pt")])
    assert found == pytest.approx(expected, rel=1e-9) and labels.any() and not labels.all()
    assert found[f"ls_{count}.z"] > 1.01                 # or it would test nothing
