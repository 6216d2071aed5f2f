"""DICOM SEG of real series: tilted, uneven, multi-frame, badly anonymised; of many structures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Case, Segment, Segmentation
from MedAssistLib.export.dicom.seg import write_seg
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing.dicom_exports import (
    assert_read_alike_by_all,
    drawn_on,
    faults_by_dciodvfy,
)

SETS = [
    ("ct_abdomen_20slices", "1"),
    ("ct_gantry_tilt_ge", "1"),
    ("ct_gantry_tilt_philips", "1"),
    ("mr_enhanced_siemens", "3"),
]


@pytest.mark.parametrize(("name", "series"), SETS)
def test_every_reader_finds_each_voxel_on_real_series(
    shared_data: Path, tmp_path: Path, name: str, series: str
) -> None:
    scan = read_scan(shared_data / "dicom" / name, ReadOptions(series=series))
    case = drawn_on(scan)
    write_seg(case, tmp_path / "x.seg.dcm")
    assert_read_alike_by_all(tmp_path / "x.seg.dcm", case, tmp_path / "dcmqi")
    assert faults_by_dciodvfy(tmp_path / "x.seg.dcm") == []


def test_frames_refer_to_the_right_time_point_of_a_multi_frame_series(
    shared_data: Path, tmp_path: Path
) -> None:
    """Four files hold the same six places at four times."""
    folder = shared_data / "dicom" / "mr_enhanced_siemens"
    scan = read_scan(folder, ReadOptions(series="3"))
    write_seg(drawn_on(scan), tmp_path / "x.seg.dcm")
    sources = {data.SOPInstanceUID: data for data in map(pydicom.dcmread, folder.rglob("*.dcm"))}
    seg = pydicom.dcmread(tmp_path / "x.seg.dcm")
    (named,) = seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence
    values = sitk.GetArrayViewFromImage(scan.image)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        assert image.ReferencedSOPInstanceUID == named.ReferencedSOPInstanceUID
        place = [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient]
        k = scan.image.TransformPhysicalPointToIndex(place)[2]
        source = sources[image.ReferencedSOPInstanceUID]
        assert np.array_equal(source.pixel_array[image.ReferencedFrameNumber - 1], values[k])


@pytest.mark.alone
def test_forty_one_structures_of_the_abdomen_take_under_ten_seconds(
    shared_data: Path, tmp_path: Path
) -> None:
    """The reference segmentation has 31 there; the ten largest are parted in two."""
    scan = read_scan(shared_data / "dicom" / "ct_abdomen_20slices")
    drawn = read_segmentation(shared_data / "ct" / "example_seg_dicom.nii.gz", scan)
    labels = sitk.GetArrayFromImage(drawn.labels)
    sizes = np.bincount(labels.ravel())[1:]
    every_other = labels[:, ::2]
    for new, label in enumerate(np.argsort(sizes)[::-1][:10] + 1, 200):
        every_other[every_other == label] = new
    segments = tuple(
        Segment(label=int(label), name=f"Structure {label}", colour=(int(label), 90, 200))
        for label in np.unique(labels)[1:]
    )
    assert len(segments) == 41
    made = Segmentation(
        labels=geometry.from_array(labels, scan.image), segments=segments, made_by="model m (1)"
    )
    case = Case(scan=scan, segmentations=(made,))
    began = time.process_time()  # Other programs on the machine are no fault of this one.
    write_seg(case, tmp_path / "x.seg.dcm")
    took = time.process_time() - began
    assert took < 10.0
    assert faults_by_dciodvfy(tmp_path / "x.seg.dcm") == []
    assert_read_alike_by_all(tmp_path / "x.seg.dcm", case, tmp_path / "dcmqi")
