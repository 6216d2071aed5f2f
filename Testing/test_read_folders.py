"""Folders and zips of slices in which something else lies too: nothing gets lost in silence."""

from __future__ import annotations

import gzip
import os
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import ReadOptions, list_scans, packed, read_scan, read_segmentation
from Testing.sagittal_series import write_sagittal
from Testing.test_cli import medassist

LOST = ["scan.lost-files"]


def _series(folder: Path, count: int = 4) -> Path:
    write_sagittal(folder, [(float(x), -10.0, 20.0) for x in range(count)], "1.2.3")
    return folder


def _rules(scan: Scan) -> list[str]:
    return [finding.rule for finding in scan.findings]


def _last(folder: Path) -> Path:
    return min(folder.iterdir())


def _zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def _packed(path: Path) -> None:
    path.write_bytes(gzip.compress(path.read_bytes()))


def _packed_by_name(folder: Path) -> None:
    """Pack each file as archives do, under its name with ``.gz``."""
    for path in list(folder.iterdir()):
        _packed(path)
        path.rename(path.with_name(path.name + ".gz"))


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize(
    "lose",
    [
        lambda path: path.write_bytes(b""),
        _zeroed,
        lambda path: path.write_bytes(b"\xff" * 400),
        lambda path: path.write_bytes(bytes(range(100))),
        _packed,
        pytest.param(
            _dangling,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few make links"),
        ),
    ],
    ids=["empty", "zeros", "erased", "noise", "packed under its old name", "dangling link"],
)
def test_a_slice_that_a_failing_disk_lost_is_told(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """The scan was just shorter, and nobody knew."""
    folder = _series(tmp_path / "d")
    lose(_last(folder))
    scan = read_scan(folder)
    assert scan.image.GetSize() == (4, 5, 3)
    assert _rules(scan) == LOST
    with pytest.raises(InputError, match="slices may be missing"):
        read_scan(folder, ReadOptions(strict=True))


def test_packed_slices_are_read_as_if_they_were_not_packed(tmp_path: Path) -> None:
    """Archives send them so; unpacking thousands of files by hand is no fun."""
    folder = _series(tmp_path / "d")
    plain = read_scan(folder)
    _packed_by_name(folder)
    names = sorted(path.name for path in folder.iterdir())
    scan = read_scan(folder)
    assert geometry.same_grid(scan.image, plain.image)
    assert sitk.Hash(scan.image) == sitk.Hash(plain.image)
    assert (scan.findings, scan.source) == ((), folder)
    (listed,) = list_scans(folder).scans
    assert sorted(listed.paths) == [folder / name for name in names]
    with zipfile.ZipFile(tmp_path / "d.zip", "w") as zipped:
        for path in folder.iterdir():
            zipped.write(path, f"disc/{path.name}")
    assert sitk.Hash(read_scan(tmp_path / "d.zip").image) == sitk.Hash(plain.image)
    (listed,) = list_scans(tmp_path / "d.zip").scans
    assert sorted(listed.paths) == [tmp_path / "d.zip" / "disc" / name for name in names]


def test_a_damaged_packed_slice_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    folder = _series(tmp_path / "d")
    _packed_by_name(folder)
    last = _last(folder)
    last.write_bytes(last.read_bytes()[:-20])
    scan = read_scan(folder)
    assert scan.image.GetSize() == (4, 5, 3)
    assert _rules(scan) == LOST
    assert [(a.path, a.reason) for a in list_scans(folder).refused] == [
        (last, "is a damaged packed file")
    ]


def test_many_packed_files_that_grow_are_stopped_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone is within the limit; a thousand of them would fill the disk."""
    folder = _series(tmp_path / "d")
    _packed_by_name(folder)
    sizes = sorted(len(gzip.decompress(path.read_bytes())) for path in folder.iterdir())
    monkeypatch.setattr(packed, "_RATIO_MATTERS_FROM", sum(sizes[:3]))
    monkeypatch.setattr(packed, "MOST_RATIO", 1.0)
    listing = list_scans(folder)
    assert [scan.slices for scan in listing.scans] == [3]
    (refused,) = listing.refused
    assert "grows to more" in refused.reason


def test_what_cannot_have_been_a_slice_raises_no_doubt(tmp_path: Path) -> None:
    folder = _series(tmp_path / "d")
    (folder / "notes.txt").write_text("größer als gestern\n", encoding="utf-8")
    (folder / "wide.txt").write_text("größer als gestern", encoding="utf-16")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0" + bytes(100))
    (folder / "report.pdf").write_bytes(b"%PDF-1.4")
    (folder / "other").mkdir()
    (folder / "other" / "tool.bin").write_bytes(bytes(100))
    assert read_scan(folder).findings == ()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few people make links")
def test_a_folder_of_links_says_so(tmp_path: Path) -> None:
    """Links to folders are not followed, which nobody can guess from 'holds no image'."""
    _series(tmp_path / "d")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "scan").symlink_to(tmp_path / "d")
    with pytest.raises(InputError, match="link to a folder"):
        read_scan(tmp_path / "links")
    (tmp_path / "links" / "gone").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="leads nowhere"):
        read_scan(tmp_path / "links")


def test_a_repeated_image_is_called_that(tmp_path: Path) -> None:
    folder = _series(tmp_path / "d")
    (folder / "copy.dcm").write_bytes(_last(folder).read_bytes())
    assert [aside.reason for aside in list_scans(folder).others] == ["repeated DICOM image"]


@pytest.mark.alone
def test_a_zip_of_thousands_of_slices_is_listed_in_seconds(tmp_path: Path) -> None:
    """Pushing each of the unpacked files to the disk took 7 ms a slice: 35 s for 5,000."""
    content = _last(_series(tmp_path / "d", 2)).read_bytes()
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for number in range(1000):
            zipped.writestr(f"IM{number}", content)
    synced: list[int] = []
    real = os.fsync
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: (synced.append(handle), real(handle)))
        start = time.perf_counter()
        listing = list_scans(path)
    assert len(listing.others) == 1000
    assert synced == []
    assert time.perf_counter() - start < 10.0


@pytest.mark.parametrize(
    "names",
    [
        ("Thorax /IM1", "Thorax /IM2", "Thorax /IM3"),
        ("T1: x/IM1", "T1: x/IM2", "T1: x/IM3"),
        ("T1: x/IM1", "T1? x/IM1", "T1_ x/IM1"),
        ("IM1", "im1", "Im1"),
        ("a//IM1", "a//IM2", "a//IM3"),
        ("aux/con", "aux/con.1", "aux/..."),
    ],
)
def test_a_zip_with_names_that_some_system_forbids_is_read(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Scanners and Macs write such names; no harm lies in them."""
    contents = [path.read_bytes() for path in sorted(_series(tmp_path / "d", 3).iterdir())]
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name, content in zip(names, contents, strict=True):
            zipped.writestr(name, content)
    scan = read_scan(path)
    assert scan.findings == ()
    assert sitk.Hash(scan.image) == sitk.Hash(read_scan(tmp_path / "d").image)


def test_a_zip_with_folders_written_with_backslashes_is_read(tmp_path: Path) -> None:
    """Some old Windows programs do; each became an empty file in the way of its content."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("a\\", b"")
        for file in _series(tmp_path / "d", 3).iterdir():
            zipped.writestr(f"a\\{file.name}", file.read_bytes())
    assert read_scan(path).image.GetSize() == (4, 5, 3)


def test_a_zip_with_a_name_that_starts_with_nul_ends_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("abc", b"x")
    path.write_bytes(path.read_bytes().replace(b"abc", b"\0bc"))
    with pytest.raises(InputError, match="is no volume: text"):
        read_scan(path)


@pytest.mark.parametrize("name", ["../x.dcm", "/etc/x.dcm", "C:/x.dcm", "a/../../x"])
def test_a_zip_with_names_that_lead_out_is_still_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr(name, b"harm")
    with pytest.raises(InputError, match="leads out"):
        list_scans(path)
    assert [found.name for found in tmp_path.iterdir()] == ["x.zip"]


def test_the_file_that_is_read_is_never_the_output(tmp_path: Path, small_scan: Scan) -> None:
    """The only copy of a scan would be replaced by what was made of it."""
    path = tmp_path / "a.nii"
    sitk.WriteImage(small_scan.image, str(path))
    before = path.read_bytes()
    run = medassist("read", tmp_path, "-o", path)
    assert run.returncode == 2
    assert "is an input" in run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert path.read_bytes() == before


def test_a_file_beside_the_scan_may_be_the_output_again(tmp_path: Path) -> None:
    _series(tmp_path / "d")
    for _ in range(2):
        run = medassist("read", tmp_path / "d", "--series", "1.2.3", "-o", tmp_path / "d" / "a.nii")
        assert run.returncode == 0, run.stderr


def test_a_segmentation_is_taken_from_a_zip(
    tmp_path: Path, small_segmentation: Segmentation
) -> None:
    write_seg_nrrd(small_segmentation, tmp_path / "x.seg.nrrd")
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.write(tmp_path / "x.seg.nrrd", "x.seg.nrrd")
    read = read_segmentation(path)
    expected = read_segmentation(tmp_path / "x.seg.nrrd")
    assert read.segments == expected.segments
    arrays = [sitk.GetArrayFromImage(part.labels) for part in (read, expected)]
    assert np.array_equal(*arrays)
    with zipfile.ZipFile(path, "a") as zipped:
        zipped.writestr("y.txt", "two files")
    with pytest.raises(InputError, match="holds no DICOM segmentation"):
        read_segmentation(path)
