"""The CUDA kernels, run by the emulation, against the reference in float64: layouts, odd sizes, tile edges, types."""
from __future__ import annotations

import itertools

import pytest
import torch
from cuda_emulation import emulated
from direct_ops import relative_error

from cuda_ops import bias_act as bias_act_file
from cuda_ops import dispatch
from cuda_ops.bias_act import bias_act
from cuda_ops.conv2d_resample import Fir, apply_fir
from cuda_ops.noise_act import noise_act
from cuda_ops.style_epilogue import style_epilogue
from cuda_ops.upfirdn2d import SPECIALISED, upfirdn2d

# Largest error of a rounding: relative, and of the smallest numbers.
HALVES = {torch.float16: (2.0 ** -11, 2.0 ** -25), torch.bfloat16: (2.0 ** -8, 2.0 ** -134)}
LAYOUTS = {"nchw": torch.contiguous_format, "channels-last": torch.channels_last}
GENERIC = ((2, 3), (3, 2), (5, 4))                   # up, down and taps that no specialisation has


@pytest.fixture(scope="module", autouse=True)
def compiled(emulator):
    """All at once: that is quicker than one by one."""
    acts = [f"bias_act<float, act::{act}>" for act in bias_act_file.ACTIVATIONS]
    emulator.build("bias_act.cu", *acts, *(f"bias_act<{t}, act::linear>" for t in ("half16", "bfloat16")))
    emulator.build("noise_act.cu", *(f"noise_act<{t}>" for t in ("float", "half16", "bfloat16")),
                   *(f"noise_act_fir<float, 4, 4, {c}>" for c in (1, 32)))
    emulator.build("style_epilogue.cu", "style_apply<float>", *(f"style_factors<{c}>" for c in (1, 16)),
                   *(f"style_act<float, {c}, {flag}>" for c in (1, 16) for flag in ("true", "false")))
    tiles = [", ".join(map(str, (*up, *down, *taps, c))) for up, down, taps in SPECIALISED for c in (1, 32)]
    emulator.build("upfirdn2d.cu", "upfirdn2d_any<float>", *(f"upfirdn2d<float, {tile}>" for tile in tiles))


