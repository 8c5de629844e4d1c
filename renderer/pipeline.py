"""From a request to its result in named steps, each remembered together with the part of the request it answers.

    load -> mapping -> stages up to the tap -> view -> spectrum

So a new gain runs `view` alone, and a new row of w the stages from its first on (resume.py).
"""
from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from cuda_ops import build, dispatch
from nets.errors import UserError, one_line
from nets.stages import all_taps
from renderer import device as devices
from renderer import latents, view
from renderer.choices import reasons
from renderer.gallery import Gallery
from renderer.info import fit, grows, tap_info
from renderer.lab import Lab
from renderer.look import Look
from renderer.opened import Network, Opened
from renderer.report import Report
from renderer.resume import Observed
from renderer.rounding import Exact
from renderer.score import score
from renderer.steps import Early, Memo, Progress, Run, keep_quiet, never, quiet
from renderer.strip import Strip
from renderer.synthesis import Setting, Synthesis
from renderer.types import (
    Checkpoint,
    ModelInfo,
    OpStatus,
    RenderRequest,
    RenderResult,
    Rounding,
    StageTime,
)

CACHE_BYTES = 1 << 30                    # of stage states
WITHOUT = {"strip": "the strip of layers is not complete", "rounding": "the picture is not compared with fp32",
           "report": "the inspection stopped"}


