"""What a second reader drew, for the panel: the structures that findings are about, as blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Segmentation
from MedAssistLib.files import replacing
from MedAssistLib.volumes import Mask
from MedAssistLib.worker.arrays import grid_fields

_MARGIN = 1


def write_second(
    names: Collection[str], drawn: Sequence[Segmentation], model: Segmentation, path: Path
) -> dict[str, Any]:
    """Write how a model drew structures, and how far that is from the drawing.

    For the structure number ``n`` the file has ``mask_n``, the model's voxels (uint8), and
    ``apart_n``, how many mm a voxel lies off the other reader's structure (float32): above zero
    where only the drawing has it, below zero where only the model does, else zero. Axes (k, j, i).

    Args:
        names: The structures that are wanted; those that the model does not know are left out.
        drawn: The drawing, in layers on one grid.
        model: The model's structures on that grid, named as the drawing's.
        path: An ``.npz`` file.

    Returns:
        ``file`` and ``structures``: of each its ``name`` and where its block lies.

    Raises:
        ResourceError: If the file cannot be written.
    """
    arrays: dict[str, Any] = {}
    structures: list[dict[str, Any]] = []
    for name, ours, theirs in _pairs(names, drawn, model):
        block = _block(ours | theirs)
        number = len(structures)
        arrays[f"mask_{number}"] = theirs[block].astype(np.uint8)
        arrays[f"apart_{number}"] = apart(ours[block], theirs[block], model.labels)
        first = model.labels.TransformIndexToPhysicalPoint([part.start for part in block[::-1]])
        structures.append({"name": name, **grid_fields(model.labels), "origin": first})
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **arrays)
    return {"file": str(path), "structures": structures}


def apart(ours: Mask, theirs: Mask, grid: sitk.Image) -> npt.NDArray[np.float32]:
    """Return how far each voxel that one reader alone has lies off the other's; see above.

    Where the other has none at all, it is how deep the voxel lies in the structure.

    Args:
        ours: The drawing's voxels.
        theirs: The model's voxels, of the same shape.
        grid: An image with their spacing.
    """
    found = np.zeros(ours.shape, dtype=np.float32)
    for own, other, sign in ((ours, theirs, 1.0), (theirs, ours, -1.0)):
        alone = own & ~other
        if alone.any():
            away = _away(other, grid) if other.any() else -_away(own, grid)
            found[alone] = sign * away[alone]
    return found


def _pairs(
    names: Collection[str], drawn: Sequence[Segmentation], model: Segmentation
) -> Iterator[tuple[str, Mask, Mask]]:
    """Yield the structures with their masks in the drawing and the model's answer."""
    known = {segment.name: segment.label for segment in model.segments}
    theirs = sitk.GetArrayViewFromImage(model.labels)
    for made in drawn:
        ours = sitk.GetArrayViewFromImage(made.labels)
        for segment in made.segments:
            if segment.name in names and segment.name in known:
                pair = ours == segment.label, theirs == known[segment.name]
                if (pair[0] | pair[1]).any():
                    yield segment.name, *pair


def _block(mask: Mask) -> tuple[slice, ...]:
    """Return the block that holds a mask with a margin, as far as there is one."""
    (box,) = ndimage.find_objects(mask.astype(np.uint8))
    return tuple(
        slice(max(side.start - _MARGIN, 0), min(side.stop + _MARGIN, size))
        for side, size in zip(box, mask.shape, strict=True)
    )


def _away(mask: Mask, grid: sitk.Image) -> npt.NDArray[np.float32]:
    """Return how far each voxel is from a mask, mm; below zero within it."""
    image = geometry.from_array(mask.astype(np.uint8), grid)
    away = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    found: npt.NDArray[np.float32] = sitk.GetArrayFromImage(away)
    return found
