"""DICOM segmentations: names, colours, codes, and every voxel where the scan has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.data import get_testdata_file
from pydicom.sr.codedict import codes

from MedAssistLib.case import Code, Scan
from MedAssistLib.errors import InputError
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing.sagittal_series import write_sagittal
from Testing.test_cli import medassist

SLICES, ROWS, COLUMNS = 9, 5, 4
SHAPE = (SLICES, ROWS, COLUMNS)


def _complete(number: int, dataset: pydicom.Dataset) -> None:
    """Add what a segmentation copies from its scan."""
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = "1.2", "1.2.5"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, number + 1
    dataset.SliceThickness = 3.0  # Not the distance of the slices.
    for keyword in (
        "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime",
        "AccessionNumber", "StudyID", "ReferringPhysicianName",
    ):  # fmt: skip
        setattr(dataset, keyword, "")


@pytest.fixture
def series(tmp_path: Path) -> list[pydicom.Dataset]:
    positions = [(1.5 * x, -10.0, 20.0) for x in range(SLICES)]
    write_sagittal(tmp_path / "scan", positions, "1.2.3", _complete)
    read = [pydicom.dcmread(path) for path in (tmp_path / "scan").iterdir()]
    return sorted(read, key=lambda dataset: -float(dataset.ImagePositionPatient[0]))


@pytest.fixture
def scan(series: list[pydicom.Dataset], tmp_path: Path) -> Scan:
    return read_scan(tmp_path / "scan")


def _described(number: int, label: str, kind: object, **more: object) -> hd.seg.SegmentDescription:
    algorithm = hd.seg.SegmentAlgorithmTypeValues.MANUAL
    return hd.seg.SegmentDescription(number, label, codes.SCT.Organ, kind, algorithm, **more)


def _saved(
    path: Path, series: Sequence[pydicom.Dataset], masks: npt.NDArray[np.generic], kind: str
) -> Path:
    segments = [
        _described(
            1, "Liver", codes.SCT.Liver, display_color=hd.color.CIELabColor.from_rgb(221, 130, 101)
        ),
        _described(2, "Left kidney", codes.SCT.Kidney, anatomic_regions=[codes.SCT.Abdomen]),
    ]
    segments[1].SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence = [
        hd.sr.CodedConcept("7771000", "SCT", "Left")
    ]
    made = hd.seg.Segmentation(
        list(series), masks, kind, segments, hd.UID(), 1, hd.UID(), 1, "maker", "model", "1", "1"
    )
    made.save_as(path)
    return path


def _masks() -> npt.NDArray[np.uint8]:
    masks = np.zeros((*SHAPE, 2), np.uint8)
    masks[2:6, 1:4, 0:2, 0] = 1
    masks[4:7, 2:5, 3:4, 1] = 1
    return masks


EXPECTED = _masks()[..., 0] + 2 * _masks()[..., 1]


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_a_dicom_segmentation_keeps_names_colours_codes_and_voxels(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path, kind: str
) -> None:
    masks = _masks() if kind == "BINARY" else EXPECTED
    path = _saved(tmp_path / "seg.dcm", series, masks, kind)
    segmentation = read_segmentation(path, scan)
    assert np.array_equal(sitk.GetArrayViewFromImage(segmentation.labels), EXPECTED)
    liver, kidney = segmentation.segments
    assert (liver.label, liver.name, liver.colour) == (1, "Liver", (221, 130, 101))
    assert liver.type == Code("10200004", "SCT", "Liver")
    assert liver.category.scheme == "SCT"
    assert (kidney.label, kidney.name) == (2, "Left kidney")
    assert kidney.modifier == Code("7771000", "SCT", "Left")
    assert kidney.region is not None
    assert kidney.region.meaning == "Abdomen"
    assert kidney.colour != liver.colour


def test_a_segmentation_of_part_of_a_turned_scan_goes_to_its_own_voxels(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    """Only the slices with a structure are stored, and the scan may have its axes turned."""
    path = _saved(tmp_path / "seg.dcm", series[2:7], _masks()[2:7], "BINARY")
    turned = replace(scan, image=sitk.DICOMOrient(scan.image, "RAS"))
    placed = read_segmentation(path, turned).labels
    back = sitk.DICOMOrient(placed, sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(
        scan.image.GetDirection()
    ))  # fmt: skip
    assert np.array_equal(sitk.GetArrayViewFromImage(back), EXPECTED)
    assert "nearest" not in read_segmentation(path, turned).made_by


def test_on_another_grid_each_voxel_takes_the_nearest_label_and_it_is_told(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    path = _saved(tmp_path / "seg.dcm", series, _masks(), "BINARY")
    moved = sitk.Image(scan.image)
    moved.SetOrigin([value + 0.3 for value in moved.GetOrigin()])
    segmentation = read_segmentation(path, replace(scan, image=moved))
    assert set(np.unique(sitk.GetArrayViewFromImage(segmentation.labels))) == {0, 1, 2}
    assert "nearest" in segmentation.made_by


def _coarser(scan: Scan, factor: int) -> Scan:
    """Return every so many slices of a scan, as if it had been made so."""
    return replace(scan, image=scan.image[:, :, ::factor])


def test_a_structure_between_a_coarser_scans_slices_is_refused_not_lost(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    """An empty structure measures 0 ml, which reads as *no tumour*."""
    masks = np.zeros((*SHAPE, 2), np.uint8)
    masks[0:5, 1:4, 0:2, 0], masks[1, 2:4, 3:4, 1] = 1, 1
    path = _saved(tmp_path / "seg.dcm", series, masks, "BINARY")
    with pytest.raises(InputError, match=r"lost between the scan's voxels \(Left kidney\)"):
        read_segmentation(path, _coarser(scan, 2))


def test_a_volume_that_another_grid_changes_much_is_told(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    masks = np.zeros((*SHAPE, 2), np.uint8)
    masks[0:5, 1:4, 0:2, 0], masks[0:4, 2:4, 3:4, 1] = 1, 1
    path = _saved(tmp_path / "seg.dcm", series, masks, "BINARY")
    made_by = read_segmentation(path, _coarser(scan, 2)).made_by
    assert made_by.endswith("nearest voxels (Liver +20 % volume)")


def test_a_finer_scan_does_not_have_the_segmentations_voxels(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    path = _saved(tmp_path / "seg.dcm", series, _masks(), "BINARY")
    size, spacing = list(scan.image.GetSize()), list(scan.image.GetSpacing())
    size[2], spacing[2] = 2 * size[2] - 1, spacing[2] / 2
    finer = sitk.Resample(
        scan.image, size, sitk.Transform(), sitk.sitkNearestNeighbor,
        scan.image.GetOrigin(), spacing, scan.image.GetDirection(),
    )  # fmt: skip
    assert "nearest" in read_segmentation(path, replace(scan, image=finer)).made_by


def test_a_segmentation_in_another_frame_of_reference_is_refused(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    """Coordinates of another patient, or of the same on another day, fit by chance only."""
    path = _saved(tmp_path / "seg.dcm", series, _masks(), "BINARY")
    assert scan.attributes["FrameOfReferenceUID"] == "1.2.5"
    other = {**scan.attributes, "FrameOfReferenceUID": "1.2.6"}
    with pytest.raises(InputError, match="another frame of reference"):
        read_segmentation(path, replace(scan, attributes=other, series_uid="1.2.4"))
    # It names the series that it was drawn on, so a changed frame of reference is no other place.
    drawn_on = read_segmentation(path, replace(scan, attributes=other))
    assert np.array_equal(sitk.GetArrayViewFromImage(drawn_on.labels), EXPECTED)


@pytest.mark.parametrize("thickness", [None, 1.5])
def test_slices_with_gaps_and_no_spacing_are_refused_as_such(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path, thickness: float | None
) -> None:
    """Two slices far apart may be all that was drawn, or the ends of a thick structure."""
    masks = np.zeros((*SHAPE, 2), np.uint8)
    masks[[1, 4], 1:4, 0:2, 0] = 1
    path = _saved(tmp_path / "seg.dcm", series, masks, "BINARY")
    data = pydicom.dcmread(path)
    (measures,) = data.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
    del measures.SpacingBetweenSlices, measures.SliceThickness
    if thickness:
        measures.SliceThickness = thickness
    data.save_as(path)
    with pytest.raises(InputError, match="does not say how far apart its slices are"):
        read_segmentation(path, scan)


def test_a_segmentation_that_leaves_the_scan_is_refused(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    path = _saved(tmp_path / "seg.dcm", series, _masks(), "BINARY")
    elsewhere = sitk.Image(scan.image)
    elsewhere.SetOrigin((500.0, 0.0, 0.0))
    shifted = sitk.Image(scan.image)
    shifted.SetOrigin(scan.image.TransformContinuousIndexToPhysicalPoint((0.0, 0.0, 3.4)))
    for image in (elsewhere, shifted, scan.image[:, :, :4]):
        with pytest.raises(InputError, match="outside of the scan"):
            read_segmentation(path, replace(scan, image=image))


def test_overlaps_and_fractions_are_refused(
    series: list[pydicom.Dataset], scan: Scan, tmp_path: Path
) -> None:
    masks = _masks()
    masks[4, 2, 1, 1] = 1
    with pytest.raises(InputError, match="overlapping segments"):
        read_segmentation(_saved(tmp_path / "a.dcm", series, masks, "BINARY"), scan)
    halves = _masks().astype(np.float32) * 0.4
    with pytest.raises(InputError, match="fractions"):
        read_segmentation(_saved(tmp_path / "b.dcm", series, halves, "FRACTIONAL"), scan)


def test_the_segmentation_in_a_scans_folder_is_found_and_is_no_scan(
    series: list[pydicom.Dataset], tmp_path: Path
) -> None:
    folder = tmp_path / "scan"
    with pytest.raises(InputError, match="holds no DICOM segmentations"):
        read_segmentation(folder)
    path = _saved(folder / "seg.dcm", series, _masks(), "BINARY")
    scan = read_scan(folder, ReadOptions())
    assert scan.image.GetSize() == (COLUMNS, ROWS, SLICES)
    assert len(read_segmentation(folder, scan).segments) == 2
    with pytest.raises(InputError, match="is no volume: segmentation"):
        read_scan(path)
    run = medassist("measure", folder, "--segmentation", path)
    assert run.returncode == 0, run.stderr
    assert "Left kidney" in run.stdout


def test_a_segmentation_of_one_slice_from_another_program_is_read() -> None:
    path = get_testdata_file("liver_1frame.dcm", download=False)
    segmentation = read_segmentation(str(path))
    assert [segment.name for segment in segmentation.segments] == ["Liver"]
    assert sitk.GetArrayViewFromImage(segmentation.labels).any()


def test_a_damaged_segmentation_is_refused_in_one_line(
    series: list[pydicom.Dataset], tmp_path: Path
) -> None:
    path = _saved(tmp_path / "seg.dcm", series, _masks(), "BINARY")
    content = path.read_bytes()
    for share in (0.2, 0.5, 0.9, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InputError) as caught:
            read_segmentation(path)
        assert str(path) in str(caught.value)
