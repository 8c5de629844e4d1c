"""A run from its first step to its last: ticks, snapshots and states, wishes and signals, and what may go wrong.

Every process of the run calls `run`; the first one alone has the folder and writes. Spec: training.md "Runs".
"""
from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from functools import partial

import torch

from cuda_ops import dispatch
from nets.errors import UserError
from renderer.datasets import UnfitPicture
from renderer.device import PRECISIONS, choose_device, choose_precision
from train.config import TrainConfig
from train.data import TrainingSet
from train.folder import RunFolder
from train.interrupts import Interrupts
from train.loop import Training
from train.minibatches import Minibatch, minibatches
from train.processes import most_over_processes, num_processes, rank
from train.records import Records
from train.settings import RunOptions
from train.state import Found
from train.stopwatch import Stopwatch
from train.transfer import transfer
from train.watchdog import PICTURES, PROCESSES, Watchdog

STATE_SECONDS = 600                      # at most this long, and a tick, is lost to a kill
MOST_BAD_STEPS = 100                     # in a row with gradients that are not finite: nothing is learned any more
PAUSE_SECONDS = 0.5                      # between two looks whether it is over
WISHES = ("run", "pause", "stop")        # a later one prevails


def run(config: TrainConfig, options: RunOptions, folder: RunFolder | None, resume: Found | None = None) -> None:
    """Trains until `config.kimg` are shown or the run is asked to stop: by SIGTERM, Ctrl+C or a file in its folder.

    `folder`: of the first process; None on the others. `resume`: the state to go on from. Raises UserError where it
    cannot go on; what the last state holds is safe.
    """
    say = folder.say if folder else partial(print, file=sys.stderr, flush=True)
    device = _device(options.device)
    number = rank() if num_processes() > 1 else None
    with dispatch.use(options.backend), Interrupts(say) as interrupts, Watchdog(say, rank=number) as watchdog:
        try:
            _Session(config, options, folder, device, watchdog, interrupts).train(resume)
        except torch.OutOfMemoryError:
            raise UserError(f"the memory of {device} ran out; choose a smaller --batch-gpu than {config.batch_gpu}, "
                            "then --resume this run") from None


def _device(name: str) -> torch.device:
    """Under torchrun each process of a machine has a card of its own."""
    device = choose_device(name)
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True
    return device


