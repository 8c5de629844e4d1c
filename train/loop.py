"""A run in memory: its networks, optimisers, augmentation and random numbers; one step; and its state, to go on from.

Everything random is drawn for the whole minibatch, on every process alike; each process then takes every n-th sample.
So a run of n processes draws what a run of one draws. Spec: training.md.
"""
from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nets.build import build
from nets.config import StyleGAN1Config
from train.augment import INTERVAL, PIPELINES, Controller, Numbers, augment, draw
from train.config import Adam, Moment, TrainConfig, is_new_phase
from train.data import to_images
from train.ema import ema_beta, update_ema
from train.latents import Latents, draw_latents
from train.means import Means
from train.phases import Phases, Stats, replace_nonfinite
from train.processes import num_processes, rank, share_gradients, total_over_processes
from train.view import blur, blur_sigma, growing_reals

DrawLabels = Callable[[int, torch.Generator], Tensor]    # how many, CPU generator -> [N, c_dim], as in the data set
Watch = Callable[[str], None]                            # told what goes on now


class Part(NamedTuple):
    """A part of a step: what it does with a micro-batch of reals and labels, and what it trains."""
    name: str
    trains: str                          # 'G' or 'D'
    run: Callable[[Tensor, Tensor | None], Stats]


class Training:
    """One run. `step` takes this process's share of the real pictures; the rest is read or set between steps.

    `images` shown and `steps` done so far; `means`: of the statistics since they were last taken; `bad`: gradients
    that were not finite in the last step, {'D.b16.conv0.weight': how many}.
    """

    def __init__(self, config: TrainConfig, draw_labels: DrawLabels, device: torch.device | str = "cpu",
                 precision: torch.dtype = torch.float32):
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(config.seed)
            self.G, self.D = (build(network).train().to(device) for network in (config.generator, config.discriminator))
        self.G.synthesis.precision = self.D.precision = precision
        self.G_ema = copy.deepcopy(self.G).eval().requires_grad_(False)
        self._begin_optimizers(config.at(0))
        ada = config.augmentation
        self.controller = Controller(ada.p, ada.target, ada.kimg)
        self.path_average = torch.zeros((), device=device)
        self.images = self.steps = 0
        self.means, self.r_t, self.bad = Means(), None, {}
        self._draw_labels = draw_labels
        self._random = torch.Generator().manual_seed(config.seed + 1)        # of labels and augmentation
        self._normal = torch.Generator(device).manual_seed(config.seed + 2)  # of latents and noise, where they are used

    @property
    def kimg(self) -> float:
        return self.images / 1000

    @property
    def now(self) -> Moment:
        return self.config.at(self.kimg)

    @property
    def p(self) -> float:
        """Probability of augmentation."""
        return 0.0 if self.config.augmentation.mode == "none" else self.controller.p

    # -- a step -------------------------------------------------------------------------------------------------------

    def step(self, pictures: Tensor, labels: Tensor, watch: Watch = lambda what: None) -> None:
        """One minibatch: uint8 `pictures` [N, C, H, W] with `labels` [N, c_dim], N of them this process's share."""
        now = self.now
        self._enter(now)
        reals = self._reals(pictures, labels, now)
        self.bad = {}
        for part in self._parts(now):
            watch(part.name)
            self._train(part, reals, watch)
        beta = ema_beta(now.batch, self.images, self.config.ema.kimg, self.config.ema.ramp)
        update_ema(self.G_ema, self.G, beta)
        self.images += now.batch
        self.steps += 1
        if self.config.augmentation.mode == "ada" and self.steps % INTERVAL == 0:
            self.controller.signs = total_over_processes(self.controller.signs)
            self.r_t = self.controller.update(now.batch * INTERVAL)

    def _train(self, part: Part, reals: list[tuple[Tensor, Tensor | None]], watch: Watch) -> None:
        network, optimizer = (self.G, self._g_adam) if part.trains == "G" else (self.D, self._d_adam)
        network.zero_grad(set_to_none=True)
        for images, labels in reals:
            self.means.add(part.run(images, labels))
        if num_processes() > 1:
            watch(f"gradients of {part.name}, from all processes")
            share_gradients(network)
        self.bad |= {f"{part.trains}.{name}": count for name, count in replace_nonfinite(network).items()}
        optimizer.step()

    def _parts(self, now: Moment) -> list[Part]:
        """In their order: the generator first, but StyleGAN1's networks the other way round."""
        phases = Phases(self.G, self.D, self.config.loss, self._show, now.lod if self.config.growing else None)
        g_every, d_every = self.config.g_reg_interval, self.config.d_reg_interval
        d_every = None if self.config.loss.regularizer == "none" else d_every
        is_inside = self.config.d_reg_interval is None
        g = [Part("G main", "G", partial(self._g_main, phases))]
        d = [Part("D main", "D", partial(self._d_main, phases, is_inside))]
        if g_every and self.steps % g_every == 0:
            g.append(Part("G path lengths", "G", partial(self._g_reg, phases, g_every)))
        if d_every and self.steps % d_every == 0:
            d.append(Part("D regulariser", "D", partial(self._d_reg, phases, d_every)))
        return d + g if isinstance(self.config.generator, StyleGAN1Config) else g + d

    def _g_main(self, phases: Phases, real: Tensor, labels: Tensor | None) -> Stats:
        return phases.generator_main(self._latents(len(real), phases.lod))

    def _g_reg(self, phases: Phases, gain: int, real: Tensor, labels: Tensor | None) -> Stats:
        y = torch.randn(len(real) * num_processes(), *real.shape[1:], generator=self._normal, device=self.device)
        stats, self.path_average = phases.generator_regularizer(
            self._latents(len(real), phases.lod), y[_dealt()], self.path_average, gain)
        return stats

    def _d_main(self, phases: Phases, regularize: bool, real: Tensor, labels: Tensor | None) -> Stats:
        latents = self._latents(len(real), phases.lod)
        return self._observed(phases.discriminator_main(latents, real, labels, regularize, self._between(len(real))))

    def _d_reg(self, phases: Phases, gain: int, real: Tensor, labels: Tensor | None) -> Stats:
        latents = self._latents(len(real), phases.lod)
        return self._observed(phases.discriminator_regularizer(latents, real, labels, gain, self._between(len(real))))

    def _observed(self, stats: Stats) -> Stats:
        if self.config.augmentation.mode == "ada" and "D.real_score" in stats:
            self.controller.observe(stats["D.real_score"])
        return stats

    # -- what a step needs --------------------------------------------------------------------------------------------

    def _reals(self, pictures: Tensor, labels: Tensor, now: Moment) -> list[tuple[Tensor, Tensor | None]]:
        """In micro-batches. A network without labels gets None."""
        images = to_images(pictures.to(self.device, non_blocking=True))
        if self.config.growing:
            images = growing_reals(images, now.lod)
        labels = labels.to(self.device, non_blocking=True) if self.config.generator.c_dim else None
        parts = labels.split(now.batch_gpu) if labels is not None else [None] * len(images)
        return list(zip(images.split(now.batch_gpu), parts))

    def _latents(self, num: int, lod: float | None) -> Latents:
        """This process's share of those of a micro-batch in which each process has `num`."""
        total = num * num_processes()
        labels = self._draw_labels(total, self._random) if self.config.generator.c_dim else None
        return draw_latents(self.G, total, labels, self._normal, self.config.mixing, lod).take(_dealt())

    def _between(self, num: int) -> Tensor | None:
        """Where the gradient penalty is taken [num]."""
        if self.config.loss.regularizer != "gp":
            return None
        return torch.rand(num * num_processes(), generator=self._random)[_dealt()]

    def _show(self, images: Tensor) -> Tensor:
        """What D sees of them: blurred while that fades, and augmented, each pass anew."""
        if self.config.blur:
            images = blur(images, blur_sigma(self.images, self.config.batch))
        if not self.p:                   # no gate opens
            return images
        shape = len(images) * num_processes(), *images.shape[1:]
        drawn = draw(PIPELINES[self.config.augmentation.pipe], self.p, shape, Numbers(self._random))
        return augment(images, drawn, _dealt())

    # -- optimisers ---------------------------------------------------------------------------------------------------

    def _begin_optimizers(self, now: Moment) -> None:
        self._g_adam, self._d_adam = _adam(self.G, now.g_adam), _adam(self.D, now.d_adam)
        self._lod = now.lod

    def _enter(self, now: Moment) -> None:
        """While growing the learning rates follow the resolution, and optimisers begin anew with each phase."""
        if is_new_phase(self._lod, now.lod):
            self._begin_optimizers(now)
        self._lod = now.lod
        for optimizer, adam in (self._g_adam, now.g_adam), (self._d_adam, now.d_adam):
            optimizer.param_groups[0]["lr"] = adam.lr

    # -- state --------------------------------------------------------------------------------------------------------

    def networks(self) -> dict[str, nn.Module]:
        """By the names that a checkpoint has for them."""
        return {"G_ema": self.G_ema, "G": self.G, "D": self.D}

    def state(self) -> dict[str, Any]:
        """A tree for `train.state`, from which `restore` goes on as if nothing had been in between, bit for bit."""
        return {"images": self.images, "steps": self.steps, "lod": self._lod, "r_t": self.r_t,
                "networks": {name: network.state_dict() for name, network in self.networks().items()},
                "adam": {"G": self._g_adam.state_dict(), "D": self._d_adam.state_dict()},
                "controller": self.controller.state(), "path_average": self.path_average, "means": self.means.state(),
                "random": self._random.get_state(), "normal": self._normal.get_state()}

    def restore(self, state: dict[str, Any]) -> None:
        for name, network in self.networks().items():
            network.load_state_dict(state["networks"][name])
        self._g_adam.load_state_dict(state["adam"]["G"])
        self._d_adam.load_state_dict(state["adam"]["D"])
        self.controller.restore(state["controller"])
        self.path_average = state["path_average"].to(self.device)
        self.images, self.steps, self._lod, self.r_t = (state[key] for key in ("images", "steps", "lod", "r_t"))
        self.means.restore(state["means"])
        self._random.set_state(state["random"])
        self._normal.set_state(state["normal"])

    def nonfinite(self) -> str | None:
        """The first tensor of the networks that holds something else than finite numbers; None: all is well."""
        tensors = [(f"{which}.{name}", tensor) for which in ("G", "D", "G_ema")      # the average follows G
                   for name, tensor in self.networks()[which].state_dict().items()]
        bad = torch.stack([~tensor.isfinite().all() for _, tensor in tensors]).tolist()
        return next((name for (name, _), is_bad in zip(tensors, bad) if is_bad), None)


def _adam(network: nn.Module, settings: Adam) -> torch.optim.Adam:
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.optim.Adam(parameters, settings.lr, settings.betas, settings.eps)


def _dealt() -> slice:
    """Which samples of the whole are this process's."""
    return slice(rank(), None, num_processes())
