"""Which implementation of an op runs: fused CUDA, fused C++ or the reference in plain torch, and why not the others."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from cuda_ops.build import BuildError

BACKENDS = ("cuda", "cpu", "reference")              # in order of preference


class BackendError(RuntimeError):
    """A backend was asked for that cannot run. The message names op, backend and reason."""


class Reason(str):
    """Why a backend cannot run, in one line; `details` are the compiler's words, where it failed."""
    details = ""

    @classmethod
    def of(cls, error: BuildError) -> Reason:
        reason = cls(error)
        reason.details = error.details
        return reason


@dataclass(frozen=True)
class Candidate:
    """One implementation of an op. `why_not(x)` says in a few words why it cannot run on x; empty: it can."""
    run: Callable
    why_not: Callable[[Tensor], str]


class OpStatus(NamedTuple):
    """The backend an op gets, and why each more preferred one was passed over."""
    op: str
    backend: str
    reasons: tuple[str, ...]                         # 'cuda: no fused CUDA kernel for this op in this version'
    details: str = ""                                # the compiler's words, where a build failed


_candidates: dict[str, dict[str, Candidate]] = {}    # op -> backend -> candidate
_choice: ContextVar[str] = ContextVar("backend", default="auto")


def register(op: str, backend: str, why_not: Callable[[Tensor], str] = lambda x: "") -> Callable[[Callable], Callable]:
    """Decorator: the function below is `backend`'s implementation of `op`."""
    def keep(run: Callable) -> Callable:
        _candidates.setdefault(op, {})[backend] = Candidate(run, why_not)
        return run
    return keep


@contextmanager
def use(backend: str) -> Iterator[None]:
    """Within the block, and in this thread only, every op runs on `backend`: 'auto' or one of BACKENDS."""
    if backend not in ("auto", *BACKENDS):
        raise ValueError(f"backend '{backend}' is not one of auto, {', '.join(BACKENDS)}")
    token = _choice.set(backend)
    try:
        yield
    finally:
        _choice.reset(token)


def current() -> str:
    """The backend asked for in this thread: 'auto' or one of BACKENDS."""
    return _choice.get()


def choose(op: str, x: Tensor) -> Callable:
    """The implementation of `op` that is to run on x. Raises BackendError if a forced backend cannot."""
    wanted = current()
    if wanted != "auto":
        reason = _why_not(op, wanted, x)
        if reason:
            raise BackendError(f"{op} cannot run on backend '{wanted}': {reason}")
        return _candidates[op][wanted].run
    return next(_candidates[op][backend].run for backend in BACKENDS if not _why_not(op, backend, x))


def status(device: torch.device | str, dtype: torch.dtype = torch.float32) -> list[OpStatus]:
    """Per op, the backend that 'auto' picks for tensors of `dtype` on `device`, with the reasons of those passed over.
    """
    x = torch.empty(1, 1, 1, 1, device=device, dtype=dtype)
    return [_status(op, x) for op in sorted(_candidates)]


def why_not(backend: str, device: torch.device | str) -> str:
    """Why `backend` cannot be forced for float32 tensors on `device`: what the first op that lacks it says; empty: it
    can."""
    x = torch.empty(1, 1, 1, 1, device=device)
    return next((reason for op in sorted(_candidates) if (reason := _why_not(op, backend, x))), "")


def _status(op: str, x: Tensor) -> OpStatus:
    reasons, details = [], []
    for backend in BACKENDS:
        reason = _why_not(op, backend, x)
        if not reason:
            return OpStatus(op, backend, tuple(reasons), "\n".join(details))
        reasons.append(f"{backend}: {reason}")
        details += [reason.details] if isinstance(reason, Reason) else []
    raise AssertionError(f"{op} has no reference implementation")


_KERNEL_NAMES = {"cuda": "fused CUDA kernel", "cpu": "fused C++ kernel", "reference": "reference implementation"}


def _why_not(op: str, backend: str, x: Tensor) -> str:
    candidate = _candidates[op].get(backend)
    return candidate.why_not(x) if candidate else f"no {_KERNEL_NAMES[backend]} for this op in this version"
