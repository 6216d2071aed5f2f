"""DICOM SEG: every reader finds the same voxels in the same place, whatever way the scan lies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Case, Scan, Segment
from MedAssistLib.errors import InputError
from MedAssistLib.export.dicom.planes import in_planes
from MedAssistLib.export.dicom.seg import write_label_map, write_seg
from MedAssistLib.export.dicom.sources import source_of
from MedAssistLib.export.formats import DICOM_FORMATS, writer
from MedAssistLib.read import read_scan, read_segmentation
from Testing import orientations
from Testing.dicom_exports import (
    MODEL,
    assert_read_alike_by_all,
    complete,
    content,
    drawn_on,
    faults_by_dciodvfy,
)
from Testing.dicom_series import AXIAL, STORED, ZS, write_series

CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
OBLIQUE = (0.936293363584199, 0.275095847318244, 0.218350663146334,
           -0.289629477625516, 0.956425085849232, 0.036957013524625)  # fmt: skip


def stacked(orientation: tuple[float, ...], steps: list[float]) -> list[np.ndarray]:
    """Return positions of slices along the normal of their rows and columns."""
    normal = np.cross(orientation[:3], orientation[3:])
    return [np.array([-10.0, 20.0, -55.5]) + step * normal for step in steps]


EVEN = [0.0, 2.5, 5.0, 7.5]
TILTED = [(-10.0, 20.0 + 1.2 * k, 3.0 * k) for k in range(4)]
STACKS = {
    "axial": (stacked(AXIAL, EVEN), AXIAL),
    "axial, head first down": (stacked(AXIAL, EVEN)[::-1], AXIAL),
    "coronal": (stacked(CORONAL, EVEN), CORONAL),
    "sagittal": (stacked(SAGITTAL, EVEN), SAGITTAL),
    "oblique": (stacked(OBLIQUE, EVEN), OBLIQUE),
    "tilted": (TILTED, AXIAL),
    "uneven": (stacked(AXIAL, [0.0, 2.0, 5.0, 7.0]), AXIAL),
    "oblique and uneven": (stacked(OBLIQUE, [0.0, 2.0, 5.0, 7.0]), OBLIQUE),
}


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return read_scan(write_series(tmp_path / "scan", STORED, ZS, change=complete))


@pytest.mark.parametrize("kind", ["seg", "labelmap"])
@pytest.mark.parametrize("name", STACKS)
def test_every_reader_finds_each_voxel_in_its_place(tmp_path: Path, name: str, kind: str) -> None:
    """A mirrored or shifted segmentation shows the structure where it is not."""
    positions, orientation = STACKS[name]
    folder = write_series(tmp_path / "scan", STORED, positions, orientation, change=complete)
    case = drawn_on(read_scan(folder))
    path = tmp_path / f"x.{kind}.dcm"
    writer(DICOM_FORMATS, path)(case, path)
    assert_read_alike_by_all(path, case, tmp_path / "dcmqi")
    assert kind == "labelmap" or faults_by_dciodvfy(path) == []


@pytest.mark.parametrize("name", ["axial", "oblique", "sagittal"])
def test_each_frame_refers_to_the_slice_that_it_was_drawn_on(tmp_path: Path, name: str) -> None:
    """Viewers lay a frame over the slice that it names, whatever its position says."""
    positions, orientation = STACKS[name]
    folder = write_series(tmp_path / "scan", STORED, positions, orientation, change=complete)
    write_seg(drawn_on(read_scan(folder)), tmp_path / "x.seg.dcm")
    seg = pydicom.dcmread(tmp_path / "x.seg.dcm")
    slices = {data.SOPInstanceUID: data for data in map(pydicom.dcmread, folder.iterdir())}
    (series,) = seg.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.826.0.1.2"
    named = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    assert named == set(slices)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        (derivation,) = frame.DerivationImageSequence
        (image,) = derivation.SourceImageSequence
        source = slices[image.ReferencedSOPInstanceUID]
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        assert np.allclose(place, source.ImagePositionPatient, atol=1e-6)
        assert image.SpatialLocationsPreserved == "YES"
        assert image.ReferencedSOPClassUID == source.SOPClassUID
        assert "ReferencedFrameNumber" not in image


def test_planes_between_slices_refer_to_both_and_claim_no_pixel(tmp_path: Path) -> None:
    """Uneven slices at 0, 2, 5, 7 mm are read onto planes 1 mm apart or so."""
    positions = stacked(AXIAL, [0.0, 2.0, 5.0, 7.0])
    scan = read_scan(write_series(tmp_path / "scan", STORED, positions, change=complete))
    assert scan.image.GetSize()[2] > 4
    write_seg(drawn_on(scan), tmp_path / "x.seg.dcm")
    seg = pydicom.dcmread(tmp_path / "x.seg.dcm")
    for frame in seg.PerFrameFunctionalGroupsSequence:
        z = float(frame.PlanePositionSequence[0].ImagePositionPatient[2])
        near = [p for p in positions if abs(p[2] - z) < 1e-6]
        images = frame.DerivationImageSequence[0].SourceImageSequence
        named = {int(image.ReferencedSOPInstanceUID.rsplit(".", 1)[1]) for image in images}
        below = max(n for n, p in enumerate(positions) if p[2] <= z + 1e-6)
        assert named == ({below} if near else {below, below + 1})
        assert {image.SpatialLocationsPreserved for image in images} == {"YES" if near else "NO"}


@pytest.mark.parametrize(("order", "flips"), orientations.ALL)
def test_the_way_labels_are_stored_changes_nothing(
    scan: Scan, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    """A segmentation from another program may have its axes turned."""
    labels = drawn_on(scan).segmentations[0].labels
    turned, origins = in_planes(orientations.stored(labels, order, flips), source_of(scan))
    assert geometry.same_grid(turned, labels)
    assert sitk.Hash(turned) == sitk.Hash(labels)
    assert [origin.same for origin in origins] == [True] * 4


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_segmentation_on_another_grid_stays_on_it(
    scan: Scan, tmp_path: Path, mirrored: bool
) -> None:
    """A scan that was resampled or cropped after reading has fewer or other voxels."""
    grid = sitk.Resample(
        scan.image, [9, 11, 6], sitk.Transform(), sitk.sitkNearestNeighbor,
        (-8.0, 22.0, 0.5), (1.5, 1.25, 0.9), scan.image.GetDirection(),
    )  # fmt: skip
    image = sitk.Flip(grid, [True, False, False]) if mirrored else grid
    case = drawn_on(replace(scan, image=image))
    write_seg(case, tmp_path / "x.seg.dcm")
    assert_read_alike_by_all(tmp_path / "x.seg.dcm", case, tmp_path / "dcmqi")
    seg = pydicom.dcmread(tmp_path / "x.seg.dcm")
    assert not any(f.DerivationImageSequence for f in seg.PerFrameFunctionalGroupsSequence)
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == scan.series_uid


@pytest.mark.parametrize(
    ("made_by", "said"),
    [
        (MODEL, ("AUTOMATIC", "organs", "tiny 1.2")),
        ("model organs", ("AUTOMATIC", "organs", "not known")),
        (f"{MODEL}, edited or reviewed by hand", ("SEMIAUTOMATIC", "organs", "tiny 1.2")),
        ("by hand", ("MANUAL", "", "")),
        ("file organs", ("SEMIAUTOMATIC", "not known", "")),
        ("", ("SEMIAUTOMATIC", "not known", "")),
    ],
)
def test_it_says_who_drew_it_and_claims_nothing_that_nobody_knows(
    scan: Scan, tmp_path: Path, made_by: str, said: tuple[str, str, str]
) -> None:
    for write in (write_seg, write_label_map):
        write(drawn_on(scan, made_by), tmp_path / "x.dcm")
        for item in pydicom.dcmread(tmp_path / "x.dcm").SegmentSequence:
            name = item.get("SegmentAlgorithmName", "")
            identified = item.get("SegmentationAlgorithmIdentificationSequence", None)
            version = identified[0].AlgorithmVersion if identified else ""
            if item.SegmentNumber > 0:  # 0 is the background of a label map.
                assert (item.SegmentAlgorithmType, name, version) == said


def test_a_structure_is_tracked_from_export_to_export(scan: Scan, tmp_path: Path) -> None:
    """The same structure of the same scan has one UID, also after it was edited."""
    case = drawn_on(scan)
    write_seg(case, tmp_path / "a.seg.dcm")
    edited = replace(case.segmentations[0], labels=case.segmentations[0].labels * 0, made_by="")
    write_seg(replace(case, segmentations=(edited,)), tmp_path / "b.seg.dcm")
    first, second = (
        [(item.TrackingID, item.TrackingUID) for item in pydicom.dcmread(path).SegmentSequence]
        for path in (tmp_path / "a.seg.dcm", tmp_path / "b.seg.dcm")
    )
    assert first == second
    assert [name for name, _ in first] == ["Liver", "Left kidney, Größe"]
    assert len({uid for _, uid in first}) == 2


def test_two_exports_hold_the_same_and_are_two_instances(scan: Scan, tmp_path: Path) -> None:
    """An archive takes two files of one UID for the same, and keeps whichever it likes."""
    paths = [tmp_path / "a.seg.dcm", tmp_path / "b.seg.dcm"]
    for path in paths:
        write_seg(drawn_on(scan), path)
    assert content(paths[0]) == content(paths[1])
    first, second = (pydicom.dcmread(path) for path in paths)
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    other = drawn_on(scan)
    other.segmentations[0].labels[0, 0, 0] = 7
    write_seg(other, tmp_path / "c.seg.dcm")
    assert pydicom.dcmread(tmp_path / "c.seg.dcm").SeriesInstanceUID != first.SeriesInstanceUID


def test_structures_may_be_absent_alone_or_all(scan: Scan, tmp_path: Path) -> None:
    """A model that looked for a lesion and found none has found something out."""
    for present in ([7], []):
        case = drawn_on(scan)
        made = case.segmentations[0]
        array = sitk.GetArrayFromImage(made.labels)
        labels = geometry.from_array(np.where(np.isin(array, present), array, 0), made.labels)
        case = replace(case, segmentations=(replace(made, labels=labels),))
        path = tmp_path / f"{len(present)}.seg.dcm"
        write_seg(case, path)
        again = read_segmentation(path, scan)
        assert [segment.name for segment in again.segments] == ["Liver", "Left kidney, Größe"]
        assert np.array_equal(sitk.GetArrayViewFromImage(again.labels), 2 * np.isin(array, present))
        assert faults_by_dciodvfy(path) == []


def test_names_and_codes_that_dicom_cannot_hold_are_made_to_fit(scan: Scan, tmp_path: Path) -> None:
    names = ["a\\b\nc", "很长的名字 " + 20 * "long "]
    segments = tuple(
        Segment(label=label, name=name, colour=(1, 2, 3))
        for label, name in zip((2, 7), names, strict=True)
    )
    made = replace(drawn_on(scan).segmentations[0], segments=segments)
    write_seg(Case(scan=scan, segmentations=(made,)), tmp_path / "x.seg.dcm")
    found = highdicom.seg.segread(tmp_path / "x.seg.dcm").SegmentSequence
    assert found[0].SegmentLabel == "a/b c"
    assert found[1].SegmentLabel.startswith("很长的名字 long long")
    assert len(found[1].SegmentLabel) == 64


def test_voxels_that_no_segment_describes_are_refused(scan: Scan, tmp_path: Path) -> None:
    made = drawn_on(scan).segmentations[0]
    for known in (made.segments[:1], made.segments[1:]):
        case = Case(scan=scan, segmentations=(replace(made, segments=known),))
        with pytest.raises(InputError, match="which none of its segments has"):
            write_seg(case, tmp_path / "x.seg.dcm")
    with pytest.raises(InputError, match="no segmentation to export"):
        write_seg(Case(scan=scan), tmp_path / "x.seg.dcm")
    assert list(tmp_path.glob("*.dcm")) == []
