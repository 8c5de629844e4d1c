"""Colormaps, and the one colour that means "not a number". No torch."""
from __future__ import annotations

from functools import lru_cache

import numpy as np

from nets.errors import UserError

BAD = (255, 0, 255)                      # not finite; none of the maps below comes near magenta
BACKDROP = (30, 30, 30)                  # where a picture of many has no part, and behind its labels

# sRGB, evenly spaced and linear in between. viridis and magma: S. van der Walt and N. Smith, CC0; turbo: A. Mikhailov;
# coolwarm: K. Moreland, "Diverging Color Maps for Scientific Visualization", 2009.
COLORMAPS: dict[str, str] = {
    "viridis": "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725",
    "magma": "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf",
    "turbo": "30123b 4662d7 36aaf9 1ae4b6 72fe5e c7ef34 faba39 f66b19 cb2a04 7a0403",
    "coolwarm": "3b4cc0 6282ea 8db0fe b8d0f9 dddddd f5c4ad f49a7b de604d b40426",
    "grey": "000000 ffffff",
}


@lru_cache
def colours(name: str) -> np.ndarray:
    """The 256 colours of a map, from the lowest value to the highest: uint8 [256, 3], read-only.

    Raises UserError if there is no such map.
    """
    if name not in COLORMAPS:
        raise UserError(f"there is no colormap '{name}'; there are {', '.join(COLORMAPS)}.")
    stops = np.array([list(bytes.fromhex(stop)) for stop in COLORMAPS[name].split()], float)
    at = np.linspace(0, len(stops) - 1, 256)
    channels = [np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    table = np.rint(np.stack(channels, axis=1)).astype(np.uint8)
    table.flags.writeable = False
    return table
