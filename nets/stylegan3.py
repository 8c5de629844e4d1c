"""The StyleGAN3 generator (Karras et al. 2021, sec. 3 and fig. 4): alias-free, built from its layers' signal plan."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cuda_ops.filtered_lrelu import filtered_lrelu, filtered_lrelu_steps
from cuda_ops.modulated_conv2d import modulated_conv2d_sg3
from nets import generator
from nets.config import LayerGeometry, StyleGAN3Config
from nets.errors import UserError
from nets.filters import lowpass
from nets.growing import check_lod
from nets.layers import Dense
from nets.plan import plan, stopbands
from nets.stages import Inputs, Stage, State, Tap, Watch, ignore

NUM_FP16_RES = 4                         # highest resolutions in half precision where the file marks none


class FourierInput(nn.Module):
    """w [N, w_dim] -> Fourier features [N, C, H, W], rotated and translated by w and by `transform` (sec. 3.1, app. F).

    `size`: (width, height) in samples; `rate` and `cutoff` of the features in cycles per image.
    """

    def __init__(self, channels: int, size: tuple[int, int], rate: float, cutoff: float, w_dim: int):
        super().__init__()
        self.size, self.rate, self.cutoff = size, rate, cutoff
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = Dense(w_dim, 4, weight_init=0.0, bias_init=(1.0, 0.0, 0.0, 0.0))
        self.register_buffer("transform", torch.eye(3))
        radius, angle = cutoff * torch.rand(channels).sqrt(), 2 * math.pi * torch.rand(channels)
        self.register_buffer("freqs", torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1))
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: Tensor, transform: Tensor | None = None) -> Tensor:
        """`transform` [3, 3] or one per sample: the inverse of the picture's, in place of the buffer of that name."""
        matrix = self._matrix(w, self.transform if transform is None else transform)      # [N, 3, 3]
        phases = self.phases + (self.freqs @ matrix[:, :2, 2:]).squeeze(2)                # [N, C]
        freqs = self.freqs @ matrix[:, :2, :2]                                            # [N, C, 2]
        fade = (freqs.norm(dim=2) - self.cutoff) / (self.rate / 2 - self.cutoff)
        amplitude = (1 - fade).clamp(0, 1)                                                # [N, C]
        x = self._grid() @ freqs.mT[:, None] + phases[:, None, None]                      # [N, H, W, C]
        x = (2 * math.pi * x).sin() * amplitude[:, None, None]
        x = x @ (self.weight.T / math.sqrt(len(self.weight)))
        return x.permute(0, 3, 1, 2).contiguous()

    def _matrix(self, w: Tensor, transform: Tensor) -> Tensor:
        """Rotation and translation learned from w, times `transform`."""
        if transform.shape[-2:] != (3, 3):
            raise UserError(f"the input transform has shape {list(transform.shape)}, it takes [3, 3].")
        t = self.affine(w)
        cos, sin, x, y = (t / t[:, :2].norm(dim=1, keepdim=True)).unbind(dim=1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1).unflatten(1, (3, 3))
        translation = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], dim=1).unflatten(1, (3, 3))
        return rotation @ translation @ transform.to(t)

    def _grid(self) -> Tensor:
        """[H, W, 2]: (x, y) of the sample centres in image units, the image spanning -0.5 .. 0.5."""
        x, y = ((torch.arange(n, device=self.freqs.device, dtype=self.freqs.dtype) + 0.5 - n / 2) / self.rate
                for n in self.size)
        return torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=2)


