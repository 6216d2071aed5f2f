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
import pydicom
import SimpleITK as sitk

from MedAssistLib.case import TISSUE, Code, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.read.colours import distinct_colour
from MedAssistLib.read.dicom.headers import PARSE_ERRORS
from MedAssistLib.read.dicom.placing import changes_of, coincide, placed_on

if TYPE_CHECKING:
    from highdicom.seg import Segmentation as Stored
    from highdicom.seg import SegmentDescription
    from pydicom import Dataset

_SHEAR = 1e-3
_ROUNDED = 0.05


def read_dicom_segmentation(path: Path, scan: Scan | None = None) -> Segmentation:
    """Read a DICOM segmentation.

    Args:
        path: The file.
        scan: The scan that it was drawn on. Where the voxels of both coincide they are copied;
            otherwise each of the scan's voxels takes the label of the nearest one, which
            ``made_by`` tells, with the structures whose volume that changes much.

    Returns:
        The structures with their names, colours and codes; on the scan's grid if one is given.

    Raises:
        InputError: If it is damaged, holds fractions, its segments overlap, it is not a regular
            block of slices, was drawn in another frame of reference, lies outside of the scan, or
            has a structure that is lost between the scan's voxels.
    """
    with _refusing(path):
        _require_spacing(path)
        stored = _stored(path)
        _require_same_place(path, stored, scan)
        segments = tuple(_segment(stored, n) for n in stored.segment_numbers if n > 0)
        array, affine = _voxels(path, stored)
        _require_no_gaps(path, stored, affine)
    if not segments:
        raise InputError("describes no segments", where=path, hint="Export it again")
    labels = _image(array, affine)
    made_by = f"file {path.stem or path.name}"
    if scan is not None:
        drawn, labels = labels, placed_on(path, labels, scan)
        if not coincide(drawn, labels):
            changes = changes_of(path, segments, drawn, labels)
            made_by += ", moved to the scan's nearest voxels" + (f" ({changes})" if changes else "")
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


def _require_spacing(path: Path) -> None:
    """Refuse what says neither how thick its slices are nor how far apart."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    measures = _measures(data)
    if measures is not None and not {"SliceThickness", "SpacingBetweenSlices"} & set(
        measures.dir()
    ):
        raise _no_spacing(path)


def _require_no_gaps(path: Path, stored: Stored, affine: npt.NDArray[np.float64]) -> None:
    """Refuse slices with gaps where nothing says whether slices between are empty or missing."""
    measures = _measures(stored)
    thickness = None if measures is None else measures.get("SliceThickness", None)
    if measures is None or "SpacingBetweenSlices" in measures or not thickness:
        return
    if np.linalg.norm(affine[:3, 0]) > float(thickness) * (1.0 + _ROUNDED):
        raise _no_spacing(path)


def _measures(data: Dataset) -> Dataset | None:
    """Return the Pixel Measures of a file (PS3.3 C.7.6.16.2.1), of all frames or the first."""
    for word in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (data.get(word, None) or ())[:1]:
            items: Sequence[Dataset] = group.get("PixelMeasuresSequence", None) or ()
            if items:
                return items[0]
    return None


def _no_spacing(path: Path) -> InputError:
    hint = "Export it again with the spacing between slices, or save it as .seg.nrrd"
    return InputError("does not say how far apart its slices are", where=path, hint=hint)


def _require_same_place(path: Path, stored: Stored, scan: Scan | None) -> None:
    """Refuse a scan whose coordinates have nothing to do with the segmentation's."""
    if scan is None:
        return
    own = str(stored.get("FrameOfReferenceUID", ""))
    other = scan.attributes.get("FrameOfReferenceUID", "")
    drawn_on = {
        str(series.get("SeriesInstanceUID", ""))
        for series in stored.get("ReferencedSeriesSequence", None) or ()
    }
    if own and other and own != other and scan.series_uid not in drawn_on:
        what = "was drawn in another frame of reference than the scan's"
        raise InputError(what, where=path, hint="Give the scan that it was drawn on")


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
