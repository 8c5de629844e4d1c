"""Detectors, the networks whose features metrics measure by: TorchScript files, opened or refused in one line."""
from __future__ import annotations

import os
import warnings
import zipfile

import torch

from nets.errors import UserError


def open_detector(path: str, device: torch.device, source: str) -> torch.jit.ScriptModule:
    """The TorchScript module in a file, for evaluation; `source` says in messages what the file should be.

    Raises UserError where it is missing, a pickle (which would run its own code) or not to be read.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: is not there; the detector is {source}")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path}: is no TorchScript file; pickled detectors hold code and are refused. Use {source}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)      # of torch.jit, the format these files are in
            return torch.jit.load(path, map_location=device).eval()
    except (RuntimeError, ValueError):
        raise UserError(f"{path}: is no TorchScript file that this PyTorch can read. Use {source}") from None
