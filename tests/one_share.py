"""One process of two: runs the phases on every second sample, and saves what both find. Arguments: rank, folder."""
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from one_step import Step

from train.processes import mean_over_processes

PHASES = ("gmain", "greg", "dmain", "dreg")
OPTIONS = {                              # pair -> what Step takes; a large step of the mean length, so that it counts
    "sg2-conditional": {"d": {"mbstd_group_size": 2}, "pl_decay": 0.5},
    "sg3-r": {"num": 2, "d": {"mbstd_group_size": 1}},
}


def found_by(step: Step, phases=PHASES, samples=slice(None)) -> dict[str, torch.Tensor]:
    """Gradients of each phase, and the averages that the step leaves behind."""
    found = {}
    for phase in phases:
        gradients = step.gradients(lambda phase=phase: getattr(step, phase)(samples))
        found |= {f"{phase}.{name}": g for name, g in gradients.items()}
    return found | {name: b for name, b in step.G.named_buffers() if name.endswith(("w_avg", "magnitude_ema"))}


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=(folder / "store").as_uri(), rank=rank, world_size=2)
    found = found_by(Step("sg2-conditional", **OPTIONS["sg2-conditional"]), samples=slice(rank, None, 2))
    means = {name: mean_over_processes(g) if "." in name and name.split(".")[0] in PHASES else g
             for name, g in found.items()}
    torch.save([means, found_by(Step("sg3-r", **OPTIONS["sg3-r"]), ["dmain"], slice(rank, None, 2))],
               folder / f"{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
