"""What this machine's processor can do that torch has no public name for."""
from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache
def multiplies_bfloat16() -> bool:
    """Whether the CPU has instructions for products of bfloat16 (AVX512-BF16, which every CPU with AMX has, or Arm's).

    Without them oneDNN computes bfloat16 convolutions too, by conversion, and more slowly than those of float32.
    """
    known = getattr(torch.cpu, "get_capabilities", dict)()
    if known:
        return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()          # before get_capabilities
