"""Two processes started by torchrun find in a step the gradients that one finds in the whole minibatch."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from shared_step import all_gradients, configs

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def shares(tmp_path_factory):
    """What each process found."""
    folder = tmp_path_factory.mktemp("shares")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2",
                    str(TESTS / "shared_step.py"), str(folder)], env=environment, check=True, timeout=280)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def whole():
    return all_gradients()


@pytest.mark.parametrize("name", configs(1))
def test_gradients_are_those_of_one_process(name, shares, whole):
    """Within 1e-4 of a part's largest gradient, as sums in float32 in another order are; the same on both processes."""
    expected = whole[name]
    parts = {key.split("/")[0] for key in expected if "/" in key}
    assert {"G main", "D main", "means"} <= parts
    largest = {part: max(value.abs().max() for key, value in expected.items() if key.startswith(part))
               for part in {key.split("/")[0] for key in expected}}
    assert shares[0][name].keys() == shares[1][name].keys() == expected.keys()
    for key, value in expected.items():
        one, other = (share[name][key] for share in shares)
        assert torch.equal(one, other) or key.startswith("means"), key
        assert (one - value).abs().max() <= 1e-4 * largest[key.split("/")[0]], key
