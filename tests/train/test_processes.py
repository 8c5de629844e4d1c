"""Two processes that share a batch find the gradients and averages of one that has it whole."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from one_share import OPTIONS, found_by
from one_step import Step, check_close

from train.processes import mean_over_processes, num_processes, share_averages

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    """What each of two processes found (gloo): [rank][pair]."""
    folder = tmp_path_factory.mktemp("shares")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)])}
    runs = [subprocess.Popen([sys.executable, str(TESTS / "one_share.py"), str(rank), str(folder)], env=environment,
                             stderr=subprocess.PIPE, text=True) for rank in range(2)]
    try:
        errors = [run.communicate(timeout=200)[1] for run in runs]
    finally:
        for run in runs:
            run.kill()
    assert not any(run.returncode for run in runs), "\n".join(errors)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.slow                        # two more processes that import torch
def test_gradients_of_every_phase_are_those_of_the_whole_batch(shares):
    whole = found_by(Step("sg2-conditional", **OPTIONS["sg2-conditional"]))
    assert {name.split(".")[0] for name in whole} == {"gmain", "greg", "dmain", "dreg", "mapping"}
    for share in shares:
        check_close(share[0], whole)


@pytest.mark.slow
def test_averages_are_those_of_the_whole_batch_and_the_same_everywhere(shares):
    """Beyond the first, a layer's input depends on magnitudes that each process moved by its own share, in that pass.

    They differ by 1 - beta = 1e-3 of the shares' spread, and so in the mean by its square.
    """
    whole = found_by(Step("sg3-r", **OPTIONS["sg3-r"]), ["dmain"])
    names = [name for name in whole if name.endswith(("w_avg", "magnitude_ema"))]
    assert len(names) == 7
    before = dict(Step("sg3-r", **OPTIONS["sg3-r"]).G.named_buffers())
    for i, name in enumerate(names):
        one, other = shares[0][1][name], shares[1][1][name]
        assert torch.equal(one, other) and not torch.equal(one, before[name])
        is_exact = name.endswith("w_avg") or i == 0
        moved = (whole[name] - before[name]).abs().max()
        assert (one - whole[name]).abs().max() <= (1e-9 if is_exact else 1e-2) * moved, name


def test_one_process_has_nothing_to_agree_on():
    x, step = torch.randn(3), Step("sg3-r", num=1)
    before = {name: b.clone() for name, b in step.G.named_buffers()}
    share_averages(step.G)
    assert num_processes() == 1 and mean_over_processes(x) is x
    assert all(torch.equal(b, before[name]) for name, b in step.G.named_buffers())
