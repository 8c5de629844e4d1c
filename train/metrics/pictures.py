"""The metrics of generated pictures against real ones: FID, KID, precision and recall, IS, SWD, spectrum."""
from __future__ import annotations

import math

import torch

from train.metrics.detectors import INCEPTION, VGG16
from train.metrics.fakes import Fakes
from train.metrics.features import Collected, Gaussian, Progress
from train.metrics.frechet import frechet_distance
from train.metrics.inception import inception_score
from train.metrics.kernel import kernel_distance
from train.metrics.manifold import precision_recall
from train.metrics.setting import Setting
from train.metrics.spectra import Spectra
from train.metrics.swd import Patches, swd

KID_REALS = 1_000_000                    # at most
PR_REALS = 200_000
PATCHES = 1 << 16                        # of a pyramid's level, of all images together: 39 MB in colour


class Fid:
    """Fréchet distance of Inception features, all reals (Heusel et al. 2017)."""

    def __init__(self, setting: Setting, count: int):
        self.count, self._features, self._fake = count, setting.features(INCEPTION), Gaussian()
        real = Gaussian()
        self._real = Gaussian.of(setting.statistics(
            "Inception statistics", lambda images: real.add(self._features(images)), real.tensors,
            detector=setting.found.content(INCEPTION)))

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._fake.add(self._features(fakes.pictures(numbers)))

    def finish(self, progress: Progress) -> dict[str, float]:
        return {"": frechet_distance(self._real, self._fake)}


class Kid:
    """Kernel distance of Inception features (Bińkowski et al. 2018)."""

    def __init__(self, setting: Setting, count: int):
        self.count, self._features, self._fake = count, setting.features(INCEPTION), Collected(count)
        self._random, real = torch.Generator().manual_seed(setting.seed), Collected(KID_REALS)
        self._device = setting.device
        self._real = setting.statistics(
            "Inception features", lambda images: real.add(self._features(images)), lambda: {"rows": real.rows()},
            KID_REALS, detector=setting.found.content(INCEPTION))["rows"]

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._fake.add(self._features(fakes.pictures(numbers)))

    def finish(self, progress: Progress) -> dict[str, float]:
        return {"": kernel_distance(self._real, self._fake.rows(), self._random, device=self._device,
                                    progress=progress)}


class PrecisionRecall:
    """Improved precision and recall of VGG16 features, k = 3 (Kynkäänniemi et al. 2019)."""

    def __init__(self, setting: Setting, count: int):
        self.count, self._features = count, setting.features(VGG16)
        self._fake, real = (Collected(limit, torch.float16) for limit in (count, PR_REALS))
        self._device = setting.device
        self._real = setting.statistics(
            "VGG16 features", lambda images: real.add(self._features(images)), lambda: {"rows": real.rows()},
            PR_REALS, detector=setting.found.content(VGG16))["rows"]

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._fake.add(self._features(fakes.pictures(numbers)))

    def finish(self, progress: Progress) -> dict[str, float]:
        return precision_recall(self._real, self._fake.rows(), device=self._device, progress=progress)._asdict()


class InceptionScore:
    """IS of 10 splits (Salimans et al. 2016)."""

    def __init__(self, setting: Setting, count: int):
        self.count, self._see, self._found = count, setting.probabilities(), Collected(count)

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._found.add(self._see(fakes.pictures(numbers)))

    def finish(self, progress: Progress) -> dict[str, float]:
        score = inception_score(self._found.rows())
        return {"": score.mean, "std": score.std}


class Swd:
    """Sliced Wasserstein distance, the mean of the pyramid's levels and each of them (Karras et al. 2018)."""

    def __init__(self, setting: Setting, count: int):
        count, self._device = min(count, len(setting.reals)), setting.device
        per_image = max(1, min(128, PATCHES // count))
        self._random = torch.Generator().manual_seed(setting.seed)
        drawn = Patches(torch.Generator().manual_seed(1), per_image)
        self._real = Patches.of(setting.statistics("patches", drawn.add, drawn.tensors, count, per_image=per_image))
        self.count = next(iter(self._real.sizes.values()))[0] // per_image     # fewer where some cannot be read
        self._fake = Patches(torch.Generator().manual_seed(2), per_image)

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._fake.add(fakes.pictures(numbers))

    def finish(self, progress: Progress) -> dict[str, float]:
        levels = swd(self._real, self._fake, self._random, self._device, progress)
        return {"": math.fsum(levels.values()) / len(levels)} | {str(side): found for side, found in levels.items()}


class Spectrum:
    """Mean difference of the average power spectra in dB."""

    def __init__(self, setting: Setting, count: int):
        self.count = count = min(count, len(setting.reals))
        self._spectra = Spectra(setting.reals.set.shape[1:])
        self._spectra.set_real(setting.statistics("spectrum", self._spectra.add_real, self._spectra.real_tensors,
                                                  count))

    def take(self, fakes: Fakes, numbers: range) -> None:
        self._spectra.add_fake(fakes.pictures(numbers))

    def finish(self, progress: Progress) -> dict[str, float]:
        return {"": self._spectra.difference()}
