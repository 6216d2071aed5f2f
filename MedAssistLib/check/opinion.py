"""A second opinion: what a model makes of the same scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from MedAssistLib.case import Segmentation
from MedAssistLib.check.structure import Structure

# The least that half precision tells apart from 0, so that no logarithm is infinite.
_LEAST = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Opinion:
    """A model's answer on the grid of the scan that is checked.

    Its structures are those of the drawing that have the same names; see
    :func:`MedAssistLib.check.named`.

    Attributes:
        segmentation: What the model drew.
        probabilities: Of each of the segmentation's segments, in their order, as the network gives
            them, axes (structure, k, j, i); ``None`` if the model gives none.
        temperature: What the network's logarithms are divided by, so that its confidence is what
            it is worth (see :mod:`MedAssistLib.train.confidence`); 1 if nobody measured it.

    Raises:
        ValueError: If there is not one probability for each structure and voxel.
    """

    segmentation: Segmentation
    probabilities: npt.NDArray[np.float16] | None = None
    temperature: float = 1.0

    def __post_init__(self) -> None:
        made = self.segmentation
        shape = (len(made.segments), *made.labels.GetSize()[::-1])
        if self.probabilities is not None and self.probabilities.shape != shape:
            raise ValueError(f"probabilities of shape {self.probabilities.shape}, not {shape}")

    def probability(self, structure: Structure) -> npt.NDArray[np.float32]:
        """Return how probable a structure is, after the temperature, on its mask with the margin.

        Args:
            structure: One of the drawing's or of the model's, by its name.

        Returns:
            Axes (k, j, i), shape of the structure's mask; 0 beyond the image.

        Raises:
            ValueError: If there are no probabilities, or the model does not know the structure.
        """
        names = [segment.name for segment in self.segmentation.segments]
        if self.probabilities is None:
            raise ValueError("the model gives no probabilities")
        inner, outer = structure.window
        raw = self.probabilities[names.index(structure.name)][outer].astype(np.float32)
        within = np.clip(raw, _LEAST, 1.0 - _LEAST)
        odds = ((1.0 - within) / within) ** (1.0 / self.temperature)
        found = np.zeros(structure.mask.shape, dtype=np.float32)
        found[inner] = 1.0 / (1.0 + odds)
        return found
