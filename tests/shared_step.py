"""The gradients of a step's parts, of this process's share of the minibatch: `torchrun .. shared_step.py FOLDER`.

Learning rates are 0, so that every part finds the same networks.
"""
from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import torch
from tiny_training import CLASSES, minibatch, random_labels, tiny_run

from train.config import Augmentation, Growing, TrainConfig
from train.loop import Training
from train.phases import LossConfig
from train.processes import num_processes, rank


def configs(gpus: int) -> dict[str, TrainConfig]:
    """Of 8 images, each process with all of its share at a time, minibatch statistics in groups of 2."""
    still = {"batch_gpu": 8 // gpus, "augmentation": Augmentation("fixed", "bgcfnc", 0.7), "gpus": gpus}
    found = {"stylegan2": tiny_run("stylegan2", CLASSES, **still),
             "stylegan1": tiny_run("stylegan1", growing=Growing(8, 1, 1), **still),
             "stylegan3-t": tiny_run("stylegan3-t", **still),
             "wgan": tiny_run("stylegan2", loss=LossConfig("wgan", "gp"), **still)}
    return {name: dataclasses.replace(
        config, g_adam=dataclasses.replace(config.g_adam, lr=0.0), d_adam=dataclasses.replace(config.d_adam, lr=0.0),
        discriminator=dataclasses.replace(config.discriminator, mbstd_group_size=2)) for name, config in found.items()}


def gradients(config: TrainConfig, images: int = 0) -> dict[str, torch.Tensor]:
    """{'G main/G.mapping.fc0.weight': gradient} of a step after `images`, and what it leaves besides."""
    width = config.generator.c_dim
    training = Training(config, lambda count, generator: random_labels(count, generator, width))
    training.images = images
    training._begin_optimizers(training.now)         # else the step would, without what is hooked to them
    found, parts = {}, []

    def keep(which, network):
        return lambda *_: found.update({f"{parts[-1]}/{which}.{name}": p.grad.clone()
                                        for name, p in network.named_parameters() if p.grad is not None})

    training._g_adam.register_step_pre_hook(keep("G", training.G))
    training._d_adam.register_step_pre_hook(keep("D", training.D))
    pictures, labels = (part[rank()::num_processes()] for part in minibatch(0, 8, width))
    training.step(pictures, labels, lambda doing: None if doing.startswith("gradients of") else parts.append(doing))
    return found | {"w_avg": training.G.mapping.w_avg.clone(), "path average": training.path_average} | {
        f"means/{name}": torch.tensor(value) for name, value in training.means.take().items()}


IMAGES = {"stylegan1": 1500}             # shown before: halfway through a fade


def all_gradients() -> dict[str, dict[str, torch.Tensor]]:
    return {name: gradients(config, IMAGES.get(name, 0)) for name, config in configs(num_processes()).items()}


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    result = all_gradients()
    torch.save(result, Path(sys.argv[1]) / f"{rank()}.pt")
    torch.distributed.destroy_process_group()
