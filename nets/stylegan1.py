"""StyleGAN1 (Karras et al. 2019): the generator of fig. 1b, its ablations down to the traditional generator of fig. 1a,
and the discriminator, all progressively grown (ProGAN, Karras et al. 2018)."""
from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cuda_ops.bias_act import bias_act
from cuda_ops.kept import is_keepable, kept
from cuda_ops.scaled_conv2d import scaled_conv2d
from cuda_ops.style_epilogue import add_noise, apply_style, enlarged_convolution, instance_norm, style_epilogue
from cuda_ops.upfirdn2d import filter2d, setup_filter
from nets import generator
from nets.config import StyleGAN1Config, StyleGAN1DiscriminatorConfig, channels_at
from nets.growing import check_lod, fade, fade_image, is_shown
from nets.layers import Conv2d, Dense, check_images, for_picture, minibatch_stddev, normalize_2nd_moment
from nets.stages import Edit, Inputs, Stage, State, Tap, Watch, ignore

NEAREST = (1, 1)                         # 2x2 averaging as an FIR filter
HE_GAIN = math.sqrt(2)                   # in StyleGAN1 it sits in the weights, not in the activation


class Epilogue(nn.Module):
    """x [N, C, R, R] -> noise -> bias, activation -> normalisation -> AdaIN style (sec. 2, eq. 1); ablations lack some.

    w [N, w_dim]; noise [1 or N, 1, R, R] or None; `edit`: see `stages.Inputs`.
    """

    def __init__(self, config: StyleGAN1Config, name: str, channels: int, resolution: int):
        super().__init__()
        self.config, self.name = config, name
        self.bias = nn.Parameter(torch.zeros(channels))
        self.noise_strength = None
        if config.use_noise:
            self.register_buffer("noise_const", torch.randn(resolution, resolution))
            self.noise_strength = nn.Parameter(torch.zeros(channels))
        if config.use_styles:
            self.affine = Dense(config.w_dim, 2 * channels)
        normalises = config.use_pixel_norm or config.use_instance_norm
        present = {"noise": config.use_noise, "act": True, "norm": normalises, "style": config.use_styles}
        self.shapes = {step: (channels, resolution, resolution) for step in present if present[step]}

    def forward(self, x: Tensor, w: Tensor | None = None, noise: Tensor | None = None, watch: Watch = ignore,
                edit: Edit | None = None) -> Tensor:
        return self._epilogue(x, w, noise, watch, edit)

    def _epilogue(self, x: Tensor, w: Tensor | None, noise: Tensor | None, watch: Watch, edit: Edit | None,
                  gain: float = 1, is_enlarged: bool = False, blur: Tensor | None = None) -> Tensor:
        """The fused op (its docstring says what the last three are), for all but ablations and edits; watched or not it
        is what the layer hands on, and the steps are shown beside it."""
        config = self.config
        scale, shift = self.affine(w).chunk(2, dim=1) if config.use_styles else (None, None)
        y = None
        if config.use_instance_norm and not config.use_pixel_norm and edit is None:
            y = style_epilogue(x, noise, self.noise_strength, self.bias, config.activation, scale, shift, gain,
                               is_enlarged, blur, overwrite=watch is ignore and "conv" in self.shapes)
            if watch is ignore:
                return y
        x = enlarged_convolution(x, blur) if is_enlarged else x
        steps = self._steps(x * gain if gain != 1 else x, noise, scale, shift, edit)
        *_, last = self.shapes
        for step, value in steps:
            if step == last and y is not None:
                value = y
            watch(f"{self.name}.{step}", value)
        return value

    def _steps(self, x: Tensor, noise: Tensor | None, scale: Tensor | None, shift: Tensor | None, edit: Edit | None,
               ) -> Iterator[tuple[str, Tensor]]:
        """Those of `shapes`, one by one. Pixel norm in at least float32, whose range the squares need."""
        config, dtype = self.config, x.dtype
        if "conv" in self.shapes:
            yield "conv", x
        if config.use_noise:
            x = add_noise(x, noise, self.noise_strength)
            yield "noise", x
        x = bias_act(x, self.bias.to(dtype), act=config.activation, gain=1)
        yield "act", x
        if config.use_pixel_norm:
            x = normalize_2nd_moment(x.to(torch.promote_types(dtype, torch.float32))).to(dtype)
        if config.use_instance_norm:
            x = (edit or instance_norm)(x)
        if "norm" in self.shapes:
            yield "norm", x
        if config.use_styles:
            yield "style", apply_style(x, scale, shift)

    def stage(self, w_row: int, dtype: torch.dtype) -> Stage:
        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            return state._replace(x=self(state.x.to(dtype), inputs.w, inputs.noise, watch, inputs.edit))
        w_row = w_row if self.config.use_styles else None
        taps = tuple(Tap(f"{self.name}.{step}", shape, w_row) for step, shape in self.shapes.items())
        return Stage(self.name, run, taps, w_row, noise_const=self.noise_const if self.config.use_noise else None)


