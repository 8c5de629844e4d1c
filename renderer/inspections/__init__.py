"""The lab's estimates, one file a kind."""
from renderer.inspection import Droplets, Filters, LatentPath, Layers, Mixing, Noise, Sticking, Truncation
from renderer.inspections import droplets, filters, layers, mixing, noise, path, sticking, truncation

ESTIMATES = {
    Droplets: droplets.Estimate,
    Filters: filters.Estimate,
    LatentPath: path.Estimate,
    Layers: layers.Estimate,
    Mixing: mixing.Estimate,
    Noise: noise.Estimate,
    Sticking: sticking.Estimate,
    Truncation: truncation.Estimate,
}
