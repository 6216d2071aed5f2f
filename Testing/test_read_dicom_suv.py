"""PET: uptake by body weight, or the reason why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from Testing.dicom_series import STORED, ZS, loaded, pixels, rules, write_series

RNG = np.random.default_rng(11)


def _pet(number: int, data: Dataset) -> None:
    data.Modality, data.SOPClassUID = "PT", uid.PositronEmissionTomographyImageStorage
    data.RescaleSlope, data.RescaleIntercept = 2.0 + number, 0
    data.Units, data.DecayCorrection, data.CorrectedImage = "BQML", "START", ["ATTN", "DECY"]
    data.SeriesDate = data.AcquisitionDate = "20260102"
    data.SeriesTime, data.AcquisitionTime = "101000.0", f"10{10 + number}00.0"
    data.PatientWeight = "70"
    item = Dataset()
    item.RadiopharmaceuticalStartTime = "091000"
    item.RadionuclideTotalDose, item.RadionuclideHalfLife = "370000000", "6588"
    data.RadiopharmaceuticalInformationSequence = Items([item])


def test_pet_becomes_suv_by_body_weight(tmp_path: Path) -> None:
    stored = RNG.integers(0, 30000, (4, 12, 16)).astype(np.int16)
    scan = loaded(write_series(tmp_path, stored, ZS, change=_pet))
    assert rules(scan) == ["scan.suv"]
    activity = stored * (2.0 + np.arange(4)[:, None, None])
    expected = activity * 70000.0 / (370e6 * 2.0 ** (-3600.0 / 6588.0))
    assert np.allclose(pixels(scan.image), expected, rtol=1e-6)
    assert scan.attributes["Unit"] == "g/ml"


def _without(keyword: str) -> Callable[[int, Dataset], None]:
    def change(number: int, data: Dataset) -> None:
        _pet(number, data)
        delattr(data, keyword)

    return change


def _dose_in_megabecquerel(number: int, data: Dataset) -> None:
    _pet(number, data)
    data.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose = "370"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_without("PatientWeight"), "the patient's weight is missing"),
        (_without("RadiopharmaceuticalInformationSequence"), "the injection is not described"),
        (_without("DecayCorrection"), "the time to which decay was corrected"),
        (_without("CorrectedImage"), "not corrected for attenuation"),
        (_without("SeriesTime"), "the time of the scan is missing"),
        (_dose_in_megabecquerel, "the injected dose"),
    ],
)
def test_pet_without_all_inputs_stays_activity_and_says_why(
    tmp_path: Path, change: Callable[[int, Dataset], None], reason: str
) -> None:
    """A guessed weight or dose would make a tumour out of nothing."""
    stored = np.abs(STORED)
    scan = loaded(write_series(tmp_path, stored, ZS, change=change))
    assert rules(scan) == ["scan.no-suv"]
    assert reason in scan.findings[0].title
    assert scan.attributes["Unit"] == "Bq/ml"
    assert np.array_equal(pixels(scan.image), stored * (2.0 + np.arange(4)[:, None, None]))