class Pipeline:
    """Renders requests, one after the other, from one thread. `cache_bytes`: the budget of stage states.

    `trouble`: what the latest request had to do without, in a sentence; `RenderResult` has it too.
    """

    def __init__(self, cache_bytes: int = CACHE_BYTES):
        self.trouble = ""
        self._opened = Opened()
        self._synthesis = Synthesis(cache_bytes)
        self._strip = Strip(self._synthesis)
        self._setting, self._ops, self._reasons, self._ws, self._signal = (Memo() for _ in range(5))
        self._look, self._gallery, self._exact = Look(), Gallery(self._synthesis), Exact()
        self._lab = Lab()

    # -- faces --------------------------------------------------------------------------------------------------------

    def render(self, request: RenderRequest, abandoned: Callable[[], bool] = never, progress: Progress = quiet,
               early: Early = keep_quiet, in_haste: bool = False) -> RenderResult:
        """The answer; what goes wrong is in its `error`, what the network has no use for in its `notes`.

        `abandoned` is asked between stages; `progress` hears of them and may raise Abandoned too. Raises only that
        (`renderer.steps.Abandoned`). `early` is given the answer while the strip of layers is not complete yet.
        `in_haste`: requests follow each other, as in a drag: most answers leave all of the strip for after `early`.
        """
        run, began = Run(request, abandoned, progress, in_haste=in_haste), time.perf_counter()
        try:
            self._guarded(lambda: self._answer(run))
        except UserError as error:
            run.known["error"] = one_line(str(error))
        except Exception as error:
            run.known["error"] = one_line(f"unexpected {type(error).__name__}: {error}")
            run.known["details"] = traceback.format_exc()
        result = RenderResult(request, times=tuple(run.times), seconds=time.perf_counter() - began,
                              cache_bytes=self._synthesis.states.bytes, **run.known)
        return result if result.error else self._finish(run, result, early)

    def _finish(self, run: Run, result: RenderResult, early: Early) -> RenderResult:
        """Hands out the answer, then does the rest part by part; failing at one takes nothing back."""
        for part, work in run.rest.items():
            early(result)
            try:
                result = replace(result, **{part: self._guarded(partial(self._within, run, work))})
            except Exception as error:
                result = _without(part, result, error)
        try:
            while result.report and not result.report.complete:
                early(result)
                result = replace(result, report=self._guarded(partial(self._within, run, self._lab.refine)))
        except Exception as error:
            result = _without("report", result, error)
        return result

    @staticmethod
    def _within(run: Run, work: Callable):
        with torch.inference_mode(), dispatch.use(run.request.checkpoint.backend):
            return work()

    def tensor(self, request: RenderRequest) -> Tensor:
        """The tap exactly as the network gives it: float32 [N, C, H, W] on the CPU.

        Raises UserError, also for parts of the request that the network has no use for.
        """
        return self._guarded(lambda: self._tensor(Run(request, strict=True)))

    def picture(self, request: RenderRequest, progress: Progress = quiet) -> np.ndarray:
        """What `render` shows: uint8 [H, W, 3], several samples as a grid. Raises UserError as `tensor` does."""
        run = Run(request, progress=progress, strict=True)
        self._guarded(lambda: self._answer(run))
        return run.known["picture"]

    def rounding(self, request: RenderRequest) -> Rounding:
        """How the picture of one request differs from the same in fp32. Raises UserError as `tensor` does."""
        run = Run(request, strict=True)
        return self._guarded(lambda: self._within(run, lambda: self._round(run)))

    def inspect(self, request: RenderRequest, progress: Progress = quiet) -> Report:
        """The complete report of `request.inspect`. Raises UserError as `tensor` does, and where it has no answer."""
        run = Run(request, progress=progress, strict=True)
        return self._guarded(lambda: self._within(run, lambda: self._inspect(run)))

    def fitted(self, request: RenderRequest) -> RenderRequest:
        """`request` without the parts that its network has no use for, as `render` takes it. Raises UserError."""
        return self._guarded(lambda: self._prepare(Run(request))[1])

    def info(self, checkpoint: Checkpoint) -> ModelInfo:
        """What there is to know of a network. Raises UserError."""
        return self._guarded(lambda: self._open(checkpoint, quiet).info)

    def score(self, checkpoint: Checkpoint, images: np.ndarray, labels: np.ndarray | None = None) -> np.ndarray:
        """The scores [N, 1] that the file's discriminator gives `images` [N, C, H, W], unclipped and as one batch.

        `labels` [N, c_dim] where it is conditional. Raises UserError.
        """
        return self._guarded(lambda: self._score(checkpoint, images, labels))

    def clear(self) -> None:
        """Closes the file and forgets everything."""
        self._synthesis.clear()
        self._forget(self._setting, self._ops, self._ws, *self._shown())
        self._opened.release()

    # -- steps --------------------------------------------------------------------------------------------------------

    def _answer(self, run: Run) -> None:
        """Fills `run.known`, so that after an error it holds what was known by then."""
        run.times.clear()
        strip, run.strip = run.strip, False      # where memory ran out, the next attempt goes without
        checkpoint = run.request.checkpoint
        if not checkpoint.path and not run.strict:
            return self.clear()
        with torch.inference_mode(), dispatch.use(checkpoint.backend):
            setting, request = self._prepare(run)
            if request.table is None and request.seeds is None:
                signal = self._run_stages(run, setting, request, strip)
                self._look.show(run, setting, request, signal, self._signal.key)
                if not run.strict:
                    self._exact.fill(run, setting, request, self._ws.value, signal)
            else:
                self._gallery.show(run, setting, request)
            self._lab.fill(run, setting, request)
        run.known["memory_bytes"] = devices.memory_bytes(setting.network.device)

    def _tensor(self, run: Run) -> Tensor:
        with torch.inference_mode(), dispatch.use(run.request.checkpoint.backend):
            signal = self._run_stages(run, *self._prepare(run))
        return signal.to("cpu", torch.float32, copy=True)

    def _round(self, run: Run) -> Rounding:
        setting, request = self._prepare(run)
        signal = self._run_stages(run, setting, request)
        return self._exact.rounding(run, setting, request, self._ws.value, signal)

    def _inspect(self, run: Run) -> Report:
        self._lab.fill(run, *self._prepare(run))
        while not run.known["report"].complete:
            run.known["report"] = self._lab.refine()
        return run.known["report"]

    def _score(self, checkpoint: Checkpoint, images: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        self.clear()
        device = devices.choose_device(checkpoint.device)
        file = self._opened.file(checkpoint, quiet)
        with dispatch.use(checkpoint.backend):
            return score(file, checkpoint.path, device, images, labels)

    def _open(self, checkpoint: Checkpoint, progress: Progress) -> Network:
        if not checkpoint.path:
            raise UserError("no checkpoint is named.")
        if not self._opened.holds(checkpoint):           # nothing of the old one may outlive it
            self._synthesis.clear()
            self._forget(self._setting, self._ws, *self._shown())
        return self._opened.network(checkpoint, progress)

    def _prepare(self, run: Run) -> tuple[Setting, RenderRequest]:
        """The network set to what the request asks for, and the request fitted to it."""
        checkpoint, began = run.request.checkpoint, time.perf_counter()
        held = self._opened.holds(checkpoint)
        network = self._open(checkpoint, run.progress)
        run.times.append(StageTime("load", time.perf_counter() - began, held))
        config = network.generator.config
        precision = devices.choose_precision(checkpoint.precision, network.device, config)
        run.known["trouble"] = self.trouble = _await_kernels(run, network.device)
        ops = self._ops.get((network.device, precision, checkpoint.backend),
                            lambda: _ops(network.device, precision, checkpoint.backend))
        run.known.update(info=network.info, device=devices.describe(network.device), precision=precision, ops=ops,
                         reasons=self._reasons.get((network.device,), lambda: reasons(network.device)))
        lod = run.request.synth.lod if grows(config) else None
        key = network.key, precision, checkpoint.backend, lod
        setting = self._setting.get(key, lambda: self._set(key, network, precision, lod))
        request, notes = fit(run.request, setting.info)
        run.known.update(info=setting.info, notes=notes)
        if notes and run.strict:
            raise UserError(notes[0])
        return setting, request

    def _set(self, key: tuple, network: Network, precision: str, lod: float | None) -> Setting:
        self._synthesis.clear()
        synthesis = network.generator.synthesis
        synthesis.precision = torch.float32
        exact = None if precision == "fp32" else synthesis.stages(lod)
        synthesis.precision = devices.PRECISIONS[precision]
        stages = synthesis.stages(lod)
        info = replace(network.info, taps=tuple(map(tap_info, all_taps(stages))))
        return Setting(key, network, stages, exact, info)

    def _run_stages(self, run: Run, setting: Setting, request: RenderRequest, strip: bool = False) -> Tensor:
        """The tap's value [N, C, H, W]; with `strip` summaries of what ran."""
        key = setting.key, request.latent, request.mix
        mapping = setting.network.generator.mapping
        ws = run.step("mapping", self._ws, key, lambda: latents.latent_ws(mapping, request.latent, request.mix))
        run.known["ws"] = view.as_numpy(ws.float())
        key = *key, request.synth, request.tap
        reused = self._signal.key == key
        if not reused:
            self._look.clear()           # it holds the old value
        observed: Observed = self._signal.get(
            key, lambda: self._synthesis.observe(setting, ws, request.synth, request.tap, run, strip,
                                                 self._strip.due(run)))
        if strip:
            self._strip.fill(run, setting, request, ws)
        run.times += [replace(t, reused=True) for t in observed.times] if reused else observed.times
        return observed.value

    # -- memory -------------------------------------------------------------------------------------------------------

    def _shown(self) -> tuple[Memo | Strip | Look | Gallery | Exact | Lab, ...]:
        return self._strip, self._signal, self._look, self._gallery, self._exact, self._lab

    @staticmethod
    def _forget(*memos: Memo | Strip | Look | Gallery | Exact | Lab) -> None:
        for memo in memos:
            memo.clear()

    def _guarded(self, work: Callable):
        """`work()`; if memory runs out, once more with nothing cached. Raises UserError if that was not enough."""
        for _ in range(2):
            try:
                return work()
            except dispatch.BackendError as error:
                raise UserError(str(error)) from None
            except Exception as error:
                if not devices.is_out_of_memory(error):
                    raise
            self._make_room()            # only here are the failed run's tensors out of reach
        raise UserError("out of memory, even with nothing cached: close other programs, or choose fewer samples, a "
                        "lower precision or another device.")

    def _make_room(self) -> None:
        self._synthesis.make_room()
        self._forget(*self._shown())
        gc.collect()
        self._opened.empty_cache()


def _without(part: str, result: RenderResult, error: Exception) -> RenderResult:
    return replace(result, notes=(*result.notes, f"{WITHOUT[part]}: {one_line(str(error))}"))


def _await_kernels(run: Run, device: torch.device) -> str:
    """Waits for them where that can be said; a sentence, if ops that could have run on them have to do without."""
    if device.type != "cpu":
        return ""
    library = build.outcome(lambda: run.progress("Compiling the fused kernels for this CPU, once", None))
    failed = isinstance(library, build.BuildError) and run.request.checkpoint.backend == "auto"
    return f"{library}. PyTorch's own operations run instead." if failed else ""


def _ops(device: torch.device, precision: str, backend: str) -> tuple[OpStatus, ...]:
    """Each op's backend on `device`, in layers of that precision; a forced one is all there is to say."""
    found = dispatch.status(device, devices.PRECISIONS[precision])
    if backend == "auto":
        return tuple(OpStatus(op.op, op.backend, tuple(op.reasons), op.details) for op in found)
    return tuple(OpStatus(op.op, backend, ("chosen by hand",)) for op in found)
