"""A file's discriminator on a batch of pictures."""
from __future__ import annotations

import numpy as np
import torch

from nets.checkpoint import Checkpoint as OpenCheckpoint
from nets.config import DiscriminatorConfig, StyleGAN1DiscriminatorConfig
from nets.errors import CheckpointError, UserError


@torch.inference_mode()
def score(file: OpenCheckpoint, path: str, device: torch.device, images: np.ndarray, labels: np.ndarray | None,
          ) -> np.ndarray:
    """The scores [N, 1] of `images` [N, C, H, W], unclipped, in float32 and as one batch: they depend on all of it.

    `labels` [N, c_dim] where the discriminator is conditional. Raises UserError.
    """
    record = file.networks.get("D")
    if record is None or not isinstance(record.config, DiscriminatorConfig | StyleGAN1DiscriminatorConfig):
        raise CheckpointError(path, "it holds no discriminator", f"it has {', '.join(file.networks)}")
    c_dim = record.config.c_dim
    if c_dim and labels is None:
        raise UserError(f"this discriminator is conditional: it needs labels [{len(images)}, {c_dim}].")
    if not c_dim and labels is not None and labels.shape[1:] != (0,):
        raise UserError("this discriminator is not conditional: it takes no labels.")
    if images.ndim != 4 or not len(images):
        raise UserError(f"the images have shape {list(images.shape)}, [N, C, H, W] is needed.")
    discriminator = file.build("D").to(device)
    c = _float32(labels, device) if c_dim else None
    return discriminator(_float32(images, device), c).float().cpu().numpy()


def _float32(array: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)
