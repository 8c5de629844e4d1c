"""The lab's estimates, one file a kind."""
from renderer.inspection import (
    Droplets,
    Equivariance,
    Filters,
    LatentPath,
    Layers,
    Mixing,
    Noise,
    Spectra,
    Sticking,
    Truncation,
)
from renderer.inspections import (
    droplets,
    equivariance,
    filters,
    layers,
    mixing,
    noise,
    path,
    spectra,
    sticking,
    truncation,
)

ESTIMATES = {
    Droplets: droplets.Estimate,
    Equivariance: equivariance.Estimate,
    Filters: filters.Estimate,
    LatentPath: path.Estimate,
    Layers: layers.Estimate,
    Mixing: mixing.Estimate,
    Noise: noise.Estimate,
    Spectra: spectra.Estimate,
    Sticking: sticking.Estimate,
    Truncation: truncation.Estimate,
}
