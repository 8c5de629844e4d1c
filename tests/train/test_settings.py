"""How a run is carried out: through JSON and back, and what is refused."""
import json

import pytest

from nets.errors import UserError
from train.settings import RunOptions, from_json, to_json


@pytest.mark.parametrize("options", [
    RunOptions("runs", "set.zip", "stylegan2"),
    RunOptions("runs", "set.zip", "cifar", "a name", True, 100, 1, "net.pkl", ("swd", "fid50k_full"), 5000, 0.5, 0, 3,
               "cuda", "reference", "bf16", (8, 4), "detectors", 5),
], ids=["plain", "everything"])
def test_options_survive_json(options):
    assert from_json(json.loads(json.dumps(to_json(options)))) == options


@pytest.mark.parametrize("wrong", [
    {"tick": 0}, {"tick": float("nan")}, {"snap": -1}, {"workers": -1}, {"keep": 0}, {"max_images": 0},
    {"metric_images": 0}, {"grid": (0, 4)}, {"device": "gpu"}, {"precision": "fp64"}, {"colour": 1}],
    ids=lambda wrong: next(iter(wrong)))
def test_what_no_run_could_have_is_refused(wrong):
    with pytest.raises(UserError) as refused:
        from_json({"outdir": "runs", "data": "set.zip", "cfg": "stylegan2"} | wrong)
    assert "\n" not in str(refused.value)
