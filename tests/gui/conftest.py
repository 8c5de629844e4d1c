"""What tests of the window share: a display, and small checkpoint files they write themselves."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session", autouse=True)
def kernels():
    """Built before the first window: it finds them in the folder that tests share (tests/conftest.py)."""
    from cuda_ops import build
    build.outcome()


@pytest.fixture(scope="module")
def display():
    import driver
    driver.require()
    display = driver.Display()
    yield display
    display.close()


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    """A StyleGAN2 and a conditional StyleGAN3 file, with names that are not plain ASCII."""
    import torch

    from nets.build import build
    from nets.checkpoint import save_native
    from nets.config import StyleGAN2Config, StyleGAN3Config
    folder = tmp_path_factory.mktemp("checkpoints")
    small = {"z_dim": 32, "w_dim": 32, "channel_base": 256, "channel_max": 16}
    files = {}
    configs = {"Gesichter ü 顔": StyleGAN2Config(32, **small), "three": StyleGAN3Config(32, c_dim=4, **small)}
    for name, config in configs.items():
        torch.manual_seed(0)
        files[name] = folder / f"{name}.safetensors"
        save_native(files[name], {"G_ema": build(config), "G": build(config)})
    return {"stylegan2": files["Gesichter ü 顔"], "stylegan3": files["three"]}
