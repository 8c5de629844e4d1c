"""Measures: pure functions of tensors, one file a phenomenon (inspection.md)."""
