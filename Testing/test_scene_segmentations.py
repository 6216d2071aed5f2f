"""Segmentations in real MRML scenes (slicer-core): names, codes and places stay what they are."""

from dataclasses import replace

import numpy as np
import pytest

from MedAssistLib.case import (
    Segment,
)
from MedAssistLib.errors import InputError
from MedAssistLib.scene import (
    add_scan,
    add_segmentation,
    segmentation_from_node,
    show,
)
from Testing.scene_cases import (
    DIRECTIONS,
    LIVER,
    SIZE,
    add_labelmap,
    array,
    assert_same_voxels,
    block_segmentation,
    make_scan,
    make_segmentation,
    nodes,
    nothing_on,
    oblique,
    rotate,
)


@pytest.mark.parametrize("below_transform", [False, True], ids=["", "transformed"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_segmentation_keeps_every_voxel_and_word(scene, direction, below_transform):
    """One voxel, name, colour or code lost on the way through Slicer falsifies every result."""
    scan = make_scan(direction)
    volume = add_scan(scene, scan)
    if below_transform:
        rotate(scene, volume)
    segmentation = make_segmentation(scan)
    node = add_segmentation(scene, segmentation, volume)
    back = segmentation_from_node(node, volume)
    assert back.findings == ()
    assert_same_voxels(back.segmentation.labels, segmentation.labels)
    assert back.segmentation.segments == segmentation.segments
    assert back.segmentation.made_by == segmentation.made_by


@pytest.mark.parametrize("direction", [oblique(1.0), oblique(-1.0)], ids=["right", "left"])
def test_surface_is_at_its_voxels_and_not_inside_out(scene, direction):
    """A surface on a left-handed grid is lit from within and exports as a hole (STL)."""
    from vtkmodules.util.numpy_support import vtk_to_numpy

    scan = make_scan(direction)
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    show(scene, node, volume)
    surface = node.GetSegmentation().GetSegment("liver").GetRepresentation("Closed surface")
    points = vtk_to_numpy(surface.GetPoints().GetData()).astype(float)
    triangles = vtk_to_numpy(surface.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    a, b, c = (points[triangles[:, corner]] - points.mean(axis=0) for corner in range(3))
    assert (np.cross(a, b) * c).sum() > 0
    middle = scan.image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in SIZE])
    np.testing.assert_allclose(points.mean(axis=0) * (-1, -1, 1), middle, atol=0.1)


def test_segment_is_complete_for_slicer(scene):
    """A random id, colour or code breaks scripts, the segment table and DICOM export."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, make_segmentation(scan), volume)
    segmentation = node.GetSegmentation()
    assert segmentation.GetSegmentIDs() == ("left_kidney", "liver", "gallbladder")
    liver = segmentation.GetSegment("liver")
    assert (liver.GetName(), liver.GetLabelValue()) == ("Liver", 3)
    np.testing.assert_allclose(liver.GetColor(), np.array(LIVER.colour) / 255.0)
    assert "~SCT^10200004^Liver~" in liver.GetTerminology()
    assert node.GetNodeReferenceID("referenceImageGeometryRef") == volume.GetID()
    assert segmentation.GetNumberOfLayers() == 1


def test_ids_are_unique_and_hold_no_separator(scene):
    """Slicer separates ids by blanks and bars: such an id loses the segment's visibility."""
    scan = make_scan()
    names = ["Liver", "liver", "a | b: c", "Rein gauche", "腎臓", "+"]
    segments = tuple(
        Segment(label=label, name=name, colour=(1, 2, 3)) for label, name in enumerate(names, 1)
    )
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, replace(nothing_on(scan), segments=segments), volume)
    identifiers = node.GetSegmentation().GetSegmentIDs()
    assert identifiers == ("liver", "liver_1", "a_b_c", "rein_gauche", "腎臓", "segment")
    back = segmentation_from_node(node, volume).segmentation
    assert [segment.name for segment in back.segments] == names


