"""Checkpoint files: `open_checkpoint` reads any known format without running anything in it; `save_native` writes."""
from .native import save_native
from .opening import Checkpoint, open_checkpoint
from .record import NetworkRecord

__all__ = ["Checkpoint", "NetworkRecord", "open_checkpoint", "save_native"]
