"""De-identified image files, folders and zips: no free text, the same voxels, all or nothing."""

from __future__ import annotations

import argparse
import errno
import gzip
import struct
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.commands import deidentify as command_file
from MedAssistLib.errors import CancelledError, InputError, ResourceError, UsageError
from MedAssistLib.export.deidentify import DeidentifyOptions, deidentify, writing
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.read import read_scan, read_segmentation
from Testing.deidentify_cases import MARK, holds, mr_image, save


def unpacked(path: Path) -> bytes:
    """Return a file's bytes, and those that are packed in it."""
    raw = path.read_bytes()
    if path.name.endswith(".gz"):
        return raw + gzip.decompress(raw)
    return raw


def assert_same_and_nameless(before: Path, after: Path) -> None:
    """Compare voxels and places as MedAssist reads them, and look for the name."""
    old, new = read_scan(before).image, read_scan(after).image
    assert geometry.same_grid(old, new)
    assert old.GetPixelID() == new.GetPixelID()
    assert np.array_equal(sitk.GetArrayViewFromImage(old), sitk.GetArrayViewFromImage(new))
    assert not holds(unpacked(after), MARK)


def nifti(path: Path, image: sitk.Image, kind: type = nib.Nifti1Image, order: str = "<") -> Path:
    """Write a NIfTI file that names somebody wherever it can."""
    values = np.ascontiguousarray(sitk.GetArrayViewFromImage(image).T)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.index_to_lps(image)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(np.int16)
    file = kind(values.astype(np.int16), affine, header)
    file.header["descrip"] = file.header["aux_file"] = MARK.encode()
    file.header["intent_name"] = MARK.encode()
    file.header.extensions.append(nib.nifti1.Nifti1Extension("comment", MARK.encode() * 40))
    if kind is not nib.Nifti2Image:
        file.header["db_name"], file.header["data_type"] = MARK.encode(), MARK[:9].encode()
    file.header.set_slope_inter(0.5, 3.0)
    nib.save(file, path)
    return path


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image, nib.Nifti1Pair])
def test_nifti_headers_name_nobody(
    small_scan: Scan, tmp_path: Path, kind: type, order: str
) -> None:
    """Converters write patients' names into descrip, and whole DICOM headers into extensions."""
    suffix = ".img" if kind is nib.Nifti1Pair else ".nii"
    before = nifti(tmp_path / f"a{suffix}", small_scan.image, kind, order)
    assert holds((tmp_path / f"a{suffix.replace('img', 'hdr')}").read_bytes(), MARK)
    made = deidentify([before], tmp_path / "b.nii")
    if kind is not nib.Nifti2Image:  # ITK does not read it.
        assert_same_and_nameless(before, tmp_path / "b.nii")
    assert not holds((tmp_path / "b.nii").read_bytes(), MARK)
    assert {row.attribute for row in made.rows} >= {"NIfTI description", "NIfTI intent name"}
    size = 540 if kind is nib.Nifti2Image else 348
    assert len((tmp_path / "b.nii").read_bytes()) == size + 4 + 2 * 14 * 18 * 20
    old, new = nib.load(before), nib.load(tmp_path / "b.nii")
    assert np.array_equal(old.get_fdata(), new.get_fdata())
    assert np.array_equal(old.affine, new.affine)


def test_a_packed_nifti_tells_neither_its_old_name_nor_when_it_was_packed(
    small_scan: Scan, tmp_path: Path
) -> None:
    """The gzip program writes the name of the file that it packs into its own header."""
    plain = nifti(tmp_path / f"{MARK}.nii", small_scan.image)
    before = tmp_path / "before.nii.gz"
    with before.open("wb") as stream, gzip.GzipFile(plain.name, "wb", fileobj=stream) as packed:
        packed.write(plain.read_bytes())
    assert holds(before.read_bytes(), MARK)
    deidentify([before], tmp_path / "after.nii.gz")
    assert_same_and_nameless(before, tmp_path / "after.nii.gz")
    assert struct.unpack_from("<I", (tmp_path / "after.nii.gz").read_bytes(), 4) == (0,)


