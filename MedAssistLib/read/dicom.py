"""One DICOM series of classic single-frame slices.

Geometry comes from Image Position and Image Orientation (PS3.3 C.7.6.2.1.1), never from Slice
Thickness or the order of the files. Series that are not a regular block of slices are refused.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import SimpleITK as sitk
from pydicom.errors import InvalidDicomError

from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.files import readable
from MedAssistLib.progress import Progress

_TAGS = [
    "BodyPartExamined",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "Columns",
    "Manufacturer",
    "Modality",
    "NumberOfFrames",
    "PixelSpacing",
    "RescaleIntercept",
    "RescaleSlope",
    "Rows",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SOPInstanceUID",
]
_KEPT_ATTRIBUTES = ("BodyPartExamined", "Manufacturer", "SeriesNumber")
_PREAMBLE = 128
_UNEVEN_SHARE = 0.01
_TURNED = 1e-3
_TILT_MM = 0.05


@dataclass(frozen=True)
class _Slice:
    path: Path
    header: pydicom.Dataset
    orientation: npt.NDArray[np.float64]
    position: npt.NDArray[np.float64]
    plane: tuple[float, ...]
    """Rows, columns and their spacing in mm."""
    rescale: tuple[float, float]
    """Slope and intercept (PS3.3 C.7.6.16.2.9, C.11.1)."""
    number: int
    """Series Number."""

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        return np.cross(self.orientation[:3], self.orientation[3:])


def is_dicom(path: Path) -> bool:
    """Tell by the marker after the preamble whether a file is DICOM (PS3.10 section 7.1)."""
    if not path.is_file():
        return False
    with readable(path) as stream:
        stream.seek(_PREAMBLE)
        return stream.read(4) == b"DICM"


def read_series(source: Path, choice: str, progress: Progress) -> Scan:
    """Read one series as a volume.

    Args:
        source: A folder, searched with its subfolders, or one DICOM file.
        choice: Series Instance UID, or number in the list of the folder's series; may be empty
            when there is only one.
        progress: Told how far it is.

    Raises:
        InputError: If there is no such series, or if it is not a regular block of slices.
    """
    series = _find_series(source, progress.part("Looking for DICOM slices", 0.0, 0.5))
    slices = _choose(source, series, choice)
    ordered = _ordered(source, slices)
    progress.part("Reading slices", 0.5, 1.0).update(0.0)
    header = ordered[0].header
    attributes = {name: str(header[name].value) for name in _KEPT_ATTRIBUTES if name in header}
    return Scan(
        image=_load(source, ordered),
        modality=str(header.get("Modality", "")),
        name=source.stem or "scan",
        source=source,
        series_uid=_uid(header),
        attributes=attributes,
    )


def _find_series(source: Path, progress: Progress) -> dict[str, list[_Slice]]:
    """Group the slices below ``source`` by series, in the order of Series Number."""
    files = [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file())
    found: dict[str, list[_Slice]] = defaultdict(list)
    frames = 0
    for number, path in enumerate(files):
        progress.update(number / len(files))
        header = _header(path)
        if header is None:
            continue
        frames += _many_frames(header)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part = _slice(path, header)
        if part is not None:
            found[_uid(header)].append(part)
    if not found and frames:
        hint = "Convert it to NIfTI, for instance with dcm2niix, and read that"
        raise InputError("holds multi-frame DICOM, not read yet", where=source, hint=hint)
    if not found:
        hint = "Give a folder with DICOM slices, or a NIfTI, NRRD or MetaImage file"
        raise InputError("holds no image that can be read", where=source, hint=hint)
    return dict(sorted(found.items(), key=lambda item: item[1][0].number))


def _header(path: Path) -> pydicom.Dataset | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Odd values are judged where they are used.
            return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
    except (InvalidDicomError, OSError, ValueError, EOFError, AttributeError, KeyError):
        return None


def _slice(path: Path, header: pydicom.Dataset) -> _Slice | None:
    """Return a slice if the file is one: pixels with a size and a place in the patient."""
    try:
        if _many_frames(header):
            return None
        orientation = np.array(header.ImageOrientationPatient, dtype=np.float64)
        position = np.array(header.ImagePositionPatient, dtype=np.float64)
        spacing = [float(value) for value in header.PixelSpacing]
        plane = (int(header.Rows), int(header.Columns), *spacing)
        rescale = (float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0)))
        number = int(header.get("SeriesNumber", None) or 0)
    except (AttributeError, TypeError, ValueError):
        return None
    if orientation.shape != (6,) or position.shape != (3,) or len(spacing) != 2:
        return None
    if not np.isfinite([*orientation, *position, *plane, *rescale]).all() or min(plane) <= 0:
        return None
    return _Slice(path, header, orientation, position, plane, rescale, number)


def _many_frames(header: pydicom.Dataset) -> bool:
    try:
        return int(header.get("NumberOfFrames", None) or 1) > 1
    except (TypeError, ValueError):
        return False


def _uid(header: pydicom.Dataset) -> str:
    """Return the series' UID; some de-identification tools remove it, and then it is empty."""
    return str(header.get("SeriesInstanceUID", None) or "")