class Layer(Epilogue):
    """3x3 convolution and epilogue. With `up`: nearest-neighbour upsampling by 2 before it, a blur after it.

    Enlarged, it runs as a strided transposed convolution at a quarter of the arithmetic; the epilogue makes up for the
    rest.
    """

    def __init__(self, config: StyleGAN1Config, name: str, in_channels: int, out_channels: int, resolution: int,
                 up: int = 1):
        super().__init__(config, name, out_channels, resolution)
        self.up, self.coef = up, HE_GAIN / math.sqrt(9 * in_channels)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        if up > 1:
            blur = torch.tensor(config.blur_filter or (1,), dtype=torch.float32)
            self.register_buffer("blur", blur / blur.sum(), persistent=False)                 # [taps]
        self.shapes = {"conv": (out_channels, resolution, resolution)} | self.shapes

    def forward(self, x: Tensor, w: Tensor | None = None, noise: Tensor | None = None, watch: Watch = ignore,
                edit: Edit | None = None) -> Tensor:
        weight, coef = self.weight, self.coef
        if x.dtype == torch.float16:             # whose range the sums would leave without it
            weight, coef = weight * coef, 1
        if self.up == 1:
            return self._epilogue(scaled_conv2d(x, weight, padding=(1, 1, 1, 1)), w, noise, watch, edit, coef)
        x = scaled_conv2d(x, _flipped(weight), up=2)
        return self._epilogue(x, w, noise, watch, edit, coef, is_enlarged=True, blur=self.blur)


def _flipped(weight: Tensor) -> Tensor:
    """weight [O, I, k, k] turned by 180°: a parameter's is kept, as a parameter, with what is prepared from it."""
    def parameter(weight: Tensor) -> nn.Parameter:
        with torch.inference_mode(False):
            return nn.Parameter(weight.flip(2, 3), requires_grad=False)
    return kept(weight, "flipped", parameter) if is_keepable(weight) else weight.flip(2, 3)


