"""The classes of a conditional network: their names, read from a file, and the weights they are mixed with."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from gui.jobs import Jobs
from gui.words import readable
from renderer.images import write_whole

MAX_BYTES = 16 << 20
MAX_NAME = 120                           # characters
Classes = tuple[tuple[int, float], ...]  # as renderer.types.Latent has them
Names = Mapping[int, str]


# -- names ------------------------------------------------------------------------------------------------------------

class ClassNames:
    """Each checkpoint's names: from the file the person chose for it once, or from one beside it.

    Read off the frame loop: a mapping is empty until it is. `memory` is the file that remembers what was chosen.
    """

    def __init__(self, jobs: Jobs, memory: Path):
        self._jobs, self._memory = jobs, memory
        self._names: dict[str, Names] = {}

    def of(self, checkpoint: str) -> Names:
        if checkpoint not in self._names:
            self._names[checkpoint] = {}

            def job() -> None:
                chosen = self._remembered().get(checkpoint)
                if file := (Path(chosen) if chosen else beside(checkpoint)):
                    self._names[checkpoint] = read_names(file)
            self._jobs.run("read the class names", job)
        return self._names[checkpoint]

    def load(self, checkpoint: str, file: str, count: int) -> None:
        """Takes the names of `count` classes from `file` from now on."""
        def job() -> str:
            names = read_names(Path(file))
            known = sum(index < count for index in names)
            if not known:
                raise ValueError(f"{file}: names none of this network's classes 0 to {count - 1}")
            self._names[checkpoint] = names
            kept = json.dumps({**self._remembered(), checkpoint: file}, ensure_ascii=False, indent=1)
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self._memory, lambda out: out.write(kept.encode()))
            return f"{known} of {count} classes have names from {Path(file).name}"
        self._jobs.run("load the class names", job)

    def _remembered(self) -> dict[str, str]:
        """The file for each checkpoint; a damaged memory is none."""
        try:
            kept = json.loads(self._memory.read_text(encoding="utf-8"))
            return {k: v for k, v in kept.items() if isinstance(v, str)} if isinstance(kept, dict) else {}
        except (OSError, ValueError):
            return {}


def default_memory() -> Path:
    return Path(platformdirs.user_config_dir("stylescope", appauthor=False)) / "classes.json"


def beside(checkpoint: str) -> Path | None:
    """'NAME.classes.txt' or 'classes.txt' (or .json) in the checkpoint's folder."""
    path = Path(checkpoint)
    if checkpoint.startswith("demo:") or "://" in checkpoint:
        return None
    names = [f"{stem}classes{suffix}" for stem in (f"{path.stem}.", "") for suffix in (".txt", ".json")]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def read_names(path: Path) -> dict[int, str]:
    """One name a line, the first is class 0; or JSON: a list, or {"index": name}, where of a list the last item counts.

    Raises ValueError, in one line that names the file, if it can't be read so.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError("is too large for a list of names")
        text = path.read_text(encoding="utf-8-sig")
        is_json = path.suffix.lower() == ".json"
        named = _from_json(text) if is_json else dict(enumerate(text.splitlines()))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        wanted = 'one name a line, or JSON like {"0": "cat", "1": "dog"}, is needed'
        raise ValueError(" ".join(f"{path}: {error}; {wanted}".split())) from None
    return {index: readable(" ".join(name.split())[:MAX_NAME]) for index, name in named.items() if name.strip()}


def _from_json(text: str) -> dict[int, str]:
    values = json.loads(text)
    if not isinstance(values, (list, dict)):
        raise ValueError("is neither a list nor an object")
    pairs = values.items() if isinstance(values, dict) else enumerate(values)
    return {int(index): str(name[-1] if isinstance(name, list) and name else name) for index, name in pairs}


def shown(index: int, names: Names) -> str:
    """'281  tabby cat'; '281' where there is no name."""
    return f"{index}  {names[index]}" if index in names else str(index)


def matching(query: str, names: Names, count: int) -> list[int]:
    """The classes whose index begins with `query`, or whose name contains it; that very index first."""
    query = query.strip().casefold()
    found = [i for i in range(count) if str(i).startswith(query) or query in names.get(i, "").casefold()]
    return sorted(found, key=lambda i: str(i) != query) if query else found


# -- weights: they add up to 1, as those of the labels in training do -------------------------------------------------

def picked(classes: Classes, position: int, index: int) -> Classes:
    """Another class in that place."""
    return tuple((index, weight) if i == position else (c, weight) for i, (c, weight) in enumerate(classes))


def weighted(classes: Classes, position: int, weight: float) -> Classes:
    """With this weight there; the others share the rest as they did before."""
    rest = sum(w for i, (_, w) in enumerate(classes) if i != position)
    others = len(classes) - 1

    def share(w: float) -> float:
        return (1 - weight) * (w / rest if rest > 0 else 1 / others)
    return tuple((c, weight if i == position else share(w)) for i, (c, w) in enumerate(classes))


def added(classes: Classes, count: int) -> Classes:
    """One more, the first that isn't in it yet, with as much weight as the others have on average."""
    used = {index for index, _ in classes}
    new = next((index for index in range(count) if index not in used), 0)
    return weighted((*classes, (new, 0.0)), len(classes), 1 / (len(classes) + 1))


def removed(classes: Classes, position: int) -> Classes:
    kept = tuple(c for i, c in enumerate(classes) if i != position)
    total = sum(weight for _, weight in kept)
    return tuple((index, weight / total if total > 0 else 1 / len(kept)) for index, weight in kept)
