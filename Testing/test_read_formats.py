"""Image files of each kind: their values and places, and what their headers leave out."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError
from MedAssistLib.read import ReadOptions, list_scans, read_scan
from Testing.scene_cases import place_in_slicer

VALUES = np.random.default_rng(4).normal(100, 40, (6, 7, 8)).astype(np.int16)
SPACING = (0.5, 1.0, 2.0)


def _rules(scan: Scan) -> list[str]:
    return [finding.rule for finding in scan.findings]


def _nrrd(path: Path, *lines: str, values: np.ndarray = VALUES) -> Path:
    """Write an NRRD by hand, with the header lines that the test is about."""
    sizes = " ".join(str(n) for n in reversed(values.shape))
    kind = {"int16": "short", "float32": "float"}[values.dtype.name]
    header = ["NRRD0005", f"type: {kind}", f"dimension: {values.ndim}", f"sizes: {sizes}"]
    header += ["endian: little", "encoding: raw", *lines]
    path.write_bytes("\n".join([*header, "", ""]).encode() + values.tobytes())
    return path


def _meta(path: Path, *lines: str, data: str = "LOCAL") -> Path:
    """Write a MetaImage by hand."""
    header = ["ObjectType = Image", "NDims = 3", "BinaryData = True", "DimSize = 8 7 6", *lines]
    header += ["ElementType = MET_SHORT", f"ElementDataFile = {data}", ""]
    path.write_bytes("\n".join(header).encode() + VALUES.tobytes() * (data == "LOCAL"))
    return path


LPS = "space: left-posterior-superior"
AXES = "space directions: (0.5,0,0) (0,1,0) (0,0,2)"
ORIGIN = "space origin: (1,2,3)"
TURN = "TransformMatrix = 1 0 0 0 1 0 0 0 1"


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ((LPS, AXES, ORIGIN), []),
        ((LPS, AXES, ORIGIN, 'space units: "mm" "mm" "mm"'), []),
        ((LPS, AXES), ["scan.no-origin"]),
        (("space: scanner-xyz", AXES, ORIGIN), ["scan.no-place"]),
        (("spacings: 0.5 1 2",), ["scan.no-place"]),
    ],
)
def test_an_nrrd_says_what_its_header_leaves_open(
    tmp_path: Path, lines: tuple[str, ...], rules: list[str]
) -> None:
    """ITK fills what is missing without a word, so that left may be right."""
    scan = read_scan(_nrrd(tmp_path / "x.nrrd", *lines))
    assert scan.image.GetSpacing() == SPACING
    assert _rules(scan) == rules
    assert np.array_equal(sitk.GetArrayViewFromImage(scan.image), VALUES)


@pytest.mark.parametrize(
    ("lines", "rules"),
    [
        ((TURN, "Offset = 1 2 3", "ElementSpacing = 0.5 1 2"), []),
        ((TURN, "ElementSpacing = 0.5 1 2"), ["scan.no-origin"]),
        (("Offset = 1 2 3", "ElementSpacing = 0.5 1 2"), ["scan.no-place"]),
    ],
)
def test_a_metaimage_says_what_its_header_leaves_open(
    tmp_path: Path, lines: tuple[str, ...], rules: list[str]
) -> None:
    scan = read_scan(_meta(tmp_path / "x.mha", *lines))
    assert scan.image.GetSpacing() == SPACING
    assert _rules(scan) == rules


@pytest.mark.parametrize(
    "write",
    [
        lambda d: _nrrd(d / "x.nrrd", LPS),
        lambda d: _nrrd(d / "x.nrrd", "spacings: nan nan nan"),
        lambda d: _meta(d / "x.mha", TURN),
    ],
)
def test_a_spacing_that_is_not_stated_is_never_guessed(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    """A guessed millimetre makes every volume wrong."""
    path = write(tmp_path)
    assert [scan.spacing for scan in list_scans(path).scans] == [None]
    with pytest.raises(InputError, match="does not say its voxel spacing"):
        read_scan(path)
    scan = read_scan(path, ReadOptions(spacing=SPACING))
    assert scan.image.GetSpacing() == SPACING
    assert "scan.given-spacing" in _rules(scan)


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda d: _nrrd(d / "x.nrrd", LPS, AXES, 'space units: "um" "um" "um"'), "in mm"),
        (lambda d: _meta(d / "x.mha", TURN, "DistanceUnits = cm", "ElementSpacing = 1 1 1"), "mm"),
        (lambda d: _nrrd(d / "x.nrrd", "spacings: 1 -1 1"), "impossible voxel spacing"),
        (lambda d: _meta(d / "x.mha", TURN, "ElementSpacing = 1 x 1"), "damaged header"),
        (lambda d: _nrrd(d / "x.nhdr", LPS, AXES, "data file: gone.raw"), 'needs the file "gone'),
        (lambda d: _meta(d / "x.mhd", TURN, "ElementSpacing = 1 1 1", data="gone.raw"), "needs"),
        (lambda d: _meta(d / "x.mhd", TURN, "ElementSpacing = 1 1 1", data="/dev/zero"), "needs"),
        (lambda d: _nrrd(d / "x.nrrd", LPS, "space directions: (1,1,0) (0,1,0) (0,0,1)"), "perp"),
    ],
)
def test_headers_that_would_mislead_are_refused(
    tmp_path: Path, write: Callable[[Path], Path], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        read_scan(write(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NDims = 3", b"NDims = -1"),
        (b"NDims = 3", b"NDims = 99999"),
        (b"DimSize = 8 7 6", b"DimSize = 8 7"),
        (b"DimSize = 8 7 6", b"DimSize = 99999999 99999999 99999999"),
        (b"Offset = 1 2 3", b"Offset = 1 2 3 4 5 6 7 8 9"),
        (b"MET_SHORT", b"MET_SHART"),
        (b"Offset = 1 2 3", b"Offset = 1 2 3\nOffset = 9 9 9"),
    ],
)
def test_a_damaged_metaimage_header_is_refused_before_it_ends_the_program(
    tmp_path: Path, old: bytes, new: bytes
) -> None:
    """ITK's reader counts on the header: with a wrong number of axes the whole program crashes."""
    path = _meta(tmp_path / "x.mha", TURN, "Offset = 1 2 3", "ElementSpacing = 0.5 1 2")
    assert read_scan(path).findings == ()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(InputError, match="damaged header"):
        read_scan(path)


