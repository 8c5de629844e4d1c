"""What every test may use: the reference recordings, the backends of the ops."""
import os
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

# Processes that tests give a cache of their own share the kernels all the same: they are compiled once, for all tests,
# workers and runs, where Stylescope itself keeps them (cuda_ops.build.cache_folder, which would import torch here).
os.environ.setdefault("STYLESCOPE_KERNELS", os.path.join(platformdirs.user_cache_dir("stylescope", False), "kernels"))
# Workers share the cores: threads of several that wait for each other in turn take four times as long as one each.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
REFERENCE = Path(os.environ.get("STYLESCOPE_REFERENCE", ROOT.parent / "shared" / "reference"))


def reference_path(name: str) -> Path:
    """Path of a recorded file; skips the test where the recordings are absent."""
    path = REFERENCE / name
    if not path.exists():
        pytest.skip(f"reference recording {name} is not here (set STYLESCOPE_REFERENCE)")
    return path


@pytest.fixture(scope="session")
def reference():
    """`reference('sg_ops.npz')`: the arrays of a recording, or a skip."""
    return lambda name: np.load(reference_path(name))


@pytest.fixture(params=["reference", "cpu"])
def backend(request):
    """Runs a test once on each backend of the ops that can run here, and on no other."""
    from cuda_ops import dispatch
    reason = dispatch.why_not(request.param, "cpu")
    if reason:
        pytest.skip(reason)
    with dispatch.use(request.param):
        yield request.param


@pytest.fixture(scope="session")
def reference_file():
    """`reference_file('sg3_t.snapshot.pkl')`: the path of a recorded checkpoint, or a skip."""
    return reference_path
