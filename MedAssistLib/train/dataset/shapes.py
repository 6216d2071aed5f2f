"""What the labels of one case look like: sizes, parts, and which sides of the image they touch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Point
from MedAssistLib.train.dataset.cases import Structures

Slices = tuple[slice, ...]

_MOST_PLACES = 8
_ENOUGH = 100_000
_TOUCHING = np.ones((3, 3, 3), dtype=bool)
_OPPOSITE = dict(zip("RLAPIS", "LRPASI", strict=True))


@dataclass(frozen=True, kw_only=True)
class StructureFacts:
    """One structure in one case.

    Attributes:
        voxels: How many voxels it has.
        parts: Voxels of each connected part (26-connected), the largest first.
        places: Where the largest parts are, in their order, LPS mm; of at most 8.
        faces: How many of its voxels lie on the sides of the image that it touches: L, R, A, P, S
            or I, which are left, right, front, back, top and bottom.
        contact: Where it touches the side that it touches most, LPS mm.
    """

    voxels: int
    parts: tuple[int, ...] = ()
    places: tuple[Point, ...] = ()
    faces: Mapping[str, int]
    contact: Point | None = None


def value_counts(labels: sitk.Image) -> dict[int, int]:
    """Return how many voxels have each value that is there, in ascending order."""
    array = sitk.GetArrayViewFromImage(labels)
    counts = np.zeros(int(array.max()) + 1, dtype=np.int64)
    for plane in array:  # numpy counts in 64 bits a voxel, which a whole scan may not fit
        counts += np.bincount(plane.ravel(), minlength=len(counts))
    return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}


def structure_facts(labels: sitk.Image, structures: Structures) -> tuple[StructureFacts, ...]:
    """Return what each structure looks like.

    Args:
        labels: Label image with the values that ``structures`` has.
        structures: What they mean.
    """
    array = sitk.GetArrayViewFromImage(labels)
    boxes = ndimage.find_objects(array)
    facts = []
    for members in structures.members:
        found = [boxes[value - 1] for value in members if value <= len(boxes)]
        there = [box for box in found if box is not None]
        if not there:
            facts.append(StructureFacts(voxels=0, faces={}))
            continue
        box = tuple(
            slice(min(s.start for s in along), max(s.stop for s in along))
            for along in zip(*there, strict=True)
        )
        facts.append(_facts(np.isin(array[box], members), box, labels))
    return tuple(facts)


def _facts(mask: npt.NDArray[np.bool_], box: Slices, labels: sitk.Image) -> StructureFacts:
    """Return what a structure looks like.

    Args:
        mask: Its voxels in its box, axes (k, j, i).
        box: Where the box is.
        labels: The grid.
    """
    parts, _ = ndimage.label(mask, _TOUCHING)
    sizes = np.bincount(parts.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")
    faces = _faces(mask, box, labels)
    most = max(faces, key=lambda side: len(faces[side]), default="")
    return StructureFacts(
        voxels=int(sizes.sum()),
        parts=tuple(int(size) for size in sizes[order]),
        places=tuple(
            _point(_some_voxels(parts == number + 1), box, labels)
            for number in order[:_MOST_PLACES]
        ),
        faces={side: len(voxels) for side, voxels in faces.items()},
        contact=_point(faces[most], box, labels) if most else None,
    )


def _some_voxels(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return voxels (k, j, i) of a mask; of a large one, only so many that they fit anywhere."""
    flat = np.flatnonzero(mask)
    few = flat[:: len(flat) // _ENOUGH + 1]
    return np.stack(np.unravel_index(few, mask.shape), axis=1)


def _faces(
    mask: npt.NDArray[np.bool_], box: Slices, labels: sitk.Image
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the voxels (k, j, i) of the mask on each side of the image, for those that it has."""
    faces = {}
    letters = geometry.orientation(labels)[::-1]
    for axis, (extent, size, letter) in enumerate(
        zip(box, labels.GetSize()[::-1], letters, strict=True)
    ):
        last = mask.shape[axis] - 1
        for touches, index, side in (
            (extent.start == 0, 0, _OPPOSITE[letter]),
            (extent.stop == size, last, letter),
        ):
            if touches:
                found = np.argwhere(mask.take([index], axis=axis))
                faces[side] = found + np.eye(3, dtype=np.int64)[axis] * index
    return faces


def _point(voxels: npt.NDArray[np.int64], box: Slices, labels: sitk.Image) -> Point:
    """Return the voxel nearest to the middle of some voxels (k, j, i) of a box, LPS mm."""
    middle = voxels[np.linalg.norm(voxels - voxels.mean(axis=0), axis=1).argmin()]
    index = (middle + [part.start for part in box])[::-1]
    x, y, z = labels.TransformIndexToPhysicalPoint([int(n) for n in index])
    return x, y, z