@pytest.mark.parametrize("origin", [b"(1,2\x80.5,3)", b"(1,2,3)\nspace origin: (9,9,9)", b"(1,2)"])
def test_a_damaged_nrrd_origin_is_refused_not_rounded(tmp_path: Path, origin: bytes) -> None:
    """ITK ends a number at a damaged byte: 2.5 mm would become 2."""
    path = _nrrd(tmp_path / "x.nrrd", LPS, AXES, ORIGIN)
    path.write_bytes(path.read_bytes().replace(b"(1,2,3)", origin))
    with pytest.raises(InputError, match="damaged header"):
        read_scan(path)


def test_a_header_field_that_is_no_text_does_no_harm(tmp_path: Path) -> None:
    path = _meta(
        tmp_path / "x.mha", TURN, "Offset = 1 2 3", "ElementSpacing = 0.5 1 2", "Name = Doe"
    )
    path.write_bytes(path.read_bytes().replace(b"Name", b"Na\x80e"))
    assert not read_scan(path).image.GetMetaDataKeys()


def test_a_strict_reader_refuses_a_doubtful_place(tmp_path: Path) -> None:
    path = _nrrd(tmp_path / "x.nrrd", "spacings: 0.5 1 2")
    with pytest.raises(InputError, match="doubtful"):
        read_scan(path, ReadOptions(strict=True))
    good = _nrrd(tmp_path / "y.nrrd", LPS, AXES, ORIGIN)
    assert read_scan(good, ReadOptions(strict=True)).findings == ()


SERIES = np.random.default_rng(5).random((3, 6, 7, 8)).astype(np.float32)


def _nifti_4d(path: Path) -> Path:
    affine = np.diag([-0.5, -1.0, 2.0, 1.0])
    nib.save(nib.Nifti1Image(SERIES.transpose(3, 2, 1, 0), affine), path)
    return path


