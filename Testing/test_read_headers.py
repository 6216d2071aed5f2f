"""Headers that a reader which trusts them would turn into wrong voxels, sizes or a full memory."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.errors import InputError
from MedAssistLib.read import ReadOptions, list_scans, read_scan
from MedAssistLib.read.images import ENHANCEMENT_KEY
from Testing.scene_cases import place_in_slicer

VALUES = np.random.default_rng(7).integers(1, 900, (5, 6, 7), dtype=np.int16)


def _pack(*paths: Path) -> None:
    for path in paths:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@pytest.mark.parametrize("kind", [nib.Nifti1Pair, nib.AnalyzeImage])
@pytest.mark.parametrize("packed", [("hdr", "img"), ("img",)])
def test_a_packed_pair_has_its_voxels_not_its_header(
    tmp_path: Path, kind: type[nib.AnalyzeImage], packed: tuple[str, ...]
) -> None:
    """The bytes of the header became grey values, without a word."""
    folder = tmp_path / "pair"
    folder.mkdir()
    nib.save(kind(VALUES.T.copy(), np.diag([-1.0, 2.0, 3.0, 1.0])), folder / "x.hdr")
    plain = read_scan(folder / "x.hdr")
    _pack(*(folder / f"x.{suffix}" for suffix in packed))
    for path in (folder, folder / "x.img.gz", next(folder.glob("x.hdr*"))):
        scan = read_scan(path)
        assert np.array_equal(sitk.GetArrayFromImage(scan.image), VALUES)
        assert geometry.same_grid(scan.image, plain.image)
        assert scan.name == "x"
    (folder / "x.img.gz").unlink()
    with pytest.raises(InputError, match="needs the file"):
        read_scan(folder)


def _nifti(path: Path, sform: np.ndarray, pixdim: float, qform: np.ndarray | None = None) -> Path:
    image = nib.Nifti1Image(VALUES.T, sform)
    image.set_sform(sform, 1)
    image.set_qform(qform, int(qform is not None))
    image.header["pixdim"][1:4] = pixdim
    nib.save(image, path)
    return path


def test_a_nifti_with_two_voxel_sizes_says_so_and_takes_slicers(tmp_path: Path, scene) -> None:
    """A spacing of 1 mm beside a transform of 2 mm: every volume is wrong by a factor of 8."""
    path = _nifti(tmp_path / "x.nii", np.diag([2.0, 2.0, 2.0, 1.0]), 1.0)
    slicers = place_in_slicer(scene, path)
    scan = read_scan(path)
    assert np.allclose(geometry.index_to_lps(scan.image), slicers)
    (finding,) = scan.findings
    assert finding.rule == "scan.two-places"
    assert "1 × 1 × 1 mm" in finding.title
    assert "2 × 2 × 2 mm" in finding.title
    with pytest.raises(InputError, match="two voxel sizes"):
        read_scan(path, ReadOptions(strict=True))
    assert read_scan(_nifti(path, np.diag([2.0, 2.0, 2.0, 1.0]), 2.0)).findings == ()


@pytest.mark.parametrize(
    ("slope", "intercept", "rules"),
    [(0.0, 5.0, ["scan.two-scales"]), (0.0, 0.0, []), (2.0, 5.0, []), (float("nan"), 0.0, [])],
)
def test_an_offset_without_a_scale_is_told(
    tmp_path: Path, slope: float, intercept: float, rules: list[str]
) -> None:
    """By the standard a slope of 0 means no scaling; ITK and Slicer add the offset."""
    path = _nifti(tmp_path / "x.nii", np.diag([2.0, 2.0, 2.0, 1.0]), 2.0)
    raw = bytearray(path.read_bytes())
    raw[112:120] = struct.pack("<2f", slope, intercept)
    path.write_bytes(raw)
    scan = read_scan(path)
    assert [finding.rule for finding in scan.findings] == rules
    expected = VALUES * (slope if slope > 0 else 1.0) + intercept
    assert np.array_equal(sitk.GetArrayFromImage(scan.image), expected)


@pytest.mark.parametrize("name", ["x.nii", "x.nrrd", "x.mha"])
def test_complex_values_are_refused(tmp_path: Path, name: str) -> None:
    """A phase is no brightness; the filters would end with an error of their own."""
    image = sitk.GetImageFromArray(VALUES.astype(np.complex64) + 1j)
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(InputError, match=r"complex values|2 values"):
        read_scan(tmp_path / name)


def test_vectors_of_one_number_are_numbers(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES.T, np.diag([2.0, 2.0, 2.0, 1.0]))
    image.header.set_intent("vector")
    nib.save(image, tmp_path / "x.nii")
    scan = read_scan(tmp_path / "x.nii")
    assert scan.image.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(scan.image), VALUES)


def _huge_meta(path: Path, compressed: bool) -> None:
    lines = [
        "ObjectType = Image",
        "NDims = 4",
        "BinaryData = True",
        f"CompressedData = {compressed}",
    ]
    lines += ["DimSize = 6 5 4 1000000000", "ElementSpacing = 1 1 1 1", "ElementType = MET_SHORT"]
    path.write_bytes("\n".join([*lines, "ElementDataFile = LOCAL", ""]).encode() + bytes(240))


def _huge_nrrd(path: Path, encoding: str) -> None:
    lines = ["NRRD0004", "type: short", "dimension: 4", "sizes: 6 5 4 1000000000", "endian: little"]
    lines += [f"encoding: {encoding}", "space: left-posterior-superior"]
    lines += ["kinds: domain domain domain list", "space origin: (1,2,3)"]
    lines += ["space directions: (2,0,0) (0,2,0) (0,0,3) none", "", ""]
    path.write_bytes("\n".join(lines).encode() + bytes(240))


def _huge_nifti(path: Path, packed: bool) -> None:
    image = nib.Nifti2Image(np.zeros((6, 5, 4, 2), np.int16), np.eye(4))
    image.header["dim"][4] = 1_000_000_000
    header = image.header.binaryblock + bytes(4 + 480)
    path.write_bytes(gzip.compress(header) if packed else header)


@pytest.mark.parametrize(
    "write",
    [
        lambda d: _huge_meta(d / "x.mha", False),
        lambda d: _huge_meta(d / "x.mha", True),
        lambda d: _huge_nrrd(d / "x.nrrd", "raw"),
        lambda d: _huge_nrrd(d / "x.nrrd", "gzip"),
        lambda d: _huge_nifti(d / "x.nii", False),
        lambda d: _huge_nifti(d / "x.nii.gz", True),
    ],
)
def test_a_tiny_file_cannot_announce_a_billion_volumes(
    tmp_path: Path, write: Callable[[Path], None]
) -> None:
    """Listing them filled the memory until the system ended the program."""
    write(tmp_path)
    (refused,) = list_scans(tmp_path).refused
    assert "cut off" in refused.reason


def test_more_volumes_than_any_scanner_makes_are_refused(tmp_path: Path) -> None:
    image = sitk.Image([2, 2, 2, 30_000], sitk.sitkUInt8)
    sitk.WriteImage(image, str(tmp_path / "x.nii.gz"))
    (refused,) = list_scans(tmp_path).refused
    assert "announces 30000 volumes" in refused.reason


def test_a_cut_metaimage_is_refused_by_its_header_and_without_noise(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """It was listed as a good scan, and ITK's reader wrote lines of its own before ours."""
    path = tmp_path / "x.mha"
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(path))
    path.write_bytes(path.read_bytes()[:-20])
    assert list_scans(path).scans == ()
    with pytest.raises(InputError, match="is cut off: 400 bytes of 420"):
        read_scan(path)
    assert capfd.readouterr().err == ""


def test_a_space_that_nrrd_does_not_have_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(path))
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"left-posterior-superior", b"left-posterior-inferior"))
    with pytest.raises(InputError, match='lies in "left-posterior-inferior"'):
        read_scan(path)
    for known in (b"LPS", b"right anterior superior", b"scanner-xyz", b"3D-right-handed"):
        path.write_bytes(raw.replace(b"left-posterior-superior", known))
        assert read_scan(path).image.GetSize() == (7, 6, 5)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("denoise.curvature contrast.clahe", ("denoise.curvature", "contrast.clahe")),
        ("Jane Doe, head", ()),
        ("contrast.clahe:tile=60", ()),
        ("", ()),
    ],
)
def test_a_file_says_which_filters_were_run_on_it_and_nothing_else(
    tmp_path: Path, suffix: str, written: str, expected: tuple[str, ...]
) -> None:
    """What a stranger wrote there would go into reports; what we wrote, a CT model must know."""
    image = sitk.GetImageFromArray(VALUES)
    image.SetMetaData(ENHANCEMENT_KEY, written)
    sitk.WriteImage(image, tmp_path / f"x{suffix}")
    assert read_scan(tmp_path / f"x{suffix}").enhancement == expected
