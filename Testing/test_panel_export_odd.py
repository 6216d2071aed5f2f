"""Exports from scenes as planners have them: what does not fit into one label image on the scan."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.read import read_segmentation
from MedAssistLib.scene.voxels import fill
from Testing.check_cases import body
from Testing.panel_export_desk import add_body

if TYPE_CHECKING:
    from Testing.panel_export_desk import Desk

pytest_plugins = ("Testing.panel_export_desk",)

FINER = 4


def add_tumour(volume: Any, node: Any) -> np.ndarray:
    """Draw a tumour over what is drawn already; return its voxels."""
    import slicer

    name = node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    mask = np.zeros(body()[0].image.GetSize()[::-1], np.uint8)
    mask[20:30, 20:40, 20:40] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, name, volume)
    return mask > 0


def add_vessel(volume: Any) -> Any:
    """Draw a vessel a quarter of a voxel wide, on a grid four times as fine as the volume's."""
    import slicer

    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Planning")
    node.CreateDefaultDisplayNodes()
    values = np.zeros([FINER * size for size in slicer.util.arrayFromVolume(volume).shape], "u1")
    values[40:120, 21, 21] = 1
    labelmap = slicer.vtkOrientedImageData()
    fill(labelmap, values)
    to_ras = slicer.util.arrayFromVTKMatrix(_ijk_to_ras(volume))
    to_ras[:3, :3] /= FINER
    labelmap.SetGeometryFromImageToWorldMatrix(slicer.util.vtkMatrixFromArray(to_ras))
    vessel = slicer.vtkSegment()
    vessel.SetName("Vessel")
    vessel.SetLabelValue(1)
    vessel.AddRepresentation("Binary labelmap", labelmap)
    node.GetSegmentation().AddSegment(vessel, "vessel")
    return node


def _ijk_to_ras(volume: Any) -> Any:
    from MedAssistLib.scene.grid import ijk_to_ras

    return ijk_to_ras(volume)


def in_slicer(path: Path, volume: Any) -> dict[str, np.ndarray]:
    """Return the segments' voxels on the volume's grid, as Slicer itself reads the file."""
    import slicer

    node = slicer.vtkMRMLSegmentationNode()
    slicer.mrmlScene.AddNode(node)
    storage = slicer.vtkMRMLSegmentationStorageNode()
    slicer.mrmlScene.AddNode(storage)
    storage.SetFileName(str(path))
    assert storage.ReadData(node)
    own = node.GetSegmentation()
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap
    return {
        own.GetSegment(name).GetName(): voxels(node, name, volume) > 0
        for name in own.GetSegmentIDs()
    }


def test_overlapping_segments_leave_whole_as_slicers_own_file(desk: Desk) -> None:
    """A liver with a hole where its tumour is has the wrong volume in every other program."""
    volume, node = add_body(desk)
    tumour = add_tumour(volume, node)
    desk.only("segmentation")
    desk.format("segmentation", "Slicer (.seg.nrrd)")
    desk.written()
    assert "⚠" not in desk.told, "nothing was lost"
    found = in_slicer(desk.folder / "CT abdomen.seg.nrrd", volume)
    made = body()[1]
    labels = sitk.GetArrayViewFromImage(made.labels)
    assert list(found) == [*(own.name for own in made.segments), "Tumour"]
    for own in made.segments:
        np.testing.assert_array_equal(found[own.name], labels == own.label, err_msg=own.name)
    np.testing.assert_array_equal(found["Tumour"], tumour)


def test_what_loses_an_overlap_names_the_format_that_does_not(desk: Desk) -> None:
    """A warning without a way out is only a worry."""
    add_tumour(*add_body(desk))
    desk.only("segmentation")
    desk.format("segmentation", "NIfTI (.nii.gz)")
    desk.written()
    assert "Tumour overlap" in desk.told
    assert "As Slicer (.seg.nrrd) a segmentation leaves with all as it was drawn." in desk.told


