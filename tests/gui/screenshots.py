"""The README's pictures: drives the real window through one scene after another and keeps a screenshot of each.

    python tests/gui/screenshots.py [SCENE...]       (or `make screenshots`)
"""
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "gui")]

from driver import Display, Window  # noqa: E402
from PIL import Image  # noqa: E402

FOLDER = Path(__file__).parent / "screenshots"
SCENES = {}


def scene(*arguments: str, size: str = "1280x800", dpi: int | None = None):
    """Marks a function that brings a window, opened with `arguments`, to what its picture shows."""
    def mark(prepare):
        SCENES[prepare.__name__] = prepare, arguments, size, dpi
        return prepare
    return mark


def take(name: str) -> Path:
    prepare, arguments, size, dpi = SCENES[name]
    display = Display(size, dpi)
    try:
        with tempfile.TemporaryDirectory(prefix="stylescope-") as folder:
            window = Window(display, Path(folder), *arguments)
            if arguments:
                window.answered(60)
            if "Notice/Got it" in window.report()["widgets"]:
                window.click("Notice/Got it")
                window.wait(lambda r: "Notice/Got it" not in r["widgets"])
                time.sleep(0.5)                      # the panels move into its place
            prepare(window)
            time.sleep(1.2)                          # what is computed in the background, tooltips
            path = window.screenshot(FOLDER / f"{name}.png")
            window.close()
        Image.open(path).save(path, optimize=True)
        return path
    finally:
        display.close()


def look_at(window: Window, tap: str) -> None:
    window.fill("Layers/Filter", tap, "")
    window.click(f"Layers/{tap}")
    window.wait(lambda r: r["request"]["tap"] == tap and r["answered"])
    window.fill("Layers/Filter", "", "Delete")


@scene("demo:stylegan3-t")
def window(window: Window) -> None:
    """A layer through a colormap, with the strip of all layers."""
    window.fill("Latent/Seed", "12")
    look_at(window, "L7_84_17.out")
    window.click("Channel/Show/Channel")
    window.move("Viewer/Canvas", (0.5, 0.5))


@scene("demo:stylegan2")
def values(window: Window) -> None:
    """So large that every pixel shows its numbers."""
    look_at(window, "b16.image")
    window.scroll("Viewer/Picture", 4, (0.4, 0.45))
    window.move("Viewer/Canvas", (0.47, 0.52))


@scene("demo:stylegan1")
def channels(window: Window) -> None:
    """The contact sheet of a layer, the strongest channel first."""
    look_at(window, "b32.conv1.act")
    window.click("Viewer/Channels")
    window.move("Viewer/Canvas", (0.3, 0.4))


@scene("demo:stylegan2")
def compare(window: Window) -> None:
    """Two networks on the same latent, side by side."""
    against(window, "demo:stylegan1")
    window.click("Compare/Show/side")
    window.move("Viewer/Canvas", (0.3, 0.5))


@scene("demo:stylegan3-t")
def difference(window: Window) -> None:
    """What truncation changes: the picture at psi 1, pinned, and at 0.9."""
    window.fill("Latent/Seed", "3")
    window.answered()
    window.click("Compare/Tab")
    window.click("Compare/Pin")
    window.type_into("Truncation & noise/ψ", "0.9")
    window.click("Compare/Show/difference")
    window.type_into("Compare/Gain", "12")
    window.move("Viewer/Canvas", (0.4, 0.5))


@scene("demo:stylegan3-t")
def spectra(window: Window) -> None:
    """Every layer's radial spectrum at once."""
    window.click("All layers/Tab")
    window.move("Viewer/Canvas", (0.9, 0.9))


@scene("demo:stylegan2")
def mixing(window: Window) -> None:
    """The style-mixing table."""
    window.click("Style mixing/Part/Table")
    window.click("Style mixing/Show table")
    window.wait(lambda r: r["request"]["table"] and r["answered"])
    window.move("Viewer/Canvas", (0.62, 0.5))


@scene("demo:stylegan2-conditional")
def seeds(window: Window) -> None:
    """A grid of seeds; a click goes to one."""
    window.click("Latent/Grid of seeds")
    window.wait(lambda r: r["request"]["seeds"] and r["answered"])
    window.move("Viewer/Canvas", (0.45, 0.4))


@scene("demo:stylegan3-t")
def equivariance(window: Window) -> None:
    """A running estimate: numbers with their intervals, the error map, equivariance layer by layer."""
    inspect(window, "Equivariance", 12)
    window.click("Equivariance/Settings")
    window.move("Equivariance/Progress")


@scene("demo:stylegan1")
def droplets(window: Window) -> None:
    """StyleGAN1's blobs beside another network's feature maps, which have none."""
    against(window, "demo:stylegan2")
    window.click("Compare/Show/side")
    inspect(window, "Droplets", 4)
    window.click("Droplets/Settings")
    window.move("Droplets/Progress")


@scene("demo:stylegan3-t", size="2560x1600", dpi=192)
def filters(window: Window) -> None:
    """The designed filters of a layer, on a screen of twice the density, in the light theme."""
    window.click("Menu/View")
    window.click("Menu/Theme")
    window.click("Menu/Light")
    inspect(window, "Filter response", 0)
    window.move("Filter response/response_up", (0.3, 0.5))


@scene("demo:stylegan2")
def palette(window: Window) -> None:
    """Every command, layer and file by a few letters."""
    window.move("Viewer/Canvas")
    window.key("ctrl+p")
    window._xdotool("type", "--delay", 30, "sp")


@scene("demo:stylegan2")
def shortcuts(window: Window) -> None:
    window.move("Viewer/Canvas")
    window.key("question")


@scene("demo:stylegan3-t")
def light(window: Window) -> None:
    window.click("Menu/View")
    window.click("Menu/Theme")
    window.click("Menu/Light")
    window.move("Viewer/Canvas", (0.45, 0.5))


@scene("demo:stylegan2", size="2560x1600", dpi=192)
def large(window: Window) -> None:
    """A screen of twice the density."""
    look_at(window, "b64.conv1.act")
    window.click("Channel/Show/PCA")
    window.move("Viewer/Canvas", (0.5, 0.5))


@scene("demo:stylegan2")
def first_start(window: Window) -> None:
    window.click("Menu/File")
    window.click("Menu/Close network")
    window.move("Viewer/Tab")


def inspect(window: Window, title: str, samples: int) -> None:
    """Opens a panel of the lab and waits until its estimate has taken in so many."""
    window.click("Menu/Inspect")
    window.click(f"Menu/{title}")
    window.click(f"{title}/Start")
    window.wait(lambda r: r["report"] and r["report"]["figures"] and r["report"]["done"] >= samples, 60)


def against(window: Window, path: str) -> None:
    """Chooses a second network."""
    window.click("Compare/Tab")
    window.fill("Compare/Path", path)
    window.wait(lambda r: r["request"]["compare"] and r["answered"])


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for chosen in sys.argv[1:] or SCENES:
        print(take(chosen))