class Layer(nn.Module):
    """Modulated convolution, then the filtered leaky ReLU at a higher rate (fig. 4b); ToRGB where the geometry says so.

    x [N, C_in, H, W], w [N, w_dim] -> [N, C_out, H', W'].
    """

    def __init__(self, geometry: LayerGeometry, w_dim: int, magnitude_ema_beta: float):
        super().__init__()
        g = self.geometry = geometry
        self.magnitude_ema_beta = magnitude_ema_beta
        self.affine = Dense(w_dim, g.in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(g.out_channels, g.in_channels, g.conv_kernel, g.conv_kernel))
        self.bias = nn.Parameter(torch.zeros(g.out_channels))
        rate = g.in_rate * g.up_factor
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.register_buffer("up_filter", lowpass(g.up_taps, g.in_cutoff, 2 * g.in_half_width, rate))
        self.register_buffer("down_filter",
                             lowpass(g.down_taps, g.out_cutoff, 2 * g.out_half_width, rate, g.radial_down))

    def forward(self, x: Tensor, w: Tensor, update_ema: bool = False, watch: Watch = ignore) -> Tensor:
        """Watched, what the fused op hides is computed beside it; the result is the fused one all the same."""
        g = self.geometry
        if update_ema:
            self._move_magnitude(x.detach())
        style = self.affine(w)                                                            # [N, C_in]
        if g.is_torgb:
            style = style / math.sqrt(g.in_channels)
        x = modulated_conv2d_sg3(x, self.weight, style, demodulate=not g.is_torgb, padding=g.conv_kernel - 1,
                                 input_gain=self.magnitude_ema.rsqrt())
        gain, slope = (1.0, 1.0) if g.is_torgb else (math.sqrt(2), 0.2)
        given = (x, self.up_filter, self.down_filter, self.bias.to(x.dtype), g.up_factor, g.down_factor, g.padding,
                 gain, slope, g.conv_clamp)
        out = filtered_lrelu(*given)
        if watch is not ignore:
            up, act = filtered_lrelu_steps(*given)
            for step, value in (("conv", x), ("up", up), ("act", act), ("out", out)):
                watch(f"{g.name}.{step}", value)
        return out

    @torch.no_grad()
    def _move_magnitude(self, x: Tensor) -> None:
        magnitude = x.to(self.magnitude_ema.dtype).square().mean()
        self.magnitude_ema.lerp_(magnitude, 1 - self.magnitude_ema_beta)

    def stage(self, w_row: int, dtype: torch.dtype, f_t: tuple[float, float]) -> Stage:
        """Runs in `dtype`. `f_t`: stop band of the input and of the output."""
        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            return State(self(state.x.to(dtype), inputs.w, inputs.update_ema, watch))
        return Stage(self.geometry.name, run, self._taps(w_row, *f_t), w_row)

    def _taps(self, w_row: int, f_t_in: float, f_t_out: float) -> tuple[Tap, ...]:
        """`up` still has the input's band limits; `act` is what the output's will be cut out of."""
        g = self.geometry
        conv_size = tuple(size + g.conv_kernel - 1 for size in g.in_size)
        up_rate = g.in_rate * g.up_factor
        steps = (("conv", conv_size, g.in_rate, g.in_cutoff, f_t_in),
                 ("up", g.up_size, up_rate, g.in_cutoff, f_t_in),
                 ("act", g.up_size, up_rate, g.out_cutoff, f_t_out),
                 ("out", g.out_size, g.out_rate, g.out_cutoff, f_t_out))
        return tuple(Tap(f"{g.name}.{step}", (g.out_channels, *size[::-1]), w_row, rate, cutoff, stopband)
                     for step, size, rate, cutoff, stopband in steps)


class SynthesisNetwork(generator.SynthesisNetwork):
    """ws [N, num_ws, w_dim] -> image [N, img_channels, H, W]; row 0 of w goes to the input, row i + 1 to layer i."""

    def __init__(self, config: StyleGAN3Config):
        super().__init__()
        self.config, self.w_dim = config, config.w_dim
        self.layers = config.layers or plan(config)
        first, last = self.layers[0], self.layers[-1]
        self.num_ws, self.resolution = len(self.layers) + 1, last.out_size[::-1]
        size = (config.input_size, config.input_size) if config.input_size else first.in_size
        self.input = FourierInput(first.in_channels, size, config.input_rate or first.in_rate,
                                  config.input_cutoff or first.in_cutoff, config.w_dim)
        for geometry in self.layers:
            self.add_module(geometry.name, Layer(geometry, config.w_dim, config.magnitude_ema_beta))

    @property
    def variant(self) -> str:
        """'T', 'R' (1x1 convolutions, radial filters) or 'custom'."""
        kernels = {g.conv_kernel for g in self.layers if not g.is_torgb}
        is_radial = any(g.radial_down for g in self.layers)
        return "T" if kernels == {3} and not is_radial else "R" if kernels == {1} and is_radial else "custom"

    def stages(self, lod: float | None = None) -> list[Stage]:
        check_lod(lod, 0.0, 0)
        f_t = stopbands(self.config, self.layers)
        stages = [self._input_stage(f_t[0][0])]
        for row, geometry in enumerate(self.layers, start=1):
            stages.append(getattr(self, geometry.name).stage(row, self._dtype(geometry), f_t[row - 1]))
        return stages + [self._image_stage(f_t[-1][1])]

    def _input_stage(self, f_t: float) -> Stage:
        module = self.input

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            x = module(inputs.w, inputs.transform)
            watch("input", x)
            return State(x)
        tap = Tap("input", (len(module.weight), *module.size[::-1]), 0, module.rate, module.cutoff, f_t)
        return Stage("input", run, (tap,), w_row=0, reads_transform=True)

    def _image_stage(self, f_t: float) -> Stage:
        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            image = state.x.to(self.input.weight.dtype) * self.config.output_scale
            watch("image", image)
            return State(image=image)
        last = self.layers[-1]
        tap = Tap("image", (last.out_channels, *self.resolution), None, last.out_rate, last.out_cutoff, f_t)
        return Stage("image", run, (tap,))

    def _dtype(self, geometry: LayerGeometry) -> torch.dtype:
        """What a layer is computed in: float16 where the file marks it, or its highest resolutions if none is.

        bfloat16 in all but ToRGB: it has float32's range, but just the 8 bits that a picture shows.
        """
        is_marked = geometry.use_fp16
        if not any(g.use_fp16 for g in self.layers):
            is_marked = geometry.out_rate * 2 ** NUM_FP16_RES > self.layers[-1].out_rate
        if self.precision == torch.bfloat16:
            is_marked = not geometry.is_torgb
        return self.precision if is_marked and self.precision != torch.float32 else self.input.weight.dtype


class Generator(generator.Generator):
    """z [N, z_dim], label c [N, c_dim] -> image [N, img_channels, H, W]."""

    def __init__(self, config: StyleGAN3Config):
        super().__init__(config, SynthesisNetwork(config))
