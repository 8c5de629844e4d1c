"""What the spectrum panels measured, as files: CSV with its definitions in the header, NPY, NPZ, PNG with the state."""
from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath

import numpy as np

from gui.figure import framed
from gui.jobs import Jobs
from gui.saving import free_path, stem
from renderer.content import stamped
from renderer.images import save_png, write_whole
from renderer.types import RenderRequest, RenderResult, Spectrum, SpectrumResult, TapSummary

LEVEL = "10 log10(S / mean of S over all frequencies), dB"
FREQUENCY = "frequency (cycles per image)"
CURVES = {                               # of SpectrumResult: its field, and what it is
    "radial": "mean of S over the ring within 0.5 of each frequency",
    "slice_0": "mean of S along the horizontal frequency axis, within 0.5 of each frequency",
    "slice_45": "mean of S along the diagonal to the lower right, within 0.5 of each frequency",
}
Write = Callable[[Path], None]


class Exporter:
    """Writes into the capture folder, one file after another, off the frame loop."""

    def __init__(self, jobs: Jobs, folder: Callable[[], Path]):
        self._jobs, self._folder = jobs, folder

    def save(self, request: RenderRequest, what: str, suffix: str, write: Write) -> None:
        """`write` gets the path: '<network>_<seed>_<what>_<time><suffix>'."""
        folder = self._folder()
        name = f"{stem(request)}_{what}_{time.strftime('%Y%m%d-%H%M%S')}"

        def job() -> str:
            folder.mkdir(parents=True, exist_ok=True)
            path = free_path(folder, name, suffix)
            write(path)
            return f"Saved {path}"
        self._jobs.run(f"save {what}{suffix}", job)

    def save_folder(self, request: RenderRequest, what: str, write: Callable[[Path, RenderRequest], None]) -> None:
        """`write` gets a new folder '<network>_<seed>_<what>_<time>', and `request` with its files' hashes."""
        folder = self._folder()
        name = f"{stem(request)}_{what}_{time.strftime('%Y%m%d-%H%M%S')}"

        def job() -> str:
            path = free_path(folder, name, "")
            path.mkdir(parents=True)
            write(path, stamped(request, self._jobs.progress))
            return f"Saved {path}"
        self._jobs.run(f"save {what}", job)


# -- one spectrum -----------------------------------------------------------------------------------------------------

def picture_png(result: RenderResult) -> Write:
    return lambda path: save_png(path, result.spectrum.picture, result.request)


def figure_png(result: RenderResult) -> Write:
    """The picture with its axes and the scale of its colours."""
    spectrum, wanted = result.spectrum, result.request.spectrum or Spectrum()
    title = f"{result.request.tap}, {_channels(wanted)}"
    return lambda path: save_png(path, framed(spectrum, wanted.range_db, wanted.colormap, title), result.request)


def levels_npy(result: RenderResult) -> Write:
    """float32 [H, W] in dB, zero frequency at (H // 2, W // 2)."""
    return _array(result.spectrum.levels)


def profile_csv(result: RenderResult) -> Write:
    """Frequency, radial mean and both slices, a line for each frequency."""
    return _text(lambda: _profile(result))


def _profile(result: RenderResult) -> str:
    spectrum = result.spectrum
    curves = _curves(spectrum)
    lines = [*_about(result), f"levels: {LEVEL}", f"S: {_power(result.request.spectrum or Spectrum())}",
             *(f"{name}: {CURVES[name]}" for name in curves),
             *(f"{name}: {value:.6g} cycles per image" for name in ("cutoff", "stopband", "nyquist", "previous_nyquist")
               if (value := getattr(spectrum, name)) is not None)]
    columns = {FREQUENCY: spectrum.frequencies, **{f"{name} (dB)": curve for name, curve in curves.items()}}
    return csv(lines, columns)


def profile_npy(result: RenderResult) -> Write:
    """A structured array [F] of float32: frequency, radial, slice_0, slice_45."""
    def write(path: Path) -> None:
        columns = {"frequency": result.spectrum.frequencies, **_curves(result.spectrum)}
        table = np.empty(len(result.spectrum.frequencies), [(name, np.float32) for name in columns])
        for name, column in columns.items():
            table[name] = column
        _array(table)(path)
    return write


def _curves(spectrum: SpectrumResult) -> dict[str, np.ndarray]:
    return {name: curve for name in CURVES if (curve := getattr(spectrum, name)) is not None}


# -- all layers -------------------------------------------------------------------------------------------------------

def strip_csv(result: RenderResult, taps: Sequence[TapSummary]) -> Write:
    """A line for each frequency, a column for each tap, empty beyond the tap's Nyquist frequency."""
    def page() -> str:
        longest = max((tap.frequencies for tap in taps), key=len)
        lines = [*_about(result), f"levels: {LEVEL}",
                 "S: mean over the ring within 0.5 of each frequency, from a few random projections of the channels",
                 "one column per tap, in the network's order"]
        return csv(lines, {FREQUENCY: longest, **{f"{tap.name} (dB)": tap.radial for tap in taps}})
    return _text(page)


def strip_npz(taps: Sequence[TapSummary]) -> Write:
    """float32 [F] for each tap by its name: levels in dB at 0, 1, 2, .. cycles per image."""
    def write(path: Path) -> None:
        write_whole(path, lambda file: np.savez(file, **{tap.name: tap.radial for tap in taps}))
    return write


def waterfall_png(result: RenderResult, picture: np.ndarray) -> Write:
    return lambda path: save_png(path, picture, result.request)


# -- files ------------------------------------------------------------------------------------------------------------

def csv(lines: Sequence[str], columns: Mapping[str, np.ndarray]) -> str:
    """`lines` as comments, the columns' names, and a line for each entry; shorter columns end in empty fields."""
    count = max(map(len, columns.values()))
    fields = [[f"{value:.7g}" for value in column] + [""] * (count - len(column)) for column in columns.values()]
    names = ",".join(f'"{name}"' if "," in name else name for name in columns)
    return "\n".join([*(f"# {line}" for line in lines), names, *(",".join(row) for row in zip(*fields))]) + "\n"


def _text(page: Callable[[], str]) -> Write:
    """What is written is made when it is: the panels ask for this in every frame."""
    return lambda path: write_whole(path, lambda file: file.write(page().encode()))


def _array(array: np.ndarray) -> Write:
    def write(path: Path) -> None:
        page = io.BytesIO()
        np.save(page, array)
        write_whole(path, lambda file: file.write(page.getvalue()))
    return write


def _about(result: RenderResult) -> list[str]:
    """Where the numbers come from."""
    request, info = result.request, result.info
    latent = request.latent
    source = "given w" if latent.w else "given z" if latent.z else f"seed plane at x {latent.x:g}, y {latent.y:g}"
    name = PurePath(request.checkpoint.path).name
    return [f"Stylescope, {name}" + (f" ({info.network}, {info.family})" if info else ""), f"signal: {request.tap}",
            f"latent: {source}, psi {latent.psi:g}"]


def _channels(wanted: Spectrum) -> str:
    return "all channels" if wanted.channel is None else f"channel {wanted.channel}"


def _power(wanted: Spectrum) -> str:
    return ("|FFT2|^2 of the signal less its channels' means, times the outer product of a Kaiser window of beta "
            f"{wanted.beta:g}, summed over {_channels(wanted)}")
