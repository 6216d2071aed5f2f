"""Where an exported DICOM file takes the patient, the study and its references from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from MedAssistLib.case import Scan
from MedAssistLib.cli import main
from MedAssistLib.errors import InputError, ResourceError
from MedAssistLib.export.dicom.seg import write_seg
from MedAssistLib.export.dicom.sources import source_of
from MedAssistLib.export.formats import DICOM_FORMATS, writer
from MedAssistLib.read import ReadOptions, read_scan
from Testing.conftest import REPOSITORY
from Testing.dicom_exports import complete, content, drawn_on, faults_by_dciodvfy
from Testing.dicom_series import STORED, ZS, unchanged, write_series


def _series(folder: Path, change: Callable[[int, Dataset], None] = unchanged) -> Path:
    def both(number: int, data: Dataset) -> None:
        complete(number, data)
        change(number, data)

    return write_series(folder, STORED, ZS, change=both)


def _exported(source: Path, out: Path) -> pydicom.Dataset:
    write_seg(drawn_on(read_scan(source)), out)
    return pydicom.dcmread(out)


def test_patient_and_study_are_those_of_the_source(tmp_path: Path) -> None:
    def more(_number: int, data: Dataset) -> None:
        data.PatientAge, data.StudyDescription = "054Y", "Abdomen"
        data.ProcedureCodeSequence = [Dataset()]
        (code,) = data.ProcedureCodeSequence
        code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "99X", "CT"

    seg = _exported(_series(tmp_path / "scan", more), tmp_path / "x.seg.dcm")
    assert (seg.PatientName, seg.PatientID, seg.PatientAge) == ("Doe^Jane", "4711", "054Y")
    assert (seg.PatientBirthDate, seg.PatientSex) == ("19700101", "F")
    assert (seg.StudyInstanceUID, seg.StudyDate) == ("1.2.826.0.1.1", "20240229")
    assert (seg.StudyDescription, seg.AccessionNumber) == ("Abdomen", "A1")
    assert seg.ProcedureCodeSequence[0].CodeMeaning == "CT"
    assert (seg.FrameOfReferenceUID, seg.Modality) == ("1.2.826.0.1.4", "SEG")
    assert (seg.SeriesNumber, seg.Manufacturer) == (1003, "MedAssist")
    assert seg.SeriesInstanceUID != "1.2.826.0.1.2"
    assert faults_by_dciodvfy(tmp_path / "x.seg.dcm") == []


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 192", "Wang^XiaoDong=王^小東"),
    ],
)
def test_a_name_in_any_character_set_stays_that_name(
    tmp_path: Path, charset: str | list[str], name: str
) -> None:
    def named(_number: int, data: Dataset) -> None:
        data.SpecificCharacterSet, data.PatientName = charset, name
        data.PatientComments = name[:6]

    seg = _exported(_series(tmp_path / "scan", named), tmp_path / "x.seg.dcm")
    assert seg.SpecificCharacterSet == "ISO_IR 192"
    assert str(seg.PatientName) == name
    assert seg.PatientComments == name[:6]


@pytest.mark.filterwarnings("ignore:The value length")
def test_faults_of_the_source_are_not_repeated(tmp_path: Path) -> None:
    """Wrong dates and sexes are common; identity is kept even where it is too long."""

    def faulty(_number: int, data: Dataset) -> None:
        data["StudyDate"]._value = "29.02.2024"
        data["PatientSex"]._value = "female"
        data["PatientID"]._value = "7" * 70
        data.PatientIdentityRemoved = "YES"
        del data.PatientBirthDate, data.ReferringPhysicianName

    seg = _exported(_series(tmp_path / "scan", faulty), tmp_path / "x.seg.dcm")
    assert (seg.StudyDate, seg.PatientSex, seg.PatientBirthDate) == ("", "", "")
    assert seg.PatientID == "7" * 70
    assert seg.DeidentificationMethod == "not stated"
    assert "ReferringPhysicianName" in seg


def test_a_zip_and_a_dicomdir_are_found_again(tmp_path: Path) -> None:
    """What was unpacked for reading is gone when the export looks for its headers."""
    folder = _series(tmp_path / "scan")
    told = []
    disc = FileSet()
    for path in sorted(folder.iterdir()):
        disc.add(path)
    disc.write(tmp_path / "disc")
    zipped = Path(shutil.make_archive(str(tmp_path / "scan"), "zip", folder))
    for source in (folder, zipped, tmp_path / "disc" / "DICOMDIR"):
        _exported(source, tmp_path / "x.seg.dcm")
        told.append(content(tmp_path / "x.seg.dcm"))
    assert told[0] == told[1] == told[2]


def test_of_several_series_in_a_folder_the_scans_own_is_meant(tmp_path: Path) -> None:
    def other(number: int, data: Dataset) -> None:
        data.SeriesInstanceUID, data.SeriesNumber = "1.2.826.0.1.9", 4
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.8.{number}"

    _series(tmp_path / "scan" / "a")
    _series(tmp_path / "scan" / "b", other)
    for number, uid in (("1", "1.2.826.0.1.2"), ("2", "1.2.826.0.1.9")):
        source = source_of(read_scan(tmp_path / "scan", ReadOptions(series=number)))
        assert source.series_uid == uid
        assert source.series_number == int(number) + 2


def test_of_several_volumes_in_one_series_the_scans_own_is_meant(tmp_path: Path) -> None:
    """Two echoes lie in the same places: only one of them was drawn on."""

    def echo(number: int, data: Dataset) -> None:
        complete(number, data)
        data.EchoTime = 5.0 if number < 4 else 9.0

    both = np.concatenate([STORED, STORED + 1])
    write_series(tmp_path / "scan", both, ZS + ZS, change=echo, modality="MR")
    for number, first in (("1", 0), ("2", 4)):
        source = source_of(read_scan(tmp_path / "scan", ReadOptions(series=number)))
        named = [int(frame.instance.rsplit(".", 1)[1]) for frame in source.frames]
        assert named == list(range(first, first + 4))


@pytest.mark.parametrize("nameless", [True, False])
def test_a_series_that_had_to_be_made_up_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], nameless: bool
) -> None:
    """An archive would file the segmentation beside no scan, and nobody would know why."""

    def change(_number: int, data: Dataset) -> None:
        if nameless:
            del data.SeriesInstanceUID

    folder, labels, out = _series(tmp_path / "scan", change), tmp_path / "l.nrrd", tmp_path / "x"
    sitk.WriteImage(drawn_on(read_scan(folder)).segmentations[0].labels, str(labels))
    words = ["export", str(folder), "--segmentation", str(labels), "-o", f"{out}.seg.dcm"]
    assert main(words) == 0
    assert ("one that was made up" in capsys.readouterr().out) == nameless


def test_files_that_say_no_study_or_series_get_one_that_all_exports_share(tmp_path: Path) -> None:
    """So do bad anonymisers leave them; a segmentation and its report belong together."""

    def blank(_number: int, data: Dataset) -> None:
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"):
            data[keyword].value = ""
        del data.FrameOfReferenceUID

    folder = _series(tmp_path / "scan", blank)
    seg = _exported(folder, tmp_path / "x.seg.dcm")
    shutil.move(folder, tmp_path / "elsewhere")
    again = _exported(tmp_path / "elsewhere", tmp_path / "y.seg.dcm")
    assert seg.StudyInstanceUID == again.StudyInstanceUID
    assert seg.FrameOfReferenceUID == again.FrameOfReferenceUID
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID not in ("", seg.SeriesInstanceUID, seg.StudyInstanceUID)
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert named == {f"1.2.826.0.1.3.{number}" for number in range(4)}
    assert faults_by_dciodvfy(tmp_path / "x.seg.dcm") == []


def test_without_the_dicom_source_it_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = _series(tmp_path / "scan")
    scan = read_scan(folder)
    sitk.WriteImage(scan.image, tmp_path / "scan.nii.gz")
    shutil.move(folder, tmp_path / "moved")
    for lost, what in (
        (read_scan(tmp_path / "scan.nii.gz"), "is not DICOM"),
        (replace(scan, source=None), "was not read from DICOM"),
        (scan, "is not there any more"),
        (replace(scan, source=tmp_path / "moved", series_uid="1.2.3"), "holds no DICOM volumes"),
    ):
        for suffix in DICOM_FORMATS:
            path = tmp_path / f"x{suffix}"
            with pytest.raises(InputError, match=what) as caught:
                writer(DICOM_FORMATS, path)(drawn_on(lost), path)
            assert "Give the DICOM folder" in caught.value.hint
    assert list(tmp_path.glob("x*")) == []


@pytest.mark.parametrize("suffix", DICOM_FORMATS)
def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path, suffix: str) -> None:
    case = drawn_on(read_scan(_series(tmp_path / "scan")))
    (tmp_path / f"x{suffix}").mkdir()
    for path in (tmp_path / "nowhere" / f"x{suffix}", tmp_path / f"x{suffix}"):
        with pytest.raises(ResourceError):
            writer(DICOM_FORMATS, path)(case, path)
    assert not any(path.is_file() for path in tmp_path.glob("x*"))


_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from MedAssistLib.errors import ResourceError
from MedAssistLib.export.formats import DICOM_FORMATS, writer
from MedAssistLib.read import read_scan
from Testing.dicom_exports import drawn_on
case = drawn_on(read_scan(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))
for suffix in DICOM_FORMATS:
    path = Path(sys.argv[2], f"{suffix[1:]}", f"x{suffix}")
    try:
        writer(DICOM_FORMATS, path)(case, path)
    except ResourceError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on a file's size")
def test_on_a_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    folder = _series(tmp_path / "scan")
    paths = [tmp_path / suffix[1:] / f"x{suffix}" for suffix in DICOM_FORMATS]
    for path in paths:
        path.parent.mkdir()
        path.write_text("old")
    run = subprocess.run(
        [sys.executable, "-c", _ON_A_FULL_DISK, str(folder), str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=REPOSITORY,
    )  # fmt: skip
    assert run.stdout.count("there is not enough space to write it") == len(paths)
    for path in paths:
        assert path.read_text() == "old"
        assert list(path.parent.iterdir()) == [path]


def test_the_scan_that_was_read_is_the_one_that_is_found(tmp_path: Path) -> None:
    """The source's frames are in the order of the scan's slices."""
    scan: Scan = read_scan(_series(tmp_path / "scan"))
    source = source_of(scan)
    assert [frame.instance for frame in source.frames] == [f"1.2.826.0.1.3.{n}" for n in range(4)]
    assert source.grid.size == scan.image.GetSize()
