"""What values stand for: Hounsfield units, mixed rescales, private attributes, SUV, padding."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import (
    STORED,
    ZS,
    Change,
    found_in,
    loaded,
    pixels,
    rules,
    up,
    write_series,
)

RNG = np.random.default_rng(12)


def _setting(**values: object) -> Change:
    def change(_number: int, data: Dataset) -> None:
        for keyword, value in values.items():
            setattr(data, keyword, value)

    return change


def _without_rescale(*numbers: int) -> Change:
    def change(number: int, data: Dataset) -> None:
        data.RescaleIntercept = -1024
        if number in numbers:
            del data.RescaleSlope, data.RescaleIntercept

    return change


def _table(kind: str) -> Change:
    def change(_number: int, data: Dataset) -> None:
        item = Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], kind
        item.add_new("LUTData", "OW", np.arange(4096, dtype=np.uint16).tobytes())
        item["LUTDescriptor"].VR = "US"
        data.ModalityLUTSequence = Items([item])

    return change


@pytest.mark.parametrize(
    ("change", "unit"),
    [
        (_setting(), "HU"),
        (_setting(RescaleType="HU"), "HU"),
        (_table("HU"), "HU"),
        (_table("US"), None),
        (_setting(RescaleType="US"), None),
        (_setting(RescaleType="Z_EFF"), None),
        (_setting(ImageType=["DERIVED", "PRIMARY", "AXIAL", "EFFECTIVE_Z"]), None),
        (_without_rescale(0, 1, 2, 3), None),
    ],
)
def test_ct_is_in_hounsfield_units_only_if_the_file_says_so(
    tmp_path: Path, change: Change, unit: str | None
) -> None:
    """An effective atomic number of 7 is no soft tissue."""
    scan = loaded(write_series(tmp_path, np.abs(STORED), ZS, change=change))
    assert scan.attributes.get("Unit") == unit
    assert rules(scan) == ([] if unit else ["scan.no-hounsfield"])


@pytest.mark.parametrize("modality", ["CT", "MR"])
def test_slices_without_a_rescale_among_others_are_told(tmp_path: Path, modality: str) -> None:
    """Otherwise one slice lies 1024 beside the others, and nobody says so."""

    def change(number: int, data: Dataset) -> None:
        data.RescaleSlope = 1
        _without_rescale(2)(number, data)

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change, modality=modality))
    assert "scan.mixed-rescale" in rules(scan)
    assert "1 of 4 files" in " ".join(finding.title for finding in scan.findings)
    assert "Unit" not in scan.attributes


def test_each_of_mixed_brightnesses_is_turned_and_told(tmp_path: Path) -> None:
    stored = RNG.integers(0, 4096, (4, 12, 16)).astype(np.uint16)

    def change(number: int, data: Dataset) -> None:
        data.Modality, data.BitsStored, data.HighBit = "DX", 12, 11
        data.PhotometricInterpretation = "MONOCHROME1" if number == 1 else "MONOCHROME2"

    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    stored[1] = 4095 - stored[1]
    assert np.array_equal(pixels(scan.image), stored)
    assert rules(scan) == ["scan.inverted"]
    assert scan.findings[0].title.startswith("1 of 4 images")


@pytest.mark.parametrize("syntax", [uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian])
@pytest.mark.parametrize("block", [0x10, 0x12])
@pytest.mark.parametrize(
    "private",
    [
        ("SIEMENS MR HEADER", 0x0019, 0x0C, "IS", ["50", "800"]),
        ("GEMS_PARM_01", 0x0043, 0x39, "IS", ["50", "1000000800"]),
        ("Philips Imaging DD 001", 0x2001, 0x03, "FL", [50.0, 800.0]),
    ],
    ids=["Siemens", "GE", "Philips"],
)
def test_private_b_values_count_only_under_their_makers_name(
    tmp_path: Path, private: tuple[str, int, int, str, list[object]], block: int, syntax: uid.UID
) -> None:
    """Another maker's number there would split a series by what is no b-value."""
    creator, group, element, vr, values = private

    def owned_by(owner: str) -> Change:
        def change(number: int, data: Dataset) -> None:
            data.add_new((group, block), "LO", owner)
            data.add_new((group, block << 8 | element), vr, values[number // 2])
            data.file_meta.TransferSyntaxUID = syntax

        return change

    positions = up([0, 2, 0, 2])

    def splits(owner: str, folder: Path) -> list[str]:
        series = write_series(folder, STORED, positions, change=owned_by(owner), modality="MR")
        return [volume.split for volume in found_in(series).volumes]

    assert splits(creator, tmp_path / "a") == ["b = 50 s/mm²", "b = 800 s/mm²"]
    assert not any("b =" in split for split in splits("SOMEBODY ELSE", tmp_path / "b"))


def _pet(number: int, data: Dataset) -> None:
    data.Modality, data.SOPClassUID = "PT", uid.PositronEmissionTomographyImageStorage
    data.Units = "CNTS"


@pytest.mark.parametrize(
    ("creator", "unit"), [("Philips PET Private Group", "g/ml"), ("SOMEBODY ELSE", "counts")]
)
def test_a_private_suv_factor_counts_only_under_its_makers_name(
    tmp_path: Path, creator: str, unit: str
) -> None:
    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        data.private_block(0x7053, creator, create=True).add_new(0, "DS", "0.5")

    scan = loaded(write_series(tmp_path, np.abs(STORED), ZS, change=change))
    assert scan.attributes["Unit"] == unit
    factor = 0.5 if unit == "g/ml" else 1.0
    assert np.array_equal(pixels(scan.image), np.abs(STORED) * factor)


@pytest.mark.parametrize(
    ("kind", "unit", "told"),
    [
        ("BW", "g/ml", []),
        (None, "g/ml", []),
        ("LBM", "g/ml (lean body mass)", ["scan.other-suv"]),
        ("BSA", "g/ml (body surface)", ["scan.other-suv"]),
    ],
)
def test_suv_by_something_else_than_weight_is_told(
    tmp_path: Path, kind: str | None, unit: str, told: list[str]
) -> None:
    """A liver of 2.5 by weight is 1.9 by lean mass: thresholds differ."""

    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        data.Units = "GML"
        if kind:
            data.SUVType = kind

    scan = loaded(write_series(tmp_path, np.abs(STORED), ZS, change=change))
    assert scan.attributes["Unit"] == unit
    assert rules(scan) == told


def test_mixed_units_of_pet_have_no_unit(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        data.Units = "BQML" if number == 2 else "GML"

    scan = loaded(write_series(tmp_path, np.abs(STORED), ZS, change=change))
    assert "Unit" not in scan.attributes
    assert rules(scan) == ["scan.no-suv"]
    assert "some slices are g/ml and others Bq/ml" in scan.findings[0].title


def test_a_time_of_injection_in_another_zone_gives_no_suv(tmp_path: Path) -> None:
    """An hour's difference makes half the dose of fluorine more."""

    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["ATTN", "DECY"]
        data.SeriesDate = data.AcquisitionDate = "20260102"
        data.SeriesTime = data.AcquisitionTime = "101000"
        data.PatientWeight = "70"
        item = Dataset()
        item.RadiopharmaceuticalStartDateTime = "20260102091000.00-0100"
        item.RadionuclideTotalDose, item.RadionuclideHalfLife = "370000000", "6588"
        data.RadiopharmaceuticalInformationSequence = Items([item])

    def in_zone(number: int, data: Dataset) -> None:
        change(number, data)
        data.TimezoneOffsetFromUTC = "-0100"

    stored = np.abs(STORED)
    assert rules(loaded(write_series(tmp_path / "a", stored, ZS, change=change))) == ["scan.no-suv"]
    assert rules(loaded(write_series(tmp_path / "b", stored, ZS, change=in_zone))) == ["scan.suv"]


def _tilted(count: int) -> list[tuple[float, float, float]]:
    return [(-10.0, 20.0 + 0.7 * n, 2.0 * n) for n in range(count) if n != 2]


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize(
    ("signed", "padding", "limit"), [(True, -2000, None), (False, 0, 3), (True, 3000, 3010)]
)
def test_padding_is_never_mixed_into_tissue(
    tmp_path: Path, signed: bool, padding: int, limit: int | None, implicit: bool
) -> None:
    """A rim of -1000 between padding and skin looks like air in the patient."""
    stored = np.full((5, 12, 16), 40, np.int16 if signed else np.uint16)
    stored[:, :3], stored[:, :, :2] = padding, padding if limit is None else limit

    def change(_number: int, data: Dataset) -> None:
        data.RescaleIntercept = -10
        vr = "SS" if signed else "US"
        data.add_new("PixelPaddingValue", vr, padding)
        if limit is not None:
            data.add_new("PixelPaddingRangeLimit", vr, limit)
        if implicit:
            data.file_meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian

    folder = write_series(tmp_path, stored, _tilted(5), change=change)
    values = pixels(loaded(folder).image)
    assert set(np.unique(values)) == {padding - 10, 30}


def test_slices_that_coincide_with_the_grid_are_copied_exactly(tmp_path: Path) -> None:
    """32-bit values above 2^24 do not survive 32-bit floats."""
    limits = np.iinfo(np.int32)
    stored = RNG.integers(limits.min, limits.max, (4, 12, 16), np.int32, endpoint=True)
    stored[:, 0, :2] = limits.max, limits.min
    (volume,) = found_in(write_series(tmp_path, stored, up([0, 2, 6, 8]))).volumes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = pixels(load_volume(volume, Progress()).image)
    assert np.array_equal(values[[0, 1, 3, 4]], stored)
    expected = np.rint((stored[1].astype(float) + stored[2]) / 2)
    assert np.abs(values[2] - expected).max() <= 1