@pytest.mark.parametrize("format_name", ["Slicer (.seg.nrrd)", "NIfTI (.nii.gz)"])
def test_a_drawing_finer_than_the_scan_is_kept_or_its_loss_is_told(
    desk: Desk, format_name: str
) -> None:
    """A vessel thinner than a voxel would be gone from the plan, without a word."""
    volume, _node = add_body(desk)
    node = add_vessel(volume)
    desk.bench.host.wait(lambda: desk.section.segmentation is node, 5, "the choice")
    desk.only("segmentation")
    desk.format("segmentation", format_name)
    (name,) = desk.written()
    read = read_segmentation(desk.folder / name)
    left = int((sitk.GetArrayViewFromImage(read.labels) > 0).sum())
    if name.endswith(".seg.nrrd"):
        assert left == 80
        image = volume.GetSpacing()
        assert np.allclose(np.array(read.labels.GetSpacing()) * FINER, image)
        assert "⚠" not in desk.told
        # One end of the vessel, in the place where it was drawn.
        k, j, i = np.argwhere(sitk.GetArrayViewFromImage(read.labels))[0]
        end = read.labels.TransformIndexToPhysicalPoint([int(i), int(j), int(k)])
        ras = np.array(_ijk_to_ras(volume).MultiplyPoint([21 / FINER, 21 / FINER, 10.0, 1.0]))
        np.testing.assert_allclose(end, ras[:3] * [-1, -1, 1], atol=1e-6)
    else:
        assert left == 0
        assert "Vessel was drawn on other voxels than the scan's" in desk.told
        assert "Nothing is left of Vessel" in desk.told


def test_what_is_lost_is_of_no_concern_where_nothing_of_it_leaves(desk: Desk) -> None:
    """Who writes the scan alone need not read of overlaps."""
    add_tumour(*add_body(desk))
    desk.only("scan")
    desk.written()
    assert "⚠" not in desk.told


def test_names_are_taken_out_of_overlapping_layers_too(desk: Desk) -> None:
    """The file that a person's drawing was read from is often called after the patient."""
    volume, node = add_body(desk)
    add_tumour(volume, node)
    node.SetAttribute("MedAssist.made_by", "file Doe^Jane")
    desk.only("segmentation")
    desk.format("segmentation", "Slicer (.seg.nrrd)")
    desk.tick("withoutNames")
    (name,) = desk.written()
    assert b"Jane" not in (desk.folder / name).read_bytes()
    assert "Tumour" in in_slicer(desk.folder / name, volume)


def test_the_filters_of_an_enhanced_scan_are_told(desk: Desk) -> None:
    """A report that hides that its scan was smoothed tells of another scan."""
    volume, _node = add_body(desk)
    volume.SetAttribute("MedAssist.enhancement", json.dumps(["denoise.median"]))
    desk.only("report")
    desk.tick("provenance")
    desk.written()
    for ending in ("report.html", "provenance.json"):
        assert "denoise.median" in (desk.folder / f"CT abdomen-{ending}").read_text("utf-8")


def test_files_that_lie_elsewhere_than_what_is_seen_say_so(desk: Desk) -> None:
    """A plan printed from a surface that is five centimetres off what the screen shows."""
    import slicer

    volume, node = add_body(desk)
    above = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "Registration")
    moved = np.eye(4)
    moved[0, 3] = 50.0
    above.SetMatrixTransformToParent(slicer.util.vtkMatrixFromArray(moved))
    for own in (volume, node):
        own.SetAndObserveTransformNodeID(above.GetID())
    desk.only("surfaces")
    desk.written()
    assert "not where the transform Registration moves it" in desk.told


def test_a_file_that_cannot_be_replaced_leaves_the_others_as_they_were(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that is open in another program must not leave half of an old export behind."""
    add_body(desk)
    desk.only("segmentation", "measurements")
    first = desk.written()
    earlier = {name: (desk.folder / name).read_bytes() for name in first}
    desk.only("segmentation", "measurements", "surfaces")
    replace = os.replace

    def replace_but_tables(source: Any, target: Any) -> None:
        if Path(target) == desk.folder / "CT abdomen-measurements.csv":
            raise PermissionError(13, "in use", str(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", replace_but_tables)
    desk.bench.host.dialogs.answer(desk.bench.yes())
    job = desk.write()
    assert str(job.state) == "failed"
    assert {path.name: path.read_bytes() for path in desk.folder.iterdir()} == earlier


def test_a_thin_drawing_at_the_rim_stays_on_the_scans_grid(desk: Desk) -> None:
    """A file one slice larger than its scan is refused by whoever lays it onto the scan."""
    import slicer

    volume, node = add_body(desk)
    add_tumour(volume, node)
    name = node.GetSegmentation().AddEmptySegment("rim", "Rim")
    mask = np.zeros(body()[0].image.GetSize()[::-1], np.uint8)
    mask[-1, 3:9, -1] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, name, volume)
    node.GetSegmentation().AddEmptySegment("nothing", "Nothing")
    desk.only("segmentation")
    desk.format("segmentation", "Slicer (.seg.nrrd)")
    desk.written()
    path = desk.folder / "CT abdomen.seg.nrrd"
    assert sitk.ReadImage(str(path)).GetSize() == body()[0].image.GetSize()
    found = in_slicer(path, volume)
    np.testing.assert_array_equal(found["Rim"], mask > 0)
    assert not found["Nothing"].any()
