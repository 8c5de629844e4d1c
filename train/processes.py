"""What the processes of one run agree on, over torch.distributed. A run of one process has nothing to agree on."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch import distributed as dist

AVERAGES = ("w_avg", "magnitude_ema")    # buffers that move with each process's own share of the batch


def num_processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if num_processes() > 1 else 0


class _Mean(torch.autograd.Function):
    """Mean over processes. Every process's loss depends on every x, so the gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total / num_processes()

    @staticmethod
    def backward(ctx, dy: Tensor) -> Tensor:
        return _Mean.apply(dy)


def mean_over_processes(x: Tensor) -> Tensor:
    """The mean of the processes' x of one shape, on all of them. Differentiable; all of them must then run backward.

    Gradients are those of the mean over processes of the losses.
    """
    return x if num_processes() == 1 else _Mean.apply(x)


@torch.no_grad()
def share_averages(G: nn.Module) -> None:
    """Gives w_avg and StyleGAN3's magnitudes of all processes their mean: what one process would find in the batch."""
    buffers = [b for name, b in G.named_buffers() if name.rsplit(".", 1)[-1] in AVERAGES]
    if num_processes() == 1 or not buffers:
        return
    mean = mean_over_processes(torch.cat([b.flatten() for b in buffers]))
    for b, value in zip(buffers, mean.split([b.numel() for b in buffers])):
        b.copy_(value.reshape(b.shape))


@torch.no_grad()
def total_over_processes(x: Tensor) -> Tensor:
    """The sum of the processes' x of one shape, on all of them."""
    if num_processes() > 1:
        x = x.clone()
        dist.all_reduce(x)
    return x


def most_over_processes(number: int, device: torch.device | str) -> int:
    """The largest of the processes' numbers, on all of them; `device`: where they can exchange it."""
    if num_processes() == 1:
        return number
    shared = torch.tensor(number, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


@torch.no_grad()
def share_gradients(network: nn.Module) -> None:
    """Gives every process the mean of all gradients. Those that are None have to be so on all of them."""
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if num_processes() == 1 or not gradients:
        return
    mean = total_over_processes(torch.cat([g.flatten() for g in gradients])) / num_processes()
    for gradient, value in zip(gradients, mean.split([g.numel() for g in gradients])):
        gradient.copy_(value.reshape(gradient.shape))
