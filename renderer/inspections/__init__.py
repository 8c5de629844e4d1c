"""The lab's estimates, one file a kind."""
from renderer.inspection import Filters, Layers, Sticking
from renderer.inspections import filters, layers, sticking

ESTIMATES = {Filters: filters.Estimate, Layers: layers.Estimate, Sticking: sticking.Estimate}
