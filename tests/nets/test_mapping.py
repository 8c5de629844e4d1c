"""The mapping network against its formulas in float64: three kinds of label, the moving average, truncation, errors."""
from math import sqrt

import numpy as np
import pytest
import torch
from stage_checks import randomize, relative_error, to_double

from nets.config import MappingConfig
from nets.errors import UserError
from nets.mapping import MappingNetwork, truncate

FLOAT64 = 1e-12                          # relative error; a few hundred roundings of 1e-16


def array(x: torch.Tensor) -> np.ndarray:
    return x.detach().numpy().astype(np.float64)


def normalized(x: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x ** 2).mean(axis=1, keepdims=True) + 1e-8)


def lrelu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.2 * x)


def dense(x: np.ndarray, layer, lr_multiplier: float = 1.0) -> np.ndarray:
    w, b = array(layer.weight) * lr_multiplier / sqrt(x.shape[1]), array(layer.bias) * lr_multiplier
    return x @ w.T + b


def layers(x: np.ndarray, mapping: MappingNetwork, lr_multiplier: float) -> np.ndarray:
    for i in range(mapping.config.num_layers):
        x = sqrt(2) * lrelu(dense(x, getattr(mapping, f"fc{i}"), lr_multiplier))
    return x


def make(config: MappingConfig, z_dim=6, c_dim=0, w_dim=8, num_ws=4) -> MappingNetwork:
    return to_double(randomize(MappingNetwork(config, z_dim, c_dim, w_dim, num_ws)))


