"""The equivariance estimate: a toy network with a planted loss, EQ by its definition, the open picture, refusals."""
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_networks import good, tiny

from cuda_ops.upfirdn2d import upsample2d
from nets.checkpoint import save_native
from nets.errors import UserError
from nets.filters import lowpass
from nets.one_tap import with_one_tap
from nets.stages import Stage, State, Tap
from nets.stylegan3 import FourierInput
from renderer.inspection import Equivariance
from renderer.inspections.equivariance import Estimate
from renderer.measures import equivariance as measure
from renderer.pipeline import Pipeline
from renderer.report import Fact, Picture, Plot, Table
from renderer.steps import Abandoned
from renderer.subject import Subject
from renderer.synthesis import Setting
from renderer.types import Checkpoint, Latent, RenderRequest, Synth


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A tiny StyleGAN3-T with StyleGAN3's own margin, so that its layers' shifts have room."""
    path = tmp_path_factory.mktemp("wide") / "wide.safetensors"
    save_native(path, {"G_ema": tiny("sg3-t", margin_size=10)})
    return str(path)


def request(path: str, inspection: Equivariance, **parts) -> RenderRequest:
    return RenderRequest(Checkpoint(path, device="cpu"), Latent(x=3), inspect=inspection, **parts)


def figure(report, kind: type, name: str):
    return next(f for f in report.figures if isinstance(f, kind) and f.name == name)


# -- a toy network ----------------------------------------------------------------------------------------------------

RATE, SIZE = 32, 64                      # samples per image, and of a layer with its margins


class Toy(Subject):
    """Fourier features of up to 2 cycles per image, squared twice (which doubles their band each time, to 8 of 16),
    upsampled by a filter of 100 dB, cut to the image. `planted`: the stage that takes the sign instead, whose
    harmonics no sampling rate holds."""

    def __init__(self, planted: str = ""):
        torch.manual_seed(0)
        features = FourierInput(8, (SIZE, SIZE), RATE, 2.0, 4)
        mixing = torch.randn(8, 8, 1, 1) / math.sqrt(8)
        up = lowpass(128, 12.0, 8.0, 2 * RATE)

        def squared(x):
            x = torch.nn.functional.conv2d(x, mixing)
            return x.square() / 4
        steps = [("input", lambda x, i: features(i.w, i.transform), SIZE, RATE), ("square", squared, SIZE, RATE),
                 ("again", squared, SIZE, RATE), ("up", lambda x: upsample2d(x, up), 2 * SIZE, 2 * RATE),
                 ("crop", lambda x: x[:, :, SIZE // 2:-SIZE // 2, SIZE // 2:-SIZE // 2], SIZE, 2 * RATE)]
        stages = [self._stage(name, torch.sign if name == planted else work, size, rate)
                  for name, work, size, rate in steps]
        stages.append(Stage("image", lambda state, inputs, watch: State(image=state.x[:, :3] / 8),
                            (Tap("image", (3, SIZE, SIZE), rate=2.0 * RATE),)))
        info = SimpleNamespace(has_transform=True, resolution=(SIZE, SIZE))
        super().__init__(Setting((), SimpleNamespace(device="cpu"), stages, None, info), RenderRequest())

    @staticmethod
    def _stage(name: str, work, size: int, rate: float) -> Stage:
        def run(state, inputs, watch):
            return State(work(state.x) if state.x is not None else work(None, inputs))
        return Stage(name, run, (Tap(f"{name}.out", (8, size, size), rate=float(rate)),),
                     w_row=0 if name == "input" else None, reads_transform=name == "input")

    def ws_of(self, seed: int) -> torch.Tensor:
        return torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(seed))

    def ws(self) -> torch.Tensor:
        return self.ws_of(0)


@torch.inference_mode()
def complete(estimate: Estimate):
    while estimate.done < estimate.total:
        estimate.advance()
    return estimate.report()


def test_an_ideal_network_is_above_60_db_at_every_layer():
    report = complete(Estimate(Equivariance(samples=4), Toy()))
    curve = figure(report, Plot, "over_layers").curves[0]
    assert len(curve.y) == 5 and (curve.y > 60).all(), curve.y
    assert figure(report, Fact, "eq_t").value > 60       # in whole pixels: nothing but the network is measured


@pytest.mark.parametrize("planted, at", [("square", 1), ("again", 2)])
def test_a_planted_alias_shows_at_its_layer(planted, at):
    report = complete(Estimate(Equivariance(samples=4), Toy(planted)))
    curve, table = figure(report, Plot, "over_layers").curves[0], figure(report, Table, "layers")
    assert (curve.y[:at] > 60).all() and (curve.y[at:] < 30).all(), curve.y
    assert [i for i, is_flagged in enumerate(table.flagged) if is_flagged] == [at]
    assert f"lost most in {planted}" in report.remarks[0]


# -- real networks ----------------------------------------------------------------------------------------------------

def by_definition(synthesis, ws, others, seeds) -> dict[str, float]:
    """EQ of app. E.1 over `seeds`, each with the transform that the estimate draws for it."""
    sums = {name: [] for name in ("eq_t", "eq_t_frac", "eq_r", "unrelated")}
    size = synthesis.resolution[0]

    def made(w, matrix=None):
        synthesis.input.transform.copy_(torch.eye(3) if matrix is None else matrix.inverse())
        return synthesis(w)
    for w, other, seed in zip(ws, others, seeds):
        drawn = torch.Generator().manual_seed(seed)
        tx, ty = ((torch.rand(2, generator=drawn, dtype=torch.float64) - 0.5) / 4).tolist()
        turn = measure.rotation(((torch.rand([], generator=drawn, dtype=torch.float64) * 2 - 1) * math.pi).item())
        ix, iy = round(tx * size) / size, round(ty * size) / size
        plain = made(w)
        z, mask = measure.transformed(plain, turn)
        limited, inside = measure.limited(made(w, turn), turn)
        pairs = {"eq_t": (made(w, measure.translation(ix, iy)), *measure.move_whole(plain, ix, iy)),
                 "eq_t_frac": (made(w, measure.translation(tx, ty)), *measure.move(plain, tx, ty)),
                 "eq_r": (limited, z, mask * inside), "unrelated": (made(other), plain, torch.ones_like(mask))}
        for name, (a, b, mask) in pairs.items():
            mask = mask.expand_as(a).double()
            sums[name].append((((a - b).double() * mask).square().sum().item(), mask.sum().item()))
    return {name: 20 * math.log10(2) - 10 * math.log10(sum(e for e, _ in found) / sum(m for _, m in found))
            for name, found in sums.items()}


@torch.inference_mode()
def test_eq_is_as_defined(wide):
    report = Pipeline(0).inspect(request(wide, Equivariance(samples=3, first_seed=5)))
    network = tiny("sg3-t", margin_size=10)
    ws = [network.mapping(torch.from_numpy(np.random.RandomState(seed).randn(1, 8)).float()) for seed in range(5, 11)]
    expected = by_definition(network.synthesis, ws[:3], ws[3:], [5, 6, 7])
    found = {f.name: f.value for f in report.figures if isinstance(f, Fact) and f.name in expected}
    assert found == pytest.approx(expected, abs=0.01)    # float32: rounding is 1e-6 of a picture, errors 1e-4 and more


def test_one_tap_breaks_equivariance_where_it_is_planted(wide):
    report = Pipeline(0).inspect(request(wide, Equivariance(samples=4, one_tap=("L2",))))
    plain, one_tap, _ = (curve.y for curve in figure(report, Plot, "over_layers").curves)
    assert np.array_equal(plain[:3], one_tap[:3])        # input, L0, L1
    assert one_tap[3] < plain[3] - 10
    assert figure(report, Fact, "eq_t_one_tap").value < figure(report, Fact, "eq_t").value
    assert [row[0] for row, flag in zip(*rows(report)) if flag][0].startswith("L2")


def rows(report) -> tuple:
    table = figure(report, Table, "layers")
    return table.rows, table.flagged


def test_one_tap_shares_all_but_filters_and_leaves_the_network_as_it_was():
    network = tiny("sg3-r").synthesis
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    name = network.layers[1].name
    changed = with_one_tap(network, [name])
    for key, tensor in changed.state_dict().items():
        if key in (f"{name}.up_filter", f"{name}.down_filter"):
            assert tensor.sum() == 1 and not torch.equal(tensor, before[key])
        else:
            assert tensor.data_ptr() == network.state_dict()[key].data_ptr()
        assert torch.equal(network.state_dict()[key], before[key])
    assert (changed.get_submodule(name).down_filter != 0).sum() == 1
    assert (changed.get_submodule(name).up_filter != 0).sum() == network.layers[1].up_factor


# -- the open picture -------------------------------------------------------------------------------------------------

def test_the_open_picture_changes_without_a_restart(wide):
    pipeline, inspection = Pipeline(0), Equivariance(samples=2)
    first = good(pipeline.render(request(wide, inspection))).report
    turned = tuple(measure.rotation(0.5).flatten().tolist())
    stale = []
    second = good(pipeline.render(request(wide, inspection, synth=Synth(transform=turned)),
                                  early=lambda result: stale.append(result.report))).report
    assert first.complete and second.complete and [report.done for report in stale] == [1]       # of 2: one to do
    for kind, name in ((Fact, "eq_t"), (Fact, "eq_r")):
        assert figure(first, kind, name) == figure(second, kind, name)
    assert figure(first, Fact, "psnr") != figure(second, Fact, "psnr")
    assert not np.array_equal(figure(first, Picture, "moved").pixels, figure(second, Picture, "moved").pixels)
    assert np.array_equal(figure(first, Picture, "picture").pixels, figure(second, Picture, "picture").pixels)


@pytest.mark.parametrize("transform", [(2.0, 0, 0, 0, 2.0, 0, 0, 0, 1.0), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0),
                                       (0.0,) * 9], ids=["scaled", "mirrored", "singular"])
def test_an_input_that_is_not_just_moved_is_not_moved_back(wide, transform):
    report = Pipeline(0).inspect(request(wide, Equivariance(samples=2), synth=Synth(transform=transform)))
    assert not [f for f in report.figures if isinstance(f, Picture)]
    assert "not just a translation and a rotation" in report.remarks[-1]


def test_an_estimate_that_is_abandoned_is_as_before():
    subject, once = Toy(), 7                             # of the 12 stages behind the open picture and itself, moved
    estimate = Estimate(Equivariance(samples=2), subject)
    with torch.inference_mode():
        for stages in (once, 12 + once):
            left = iter([False] * stages)
            subject.run.abandoned = lambda left=left: next(left, True)
            before = estimate.done, estimate._count, estimate._sums.copy()
            with pytest.raises(Abandoned):
                for _ in range(3):
                    estimate.advance()
            if stages == once:
                assert (estimate.done, estimate._count) == before[:2] and not estimate._frame
        assert estimate._count == 0 and not estimate._sums.any() and estimate._frame
        subject.run.abandoned = lambda: False
        after = complete(estimate)
        assert after.figures[0] == complete(Estimate(Equivariance(samples=2), Toy())).figures[0]


@pytest.mark.parametrize("name", ["sg1", "sg2-skip"])
def test_networks_without_an_input_transform_are_refused(files, name):
    with pytest.raises(UserError, match="no input transform.*'sticking'"):
        Pipeline(0).inspect(request(files(name), Equivariance()))


def test_unknown_layers_are_refused(wide):
    with pytest.raises(UserError, match="there is no layer 'L99'; there are L0_"):
        Pipeline(0).inspect(request(wide, Equivariance(one_tap=("L99",))))


def test_the_same_request_gives_the_same_report(wide):
    a, b = (Pipeline(0).inspect(request(wide, Equivariance(samples=2))) for _ in range(2))
    facts = [[f for f in report.figures if isinstance(f, Fact | Table)] for report in (a, b)]
    assert facts[0] == facts[1] and a.remarks == b.remarks


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sg3_t", "sg3_r"])
@torch.inference_mode()
def test_the_running_estimate_agrees_with_a_long_offline_run(reference_file, name):
    """Both means are of samples, so their difference is held against both intervals, taken together."""
    path = str(reference_file(f"{name}.snapshot.pkl"))
    short = Pipeline(0).inspect(request(path, Equivariance(samples=16)))
    long = Pipeline(0).inspect(request(path, Equivariance(samples=96, first_seed=1000)))
    for fact in ("eq_t", "eq_t_frac", "eq_r", "unrelated"):
        a, b = figure(short, Fact, fact), figure(long, Fact, fact)
        assert abs(a.value - b.value) < math.hypot(a.high - a.value, b.high - b.value), fact
