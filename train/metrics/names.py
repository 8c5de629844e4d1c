"""The metrics by name, each with what it needs and how many images it takes (metrics.md)."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from nets.errors import UserError, one_line
from train.metrics.detectors import INCEPTION, VGG16, Detector
from train.metrics.equivariances import Equivariance, any_shift, turn, whole_shift
from train.metrics.pictures import Fid, InceptionScore, Kid, PrecisionRecall, Spectrum, Swd
from train.metrics.separability import Separability
from train.metrics.setting import Metric, Setting
from train.metrics.walks import PathLength


@dataclass(frozen=True)
class Kind:
    """`make(setting, count)` begins a measurement of `images` images or pairs."""
    make: Callable[[Setting, int], Metric]
    images: int
    detector: Detector | None = None
    needs_data: bool = False
    needs_transform: bool = False        # StyleGAN3's, of the input
    needs_z: bool = False
    needs_classifiers: bool = False


def _path(space: str, full: bool, crop: bool = True, images: int = 100_000) -> Kind:
    return Kind(partial(PathLength, space=space, full=full, crop=crop), images, VGG16, needs_z=True)


def _equivariance(moved: Callable) -> Kind:
    return Kind(partial(Equivariance, moved=moved), 50_000, needs_transform=True)


KINDS: dict[str, Kind] = {
    "fid50k_full": Kind(Fid, 50_000, INCEPTION, needs_data=True),
    "kid50k_full": Kind(Kid, 50_000, INCEPTION, needs_data=True),
    "pr50k3_full": Kind(PrecisionRecall, 50_000, VGG16, needs_data=True),
    "is50k": Kind(InceptionScore, 50_000, INCEPTION),
    "ppl_zfull": _path("z", full=True),  # StyleGAN's: faces cropped
    "ppl_wfull": _path("w", full=True),
    "ppl_zend": _path("z", full=False),
    "ppl_wend": _path("w", full=False),
    "ppl2_wend": _path("w", full=False, crop=False, images=50_000),      # StyleGAN2's
    "eqt50k_int": _equivariance(whole_shift),
    "eqt50k_frac": _equivariance(any_shift),
    "eqr50k": _equivariance(turn),
    "ls": Kind(Separability, 200_000, needs_z=True, needs_classifiers=True),
    "swd": Kind(Swd, 2048, needs_data=True),
    "spectrum": Kind(Spectrum, 2048, needs_data=True),
}


def check_names(names: Sequence[str]) -> None:
    """Raises UserError on a name that stands for no metric, or none at all."""
    unknown = [name for name in names if name not in KINDS]
    if unknown or not names:
        said = f"there is no metric '{unknown[0]}'" if unknown else "no metric is named"
        raise UserError(one_line(f"{said}; choose of {', '.join(KINDS)}"))


def label(name: str, images: int | None) -> str:
    """The name of the result: with another number of images than the metric's own, that number is in it.

    'fid50k_full' of 2000 is 'fid2k_full', 'swd' of 300 'swd_300'.
    """
    if images is None or images == KINDS[name].images:
        return name
    shown = f"{images // 1000}k" if images % 1000 == 0 else str(images)
    if "50k" not in name:
        return f"{name}_{shown}"
    return name.replace("50k", shown if shown.endswith("k") or "50k3" not in name else f"{shown}_")
