"""The tour: the papers' figures on the open network, each an inspection with a sentence on what there is to see."""
from __future__ import annotations

from dataclasses import dataclass

from renderer.inspection import (
    Droplets,
    Equivariance,
    Filters,
    Inspection,
    LatentPath,
    Layers,
    Mixing,
    Noise,
    Spectra,
    Sticking,
    Truncation,
)
from renderer.types import ModelInfo


@dataclass(frozen=True)
class Stop:
    title: str
    source: str                          # 'StyleGAN fig. 3': where the paper has it
    sentence: str                        # what it shows, and what to look for
    inspection: Inspection
    families: tuple[str, ...] = ()       # that have it; empty: all
    needs: str = ""                      # field of ModelInfo that must be true: 'has_noise'

    def why_not(self, info: ModelInfo | None) -> str:
        """Why the open network has nothing to show here; empty if it has."""
        if info is None:
            return "Open a network first"
        if self.families and info.family not in self.families:
            return f"Only {' and '.join(map(family_name, self.families))} have this"
        if self.needs and not getattr(info, self.needs):
            return f"This network has no {self.needs.removeprefix('has_')}"
        return ""


def family_name(family: str) -> str:
    return family.replace("stylegan", "StyleGAN")


STOPS = (
    Stop("Style mixing", "StyleGAN sec. 3.1, fig. 3",
         "Coarse rows of w bring pose and shape along, middle ones features, fine ones colours: see which of them each "
         "table takes from above.", Mixing()),
    Stop("Noise by scale", "StyleGAN sec. 3.2, fig. 5",
         "Without noise the picture looks painted; coarse noise curls large locks of hair, fine noise adds small "
         "detail.",
         Noise(samples=0), needs="has_noise"),
    Stop("Where noise acts", "StyleGAN sec. 3.2, fig. 4",
         "The standard deviation over many draws of noise: bright where chance decides, dark where w alone does.",
         Noise(), needs="has_noise"),
    Stop("Truncation", "StyleGAN app. B, fig. 8",
         "Toward psi 0 all pictures become the average one; below 0 they turn into their opposites.", Truncation()),
    Stop("The droplet", "StyleGAN2 sec. 2, fig. 1",
         "From about 64 x 64 on one blob outshines every feature map of StyleGAN1; StyleGAN2 and 3 have none.",
         Droplets()),
    Stop("What causes the droplet", "StyleGAN2 sec. 2.1",
         "Instance normalisation: the blob raises the deviation that all else is divided by. Take it out of the "
         "statistics, and see what the picture becomes.", Droplets(onwards=True), ("stylegan1",)),
    Stop("Teeth that keep their place", "StyleGAN2 sec. 4, fig. 6",
         "With progressive growing, details such as teeth stay where they are while the face turns: follow one along "
         "the strip.", LatentPath(steps=9), ("stylegan1", "stylegan2")),
    Stop("Averaging test", "StyleGAN3 sec. 1, fig. 1 left",
         "The mean of many neighbours is blurred where detail moves with the object, and sharp where it sticks to "
         "pixels.", Sticking(motion="latent", every_layer=False)),
    Stop("Slit scan", "StyleGAN3 sec. 1, fig. 1 right",
         "One line of pixels over time: detail that sticks draws straight streaks, detail that moves slanted ones.",
         Sticking(samples=128)),
    Stop("Equivariance", "StyleGAN3 sec. 2, app. E",
         "Does the picture follow when its input moves? In dB, for the picture and for each layer on the way.",
         Equivariance(), ("stylegan3",), "has_transform"),
    Stop("The layers' filters", "StyleGAN3 sec. 3.1, fig. 4a",
         "What a layer's filters let pass and what they stop, in dB: the stopband is what keeps aliases out.",
         Filters(), ("stylegan3",)),
    Stop("Flexible layers", "StyleGAN3 sec. 3.2, fig. 4c",
         "Cutoff and stopband of each layer grow step by step, apart from the sampling rates.", Layers(),
         ("stylegan3",)),
    Stop("The spectrum of each layer", "StyleGAN3 app. A",
         "How much each frequency carries, averaged over many pictures, layer by layer; beyond the cutoff are aliases.",
         Spectra()),
)