@pytest.mark.parametrize(
    "write",
    [
        lambda d: _nifti_4d(d / "x.nii.gz"),
        lambda d: _nifti_4d(d / "x.nii"),
        lambda d: _nrrd(
            d / "x.nrrd", LPS, "kinds: list domain domain domain",
            "space directions: none (0.5,0,0) (0,1,0) (0,0,2)", "space origin: (0,0,0)",
            values=np.ascontiguousarray(SERIES.transpose(1, 2, 3, 0)),
        ),
        lambda d: _nrrd(
            d / "x.nrrd", LPS, "kinds: domain domain domain list",
            "space directions: (0.5,0,0) (0,1,0) (0,0,2) none", "space origin: (0,0,0)",
            values=SERIES,
        ),
    ],
)  # fmt: skip
def test_the_volumes_of_a_series_in_one_file_can_be_chosen(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    path = write(tmp_path)
    listing = list_scans(path)
    assert [scan.size for scan in listing.scans] == [(8, 7, 6)] * 3
    assert "volume 2 of 3" in listing.scans[1].description
    with pytest.raises(InputError, match="holds 3 scans"):
        read_scan(path)
    for number, expected in enumerate(SERIES, 1):
        image = read_scan(path, ReadOptions(series=str(number))).image
        assert np.array_equal(sitk.GetArrayViewFromImage(image), expected)
        assert image.GetSpacing() == SPACING
        assert image.GetOrigin() == (0.0, 0.0, 0.0)
        assert np.allclose(geometry.direction(image), np.eye(3))


def test_colours_and_vectors_are_refused_not_split(tmp_path: Path) -> None:
    colours = sitk.GetImageFromArray(np.stack([VALUES] * 3, axis=-1), isVector=True)
    for name in ("x.nrrd", "x.nii.gz", "x.mha"):
        sitk.WriteImage(colours, str(tmp_path / name))
        with pytest.raises(InputError, match="3 values a voxel"):
            read_scan(tmp_path / name)


# What nibabel 5.4.2 with h5py says of its own test files: corner voxel, RAS mm, size along i, j, k.
MINC = {
    "small.mnc": ((-98.0, -134.0, -72.0), (7.0, 8.0, 9.0), (29, 28, 18), 0.3049047),
    "minc2_1_scale.mnc": ((-20.0, -20.0, -10.0), (2.0, 2.0, 2.0), (20, 20, 10), 0.2092751),
    "minc2_4d.mnc": ((-20.0, -20.0, -10.0), (2.0, 2.0, 2.0), (20, 20, 10), 0.6742791),
}


@pytest.mark.parametrize("name", MINC)
def test_minc_lies_where_its_own_standard_says(name: str) -> None:
    """ITK takes MINC's right and front for left and back: the scan would be turned by half."""
    corner, spacing, size, value = MINC[name]
    path = Path(str(metadata.distribution("nibabel").locate_file(f"nibabel/tests/data/{name}")))
    scan = read_scan(path, ReadOptions(series="1"))
    assert scan.image.GetSize() == size
    assert scan.image.GetSpacing() == pytest.approx(spacing)
    lps = (-corner[0], -corner[1], corner[2])
    assert scan.image.TransformIndexToPhysicalPoint((0, 0, 0)) == pytest.approx(lps)
    far = scan.image.TransformIndexToPhysicalPoint((1, 1, 1))
    steps = (-spacing[0], -spacing[1], spacing[2])
    assert np.subtract(far, lps) == pytest.approx(steps)
    assert scan.image[0, 0, 0] == pytest.approx(value)
    assert _rules(scan) == ["scan.minc-places"]


def test_other_hdf5_and_old_minc_are_refused_with_what_to_do(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VALUES), str(tmp_path / "x.h5"))
    with pytest.raises(InputError, match="HDF5"):
        read_scan(tmp_path / "x.h5")
    old = Path(str(metadata.distribution("nibabel").locate_file("nibabel/tests/data/tiny.mnc")))
    with pytest.raises(InputError, match="mincconvert"):
        read_scan(old)


@pytest.mark.parametrize("given", ["x.hdr", "x.img"])
def test_analyze_is_read_and_says_that_it_has_no_orientation(tmp_path: Path, given: str) -> None:
    nib.save(nib.AnalyzeImage(VALUES.T.copy(), np.diag([-0.5, 1.0, 2.0, 1.0])), tmp_path / "x.img")
    scan = read_scan(tmp_path / given)
    assert np.array_equal(sitk.GetArrayViewFromImage(scan.image), VALUES)
    assert scan.image.GetSpacing() == SPACING
    assert _rules(scan) == ["scan.no-place"]
    assert len(list_scans(tmp_path).scans) == 1


@pytest.mark.parametrize("given", ["x.hdr", "x.img"])
def test_a_nifti_pair_is_one_scan_with_its_place(tmp_path: Path, given: str) -> None:
    affine = np.array([[-0.5, 0, 0, 4], [0, -1.0, 0, 5], [0, 0, 2.0, 6], [0, 0, 0, 1]])
    nib.save(nib.Nifti1Pair(VALUES.T, affine), tmp_path / "x.img")
    scan = read_scan(tmp_path / given)
    assert scan.image.GetOrigin() == (-4.0, -5.0, 6.0)
    assert np.array_equal(sitk.GetArrayViewFromImage(scan.image), VALUES)
    assert len(list_scans(tmp_path).scans) == 1
    (tmp_path / "x.img").unlink()
    with pytest.raises(InputError, match="needs the file"):
        read_scan(tmp_path / "x.hdr")


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    image = nib.Nifti1Image(VALUES.T, np.diag([500.0, 1000.0, 2000.0, 1.0]))
    image.header.set_xyzt_units("micron")
    nib.save(image, tmp_path / "x.nii")
    assert read_scan(tmp_path / "x.nii").image.GetSpacing() == pytest.approx(SPACING)


