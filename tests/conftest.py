"""What every test may use: the reference recordings, tiny checkpoints, one thread for torch."""
import os
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
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


@pytest.fixture(scope="session")
def reference_file():
    """`reference_file('sg3_t.snapshot.pkl')`: the path of a recorded checkpoint, or a skip."""
    return reference_path
