"""The DICOM series that a scan was read from: found again, and what an export takes from it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import SimpleITK as sitk
from pydicom.filereader import read_file_meta_info

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.grids import on_grid
from MedAssistLib.export.dicom.study import study_of
from MedAssistLib.export.dicom.uids import derived_uid
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import Volume, find_volumes
from MedAssistLib.read.dicom.frames import Frame
from MedAssistLib.read.dicom.geometry import Grid
from MedAssistLib.read.dicom.headers import PARSE_ERRORS
from MedAssistLib.read.sources import files_of

if TYPE_CHECKING:
    from pydicom import Dataset

_HINT = "Give the DICOM folder, zip or DICOMDIR that the scan came from as the scan"
_OTHER_HINT = "Choose the folder of the series that the volume was read from, or another format"

NEARLY = 0.1
"""Share of a voxel by which other readers, who round too, may place a series' voxels elsewhere."""


class SourceFrame(NamedTuple):
    """One 2-D image of the source.

    Attributes:
        sop_class: SOP Class UID of its file.
        instance: SOP Instance UID of its file.
        number: Its number in a multi-frame file, from 1; ``None`` in a file of one image.
    """

    sop_class: str
    instance: str
    number: int | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """The series that a scan was read from.

    Attributes:
        study: Attributes of patient and study, in DICOM's own form.
        study_uid: Study Instance UID.
        series_uid: Series Instance UID.
        frame_of_reference: Frame of Reference UID of its coordinates.
        modality: DICOM modality.
        series_number: Series Number; 0 if it has none.
        paths: Its files.
        frames: Its images, ordered along their normal.
        grid: The regular grid that they were read onto, and where on it each lies.
    """

    study: Dataset
    study_uid: str
    series_uid: str
    frame_of_reference: str
    modality: str
    series_number: int
    paths: tuple[Path, ...]
    frames: tuple[SourceFrame, ...]
    grid: Grid

    @property
    def instances(self) -> tuple[tuple[str, str], ...]:
        """SOP class and instance UID of each file, once."""
        return tuple(dict.fromkeys((frame.sop_class, frame.instance) for frame in self.frames))


def source_of(scan: Scan) -> Source:
    """Find the DICOM series that a scan was read from.

    Where its files do not say to which study, series or frame of reference they belong, the UID is
    derived from those of the images, so that all exports agree on it.

    Raises:
        InputError: If it was not read from DICOM, if that is not there any more or is another now,
            or if its files do not say which instances they are.
    """
    if scan.source is None:
        raise InputError("was not read from DICOM", where=scan.name, hint=_HINT)
    if not scan.source.exists():
        raise InputError("is not there any more", where=scan.source, hint=_HINT)
    with files_of(scan.source, Progress()) as files:
        volume = _volume_of(scan, find_volumes(files.paths, Progress()).volumes)
        return _source(volume, scan.source)


def source_among(
    files: Sequence[Path], image: sitk.Image, where: Path | str, progress: Progress
) -> Source:
    """Find the DICOM series, among some files, whose voxels an image has.

    Args:
        files: Any files, in any order.
        image: Read from one of the series, by whichever program; its axes may be in another order.
        where: What the user knows the files as.
        progress: Told how far it is.

    Raises:
        InputError: If no series has its voxels at their places, or more than one, or if the files
            do not say which instances they are.
        CancelledError: If the user asked to stop.
    """
    volumes = find_volumes(files, progress).volumes
    found = [volume for volume in volumes if on_grid(image, volume.grid, NEARLY) is not None]
    if len(found) == 1:
        return _source(found[0], where)
    if found:
        what = f"holds {len(found)} DICOM series with the voxels of the volume"
    elif volumes:
        what = "holds no DICOM series whose voxels lie where those of the volume do"
    else:
        what = "holds no DICOM series"
    raise InputError(what, where=where, hint=_OTHER_HINT)


def _volume_of(scan: Scan, volumes: tuple[Volume, ...]) -> Volume:
    """Return the volume that became the scan."""
    found = [volume for volume in volumes if volume.series_uid == scan.series_uid]
    # A series may hold several volumes; one without UID is known by its name only.
    if len(found) > 1 or not scan.series_uid:
        found = [volume for volume in found if _name(volume) == scan.name]
    if len(found) == 1:
        return found[0]
    if not volumes:
        what = "is not DICOM, so that it has no series to refer to"
    else:
        what = f"holds {len(found) or 'no'} DICOM volumes that may be the scan"
    raise InputError(what, where=scan.source or "", hint=_HINT)


def _name(volume: Volume) -> str:
    """Return what a volume is called when it is read."""
    words = (volume.modality, volume.description, volume.split)
    return " ".join(word for word in words if word) or "scan"


def _source(volume: Volume, where: Path | str) -> Source:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Odd values are left away.
            data = volume.frames[0].header.dataset()
            frames = tuple(_frame(frame, volume) for frame in volume.frames)
            study = study_of(data)
    except PARSE_ERRORS as error:
        what = "has a damaged header"
        raise InputError(what, where=where, hint="Copy or export it again") from error
    known = "\n".join(sorted(frame.instance for frame in frames))
    if not all(frame.sop_class and frame.instance for frame in frames):
        what = "has files that do not say which instance they are, so that none can refer to them"
        raise InputError(what, where=where, hint="Have the archive send it again")
    header = volume.frames[0].header
    return Source(
        study=study,
        study_uid=header.text("StudyInstanceUID") or derived_uid("study", known),
        series_uid=volume.series_uid or derived_uid("series", known),
        frame_of_reference=header.text("FrameOfReferenceUID") or derived_uid("frame", known),
        modality=volume.modality or "OT",
        series_number=volume.series_number or 0,
        paths=volume.paths,
        frames=frames,
        grid=volume.grid,
    )


def _frame(frame: Frame, volume: Volume) -> SourceFrame:
    """Return how to refer to an image; what its attributes lack its preface may say."""
    header = frame.header
    sop_class, instance = volume.sop_class, header.text("SOPInstanceUID")
    if not (sop_class and instance):
        meta = read_file_meta_info(header.path)
        sop_class = sop_class or str(meta.get("MediaStorageSOPClassUID", ""))
        instance = instance or str(meta.get("MediaStorageSOPInstanceUID", ""))
    many = bool(header.text("PerFrameFunctionalGroupsSequence"))
    return SourceFrame(sop_class, instance, frame.index + 1 if many else None)
