"""StyleGAN3's signal plan: cutoff, stop band, sampling rate, size and width of every layer (sec. 3.2, fig. 4c).

Frequencies and rates are in cycles per image. Index i runs 0..N, N being the ToRGB layer: band i is what layer i puts
out, band max(i - 1, 0) what it takes in.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from nets.config import LayerGeometry, StyleGAN3Config
from nets.errors import UserError


class Band(NamedTuple):
    """The signal between two layers."""
    cutoff: float                        # f_c
    stopband: float                      # f_t
    rate: float                          # s
    half_width: float                    # f_h of the transition band
    size: int                            # width and height, margins included
    channels: int


def plan(config: StyleGAN3Config) -> tuple[LayerGeometry, ...]:
    """The geometry of every layer, ToRGB last (networks.md "StyleGAN3 synthesis"). Raises UserError if layers lack."""
    band = bands(config)
    return tuple(_layer(config, i, band[max(i - 1, 0)], band[i]) for i in range(config.num_layers + 1))


def bands(config: StyleGAN3Config) -> list[Band]:
    if not 0 <= config.num_critical < config.num_layers:
        raise UserError(f"{config.num_critical} of {config.num_layers} layers cannot be critically sampled.")
    return [_band(config, i) for i in range(config.num_layers + 1)]


def stopbands(config: StyleGAN3Config, layers: Sequence[LayerGeometry]) -> list[tuple[float, float]]:
    """f_t of each layer's input and output.

    A file's geometry does not hold them: where a cutoff is the plan's, f_t is too; elsewhere it is f_c + f_h, where
    the stop band of the layer's own filter begins.
    """
    planned = {round(band.cutoff, 6): band.stopband for band in bands(config)}
    return [(planned.get(round(g.in_cutoff, 6), g.in_cutoff + g.in_half_width),
             planned.get(round(g.out_cutoff, 6), g.out_cutoff + g.out_half_width)) for g in layers]


def _band(config: StyleGAN3Config, i: int) -> Band:
    resolution, num_layers = config.resolution, config.num_layers
    last_cutoff = resolution / 2
    progress = min(i / (num_layers - config.num_critical), 1)
    cutoff = _geometric(config.first_cutoff, last_cutoff, progress)
    stopband = _geometric(config.first_stopband, last_cutoff * config.last_stopband_rel, progress)
    rate = 2.0 ** math.ceil(math.log2(min(2 * stopband, resolution)))
    if not config.flexible_layers:
        cutoff, stopband = _fixed_limits(rate, resolution)
    size = resolution if i >= num_layers - 1 else int(rate) + 2 * config.margin_size
    channels = round(min(config.channel_base / 2 / cutoff, config.channel_max))
    return Band(cutoff, stopband, rate, max(stopband, rate / 2) - cutoff, size,
                config.img_channels if i == num_layers else channels)


def _geometric(first: float, last: float, progress: float) -> float:
    return first * (last / first) ** progress


def _fixed_limits(rate: float, resolution: int) -> tuple[float, float]:
    """f_c and f_t tied to the sampling rate, as before the flexible layers of sec. 3.2: f_h = (sqrt 2 - 1) s/2, the
    stop band ends at Nyquist, but at the full resolution the pass band does, for crisp images."""
    nyquist = rate / 2
    half_width = (math.sqrt(2) - 1) * nyquist
    return (nyquist, nyquist + half_width) if rate >= resolution else (nyquist - half_width, nyquist)


def _layer(config: StyleGAN3Config, i: int, band_in: Band, band_out: Band) -> LayerGeometry:
    is_torgb = i == config.num_layers
    is_critical = i >= config.num_layers - config.num_critical
    kernel = 1 if is_torgb else config.conv_kernel
    rate = max(band_in.rate, band_out.rate) * (1 if is_torgb else config.lrelu_upsampling)
    up, down = round(rate / band_in.rate), round(rate / band_out.rate)
    up_taps = 1 if up == 1 or is_torgb else config.filter_size * up
    down_taps = 1 if down == 1 or is_torgb else config.filter_size * down
    padding = _padding(band_in.size + kernel - 1, band_out.size, up, down, up_taps, down_taps)
    return LayerGeometry(
        name=f"L{i}_{band_out.size}_{band_out.channels}",
        in_channels=band_in.channels, out_channels=band_out.channels,
        in_size=(band_in.size, band_in.size), out_size=(band_out.size, band_out.size),
        in_rate=band_in.rate, out_rate=band_out.rate,
        in_cutoff=band_in.cutoff, out_cutoff=band_out.cutoff,
        in_half_width=band_in.half_width, out_half_width=band_out.half_width,
        conv_kernel=kernel, up_factor=up, down_factor=down, up_taps=up_taps, down_taps=down_taps,
        padding=padding * 2, is_torgb=is_torgb, radial_down=config.use_radial_filters and not is_critical,
        use_fp16=band_out.rate * 2 ** config.num_fp16_res > config.resolution,
        conv_clamp=config.conv_clamp, critically_sampled=is_critical,
    )


def _padding(size_in: int, size_out: int, up: int, down: int, up_taps: int, down_taps: int) -> tuple[int, int]:
    """Samples of the upsampled signal to add before and after it, so that `size_out` come out, centred."""
    total = (size_out - 1) * down + 1 - size_in * up + up_taps + down_taps - 2
    before = (total + up) // 2
    return before, total - before
