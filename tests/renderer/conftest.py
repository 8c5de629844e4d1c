"""Checkpoints of tiny networks, requests to them, and a record of the stages that run."""
from dataclasses import replace

import pytest
from stage_checks import randomize
from tiny_networks import TINY, counted, tiny

from nets.build import build
from nets.checkpoint import save_native
from nets.config import DiscriminatorConfig, StyleGAN1DiscriminatorConfig
from renderer.pipeline import Pipeline
from renderer.types import Checkpoint, Latent, RenderRequest


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """`files(name)`: the path of a checkpoint with that tiny network as G_ema, another one as G, and a D."""
    folder, paths = tmp_path_factory.mktemp("checkpoints"), {}

    def path(name: str) -> str:
        if name not in paths:
            paths[name] = str(folder / f"{name}.safetensors")
            config = TINY[name]
            d_kind = StyleGAN1DiscriminatorConfig if name.startswith("sg1") else DiscriminatorConfig
            shape = {"start_size": config.start_size} if hasattr(config, "start_size") else {}
            d = randomize(build(d_kind(config.resolution, config.img_channels, config.c_dim, 64, 8, **shape)))
            save_native(paths[name], {"G_ema": tiny(name), "G": tiny(name, seed=1), "D": d})
        return paths[name]
    return path


@pytest.fixture
def asked(files):
    """`asked(name, **parts)`: a request to a tiny network on the CPU."""
    def asked(name: str, **parts) -> RenderRequest:
        classes = ((1, 1.0),) if TINY[name].c_dim else ()
        latent = replace(parts.pop("latent", Latent(x=3)), classes=classes)
        return RenderRequest(Checkpoint(files(name), device="cpu"), latent, **parts)
    return asked


@pytest.fixture
def ran(monkeypatch):
    """Names of the stages that ran, in order; clear it between requests."""
    names = []
    original = Pipeline._set

    def counting(self, *args):
        setting = original(self, *args)
        return replace(setting, stages=counted(setting.stages, names))
    monkeypatch.setattr(Pipeline, "_set", counting)
    return names
