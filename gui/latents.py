"""Latents in files (.npz and .npy), and on other networks than they came from."""
from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from gui.jobs import Jobs
from gui.messages import Messages
from gui.saving import free_path, stem
from renderer.content import stamped
from renderer.images import write_whole
from renderer.types import Array, Latent, ModelInfo, RenderRequest, RenderResult

NAMED = {"w": ("w", "ws", "latents", "dlatents"), "z": ("z", "zs")}      # what arrays of an .npz may be called
MAX_BYTES = 1 << 30


class Samples:
    """What a file held, made to fit the network."""

    def __init__(self, name: str, kind: Literal["w", "z"], values: np.ndarray):
        """`values`: float32 [N, num_ws, w_dim] or [N, z_dim], from the file called `name`."""
        self.name, self.kind, self.values = name, kind, values
        self._found: tuple[Array | None, int | None] = None, None

    def __len__(self) -> int:
        return len(self.values)

    def index(self, given: Array) -> int | None:
        """Which of them `given` is, if any. Searched for only when it is another than the last time."""
        if given is not self._found[0]:
            equal = np.zeros(0)
            if given.shape == (1, *self.values.shape[1:]):
                equal = np.flatnonzero((self.values == given.numpy()).reshape(len(self), -1).all(1))
            self._found = given, int(equal[0]) if len(equal) else None
        return self._found[1]

    def latent(self, index: int, latent: Latent) -> Latent:
        """`latent` with this sample in place of its seed."""
        return replace(latent, **{"z": None, "w": None, self.kind: Array.of(self.values[index:index + 1])})


class LatentFiles:
    """Saving and loading them off the frame loop; `later` is handed what to do with the request once one was read."""

    def __init__(self, jobs: Jobs, messages: Messages, folder: Callable[[], Path],
                 later: Callable[[Callable[[RenderRequest], RenderRequest]], None]):
        self._jobs, self._messages, self._folder, self._later = jobs, messages, folder, later
        self.samples: Samples | None = None          # loaded last

    def save(self, result: RenderResult) -> None:
        """The w of what is shown as an .npz beside saved pictures."""
        if result.ws is None:
            self._messages.say("There is no w to save yet", error=True)
            return
        folder, name = self._folder(), f"{stem(result.request)}_w"

        def job() -> str:
            folder.mkdir(parents=True, exist_ok=True)
            path = free_path(folder, name, ".npz")
            named = replace(result, request=stamped(result.request, self._jobs.progress))    # with the content's hash
            write_whole(path, lambda file: np.savez(file, **arrays_of(named)))
            return f"Saved {path}"
        self._jobs.run("save w", job)

    def load(self, path: str, info: ModelInfo | None) -> None:
        """Reads w or z for the network `info` and shows its first sample."""
        if info is None:
            self._messages.say(f"Open a network first, then {PurePath(path).name}: a latent belongs to one", error=True)
            return

        def job() -> str:
            samples = read_samples(Path(path), info)
            self._later(lambda request: self._show(samples, request))
            count = f", the first of {len(samples)} samples" if len(samples) > 1 else ""
            return f"Loaded {samples.kind} from {samples.name}{count}"
        self._jobs.run("load the latent", job)

    def _show(self, samples: Samples, request: RenderRequest) -> RenderRequest:
        self.samples = samples
        return showing(request, samples.latent(0, request.latent))


# -- files ------------------------------------------------------------------------------------------------------------

def arrays_of(result: RenderResult) -> dict[str, np.ndarray]:
    """w [1, num_ws, w_dim] and where it came from: z or seed (x and y between seeds), psi, classes, network."""
    request, latent = result.request, result.request.latent
    arrays = {"w": result.ws[:1], "psi": latent.psi, "network": PurePath(request.checkpoint.path).name}
    if request.checkpoint.content:
        arrays["content"] = request.checkpoint.content
    if latent.classes:
        arrays["classes"] = latent.classes
    if latent.z is not None:
        arrays["z"] = latent.z.numpy()[:1]
    elif latent.w is None and latent.x % 1 == latent.y % 1 == 0:
        arrays["seed"] = int(latent.x) + 100 * int(latent.y)
    elif latent.w is None:
        arrays |= {"x": latent.x, "y": latent.y}
    return {name: np.asarray(value) for name, value in arrays.items()}