class Block(nn.Module):
    """The two layers of resolution 4 * 2^index and its ToRGB."""

    def __init__(self, config: StyleGAN1Config, index: int):
        super().__init__()
        self.config, self.index = config, index
        self.resolution = resolution = 4 << index
        self.name = f"b{resolution}"
        self.channels = channels = channels_at(config, resolution)
        if index:
            in_channels = channels_at(config, resolution // 2)
            self.conv0 = Layer(config, f"{self.name}.conv0", in_channels, channels, resolution, up=2)
        else:
            self.conv0 = Epilogue(config, f"{self.name}.conv0", channels, resolution)
            if config.const_input:
                self.const = nn.Parameter(torch.ones(channels, 4, 4))
            else:
                self.dense = Dense(config.w_dim, 16 * channels, bias=False, weight_gain=HE_GAIN / 4)
        self.conv1 = Layer(config, f"{self.name}.conv1", channels, channels, resolution)
        self.torgb = Conv2d(channels, config.img_channels, 1, resample_filter=None)

    def stages(self, dtype: torch.dtype, level: int, lod: float) -> list[Stage]:
        """Features run in `dtype`; `level` is the block's own level of detail. Rows of w: networks.md."""
        row = 2 * self.index
        stages = [] if self.index else [self._input_stage(dtype)]
        return stages + [self.conv0.stage(row, dtype), self.conv1.stage(row + 1, dtype), self._torgb_stage(level, lod)]

    def _input_stage(self, dtype: torch.dtype) -> Stage:
        """The learned constant, or of the traditional generator w through a dense layer."""
        is_const = self.config.const_input
        name = "const" if is_const else "input"

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            num = len(inputs.w)                                   # all that the constant needs of w
            x = self.const.expand(num, -1, -1, -1) if is_const else self.dense(inputs.w).reshape(num, -1, 4, 4)
            x = x.to(dtype)
            watch(name, x)
            return State(x)
        return Stage(name, run, (Tap(name, (self.channels, 4, 4), None if is_const else 0),), w_row=0)

    def _torgb_stage(self, level: int, lod: float) -> Stage:
        name = f"{self.name}.torgb"
        shape = self.config.img_channels, self.resolution, self.resolution

        def run(state: State, inputs: Inputs, watch: Watch) -> State:
            is_part = is_shown(level, lod)
            if watch is ignore and not is_part:
                return state
            rgb = self.torgb(for_picture(state.x)).to(self.torgb.bias.dtype)
            watch(name, rgb)
            image = fade_image(rgb, state.image, lod - level)
            watch(f"{self.name}.image", image)
            return state._replace(image=image) if is_part else state     # the same, watched or not
        return Stage(name, run, (Tap(name, shape), Tap(f"{self.name}.image", shape)))


class SynthesisNetwork(generator.BlockSynthesis):
    """ws [N, num_ws, w_dim] -> image [N, img_channels, R, R]; num_ws = 2 log2 R - 2, or 1 without styles."""

    def __init__(self, config: StyleGAN1Config):
        blocks = [Block(config, index) for index in range(int(math.log2(config.resolution)) - 1)]
        super().__init__(config, blocks, grows=True)
        self.variant = "style" if config.const_input else "traditional"
        self.resolution = config.resolution, config.resolution
        self.num_ws = 2 * len(blocks) if config.use_styles else 1


class Generator(generator.Generator):
    """z [N, z_dim], label c [N, c_dim] -> image [N, img_channels, R, R]."""

    def __init__(self, config: StyleGAN1Config):
        super().__init__(config, SynthesisNetwork(config))


# -- discriminator ----------------------------------------------------------------------------------------------------

class DiscriminatorBlock(nn.Module):
    """Features of one resolution to those of the next: conv 3x3, blur, conv 3x3 and 2x2 average."""

    def __init__(self, config: StyleGAN1DiscriminatorConfig, resolution: int):
        super().__init__()
        channels, out_channels = channels_at(config, resolution), channels_at(config, resolution // 2)
        self.fromrgb = _conv(config, config.img_channels, channels, 1)
        self.conv0 = _conv(config, channels, channels, 3)
        self.conv1 = _conv(config, channels, out_channels, 3, down=2)
        self.register_buffer("blur", setup_filter(config.blur_filter or None), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, C', H/2, W/2]."""
        return self.conv1(filter2d(self.conv0(x), self.blur))


class DiscriminatorEpilogue(nn.Module):
    """4x4 features -> minibatch statistics -> conv 3x3 -> two dense layers: [N, max(c_dim, 1)]."""

    def __init__(self, config: StyleGAN1DiscriminatorConfig):
        super().__init__()
        self.config = config
        channels, features = channels_at(config, 4), min(config.channel_base // 2, config.channel_max)
        self.fromrgb = _conv(config, config.img_channels, channels, 1)
        self.conv = _conv(config, channels + config.mbstd_num_channels, channels, 3)
        self.fc = Dense(16 * channels, features, activation=config.activation, weight_gain=HE_GAIN, act_gain=1)
        self.out = Dense(features, max(config.c_dim, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = minibatch_stddev(x, self.config.mbstd_group_size, self.config.mbstd_num_channels)
        return self.out(self.fc(self.conv(x).flatten(1)))


def _conv(config: StyleGAN1DiscriminatorConfig, in_channels: int, out_channels: int, kernel: int,
          down: int = 1) -> Conv2d:
    return Conv2d(in_channels, out_channels, kernel, activation=config.activation, down=down, resample_filter=NEAREST,
                  save_filter=False, weight_gain=HE_GAIN, act_gain=1)


class Discriminator(nn.Module):
    """image [N, img_channels, R, R], label c [N, c_dim] -> score [N, 1]. Raises UserError on other shapes.

    A conditional network gives one score per class; that of the label is their sum weighted by c.
    """

    def __init__(self, config: StyleGAN1DiscriminatorConfig):
        super().__init__()
        self.config = config
        self.max_lod = int(math.log2(config.resolution)) - 2
        for level in range(self.max_lod):
            resolution = config.resolution >> level
            self.add_module(f"b{resolution}", DiscriminatorBlock(config, resolution))
        self.b4 = DiscriminatorEpilogue(config)

    def forward(self, image: Tensor, c: Tensor | None = None, lod: float | None = None) -> Tensor:
        """`lod`: level of detail it begins at; None: the configuration's."""
        check_images(image, c, self.config.img_channels, (self.config.resolution,) * 2, self.config.c_dim)
        lod = check_lod(lod, self.config.lod, self.max_lod)
        first = math.floor(lod)
        x = self._from_rgb(image, first)
        for level in range(first, self.max_lod):
            x = self._block(level)(x)
            if is_shown(level + 1, lod):
                x = fade(x, self._from_rgb(image, level + 1), lod - level)
        scores = self.b4(x)
        return (scores * c.to(scores.dtype)).sum(dim=1, keepdim=True) if self.config.c_dim else scores

    def _block(self, level: int) -> nn.Module:
        return getattr(self, f"b{self.config.resolution >> level}")

    def _from_rgb(self, image: Tensor, level: int) -> Tensor:
        return self._block(level).fromrgb(F.avg_pool2d(image, 2 ** level) if level else image)
