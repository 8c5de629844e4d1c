"""What a StyleGAN3 layer takes from memory: its convolution's result and its own, never the upsampled signal."""
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from cuda_ops import dispatch
from nets.config import MappingConfig, StyleGAN3Config
from nets.stages import State, ignore
from nets.stylegan3 import Generator

ROOT = Path(__file__).resolve().parents[2]
SMALL = StyleGAN3Config(128, w_dim=16, z_dim=16, channel_base=1024, channel_max=16, mapping=MappingConfig(num_layers=1))
LARGE = """
import resource, torch
from nets.config import StyleGAN3Config
from nets.stylegan3 import Generator
network = Generator(StyleGAN3Config(1024, channel_base=32768)).eval().requires_grad_(False)
weights = int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
with torch.inference_mode():
    network.synthesis(torch.randn(1, network.num_ws, 512))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - weights)
"""


def peak_bytes(work) -> int:
    """The most that torch has allocated at once during `work`, beyond what it had before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        work()
    held = peak = 0
    for event in sorted(recorded.profiler.kineto_results.events(), key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


@pytest.fixture
def fused():
    reason = dispatch.why_not("cpu", "cpu")
    if reason:
        pytest.skip(reason)


def test_a_layer_never_holds_the_upsampled_signal(fused):
    network = Generator(SMALL).eval().requires_grad_(False)
    stages, ws = network.synthesis.stages(), torch.randn(1, network.num_ws, 16)
    checked = 0
    with torch.inference_mode():
        state = State()
        for stage, geometry in zip(stages, (None, *network.synthesis.layers), strict=False):
            inputs, before = stage.inputs(ws, {}), state
            stage.run(before, inputs, ignore)        # what is made once, is made
            peak = peak_bytes(partial(stage.run, before, inputs, ignore))
            state = stage.run(before, inputs, ignore)
            if geometry is None or geometry.is_torgb:
                continue
            (h, w), k = geometry.in_size, geometry.conv_kernel
            convolved = 4 * geometry.out_channels * (h + k - 1) * (w + k - 1)
            weights = 4 * geometry.in_channels * geometry.out_channels * k * k
            upsampled = convolved * geometry.up_factor ** 2
            limit = convolved + state.x.nbytes + 4 * weights + 2 ** 16       # weights: modulated, and on the way there
            assert peak <= limit, geometry.name
            checked += limit < upsampled
    assert checked > 3, "layers in which the upsampled signal would have been seen"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_largest_network_takes_less_than_a_gigabyte_and_a_half_beyond_its_weights(fused):
    done = subprocess.run([sys.executable, "-c", LARGE], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 1.5e9