def read_samples(path: Path, info: ModelInfo) -> Samples:
    """The w or z in an .npz or .npy file.

    w may be [N, num_ws, w_dim], [num_ws, w_dim] or, the same for every layer, [N, 1, w_dim] or [w_dim]; z may be
    [N, z_dim] or [z_dim]. Raises ValueError, in one line that names the file and what is needed, on anything else.
    """
    arrays = _read_arrays(path)
    for kind, names in NAMED.items():
        for name in (name for name in names if name in arrays):
            return Samples(path.name, kind, _checked(path, arrays[name], kind, info))
    if len(arrays) != 1:
        raise ValueError(f"{path}: holds {_listed(arrays)}; it needs an array named w or z")
    (values,) = arrays.values()
    kind = "z" if _fitted(values, "w", info) is None and _fitted(values, "z", info) is not None else "w"
    return Samples(path.name, kind, _checked(path, values, kind, info))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    """By name; the one in an .npy has none."""
    try:
        if not path.is_file():
            raise ValueError("is not there")
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("is larger than 1 GB")
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                file.seek(0)
                return {"": np.load(file, allow_pickle=False)}
            if sum(part.file_size for part in zipfile.ZipFile(file).infolist()) > MAX_BYTES:
                raise ValueError("holds more than 1 GB")
            file.seek(0)
            with np.load(file, allow_pickle=False) as parts:
                wanted = [n for names in NAMED.values() for n in names if n in parts.files] or parts.files
                return {name: parts[name] for name in wanted}
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except Exception as error:           # whatever numpy meets in a damaged file: zlib.error, EOFError, SyntaxError, ..
        reason = "is no NumPy file of plain numbers" if "pickle" in str(error) else str(error)
        raise ValueError(" ".join(f"{path}: {reason or type(error).__name__}".split())) from None


def _checked(path: Path, values: np.ndarray, kind: str, info: ModelInfo) -> np.ndarray:
    needed = f"[N, {info.num_ws}, {info.w_dim}]" if kind == "w" else f"[N, {info.z_dim}]"
    if values.dtype.kind != "f":
        raise ValueError(f"{path}: {kind} holds {values.dtype} values; floating-point numbers are needed")
    fitted = _fitted(values, kind, info)
    if fitted is None or not len(fitted):
        raise ValueError(f"{path}: {kind} has shape {list(values.shape)}; this network takes {needed}")
    with np.errstate(over="ignore"):
        fitted = np.ascontiguousarray(fitted, np.float32)
    if not np.isfinite(fitted).all():
        raise ValueError(f"{path}: {kind} holds values that are not finite; {needed} finite numbers are needed")
    return fitted


def _fitted(values: np.ndarray, kind: str, info: ModelInfo) -> np.ndarray | None:
    """[N, num_ws, w_dim] or [N, z_dim]; None if it has another shape."""
    if kind == "z":
        values = values[None] if values.ndim == 1 else values
        return values if values.ndim == 2 and values.shape[1] == info.z_dim else None
    values = values.reshape((1,) * max(3 - values.ndim, 0) + values.shape)
    fits = values.ndim == 3 and values.shape[1] in (1, info.num_ws) and values.shape[2] == info.w_dim
    return np.broadcast_to(values, (len(values), info.num_ws, info.w_dim)) if fits else None


def _listed(names) -> str:
    shown = ", ".join(list(names)[:5])
    return f"the arrays {shown}" if shown else "no array"


# -- on another network -----------------------------------------------------------------------------------------------

def misfit(latent: Latent, info: ModelInfo) -> str:
    """Why this network can't show it; empty: it can."""
    for name, values, wanted in (("w", latent.w, (info.num_ws, info.w_dim)), ("z", latent.z, (info.z_dim,))):
        if values is not None and values.shape[-len(wanted):] != wanted:
            shapes = (" × ".join(map(str, shape)) for shape in (values.shape[-len(wanted):], wanted))
            return f"Its {name} is {next(shapes)}, this network takes {next(shapes)}"
    return ""


def showing(request: RenderRequest, latent: Latent, info: ModelInfo | None = None) -> RenderRequest:
    """One picture of `latent`; with classes that the network `info` has."""
    if info is not None:
        classes = tuple((index, weight) for index, weight in latent.classes if index < info.c_dim)
        latent = replace(latent, classes=classes or request.latent.classes if info.c_dim else ())
    return replace(request, latent=latent, seeds=None, table=None)