class _Session:
    """One process of a run."""

    def __init__(self, config: TrainConfig, options: RunOptions, folder: RunFolder | None, device: torch.device,
                 watchdog: Watchdog, interrupts: Interrupts):
        self.config, self.options, self.folder = config, options, folder
        self.watchdog, self.interrupts, self.stopwatch = watchdog, interrupts, Stopwatch()
        self.pictures = TrainingSet(options.data, options.cond, config.mirror, options.max_images, config.seed,
                                    options.channels)
        precision = PRECISIONS[choose_precision(options.precision, device, config.generator)]
        self.training = Training(config, self.pictures.random_labels, device, precision)
        self.records: Records | None = None                      # of the first process
        self.total = config.kimg * 1000
        self.before = 0                  # images shown before the last step
        self.replaced = self.bad_steps = 0       # gradients since the last tick; steps in a row
        self.saved_at = time.monotonic()
        self.reported: set[str] = set()  # pictures that could not be read

    def train(self, resume: Found | None) -> None:
        self._begin(resume)
        batches = self._minibatches()
        while self.training.images < self.total:
            self._step(batches)
            if self._is_past(self.options.tick) or self.training.images >= self.total:
                self._tick()
            if self._asked() == "stop":
                return self._end("stopped")
        self._end("finished")

    # -- beginning and end --------------------------------------------------------------------------------------------

    def _begin(self, resume: Found | None) -> None:
        self._aside("preparing")
        if resume:
            self.training.restore(resume.state["training"])
            self.stopwatch.total = resume.state["elapsed"]
        elif self.options.resume_from:
            self._say(transfer(self.training.networks(), self.options.resume_from).full())
        if not self.folder:
            return
        self.records = Records(self.folder, self.config, self.options, self.training, self.pictures, self.stopwatch)
        self.folder.status(state="running", images=self.training.images, total_images=round(self.total))
        if resume:
            self.folder.rewind(self.training.images)
            self._say("\n".join([*resume.damaged, f"goes on from {resume.path.name}, {self.training.kimg:g} kimg"]))
        else:
            self.records.reals()
            self._record({}, snap=True)

    def _end(self, state: str) -> None:
        """A run that is stopped is saved where it is, between two ticks."""
        if not self.folder:
            return
        if state == "stopped":
            self._save(must=True)
        self.folder.forget_wishes()
        self.folder.status(state=state, doing="", images=self.training.images)
        how = "" if state == "finished" else f"; go on with: python -m train run --resume {self.folder.path}"
        self._say(f"{state} at {self.training.kimg:g} kimg{how}")

    # -- a step -------------------------------------------------------------------------------------------------------

    def _minibatches(self) -> Iterator[Minibatch]:
        return minibatches(self.pictures, self.config.seed, self.training.images,
                           lambda images: self.config.at(images / 1000).batch, rank(), num_processes(),
                           self.options.workers, pin=self.training.device.type == "cuda")

    def _step(self, batches: Iterator[Minibatch]) -> None:
        self._now(PICTURES)
        try:
            batch = next(batches)
        except (UnfitPicture, RuntimeError) as error:            # the latter: a worker was killed
            raise UserError(f"{self.options.data}: no more pictures can be read ({error})") from None
        for line in sorted(set(batch.unfit) - self.reported):
            self._say(f"{line}; the next picture takes its place")
        self.reported.update(batch.unfit)
        self.before = self.training.images
        self.training.step(batch.pictures, batch.labels, self._now)
        self.stopwatch.now(None)
        self._check_gradients(self.training.bad)

    def _check_gradients(self, bad: dict[str, int]) -> None:
        self.bad_steps = self.bad_steps + 1 if bad else 0
        self.replaced += sum(bad.values())
        if not bad:
            return
        name, count = next(iter(bad.items()))
        hint = "lower --glr and --dlr, raise --gamma, or choose --precision fp32"
        if self.bad_steps <= 3:          # in a row; their number stands in every tick
            others = f" and of {len(bad) - 1} more tensors" if len(bad) > 1 else ""
            self._say(f"step {self.training.steps}: {count} gradients of {name}{others} were not finite and were "
                      f"replaced; if this goes on, {hint}")
        if self.bad_steps == MOST_BAD_STEPS:
            raise UserError(f"step {self.training.steps}: gradients of {name} were not finite in {MOST_BAD_STEPS} "
                            f"steps in a row, nothing is learned any more; resume from before that and {hint}")

    def _is_past(self, kimg: float) -> bool:
        """Whether the step just done has come to, or gone past, a multiple of `kimg`."""
        return self.training.images // (1000 * kimg) > self.before // (1000 * kimg)

    # -- what others ask for ------------------------------------------------------------------------------------------

    def _asked(self) -> str:
        """'run' or 'stop', as all processes see it. Returns from 'pause' once that is over."""
        wish = self._wish()
        if wish != "pause":
            return wish
        if self.folder:
            self._save()
            self.folder.status(state="paused", doing="", images=self.training.images)
            self._say(f"paused at {self.training.kimg:g} kimg")
        self.watchdog.rest()
        while (wish := self._wish()) == "pause":
            time.sleep(PAUSE_SECONDS)
        if self.folder and wish == "run":
            self.folder.status(state="running")
            self._say("goes on")
        return wish

    def _wish(self) -> str:
        wish = "stop" if self.interrupts.asked else self.folder.wish() if self.folder else "run"
        if num_processes() > 1:
            self._aside(PROCESSES)
        return WISHES[most_over_processes(WISHES.index(wish), self.training.device)]

    # -- what is kept -------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._aside(PROCESSES if num_processes() > 1 else "writing down")
        values = self.training.means.take() | {"nonfinite": self.replaced}
        bad, self.replaced = self.training.nonfinite(), 0
        if bad:
            raise UserError(f"step {self.training.steps}: {bad} holds numbers that are not finite, the run has "
                            "diverged; its states are whole: resume with lower --glr and --dlr, or a higher --gamma")
        if self.folder:
            snap = self.options.snap and self._is_past(self.options.tick * self.options.snap)
            self._record(values, bool(snap) or self.training.images >= self.total)
            self.folder.status(images=self.training.images)

    def _record(self, values: dict[str, float], snap: bool) -> None:
        """The state comes last: going on from the one before, all the rest is made anew, the same."""
        if not snap:
            self.records.tick(values)
            if time.monotonic() - self.saved_at > STATE_SECONDS:
                self._save(snapshot=False)
            return
        self._aside("drawing samples")
        self.records.fakes()
        measured = self.records.measure(self._aside)
        self.records.tick(values | measured)
        self._save(measured, must=self.training.images >= self.total)

    def _save(self, measured: dict[str, float] | None = None, snapshot: bool = True, must: bool = False) -> None:
        """Networks, then the state. A full disk does not end a run before its end, which it then `must`."""
        self._aside("saving")
        try:
            if snapshot:
                self.records.snapshot(measured or {})
            self.records.state()
            self.saved_at = time.monotonic()
        except UserError as error:
            if must:
                raise
            self._say(f"not saved, the run goes on and tries again: {error}")
            self.saved_at = 0.0          # so that the next tick does

    # -- words --------------------------------------------------------------------------------------------------------

    def _now(self, doing: str) -> None:
        """A part of a step begins."""
        self._aside(doing)
        self.stopwatch.now(doing)

    def _aside(self, doing: str) -> None:
        """Something begins whose time is not training's."""
        self.stopwatch.now(None)
        self.watchdog.now(doing, self.training.steps)
        if self.folder:
            self.folder.status(doing=doing, images=self.training.images)

    def _say(self, text: str) -> None:
        if self.folder:
            self.folder.say(text)