def draw(num: int, width: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(num, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("lr_multiplier", [0.01, 1.0])
def test_embedded_label(lr_multiplier):
    mapping = make(MappingConfig(num_layers=3, lr_multiplier=lr_multiplier), c_dim=5)
    z, c = draw(3, 6), draw(3, 5, seed=2)
    y = normalized(array(c) @ array(mapping.embed.weight).T / sqrt(5) + array(mapping.embed.bias))
    w = layers(np.concatenate([normalized(array(z)), y], axis=1), mapping, lr_multiplier)
    assert relative_error(mapping(z, c), np.repeat(w[:, None], 4, axis=1)) < FLOAT64


def test_concatenated_label_and_unscaled_bias():
    """StyleGAN1: z and y normalised together, sqrt 2 in the weights only, so biases stay unscaled."""
    mapping = make(MappingConfig(num_layers=2, label="concat", scale_bias=False), c_dim=5)
    z, c = draw(3, 6), draw(3, 5, seed=2)
    x = normalized(np.concatenate([array(z), array(c) @ array(mapping.embed.weight).T], axis=1))
    for layer in (mapping.fc0, mapping.fc1):
        x = lrelu(sqrt(2) * 0.01 / sqrt(x.shape[1]) * x @ array(layer.weight).T + 0.01 * array(layer.bias))
    assert relative_error(mapping(z, c)[:, 0], x) < FLOAT64
    assert set(mapping.state_dict()) == {"w_avg", "embed.weight", "fc0.weight", "fc0.bias", "fc1.weight", "fc1.bias"}


def test_label_table_with_averages_per_class():
    """StyleGAN-XL: the label's row of a table, projected to z_dim; truncation pulls to the average of the class."""
    mapping = make(MappingConfig(num_layers=2, label="table", embed_dim=7, w_avg_per_class=True), c_dim=5)
    z, classes = draw(3, 6), [4, 0, 4]
    c = torch.eye(5, dtype=torch.float64)[classes]
    y = sqrt(2) * lrelu(dense(array(mapping.embed.weight)[classes], mapping.embed_proj))
    w = layers(np.concatenate([normalized(array(z)), normalized(y)], axis=1), mapping, 0.01)
    assert mapping.fc0.weight.shape == (8, 12)
    assert relative_error(mapping(z, c)[:, 0], w) < FLOAT64
    average = array(mapping.w_avg)[classes]
    expected = np.repeat((average + 0.6 * (w - average))[:, None], 4, axis=1)
    expected[:, 2:] = w[:, None]
    assert relative_error(mapping(z, c, psi=0.6, cutoff=2), expected) < FLOAT64


def test_widths_and_options():
    mapping = make(MappingConfig(num_layers=3, hidden_dim=10, embed_dim=3, normalize_z=False), c_dim=2)
    assert [mapping.get_submodule(f"fc{i}").weight.shape for i in range(3)] == [(10, 9), (10, 10), (8, 10)]
    z, c = draw(2, 6), draw(2, 2)
    y = normalized(dense(array(c), mapping.embed))
    assert relative_error(mapping(z, c)[:, 0], layers(np.concatenate([array(z), y], axis=1), mapping, 0.01)) < FLOAT64


def test_labels_alone_without_broadcast():
    """As a discriminator conditions its score: no z, no average, not broadcast."""
    mapping = make(MappingConfig(num_layers=2), z_dim=0, c_dim=5, num_ws=None)
    c = draw(3, 5)
    assert relative_error(mapping(None, c), layers(normalized(dense(array(c), mapping.embed)), mapping, 0.01)) < FLOAT64
    assert "w_avg" not in mapping.state_dict()


def test_no_layers_is_the_normalised_input():
    mapping = make(MappingConfig(num_layers=0, label="concat"), z_dim=8)
    z = draw(3, 8)
    assert relative_error(mapping(z)[:, 0], normalized(array(z))) < FLOAT64
    with pytest.raises(UserError, match="width 6, not 8"):
        MappingNetwork(MappingConfig(num_layers=0), 6, 0, 8, 4)


def test_initial_distribution():
    torch.manual_seed(0)
    mapping = MappingNetwork(MappingConfig(num_layers=2), 64, 8, 256, 4)
    assert mapping.fc1.weight.std().item() == pytest.approx(100, rel=0.02)       # N(0, 1) / lr_multiplier
    assert mapping.embed.weight.std().item() == pytest.approx(1, rel=0.1)
    assert not mapping.fc0.bias.any() and not mapping.w_avg.any()
    concat = MappingNetwork(MappingConfig(label="concat"), 64, 32, 64, 4)
    assert concat.embed.weight.shape == (64, 32) and concat.embed.weight.std().item() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("psi", [0.7, -0.5, 0.0, 1.0, 1.5])
@pytest.mark.parametrize("cutoff", [None, 0, 3, 4, 9])
def test_truncation(psi, cutoff):
    ws, w_avg = draw(6, 8).reshape(2, 3, 8).repeat(1, 2, 1), draw(1, 8, seed=2)[0]
    expected = ws.clone()
    expected[:, :cutoff] = w_avg + psi * (ws[:, :cutoff] - w_avg)
    assert relative_error(truncate(ws, w_avg, psi, cutoff), expected) < FLOAT64


def test_average_moves_before_its_use():
    mapping = make(MappingConfig(num_layers=2, w_avg_beta=0.9))
    before, z = mapping.w_avg.clone(), draw(4, 6)
    w = mapping(z)[:, 0]
    assert torch.equal(mapping.w_avg, before), "only when asked to"
    moved = before * 0.9 + w.mean(dim=0) * 0.1
    assert relative_error(mapping(z, psi=0, update_w_avg=True)[:, 0], moved.expand(4, 8)) < FLOAT64
    assert relative_error(mapping.w_avg, moved) < FLOAT64


def test_averages_per_class_move_apart():
    mapping = make(MappingConfig(num_layers=1, label="table", w_avg_per_class=True, w_avg_beta=0.75), c_dim=3)
    z, classes = draw(3, 6), [2, 0, 2]
    c, expected = torch.eye(3, dtype=torch.float64)[classes], mapping.w_avg.clone()
    w = mapping(z, c, update_w_avg=True)[:, 0]
    expected[0] = 0.75 * expected[0] + 0.25 * w[1]
    expected[2] = 0.75 * expected[2] + 0.25 * (w[0] + w[2]) / 2
    assert relative_error(mapping.w_avg, expected) < FLOAT64


def test_average_keeps_no_graph():
    mapping = make(MappingConfig(num_layers=2)).requires_grad_(True)
    for _ in range(2):                   # a graph left in the average would fail the second time
        mapping(draw(4, 6), psi=0.5, update_w_avg=True).sum().backward()
    assert not mapping.w_avg.requires_grad and mapping.fc0.weight.grad.abs().sum() > 0


def test_gradients_of_first_and_second_order():
    mapping = make(MappingConfig(num_layers=2, activation="softplus", lr_multiplier=1.0), c_dim=3).requires_grad_(True)
    z, c = draw(2, 6).requires_grad_(), draw(2, 3)
    assert torch.autograd.gradcheck(lambda z: mapping(z, c, psi=0.5), z)
    assert torch.autograd.gradgradcheck(lambda z: mapping(z, c, psi=0.5), z)


@pytest.mark.parametrize("z, c, said", [
    (torch.zeros(2, 5), torch.zeros(2, 3), r"z has shape \[2, 5\].* \[N, 6\]"),
    (None, torch.zeros(2, 3), "z has shape none"),
    (torch.zeros(6), torch.zeros(1, 3), r"z has shape \[6\]"),
    (torch.zeros(2, 6), None, "width 3 .classes 0 to 2"),
    (torch.zeros(2, 6), torch.zeros(2, 4), r"label has shape \[2, 4\].* \[2, 3\]"),
    (torch.zeros(2, 6), torch.zeros(1, 3), r"label has shape \[1, 3\].* \[2, 3\]"),
])
def test_wrong_inputs_are_named(z, c, said):
    with pytest.raises(UserError, match=said) as error:
        MappingNetwork(MappingConfig(num_layers=1), 6, 3, 8, 4)(z, c)
    assert "\n" not in str(error.value)


def test_unconditional_takes_an_empty_label_only():
    mapping = make(MappingConfig(num_layers=1))
    assert torch.equal(mapping(draw(2, 6), torch.zeros(2, 0)), mapping(draw(2, 6)))
    with pytest.raises(UserError, match=r"label has shape \[2, 3\]"):
        mapping(draw(2, 6), torch.zeros(2, 3))
