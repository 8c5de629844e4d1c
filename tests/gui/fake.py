"""A render thread without a network: answers at once with pictures computed from the request."""
import threading

import numpy as np

from renderer.types import (
    ModelInfo,
    OpStatus,
    RenderRequest,
    RenderResult,
    SpectrumResult,
    StageTime,
    TapInfo,
    TapStats,
)

RESOLUTION = 64
FILES = {"plain.pkl": 0, "conditional.pkl": 10}


def model(path: str) -> ModelInfo:
    """A StyleGAN2-like network of 64²; anything but a '.pkl' fails to open."""
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


def answer(request: RenderRequest) -> RenderResult:
    path = request.checkpoint.path
    if not path:
        return RenderResult(request)
    if not path.endswith(".pkl"):
        return RenderResult(request, error=f"{path}: not a checkpoint")
    info = model(path)
    tap = next(t for t in info.taps if t.name == request.tap)
    _, height, width = tap.shape
    y, x = np.mgrid[0:height, 0:width] / height
    phase = request.latent.x + request.latent.y + 7 * (request.mix.source.seed if request.mix.rows else 0)
    planes = [127.5 + 90 * request.latent.psi * np.sin(2 * np.pi * (x * (i + 1) + y * i) + phase) for i in range(3)]
    picture = np.clip(np.stack(planes, -1) * 10 ** (request.view.gain_db / 20), 0, 255).astype(np.uint8)
    if request.table:
        picture = np.tile(picture, (1 + len(request.table.down), 1 + len(request.table.across), 1))
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
    return RenderResult(request, info, picture, limits=limits, stats=stats,
                        spectrum=spectrum if request.spectrum else None, times=times, seconds=0.12,
                        device="CPU (1 of 2 threads)", precision="fp32", ops=ops, memory_bytes=310_000_000,
                        cache_bytes=24_000_000)


class FakeThread:
    """`renderer.thread.RenderThread`'s face."""

    def __init__(self, wake):
        self._wake, self._result = wake, None

    def submit(self, request):
        self._result = answer(request)
        threading.Timer(0.01, self._wake).start()

    def latest(self):
        return self._result

    def activity(self):
        return None

    def cancel(self):
        pass

    def close(self):
        pass


if __name__ == "__main__":
    import sys

    import gui.app
    gui.app.RenderThread = FakeThread
    sys.exit(gui.app.run(sys.argv[1:]))
