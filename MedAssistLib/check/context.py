"""All that a rule may look at: the scan, the structures drawn on it, and what else is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check.compared import Compared, compared
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.options import CheckOptions
from MedAssistLib.check.rule import Need
from MedAssistLib.check.structure import MARGIN, Structure
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.volumes import Mask

# Fewer tell nothing about how often slices repeat.
_FEWEST_SLICES = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class Context:
    """What is checked, and what is known about it. Arrays have the axes (k, j, i).

    Attributes:
        scan: The scan.
        segmentation: The structures that are checked, on the scan's grid; ``None`` without any.
        layers: Further structures on the scan's grid that may overlap with those, as the layers of
            a file do.
        options: What else is known: the model's card, age, sex, calibration.
        opinion: What a model makes of the scan; ``None`` if none was asked.
        progress: For rules that take long: look at it for cancellation.

    Raises:
        InputError: If a segmentation is not on the scan's grid.
    """

    scan: Scan
    segmentation: Segmentation | None = None
    layers: tuple[Segmentation, ...] = ()
    options: CheckOptions = field(default_factory=CheckOptions)
    opinion: Opinion | None = None
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        model = self.opinion.segmentation if self.opinion else None
        for made in (self.segmentation, *self.layers, model):
            if made is not None and not geometry.same_grid(self.scan.image, made.labels):
                hint = "Give the scan that it was drawn on"
                where = self.scan.source or self.scan.name
                raise InputError(
                    "the segmentation is not on the scan's grid", where=where, hint=hint
                )

    @property
    def own(self) -> bool:
        """Whether the segmentation is the very model's that is asked."""
        if self.opinion is None or self.segmentation is None:
            return False
        model, drawn = self.opinion.segmentation, self.segmentation
        return drawn is model or (bool(drawn.made_by) and drawn.made_by == model.made_by)

    @property
    def has(self) -> frozenset[Need]:
        """What there is for rules that need it."""
        asked, own = self.opinion, self.own
        there = {
            Need.SCAN: self.scan,
            Need.SEGMENTATION: self.segmentation,
            Need.MODEL: self.options.card,
            Need.OPINION: None if own else asked,
            Need.OWN: asked if own else None,
            Need.PROBABILITIES: asked.probabilities if asked else None,
        }
        return frozenset(need for need, what in there.items() if what is not None)

    @cached_property
    def voxels(self) -> npt.NDArray[np.generic]:
        """The scan's values; a view that must not be written to."""
        view: npt.NDArray[np.generic] = sitk.GetArrayViewFromImage(self.scan.image)
        return view

    @cached_property
    def labels(self) -> npt.NDArray[np.integer]:
        """The label values of the segmentation; a view that must not be written to.

        Raises:
            ValueError: If there is no segmentation.
        """
        if self.segmentation is None:
            raise ValueError("there is no segmentation")
        view: npt.NDArray[np.integer] = sitk.GetArrayViewFromImage(self.segmentation.labels)
        return view

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of voxels along (k, j, i), mm."""
        i, j, k = self.scan.image.GetSpacing()
        return k, j, i

    @property
    def drawn(self) -> tuple[Segmentation, ...]:
        """The segmentation and the further layers."""
        return () if self.segmentation is None else (self.segmentation, *self.layers)

    @cached_property
    def structures(self) -> tuple[Structure, ...]:
        """The structures that have a voxel, layer by layer, in the order of the segments."""
        return tuple(found for made in self.drawn for found in structures(made))

    @cached_property
    def second(self) -> Mapping[str, Structure]:
        """The structures that the opinion has a voxel of, by name.

        Raises:
            ValueError: If there is no opinion.
        """
        if self.opinion is None:
            raise ValueError("there is no second opinion")
        return {found.name: found for found in structures(self.opinion.segmentation)}

    def compared(self) -> Iterator[Compared]:
        """Yield the structures that both the drawing and the opinion have, side by side.

        They are not kept: they are large.

        Raises:
            ValueError: If there is no opinion.
        """
        if self.opinion is None:
            raise ValueError("there is no second opinion")
        for mine in self.structures:
            if mine.name in self.second:
                yield compared(mine, self.second[mine.name], self.opinion)

    def unlabelled(self, structure: Structure) -> Mask:
        """Return where no layer has a label, on the grid of a structure's mask with its margin.

        What lies outside the image has none.
        """
        free = np.ones(structure.mask.shape, dtype=bool)
        inner, outer = structure.window
        for made in self.drawn:
            free[inner] &= sitk.GetArrayViewFromImage(made.labels)[outer] == 0
        return free


def structures(segmentation: Segmentation) -> tuple[Structure, ...]:
    """Return the structures of a segmentation that have a voxel, in the order of the segments."""
    labels = sitk.GetArrayViewFromImage(segmentation.labels)
    boxes = ndimage.find_objects(labels)
    there = [
        (segment, boxes[segment.label - 1])
        for segment in segmentation.segments
        if segment.label <= len(boxes) and boxes[segment.label - 1]
    ]
    masks = [np.pad(labels[box] == segment.label, MARGIN) for segment, box in there]
    grain = _grain(masks)
    return tuple(
        Structure(segment=segment, box=box, mask=mask, grid=segmentation.labels, grain=grain)
        for (segment, box), mask in zip(there, masks, strict=True)
    )


def _grain(masks: Sequence[Mask]) -> tuple[float, float, float]:
    """Return how many slices in a row are the same drawing, on average, along (k, j, i).

    A label image that was brought from a coarser grid to a finer one repeats its slices. That is
    so for all structures; the lower median leaves out those with a copied contour, or a tube's.
    """
    k, j, i = (
        sorted(_repeats(np.moveaxis(mask, axis, 0)) for mask in masks)[(len(masks) - 1) // 2]
        if masks
        else 1.0
        for axis in range(3)
    )
    return k, j, i


def _repeats(slices: Mask) -> float:
    """Return how often each slice of a stack is there on average; empty ones do not count."""
    inner = slices[slices.any(axis=(1, 2))]
    if len(inner) < _FEWEST_SLICES:
        return 1.0
    changes = (inner[1:] != inner[:-1]).any(axis=(1, 2))
    return len(inner) / (1.0 + float(np.count_nonzero(changes)))
