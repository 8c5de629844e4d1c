"""Measurements, in the window's own environment: `renderer` sets it before torch starts."""
import renderer  # noqa: F401
