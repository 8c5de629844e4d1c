"""Choosing a device and a precision, naming them, reading memory."""
import threading

import pytest
import torch
from tiny_networks import TINY, tiny

from nets.config import StyleGAN2Config, StyleGAN3Config
from nets.errors import UserError
from renderer import device as devices
from renderer.memory import give_back

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("cuda, mps, chosen", [("", "", "cuda"), ("no card", "", "mps"), ("no card", "no Mac", "cpu")])
def test_auto_takes_the_best_that_works(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(devices, "why_no_cuda", lambda: cuda)
    monkeypatch.setattr(devices, "why_no_mps", lambda: mps)
    assert devices.choose_device("auto").type == chosen
    assert devices.choose_device("cpu").type == "cpu"


def test_one_that_cannot_run_says_why(monkeypatch):
    monkeypatch.setattr(devices, "why_no_cuda", lambda: "no card")
    with pytest.raises(UserError, match="cuda cannot run: no card.*cpu"):
        devices.choose_device("cuda")
    with pytest.raises(UserError, match="tpu.*auto, cuda, mps, cpu"):
        devices.choose_device("tpu")


def test_mps_has_to_prove_itself(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)     # and here the convolution will fail
    devices.why_no_mps.cache_clear()
    try:
        if torch.backends.mps.is_built():
            assert devices.why_no_mps() == ""
        else:
            assert "refused a first convolution" in devices.why_no_mps()
    finally:
        devices.why_no_mps.cache_clear()


@pytest.mark.parametrize("config, half", [
    (TINY["sg1"], False), (StyleGAN2Config(64), False), (StyleGAN2Config(64, num_fp16_res=4), True),
    (StyleGAN3Config(64), True), (StyleGAN3Config(64, num_fp16_res=0), False),
    (StyleGAN3Config(64, layers=tiny("sg3-t").synthesis.layers), True)])
def test_auto_precision_is_the_file_s_own_but_fp32_on_the_cpu(config, half):
    assert devices.choose_precision("auto", CPU, config) == "fp32"
    assert devices.choose_precision("auto", CUDA, config) == ("fp16" if half else "fp32")
    assert devices.choose_precision("bf16", CPU, config) == "bf16"
    with pytest.raises(UserError, match="fp64.*fp32, bf16, fp16"):
        devices.choose_precision("fp64", CPU, config)


def test_the_window_keeps_a_thread(monkeypatch):
    """Only the calling thread's setting counts, so this runs in one of its own."""
    seen = []

    def run():
        for cores, before in ((8, 8), (2, 2), (1, 1), (8, 3)):
            monkeypatch.setattr(devices, "cores", lambda cores=cores: cores)
            torch.set_num_threads(before)
            devices.leave_a_thread_to_the_window()
            seen.append((torch.get_num_threads(), devices.describe(CPU)))
    threads = torch.get_num_threads()
    try:
        (thread := threading.Thread(target=run)).start()
        thread.join()
    finally:
        torch.set_num_threads(threads)
    assert seen == [(7, "CPU (7 of 8 threads)"), (1, "CPU (1 of 2 threads)"), (1, "CPU (1 of 1 threads)"),
                    (3, "CPU (3 of 8 threads)")]


def test_memory_of_the_process():
    give_back()                                              # else the block may lie in what the process kept
    before = devices.memory_bytes(CPU)
    block = torch.ones(16 << 20)                             # 64 MiB
    assert devices.memory_bytes(CPU) - before > 48 << 20
    assert devices._peak_bytes() >= devices.memory_bytes(CPU) * 0.9
    del block


def test_the_cpu_s_own_out_of_memory():
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert devices.is_out_of_memory(error.value)
