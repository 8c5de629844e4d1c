"""The StyleGAN2 generator (Karras et al. 2020, fig. 2d and 7): skip, resnet, orig, and growing (configs B-D)."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cuda_ops.bias_act import bias_act
from cuda_ops.modulated_conv2d import modulated_conv2d, modulated_conv2d_before_fir
from cuda_ops.noise_act import add_noise, demodulated, noise_act
from cuda_ops.upfirdn2d import setup_filter, upsample2d
from nets import generator
from nets.config import StyleGAN2Config, channels_at
from nets.growing import fade_image, is_shown
from nets.layers import Conv2d, Dense, for_picture
from nets.stages import Inputs, Stage, State, Tap, Watch, ignore


class Layer(nn.Module):
    """Modulated and demodulated 3x3 convolution, upsampled by `up` -> noise -> bias, activation, clamp (fig. 2d).

    x [N, C_in, H / up, W / up], w [N, w_dim], noise [1 or N, 1, H, W] or None -> [N, C_out, H, W].
    """

    def __init__(self, config: StyleGAN2Config, name: str, in_channels: int, out_channels: int, size: tuple[int, int],
                 up: int = 1):
        super().__init__()
        self.config, self.name, self.up = config, name, up
        self.affine = Dense(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", setup_filter(config.resample_filter))
        if config.use_noise:
            self.register_buffer("noise_const", torch.randn(size))
            self.noise_strength = nn.Parameter(torch.zeros([]))
        steps = ["conv", "noise", "act"] if config.use_noise else ["conv", "act"]
        self.shapes = {"style": (in_channels, 1, 1)} | {step: (out_channels, *size) for step in steps}

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None = None, watch: Watch = ignore) -> Tensor:
        config = self.config
        style = self.affine(w)                                                # [N, C_in]
        watch(f"{self.name}.style", style[:, :, None, None])
        x, scale, fir = modulated_conv2d_before_fir(
            x, self.weight, style, up=self.up, padding=1, resample_filter=self.resample_filter,
            flip_weight=self.up == 1, scaled_weights=config.scaled_weights)
        strength = self.noise_strength if config.use_noise else None
        if watch is not ignore:
            self._show_steps(demodulated(x, scale, fir), noise, strength, watch)
        x = noise_act(x, noise, strength, self.bias, act=config.activation, clamp=config.conv_clamp,
                      scale=scale, fir=fir, overwrite=True)
        watch(f"{self.name}.act", x)
        return x

    def _show_steps(self, x: Tensor, noise: Tensor | None, strength: Tensor | None, watch: Watch) -> None:
        """What `noise_act` passes through, computed beside it: a watched layer hands on the same bits."""
        watch(f"{self.name}.conv", x)
        if strength is not None:
            watch(f"{self.name}.noise", add_noise(x, noise, strength))

    def stage(self, w_row: int, dtype: torch.dtype, keep_input: bool = False) -> Stage:
        """`keep_input`: the state keeps x for the residual branch."""
        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            x = self(state.x.to(dtype), inputs.w, inputs.noise, watch)
            return state._replace(x=x, skip=state.x if keep_input else state.skip)
        taps = tuple(Tap(f"{self.name}.{step}", shape, w_row) for step, shape in self.shapes.items())
        return Stage(self.name, run, taps, w_row, noise_const=self.noise_const if self.config.use_noise else None)


class ToRGB(nn.Module):
    """Modulated, not demodulated 1x1 convolution -> bias, clamp.

    x [N, C_in, H, W], w [N, w_dim] -> [N, img_channels, H, W] in the parameters' type.
    """

    def __init__(self, config: StyleGAN2Config, in_channels: int):
        super().__init__()
        self.conv_clamp, self.coef = config.conv_clamp, 1 / math.sqrt(in_channels)
        self.affine = Dense(config.w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(config.img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(config.img_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        x = modulated_conv2d(for_picture(x), self.weight, self.affine(w) * self.coef, demodulate=False)
        return bias_act(x, self.bias.to(x.dtype), clamp=self.conv_clamp).to(self.bias.dtype)


class Block(nn.Module):
    """All layers of resolution 4 * 2^index, and how their ToRGB joins the image (fig. 7)."""

    def __init__(self, config: StyleGAN2Config, index: int, is_last: bool):
        super().__init__()
        self.config, self.index = config, index
        self.name = f"b{4 << index}"
        self.size = config.start_size[0] << index, config.start_size[1] << index
        self.channels = channels_at(config, 4 << index)
        if index == 0:
            self.const = nn.Parameter(torch.randn(self.channels, *self.size))
        else:
            in_channels = channels_at(config, 2 << index)
            self.conv0 = Layer(config, f"{self.name}.conv0", in_channels, self.channels, self.size, up=2)
            if config.architecture == "resnet":
                self.skip = Conv2d(in_channels, self.channels, 1, bias=False, up=2,
                                   resample_filter=config.resample_filter)
        self.conv1 = Layer(config, f"{self.name}.conv1", self.channels, self.channels, self.size)
        has_torgb = is_last or config.architecture in ("skip", "growing")
        self.torgb = ToRGB(config, self.channels) if has_torgb else None
        self.register_buffer("resample_filter", setup_filter(config.resample_filter))

    def stages(self, dtype: torch.dtype, level: int, lod: float) -> list[Stage]:
        """Features run in `dtype`; `level` is the block's own level of detail. Rows of w: networks.md."""
        row = 2 * self.index
        if self.index == 0:
            stages = [self._const_stage(dtype), self.conv1.stage(row, dtype)]
        else:
            is_residual = self.config.architecture == "resnet"
            stages = [self.conv0.stage(row - 1, dtype, keep_input=is_residual), self.conv1.stage(row, dtype)]
            if is_residual:
                stages.append(self._sum_stage())
        if self.torgb is not None:
            stages.append(self._torgb_stage(row + 1, level, lod))
        return stages

    def _const_stage(self, dtype: torch.dtype) -> Stage:
        name = "const"

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            x = self.const.to(dtype).expand(len(inputs.w), -1, -1, -1)        # w only tells the number of samples
            watch(name, x)
            return State(x)
        return Stage(name, run, (Tap(name, (self.channels, *self.size)),), w_row=0)

    def _sum_stage(self) -> Stage:
        """The end of a residual block: (main + skip) / sqrt 2 (sec. 4.1)."""
        name = f"{self.name}.out"

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            x = (state.x + self.skip(state.skip.to(state.x.dtype))) * math.sqrt(0.5)
            watch(name, x)
            return State(x, state.image)
        return Stage(name, run, (Tap(name, (self.channels, *self.size)),))

    def _torgb_stage(self, w_row: int, level: int, lod: float) -> Stage:
        name, is_growing = f"{self.name}.torgb", self.config.architecture == "growing"
        taps = tuple(Tap(tap, (self.config.img_channels, *self.size), w_row) for tap in (name, f"{self.name}.image"))

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            is_part = not is_growing or is_shown(level, lod)
            if watch is ignore and not is_part:
                return state
            rgb = self.torgb(state.x, inputs.w)
            watch(name, rgb)
            image = self._join(rgb, state.image, lod - level)
            watch(f"{self.name}.image", image)
            return state._replace(image=image) if is_part else state     # the same, watched or not
        return Stage(name, run, taps, w_row)

    def _join(self, rgb: Tensor, image: Tensor | None, faded: float) -> Tensor:
        """This block's ToRGB and the image of the block before."""
        if self.config.architecture == "growing":
            return fade_image(rgb, image, faded)
        return rgb if image is None else upsample2d(image, self.resample_filter) + rgb


class SynthesisNetwork(generator.BlockSynthesis):
    """ws [N, num_ws, w_dim] -> image [N, img_channels, H, W], num_ws = 2 log2 R - 2."""

    def __init__(self, config: StyleGAN2Config):
        last = int(math.log2(config.resolution // config.start_size[1]))
        blocks = [Block(config, index, is_last=index == last) for index in range(last + 1)]
        super().__init__(config, blocks, config.architecture == "growing", config.num_fp16_res)
        self.variant, self.resolution, self.num_ws = config.architecture, config.size, 2 * len(blocks)


class Generator(generator.Generator):
    """z [N, z_dim], label c [N, c_dim] -> image [N, img_channels, H, W]."""

    def __init__(self, config: StyleGAN2Config):
        super().__init__(config, SynthesisNetwork(config))
