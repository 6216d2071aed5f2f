"""A damaged series: each slice where its file says, with its values, and none lost in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.read import Listing
from Testing.fuzzing import (
    DAMAGE,
    damaged,
    effort,
    for_a_while,
    listed_and_read,
    place_of,
    require_sound,
)
from Testing.sagittal_series import write_sagittal

KEYWORDS = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows", "Columns",
    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation", "NumberOfFrames", "RescaleSlope", "RescaleIntercept",
    "SeriesInstanceUID", "SOPClassUID", "Modality", "SeriesNumber", "ImageType", "EchoTime",
    "InstanceNumber", "SliceThickness", "SpecificCharacterSet", "PixelData", "AcquisitionTime",
)  # fmt: skip
ODD_FLOATS = st.one_of(
    st.sampled_from(["0", "-1", "1e9", "nan", "inf", "", "x", "1e-9", "3.0000001", "0.5"]),
    st.floats(-100, 100).map(lambda value: f"{value:.6g}"),
)
ODD_VALUES = st.one_of(st.lists(ODD_FLOATS, max_size=7), st.integers(0, 70000), st.none())


def _odd_element(keyword: str, value: object) -> pydicom.DataElement:
    """Make an element with a value that its kind should not have, as broken devices do."""
    if isinstance(value, int):
        return pydicom.DataElement(keyword, "US", value % 65536)
    return pydicom.DataElement(keyword, "LO", value if value is not None else "")


def _require_slices_where_files_say(scan: Scan, folder: Path) -> None:
    """Each slice of a scan that is told to be in order must lie where one of its files says."""
    places = []
    for path in folder.iterdir():
        try:
            dataset = pydicom.dcmread(path, force=True, stop_before_pixels=True)
            place = [float(v) for v in dataset.ImagePositionPatient]
            turn = [float(v) for v in dataset.ImageOrientationPatient]
            row, column = (float(v) for v in dataset.PixelSpacing)
            if len(place) == 3 and len(turn) == 6:
                places.append([*place, *turn, column, row])
        except Exception:  # noqa: BLE001, S112
            continue
    told = np.array(places)
    matrix = place_of(scan)
    spacing = scan.image.GetSpacing()
    for k in range(scan.image.GetSize()[2]):
        axes = geometry.direction(scan.image)
        here = [*(matrix @ [0, 0, k, 1]), *axes[:, 0], *axes[:, 1], *spacing[:2]]
        assert np.abs(told - here).max(axis=1).min() < 0.02, (here, told)


def _require_nothing_lost(listing: Listing, folder: Path, untouched: set[Path]) -> None:
    """Each file is in a scan or listed as none; a good one is missing only if a finding says so."""
    used = {path for scan in listing.scans for path in scan.paths}
    told = {aside.path for aside in (*listing.others, *listing.refused)}
    assert set(folder.iterdir()) <= used | told
    if listing.scans and not any(scan.findings for scan in listing.scans):
        assert untouched <= used, (untouched - used, listing)


def _require_pixels(scan: Scan, paths: tuple[Path, ...]) -> None:
    """Each file of a scan of which nothing odd is told has its plane, with pydicom's values."""
    array = sitk.GetArrayViewFromImage(scan.image)
    corners = np.array([place_of(scan) @ [0, 0, k, 1] for k in range(len(array))])
    for path in paths:
        dataset = pydicom.dcmread(path, force=True)
        apart = np.abs(corners - np.array(dataset.ImagePositionPatient, dtype=float)).max(axis=1)
        assert apart.min() < 0.02, (path, corners)
        if (dataset.get("BitsStored"), dataset.get("HighBit")) != (16, 15):
            continue  # Bits above those in use are noise, which pydicom leaves in.
        try:
            expected = apply_modality_lut(dataset.pixel_array, dataset)
        except Exception:  # noqa: BLE001, S112  # pydicom refuses them; nothing to compare.
            continue
        assert np.allclose(array[apart.argmin()], expected, rtol=1e-5), path


def _check_series(folder: Path, untouched: set[Path]) -> None:
    listing, scan = listed_and_read(folder)
    if listing is not None:
        _require_nothing_lost(listing, folder, untouched)
    if listing is None or scan is None:
        return
    require_sound(scan)
    if not scan.findings:
        _require_slices_where_files_say(scan, folder)
    if {finding.rule for finding in scan.findings} <= {"scan.lost-files"}:
        _require_pixels(scan, listing.scans[0].paths)


@pytest.mark.filterwarnings("ignore")
def test_a_series_with_odd_attributes_is_never_placed_by_guessing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    good = tmp_path / "good"
    write_sagittal(good, [(1.5 * x, -10.0, 20.0) for x in range(5)], "1.2.3")
    files = sorted(good.iterdir())
    folder = tmp_path / "odd"
    folder.mkdir()

    @effort()
    @given(
        st.lists(
            st.tuples(st.integers(0, 4), st.sampled_from(KEYWORDS), ODD_VALUES),
            min_size=1, max_size=4,
        ),
        st.booleans(),
    )  # fmt: skip
    def check(changes: list[tuple[int, str, object]], everywhere: bool) -> None:
        for number, path in enumerate(files):
            dataset = pydicom.dcmread(path)
            for which, keyword, value in changes:
                if which == number or everywhere:
                    dataset[keyword] = _odd_element(keyword, value)
            try:
                dataset.save_as(folder / path.name, enforce_file_format=True)
            except Exception:  # noqa: BLE001  # pydicom cannot write it, so nobody has such a file.
                return
        changed = {which for which, _, _ in changes}
        untouched = {folder / p.name for n, p in enumerate(files) if n not in changed}
        _check_series(folder, set() if everywhere else untouched)

    for_a_while(check, request)


@pytest.mark.filterwarnings("ignore")
def test_a_series_with_damaged_bytes_is_never_placed_by_guessing(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "series"
    write_sagittal(folder, [(1.5 * x, -10.0, 20.0) for x in range(4)], "1.2.3")
    files = sorted(folder.iterdir())
    contents = [path.read_bytes() for path in files]

    @effort()
    @given(st.integers(0, 3), DAMAGE)
    def check(which: int, edits: list[tuple[str, int, bytes]]) -> None:
        files[which].write_bytes(damaged(contents[which], edits))
        try:
            _check_series(folder, set(files) - {files[which]})
        finally:
            files[which].write_bytes(contents[which])

    for_a_while(check, request)
