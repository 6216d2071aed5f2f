"""A DICOM segmentation (PS3.3 A.51) as structures on a scan's grid, through highdicom."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import TISSUE, Code, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.read.colours import distinct_colour
from MedAssistLib.read.dicom.headers import PARSE_ERRORS

if TYPE_CHECKING:
    from highdicom.seg import Segmentation as Stored
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

_SHEAR = 1e-3
_WHOLE = 0.05
"""Voxels by which the places of two grids may differ and still be the same."""


def read_dicom_segmentation(path: Path, scan: Scan | None = None) -> Segmentation:
    """Read a DICOM segmentation.

    Args:
        path: The file.
        scan: The scan that it was drawn on. Where the voxels of both coincide they are copied;
            otherwise each of the scan's voxels takes the label of the nearest one, which
            ``made_by`` tells.

    Returns:
        The structures with their names, colours and codes; on the scan's grid if one is given.

    Raises:
        InputError: If it is damaged, holds fractions, its segments overlap, it is not a regular
            block of slices, or lies outside of the scan.
    """
    with _refusing(path):
        stored = _stored(path)
        segments = tuple(_segment(stored, n) for n in stored.segment_numbers if n > 0)
        array, affine = _voxels(path, stored)
    if not segments:
        raise InputError("describes no segments", where=path, hint="Export it again")
    labels = _image(array, affine)
    made_by = f"file {path.stem or path.name}"
    if scan is not None:
        made_by += "" if _coincide(labels, scan.image) else ", moved to the scan's nearest voxels"
        labels = _placed(path, labels, scan)
    return Segmentation(labels=labels, segments=segments, made_by=made_by)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Turn what highdicom raises on damaged files into an error of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*PARSE_ERRORS, RuntimeError, AssertionError, sqlite3.Error) as error:
        hint = "Export it again, or convert it to .seg.nrrd"
        raise InputError("is a damaged DICOM segmentation", where=path, hint=hint) from error


def _stored(path: Path) -> Stored:
    import highdicom

    stored = highdicom.seg.segread(path)
    if stored.segmentation_type == highdicom.seg.SegmentationTypeValues.FRACTIONAL:
        hint = "Export it with whole voxels (binary)"
        raise InputError("holds fractions of voxels, not labels", where=path, hint=hint)
    return stored


def _voxels(path: Path, stored: Stored) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.float64]]:
    """Return the labels with axes (slice, row, column), and their affine to LPS mm."""
    try:
        volume = stored.get_volume(combine_segments=True)
    except RuntimeError as error:
        if "overlap" not in str(error).lower():
            raise _no_volume(path) from error
        hint = "Make the segments exclusive in Slicer's Segment Editor, then save as .seg.nrrd"
        raise InputError("has overlapping segments", where=path, hint=hint) from error
    affine = np.array(volume.affine, dtype=np.float64)
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(axes.T @ axes, np.eye(3), atol=_SHEAR):  # NaN is not close.
        raise _no_volume(path)
    return volume.array, affine


def _no_volume(path: Path) -> InputError:
    hint = "Open it with its scan in 3D Slicer and save it as .seg.nrrd"
    return InputError("is not a regular block of slices", where=path, hint=hint)


def _image(array: npt.NDArray[np.generic], affine: npt.NDArray[np.float64]) -> sitk.Image:
    """Return an image of an array with axes (slice, row, column) and its affine to LPS mm."""
    kind = np.uint8 if array.max(initial=0) < 256 else np.uint16
    image: sitk.Image = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=kind))
    columns = affine[:3, 2::-1]
    spacing = np.linalg.norm(columns, axis=0)
    image.SetSpacing([float(value) for value in spacing])
    image.SetOrigin([float(value) for value in affine[:3, 3]])
    image.SetDirection([float(value) for value in (columns / spacing).ravel()])
    return image


def _coincide(labels: sitk.Image, scan: sitk.Image) -> bool:
    """Tell whether each voxel of the first lies on one of the second's, inside it or not."""
    moved = np.linalg.inv(geometry.index_to_lps(scan)) @ geometry.index_to_lps(labels)
    far = np.array([*labels.GetSize(), 1.0])
    return bool((np.abs(moved - np.rint(moved)) @ far)[:3].max() <= _WHOLE)


def _placed(path: Path, labels: sitk.Image, scan: Scan) -> sitk.Image:
    outside = _outside(labels, scan.image)
    if outside:
        what = f"lies outside of the scan with {outside} of its voxels"
        raise InputError(what, where=path, hint="Give the scan that it was drawn on")
    placed: sitk.Image = sitk.Resample(
        labels, scan.image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, labels.GetPixelID()
    )
    return placed


def _outside(labels: sitk.Image, scan: sitk.Image) -> int:
    """Count the labelled voxels whose centre lies in no voxel of the scan, slice by slice."""
    moved = np.linalg.inv(geometry.index_to_lps(scan)) @ geometry.index_to_lps(labels)
    low, high = -0.5 - _WHOLE, np.array(scan.GetSize())[:, None] - 0.5 + _WHOLE
    count = 0
    for k, plane in enumerate(sitk.GetArrayViewFromImage(labels)):
        j, i = np.nonzero(plane)
        places = moved[:3] @ np.stack([i, j, np.full(len(i), k), np.ones(len(i))])
        count += int(((places < low) | (places > high)).any(axis=0).sum())
    return count


def _segment(stored: Stored, number: int) -> Segment:
    description = stored.get_segment_description(number)
    kind = description.segmented_property_type
    return Segment(
        label=number,
        name=str(description.segment_label).strip() or kind.meaning,
        colour=_colour(description, number),
        category=_code(description.segmented_property_category) or TISSUE,
        type=_code(kind) or TISSUE,
        modifier=_first(kind.get("SegmentedPropertyTypeModifierCodeSequence", None)),
        region=_first(description.get("AnatomicRegionSequence", None)),
    )


def _first(sequence: Sequence[Dataset] | None) -> Code | None:
    return _code(sequence[0]) if sequence else None


def _code(item: Dataset) -> Code | None:
    """Return a coded concept (PS3.3 section 8.8), whose value has three names by its length."""
    names = ("CodeValue", "LongCodeValue", "URNCodeValue")
    value = next((str(item[name].value) for name in names if name in item), "")
    scheme = str(item.get("CodingSchemeDesignator", ""))
    return Code(value, scheme, str(item.get("CodeMeaning", ""))) if value else None


def _colour(description: SegmentDescription, number: int) -> tuple[int, int, int]:
    """Return its Recommended Display CIELab Value as RGB, or one that differs from the others'."""
    from highdicom.color import CIELabColor

    value = description.get("RecommendedDisplayCIELabValue", None)
    if value is not None and len(value) == 3:
        red, green, blue = CIELabColor.from_dicom_value(list(value)).to_rgb(clip=True)
        return int(red), int(green), int(blue)
    return distinct_colour(number)
