"""What stored values mean: signs, bit layouts, rescales, tables and inversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from Testing.dicom_series import STORED, ZS, found_in, loaded, pixels, rules, write_series

RNG = np.random.default_rng(11)


@pytest.mark.parametrize("sign", [None, 2])
def test_values_of_unknown_sign_are_refused(tmp_path: Path, sign: int | None) -> None:
    """Air at -1000 would become 64536."""

    def change(_number: int, data: Dataset) -> None:
        del data.PixelRepresentation
        if sign is not None:
            data.PixelRepresentation = sign

    found = found_in(write_series(tmp_path, STORED, ZS, change=change))
    assert not found.volumes
    assert {refused.reason for refused in found.refused} == {
        "does not say whether its values have a sign (Pixel Representation)"
    }


@pytest.mark.parametrize(
    ("slope", "intercept", "kind"),
    [
        (1, 0, np.int16),
        (1, -1024, np.int16),
        (2, 5, np.int16),
        (100, 0, np.int32),
        (0.5, 0, np.float32),
        (1, 0.25, np.float32),
        (-1, 0, np.int16),
    ],
)
def test_values_are_whole_numbers_where_that_is_exact(
    tmp_path: Path, slope: float, intercept: float, kind: type
) -> None:
    def change(_number: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = slope, intercept

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    assert pixels(scan.image).dtype == kind
    assert np.array_equal(pixels(scan.image), STORED * float(slope) + intercept)


def test_each_slice_keeps_its_own_rescale(tmp_path: Path) -> None:
    """PET and Philips MR scale each slice by itself."""

    def change(number: int, data: Dataset) -> None:
        data.RescaleSlope, data.RescaleIntercept = 0.25 * (number + 1), number

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    numbers = np.arange(4)[:, None, None]
    assert np.array_equal(pixels(scan.image), STORED * 0.25 * (numbers + 1) + numbers)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (10, 12), (16, 15)])
def test_odd_bit_depths_ignore_what_lies_in_the_other_bits(
    tmp_path: Path, stored: int, high: int, signed: bool
) -> None:
    """Old files keep overlays in the upper bits: lines of false density."""
    low, top = (-(1 << stored - 1), (1 << stored - 1) - 1) if signed else (0, (1 << stored) - 1)
    truth = RNG.integers(low, top + 1, (4, 12, 16))
    mask = ((1 << stored) - 1) << (high + 1 - stored)
    junk = RNG.integers(0, 1 << 16, truth.shape) & ~mask
    raw = ((truth << (high + 1 - stored)) & mask | junk).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        data.BitsStored, data.HighBit, data.PixelRepresentation = stored, high, int(signed)

    scan = loaded(write_series(tmp_path, raw, ZS, change=change))
    assert pixels(scan.image).dtype == (np.int16 if signed else np.uint16)
    assert np.array_equal(pixels(scan.image), truth)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.uint32, np.int32])
def test_every_whole_number_type_is_kept(tmp_path: Path, kind: type) -> None:
    limits = np.iinfo(kind)
    values = RNG.integers(limits.min, limits.max, (4, 12, 16), kind, endpoint=True)
    scan = loaded(write_series(tmp_path, values, ZS))
    assert pixels(scan.image).dtype == kind
    assert np.array_equal(pixels(scan.image), values)


def test_a_modality_table_gives_the_values(tmp_path: Path) -> None:
    stored = RNG.integers(0, 200, (4, 12, 16)).astype(np.uint16)
    table = RNG.integers(0, 60000, 128).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        item = Dataset()
        item.LUTDescriptor, item.ModalityLUTType = [128, 10, 16], "HU"
        item.add_new("LUTData", "OW", table.tobytes())
        item["LUTDescriptor"].VR = "US"
        data.ModalityLUTSequence = Items([item])

    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    expected = table[np.clip(stored.astype(int) - 10, 0, 127)]
    assert np.array_equal(pixels(scan.image), expected)


@pytest.mark.parametrize(("modality", "inverted"), [("DX", True), ("CT", False)])
def test_low_is_white_is_turned_only_where_values_have_no_meaning(
    tmp_path: Path, modality: str, inverted: bool
) -> None:
    """Inverting CT would turn bone into air; not inverting X-ray shows a negative."""
    stored = RNG.integers(0, 4096, (4, 12, 16)).astype(np.uint16)

    def change(_number: int, data: Dataset) -> None:
        data.PhotometricInterpretation, data.Modality = "MONOCHROME1", modality
        data.BitsStored, data.HighBit = 12, 11

    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    assert np.array_equal(pixels(scan.image), 4095 - stored if inverted else stored)
    assert rules(scan) == (["scan.inverted"] if inverted else [])


def test_float_pixels_are_read(tmp_path: Path) -> None:
    values = RNG.normal(size=(4, 12, 16)).astype(np.float32)

    def change(number: int, data: Dataset) -> None:
        del data.PixelData
        data.BitsStored = data.BitsAllocated = 32
        data.HighBit = 31
        data.add_new("FloatPixelData", "OF", values[number].tobytes())

    scan = loaded(write_series(tmp_path, STORED, ZS, change=change))
    assert np.array_equal(pixels(scan.image), values)
