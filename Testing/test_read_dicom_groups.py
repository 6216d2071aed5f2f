"""Which images belong together: by patient, study and series, and what is told of the others."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import found_in, loaded, rules, slice_of, up, write, write_series

VALUES = np.random.default_rng(6).integers(0, 4000, (8, 5, 4)).astype(np.int16)


@pytest.mark.parametrize("keyword", ["PatientID", "IssuerOfPatientID", "StudyInstanceUID"])
@pytest.mark.parametrize("with_uids", [True, False])
def test_two_patients_never_become_one_volume(
    tmp_path: Path, keyword: str, with_uids: bool
) -> None:
    """Their slices would alternate: one person's liver in the other's scan."""

    def mixed(number: int, data: Dataset) -> None:
        if not with_uids:
            del data.SeriesInstanceUID, data.StudyInstanceUID
        setattr(data, keyword, f"1.2.{number % 2}")

    found = found_in(write_series(tmp_path, VALUES, up(range(8)), change=mixed))
    assert [v.slices for v in found.volumes] == [4, 4]
    assert [v.spacing[2] for v in found.volumes] == [2.0, 2.0]


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 192"])
def test_a_patient_with_an_accent_is_one(tmp_path: Path, charset: str) -> None:
    """Long headers are read by other code, which decodes the same bytes otherwise."""

    def change(number: int, data: Dataset) -> None:
        data.SpecificCharacterSet, data.PatientID = charset, "Zoë 7"
        if number % 2:
            data.private_block(0x0029, "LONG", create=True).add_new(0x10, "OB", bytes(30000))

    scan = loaded(write_series(tmp_path, VALUES, up(range(8)), change=change))
    assert scan.findings == ()
    assert scan.image.GetSize()[2] == 8


def test_the_patient_is_told_apart_and_never_told(tmp_path: Path) -> None:
    scan = loaded(write_series(tmp_path, VALUES, up(range(8))))
    shown = f"{scan.name} {scan.series_uid} {dict(scan.attributes)} {scan.findings}"
    assert "4711" not in shown
    assert "Doe" not in shown


def _other_spacing(data: Dataset) -> None:
    data.PixelSpacing = [1.501, 1.251]


def _no_position(data: Dataset) -> None:
    del data.ImagePositionPatient


def _other_frame_of_reference(data: Dataset) -> None:
    data.FrameOfReferenceUID = "1.2.9"


def _other_size(data: Dataset) -> None:
    data.Rows, data.Columns = data.Columns, data.Rows


@pytest.mark.parametrize(
    "spoil", [_other_spacing, _no_position, _other_frame_of_reference, _other_size]
)
def test_an_image_that_was_left_out_is_told_with_the_volume(tmp_path: Path, spoil: object) -> None:
    """The end of the organ may be on it, and nothing else shows that it is gone."""

    def change(number: int, data: Dataset) -> None:
        if number == 7:
            spoil(data)  # type: ignore[operator]

    folder = write_series(tmp_path, VALUES, up(range(8)), change=change)
    (volume,) = found_in(folder).volumes
    assert volume.slices == 7
    assert rules(volume) == ["scan.left-out-images"]
    assert volume.findings[0].title == "One image of this series was left out."
    with pytest.raises(InputError, match="left out"):
        load_volume(volume, Progress(), strict=True)


def test_single_images_of_other_series_are_no_matter(tmp_path: Path) -> None:
    write_series(tmp_path, VALUES, up(range(8)))
    write(slice_of(VALUES[0], (0, 0, 0), series="1.9"), tmp_path / "x.dcm")
    found = found_in(tmp_path)
    assert rules(found.volumes[0]) == []
    assert [other.kind for other in found.others] == ["single image"]


def test_a_mosaic_is_named_and_not_read(tmp_path: Path) -> None:
    """Read as one slice, thirty small heads would stand side by side in one big one."""

    def mosaic(_number: int, data: Dataset) -> None:
        data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"]

    folder = write_series(tmp_path, VALUES, up(range(8)), change=mosaic, modality="MR")
    found = found_in(folder)
    assert not found.volumes
    assert {other.kind for other in found.others} == {
        "mosaic: slices side by side in one image, which is not read"
    }


@pytest.mark.parametrize("lost", [("PixelData",), ("Rows", "PixelData"), ("Rows",)])
def test_an_image_file_without_its_image_is_damaged(tmp_path: Path, lost: tuple[str, ...]) -> None:
    data = slice_of(VALUES[0], (0, 0, 0))
    for keyword in lost:
        delattr(data, keyword)
    found = found_in(write(data, tmp_path / "x.dcm"))
    assert not found.others
    assert len(found.refused) == 1


def test_it_is_said_which_of_two_was_kept(tmp_path: Path) -> None:
    def doubled(number: int, data: Dataset) -> None:
        data.InstanceNumber = 3 if number == 7 else number + 1

    scan = loaded(write_series(tmp_path / "a", VALUES, up([*range(7), 2]), change=doubled))
    assert "with the first file name was kept" in scan.findings[0].explanation
    scan = loaded(write_series(tmp_path / "b", VALUES, up([*range(7), 2])))
    assert "with the first instance number was kept" in scan.findings[0].explanation

    def copied(number: int, data: Dataset) -> None:
        data.SOPInstanceUID = f"1.2.3.{number % 7}"

    scan = loaded(write_series(tmp_path / "c", VALUES, up([*range(7), 0]), change=copied))
    assert "SOP Instance UID" in scan.findings[0].explanation
    assert "not compared" in scan.findings[0].explanation


def test_a_thousand_directions_are_grouped_in_no_time(tmp_path: Path) -> None:
    """Compared each with each, five thousand radial images took minutes."""
    data = slice_of(VALUES[0], (0, 0, 0))
    for number, angle in enumerate(np.linspace(0.0, np.pi, 1000, endpoint=False)):
        row = (np.cos(angle), np.sin(angle), 0.0, 0.0, 0.0, -1.0)
        data.ImageOrientationPatient = [f"{value:.8f}" for value in row]
        data.SOPInstanceUID = f"1.2.3.{number}"
        pydicom.dcmwrite(tmp_path / f"{number}.dcm", data)
    started = time.process_time()
    found = found_in(tmp_path)
    assert len(found.others) == 1000
    assert time.process_time() - started < 5.0