def _turned(shift: float, angle: float) -> np.ndarray:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    cosine, sine = np.cos(angle), np.sin(angle)
    affine[:2, :2] = 2.0 * np.array([[cosine, -sine], [sine, cosine]])
    affine[0, 3] = shift
    return affine


@pytest.mark.parametrize("sform", [0, 1, 2, 4])
@pytest.mark.parametrize("qform", [0, 1, 2, 4])
def test_of_two_places_in_a_nifti_slicers_choice_is_taken(
    tmp_path: Path, scene, sform: int, qform: int
) -> None:
    """Read in Slicer and here, a scan must lie in the same place, or labels go to the wrong one."""
    path = tmp_path / "x.nii"
    image = nib.Nifti1Image(VALUES.T, np.eye(4))
    image.set_qform(_turned(3.0, 0.3), qform)
    image.set_sform(_turned(40.0, 0.0), sform)
    nib.save(image, path)
    slicers = place_in_slicer(scene, path)
    scan = read_scan(path)
    assert np.allclose(geometry.index_to_lps(scan.image), slicers, atol=1e-4)
    assert ("scan.two-places" in _rules(scan)) == (sform > 0 and qform > 0)


@pytest.mark.parametrize("kind", ["<f4", ">f8", "<i2", ">u2", "i1", "?", "<i8", "<f2"])
@pytest.mark.parametrize("fortran", [False, True])
def test_an_array_keeps_its_values_and_says_how_its_axes_were_taken(
    tmp_path: Path, kind: str, fortran: bool
) -> None:
    values = (VALUES % 100).astype(kind)
    np.save(tmp_path / "x.npy", np.asfortranarray(values) if fortran else values)
    scan = read_scan(tmp_path / "x.npy", ReadOptions(spacing=SPACING))
    assert scan.image.GetSize() == (8, 7, 6)
    assert scan.image.GetSpacing() == SPACING
    assert np.array_equal(sitk.GetArrayViewFromImage(scan.image), values.astype(np.float64))
    assert _rules(scan) == ["scan.given-spacing", "scan.no-place"]
    assert "slice, row, column" in scan.findings[1].explanation


def test_the_arrays_of_an_archive_can_be_chosen(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "x.npz", first=VALUES, second=VALUES + 1, table=np.eye(3))
    options = ReadOptions(series="2", spacing=SPACING)
    assert len(list_scans(tmp_path / "x.npz").scans) == 2
    image = read_scan(tmp_path / "x.npz", options).image
    assert np.array_equal(sitk.GetArrayViewFromImage(image), VALUES + 1)


class _Harm:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must never run",)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.array([_Harm()], dtype=object), "never loaded"),
        (np.ones((3, 4)), "no array with three axes"),
        (np.ones((3, 4, 5), complex), "no array with three axes"),
        (np.zeros((3, 4, 5), [("a", "i4")]), "no array with three axes"),
        (np.ones((0, 4, 5)), "no array with three axes"),
    ],
)
def test_arrays_that_are_no_volume_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], array: np.ndarray, reason: str
) -> None:
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    np.savez(tmp_path / "y.npz", a=array)
    for name in ("x.npy", "y.npz"):
        with pytest.raises(InputError, match=reason):
            read_scan(tmp_path / name, ReadOptions(spacing=SPACING))
    assert capsys.readouterr().out == ""


def test_cut_arrays_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VALUES)
    content = (tmp_path / "x.npy").read_bytes()
    for part in (content[:9], content[:60], content[:-1]):
        (tmp_path / "x.npy").write_bytes(part)
        with pytest.raises(InputError, match="damaged"):
            read_scan(tmp_path / "x.npy", ReadOptions(spacing=SPACING))


def test_a_listing_is_plain_data_for_programs(tmp_path: Path) -> None:
    from MedAssistLib.cli.tables import listing_data

    _nifti_4d(tmp_path / "x.nii.gz")
    (tmp_path / "y.nii.gz").write_bytes(gzip.compress(b"\x5c\x01\0\0" + bytes(340) + b"n+1\0"))
    data = json.loads(json.dumps(listing_data(list_scans(tmp_path))))
    assert [scan["number"] for scan in data["scans"]] == [1, 2, 3]
    assert len(data["refused"]) == 1
