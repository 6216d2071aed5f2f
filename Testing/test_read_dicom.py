"""Real DICOM: read as other programs read it, listed, or refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Severity
from MedAssistLib.errors import CancelledError, InputError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read.dicom import find_volumes, is_dicom, load_volume
from Testing.dicom_series import (
    assert_agrees_with_dcm2niix,
    found_in,
    loaded,
    loading_errors,
    pixels,
    pydicom_file,
    rules,
    up,
    write_series,
)

PYDICOM_FILES = sorted(p.name for p in pydicom_file("").iterdir() if p.is_file())


def test_the_abdomen_equals_simpleitks_reader_bit_for_bit(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "ct_abdomen_20slices"
    scan = loaded(folder)
    expected = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))
    assert geometry.same_grid(scan.image, expected)
    assert sitk.Hash(scan.image) == sitk.Hash(expected)
    assert scan.findings == ()


@pytest.mark.parametrize("folder", ["ct_abdomen_20slices", "ct_gantry_tilt_philips"])
def test_classic_ct_agrees_with_dcm2niix(shared_data: Path, tmp_path: Path, folder: str) -> None:
    scan = loaded(shared_data / "dicom" / folder)
    assert scan.findings == ()
    assert scan.image.GetPixelID() == sitk.sitkInt16
    assert_agrees_with_dcm2niix(scan.image, shared_data / "dicom" / folder, tmp_path)


def test_the_enhanced_mr_is_four_time_points_and_agrees_with_dcm2niix(
    shared_data: Path, tmp_path: Path
) -> None:
    folder = shared_data / "dicom" / "mr_enhanced_siemens"
    volumes = found_in(folder).volumes
    assert [v.split for v in volumes] == [f"time point {n}" for n in (1, 2, 3, 4)]
    for number, volume in enumerate(volumes):
        scan = load_volume(volume, Progress())
        assert scan.image.GetSize() == (64, 64, 6)
        assert_agrees_with_dcm2niix(scan.image, folder, tmp_path / str(number), at=number)


def test_the_tilted_uneven_head_is_named_and_made_regular(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "ct_gantry_tilt_ge"
    scan = loaded(folder)
    assert rules(scan) == ["scan.tilt", "scan.uneven-slices", "scan.overlapping-slices"]
    tilt, uneven, overlap = scan.findings
    assert "18.5°" in tilt.title
    assert [e.measured for e in uneven.evidence] == pytest.approx([1.08, 7.0], abs=0.01)
    assert "z = 61.84 mm" in overlap.title
    assert uneven.severity == Severity.REVIEW
    # At a point of an original slice the values are those of that slice, wherever the grid lies.
    for name in ("01.dcm", "14.dcm", "28.dcm"):
        data = pydicom.dcmread(folder / name)
        single = sitk.GetImageFromArray(data.pixel_array[None].astype(np.float32))
        single.SetSpacing((*data.PixelSpacing[::-1], 1.0))
        single.SetOrigin(data.ImagePositionPatient)
        row, column = np.split(np.array(data.ImageOrientationPatient, dtype=float), 2)
        turn = np.column_stack([row, column, np.cross(row, column)])
        single.SetDirection(turn.ravel())
        there = sitk.Resample(sitk.Cast(scan.image, sitk.sitkFloat32), single)
        inner = (slice(0, 1), slice(100, 400), slice(100, 400))
        difference = np.abs(pixels(there)[inner] - pixels(single)[inner])
        # The first and the last slice lie on planes of the grid: only moved within the plane.
        assert np.median(difference) < (10.0 if name != "14.dcm" else 40.0)


def test_strict_refuses_what_would_be_resampled(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"not a regular block.*tilted by 18\.5°"):
        loaded(shared_data / "dicom" / "ct_gantry_tilt_ge", strict=True)
    loaded(shared_data / "dicom" / "ct_abdomen_20slices", strict=True)


@pytest.mark.parametrize("name", PYDICOM_FILES)
def test_every_file_of_pydicom_is_read_listed_or_refused(name: str) -> None:
    """A traceback would stop the whole folder for one odd file."""
    path = pydicom_file(name)
    found = found_in(path)
    if not is_dicom(path):
        assert len(found.volumes) + len(found.others) + len(found.refused) == 0
        return
    assert len(found.volumes) + len(found.others) + len(found.refused) > 0
    assert "\n" not in loading_errors(found)
    for other in found.others:
        assert other.kind
    for refused in found.refused:
        assert refused.reason
        assert "\n" not in refused.reason


def test_a_folder_of_many_things_is_sorted_out() -> None:
    found = found_in(pydicom_file(""))
    kinds = {other.path.name: other.kind for other in found.others}
    assert kinds["reportsi.dcm"] == kinds["test-SR.dcm"] == "report"
    assert kinds["rtdose.dcm"] == "radiotherapy dose"
    assert kinds["rtstruct.dcm"] == "radiotherapy structures"
    assert kinds["liver_1frame.dcm"] == "segmentation"
    assert kinds["waveform_ecg.dcm"] == "waveform"
    assert kinds["MR_small.dcm"] == "single image"
    assert kinds["SC_rgb_jpeg.dcm"] == "image without a place in the patient"
    reasons = {refused.path.name: refused.reason for refused in found.refused}
    assert reasons["MR_truncated.dcm"] == "is cut off: 8130 bytes of 8192"


def test_localisers_are_listed_not_read(tmp_path: Path) -> None:
    def scout(_number: int, data: pydicom.Dataset) -> None:
        data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    values = np.zeros((3, 4, 5), np.int16)
    found = found_in(write_series(tmp_path, values, up([0, 1, 2]), change=scout))
    assert not found.volumes
    assert {other.kind for other in found.others} == {"localiser"}


def test_nothing_about_the_patient_comes_along(tmp_path: Path) -> None:
    def chatty(_number: int, data: pydicom.Dataset) -> None:
        data.SeriesDescription = "Jane Doe T2 AX brain 5mm 0171-555"

    values = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    folder = write_series(tmp_path, values, up([0, 1, 2]), change=chatty)
    (volume,) = found_in(folder).volumes
    assert volume.description == "T2 AX brain 5mm"
    scan = load_volume(volume, Progress())
    told = " ".join([repr(volume.findings), scan.name, *scan.attributes.values()])
    assert not any(word in told for word in ("Doe", "Jane", "4711", "555"))


def test_reading_stops_soon_after_cancel(tmp_path: Path) -> None:
    values = np.zeros((40, 8, 8), np.int16)
    folder = write_series(tmp_path, values, up(range(40)))
    cancellation, seen = Cancellation(), []

    def report(event: object) -> None:
        seen.append(event)
        cancellation.cancel()

    progress = Progress(report, cancellation)
    with pytest.raises(CancelledError):
        find_volumes(sorted(folder.iterdir()), progress)
    (volume,) = found_in(folder).volumes
    with pytest.raises(CancelledError):
        load_volume(volume, progress)
    assert len(seen) == 1
