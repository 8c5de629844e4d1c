"""A long session: ten thousand clicks, drags, wheel steps and keys, all over the window, leave its memory flat."""
import random
import time
from pathlib import Path

import driver
import pytest

from renderer import state
from renderer.thread import CALM
from renderer.types import Checkpoint, Latent, RenderRequest

COUNT, WARM_UP = 10_000, 3_000
BATCH = 100                              # interactions sent before the window's widgets are looked at again
PAUSE = 0.04                             # seconds between them, so that the window takes each by itself
LEFT_OUT = ("Capture/", "Menu/", "Network/", "Favourites/", "Compare/Open", "Compare/Path", "Latent/Keep",
            "Latent/Path", "Latent/More", "Status/", "Spectrum/Export", "Radial profile/Export", "All layers/Export",
            "Performance/Device", "Performance/Precision", "Performance/Backend")    # files, and other networks
KEYS = ("Right", "Left", "Down", "Up", "f", "1", "g", "i", "d", "p", "r", "period", "comma", "space", "Escape",
        "ctrl+z", "ctrl+z", "ctrl+y", "Tab", "Tab", "question Escape", "ctrl+p Escape")   # a click there might quit


def memory(window) -> int:
    """Bytes resident."""
    lines = Path(f"/proc/{window.process.pid}/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def interaction(chance: random.Random, widgets: dict) -> list[str]:
    """One thing that a hand does, as xdotool's commands."""
    if chance.random() < 0.25:
        return ["key", *chance.choice(KEYS).split()]
    x0, y0, x1, y1 = widgets[chance.choice(sorted(widgets))]
    (x, y), (u, v) = ((chance.randrange(x0, x1), chance.randrange(y0, y1)) for _ in range(2))
    touch = chance.choice((["click", "1"], ["click", "4"], ["click", "5"],
                           ["mousedown", "1", "mousemove", str(u), str(v), "mouseup", "1"]))
    return ["mousemove", str(x), str(y), *touch]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_interactions_leave_memory_flat(display, checkpoints, tmp_path):
    window = driver.Window(display, tmp_path, str(checkpoints["stylegan3"]))
    home = RenderRequest(Checkpoint(str(checkpoints["stylegan3"])), Latent(classes=((0, 1.0),)))
    (tmp_path / "home.json").write_text(state.to_json(home))
    window.answered(60)
    chance, seen = random.Random(1), []
    for done in range(0, COUNT, BATCH):
        report = in_sight(window)
        widgets = {name: box for name, box in report["widgets"].items()
                   if not name.startswith(LEFT_OUT) and not name.endswith("/Tab")}
        assert report["traces"] == []            # what nobody had foreseen
        window._xdotool(*(word for _ in range(BATCH) for word in (*interaction(chance, widgets), "sleep", PAUSE)))
        if done + BATCH >= WARM_UP and (done + BATCH) % 1000 == 0:
            seen.append(settled(window, tmp_path / "home.json"))
            print(done + BATCH, round(seen[-1] / 1e6), "MB", flush=True)
    assert max(seen[1:]) - seen[0] < 48 << 20
    assert window.close() == 0 and window.errors() == ""


def in_sight(window) -> dict:
    """The report with the picture in it: a click may have closed its panel."""
    window._xdotool("key", "Escape", "Escape")
    time.sleep(0.5)
    if "Viewer/Canvas" not in window.report()["widgets"]:
        window.click("Menu/View")
        window.click("Menu/Reset layout")
    return window.wait(lambda r: "Viewer/Canvas" in r["widgets"], 30)


def settled(window, home: Path) -> int:
    """Memory with the same picture, layer and network as every time, once nothing is under way."""
    in_sight(window)
    window.drop(home)
    window.wait(lambda r: r["request"]["tap"] == "image" and r["request"]["compare"] is None and r["answered"]
                and r["request"]["checkpoint"]["path"].endswith("three.safetensors"), 60)
    time.sleep(2 * CALM)                 # what is free has gone back to the system
    return memory(window)