def test_a_cut_off_nifti_is_refused(small_scan: Scan, tmp_path: Path) -> None:
    before = nifti(tmp_path / "a.nii", small_scan.image)
    before.write_bytes(before.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut off"):
        deidentify([before], tmp_path / "b.nii")
    assert not (tmp_path / "b.nii").exists()


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
def test_nrrd_and_metaimage_headers_name_nobody(
    small_scan: Scan, tmp_path: Path, suffix: str, packed: bool
) -> None:
    """Keys, comments and fields are free text; of a pair the file's own name is in the header."""
    image = sitk.Image(small_scan.image)
    image.SetMetaData("Comment", MARK)
    image.SetMetaData("PatientName", MARK)
    image.SetMetaData("modality", "MR")
    before, after = tmp_path / f"{MARK}{suffix}", tmp_path / f"b.{suffix[1]}"
    after = tmp_path / ("b.nrrd" if suffix[1] == "n" else "b.mha")
    sitk.WriteImage(image, before, useCompression=packed)
    if suffix == ".nrrd":
        raw = before.read_bytes().replace(b"\n", f"\n# {MARK}\ncontent: {MARK}\n".encode(), 1)
        before.write_bytes(raw)
    deidentify([before], after)
    assert_same_and_nameless(before, after)
    assert read_scan(after).modality == "MR"


def test_a_segmentation_keeps_its_structures_and_nothing_else(
    small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path
) -> None:
    """Names, colours and codes are what the file is for."""
    before, after = tmp_path / "a.seg.nrrd", tmp_path / "b.seg.nrrd"
    write_seg_nrrd(small_segmentation, before)
    head, mark, voxels = before.read_bytes().partition(b"\n\n")
    tags = f"|Author:{MARK}|".encode()
    head = head.replace(b"|\n", tags + b"\n") + f"\nSegmentation_Author:={MARK}".encode()
    before.write_bytes(head + mark + voxels)
    assert holds(before.read_bytes(), MARK)
    deidentify([before], after)
    assert not holds(after.read_bytes(), MARK)
    old, new = (read_segmentation(path, small_scan) for path in (before, after))
    assert old.segments == new.segments == small_segmentation.segments
    assert sitk.Hash(old.labels) == sitk.Hash(new.labels)


def a_patients_folder(folder: Path, image: sitk.Image) -> Path:
    """Make a folder as a clinic has it: names in paths, a disc's rest, a photograph, two kinds."""
    for number in (1, 2):
        data = mr_image(SOPInstanceUID=f"1.2.3.{number}", InstanceNumber=number)
        save(data, folder / f"{MARK}_Zed" / f"IM{number}")
    nifti(folder / f"{MARK}.nii.gz", image)
    (folder / "letter.txt").write_text(f"Dear {MARK}")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff" + MARK.encode())
    return folder


def test_a_folder_becomes_a_folder_without_names(small_scan: Scan, tmp_path: Path) -> None:
    """The names of files and folders name the patient as well."""
    source = a_patients_folder(tmp_path / "in", small_scan.image)
    report = deidentify([source], tmp_path / "out")
    files = sorted(p for p in (tmp_path / "out").rglob("*") if p.is_file())
    names = [path.relative_to(tmp_path / "out").as_posix() for path in files]
    assert len(names) == report.files == 3
    assert names[2] == "image-001.nii.gz"
    assert [name.split("/")[1:] for name in names[:2]] == [
        ["study-001", "series-001", "0001.dcm"],
        ["study-001", "series-001", "0002.dcm"],
    ]
    assert not any(holds(unpacked(path), MARK) for path in files)
    assert not any(MARK in name for name in names)
    assert {one.path.name: one.reason for one in report.left_out} == {
        "letter.txt": "text",
        "photo.jpg": "picture without millimetres",
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


def test_a_zip_becomes_a_zip(small_scan: Scan, tmp_path: Path) -> None:
    source = a_patients_folder(tmp_path / "in", small_scan.image)
    packed = tmp_path / "in.zip"
    with zipfile.ZipFile(packed, "w") as zipped:
        for path in source.rglob("*"):
            zipped.write(path, path.relative_to(source))
    deidentify([packed], tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as zipped:
        assert zipped.testzip() is None
        assert len(zipped.namelist()) == 3
        assert all(info.date_time[0] == 1980 for info in zipped.infolist())
        assert not any(holds(zipped.read(name), MARK) for name in zipped.namelist())


def test_names_of_files_are_kept_only_if_they_name_nobody(small_scan: Scan, tmp_path: Path) -> None:
    source = a_patients_folder(tmp_path / "in", small_scan.image)
    options = DeidentifyOptions(keep_names=True)
    with pytest.raises(InputError, match="names somebody in its path"):
        deidentify([source], tmp_path / "out", options)
    (source / f"{MARK}_Zed").rename(source / "sub-01")
    deidentify([source], tmp_path / "out", options)
    assert (tmp_path / "out" / "sub-01" / "IM1").is_file()


def test_an_output_that_is_there_stays_as_it_was(small_scan: Scan, tmp_path: Path) -> None:
    """Cleaned files among others that are not would be handed out together."""
    source = a_patients_folder(tmp_path / "in", small_scan.image)
    full = tmp_path / "full"
    full.mkdir()
    (full / "old").write_text("old")
    with pytest.raises(ResourceError, match="something in it"):
        deidentify([source], full)
    with pytest.raises(UsageError, match="would be replaced"):
        deidentify([source], source)
    with pytest.raises(UsageError, match="one file for 3"):
        deidentify([source], tmp_path / "one.dcm")
    with pytest.raises(UsageError, match="no name for NIfTI"):
        deidentify([source / f"{MARK}.nii.gz"], tmp_path / "one.mha")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full", "in"]
    assert [path.name for path in full.iterdir()] == ["old"]


def test_a_run_that_is_stopped_leaves_nothing(small_scan: Scan, tmp_path: Path) -> None:
    """Half a study looks like a whole one."""
    source = a_patients_folder(tmp_path / "in", small_scan.image)
    cancellation = Cancellation()

    def stop(event: object) -> None:
        if event.stage == "Writing" and event.fraction > 0.3:  # type: ignore[attr-defined]
            cancellation.cancel()

    for output in ("out", "out.zip"):
        with pytest.raises(CancelledError):
            deidentify([source], tmp_path / output, None, Progress(stop, cancellation))
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_full_disk_leaves_nothing(
    small_scan: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = a_patients_folder(tmp_path / "in", small_scan.image)

    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing, "clean_nifti", full)
    with pytest.raises(ResourceError, match="not enough space"):
        deidentify([source], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_half_a_file_is_left_out_whole(small_scan: Scan, tmp_path: Path) -> None:
    """A cut-off file is only noticed once most of it is copied."""
    nifti(tmp_path / "in.nii", small_scan.image)
    source = tmp_path / "in"
    source.mkdir()
    (source / "cut.nii").write_bytes((tmp_path / "in.nii").read_bytes()[:-1])
    (tmp_path / "in.nii").rename(source / "whole.nii")
    report = deidentify([source], tmp_path / "out", DeidentifyOptions(leave_out=True))
    assert report.files == len(list((tmp_path / "out").iterdir())) == 1
    assert [one.path.name for one in report.left_out] == ["cut.nii"]


def test_what_holds_no_scan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear")
    for source in (tmp_path / "letter.txt", tmp_path / "none"):
        with pytest.raises(InputError):
            deidentify([source], tmp_path / "out")
    np.save(tmp_path / "array.npy", np.zeros((3, 3, 3)))
    with pytest.raises(InputError, match=r"medassist read FILE -o NEW\.nii\.gz"):
        deidentify([tmp_path / "array.npy"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def command(*arguments: str) -> Outcome:
    """Run ``medassist deidentify``."""
    parser = argparse.ArgumentParser()
    command_file.add_arguments(parser)
    return command_file.run(parser.parse_args(arguments), Progress())


def test_the_command_tells_what_it_did_and_names_nobody(small_scan: Scan, tmp_path: Path) -> None:
    """The key makes a second run give the same names; the table never shows a value."""
    source = a_patients_folder(tmp_path / "in", small_scan.image) / f"{MARK}_Zed"
    key, patients = tmp_path / "key", tmp_path / "patients.csv"
    told = [
        command(str(source), "-o", str(tmp_path / name), "--key", str(key)).data for name in "ab"
    ]
    first, second = (sorted(p.name for p in (tmp_path / name).iterdir()) for name in "ab")
    assert first == second
    assert told[0]["files"] == 2
    rows = {row["attribute"]: row["done"] for row in told[0]["attributes"]}
    assert rows["SOP Instance UID"] == "replaced by a new UID"
    assert rows["Pixel Data"] == "kept"
    assert rows["Patient ID"] == rows["Patient's Name"] == "replaced by a pseudonym"
    patients.write_text("ID94794,CASE-1\n")
    arguments = [str(source), "-o", str(tmp_path / "c"), "--patients", str(patients)]
    shown = command(*arguments).text
    assert "wrote 2 files" in shown
    assert "Patient's Name" in shown
    assert MARK not in shown.replace(str(tmp_path), "")
    assert (tmp_path / "c" / "CASE-1").is_dir()
    with pytest.raises(UsageError, match="moves nothing"):
        command(str(source), "-o", str(tmp_path / "d"), "--shift-dates", "0")
