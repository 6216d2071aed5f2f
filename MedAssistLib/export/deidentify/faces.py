"""Finding the faces in the scans of an input, and taking them out of the files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom.uid import ExplicitVRLittleEndian

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify.face_cut import FaceCut, cut_of, face_of
from MedAssistLib.export.deidentify.heads import shows_head
from MedAssistLib.export.images import write_image
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import Volume, codecs, find_volumes, load_volume
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.headers import Header
from MedAssistLib.read.images import inspect, read_image
from MedAssistLib.read.images import load_volume as load_image
from MedAssistLib.read.kinds import Kind

MARGIN_MM = 10.0

_LEAST_ML, _MOST_ML = 300.0, 2500.0
_AIR_HU = -1000.0
_LEAVE_OUT = "Leave it out with --leave-out"
_OFFSETS = ("ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_EXTREMES = ("SmallestImagePixelValue", "LargestImagePixelValue")


@dataclass(frozen=True)
class Faces:
    """Where the faces are.

    Attributes:
        brain: The brain that all faces are found by; ``None`` to find one in each scan.
        frames: The frames of each DICOM file that lie in a volume, with what is cut out of them.
        errors: Why no face was found in the volume of a file.
    """

    brain: sitk.Image | None
    frames: dict[Path, list[tuple[Frame, FaceCut]]] = field(default_factory=dict)
    errors: dict[Path, InputError] = field(default_factory=dict)


def find_faces(paths: Sequence[Path], brain: Path | None, progress: Progress) -> Faces:
    """Find the faces in all CT and MR volumes that may show a head.

    Args:
        paths: DICOM files.
        brain: A label image of the brain, in the frame of reference of all scans.
        progress: Told how far it is.

    Returns:
        The faces, and why there is none in some files.

    Raises:
        InputError: If the given brain is none.
        ModelError: If there is no brain model.
    """
    faces = Faces(_mask(read_image(brain)[0], brain) if brain is not None else None)
    volumes = find_volumes(paths, progress.part("Reading headers", 0.0, 0.1)).volumes
    for number, volume in enumerate(volumes):
        start, stop = (0.1 + 0.9 * n / len(volumes) for n in (number, number + 1))
        part = progress.part("Finding the brain", start, stop)
        part.update(0.0)
        if shows_head(volume.frames[0].header.dataset()) is not False:
            _find_face(volume, faces, part)
    return faces


def _find_face(volume: Volume, faces: Faces, progress: Progress) -> None:
    try:
        brain = faces.brain
        if brain is None:
            scan = load_volume(volume, progress.part("Reading slices", 0.0, 0.2))
            brain = _brain_of(scan, progress.part("Finding the brain", 0.2, 1.0))
        cut = cut_of(brain, MARGIN_MM)
    except InputError as error:
        faces.errors.update(dict.fromkeys(volume.paths, error))
        return
    for frame in volume.frames:
        faces.frames.setdefault(frame.header.path, []).append((frame, cut))


def deface_dataset(data: pydicom.Dataset, header: Header, faces: Faces) -> None:
    """Set the face in the images of a DICOM dataset to background, in place, uncompressed.

    Raises:
        InputError: If not all of its images lie in a volume, or they cannot be decoded.
    """
    path, count = header.path, int(data.get("NumberOfFrames", None) or 1)
    if path in faces.errors:
        raise faces.errors[path]
    placed = {frame.index: (frame, cut) for frame, cut in faces.frames.get(path, ())}
    if set(placed) != set(range(count)) or "PixelData" not in data:
        what = "may show a face, and is no part of a volume in which it could be found"
        raise InputError(what, where=path, hint=_LEAVE_OUT)
    try:
        values = np.stack(list(codecs.frames(path, data, range(count))))
    except codecs.DECODE_ERRORS as error:
        raise codecs.undecodable(path, header.syntax) from error
    if values.ndim != 3:
        raise InputError("is in colour, and cannot be defaced", where=path, hint=_LEAVE_OUT)
    for index, (frame, cut) in placed.items():
        values[index][_face_in(frame, cut)] = _background(values[index], frame, header)
    _store(data, values)


def deface_image(path: Path, kind: Kind, faces: Faces, target: Path, progress: Progress) -> None:
    """Write an image file with its face set to the lowest value.

    Args:
        path: The file.
        kind: What kind it is.
        faces: With the brain, if one was given.
        target: Where to; its suffix picks the format.
        progress: Told how far it is.

    Raises:
        InputError: If it is not one scalar 3-D volume, or no brain is found in it.
    """
    file = inspect(path, kind)
    if file.volumes != 1 or file.components != 1:
        raise InputError("is not one volume, and cannot be defaced", where=path, hint=_LEAVE_OUT)
    scan = load_image(file)
    brain = _brain_of(scan, progress) if faces.brain is None else faces.brain
    values = sitk.GetArrayFromImage(scan.image)
    values[face_of(scan.image, cut_of(brain, MARGIN_MM))] = values.min()
    write_image(geometry.from_array(values, scan.image), target)


def _brain_of(scan: Scan, progress: Progress) -> sitk.Image:
    """Return the brain of a head, by the brain model."""
    from MedAssistLib.models import find
    from MedAssistLib.segment import segment

    place = scan.source or scan.name
    if scan.modality == "CT":
        hint = "Segment its brain with a CT model, and give it: --brain FILE"
        raise InputError("is a CT, and the brain model is for MR", where=place, hint=hint)
    brain = _mask(segment(scan, find("brain"), progress=progress).labels, place)
    volume = float(sitk.GetArrayViewFromImage(brain).sum()) * geometry.voxel_volume(brain) / 1000.0
    if not _LEAST_ML <= volume <= _MOST_ML:
        what = f"shows no whole brain by which to find the face ({volume:.0f} mL)"
        raise InputError(what, where=place, hint=f"Give its brain: --brain FILE. {_LEAVE_OUT}")
    return brain


def _mask(labels: sitk.Image, place: Path | str) -> sitk.Image:
    mask: sitk.Image = labels > 0
    if not sitk.GetArrayViewFromImage(mask).any():
        raise InputError("holds no brain", where=place, hint="Give one: --brain FILE")
    return mask


def _face_in(frame: Frame, cut: FaceCut) -> npt.NDArray[np.bool_]:
    """Return which pixels of a frame are cut out, axes (j, i)."""
    columns, rows = frame.size
    j, i = np.ogrid[:rows, :columns]
    p, s = (
        frame.position[axis]
        + frame.row[axis] * frame.spacing[0] * i
        + frame.column[axis] * frame.spacing[1] * j
        for axis in (1, 2)
    )
    return cut.removes(p, s)


def _background(values: npt.NDArray[Any], frame: Frame, header: Header) -> int:
    """Return the stored value of air, or the lowest where no value means air."""
    if header.text("Modality") != "CT":
        return int(values.min())
    slope, intercept = frame.rescale
    return int(np.clip(round((_AIR_HU - intercept) / slope), values.min(), values.max()))


def _store(data: pydicom.Dataset, values: npt.NDArray[Any]) -> None:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    for keyword in (*_OFFSETS, *_EXTREMES):
        if keyword in data:
            del data[keyword]
    data.PixelData = little + bytes(len(little) % 2)
    data["PixelData"].VR = "OW"
    data["PixelData"].is_undefined_length = False
    data.BitsAllocated = 8 * values.dtype.itemsize
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.RecognizableVisualFeatures = "NO"
