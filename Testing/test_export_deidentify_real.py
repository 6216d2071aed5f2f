"""De-identification of real DICOM: the shared scans and the files that pydicom carries."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.errors import InputError
from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify
from MedAssistLib.progress import Progress
from MedAssistLib.read.listing import listing_of
from MedAssistLib.read.options import ReadOptions
from Testing.deidentify_cases import (
    holds,
    identifying_values,
    kept_text,
    read,
    save,
    validator_errors,
)
from Testing.dicom_series import pydicom_file

EVERYTHING = DeidentifyOptions(allow_burned_in=True, blank_text=True, leave_out=True)
SETS = ("ct_abdomen_20slices", "ct_gantry_tilt_ge", "ct_gantry_tilt_philips", "mr_enhanced_siemens")
# One file of each kind of object that pydicom carries whole.
KINDS = (
    *("CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm"),
    *("rtplan.dcm", "rtdose_1frame.dcm", "rtstruct.dcm", "liver_1frame.dcm", "test-SR.dcm"),
    *("reportsi.dcm", "waveform_ecg.dcm", "SC_rgb_small_odd.dcm", "693_J2KI.dcm"),
    *("examples_overlay.dcm", "examples_palette.dcm", "JPGExtended.dcm"),
)
_LEAST = 5
# What an earlier de-identification wrote, and the root of pydicom's own UIDs.
_NOBODYS = {"REMOVED", "1.2.826.0.1.3680043.8.498"}


@pytest.fixture
def validator() -> None:
    """The DICOM validator dciodvfy; Debian has it in dicom3tools."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy is not installed (Debian: dicom3tools)")


def loaded(folder: Path) -> list[sitk.Image]:
    """Return all volumes below a folder, in an order that does not depend on names."""
    with listing_of(folder, Progress()) as listing:
        images = [scan.load(ReadOptions(), Progress()).image for scan in listing.scans]
    return sorted(images, key=sitk.Hash)


def leaks(before: pydicom.Dataset, raw: bytes) -> list[str]:
    """Return identifying values of a dataset that bytes hold, and that nothing kept repeats."""
    kept = kept_text(before).casefold()
    values = {v for v in identifying_values(before) if len(v) >= _LEAST} - _NOBODYS
    registered = "1.2.840.10008."
    told = (v for v in values if v.casefold() not in kept and not v.startswith(registered))
    return [value for value in told if holds(raw, value)]


@pytest.mark.parametrize("name", SETS)
def test_a_real_series_is_the_same_scan_and_names_nobody(
    shared_data: Path, name: str, tmp_path: Path
) -> None:
    """A de-identified scan that is mirrored, moved or reordered is worse than none."""
    source, target = shared_data / "dicom" / name, tmp_path / "out"
    report = deidentify([source], target, EVERYTHING)
    before, after = loaded(source), loaded(target)
    assert len(before) == len(after) > 0
    for old, new in zip(before, after, strict=True):
        assert geometry.same_grid(old, new)
        assert old.GetPixelID() == new.GetPixelID()
        assert np.array_equal(sitk.GetArrayViewFromImage(old), sitk.GetArrayViewFromImage(new))
    files = sorted(path for path in target.rglob("*") if path.is_file())
    assert len(files) == report.files
    raw = b"".join(path.read_bytes() for path in files[:2])
    for path in sorted(p for p in source.rglob("*") if p.is_file())[:2]:
        assert leaks(pydicom.dcmread(path, force=True), raw) == []


def named(data: pydicom.Dataset) -> pydicom.Dataset:
    """Return a dataset with the UIDs that somebody took out of one of the sets."""
    for keyword in ("SOPClassUID", "SOPInstanceUID"):
        if not data[keyword].value:
            setattr(data, keyword, data.file_meta[f"MediaStorage{keyword}"].value)
    for number, keyword in enumerate(("StudyInstanceUID", "SeriesInstanceUID")):
        if not data[keyword].value:
            setattr(data, keyword, f"1.2.3.4.{number}")
    return data


@pytest.mark.parametrize("name", SETS)
def test_a_real_series_stays_valid(
    shared_data: Path, name: str, tmp_path: Path, validator: None
) -> None:
    """Archives refuse objects in which a required attribute is missing or empty."""
    given = max(p for p in (shared_data / "dicom" / name).rglob("*") if p.is_file())
    source = save(named(read(given)), tmp_path / "source.dcm")
    for options in (DeidentifyOptions(), DeidentifyOptions(keep_dates=True, keep_uids=True)):
        target = tmp_path / f"{options.keep_dates}.dcm"
        deidentify([source], target, options)
        assert validator_errors(target) <= validator_errors(source)


@pytest.mark.parametrize("name", KINDS)
def test_other_objects_name_nobody_and_stay_valid(
    name: str, tmp_path: Path, validator: None
) -> None:
    """Reports, plans, waveforms, overlays, palettes, odd value representations."""
    source, target = pydicom_file(name), tmp_path / "out.dcm"
    deidentify([source], target, EVERYTHING)
    before = pydicom.dcmread(source, force=True)
    assert leaks(before, target.read_bytes()) == []
    assert validator_errors(target) <= validator_errors(source)
    after = read(target)
    assert after.PatientIdentityRemoved == "YES"
    if "PixelData" in before:
        assert after.PixelData == before.PixelData


def test_every_file_of_pydicom_is_cleaned_or_refused_with_a_reason(tmp_path: Path) -> None:
    """Odd and damaged files must end in a clear error, never in a fault or half a file."""
    folder = pydicom_file("")
    done = 0
    for path in sorted(p for p in folder.glob("*") if p.is_file()):
        target = tmp_path / f"{path.name}.dcm"
        try:
            deidentify([path], target, EVERYTHING)
        except InputError:
            assert not target.exists()
            continue
        done += 1
        assert leaks(pydicom.dcmread(path, force=True), target.read_bytes()) == [], path.name
    assert done > 60
