"""The lab's estimates, one file a kind."""
from renderer.inspection import Filters
from renderer.inspections import filters

ESTIMATES = {Filters: filters.Estimate}
