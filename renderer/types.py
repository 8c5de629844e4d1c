"""The two values that flow: a frozen, hashable `RenderRequest` in, a `RenderResult` that names its request out.

Only plain values live here and nothing imports torch, so the window, the command line and a preset file share them.
Undo is a list of requests, a preset is a request, a screenshot's metadata is a request.
"""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from renderer.inspection import Inspection
from renderer.report import Report

IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
DEMOS = ("stylegan1", "stylegan2", "stylegan2-conditional", "stylegan3-t", "stylegan3-r")   # 'demo:NAME' opens one
COLORMAPS = ("viridis", "magma", "turbo", "coolwarm", "grey")


@dataclass(frozen=True)
class Array:
    """An immutable, hashable array of numbers."""
    shape: tuple[int, ...]
    dtype: str
    data: bytes = field(repr=False)

    @classmethod
    def of(cls, values) -> Array:
        values = np.ascontiguousarray(values)
        return cls(values.shape, values.dtype.str, values.tobytes())

    def numpy(self) -> np.ndarray:
        return np.frombuffer(self.data, self.dtype).reshape(self.shape)


# -- the request ------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Checkpoint:
    """Which network runs, and on what."""
    path: str = ""                       # file path, URL, or 'demo:NAME'; empty: nothing is open
    network: str = ""                    # 'G_ema' or 'G'; empty: the file's averaged generator
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"   # auto: fp32 on CPU, the file's own elsewhere
    backend: Literal["auto", "reference", "cpu", "cuda"] = "auto"
    reload: int = 0                      # raised to open a changed file, or a failed one, again
    content: str = ""                    # in saved states: the file's SHA-256, to tell whether it is still the same


@dataclass(frozen=True)
class Latent:
    """Where w comes from: the seed plane at (x, y), unless z or w is given."""
    x: float = 0.0                       # whole numbers are seeds (seed = x + 100 y); between them w is interpolated
    y: float = 0.0
    z: Array | None = None               # [N, z_dim]
    w: Array | None = None               # [N, num_ws, w_dim]; not mapped, not truncated
    classes: tuple[tuple[int, float], ...] = ()   # (class index, weight): the label is their weighted sum
    psi: float = 1.0                     # truncation of mapped w
    cutoff: int | None = None            # rows of w it acts on; None: all


@dataclass(frozen=True)
class Source:
    """Where a style comes from: a seed, or a saved w."""
    seed: int = 0
    w: Array | None = None               # [num_ws, w_dim], instead of the seed; not mapped, not truncated
    name: str = ""                       # what a saved w is called


def sources(*seeds: int) -> tuple[Source, ...]:
    return tuple(map(Source, seeds))


@dataclass(frozen=True)
class Mix:
    """Style mixing, after truncation: these rows of w come from another source."""
    source: Source = Source(1)
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Synth:
    noise: Literal["const", "none", "random"] = "const"
    noise_seed: int = 0
    transform: tuple[float, ...] | None = None    # 3x3 row-major, StyleGAN3's `transform` buffer; None: the file's
    lod: float | None = None             # progressive networks; None: the file's


@dataclass(frozen=True)
class View:
    """How a tap [C, H, W] becomes a picture [H, W, 3]: y = 10^(gain_db / 20) s(x) + offset is shown from -1 to 1.

    x is what `mode` takes of the tap: channels, their mean or RMS in each pixel, their first three principal components
    over the pixels (pca), all of them side by side (sheet; large ones are filtered down).
    `range` says what s is: 'fixed' leaves x as it is, 'symmetric' divides it by the largest magnitude shown, 'minmax'
    maps the least and the largest value shown to -1 and 1, 'each' is 'symmetric' for every channel by itself. A channel
    beyond the last one shows the last one, so a single channel is grey in 'rgb' and 'pca'. RMS is never below 0: all
    but 'minmax' show it in the upper half of the colours.
    """
    mode: Literal["rgb", "channel", "mean", "rms", "pca", "sheet"] = "rgb"
    channels: tuple[int, int, int] = (0, 1, 2)    # for rgb
    channel: int = 0                     # for one channel through the colormap
    colormap: str = "viridis"            # of channel, mean, rms and sheet
    gain_db: float = 0.0                 # exposure
    offset: float = 0.0
    range: Literal["fixed", "symmetric", "minmax", "each"] = "fixed"
    order: Literal["index", "energy"] = "index"   # of a sheet's channels; energy: the strongest first


