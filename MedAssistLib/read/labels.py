"""Segmentations from files: Slicer's ``.seg.nrrd``, DICOM segmentations, or any label image."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import EDITED, Point, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.colours import distinct_colour
from MedAssistLib.read.dicom import find_volumes, is_dicom
from MedAssistLib.read.dicom.kinds import SEGMENTATION
from MedAssistLib.read.dicom.segmentation import read_dicom_segmentation
from MedAssistLib.read.images import read_image, stem
from MedAssistLib.read.itk import without_metadata
from MedAssistLib.read.kinds import Kind, kind_of
from MedAssistLib.read.sources import files_of
from MedAssistLib.read.values import GAPS_RULE
from MedAssistLib.terminology import from_slicer

MADE_BY_KEY = "MedAssist_made_by"
LABELS_KEY = "MedAssist_labels_sha256"
"""Entries of a ``.seg.nrrd`` that say who made it, and which labels that is true for."""

_MOST_LABELS = 1000


def read_segmentation(path: str | os.PathLike[str], scan: Scan | None = None) -> Segmentation:
    """Read a segmentation.

    Args:
        path: A ``.seg.nrrd`` written by Slicer or MedAssist; a DICOM segmentation, or a folder or
            zip with one among other files; or a label image (NIfTI, NRRD, MetaImage), whose
            structures are then called "Label 1" and so on.
        scan: The scan that it was drawn on; its axes may be stored in another order there.

    Returns:
        The segmentation, on the scan's grid if one is given.

    Raises:
        InputError: If it cannot be read, holds values that are not whole numbers, has too many
            labels to be a segmentation, has segments that overlap, or is not on the scan's grid.
    """
    source = Path(path)
    if _holds_files(source):
        return _of_folder(source, scan)
    if is_dicom(source):
        return read_dicom_segmentation(source, scan)
    image, findings = read_image(source)
    if any(finding.rule == GAPS_RULE for finding in findings):
        hint = "Give a label image: whole numbers, 0 for the background"
        raise InputError("has voxels that are not numbers", where=source, hint=hint)
    try:
        segments, layers = _described(image)
    except (ValueError, IndexError, TypeError) as error:
        hint = "Save it again in Slicer"
        raise InputError("describes its segments wrongly", where=source, hint=hint) from error
    if image.GetNumberOfComponentsPerPixel() > 1:
        image, segments = _merged(source, image, segments, layers)
    labels = _whole_numbers(source, image)
    made_by = _made_by(image, labels) or f"file {stem(source)}"
    labels = without_metadata(labels)
    named = segments or _numbered(source, labels)
    _require_described(source, labels, named)
    if scan is not None:
        labels = _placed(source, labels, scan)
    return Segmentation(labels=labels, segments=named, made_by=made_by)


def labels_hash(labels: sitk.Image) -> str:
    """Return a hash of label values, whatever type they are stored with."""
    array = sitk.GetArrayViewFromImage(labels)
    return hashlib.sha256(array.astype(np.int32).tobytes()).hexdigest()


def _made_by(image: sitk.Image, labels: sitk.Image) -> str:
    """Return who made a segmentation as its header says; empty if it does not."""
    keys = image.GetMetaDataKeys()
    if MADE_BY_KEY not in keys:
        return ""
    made_by = _text(image.GetMetaData(MADE_BY_KEY))
    # What a program changed that keeps entries that it does not know was not made so any more.
    same = LABELS_KEY in keys and image.GetMetaData(LABELS_KEY) == labels_hash(labels)
    return made_by if same or made_by.endswith(EDITED) else made_by + EDITED


def _holds_files(source: Path) -> bool:
    return source.is_dir() or (source.is_file() and kind_of(source) is Kind.ZIP)


def _of_folder(source: Path, scan: Scan | None) -> Segmentation:
    """Read the only DICOM segmentation in a folder or zip, or the only file of a zip."""
    with files_of(source, Progress()) as files:
        others = find_volumes(files.paths, Progress()).others
        found = [other.path for other in others if other.kind == SEGMENTATION]
        if not found and len(files.paths) == 1 and not source.is_dir():
            return read_segmentation(files.paths[0], scan)
        if len(found) != 1:
            hint = "Give the file of one"
            what = f"holds {len(found) or 'no'} DICOM segmentation{'s' * (len(found) != 1)}"
            raise InputError(what, where=source, hint=hint)
        return read_dicom_segmentation(found[0], scan)


def region_of_mask(path: str | os.PathLike[str]) -> tuple[Point, Point]:
    """Return the box along the LPS axes (two corners, mm) that holds a mask's voxels.

    Args:
        path: A label image on any grid; every label counts.

    Raises:
        InputError: If it cannot be read as a segmentation, or is empty.
    """
    labels = read_segmentation(path).labels
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(sitk.Cast(labels != 0, sitk.sitkUInt8))
    if not shape.HasLabel(1):
        hint = "Give a mask with at least one voxel above 0"
        raise InputError("is an empty mask", where=path, hint=hint)
    box = shape.GetBoundingBox(1)
    return geometry.box_lps(labels, box[:3], box[3:])


def _placed(source: Path, labels: sitk.Image, scan: Scan) -> sitk.Image:
    placed = geometry.stored_as(labels, scan.image)
    if placed is None:
        hint = "Give the scan that it was drawn on"
        raise InputError("is not on the scan's grid", where=source, hint=hint)
    return placed


def _described(image: sitk.Image) -> tuple[tuple[Segment, ...], list[int]]:
    """Return the segments that a ``.seg.nrrd`` header describes, and the layer of each."""
    keys = image.GetMetaDataKeys()
    numbers = sorted(int(m[1]) for k in keys if (m := re.fullmatch(r"Segment(\d+)_ID", k)))
    segments, layers = [], []
    for number in numbers:
        mine = [key for key in keys if key.startswith(f"Segment{number}_")]
        fields = {key: _text(image.GetMetaData(key)) for key in mine}
        get = {k.split("_", 1)[1]: v for k, v in fields.items()}.get
        tags = dict(t.split(":", 1) for t in (get("Tags") or "").split("|") if ":" in t)
        codes = from_slicer(tags.get("TerminologyEntry", ""))
        colour = [round(float(c) * 255) for c in (get("Color") or "0.5 0.5 0.5").split()]
        layers.append(int(get("Layer") or 0))
        segments.append(
            Segment(
                label=int(get("LabelValue") or number + 1),
                name=get("Name") or get("ID") or f"Segment {number + 1}",
                colour=(colour[0], colour[1], colour[2]),
                **codes._asdict(),
            )
        )
    return tuple(segments), layers


def _text(stored: str) -> str:
    """Return a header's text with a mark for each byte that is none."""
    return stored.encode("utf-8", "replace").decode()