def test_segmentation_stands_beside_its_scan(scene):
    """Results strewn over the top of the Data module cannot be told from other patients'."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    tree = scene.GetSubjectHierarchyNode()
    study = tree.CreateFolderItem(tree.GetSceneItemID(), "study")
    tree.SetItemParent(tree.GetItemByDataNode(volume), study)
    node = add_segmentation(scene, make_segmentation(scan), volume)
    assert tree.GetItemParent(tree.GetItemByDataNode(node)) == study
    assert tree.GetItemParent(tree.GetItemByDataNode(volume)) == study


def test_segmentation_moves_with_its_scan(scene):
    """Below another transform the outline would lie beside the organ."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    parent = rotate(scene, volume)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    assert node.GetTransformNodeID() == parent.GetID()
    inside, outside = [0.0] * 6, [0.0] * 6
    node.GetRASBounds(inside)
    volume.GetRASBounds(outside)
    assert np.all(np.array(inside[::2]) >= np.array(outside[::2]) - 1e-6)
    assert np.all(np.array(inside[1::2]) <= np.array(outside[1::2]) + 1e-6)


def test_segmentation_of_another_scan_is_refused(scene):
    """It would be drawn in the wrong place."""
    volume = add_scan(scene, make_scan())
    other = make_scan(oblique(1.0))
    with pytest.raises(InputError, match="abdomen: has another grid than the segmentation"):
        add_segmentation(scene, make_segmentation(other), volume)
    assert not nodes(scene, "vtkMRMLSegmentationNode")


def test_label_without_a_segment_is_refused(scene):
    """Its voxels would vanish from the scene without a word."""
    scan = make_scan()
    segmentation = replace(make_segmentation(scan), segments=(LIVER,))
    with pytest.raises(InputError, match="label 7, which no segment has"):
        add_segmentation(scene, segmentation, add_scan(scene, scan))


def test_overlap_is_reported_and_the_later_segment_taken(scene):
    """One label image cannot hold both; losing voxels in silence would falsify the volumes."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    tumour = np.zeros(SIZE[::-1], np.uint8)
    tumour[0:3, 2, 2] = 1
    add_labelmap(node, "tumour", tumour, scan.image)
    back = segmentation_from_node(node, volume)
    values = array(back.segmentation.labels)
    assert [segment.label for segment in back.segmentation.segments] == [3, 1]
    np.testing.assert_array_equal(values == 1, tumour == 1)
    assert np.count_nonzero(values == 3) == 3 * 4 * 5 - 2
    (finding,) = back.findings
    assert finding.title == "Liver and tumour overlap"
    assert finding.evidence[0].measured == pytest.approx(2 * 0.7 * 1.1 * 2.3 / 1000.0)
    index = scan.image.TransformPhysicalPointToIndex(finding.point)
    assert index in {(2, 2, 1), (2, 2, 2)}
    lowest = np.min(finding.box, axis=0)
    corner = scan.image.TransformContinuousIndexToPhysicalPoint((1.5, 1.5, 0.5))
    np.testing.assert_allclose(lowest, corner)


def test_earlier_segment_in_a_later_layer_stays_below(scene):
    """The order of the user's list decides, not the order of the layers, which segments share."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    drawn = make_segmentation(scan)
    node = add_segmentation(scene, drawn, volume)
    add_labelmap(node, "body", np.ones(SIZE[::-1], np.uint8), scan.image)
    node.GetSegmentation().SetSegmentIndex("body", 1)
    back = segmentation_from_node(node, volume)
    names = [segment.name for segment in back.segmentation.segments]
    assert names == ["Left kidney", "body", "Liver", "Gallbladder"]
    expected = np.where(array(drawn.labels) == 3, 3, 1)
    np.testing.assert_array_equal(array(back.segmentation.labels), expected)
    titles = [finding.title for finding in back.findings]
    assert titles == ["Left kidney and body overlap", "body and Liver overlap"]


