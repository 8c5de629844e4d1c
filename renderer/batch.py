"""Many pictures without a window: into a folder or one array, with progress and a word on what is kept. No torch."""
from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nets.errors import UserError
from renderer.arrays import write_npy, write_stack
from renderer.content import stamped
from renderer.images import save_png
from renderer.options import of_seed
from renderer.steps import Progress, quiet
from renderer.types import RenderRequest

Render = Callable[[RenderRequest], np.ndarray]


def write_each(render: Render, request: RenderRequest, folder: Path, suffix: str, progress: Progress) -> None:
    """One file for each of `request.seeds`, 'seed0007.png', with its own request inside; or the signal as .npy.

    Makes the folder if need be. Raises UserError, which says how many files are written, also when interrupted.
    """
    seeds, written = request.seeds.seeds, 0
    digits = max(4, len(str(max(seeds))))
    try:
        for i, one in _each(request, progress):
            array, path = render(one), folder / f"seed{seeds[i]:0{digits}}{suffix}"
            make(folder)
            if suffix == ".npy":
                write_npy(path, array)
            else:
                save_png(path, array, stamped(one))
            written = i + 1
    except (KeyboardInterrupt, UserError) as error:
        if not written:
            raise
        raise UserError(f"{str(error) or 'interrupted'} ({written} of {len(seeds)} are written in {folder})") from None


def write_seeds(render: Render, request: RenderRequest, path: Path, progress: Progress) -> None:
    """The signals of all `request.seeds` as one float32 array [N, C, H, W], one at a time in memory."""
    write_stack(path, (render(one) for _, one in _each(request, progress)), len(request.seeds.seeds))


def _each(request: RenderRequest, progress: Progress) -> Iterator[tuple[int, RenderRequest]]:
    seeds = request.seeds.seeds
    for i, seed in enumerate(seeds):
        progress(f"picture {i + 1} of {len(seeds)}", i / len(seeds))
        yield i, of_seed(request, seed)


def make(folder: Path) -> None:
    """The folder, if it isn't there. Raises UserError."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made: {error.strerror or error}") from None


# -- progress ---------------------------------------------------------------------------------------------------------

def count(request: RenderRequest) -> int:
    """How many pictures it takes."""
    if request.table:
        across, down = len(request.table.across), len(request.table.down)
        return across + down + across * down
    return len(request.seeds.seeds) if request.seeds else 1


@contextmanager
def bar(total: int, wanted: bool | None) -> Iterator[Progress]:
    """A bar of `total` pictures on standard error, with rate and time left: if `wanted`, or by default (None) where
    standard error is a terminal and there are many. It hears 'picture 3 of 12' and what goes on before."""
    if wanted is False or (wanted is None and not (total > 1 and sys.stderr and sys.stderr.isatty())):
        yield quiet
        return
    from tqdm import tqdm
    tqdm.monitor_interval = 0                        # no thread of its own
    with tqdm(total=total, unit=" pictures", leave=False, dynamic_ncols=True, file=sys.stderr) as shown:
        def hear(text: str, fraction: float | None) -> None:
            counts = text.endswith(f" of {total}")   # else it opens the file, by a fraction of its own
            shown.set_description_str("" if counts else text, refresh=False)
            shown.update(int((fraction or 0) * total) - shown.n if counts else 0)
        yield hear
        shown.update(total - shown.n)


@contextmanager
def percentage(wanted: bool | None) -> Iterator[Progress]:
    """As `bar`, of one long piece of work, in percent; by default where standard error is a terminal."""
    if wanted is False or (wanted is None and not (sys.stderr and sys.stderr.isatty())):
        yield quiet
        return
    from tqdm import tqdm
    tqdm.monitor_interval = 0                        # no thread of its own
    with tqdm(total=100, bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}", leave=False,
              dynamic_ncols=True, file=sys.stderr) as shown:
        def hear(text: str, fraction: float | None) -> None:
            shown.set_description_str(text, refresh=False)
            shown.n = 100 * (fraction or 0)
            shown.update(0)
        yield hear


# -- where it goes ----------------------------------------------------------------------------------------------------

def is_folder(name: str) -> bool:
    """Whether an output is a folder: one that exists, or a name that ends in a separator or has no suffix."""
    separators = tuple(filter(None, (os.sep, os.altsep)))
    return os.path.isdir(name) or name.endswith(separators) or not Path(name).suffix


def output_folder(name: str) -> Path:
    """The folder to write into, checked before any work starts. Raises UserError."""
    path = Path(name)
    if path.exists() and not path.is_dir():
        raise UserError(f"{name}: is no folder")
    if not path.exists() and not path.absolute().parent.is_dir():
        raise UserError(f"{name}: the folder {path.absolute().parent} does not exist")
    return path


def output_file(name: str, *suffixes: str) -> Path:
    """The path to write, checked before any work starts. Raises UserError."""
    path = Path(name)
    if path.suffix.lower() not in suffixes:
        raise UserError(f"{name}: the output's name must end in {' or '.join(suffixes)}")
    if not os.path.isdir(path.parent):
        raise UserError(f"{name}: the folder {path.parent} does not exist")
    if os.path.isdir(path):
        raise UserError(f"{name}: is a folder")
    return path
