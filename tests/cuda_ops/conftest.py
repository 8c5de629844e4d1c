"""One thread for the ops' tests: their tensors are so small that a second one costs more than it computes."""
import cuda_emulation
import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def emulator(tmp_path_factory):
    """Carries out launches of CUDA kernels on the CPU; `with emulated(emulator):` sends the ops there."""
    if cuda_emulation.missing():
        pytest.skip(cuda_emulation.missing())
    return cuda_emulation.Emulator(tmp_path_factory.mktemp("emulation"))