@dataclass(frozen=True)
class Spectrum:
    """The frame spectrum of the tap (inspection.md "Spectra")."""
    channel: int | None = None           # None: summed over all channels
    beta: float = 8.0                    # of the Kaiser window
    range_db: float = 40.0               # the picture shows ± this
    colormap: str = "viridis"


@dataclass(frozen=True)
class MixTable:
    """Style-mixing table: sources A across, B down; B's picture takes `rows` of w from A."""
    across: tuple[Source, ...]
    down: tuple[Source, ...]
    rows: tuple[int, ...]
    labels: bool = True                  # each source named in a margin


@dataclass(frozen=True)
class SeedGrid:
    """One picture for each seed, in reading order."""
    seeds: tuple[int, ...]
    columns: int = 0                     # 0: as square as can be
    labels: bool = True


@dataclass(frozen=True)
class Compare:
    """A second picture to hold against the first: of another network on the same request, or of a pinned request.

    The window alone draws it; what is rendered is the rest of the request, and the reference by itself.
    """
    mode: Literal["flip", "split", "difference", "side"] = "flip"    # flip: the reference while Shift is held
    error: Literal["E", "AE", "SE"] = "E"         # difference: A - B, its magnitude, its square
    gain_db: float = 0.0                 # of the difference
    split: float = 0.5                   # where the two meet: share of the picture's width
    checkpoint: Checkpoint | None = None          # this network, on the same latent, layer and view
    pinned: RenderRequest | None = None           # or this request


@dataclass(frozen=True)
class RenderRequest:
    checkpoint: Checkpoint = Checkpoint()
    latent: Latent = Latent()
    mix: Mix = Mix()
    synth: Synth = Synth()
    tap: str = "image"
    view: View = View()
    spectrum: Spectrum | None = None     # None: not computed
    table: MixTable | None = None        # instead of one picture
    seeds: SeedGrid | None = None        # instead of one picture
    strip: bool = False                  # summaries of every tap, by the same pass
    inspect: Inspection | None = None    # what the lab looks into, behind the picture
    compare: Compare | None = None       # for the window


# -- the result -------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class TapInfo:
    """A signal that can be looked at; frequencies in cycles per image."""
    name: str
    shape: tuple[int, int, int]          # channels, height, width
    w_row: int | None
    rate: float                          # sampling rate
    cutoff: float | None = None          # StyleGAN3 f_c
    stopband: float | None = None        # StyleGAN3 f_t


@dataclass(frozen=True)
class ModelInfo:
    """What `info` prints and the panels need to know of the open network."""
    path: str
    format: str
    family: str                          # stylegan1 | stylegan2 | stylegan3
    variant: str                         # 'skip', 'T', 'traditional', ...
    network: str                         # 'G_ema' or 'G'
    networks: tuple[str, ...]            # present in the file
    resolution: tuple[int, int]          # height, width
    channels: int
    z_dim: int
    w_dim: int
    c_dim: int
    num_ws: int
    parameters: int
    kwargs: str                          # JSON of what the file said
    taps: tuple[TapInfo, ...]
    has_noise: bool
    has_transform: bool
    has_lod: bool
    lod: float | None
    notes: tuple[str, ...] = ()          # plain remarks: unknown kwargs, untrained demo, ...


@dataclass(frozen=True)
class TapStats:
    """Of the whole tap, first sample, before any gain."""
    name: str
    shape: tuple[int, int, int]
    dtype: str
    mean: float
    std: float
    absmax: float
    minimum: float
    maximum: float
    nonfinite: float                     # share, 0..1
    clamped: float | None                # share at the layer's clamp; None: no clamp
    histogram: tuple[int, ...] = ()      # counts in equal bins from minimum to maximum; of a sample, if very many


@dataclass(frozen=True)
class TapSummary:
    """A tap at a glance, of the first sample: what the strip of layers shows."""
    name: str
    picture: np.ndarray                  # uint8 [h, w, 3], at most 64 wide or high: RGB of 3 channels, else their RMS
    frequencies: np.ndarray              # float32 [F]: as SpectrumResult.frequencies; empty for signals of one pixel
    radial: np.ndarray                   # float32 [F]: as SpectrumResult.radial, estimated from few projections
    rms: float                           # over all channels and pixels; not finite if any value isn't
    peak: float                          # largest over median energy of a pixel (inspection.md "Droplets")
    nonfinite: float                     # share, 0..1
    clamped: float | None                # share at the layer's clamp; None: no clamp
    current: bool = True                 # of this request; else of one before, and still to be replaced


