"""Seeds, the seed plane, labels, truncation, mixing."""
import numpy as np
import pytest
import torch

from nets.config import MappingConfig
from nets.errors import UserError
from nets.mapping import MappingNetwork
from renderer.latents import corners, label, latent_ws, random_z, seeds_ws, source_ws, table_ws
from renderer.types import Array, Latent, Mix, MixTable, Source, sources

NUM_WS, W_DIM = 6, 8


def mapping(c_dim=0, **config) -> MappingNetwork:
    torch.manual_seed(0)
    network = MappingNetwork(MappingConfig(num_layers=2, **config), 8, c_dim, W_DIM, NUM_WS).requires_grad_(False)
    network.w_avg.normal_()
    return network


@pytest.fixture
def plain():
    return mapping()


def w_of(network, seed) -> torch.Tensor:
    z = np.random.RandomState(seed % 2 ** 32).randn(1, 8)
    return network(torch.from_numpy(z).float())


@pytest.mark.parametrize("seed", [0, 7, 123456, -1, -2 ** 40 - 3, 2 ** 32 + 5])
def test_seeds_wrap(plain, seed):
    np.testing.assert_array_equal(random_z(seed, 8), np.random.RandomState(seed % 2 ** 32).randn(1, 8))
    assert torch.equal(latent_ws(plain, Latent(x=float(seed))), w_of(plain, seed))


@pytest.mark.parametrize("x, y", [(0, 0), (3, 0), (3, 2), (-4, 1), (99, -7), (250, 0)])
def test_whole_points_are_seeds_exactly(plain, x, y):
    assert torch.equal(latent_ws(plain, Latent(x=x, y=y)), w_of(plain, x + 100 * y))


