"""DICOM series made for tests, and what other programs make of them."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from nibabel.affines import apply_affine
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import Found, find_volumes, load_volume

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
STORED = np.random.default_rng(11).integers(-1000, 3000, (4, 12, 16)).astype(np.int16)
"""Values of four slices, axes (k, j, i)."""
ZS = [(-10.0, 20.0, z) for z in (0, 2, 4, 6)]
"""Positions of four axial slices."""

Change = Callable[[int, Dataset], None]


def unchanged(_number: int, _dataset: Dataset) -> None:
    """Leave a slice as it is."""


def slice_of(
    values: np.ndarray,
    position: Sequence[float],
    orientation: Sequence[float] = AXIAL,
    *,
    series: str = "1.2.3",
    modality: str = "CT",
) -> Dataset:
    """Return one classic slice, rows 1.5 and columns 1.25 mm apart."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    data.SOPInstanceUID = generate_uid()
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2", series
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.Modality, data.PatientName, data.PatientID = modality, "Doe^Jane", "4711"
    data.SeriesNumber = 3
    data.Rows, data.Columns = values.shape
    data.PixelSpacing = [1.5, 1.25]
    # Wrong on purpose: geometry comes from the positions alone.
    data.SliceThickness, data.SpacingBetweenSlices = 77, 66
    data.ImageOrientationPatient = [f"{value:.10g}" for value in orientation]
    data.ImagePositionPatient = [f"{value:.9g}" for value in position]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    bits = 8 * values.itemsize
    data.BitsAllocated, data.BitsStored, data.HighBit = bits, bits, bits - 1
    data.PixelRepresentation = int(values.dtype.kind == "i")
    if modality == "CT":
        data.RescaleSlope, data.RescaleIntercept = 1, 0
    data.PixelData = values.tobytes()
    data["PixelData"].VR = "OW" if bits > 8 else "OB"
    return data


def write(data: Dataset, path: Path) -> Path:
    """Write one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(path, enforce_file_format=True)
    return path


def write_series(  # noqa: PLR0913  (a test's facts, by name)
    folder: Path,
    values: np.ndarray,
    positions: Sequence[Sequence[float]],
    orientation: Sequence[float] = AXIAL,
    *,
    change: Change = unchanged,
    seed: int = 0,
    modality: str = "CT",
) -> Path:
    """Write slices (k, j, i) at their positions, under names in a shuffled order."""
    names = np.random.default_rng(seed).permutation(len(positions))
    for number, position in enumerate(positions):
        data = slice_of(values[number], position, orientation, modality=modality)
        data.InstanceNumber = number + 1
        change(number, data)
        write(data, folder / f"{names[number]:04d}.dcm")
    return folder


def up(zs: Sequence[float]) -> list[tuple[float, float, float]]:
    """Return positions of axial slices at these heights."""
    return [(-10.0, 20.0, z) for z in zs]


def found_in(path: Path) -> Found:
    """Return what lies below a folder, or in one file."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return find_volumes(files, Progress())


def loaded(path: Path, **options: bool) -> Scan:
    """Load the only volume below a folder."""
    found = found_in(path)
    assert len(found.volumes) == 1, found
    return load_volume(found.volumes[0], Progress(), **options)


def loading_errors(found: Found) -> str:
    """Load everything that was found, and return what was refused, one after another."""
    errors = []
    for volume in found.volumes:
        try:
            load_volume(volume, Progress())
        except InputError as error:
            errors.append(str(error))
    return "; ".join(errors)


def rules(scan_or_volume: object) -> list[str]:
    """Return the rules of the findings."""
    return [finding.rule for finding in scan_or_volume.findings]  # type: ignore[attr-defined]


def assert_agrees_with_dcm2niix(image: sitk.Image, folder: Path, out: Path, at: int = -1) -> None:
    """Compare with dcm2niix: places to 0.01 mm, values exactly.

    ``at`` picks one volume of its 4-D file.
    """
    out.mkdir(parents=True, exist_ok=True)
    command = [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "out", "-o", str(out), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    files = sorted(out.glob("out*.nii"))
    assert len(files) == 1, done.stdout
    other = nib.load(files[0])
    values = np.asarray(other.dataobj)
    if at >= 0:
        values = values[..., at]
    size = np.array(image.GetSize())
    ours = np.eye(4)
    ours[:3, :3] = geometry.direction(image) * np.array(image.GetSpacing())
    ours[:3, 3] = image.GetOrigin()
    ours = np.diag([-1.0, -1.0, 1.0, 1.0]) @ ours
    exact = np.linalg.inv(other.affine) @ ours
    whole = np.rint(exact)
    corners = np.array(list(itertools.product(*[(0, n - 1) for n in size])))
    apart = apply_affine(ours, corners) - apply_affine(other.affine @ whole, corners)
    assert np.linalg.norm(apart, axis=1).max() < 0.01
    turned = whole[:3, :3]
    assert np.array_equal(np.abs(turned) @ size, values.shape)
    values = values.transpose(np.abs(turned).argmax(axis=0))
    values = np.flip(values, [n for n in range(3) if turned[:, n].sum() < 0])
    assert np.array_equal(sitk.GetArrayViewFromImage(image).T, values)


def pixels(image: sitk.Image) -> np.ndarray:
    """Return values, axes (k, j, i)."""
    return sitk.GetArrayFromImage(image)


def pydicom_file(name: str) -> Path:
    """Return a file that pydicom carries for tests."""
    return Path(pydicom.__file__).parent / "data" / "test_files" / name
