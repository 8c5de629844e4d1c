"""What resuming saves: a full render against re-rendering after w changed from one row on, for the demo networks."""
from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from renderer.pipeline import Pipeline  # noqa: E402
from renderer.types import DEMOS, Checkpoint, Latent, Mix, RenderRequest, Source  # noqa: E402

REPEATS = 5


def seconds(pipeline: Pipeline, *requests: RenderRequest) -> tuple[float, int]:
    """The shortest time of the requests, rendered in turn, and how many stages the last one ran."""
    taken = []
    for request in requests:
        result = pipeline.render(request)
        if result.error:
            raise SystemExit(result.error)
        taken.append(result.seconds)
    steps = ("load", "mapping", "view")
    return min(taken), sum(not t.reused and t.name not in steps for t in result.times)


def measure(name: str) -> None:
    pipeline = Pipeline()
    checkpoint = Checkpoint(f"demo:{name}")
    info = pipeline.info(checkpoint)
    base = RenderRequest(checkpoint, Latent(classes=((0, 1.0),) if info.c_dim else ()))
    pipeline.render(base)
    full, num_stages = seconds(pipeline, *(replace(base, latent=replace(base.latent, x=i + 1.0))
                                           for i in range(REPEATS)))
    pipeline.render(base)
    held = pipeline.render(replace(base, view=replace(base.view, gain_db=1.0))).cache_bytes
    print(f"\n{name}: {info.resolution[1]} pixels, {num_stages} stages, full render {1e3 * full:.1f} ms, "
          f"states {held / 2 ** 20:.1f} MiB")
    for row in range(info.num_ws):
        rows = tuple(range(row, info.num_ws))
        resumed, ran = seconds(pipeline, *(replace(base, mix=Mix(Source(i + 1), rows)) for i in range(REPEATS)))
        print(f"  rows {row:2d}..  {ran:3d} stages  {1e3 * resumed:7.1f} ms  {100 * resumed / full:4.0f} %")


if __name__ == "__main__":
    for demo in DEMOS:
        measure(demo)
