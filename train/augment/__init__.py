"""Adaptive augmentation (ADA, Karras et al. 2020): what D is shown is changed at random, as often as it needs."""
from train.augment.controller import INTERVAL, Controller
from train.augment.draws import PIPELINES, Drawn, Numbers, Pipeline, draw
from train.augment.pictures import augment

__all__ = ["INTERVAL", "PIPELINES", "Controller", "Drawn", "Numbers", "Pipeline", "augment", "draw"]
