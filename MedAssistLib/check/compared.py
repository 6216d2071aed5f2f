"""A structure as it is drawn, beside the same one as a model sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.rule import Place
from MedAssistLib.check.structure import MARGIN, Structure
from MedAssistLib.volumes import Mask

Trust = npt.NDArray[np.float32]

# Odds of e⁴, 98 to 2, are as sure as sure counts.
_SURE = 4.0
_LEAST = 1e-6
_TOUCHING = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class Compared:
    """A structure's two drawings on one block of the grid. Arrays have the axes (k, j, i).

    Attributes:
        drawn: What is checked. Its mask lies in a block that holds both, with two voxels of
            background on every side of them.
        model: What the model drew, in the same block.
        trust: How sure the model is that a voxel belongs to the structure, from -1 (surely not)
            over 0 (as likely as not) to 1.
    """

    drawn: Structure
    model: Mask
    trust: Trust

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.drawn.name

    @cached_property
    def outside(self) -> Trust:
        """Where it is drawn and the model sees none: how sure it is of that."""
        wrong: Trust = np.where(self.drawn.mask, np.maximum(-self.trust, 0.0), 0.0)
        return wrong

    @cached_property
    def inside(self) -> Trust:
        """Where the model sees it and it is not drawn: how sure it is of that."""
        wrong: Trust = np.where(self.drawn.mask, 0.0, np.maximum(self.trust, 0.0))
        return wrong

    @cached_property
    def area(self) -> float:
        """Surface of what is drawn, mm², by Crofton's formula along the three axes."""
        spacing = np.array(self.drawn.spacing)
        mask = self.drawn.mask
        faces = [np.count_nonzero(np.diff(mask, axis=axis)) for axis in range(3)]
        return 2.0 / 3.0 * float(np.sum(np.array(faces) * spacing.prod() / spacing))

    @cached_property
    def width(self) -> float:
        """How wide a voxel of the drawing is, mm: the geometric mean of its sides."""
        sides = np.array(self.drawn.spacing) * self.drawn.grain
        return float(np.cbrt(sides.prod()))

    def around(self, weight: Trust, voxels: float) -> Trust:
        """Return how much of a weight there is around each voxel, in voxels of the drawing.

        Args:
            weight: Such as :attr:`outside`.
            voxels: How far "around" reaches, as the standard deviation of a bell.
        """
        spread = voxels * self.width / np.array(self.drawn.spacing)
        # A bell whose top is 1, and not its volume.
        volume = (2.0 * np.pi) ** 1.5 * voxels**3
        found: Trust = volume * ndimage.gaussian_filter(weight, spread, mode="constant")
        return found

    def place(self, weight: Trust, top: tuple[int, ...]) -> Place:
        """Return where a disagreement is: the connected voxels of a weight about its top."""
        parts, _ = ndimage.label(weight > 0.0, _TOUCHING)
        if parts[top] == 0:
            # The middle of a thin bent patch lies beside it.
            away = ndimage.distance_transform_edt(parts == 0, return_indices=True)[1]
            top = tuple(int(index[top]) for index in away)
        (box,) = ndimage.find_objects((parts == parts[top]).astype(np.uint8))
        start = [side.start for side in box]
        stop = [side.stop for side in box]
        return Place(self.drawn.point(top), self.drawn.box_of(start, stop))

    @cached_property
    def whole(self) -> Place:
        """Where it is: the voxel about which the two disagree most, and the box of what is drawn.

        Where they agree, the point is just some voxel of it.
        """
        apart = self.around(self.outside + self.inside, 1.0)
        apart[self.outside + self.inside == 0.0] = 0.0
        top = np.unravel_index(int(apart.argmax()), apart.shape)
        (box,) = ndimage.find_objects(self.drawn.mask.astype(np.uint8))
        corners = self.drawn.box_of([s.start for s in box], [s.stop for s in box])
        return Place(self.drawn.point(np.array(top)), corners)


def compared(drawn: Structure, model: Structure, opinion: Opinion) -> Compared:
    """Put a structure and the model's own side by side.

    Args:
        drawn: What is checked.
        model: The structure of the same name in the opinion's segmentation.
        opinion: The opinion; without probabilities, the model counts as unsure only within a
            voxel of its own surface.
    """
    sides = list(zip(drawn.box, model.box, strict=True))
    k, j, i = (slice(min(a.start, b.start) - 1, max(a.stop, b.stop) + 1) for a, b in sides)
    frame = replace(drawn, box=(k, j, i), mask=_on((k, j, i), drawn))
    mask = _on((k, j, i), model)
    if opinion.probabilities is None:
        trust = 2.0 * ndimage.gaussian_filter(mask.astype(np.float32), 1.0, mode="constant") - 1.0
    else:
        likely = np.clip(opinion.probability(frame), _LEAST, 1.0 - _LEAST)
        trust = np.clip(np.log(likely / (1.0 - likely)) / _SURE, -1.0, 1.0)
    return Compared(drawn=frame, model=mask, trust=trust.astype(np.float32))


def _on(box: tuple[slice, slice, slice], structure: Structure) -> Mask:
    """Return a structure's mask on a larger box with its margin."""
    mask = np.zeros([side.stop - side.start + 2 * MARGIN for side in box], dtype=bool)
    first = structure.offset - [side.start - MARGIN for side in box]
    k, j, i = (slice(n, n + m) for n, m in zip(first, structure.mask.shape, strict=True))
    mask[k, j, i] = structure.mask
    return mask