def _choose(source: Path, series: dict[str, list[_Slice]], choice: str) -> list[_Slice]:
    if choice and choice in series:
        return series[choice]
    if choice.isdecimal() and 1 <= int(choice) <= len(series):
        return list(series.values())[int(choice) - 1]
    if len(series) == 1 and not choice:
        return next(iter(series.values()))
    listed = "; ".join(
        f"{n}: {parts[0].header.get('Modality', '?')} of {len(parts)} slices, {uid}"
        for n, (uid, parts) in enumerate(series.items(), 1)
    )
    what = f"has no series {choice!r}" if choice else f"holds {len(series)} series"
    raise InputError(what, where=source, hint=f"Choose one with --series: {listed}")


def _ordered(source: Path, slices: list[_Slice]) -> list[_Slice]:
    """Return the slices along their normal, or refuse what is not a regular block."""
    first = slices[0]
    for other in slices:
        turned = np.abs(other.orientation - first.orientation).max() > _TURNED
        if turned or not np.allclose(other.plane, first.plane, rtol=1e-4):
            what = "mixes slices of several orientations, sizes or pixel spacings"
            hint = "Split it into its stacks and read one of them"
            raise InputError(what, where=source, hint=hint)
    ordered = sorted(slices, key=lambda part: float(part.position @ first.normal))
    if len(ordered) > 1:
        _check_steps(source, ordered)
    return ordered


def _check_steps(source: Path, ordered: list[_Slice]) -> None:
    steps = np.diff(np.array([part.position for part in ordered]), axis=0)
    along = steps @ ordered[0].normal
    middle = float(np.median(along))
    if along.min() < _UNEVEN_SHARE * max(middle, _TILT_MM):
        hint = "It may hold several echoes or time points; give them as separate series"
        raise InputError("has several slices in one place", where=source, hint=hint)
    if np.abs(along - middle).max() > _UNEVEN_SHARE * middle:
        shown = f"from {along.min():.2f} to {along.max():.2f} mm"
        hint = "A slice may be missing: export the series again"
        raise InputError(f"has uneven slice distances, {shown}", where=source, hint=hint)
    sideways = np.linalg.norm(steps - np.outer(along, ordered[0].normal), axis=1)
    if sideways.max() > _TILT_MM:
        tilt = np.degrees(np.arctan2(sideways.max(), middle))
        hint = "Correct the tilt when converting, for instance with dcm2niix"
        raise InputError(f"has a gantry tilt of {tilt:.1f} degrees", where=source, hint=hint)


def _load(source: Path, ordered: list[_Slice]) -> sitk.Image:
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(part.path) for part in ordered])
    if any(part.rescale != ordered[0].rescale for part in ordered):
        # ITK takes the first slice's pixel type for all, and would round or wrap the others.
        reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image: sitk.Image = reader.Execute()
    except RuntimeError as error:
        hint = "Copy or export the series again"
        raise InputError("has slices that cannot be decoded", where=source, hint=hint) from error
    return image
