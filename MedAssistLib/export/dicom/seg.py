"""A segmentation as DICOM SEG (PS3.3 A.51), through highdicom."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from pydicom import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pydicom.valuerep import DSfloat

from MedAssistLib import __version__, geometry
from MedAssistLib.case import Case, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.codes import long_string
from MedAssistLib.export.dicom.makers import maker_of
from MedAssistLib.export.dicom.planes import Origin, in_planes
from MedAssistLib.export.dicom.references import refer_to_images, refer_to_series
from MedAssistLib.export.dicom.save import MAKER, SEGMENTATIONS_FROM, save
from MedAssistLib.export.dicom.segments import by_label, descriptions, say_who, segment_numbers
from MedAssistLib.export.dicom.sources import Source, source_of
from MedAssistLib.export.dicom.uids import derived_uid

if TYPE_CHECKING:
    from highdicom import PlanePositionSequence
    from highdicom.seg import Segmentation as Stored


def write_seg(case: Case, path: Path, source: Source | None = None) -> list[Path]:
    """Write the last segmentation of a case as DICOM SEG, one bit a voxel.

    Args:
        case: With a segmentation.
        path: Where to.
        source: The series of the scan; found by the scan's path if not given.

    Returns:
        The file.

    Raises:
        InputError: If there is no segmentation, if the DICOM series of the scan is not at hand, or
            if a voxel has a value that no segment has.
        ResourceError: If the file cannot be written; an earlier file is as it was.
    """
    return _write(case, path, source, "BINARY")


def write_label_map(case: Case, path: Path, source: Source | None = None) -> list[Path]:
    """Write it as a DICOM SEG of the newer kind that holds labels, for readers that know it.

    Args:
        case: As :func:`write_seg`.
        path: As :func:`write_seg`.
        source: As :func:`write_seg`.

    Returns:
        The file.

    Raises:
        InputError: As :func:`write_seg`.
        ResourceError: As :func:`write_seg`.
    """
    return _write(case, path, source, "LABELMAP")


def _write(case: Case, path: Path, source: Source | None, kind: str) -> list[Path]:
    seg = make_seg(last_segmentation(case), source or source_of(case.scan), kind)
    return save((seg, path))


def last_segmentation(case: Case) -> Segmentation:
    """Return the segmentation of a case that is exported.

    Raises:
        InputError: If there is none, or none of its structures is named.
    """
    made = case.segmentations[-1] if case.segmentations else None
    if made is None or not made.segments:
        hint = "Give one with --segmentation"
        raise InputError("has no segmentation to export", where=case.scan.name, hint=hint)
    return made


def make_seg(segmentation: Segmentation, source: Source, kind: str) -> Stored:
    """Return a segmentation as a DICOM object.

    Args:
        segmentation: Its labels; structures are numbered 1, 2, … in the order of their labels.
        source: The series that it was drawn on.
        kind: ``"BINARY"`` or ``"LABELMAP"``.

    Returns:
        The object, on the grid of the labels. Its series UID follows from all that it holds, its
        instance UID is new.

    Raises:
        InputError: If a voxel has a value that no segment has.
    """
    import highdicom

    labels, origins = in_planes(segmentation.labels, source)
    array = segment_numbers(labels, by_label(segmentation.segments))
    if not array.any():
        # At least one frame has to be there; one plane of nothing is as empty as all of them.
        array, origins = array[:1], origins[:1]
    series_uid = _series_uid(array, labels, segmentation, source, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # As in save.
        seg = highdicom.seg.Segmentation(
            source_images=[_stand_in(labels, source)],
            pixel_array=array,
            segmentation_type=kind,
            segment_descriptions=descriptions(segmentation, source),
            series_instance_uid=series_uid,
            series_number=SEGMENTATIONS_FROM + source.series_number,
            sop_instance_uid=generate_uid(prefix=None),
            instance_number=1,
            plane_positions=_positions(labels, len(array)),
            content_label="SEGMENTATION",
            content_description=long_string(segmentation.made_by) or None,
            series_description="MedAssist segmentation",
            **MAKER,
        )
    say_who(seg.SegmentSequence, maker_of(segmentation.made_by))
    refer_to_series(seg, source)
    _refer_to_images(seg, labels, origins)
    seg.ContentCreatorName = ""
    _name_dimensions(seg, series_uid)
    return seg


def _series_uid(
    array: npt.NDArray[np.unsignedinteger],
    labels: sitk.Image,
    segmentation: Segmentation,
    source: Source,
    kind: str,
) -> str:
    """Return the UID of the series, which follows from all that the file says of the structures."""
    voxels = hashlib.sha256(array.tobytes()).hexdigest()
    place = repr((array.shape, geometry.index_to_lps(labels).tolist()))
    what = (repr(by_label(segmentation.segments)), segmentation.made_by, kind, __version__)
    return derived_uid("segmentation", source.series_uid, voxels, place, *what)


def _stand_in(labels: sitk.Image, source: Source) -> Dataset:
    """Return an image as highdicom wants it for a source: on the segmentation's own grid.

    highdicom takes spacing and thickness of the source for the segmentation's, and the true ones
    often have nothing to do with the distance of the slices.
    """
    stand_in = Dataset()
    stand_in.update(source.study)
    stand_in.SOPClassUID, stand_in.SOPInstanceUID = CTImageStorage, source.frames[0].instance
    stand_in.StudyInstanceUID, stand_in.SeriesInstanceUID = source.study_uid, source.series_uid
    stand_in.FrameOfReferenceUID, stand_in.Modality = source.frame_of_reference, source.modality
    across, down, along = labels.GetSpacing()
    stand_in.Columns, stand_in.Rows, _ = labels.GetSize()
    stand_in.PixelSpacing = [_decimal(down), _decimal(across)]
    stand_in.SliceThickness = stand_in.SpacingBetweenSlices = _decimal(along)
    axes = geometry.direction(labels)
    stand_in.ImageOrientationPatient = [_decimal(value) for value in axes[:, :2].T.ravel()]
    stand_in.ImagePositionPatient = [_decimal(value) for value in labels.GetOrigin()]
    return stand_in


def _decimal(value: float) -> DSfloat:
    """Return a number as the closest decimal string (VR DS, 16 characters)."""
    return DSfloat(value, auto_format=True)


def _positions(labels: sitk.Image, count: int) -> list[PlanePositionSequence]:
    from highdicom import PlanePositionSequence

    places = (labels.TransformIndexToPhysicalPoint((0, 0, k)) for k in range(count))
    return [PlanePositionSequence("PATIENT", place) for place in places]


def _refer_to_images(seg: Stored, labels: sitk.Image, origins: list[Origin]) -> None:
    for frame in seg.PerFrameFunctionalGroupsSequence:
        place = [float(value) for value in frame.PlanePositionSequence[0].ImagePositionPatient]
        refer_to_images(frame, origins[labels.TransformPhysicalPointToIndex(place)[2]])


def _name_dimensions(seg: Stored, series_uid: str) -> None:
    uid = derived_uid("dimensions", series_uid)
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