def _merged(
    source: Path, image: sitk.Image, segments: tuple[Segment, ...], layers: list[int]
) -> tuple[sitk.Image, tuple[Segment, ...]]:
    """Put the layers of a ``.seg.nrrd`` into one label image, numbering the segments anew."""
    if not segments:
        hint = "Give a label image with one number a voxel"
        raise InputError("has several values a voxel", where=source, hint=hint)
    stack = sitk.GetArrayViewFromImage(image)
    flat = np.zeros(stack.shape[:3], dtype=np.int16)
    for number, (segment, layer) in enumerate(zip(segments, layers, strict=True), 1):
        if layer >= stack.shape[-1]:
            what = f'describes "{segment.name}" in a layer that it does not have'
            raise InputError(what, where=source, hint="Save it again in Slicer")
        mask = stack[..., layer] == segment.label
        if flat[mask].any():
            hint = "Make the segments exclusive in Slicer's Segment Editor, then save again"
            what = f'has overlapping segments ("{segment.name}" over another)'
            raise InputError(what, where=source, hint=hint)
        flat[mask] = number
    renumbered = [
        Segment(**{**vars(segment), "label": number}) for number, segment in enumerate(segments, 1)
    ]
    return geometry.from_array(flat, image), tuple(renumbered)


def _whole_numbers(source: Path, image: sitk.Image) -> sitk.Image:
    array = sitk.GetArrayViewFromImage(image)
    if np.issubdtype(array.dtype, np.integer):
        return _smallest(image, array)
    if not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        what = "is not a segmentation: not all voxels are whole numbers"
        hint = "Give a label image: whole numbers, 0 for the background"
        raise InputError(what, where=source, hint=hint)
    return _smallest(image, array)


def _smallest(image: sitk.Image, array: npt.NDArray[np.generic]) -> sitk.Image:
    """Return the labels as 8 or 16 bits a voxel where they fit, as most writers want them."""
    pixel = sitk.sitkUInt8 if array.max() < 256 and array.min() >= 0 else sitk.sitkInt16
    if array.max() > np.iinfo(np.int16).max or array.min() < np.iinfo(np.int16).min:
        pixel = sitk.sitkInt32
    return image if image.GetPixelID() == pixel else sitk.Cast(image, pixel)


def _require_described(source: Path, labels: sitk.Image, segments: tuple[Segment, ...]) -> None:
    """Refuse voxels that would vanish because no segment has their value."""
    known = {0, *(segment.label for segment in segments)}
    unknown = [int(v) for v in np.unique(sitk.GetArrayViewFromImage(labels)) if int(v) not in known]
    if unknown:
        what = f"has voxels of value {unknown[0]}, which none of its segments has"
        raise InputError(what, where=source, hint="Save it again in Slicer")


def _numbered(source: Path, labels: sitk.Image) -> tuple[Segment, ...]:
    values = np.unique(sitk.GetArrayViewFromImage(labels))
    if values.min() < 0 or len(values) > _MOST_LABELS:
        hint = "Give a label image: whole numbers from 0, one for each structure"
        what = f"does not look like a segmentation ({len(values)} values from {values.min()})"
        raise InputError(what, where=source, hint=hint)
    return tuple(
        Segment(label=int(value), name=f"Label {value}", colour=distinct_colour(int(value)))
        for value in values
        if value > 0
    )
