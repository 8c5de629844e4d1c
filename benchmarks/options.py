"""What the benchmarks of ops and of networks can be told alike."""
from __future__ import annotations

import argparse
from collections.abc import Sequence

import torch

from cuda_ops import dispatch
from renderer.device import PRECISIONS, choose_device


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None) -> tuple[argparse.Namespace, torch.device]:
    """The command line and the device it means, with torch set to as many threads as it asks for."""
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--backend", choices=("auto", *dispatch.BACKENDS), default="auto")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="of the CPU")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="a list on standard output and nothing else")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    return given, choose_device("auto" if given.backend in ("auto", "reference") else given.backend)