def test_between_seeds_w_is_bilinear(plain):
    x, y = 5.25, -1.6
    w = [w_of(plain, seed).double() for seed in (-195, -194, -95, -94)]
    expected = 0.4 * (0.75 * w[0] + 0.25 * w[1])
    expected = (1 - 0.4) * (0.75 * w[0] + 0.25 * w[1]) + 0.4 * (0.75 * w[2] + 0.25 * w[3])
    torch.testing.assert_close(latent_ws(plain, Latent(x=x, y=y)).double(), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("x, y", [(2.0, 3.0), (2.5, 3.0), (2.0, 3.5), (-1.0, 0.0), (0.0, -1.0)])
def test_the_plane_is_continuous(plain, x, y):
    """A step of 1e-6 in any direction moves w by no more than its slope times the step."""
    here = latent_ws(plain, Latent(x=x, y=y))
    slope = 4 * max(latent_ws(plain, Latent(x=x + i, y=y + j)).norm() for i in (-1, 0, 1) for j in (-1, 0, 1))
    for dx, dy in ((1e-6, 0), (-1e-6, 0), (0, 1e-6), (0, -1e-6), (1e-6, -1e-6)):
        step = latent_ws(plain, Latent(x=x + dx, y=y + dy)) - here
        assert step.norm() < slope * 2e-6 + 1e-6


def test_corners_have_weight_one_together():
    for x, y in np.random.RandomState(0).randn(20, 2) * 100:
        weights = [weight for _, weight in corners(x, y)]
        assert sum(weights) == pytest.approx(1) and min(weights) > 0
    assert corners(3.0, 2.0) == [(203, 1.0)]
    with pytest.raises(UserError, match="inf"):
        corners(float("inf"), 0)


# -- labels -----------------------------------------------------------------------------------------------------------

def test_labels():
    assert label((), 0) is None
    assert label(((2, 1.0),), 4).tolist() == [[0, 0, 1, 0]]
    assert label(((2, 0.5), (0, 0.25), (2, 0.25)), 3).tolist() == [[0.25, 0, 0.75]]


@pytest.mark.parametrize("classes", [(), ((5, 1.0),), ((-1, 1.0),), ((0, 0.5), (9, 0.5))])
def test_classes_missing_or_out_of_range_name_the_range(classes):
    with pytest.raises(UserError, match="0 to 4"):
        latent_ws(mapping(c_dim=5), Latent(classes=classes))


@pytest.mark.parametrize("kind", ["embed", "concat", "table"])
def test_conditional_w_is_the_mapping_of_z_and_label(kind):
    network = mapping(c_dim=3, label=kind)
    z = np.random.RandomState(2).randn(4, 8)
    c = torch.tensor([[0.0, 0.0, 1.0]])
    ws = latent_ws(network, Latent(z=Array.of(z), classes=((2, 1.0),)))
    assert torch.equal(ws, network(torch.from_numpy(z).float(), c.expand(4, 3)))


def test_truncation_pulls_to_the_class_average():
    network = mapping(c_dim=3, label="table", w_avg_per_class=True)
    ws = latent_ws(network, Latent(classes=((1, 1.0),), psi=0.0))
    assert torch.equal(ws, network.w_avg[1].expand(1, NUM_WS, W_DIM))


# -- truncation, arrays, mixing ---------------------------------------------------------------------------------------

def test_truncation(plain):
    w, psi = w_of(plain, 3), 0.3
    near = plain.w_avg + psi * (w - plain.w_avg)
    torch.testing.assert_close(latent_ws(plain, Latent(x=3, psi=psi)), near)
    ws = latent_ws(plain, Latent(x=3, psi=psi, cutoff=2))
    torch.testing.assert_close(ws[:, :2], near[:, :2])
    assert torch.equal(ws[:, 2:], w[:, 2:])
    with pytest.raises(UserError, match="-1"):
        latent_ws(plain, Latent(psi=0.5, cutoff=-1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_given_w_is_taken_as_it_is(plain, dtype):
    w = np.random.RandomState(0).randn(3, NUM_WS, W_DIM).astype(dtype)
    assert torch.equal(latent_ws(plain, Latent(x=9, w=Array.of(w), psi=0.1)), torch.from_numpy(w).float())
    assert torch.equal(latent_ws(plain, Latent(w=Array.of(w[0]))), torch.from_numpy(w[:1]).float())


def test_given_w_needs_no_class_but_the_mixed_in_seed_does():
    network, w = mapping(c_dim=2), Array.of(np.zeros((1, NUM_WS, W_DIM)))
    assert latent_ws(network, Latent(w=w)).eq(0).all()
    with pytest.raises(UserError, match="0 to 1"):
        latent_ws(network, Latent(w=w), Mix(Source(1), (0,)))


@pytest.mark.parametrize("field, shape", [("z", (1, 9)), ("z", (8,)), ("z", (0, 8)), ("w", (1, NUM_WS, 9)),
                                          ("w", (NUM_WS + 1, W_DIM)), ("w", (0, NUM_WS, W_DIM)), ("w", (8,))])
def test_arrays_of_another_shape(plain, field, shape):
    with pytest.raises(UserError, match=field) as error:
        latent_ws(plain, Latent(**{field: Array.of(np.zeros(shape))}))
    assert "8" in str(error.value) and "takes" in str(error.value)


def test_mixing_follows_truncation(plain):
    latent, mix = Latent(z=Array.of(np.random.RandomState(1).randn(2, 8)), psi=0.5, cutoff=4), Mix(Source(9), (1, 5))
    ws, own = latent_ws(plain, latent, mix), latent_ws(plain, latent)
    other = latent_ws(plain, Latent(x=9, psi=0.5, cutoff=4))
    for row in range(NUM_WS):
        assert torch.equal(ws[:, row], other[:, row].expand(2, -1) if row in (1, 5) else own[:, row])


def test_mixing_table(plain):
    saved = Source(w=Array.of(np.random.RandomState(0).randn(NUM_WS, W_DIM)), name="Anna")
    table = MixTable((*sources(1, 2), saved), (Source(4), saved), (0, 2))
    latent = Latent(x=77, psi=0.5)
    cells = list(table_ws(plain, latent, table))
    assert len(cells) == 4 * 3 and cells[0] is None
    for i, a in enumerate(table.across, start=1):
        assert torch.equal(cells[i], source_ws(plain, a, latent))
        for j, b in enumerate(table.down, start=1):
            assert torch.equal(cells[4 * j], source_ws(plain, b, latent))
            expected = source_ws(plain, b, latent).clone()
            expected[:, [0, 2]] = source_ws(plain, a, latent)[:, [0, 2]]
            assert torch.equal(cells[4 * j + i], expected)
    assert torch.equal(cells[3][0], torch.tensor(saved.w.numpy()).float())       # not truncated
    assert [cell is None for cell in table_ws(plain, latent, MixTable((), sources(4, 5), ()))] == [True, False, False]


def test_a_mixing_table_is_made_cell_by_cell(plain):
    """A state may ask for a hundred thousand sources in either direction: memory holds one of them, and their rows."""
    cells = table_ws(plain, Latent(), MixTable(sources(1) * 10 ** 6, sources(2) * 10 ** 6, (0,)))
    assert [next(cells) is None for _ in range(3)] == [True, False, False]


def test_a_row_named_many_times_is_mixed_once(plain):
    ws = latent_ws(plain, Latent(), Mix(Source(9), (1, 5)))
    assert torch.equal(latent_ws(plain, Latent(), Mix(Source(9), (5, 1) * 100_000)), ws)


@pytest.mark.parametrize("psi", [1e300, -1e300])
def test_a_psi_beyond_float32_is_refused(plain, psi):
    with pytest.raises(UserError, match="psi"):
        latent_ws(plain, Latent(psi=psi))


@pytest.mark.parametrize("mix", [Mix(), Mix(Source(9), (1, 5))])
def test_seeds_are_each_seed_alone(plain, mix):
    latent, seeds = Latent(psi=0.6, cutoff=4), (3, -1, 2 ** 40, 3)
    for seed, ws in zip(seeds, seeds_ws(plain, latent, mix, seeds), strict=True):
        assert torch.equal(ws, latent_ws(plain, Latent(x=float(seed), psi=0.6, cutoff=4), mix))


@pytest.mark.parametrize("source, named", [(Source(w=Array.of(np.zeros((3, W_DIM))), name="Anna"), "the w of 'Anna'"),
                                           (Source(w=Array.of(np.zeros((NUM_WS, 9)))), "a source's w")])
def test_a_source_of_another_network_is_named(plain, source, named):
    for work in (lambda: list(table_ws(plain, Latent(), MixTable((source,), sources(1), (0,)))),
                 lambda: latent_ws(plain, Latent(), Mix(source, (0,)))):
        with pytest.raises(UserError, match=f"^{named} has shape .* takes "):
            work()
