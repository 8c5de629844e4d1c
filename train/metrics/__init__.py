"""Metrics: how far generated images are from a data set's, by formulas on features and on pixels (metrics.md)."""