def test_equal_label_values_are_told_apart(scene):
    """Segments in layers of their own all have value 1; they would melt into one."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, nothing_on(scan), volume)
    for number in range(3):
        values = np.zeros(SIZE[::-1], np.uint8)
        values[number] = 1
        add_labelmap(node, f"part{number}", values, scan.image)
    back = segmentation_from_node(node, volume)
    assert [segment.label for segment in back.segmentation.segments] == [1, 2, 3]
    assert array(back.segmentation.labels)[:, 0, 0].tolist() == [1, 2, 3, 0, 0, 0, 0]
    assert back.findings == ()


def test_new_segment_without_a_voxel_is_kept(scene):
    """The user adds a segment in Slicer and has not drawn yet: no error, and no lost name."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, nothing_on(scan), volume)
    node.GetSegmentation().AddEmptySegment("new", "New")
    back = segmentation_from_node(node, volume)
    assert [segment.name for segment in back.segmentation.segments] == ["New"]
    assert not array(back.segmentation.labels).any()


def test_cropped_segment_stays_in_place(scene):
    """Slicer crops edited segments to what is drawn; taking index 0 for the corner shifts them."""
    scan = make_scan(oblique(-1.0))
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    add_labelmap(node, "spot", np.ones((1, 2, 1), np.uint8), scan.image, start=(4, 3, 6))
    values = array(segmentation_from_node(node, volume).segmentation.labels)
    np.testing.assert_array_equal(np.argwhere(values == 1), [[6, 3, 4], [6, 4, 4]])


@pytest.mark.parametrize("below_transform", [False, True], ids=["", "transformed"])
def test_segment_beyond_the_scan_is_reported(scene, below_transform):
    """On a cropped scan an organ measures too small; the user must hear of it."""
    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, nothing_on(scan), volume)
    add_labelmap(node, "aorta", np.ones((4, 1, 1), np.uint8), scan.image, start=(2, 2, 4))
    add_labelmap(node, "vein", np.ones((2, 1, 1), np.uint8), scan.image, start=(3, 2, 5))
    if below_transform:
        rotate(scene, volume, node)
    back = segmentation_from_node(node, volume)
    assert [finding.title for finding in back.findings] == ["aorta reaches beyond the scan"]


def test_segmentation_below_another_transform_is_carried_over(scene):
    """Where the user sees it on the scan is where it must be taken from."""
    scan = make_scan(size=(20, 20, 20))
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    shift = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    matrix.SetElement(0, 3, -3 * 0.7)  # three voxels to the left
    shift.SetMatrixTransformToParent(matrix)
    node.SetAndObserveTransformNodeID(shift.GetID())
    back = segmentation_from_node(node, volume)
    drawn = np.argwhere(array(back.segmentation.labels))
    np.testing.assert_array_equal(drawn.min(axis=0), [1, 1, 4])
    np.testing.assert_array_equal(drawn.max(axis=0), [18, 18, 19])
    assert [finding.rule for finding in back.findings] == ["outside"]


def test_surface_without_voxels_is_turned_into_voxels(scene):
    """An STL or RT structure has no voxels; it must be read, and stay a surface in the scene."""
    scan = make_scan(size=(20, 20, 20))
    volume = add_scan(scene, scan)
    rotate(scene, volume)
    node = add_segmentation(scene, block_segmentation(scan), volume)
    expected = np.count_nonzero(array(segmentation_from_node(node, volume).segmentation.labels))
    segmentation = node.GetSegmentation()
    segmentation.SetConversionParameter("Smoothing factor", "0.0")
    node.CreateClosedSurfaceRepresentation()
    segmentation.SetSourceRepresentationName("Closed surface")
    segmentation.RemoveRepresentation("Binary labelmap")
    back = segmentation_from_node(node, volume)
    assert np.count_nonzero(array(back.segmentation.labels) == 3) == pytest.approx(
        expected, rel=0.1
    )
    assert not segmentation.ContainsRepresentation("Binary labelmap")


def test_edited_segmentation_no_longer_passes_for_the_models(scene):
    """Slicer marks what a person worked on; a report must not call that the model's result."""
    import slicer

    scan = make_scan()
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, make_segmentation(scan), volume)
    logic = slicer.vtkSlicerSegmentationsModuleLogic
    logic.SetSegmentStatus(node.GetSegmentation().GetSegment("liver"), logic.InProgress)
    made_by = segmentation_from_node(node, volume).segmentation.made_by
    assert made_by == "organ model 1.2: fast; GPU, edited or reviewed by hand"
