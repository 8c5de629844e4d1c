"""What there is to know of an open network, and which parts of a request it has no use for."""
from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches

from nets.checkpoint import Checkpoint as OpenCheckpoint
from nets.config import GeneratorConfig, StyleGAN1Config, StyleGAN2Config, StyleGAN3Config, kind_of
from nets.generator import Generator
from nets.stages import Stage, Tap, all_taps
from renderer.types import ModelInfo, RenderRequest, TapInfo


def model_info(path: str, checkpoint: OpenCheckpoint, name: str, generator: Generator, stages: Sequence[Stage],
               ) -> ModelInfo:
    """Of network `name` in `checkpoint`, built as `generator`, with the taps that `stages` offer."""
    record, config = checkpoint.networks[name], generator.config
    has_lod = grows(config)
    return ModelInfo(
        path=path, format=checkpoint.format, family=kind_of(config), variant=generator.variant, network=name,
        networks=tuple(checkpoint.networks), resolution=tuple(generator.resolution), channels=generator.img_channels,
        z_dim=generator.z_dim, w_dim=generator.w_dim, c_dim=generator.c_dim, num_ws=generator.num_ws,
        parameters=record.parameters, kwargs=json.dumps(record.kwargs),
        taps=tuple(map(tap_info, all_taps(stages))),
        has_noise=any(stage.noise_const is not None for stage in stages),
        has_transform=any(stage.reads_transform for stage in stages),
        has_lod=has_lod, lod=config.lod if has_lod else None, notes=tuple(checkpoint.notes))


def tap_info(tap: Tap) -> TapInfo:
    """`tap` with its sampling rate written out: its width, where the signal covers the image exactly."""
    rate = float(tap.shape[2]) if tap.rate is None else tap.rate
    return TapInfo(tap.name, tuple(tap.shape), tap.w_row, rate, tap.cutoff, tap.stopband)


def tap_named(info: ModelInfo, name: str) -> TapInfo:
    """The tap of that name, which there must be."""
    return next(tap for tap in info.taps if tap.name == name)


def grows(config: GeneratorConfig) -> bool:
    """Whether the network is progressive and takes a level of detail."""
    return isinstance(config, StyleGAN1Config) or getattr(config, "architecture", None) == "growing"


def clamp_of(config: GeneratorConfig, tap: str) -> float | None:
    """The magnitude this tap's signal was clamped to; None: it was not."""
    step = tap.rpartition(".")[2]
    if isinstance(config, StyleGAN2Config):
        return config.conv_clamp if step in ("act", "torgb") else None
    if isinstance(config, StyleGAN3Config) and step == "act":
        layers = {layer.name: layer.conv_clamp for layer in config.layers or ()}
        return layers.get(tap.rpartition(".")[0], config.conv_clamp)
    return None


def previous_nyquist(config: GeneratorConfig, tap: TapInfo) -> float | None:
    """Nyquist of the resolution before the tap's, in StyleGAN1 and 2; None at the first one and in StyleGAN3."""
    if isinstance(config, StyleGAN3Config):
        return None
    first = config.start_size[1] if isinstance(config, StyleGAN2Config) else 4
    return tap.shape[2] / 4 if tap.shape[2] > first else None


def fit(request: RenderRequest, info: ModelInfo) -> tuple[RenderRequest, tuple[str, ...]]:
    """`request` without what this network has no use for, and a sentence for each part left out."""
    latent, mix, synth, table, notes = request.latent, request.mix, request.synth, request.table, []
    if latent.classes and not info.c_dim:
        latent = replace(latent, classes=())
        notes.append("this network has no classes: the class chosen has no effect.")
    if synth.transform is not None and not info.has_transform:
        synth = replace(synth, transform=None)
        notes.append("this network has no input transform: the one given has no effect.")
    if synth.lod is not None and not info.has_lod:
        synth = replace(synth, lod=None)
        notes.append("this network does not grow progressively: the lod given has no effect.")
    mix = replace(mix, rows=_fit_rows(mix.rows, info, notes))
    if table is not None:
        table = replace(table, rows=_fit_rows(table.rows, info, notes))
    seeds = request.seeds
    if table is not None and seeds is not None:
        seeds = None
        notes.append("a mixing table is asked for: the grid of seeds beside it has no effect.")
    tap, names = request.tap, [tap.name for tap in info.taps]
    if tap not in names:
        like = get_close_matches(tap, names, 3)
        notes.append(f"this network has no tap '{tap}'" + (f"; it has {', '.join(like)}." if like else "."))
        tap = names[-1]
    return replace(request, latent=latent, mix=mix, synth=synth, tap=tap, table=table, seeds=seeds), tuple(notes)


def _fit_rows(rows: tuple[int, ...], info: ModelInfo, notes: list[str]) -> tuple[int, ...]:
    foreign = [row for row in rows if not 0 <= row < info.num_ws]
    if foreign:
        shown = ", ".join(map(str, foreign[:8]))
        notes.append(f"w has rows 0 to {info.num_ws - 1} in this network: {shown} cannot be mixed.")
    return tuple(row for row in rows if 0 <= row < info.num_ws)