@dataclass(frozen=True)
class Cells:
    """How a picture of many is laid out: cells in reading order, from `origin` on, without gaps."""
    columns: int
    size: tuple[int, int]                # height, width of a cell in pixels
    origin: tuple[int, int]              # top, left of the first one; labels stand before it
    shown: tuple[int | None, ...]        # sheet: the channel in each cell; seeds: the seed; table: None


@dataclass(frozen=True)
class SpectrumResult:
    """Frequencies in cycles per image (width, where it is not square); levels are 10 log10(S / mean S)."""
    picture: np.ndarray                  # uint8 [H, W, 3], zero frequency at pixel (H//2, W//2)
    extent: tuple[float, float]          # (height, width) sampling rates: axes run -rate/2 .. rate/2
    radial: np.ndarray                   # float32 [F]: mean of S over the ring within 0.5 of each frequency, in dB
    frequencies: np.ndarray              # float32 [F]: whole numbers 0, 1, .. up to Nyquist
    cutoff: float | None
    stopband: float | None
    nyquist: float
    previous_nyquist: float | None       # of the previous resolution (StyleGAN1/2)
    slice_0: np.ndarray | None = None    # float32 [F]: as `radial`, along the horizontal frequency axis
    slice_45: np.ndarray | None = None   # float32 [F]: along the diagonal
    levels: np.ndarray | None = None     # float32 [H, W]: what the picture shows, in dB


@dataclass(frozen=True)
class StageTime:
    name: str
    seconds: float                       # reused: what it took when it last ran
    reused: bool                         # taken from the cache


@dataclass(frozen=True)
class OpStatus:
    """One op's backend on this device and why not the others."""
    op: str
    backend: str                         # reference | cpu | cuda
    reasons: tuple[str, ...]             # 'cuda: no CUDA device'
    details: str = ""                    # the compiler's words, where kernels could not be built


@dataclass(frozen=True)
class Rounding:
    """How a picture differs from the same in fp32, in its 8-bit levels before these are rounded and coloured."""
    largest: float                       # 0..255
    rms: float                           # 0..255

    @property
    def psnr_db(self) -> float:
        """Peak signal to noise: of all levels to `rms`; infinite where the pictures are equal."""
        return 20 * math.log10(255 / self.rms) if self.rms else math.inf


@dataclass(frozen=True)
class Reason:
    """Why an option of a chooser can't run here, or what speaks against it."""
    chooser: str                         # device | precision | backend
    option: str                          # 'cuda'
    text: str                            # 'this PyTorch was built without CUDA'
    runs: bool                           # it can be chosen all the same


@dataclass(frozen=True)
class Activity:
    """What the renderer is doing now."""
    text: str                            # 'Rendering b64.conv0'
    fraction: float | None               # 0..1; None: not known
    since: float                         # time.monotonic() when work on this request began


@dataclass(frozen=True)
class RenderResult:
    """The answer to `request`; when `error` is set the rest is what was known by then."""
    request: RenderRequest
    info: ModelInfo | None = None
    picture: np.ndarray | None = None    # uint8 [H, W, 3], read-only
    values: np.ndarray | None = None     # [C, H, W], read-only: the tap as the network gave it, first sample
    limits: tuple[float, float] | None = None    # values of the signal shown in the least and the largest colour
    cells: Cells | None = None           # of a sheet, a table or a grid of seeds
    ws: np.ndarray | None = None         # float32 [N, num_ws, w_dim], read-only: mapped, truncated, mixed
    stats: TapStats | None = None
    strip: tuple[TapSummary, ...] = ()   # in the network's order
    report: Report | None = None         # of `request.inspect`, as far as it has come
    spectrum: SpectrumResult | None = None
    times: tuple[StageTime, ...] = ()    # load, mapping, stages.., view, spectrum, in order
    seconds: float = 0.0                 # the whole request
    device: str = ""                     # 'CPU (1 of 2 threads)', 'NVIDIA H200', ...
    precision: str = ""
    rounding: Rounding | None = None     # one picture, not in fp32: against fp32, once that is rendered too
    ops: tuple[OpStatus, ...] = ()
    reasons: tuple[Reason, ...] = ()     # options of device, precision and backend that have something against them
    memory_bytes: int = 0                # of the process (CPU) or the device
    cache_bytes: int = 0                 # held by stage states
    error: str | None = None             # one sentence
    details: str | None = None           # the trace, for a fold
    notes: tuple[str, ...] = ()          # parts of the request that this network has no use for, one sentence each
    trouble: str = ""                    # what the renderer does without: kernels that can't be built; details in `ops`
