"""A render thread without a network: answers at once with pictures computed from the request."""
import threading
from dataclasses import replace

import fakereport
import numpy as np

from renderer.colormaps import colours
from renderer.types import (
    Cells,
    ModelInfo,
    OpStatus,
    Reason,
    RenderRequest,
    RenderResult,
    Rounding,
    SpectrumResult,
    StageTime,
    TapInfo,
    TapStats,
    TapSummary,
)

RESOLUTION = 64
STEP = 0.1                               # seconds for a sample of an inspection
REASONS = (Reason("device", "cuda", "this PyTorch was built without CUDA", runs=False),
           Reason("precision", "bf16", "this CPU has no bfloat16 instructions: bf16 is slower here", runs=True),
           Reason("backend", "cuda", "the tensor is on cpu", runs=False))
FILES = {"plain.pkl": 0, "conditional.pkl": 10}


def model(path: str) -> ModelInfo:
    """A StyleGAN2-like network of 64²; anything but a '.pkl' or '.safetensors' fails to open."""
    taps = [TapInfo("const", (64, 4, 4), None, 4.0)]
    for index, r in enumerate((4, 8, 16, 32, 64)):
        for conv in ("conv0", "conv1")[0 if index else 1:]:
            row = 2 * index - 1 + (conv == "conv1")
            taps += [TapInfo(f"b{r}.{conv}.{step}", (64, r, r), row, float(r)) for step in ("conv", "noise", "act")]
        taps.append(TapInfo(f"b{r}.torgb", (3, r, r), 2 * index + 1, float(r)))
        taps.append(TapInfo(f"b{r}.image", (3, r, r), None, float(r)))
    taps.append(TapInfo("image", (3, RESOLUTION, RESOLUTION), None, float(RESOLUTION)))
    return ModelInfo(path=path, format="pytorch-pickle", family="stylegan2", variant="skip", network="G_ema",
                     networks=("G", "D", "G_ema"), resolution=(RESOLUTION,) * 2, channels=3, z_dim=512, w_dim=512,
                     c_dim=10 if "conditional" in path else 0, num_ws=10, parameters=23_191_522, kwargs="{}",
                     taps=tuple(taps), has_noise=True, has_transform="transform" in path, has_lod="growing" in path,
                     lod=0.0 if "growing" in path else None)


