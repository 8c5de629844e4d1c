"""The processes of one run: started here, one for each GPU, or by torchrun; and what they must agree on to begin.

A launcher of our own, as torchrun gives a run that is to end half a minute to save, and then kills it.
"""
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed as dist

from nets.command_line import sentence
from nets.errors import UserError
from train.processes import num_processes, rank

T = TypeVar("T")
POLL_SECONDS = 0.2
GRACE_SECONDS = 60.0                     # for the others, once one process has failed
PASSED_ON = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


# -- starting them ----------------------------------------------------------------------------------------------------

def is_launched() -> bool:
    """Whether this is one of a run's processes already."""
    return "RANK" in os.environ and "WORLD_SIZE" in os.environ


def launch(command: Sequence[str], count: int) -> int:
    """Runs `count` processes of `command`, which find each other as torchrun's do, and returns the first bad status.

    Signals that ask this process to end are passed on to each of them, once; they may take their time to save.
    """
    common = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(count),
                           "LOCAL_WORLD_SIZE": str(count)}
    common.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // count)))
    processes: list[subprocess.Popen] = []

    def pass_on(number: int, _) -> None:
        for process in processes:
            if process.poll() is None:
                process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        for index in range(count):       # a group of their own: the terminal's Ctrl+C comes once, from here
            processes.append(subprocess.Popen(command, env=common | {"RANK": str(index), "LOCAL_RANK": str(index)},
                                              start_new_session=True))
        return _wait(processes)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for process in processes:
            if process.poll() is None:
                process.kill()


def _wait(processes: list[subprocess.Popen]) -> int:
    """Until all have ended. One that fails leaves the others waiting for it: they are asked, then made to end."""
    failed, deadline = 0, None
    while None in (found := [process.poll() for process in processes]):
        failed = failed or next(filter(None, found), 0)
        if failed and deadline is None:
            deadline = time.monotonic() + GRACE_SECONDS
            for process in processes:
                if process.poll() is None:
                    process.terminate()
        if deadline and time.monotonic() > deadline:
            break
        time.sleep(POLL_SECONDS)
    return abs(failed or next(filter(None, found), 0))                   # a signal's number, negative, is a failure too


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


# -- being one of them ------------------------------------------------------------------------------------------------

@contextmanager
def together(gpus: int, uses_cuda: bool) -> Iterator[None]:
    """Within the block this process can talk to the run's others. Raises UserError if there are not `gpus` of them."""
    world = int(os.environ["WORLD_SIZE"]) if is_launched() else 1
    if world != gpus:
        raise UserError(f"--gpus is {gpus}, but torchrun started {world} process(es) in all; make the two numbers alike"
                        if is_launched() else f"a run of {gpus} processes was started as one; use --gpus {gpus}")
    if world == 1:
        yield
        return
    if uses_cuda:
        index, cards = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if index >= cards:
            raise UserError(f"process {index} of this machine has no GPU: there are {cards}; choose --gpus {cards}")
        torch.cuda.set_device(index)
    try:
        dist.init_process_group("cpu:gloo,cuda:nccl" if uses_cuda else "gloo", timeout=timedelta(hours=1))
    except (RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"the {world} processes of this run cannot find each other: {str(error).splitlines()[0]}; "
                        "check MASTER_ADDR, MASTER_PORT and the firewall") from None
    try:
        yield
    finally:
        dist.destroy_process_group()


def agreed(action: Callable[[], T]) -> T:
    """What `action` gives on the first process, on all of them. Where it raises there, the others exit with 1, silent.

    What it gives must be picklable.
    """
    if num_processes() == 1:
        return action()
    result, error = None, None
    if rank() == 0:
        try:
            result = action()
        except Exception as caught:      # told to the others first, so that none waits for ever
            error = caught
    told = [(result, error and sentence(error))]
    dist.broadcast_object_list(told, src=0)
    if error:
        raise error
    result, line = told[0]
    if line:
        raise SystemExit(1)
    return result


def command_line(words: Sequence[str]) -> list[str]:
    """`words` behind `python -m train run`, with this Python."""
    return [sys.executable, "-m", "train", "run", *words]
