"""Training patches that are moved and varied, on the device, so that it never waits."""

from __future__ import annotations

from dataclasses import dataclass, field

from MedAssistLib.train.augment.intensity import Intensity, vary
from MedAssistLib.train.augment.random import Random
from MedAssistLib.train.augment.spatial import Size, Spatial, places, sample

__all__ = ["Augmentation", "Intensity", "Random", "Size", "Spatial", "places", "sample", "vary"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How patches are moved and varied."""

    spatial: Spatial = field(default_factory=Spatial)
    intensity: Intensity = field(default_factory=Intensity)
