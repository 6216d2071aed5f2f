"""Putting together what was found at several places of a scan."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib.models.plan import Part, PartedModel
from MedAssistLib.segment.engine import TiledResult
from MedAssistLib.segment.region import Slices


class Whole:
    """What was found in a scan so far.

    The probabilities, if they are wanted, are those of the background and of the labels of all
    places in their order, axes (output, k, j, i). Away from all places there is background.

    Args:
        image: The scan.
        model: The model.
        probabilities: Whether they are wanted.
    """

    def __init__(self, image: sitk.Image, model: PartedModel, *, probabilities: bool) -> None:
        shape = image.GetSize()[::-1]
        known = sorted({label for part in model.parts for label in part.labels.values()})
        self._outputs = {label: output for output, label in enumerate(known, start=1)}
        self._labels = np.zeros(shape, dtype=np.uint8 if known[-1] < 256 else np.uint16)
        self._probabilities: npt.NDArray[np.float32] | None = None
        if probabilities:
            self._probabilities = np.zeros((1 + len(known), *shape), dtype=np.float32)
        self._steps: dict[str, None] = {}
        self._backends: dict[str, None] = {}
        self.seconds: dict[str, float] = {}

    def note(self, part: Part, result: TiledResult) -> None:
        """Note how a run at a place went."""
        self._steps |= {f"{part.name}: {step}": None for step in result.steps}
        self._backends[result.backend] = None
        for name, spent in result.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

    def paint(self, part: Part, block: Slices, result: TiledResult) -> None:
        """Paint what was found in a block of voxels over what is there.

        Args:
            part: The place.
            block: Slices along i, j, k.
            result: What was found in it.
        """
        there = block[::-1]
        for own, label in part.labels.items():
            self._labels[there][result.labels == own] = label
            if self._probabilities is not None and result.probabilities is not None:
                layer = self._probabilities[self._outputs[label]][there]
                np.maximum(layer, result.probabilities[own], out=layer)

    def result(self) -> TiledResult:
        """Return the whole."""
        if self._probabilities is not None:
            others = self._probabilities[1:].sum(axis=0)
            np.subtract(1.0, np.minimum(others, 1.0), out=self._probabilities[0])
        return TiledResult(
            labels=self._labels,
            probabilities=self._probabilities,
            steps=tuple(self._steps),
            seconds=self.seconds,
            backend="; ".join(self._backends),
        )
