"""The emulation itself: right kernels give right results, and every kind of mistake is found and named."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import cuda_emulation
from cuda_emulation import EmulationError, Emulator
from cuda_ops.cuda_launch import Launch

SOURCE = "mistakes.cu"
pytestmark = pytest.mark.skipif(bool(cuda_emulation.missing()), reason=cuda_emulation.missing())


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    here = Path(__file__).parent
    names = re.findall(r"^__global__ void (\w+)", (here / SOURCE).read_text(), re.MULTILINE)
    emulator = Emulator(tmp_path_factory.mktemp("emulation"), here)
    emulator.build(SOURCE, "reverse_each<float, 96>", "reverse_each<float, 64>", *names)
    return emulator


def run(emulator, kernel, *arguments, grid=(1, 1, 1), block=(64, 1, 1), shared_bytes=0):
    emulator.launch(torch.zeros(1), Launch(SOURCE, kernel, grid, block, arguments, shared_bytes))


def refuses(emulator, words, kernel, *arguments, **sizes):
    with pytest.raises(EmulationError, match=words):
        run(emulator, kernel, *arguments, **sizes)


def test_a_right_kernel(emulator):
    x, y = torch.arange(200.0), torch.zeros(200)
    run(emulator, "reverse_each<float, 96>", x, y, 200, 0.5, grid=(3, 1, 1), block=(96, 1, 1))
    expected = torch.cat([x[:96].flip(0), x[96:192].flip(0), x[192:].flip(0)]) / 2
    assert torch.equal(y, expected)


def test_only_what_a_view_spans_is_touched(emulator):
    x, y = torch.arange(64.0), torch.full((128,), 7.0)
    run(emulator, "reverse_each<float, 64>", x, y[32:96], 64, 1.0)
    assert torch.equal(y[32:96], x.flip(0)) and (y[:32] == 7).all() and (y[96:] == 7).all()


def test_shuffles(emulator):
    x, y = torch.arange(64.0), torch.zeros(64)
    run(emulator, "sums_a_warp", x, y)
    assert torch.equal(y, 3 * x.reshape(2, 32).sum(1).repeat_interleave(32))
    run(emulator, "shifts_a_warp", x, y)
    lane = torch.arange(64) % 32
    down, up = torch.where(lane < 29, x + 3, x), torch.where(lane > 0, x - 1, x)
    assert torch.equal(y, down + up + (x - lane + 7))


def test_shared_memory_that_was_not_written(emulator):
    refuses(emulator, "^kernel never_written: argument 0 depends on .* shared memory that was not written",
            "never_written", torch.zeros(64))


@pytest.mark.parametrize("kernel", ["no_barrier", "adds_across_blocks"])
def test_races(emulator, kernel):
    arguments = [torch.arange(64.0)] if kernel == "no_barrier" else []
    refuses(emulator, f"^kernel {kernel}: argument {len(arguments)} depends on the order in which threads run", kernel,
            *arguments, torch.zeros(64), grid=(3, 1, 1), block=(64 if arguments else 1, 1, 1))


def test_a_race_after_the_barrier(emulator):
    refuses(emulator, "^kernel no_second_barrier: argument 1 depends on the order", "no_second_barrier",
            torch.arange(64.0), torch.zeros(64))


def test_divergence(emulator):
    line = r"the barrier of line \d+"
    refuses(emulator, rf"^kernel leaves_early, block \(0, 0, 0\), thread \(0, 0, 0\) waits at {line}, "
                      r"thread \(60, 0, 0\) has ended", "leaves_early", torch.zeros(64), 60)
    refuses(emulator, rf"^kernel two_barriers, .* waits at {line}, thread \(32, 0, 0\) at that of line \d+",
            "two_barriers", torch.zeros(64))
    refuses(emulator, rf"^kernel part_of_a_warp, .* waits at {line}, thread \(7, 0, 0\)", "part_of_a_warp",
            torch.zeros(64))


@pytest.mark.parametrize("offset, thread, byte", [(1, 63, 256), (-2, 0, -8), (1000, 0, 4000)])
def test_global_bounds(emulator, offset, thread, byte):
    by = rf"block \(0, 0, 0\), thread \({thread}, 0, 0\)"
    refuses(emulator, rf"^kernel reads, {by}: read of 4 bytes at byte {byte} of argument 0, which has 256", "reads",
            torch.zeros(64), torch.zeros(64), offset)
    refuses(emulator, rf"^kernel writes, {by}: write of 4 bytes at byte {byte} of argument 0, which has 256", "writes",
            torch.zeros(64), offset)


def test_bounds_are_those_of_the_bytes(emulator):
    """A buffer that does not end where a vector of 16 bytes does."""
    refuses(emulator, "read of 4 bytes at byte 252 of argument 0, which has 252", "reads", torch.zeros(63),
            torch.zeros(64), 0)


@pytest.mark.parametrize("offset, byte", [(33, 256), (-1, -4)])
def test_shared_bounds(emulator, offset, byte):
    refuses(emulator, rf": read of 4 bytes at byte {byte} of shared tile, which has 256", "reads_shared",
            torch.zeros(32), offset, block=(32, 1, 1))


def test_dynamic_shared_bounds(emulator):
    y = torch.zeros(64)
    run(emulator, "writes_dynamic", y, 0, shared_bytes=256)
    assert (y == 1).all()
    refuses(emulator, r"write of 4 bytes at byte 252 of dynamic shared memory, which has 255",
            "writes_dynamic", y, 0, shared_bytes=255)


def test_undefined_behaviour(emulator):
    refuses(emulator, r"misaligned address", "misaligned", torch.zeros(8), torch.zeros(1), block=(1, 1, 1))


@pytest.mark.parametrize("words, arguments", [
    ("takes 2 arguments, not 1", (torch.zeros(64),)),
    ("argument 1 does not fit: f for i", (torch.zeros(64), 1.0)),
    ("argument 0 does not fit: i for w", (3, 1)),
])
def test_arguments_that_do_not_fit(emulator, words, arguments):
    refuses(emulator, words, "writes", *arguments)


def test_sizes_no_card_takes(emulator):
    refuses(emulator, "no card takes", "writes", torch.zeros(2048), 0, block=(1025, 1, 1))
    refuses(emulator, "70000 bytes of shared memory", "writes_dynamic", torch.zeros(64), 0, shared_bytes=70000)


def test_source_that_does_not_compile(emulator):
    with pytest.raises(EmulationError, match="does not compile without warnings"):
        emulator.build(SOURCE, "not_there")