def signal(request: RenderRequest, tap: TapInfo) -> np.ndarray:
    """Waves, float32 [C, H, W] within ±0.75; channel 5 carries a blob of 3 near the upper left."""
    count, height, width = tap.shape
    y, x = np.mgrid[0:height, 0:width] / height
    phase = request.latent.x + request.latent.y + 7 * (request.mix.source.seed if request.mix.rows else 0)
    waves = [np.sin(2 * np.pi * (x * (i % 3 + 1) + y * (i % 3)) + phase) for i in range(count)]
    values = (0.7 * request.latent.psi * np.stack(waves)).astype(np.float32)
    if count > 5:
        values[5, height // 4, width // 4] = 3
    return values


def pictured(request: RenderRequest, values: np.ndarray) -> tuple[np.ndarray, Cells | None]:
    """In the request's view; a table and a grid of seeds are of the same picture many times, without labels."""
    view, (count, height, width) = request.view, values.shape
    table, seeds = request.table, request.seeds
    shown = {"channel": values[view.channel % count], "mean": values.mean(0),
             "rms": np.sqrt(np.square(values).mean(0))}.get(view.mode)
    if view.mode == "sheet" and not table and not seeds:
        columns = int(np.ceil(np.sqrt(count)))
        filled = np.zeros((columns * -(-count // columns), height, width), np.float32)
        filled[:count] = values
        rows = filled.reshape(-1, columns, height, width).swapaxes(1, 2)
        cells = Cells(columns, (height, width), (0, 0), tuple(i if i < count else None for i in range(len(filled))))
        return coloured(rows.reshape(-1, columns * width), view), cells
    index = [min(max(i, 0), count - 1) for i in view.channels]
    picture = coloured(np.moveaxis(values[index], 0, -1), view) if shown is None else coloured(shown, view)
    if table:
        rows, columns = 1 + len(table.down), 1 + len(table.across)
        return np.tile(picture, (rows, columns, 1)), Cells(columns, (height, width), (0, 0), (None,) * rows * columns)
    if seeds:
        columns = seeds.columns or int(np.ceil(np.sqrt(len(seeds.seeds))))
        rows = -(-len(seeds.seeds) // columns)
        shown = (*seeds.seeds, *[None] * (rows * columns - len(seeds.seeds)))
        return np.tile(picture, (rows, columns, 1)), Cells(columns, (height, width), (0, 0), shown)
    return picture, None


def coloured(y: np.ndarray, view) -> np.ndarray:
    level = np.clip(127.5 + 127.5 * y * 10 ** (view.gain_db / 20), 0, 255).astype(np.uint8)
    return level if y.ndim == 3 else colours(view.colormap)[level]


def strip(info: ModelInfo, picture: np.ndarray) -> tuple[TapSummary, ...]:
    """A curve for each tap that falls faster the later it comes."""
    summaries = []
    for order, tap in enumerate(info.taps):
        rings = np.arange(tap.shape[2] // 2 + 1, dtype=np.float32)
        curve = 20 - (order + 4) * np.log2(1 + rings)
        summaries.append(TapSummary(tap.name, picture, rings, curve, 1.0, 3.0, 0.0, None))
    return tuple(summaries)


def answer(request: RenderRequest) -> RenderResult:
    path = request.checkpoint.path
    if not path:
        return RenderResult(request)
    if not path.endswith((".pkl", ".safetensors")):
        return RenderResult(request, error=f"{path}: not a checkpoint")
    info = model(path)
    tap = next(t for t in info.taps if t.name == request.tap)
    _, height, width = tap.shape
    y, x = np.mgrid[0:height, 0:width] / height
    values = signal(request, tap)
    picture, cells = pictured(request, values)
    rings = np.arange(width // 2, dtype=np.float32)
    curve = 30 - 60 * rings / max(len(rings), 1)
    levels = (curve[0] - 60 * np.hypot(x - 0.5, y - 0.5)).astype(np.float32)
    spectrum = SpectrumResult(picture, (tap.rate, tap.rate), curve, rings, 12.0, 20.0, tap.rate / 2, tap.rate / 4,
                              slice_0=curve + 3, slice_45=curve - 3, levels=levels)
    histogram = tuple(int(1000 * np.exp(-((i - 32) / 9) ** 2)) for i in range(64))
    stats = TapStats(tap.name, tap.shape, "float32", 0.1, 0.9, 3.2, -3.2, 3.0, 0.0, 0.01, histogram)
    times = tuple(StageTime(f"b{r}.conv0", r / 1000, r < 16) for r in (4, 8, 16, 32, 64))
    ops = (OpStatus("upfirdn2d", "reference", ("cuda: no CUDA device",)),)
    gain = 10 ** (request.view.gain_db / 20) / (1 if request.view.range == "fixed" else 3.2)
    limits = (-1 - request.view.offset) / gain, (1 - request.view.offset) / gain
    plain = not request.table and not request.seeds
    precision = "fp32" if request.checkpoint.precision == "auto" else request.checkpoint.precision
    rounding = Rounding(2.4, 0.31) if precision != "fp32" and plain else None
    return RenderResult(request, info, picture, values if plain else None, limits, cells, stats=stats,
                        strip=strip(info, picture) if request.strip and plain else (),
                        spectrum=spectrum if request.spectrum else None, times=times, seconds=0.12,
                        device="CPU (1 of 2 threads)", precision=precision, rounding=rounding, ops=ops,
                        reasons=REASONS, memory_bytes=310_000_000, cache_bytes=24_000_000)


class FakeThread:
    """`renderer.thread.RenderThread`'s face; an inspection takes in a sample in each STEP."""

    def __init__(self, wake):
        self._wake, self._result = wake, None
        self._closed = False

    def submit(self, request):
        result = answer(request)
        self._show(result, 0 if request.inspect and result.info else None)

    def _show(self, result, done):
        if done is not None:
            result = replace(result, report=fakereport.report(result.request, done))
        self._result = result
        threading.Timer(0.01, self._wake).start()
        if result.report and not result.report.complete:
            threading.Timer(STEP, self._refine, (result, done + 1)).start()

    def _refine(self, result, done):
        if self._result is result and not self._closed:
            self._show(result, done)

    def latest(self):
        return self._result

    def activity(self):
        return None

    def cancel(self):
        pass

    def close(self):
        self._closed = True


if __name__ == "__main__":
    import sys

    import gui.app
    gui.app.RenderThread = FakeThread
    sys.exit(gui.app.run(sys.argv[1:]))