def noise(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def image(*shape, layout="nchw", dtype=torch.float32, seed=0):
    return noise(*shape, dtype=dtype, seed=seed).contiguous(memory_format=LAYOUTS[layout])


def reference(op, x, *arguments, **settings):
    with dispatch.use("reference"):
        return op(x, *arguments, **settings)


def check_float32(emulator, op, x, *arguments, **settings):
    """Within four times the error that the reference itself makes in float32."""
    with emulated(emulator):
        ours = op(x, *arguments, **settings)
    exact = reference(op, x.double(), *arguments, **settings)
    own = relative_error(reference(op, x, *arguments, **settings), exact)
    assert relative_error(ours, exact) <= 4 * own
    return ours


def check_half(ours, exact, before_rounding):
    """One rounding of a value that is exact to within `before_rounding`."""
    relative, smallest = HALVES[ours.dtype]
    bound = relative * exact.abs() + smallest + 2 * before_rounding
    assert ((ours.double() - exact).abs() <= bound).all()


# --- upfirdn2d -------------------------------------------------------------------------------------------------------

def paddings(fw, fh):
    """Centred; overhanging on one side; cropping one."""
    return [(fw - 1, fw // 2, fh - 1, fh // 2), (2 * fw + 1, fw, -1, 2 * fh), (-2, fw + 6, fh + 5, -3)]


@pytest.mark.parametrize("up, down, taps", [*SPECIALISED, GENERIC], ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_upfirdn2d(emulator, up, down, taps, layout):
    """35 channels fill one tile of channels and begin another."""
    f = noise(*taps[::-1], seed=1)
    for size, padding in zip([(11, 13), (1, 70), (9, 1)], paddings(*taps)):
        y = check_float32(emulator, upfirdn2d, image(2, 35, *size, layout=layout), f, up, down, padding)
        assert y.is_contiguous(memory_format=LAYOUTS[layout])


def test_upfirdn2d_over_the_edges_of_tiles(emulator):
    """Outputs one less, as many and one more than tiles of both layouts hold, from each phase."""
    f = noise(4, 4, seed=1)
    for layout, (size, c) in itertools.product(LAYOUTS, [(7, 64), (8, 31), (9, 33), (31, 2), (32, 2), (33, 2)]):
        for padding in ((2, 1, 2, 1), (1, 2, 3, 0)):
            check_float32(emulator, upfirdn2d, image(1, c, size, size, layout=layout), f, 2, 1, padding)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_upfirdn2d_in_16_bits(emulator, dtype, layout):
    f = torch.tensor([1.0, 3, 3, 1]).outer(torch.tensor([1.0, 3, 3, 1])) / 64
    for up, down in ((2, 1), (1, 2), (1, 1), (2, 3)):
        x = image(2, 33, 6, 9, layout=layout, dtype=dtype)
        with emulated(emulator):
            y = upfirdn2d(x, f, up, down, padding=3)
        exact, size = (reference(upfirdn2d, v.double(), f, up, down, padding=3) for v in (x, x.abs()))
        check_half(y, exact, 17 * 2.0 ** -24 * size)            # 16 products and their sum


def test_upfirdn2d_of_nothing_and_of_strides(emulator):
    f = noise(4, 4, seed=1)
    with emulated(emulator):
        assert upfirdn2d(torch.zeros(0, 3, 8, 8), f, 2, 1, 2).shape == (0, 3, 17, 17)
        assert upfirdn2d(torch.zeros(2, 0, 8, 8), f, 2, 1, 2).shape == (2, 0, 17, 17)
    for x in (image(3, 2, 9, 8).transpose(2, 3), image(2, 6, 7, 16)[:, ::2, 1:, ::2],
              image(1, 1, 5, 6).expand(2, 4, 5, 6)):
        check_float32(emulator, upfirdn2d, x, f, 2, 1, 2)


def test_gradients_of_upfirdn2d(emulator):
    """The backward of a specialised form, and its backward, are kernels as well."""
    x, f = image(1, 2, 5, 6).requires_grad_(), noise(4, 4, seed=1)

    def second(x):
        y = upfirdn2d(x, f, 2, 1, (2, 1, 2, 1)).square().sum()
        dx, = torch.autograd.grad(y, x, create_graph=True)
        return torch.autograd.grad(dx.square().sum(), x)[0]
    check_float32(emulator, second, x)


# --- bias_act --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("act", bias_act_file.ACTIVATIONS)
def test_bias_act(emulator, act):
    """From where activations are flat to where e^x overflows; vectors that end amid a row, and short ones."""
    b = noise(5, seed=1)
    for layout, size in itertools.product(LAYOUTS, [(3, 7), (1, 1), (2, 2)]):
        x = image(3, 5, *size, layout=layout)
        for scale in (1.0, 30.0):
            check_float32(emulator, bias_act, x * scale, b, act=act, gain=1.7, clamp=0.9 * scale)
    x = torch.tensor([-200.0, -90, -20, -0.0, 0, 20, 90, 200, float("inf"), float("nan")])
    with emulated(emulator):
        ours = bias_act(x, act=act)
    torch.testing.assert_close(ours, reference(bias_act, x, act=act), equal_nan=True, rtol=2e-6, atol=0)


def test_bias_act_along_any_axis(emulator):
    x = noise(3, 4, 5, 6)
    for dim in range(4):
        check_float32(emulator, bias_act, x, noise(x.shape[dim], seed=1), dim=dim, act="lrelu")
    check_float32(emulator, bias_act, noise(7, 9), noise(9, seed=1), act="lrelu")
    check_float32(emulator, bias_act, x.permute(2, 0, 3, 1), noise(3, seed=1), act="swish")
    check_float32(emulator, bias_act, noise(25)[1:], noise(24, seed=1), dim=0, act="lrelu")      # 4 bytes off
    with emulated(emulator):
        assert bias_act(torch.zeros(0, 3, 2, 2), torch.zeros(3)).shape == (0, 3, 2, 2)
        assert bias_act(torch.tensor(3.0), act="relu", gain=2) == 6


@pytest.mark.parametrize("dtype", HALVES, ids=str)
def test_numbers_of_16_bits(emulator, dtype):
    """Every number, made smaller and larger, is rounded as torch rounds: to even, through subnormals, to infinity."""
    x = torch.arange(-2 ** 15, 2 ** 15, dtype=torch.int32).to(torch.int16).view(dtype)
    for gain in (1.0, 1 / 3, 3e-5, 1.0001, 77.0):
        with emulated(emulator):
            ours = bias_act(x, gain=gain)
        torch.testing.assert_close(ours, (x.float() * gain).to(dtype), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("act", ["lrelu", "relu", "linear", "swish"])
def test_gradients_of_bias_act(emulator, act):
    """In x and b, and of these again; the slopes of lrelu, relu and linear are a kernel."""
    b = noise(5, seed=1)

    def gradients(x):
        x, bias = x.detach().requires_grad_(), b.to(x.dtype).requires_grad_()
        y = bias_act(x, bias, act=act, clamp=0.9)
        dx, db = torch.autograd.grad(y.square().sum(), (x, bias), create_graph=True)
        ddx, ddb = torch.autograd.grad(dx.square().sum() + db.square().sum(), (x, bias))
        return torch.cat([v.flatten() for v in (dx, db, ddx, ddb)])
    for layout in LAYOUTS:
        check_float32(emulator, gradients, image(3, 5, 3, 7, layout=layout))


# --- noise_act -------------------------------------------------------------------------------------------------------

def noise_act_inputs(n, c, h, w, layout, dtype=torch.float32, samples=1):
    """x, and what goes with it: noise, strength, b; scale."""
    x = image(n, c, h, w, layout=layout, dtype=dtype)
    return x, noise(samples, 1, h, w, seed=2), torch.tensor(0.7), noise(c, seed=3), 1 + noise(n, c, seed=4) / 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_noise_act(emulator, layout):
    """All steps and none; vectors that cross pixels, planes and samples."""
    for n, c, h, w, samples in [(2, 5, 3, 7, 1), (3, 33, 2, 2, 3), (2, 1, 1, 1, 2), (1, 3, 1, 5, 1)]:
        x, grain, strength, b, scale = noise_act_inputs(n, c, h, w, layout, samples=samples)
        y = check_float32(emulator, noise_act, x, grain, strength, b, act="lrelu", clamp=0.9, scale=scale)
        assert y.is_contiguous(memory_format=LAYOUTS[layout])
        check_float32(emulator, noise_act, x, None, None, b, act="linear", gain=1.3)
        check_float32(emulator, noise_act, x, grain, strength, None, act="swish")
    with emulated(emulator):
        assert noise_act(torch.zeros(0, 3, 2, 2), None, None, torch.zeros(3)).shape == (0, 3, 2, 2)
        mine = x.clone(memory_format=torch.preserve_format)
        assert noise_act(mine, grain, strength, b, act="lrelu", overwrite=True).data_ptr() == mine.data_ptr()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("f", [noise(4, 4, seed=1), noise(3, seed=1), None], ids=["4x4", "3", "none"])
def test_noise_act_after_a_filter(emulator, layout, f):
    """As after an up=2 convolution, and over the edges of a tile."""
    for n, c, h, w in [(2, 35, 9, 11), (1, 2, 65, 34), (1, 31, 10, 8)]:
        fir = Fir(f, (1, 1, 1, 1), 4.0)
        x = image(n, c, h, w, layout=layout)
        _, grain, strength, b, scale = noise_act_inputs(n, c, *apply_fir(x, fir).shape[2:], layout, samples=n)
        check_float32(emulator, noise_act, x, grain, strength, b, act="lrelu", clamp=5.0, scale=scale, fir=fir)


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_noise_act_in_16_bits(emulator, dtype, layout):
    """One rounding of what is computed in float: each of the few steps before it errs by a rounding of float's."""
    x, grain, strength, b, scale = noise_act_inputs(2, 33, 5, 6, layout, dtype=dtype)
    fir = Fir(torch.tensor([1.0, 3, 3, 1]).outer(torch.tensor([1.0, 3, 3, 1])) / 64, (2, 1, 2, 1), 4.0)
    for filtered in (None, fir):
        settings = dict(act="lrelu", gain=1.3, scale=scale, fir=filtered)
        with emulated(emulator):
            y = noise_act(x, grain, strength, b, **settings)
        exact = reference(noise_act, x.double(), grain, strength, b, **settings)
        size = reference(noise_act, x.abs().double(), grain.abs(), strength, b.abs(), **settings)
        check_half(y, exact, 24 * 2.0 ** -24 * size)


# --- style_epilogue --------------------------------------------------------------------------------------------------

BLUR = torch.tensor([1.0, 2, 1]) / 4


def style_inputs(n, c, h, w, samples=1):
    """noise, strength, b; scale, shift."""
    given = noise(samples, 1, h, w, seed=2), noise(c, seed=3), noise(c, seed=4)
    return given, (noise(n, c, seed=5), noise(n, c, seed=6))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_style_epilogue(emulator, layout):
    """Planes of one tile and of several, of less than a tile's columns, and of one pixel."""
    for n, c, h, w, samples in [(2, 5, 3, 7, 2), (1, 18, 19, 21, 1), (1, 1, 130, 35, 1), (1, 2, 3, 300, 1),
                                (2, 3, 1, 1, 1)]:
        x, (given, (scale, shift)) = image(n, c, h, w, layout=layout), style_inputs(n, c, h, w, samples)
        y = check_float32(emulator, style_epilogue, x, *given, scale=scale, shift=shift, gain=1.3)
        assert y.is_contiguous(memory_format=LAYOUTS[layout])
    check_float32(emulator, style_epilogue, image(2, 3, 4, 5), None, None, given[2], act="linear")
    with emulated(emulator):
        assert style_epilogue(torch.zeros(0, 3, 2, 2), None, None, torch.zeros(3)).shape == (0, 3, 2, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("blur", [BLUR, torch.tensor([0.2, 0.5, 0.3]), noise(5, seed=1), None],
                         ids=["1-2-1", "3", "5", "none"])
def test_style_epilogue_of_enlarged_images(emulator, layout, blur):
    for n, c, h, w in [(2, 3, 5, 7), (1, 18, 35, 21), (1, 2, 3, 3)]:
        given, (scale, shift) = style_inputs(n, c, h - 1, w - 1)
        check_float32(emulator, style_epilogue, image(n, c, h, w, layout=layout), *given, scale=scale, shift=shift,
                      is_enlarged=True, blur=blur)


def test_style_epilogue_far_from_zero(emulator):
    """Statistics about the mean: a plane whose mean is a thousand times its deviation loses no digits of it."""
    x = image(1, 3, 40, 30) + 1000
    check_float32(emulator, style_epilogue, x, None, None, torch.zeros(3), act="linear")


@pytest.mark.parametrize("dtype", HALVES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_style_epilogue_in_16_bits(emulator, dtype, layout):
    """Two roundings: of the activated values, which the norm then scales, and of the result."""
    x, (given, (scale, shift)) = image(2, 18, 6, 8, layout=layout, dtype=dtype), style_inputs(2, 18, 6, 8)
    with emulated(emulator):
        y = style_epilogue(x, *given, scale=scale, shift=shift)
    exact = reference(style_epilogue, x.double(), *given, scale=scale.double(), shift=shift.double())
    activated = x.double() + (given[0] * given[1][:, None, None]).double()
    activated = bias_act(activated, given[2].double(), act="lrelu", gain=1)
    slope = (scale.double() + 1)[:, :, None, None].abs() / activated.std((2, 3), correction=0, keepdim=True)
    check_half(y, exact, HALVES[dtype][0] * activated.abs() * slope)
