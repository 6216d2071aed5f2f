"""What a person gives: a folder of anything, a zip, a disc, a file with a wrong name."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import threading
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.fileset import FileSet

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import CancelledError, InputError, UsageError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read import Listing, ReadOptions, list_scans, read_scan
from Testing.sagittal_series import write_sagittal
from Testing.test_cli import medassist

PATIENT = "Doe"


def _positions(count: int) -> list[tuple[float, float, float]]:
    return [(float(x), -10.0, 20.0) for x in range(count)]


@pytest.fixture
def mixture(small_scan: Scan, tmp_path: Path) -> Path:
    """A folder as people have them: two series, an image, a text, a picture, clutter."""
    folder = tmp_path / "mixture"
    write_sagittal(folder, _positions(3), "1.2.3")
    write_sagittal(folder / "deep", _positions(4), "1.2.4")
    sitk.WriteImage(small_scan.image, str(folder / "image.nrrd"))
    (folder / "notes.txt").write_text("nothing to read here")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (folder / ".DS_Store").write_bytes(b"clutter")
    (folder / "broken.nii").write_bytes(b"\x5c\x01\0\0" + bytes(340) + b"n+1\0" + bytes(10))
    return folder


def _zipped(folder: Path, target: Path) -> Path:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for path in sorted(folder.rglob("*")):
            zipped.write(path, path.relative_to(folder.parent))
    return target


def _facts(listing: Listing) -> list[tuple[str, str, tuple[int, ...]]]:
    return [(scan.kind, scan.series_uid, scan.size) for scan in listing.scans]


def test_a_folder_of_anything_is_listed(mixture: Path) -> None:
    listing = list_scans(mixture)
    assert _facts(listing) == [
        ("DICOM", "1.2.3", (4, 5, 3)),
        ("DICOM", "1.2.4", (4, 5, 4)),
        ("NRRD", "", (20, 18, 14)),
    ]
    assert [scan.number for scan in listing.scans] == [1, 2, 3]
    assert {aside.path.name for aside in listing.others} == {"notes.txt", "photo.jpg"}
    (broken,) = listing.refused
    assert broken.path == mixture / "broken.nii"
    assert PATIENT not in repr(listing)


def test_each_listed_scan_can_be_chosen(mixture: Path) -> None:
    for scan in list_scans(mixture).scans:
        read = read_scan(mixture, ReadOptions(series=str(scan.number)))
        assert read.image.GetSize() == scan.size
        assert read.image.GetSpacing() == pytest.approx(scan.spacing)
    assert read_scan(mixture, ReadOptions(series="1.2.4")).series_uid == "1.2.4"


def test_a_zip_reads_like_its_folder_and_leaves_nothing(
    mixture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    path = _zipped(mixture, tmp_path / "scans.zip")
    assert _facts(list_scans(path)) == _facts(list_scans(mixture))
    inside = [aside.path for aside in list_scans(path).refused]
    assert inside == [path / "mixture" / "broken.nii"]
    for number in ("1", "3"):
        options = ReadOptions(series=number)
        read, expected = read_scan(path, options), read_scan(mixture, options)
        assert sitk.Hash(read.image) == sitk.Hash(expected.image)
        assert read.source == path
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert str(place) not in str(caught.value)
    assert list(place.iterdir()) == []


def _with_parent(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("../outside.dcm", b"harm")


def _bomb(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("zeros.raw", b"0")
    zipped.filelist[0].file_size = 3 * 10**9


def _locked(zipped: zipfile.ZipFile) -> None:
    zipped.writestr("a.dcm", b"x")
    zipped.filelist[0].flag_bits = 1


@pytest.mark.parametrize(
    ("write", "reason"),
    [(_with_parent, "leads out"), (_bomb, "would grow"), (_locked, "password")],
)
def test_a_zip_that_could_harm_is_refused(
    tmp_path: Path, write: Callable[[zipfile.ZipFile], None], reason: str
) -> None:
    path = tmp_path / "scans.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zipped:
        write(zipped)
    with pytest.raises(InputError, match=reason):
        list_scans(path)
    assert [found.name for found in tmp_path.iterdir()] == ["scans.zip"]


def test_a_packed_file_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(60 << 20)) * 4)
    with pytest.raises(InputError, match="grows to more"):
        list_scans(path)


def test_a_dicomdir_gives_the_files_it_names_in_whatever_case(tmp_path: Path) -> None:
    """Discs say IM0001 where the copy on disk says im0001."""
    write_sagittal(tmp_path / "d", _positions(3), "1.2.3")
    files = FileSet()
    for path in sorted((tmp_path / "d").iterdir()):
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID, dataset.PatientID, dataset.StudyID = "1.2", "1", "1"
        dataset.StudyDate, dataset.StudyTime = "20260101", "120000"
        dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
        files.add(dataset)
    files.write(tmp_path / "disc")
    directory = tmp_path / "disc" / "DICOMDIR"
    assert read_scan(directory).image.GetSize() == (4, 5, 3)
    for folder, _, names in os.walk(tmp_path / "disc", topdown=False):
        for name in set(names) - {"DICOMDIR"}:
            Path(folder, name).rename(Path(folder, name.lower()))
        if Path(folder) != tmp_path / "disc":
            Path(folder).rename(Path(folder).with_name(Path(folder).name.lower()))
    assert read_scan(directory).image.GetSize() == (4, 5, 3)
    first = next(path for path in sorted(directory.parent.rglob("*")) if path.name.startswith("im"))
    first.unlink()
    assert len(list_scans(directory).refused) == 1
    alone = tmp_path / "alone" / "DICOMDIR"
    alone.parent.mkdir()
    shutil.copy(directory, alone)
    with pytest.raises(InputError, match="names 3 files, none of which is there"):
        list_scans(alone)


def test_a_dicomdir_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "private", _positions(3), "1.2.3")
    names = [path.name for path in (tmp_path / "private").iterdir()]
    record = pydicom.Dataset()
    with warnings.catch_warnings(action="ignore"):
        record.ReferencedFileID = ["..", "private", names[0]]
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.MediaStorageDirectoryStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    dataset.DirectoryRecordSequence = [record]
    (tmp_path / "disc").mkdir()
    dataset.save_as(tmp_path / "disc" / "DICOMDIR", enforce_file_format=True)
    with pytest.raises(InputError, match="none of which is there"):
        list_scans(tmp_path / "disc" / "DICOMDIR")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha"])
@pytest.mark.parametrize("name", ["scan", "scan.dcm", "scan.txt", "scan.nii", "scan.nrrd"])
def test_a_file_is_known_by_its_content_not_by_its_name(
    small_scan: Scan, tmp_path: Path, suffix: str, name: str
) -> None:
    right = tmp_path / f"right{suffix}"
    sitk.WriteImage(small_scan.image, str(right))
    wrong = right.rename(tmp_path / name)
    read = read_scan(wrong)
    assert geometry.same_grid(read.image, small_scan.image)
    assert sitk.Hash(read.image) == sitk.Hash(small_scan.image)


def test_dicom_is_read_without_a_suffix_or_packed(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _positions(3), "1.2.3")
    for number, path in enumerate(sorted((tmp_path / "d").iterdir())):
        path.rename(tmp_path / "d" / f"IM{number}")
    assert read_scan(tmp_path / "d").image.GetSize() == (4, 5, 3)
    packed = tmp_path / "one.gz"
    packed.write_bytes(gzip.compress((tmp_path / "d" / "IM0").read_bytes()))
    assert [aside.reason for aside in list_scans(packed).others] == ["single image"]


def test_one_slice_alone_says_that_its_folder_is_needed(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _positions(3), "1.2.3")
    with pytest.raises(InputError, match="single image"):
        read_scan(next((tmp_path / "d").iterdir()))


def test_a_damaged_last_slice_is_not_left_out_in_silence(tmp_path: Path) -> None:
    """The scan would just be shorter, and a tumour at its end gone."""
    write_sagittal(tmp_path / "d", _positions(4), "1.2.3")
    last = min((tmp_path / "d").iterdir())
    last.write_bytes(last.read_bytes()[:-8])
    scan = read_scan(tmp_path / "d")
    assert scan.image.GetSize() == (4, 5, 3)
    assert [finding.rule for finding in scan.findings] == ["scan.lost-files"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_pipes_and_loops_of_links_do_not_hang(mixture: Path) -> None:
    os.mkfifo(mixture / "pipe")
    (mixture / "loop").symlink_to(mixture)
    found: list[Listing] = []
    thread = threading.Thread(target=lambda: found.append(list_scans(mixture)), daemon=True)
    thread.start()
    thread.join(20)
    assert [len(listing.scans) for listing in found] == [3]
    with pytest.raises(InputError, match="not an ordinary file"):
        list_scans(mixture / "pipe")


def test_looking_can_be_cancelled(mixture: Path) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(CancelledError):
        list_scans(mixture, Progress(None, cancellation))


def test_progress_never_falls_and_ends(mixture: Path) -> None:
    seen: list[float] = []
    read_scan(mixture, ReadOptions(series="1"), Progress(lambda event: seen.append(event.fraction)))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_series_number_that_is_not_there_is_refused_for_a_plain_image(
    small_scan: Scan, tmp_path: Path
) -> None:
    """It used to be ignored, so that a typo read another scan than was asked for."""
    sitk.WriteImage(small_scan.image, str(tmp_path / "x.nrrd"))
    assert read_scan(tmp_path / "x.nrrd", ReadOptions(series="1")).name == "x"
    with pytest.raises(InputError, match="has no series '2'"):
        read_scan(tmp_path / "x.nrrd", ReadOptions(series="2"))


def test_a_modality_that_overrules_the_file_is_told(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _positions(3), "1.2.3")
    scan = read_scan(tmp_path / "d", ReadOptions(modality="CT"))
    assert scan.modality == "CT"
    assert [finding.rule for finding in scan.findings] == ["scan.modality-overruled"]
    assert read_scan(tmp_path / "d", ReadOptions(modality="MR")).findings == ()


@pytest.mark.parametrize(
    "options",
    [{"modality": "banana!"}, {"spacing": (1.0, 0.0, 1.0)}, {"spacing": (1.0, 1.0, float("nan"))}],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        ReadOptions(**options)


def test_a_spacing_is_refused_for_a_file_that_has_its_own(small_scan: Scan, tmp_path: Path) -> None:
    sitk.WriteImage(small_scan.image, str(tmp_path / "x.nrrd"))
    write_sagittal(tmp_path / "d", _positions(3), "1.2.3")
    for path in (tmp_path / "x.nrrd", tmp_path / "d"):
        with pytest.raises(UsageError, match="of its own"):
            read_scan(path, ReadOptions(spacing=(1.0, 1.0, 1.0)))


def test_the_command_lists_and_reads(mixture: Path, tmp_path: Path) -> None:
    run = medassist("read", mixture, "--list")
    assert run.returncode == 0, run.stderr
    assert "image.nrrd" in run.stdout
    assert "refused" in run.stdout
    assert PATIENT not in run.stdout
    data = json.loads(medassist("read", mixture, "--list", "--json").stdout)
    assert [scan["size"] for scan in data["scans"]] == [[4, 5, 3], [4, 5, 4], [20, 18, 14]]
    assert PATIENT not in json.dumps(data)
    out = tmp_path / "out.nii.gz"
    run = medassist("read", mixture, "--series", "2", "-o", out)
    assert run.returncode == 0, run.stderr
    assert sitk.ReadImage(str(out)).GetSize() == (4, 5, 4)


def test_the_command_prints_what_is_odd(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", [(x, -10.0, 20.0) for x in (0.0, 1.0, 2.0, 4.0)], "1.2.3")
    run = medassist("read", tmp_path / "d")
    assert "note" in run.stdout
    findings = json.loads(medassist("read", tmp_path / "d", "--json").stdout)["findings"]
    assert findings[0]["rule"].startswith("scan.")
    assert medassist("read", tmp_path / "d", "--strict").returncode == 3


def test_arrays_need_a_spacing_on_the_command_line(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(60.0).reshape(3, 4, 5))
    run = medassist("read", tmp_path / "x.npy")
    assert run.returncode == 3
    assert "--spacing" in run.stderr
    run = medassist("read", tmp_path / "x.npy", "--spacing", "1,2,3", "--json")
    assert json.loads(run.stdout)["spacing_mm"] == [1.0, 2.0, 3.0]
    for wrong in ("1,2", "a,b,c", "1,2,-3"):
        run = medassist("read", tmp_path / "x.npy", "--spacing", wrong)
        assert run.returncode == 2
        assert len(run.stderr.splitlines()) == 1
