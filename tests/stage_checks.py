"""What holds of every synthesis network, asserted on one that a test gives; and how a test prepares one."""
import torch
from torch import nn

from nets.stages import State, all_taps, draw_noise, walk

FILTERS = ("resample_filter", "blur", "nearest", "up_filter", "down_filter")


def randomize(module: nn.Module, seed: int = 0) -> nn.Module:
    """Non-trivial values in every bias, noise strength, average and constant; nothing trains or draws gradients."""
    generator = torch.Generator().manual_seed(seed)
    for name, value in module.state_dict().items():
        kind = name.rsplit(".", 1)[-1]
        drawn = torch.randn(value.shape, generator=generator)
        if kind in ("bias", "noise_strength"):
            value += 0.3 * drawn
        elif kind in ("weight", "const", "noise_const", "w_avg"):
            value.copy_(drawn)
    return module.eval().requires_grad_(False)


def to_double(module: nn.Module) -> nn.Module:
    """Parameters and buffers in float64, filters as ops take them, in float32."""
    filters = {name: b.clone() for name, b in module.named_buffers() if name.rsplit(".", 1)[-1] in FILTERS}
    module.double()
    for name, value in filters.items():
        owner, _, attribute = name.rpartition(".")
        setattr(module.get_submodule(owner), attribute, value)
    return module


def relative_error(a: torch.Tensor, b: torch.Tensor) -> float:
    """||a - b|| / ||b||"""
    a, b = torch.as_tensor(a).double(), torch.as_tensor(b).double()
    assert a.shape == b.shape, f"{list(a.shape)} is not {list(b.shape)}"
    return float((a - b).norm() / b.norm())


def taps_of(synthesis: nn.Module, ws: torch.Tensor, **kwargs) -> dict[str, torch.Tensor]:
    """Every tap by name."""
    seen = {}
    synthesis(ws, watch=seen.__setitem__, **kwargs)
    return seen


def nearest(x: torch.Tensor, factor: int) -> torch.Tensor:
    return x.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)


def check_fading(synthesis: nn.Module, ws: torch.Tensor, lod: float) -> None:
    """A growing network for 16 x 16 images: at a fractional lod its image is a mixture of two ToRGBs."""
    k, full = int(lod), taps_of(synthesis, ws, lod=0)
    rgb, previous = full[f"b{16 >> k}.torgb"], full.get(f"b{8 >> k}.torgb")
    if lod > k:
        rgb = rgb + (lod - k) * (nearest(previous, 2) - rgb)
    assert relative_error(synthesis(ws, lod=lod), nearest(rgb, 2 ** k)) < 1e-6


def check_stages(synthesis: nn.Module, ws: torch.Tensor, lod: float | None = None) -> None:
    """Walking equals forward bit for bit, from every stage on; no stage writes into its input; taps are as declared."""
    stages = synthesis.stages(lod)
    noise = draw_noise(stages, "const", len(ws))
    inputs = [stage.inputs(ws, noise) for stage in stages]
    states, copies = [State()], [State()]
    for _, state in walk(stages, inputs):
        states.append(state)
        copies.append(State(*(None if x is None else x.clone() for x in state)))
    image = synthesis(ws, lod=lod)
    assert torch.equal(states[-1].image, image)
    assert list(image.shape) == [len(ws), synthesis.config.img_channels, *synthesis.resolution]
    for start in range(len(stages)):
        *_, (_, last) = walk(stages[start:], inputs[start:], states[start])
        assert torch.equal(last.image, image), f"resuming at {stages[start].name}"
    for state, copy in zip(states, copies):
        assert all(x is y if x is None else torch.equal(x, y) for x, y in zip(state, copy))
    _check_taps(synthesis, ws, lod, stages, states, image)


def _check_taps(synthesis, ws, lod, stages, states, image) -> None:
    seen = []
    watched = synthesis(ws, lod=lod, watch=lambda name, value: seen.append((name, value)))
    assert torch.equal(watched, image)
    taps = all_taps(stages)
    assert [name for name, _ in seen] == [tap.name for tap in taps]
    for tap, (_, value) in zip(taps, seen):
        assert tuple(value.shape) == (len(ws), *tap.shape), tap.name
    values = dict(seen)
    for stage, state in zip(stages, states[1:]):
        result = values[stage.taps[-1].name]
        assert any(x is None or torch.equal(x, result) for x in (state.x, state.image)), stage.name
    assert all(0 <= stage.w_row < synthesis.num_ws for stage in stages if stage.w_row is not None)


def check_derivative(value, tensors: list[torch.Tensor], directions: list[torch.Tensor], grads) -> None:
    """The slope of `value()` when float64 `tensors` move along `directions`, against their `grads` (None: no effect).

    Central differences of two steps, extrapolated so that the step's error is of fourth order.
    """
    def slope(step: float) -> torch.Tensor:
        values = []
        for offset in (step, -step):
            for x, d in zip(tensors, directions):
                x.data.add_(d, alpha=offset)
            values.append(value().detach())
            for x, d in zip(tensors, directions):
                x.data.sub_(d, alpha=offset)
        return (values[0] - values[1]) / (2 * step)
    expected = sum((g * d).sum() for g, d in zip(grads, directions) if g is not None).detach()
    assert relative_error((4 * slope(1e-5) - slope(2e-5)) / 3, expected) < 1e-7
