"""Reading: what is good is read as it is, what is not is refused in one line."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation, Severity
from MedAssistLib.errors import InputError, MedAssistError
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing import orientations
from Testing.sagittal_series import write_sagittal

PIXDIM_1 = 80  # byte offset of pixdim[1] in a NIfTI-1 header


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".mhd"])
def test_every_format_keeps_values_and_place(small_scan: Scan, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"scan{suffix}"
    sitk.WriteImage(small_scan.image, str(path))
    scan = read_scan(path)
    assert geometry.same_grid(scan.image, small_scan.image)
    assert np.array_equal(
        sitk.GetArrayViewFromImage(scan.image), sitk.GetArrayViewFromImage(small_scan.image)
    )
    assert scan.name == "scan"


def test_nothing_about_the_patient_is_kept_from_a_header(small_scan: Scan, tmp_path: Path) -> None:
    small_scan.image.SetMetaData("PatientName", "Doe^Jane")
    sitk.WriteImage(small_scan.image, str(tmp_path / "scan.nrrd"))
    assert not read_scan(tmp_path / "scan.nrrd").image.GetMetaDataKeys()


def _nifti(path: Path, change: Callable[[bytearray], None] = lambda _: None) -> Path:
    """Write a small valid NIfTI and change its bytes."""
    values = np.arange(8 * 9 * 10, dtype=np.int16).reshape(8, 9, 10)
    nib.save(nib.Nifti1Image(values, np.diag([1.0, 1.5, 2.0, 1.0])), path)
    raw = bytearray(path.read_bytes())
    change(raw)
    path.write_bytes(raw)
    return path


def _spacing(value: float) -> Callable[[bytearray], None]:
    return lambda raw: struct.pack_into("<f", raw, PIXDIM_1, value)


def _save(path: Path, array: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return path


def _bytes(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _cut(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    return _bytes(path, content[: int(len(content) * share)])


def _written(path: Path, array: np.ndarray, *, compressed: bool = False) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path), useCompression=compressed)
    return path


def _without_images(path: Path) -> Path:
    path.mkdir()
    (path / "notes.txt").write_text("no image")
    return path


NOISE = np.random.default_rng(0).normal(0, 50, (12, 10, 9)).astype(np.int16)
ZERO_SPACING = b"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementSpacing = 0 1 1\n"

HOSTILE: dict[str, Callable[[Path], Path]] = {
    "missing": lambda d: d / "missing.nii.gz",
    "empty": lambda d: _bytes(d / "x.nii.gz", b""),
    "empty nrrd": lambda d: _bytes(d / "x.nrrd", b""),
    "text named nii.gz": lambda d: _bytes(d / "x.nii.gz", b"this is not an image\n" * 50),
    "zipped text named nii.gz": lambda d: _bytes(d / "x.nii.gz", gzip.compress(b"text" * 500)),
    "text named dcm": lambda d: _bytes(d / "x.dcm", b"this is not an image\n" * 50),
    "cut nii": lambda d: _cut(_nifti(d / "x.nii")),
    "cut nii.gz": lambda d: _cut(_nifti(d / "x.nii.gz", lambda _: None)),
    "cut within header": lambda d: _cut(_nifti(d / "x.nii"), 0.1),
    "cut nrrd": lambda d: _cut(_written(d / "x.nrrd", NOISE, compressed=True)),
    "cut mha": lambda d: _cut(_written(d / "x.mha", NOISE)),
    "cut packed mha": lambda d: _cut(_written(d / "x.mha", NOISE, compressed=True)),
    "2-D": lambda d: _written(d / "x.nii.gz", NOISE[0]),
    "one slice": lambda d: _written(d / "x.nii.gz", NOISE[:1]),
    "4-D": lambda d: _save(d / "x.nii.gz", np.random.default_rng(1).random((5, 6, 7, 3), "f4")),
    "all zero": lambda d: _save(d / "x.nii.gz", np.zeros((5, 6, 7), np.int16)),
    "all NaN": lambda d: _save(d / "x.nii.gz", np.full((5, 6, 7), np.nan, np.float32)),
    "all NaN nrrd": lambda d: _written(d / "x.nrrd", np.full((5, 6, 7), np.nan)),
    "zero spacing nii": lambda d: _nifti(d / "x.nii", _spacing(0.0)),
    "NaN spacing nii": lambda d: _nifti(d / "x.nii", _spacing(np.nan)),
    "negative spacing nii": lambda d: _nifti(d / "x.nii", _spacing(-1.0)),
    "zero spacing mha": lambda d: _bytes(
        d / "x.mha",
        ZERO_SPACING + b"ElementType = MET_UCHAR\nElementDataFile = LOCAL\n" + bytes(64),
    ),
    "no name": lambda d: d / ("x" * 300),
    "half an Analyze image": lambda d: _cut(_written(d / "x.img", NOISE)),
    "TIFF": lambda d: _written(d / "x.tif", NOISE),
    "folder without images": lambda d: _without_images(d / "folder"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_bad_input_is_refused_in_one_line(tmp_path: Path, kind: str) -> None:
    path = HOSTILE[kind](tmp_path)
    with pytest.raises(InputError) as caught:
        read_scan(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_damaged_byte_inside_a_gzip_is_noticed(tmp_path: Path) -> None:
    path = _written(tmp_path / "x.nii.gz", NOISE, compressed=True)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    with pytest.raises(InputError, match="damaged"):
        read_scan(_bytes(path, bytes(content)))


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_some_nan_voxels_are_told(tmp_path: Path, suffix: str) -> None:
    values = np.random.default_rng(2).random((10, 10, 10)).astype(np.float32) + 1.0
    values[0] = np.nan
    path = _written(tmp_path / f"x{suffix}", values)
    scan = read_scan(path)
    assert np.isfinite(sitk.GetArrayViewFromImage(scan.image)).all()
    (finding,) = scan.findings
    assert finding.rule == "scan.not-a-number"
    assert finding.evidence[0].measured == 100


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 600), st.integers(0, 255))
def test_any_damaged_byte_is_read_or_refused_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, place: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.nii"

    def damage(raw: bytearray) -> None:
        raw[place] = value

    _nifti(path, damage)
    try:
        scan = read_scan(path)
    except MedAssistError:
        return
    assert all(0 < spacing < np.inf for spacing in scan.image.GetSpacing())


def test_the_abdomen_ct_equals_simpleitks_own_reader(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "ct_abdomen_20slices"
    scan = read_scan(folder)
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    expected = sitk.ReadImage(names)
    assert scan.modality == "CT"
    assert geometry.same_grid(scan.image, expected)
    assert sitk.Hash(scan.image) == sitk.Hash(expected)


def test_a_strict_reader_refuses_a_tilted_series_and_a_lenient_one_tells(
    shared_data: Path,
) -> None:
    path = shared_data / "dicom" / "ct_gantry_tilt_ge"
    scan = read_scan(path, ReadOptions(series="1"))
    assert "scan.tilt" in [finding.rule for finding in scan.findings]
    with pytest.raises(InputError, match="strict"):
        read_scan(path, ReadOptions(series="1", strict=True))


def _sagittal(xs: list[float]) -> list[tuple[float, float, float]]:
    return [(x, -10.0, 20.0) for x in xs]


def test_slices_are_ordered_by_position_not_by_file_name(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _sagittal([3.0, 1.0, 2.0]), "1.2.3")
    scan = read_scan(tmp_path / "d")
    # Rows × columns = −x here: slices go from x = 3 to x = 1.
    assert scan.image.GetSpacing() == pytest.approx((1.25, 1.5, 1.0))
    for index, (x, first) in enumerate([(3.0, 0), (2.0, 200), (1.0, 100)]):
        assert scan.image.TransformIndexToPhysicalPoint((0, 0, index)) == (x, -10.0, 20.0)
        assert scan.image[0, 0, index] == first
    assert "Doe" not in repr(scan)


def test_missing_slices_are_told_or_refused(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _sagittal([0.0, 1.0, 2.0, 4.0]), "1.2.3")
    scan = read_scan(tmp_path / "d")
    assert scan.image.GetSize()[2] == 5
    assert [finding.severity for finding in scan.findings] == [Severity.REVIEW]
    with pytest.raises(InputError, match="not a regular block"):
        read_scan(tmp_path / "d", ReadOptions(strict=True))


def test_slices_with_their_own_rescale_keep_their_values(tmp_path: Path) -> None:
    """PET and Philips MR scale each slice by itself; rounding would change every measurement."""

    def scale(number: int, dataset: pydicom.Dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = (1.0, 0.5)[number > 0], -1024.0 * number

    write_sagittal(tmp_path / "d", _sagittal([2.0, 1.0, 0.0]), "1.2.3", scale)
    image = read_scan(tmp_path / "d").image
    assert [image[1, 0, k] for k in range(3)] == [1.0, 0.5 * 101 - 1024.0, 0.5 * 201 - 2048.0]


def test_pixel_spacing_is_never_guessed(tmp_path: Path) -> None:
    def remove(_number: int, dataset: pydicom.Dataset) -> None:
        del dataset.PixelSpacing

    def differ(number: int, dataset: pydicom.Dataset) -> None:
        dataset.PixelSpacing = [1.5, 1.25 + number]

    write_sagittal(tmp_path / "none", _sagittal([0.0, 1.0]), "1.2.3", remove)
    with pytest.raises(InputError, match="no image"):
        read_scan(tmp_path / "none")
    write_sagittal(tmp_path / "mixed", _sagittal([0.0, 1.0]), "1.2.3", differ)
    with pytest.raises(InputError, match="2 × single image"):
        read_scan(tmp_path / "mixed")


@pytest.mark.parametrize("value", [["nan", "0", "0"], ["a", "b", "c"]])
def test_one_bad_file_does_not_spoil_a_series(tmp_path: Path, value: list[str]) -> None:
    def spoil(number: int, dataset: pydicom.Dataset) -> None:
        if number == 3:
            dataset.SeriesNumber = None
            element = pydicom.DataElement("ImagePositionPatient", "LO", value)
            dataset["ImagePositionPatient"] = element

    write_sagittal(tmp_path / "d", _sagittal([2.0, 1.0, 0.0, 9.0]), "1.2.3", spoil)
    assert read_scan(tmp_path / "d").image.GetSize()[2] == 3


def _placed_nifti(path: Path, sform: int, qform: int, shift: float = 0.0) -> Path:
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    image = nib.Nifti1Image(np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6), affine)
    other = affine.copy()
    other[0, 3] = shift
    image.set_qform(affine, qform)
    image.set_sform(other, sform)
    nib.save(image, path)
    return path


@pytest.mark.parametrize(
    ("sform", "qform", "shift", "rules"),
    [
        (1, 1, 0.0, []),
        (0, 1, 0.0, []),
        (2, 0, 0.0, []),
        (0, 0, 0.0, ["scan.no-place"]),
        (1, 1, 7.0, ["scan.two-places"]),
    ],
)
def test_a_nifti_of_doubtful_place_says_so(
    tmp_path: Path, sform: int, qform: int, shift: float, rules: list[str]
) -> None:
    scan = read_scan(_placed_nifti(tmp_path / "x.nii.gz", sform, qform, shift))
    assert [finding.rule for finding in scan.findings] == rules


def test_real_scans_have_no_doubtful_place(mni_scan: Scan, shared_data: Path) -> None:
    assert mni_scan.findings == ()
    for path in ("mr/t1_head.nii.gz", "ct/example_ct.nii.gz"):
        assert read_scan(shared_data / path).findings == ()


def test_a_segmentation_whose_header_is_wrong_is_refused(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    path = tmp_path / "x.seg.nrrd"
    for key, value in (("Segment0_Color", "1 0"), ("Segment0_LabelValue", "7")):
        write_seg_nrrd(small_segmentation, path)
        image = sitk.ReadImage(str(path))
        image.SetMetaData(key, value)
        sitk.WriteImage(image, str(path))
        with pytest.raises(InputError, match="segments"):
            read_segmentation(path)


def test_of_several_series_one_must_be_chosen(tmp_path: Path) -> None:
    write_sagittal(tmp_path / "d", _sagittal([0.0, 1.0]), "1.2.3")
    write_sagittal(tmp_path / "d", _sagittal([0.0, 1.0, 2.0]), "1.2.4")
    with pytest.raises(InputError, match="holds 2 scans"):
        read_scan(tmp_path / "d")
    with pytest.raises(InputError, match="has no series '3'"):
        read_scan(tmp_path / "d", ReadOptions(series="3"))
    assert read_scan(tmp_path / "d", ReadOptions(series="2")).image.GetSize()[2] == 3
    assert read_scan(tmp_path / "d", ReadOptions(series="1.2.3")).image.GetSize()[2] == 2


def test_a_label_image_without_names_gets_numbered_ones(tmp_path: Path) -> None:
    labels = np.zeros((5, 6, 7), np.float32)
    labels[1:3], labels[3:4] = 2, 7
    segmentation = read_segmentation(_written(tmp_path / "x.nii.gz", labels))
    assert [(s.label, s.name) for s in segmentation.segments] == [(2, "Label 2"), (7, "Label 7")]
    assert segmentation.segments[0].colour != segmentation.segments[1].colour


def test_a_scan_is_not_taken_for_a_segmentation(tmp_path: Path) -> None:
    for values in (np.random.default_rng(3).random((5, 6, 7)), NOISE):
        with pytest.raises(InputError, match="segmentation"):
            read_segmentation(_written(tmp_path / "x.nii.gz", values))


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::3])
def test_a_segmentation_stored_in_another_order_is_put_on_the_scans_voxels(
    small_scan: Scan,
    small_segmentation: Segmentation,
    tmp_path: Path,
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    """Other programs turn the axes of what they save; the structures must not move."""
    stored = orientations.stored(small_segmentation.labels, order, flips)
    sitk.WriteImage(stored, str(tmp_path / "x.nii.gz"))
    placed = read_segmentation(tmp_path / "x.nii.gz", small_scan).labels
    assert geometry.same_grid(placed, small_scan.image)
    assert sitk.Hash(placed) == sitk.Hash(small_segmentation.labels)


def test_the_abdomens_reference_segmentation_fits_its_dicom_scan(shared_data: Path) -> None:
    scan = read_scan(shared_data / "dicom" / "ct_abdomen_20slices")
    path = shared_data / "ct" / "example_seg_dicom.nii.gz"
    assert geometry.same_grid(read_segmentation(path, scan).labels, scan.image)


def test_a_segmentation_of_another_place_is_refused(
    small_scan: Scan, small_segmentation: Segmentation, tmp_path: Path
) -> None:
    moved = sitk.Image(small_segmentation.labels)
    moved.SetOrigin([value + 0.5 for value in moved.GetOrigin()])
    sitk.WriteImage(moved, str(tmp_path / "x.nrrd"))
    with pytest.raises(InputError, match="not on the scan's grid"):
        read_segmentation(tmp_path / "x.nrrd", small_scan)


def test_layers_without_overlap_become_one_label_image(small_segmentation, tmp_path: Path) -> None:
    """Slicer stores segments in layers of their own after some edits."""
    path = tmp_path / "x.seg.nrrd"
    write_seg_nrrd(small_segmentation, path)
    stored = sitk.ReadImage(str(path))
    values = sitk.GetArrayFromImage(stored)
    layered = sitk.GetImageFromArray(
        np.stack([values == 1, values == 2], axis=-1).astype(np.uint8), isVector=True
    )
    layered.CopyInformation(stored)
    for key in stored.GetMetaDataKeys():
        layered.SetMetaData(key, stored.GetMetaData(key))
    layered.SetMetaData("Segment1_Layer", "1")
    layered.SetMetaData("Segment1_LabelValue", "1")
    sitk.WriteImage(layered, str(path))
    merged = read_segmentation(path)
    assert np.array_equal(sitk.GetArrayFromImage(merged.labels), values)
    assert [s.name for s in merged.segments] == ["Liver", "Left kidney"]
