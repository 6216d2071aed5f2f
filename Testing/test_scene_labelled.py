"""Segmentations of a scene as a training set: every voxel in its place, every name one value."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.errors import InputError
from MedAssistLib.scene import add_scan, add_segmentation, segmentation_from_node
from MedAssistLib.scene.labelled import structures, take, write_training_set
from MedAssistLib.train.dataset import read_dataset
from MedAssistLib.train.dataset.reading import read_case
from Testing.scene_cases import DIRECTIONS, make_scan, make_segmentation, oblique, rotate


@pytest.mark.parametrize("direction", [*DIRECTIONS[:8:3], oblique(1.0), oblique(-1.0)])
@pytest.mark.parametrize("below_transform", [False, True], ids=["", "transformed"])
def test_voxels_names_and_places_arrive(scene, tmp_path, direction, below_transform) -> None:
    """A network would learn from labels that lie beside what they mean."""
    scan = make_scan(direction)
    made = make_segmentation(scan)
    volume = add_scan(scene, scan)
    if below_transform:
        rotate(scene, volume)
    node = add_segmentation(scene, made, volume)
    written = write_training_set([take(node, volume)], tmp_path / "set")
    dataset = read_dataset(tmp_path / "set")
    assert dataset.structures.names == structures([node])
    (case,) = dataset.cases
    assert (case.name,) == written.cases == ("case_1",)
    assert written.findings == ()
    scans, labels = read_case(case, dataset.structures)
    # Stored in another order perhaps, but with the same value at each place.
    index = np.argwhere(labels)[:, ::-1]
    values = dict(enumerate(dataset.structures.names, start=1))
    names = {segment.label: segment.name for segment in made.segments}
    assert len(index) == int((sitk.GetArrayViewFromImage(made.labels) > 0).sum())
    for i, j, k in index.tolist():
        place = scans[0].image.TransformIndexToPhysicalPoint((i, j, k))
        there = made.labels.TransformPhysicalPointToIndex(place)
        assert names[made.labels[there]] == values[labels[k, j, i]]
        assert scans[0].image[i, j, k] == scan.image[there]


def test_what_becomes_of_the_nodes_meanwhile_does_not_matter(scene, tmp_path: Path) -> None:
    """The scene is closed, or drawn on, while a thread writes: Slicer would crash."""
    scan = make_scan(oblique(1.0))
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, make_segmentation(scan), volume)
    drawn = take(node, volume)
    expected = write_training_set([take(node, volume)], tmp_path / "before")
    node.GetSegmentation().RemoveAllSegments()
    scene.Clear()
    del node, volume
    assert write_training_set([drawn], tmp_path / "after").cases == expected.cases
    for name in ("images/case_1.nrrd", "labels/case_1.nrrd"):
        before, after = (sitk.ReadImage(str(tmp_path / f / name)) for f in ("before", "after"))
        assert sitk.Hash(before) == sitk.Hash(after)


@pytest.mark.parametrize("warped", [False, True], ids=["linear", "warped"])
def test_a_drawing_below_another_transform_is_read_in_a_thread(
    scene, monkeypatch: pytest.MonkeyPatch, warped: bool
) -> None:
    """The window would stand still for half a minute with a large scan, before anything shows."""
    from MedAssistLib.scene import labelled

    scan = make_scan(oblique(-1.0))
    volume = add_scan(scene, scan)
    node = add_segmentation(scene, make_segmentation(scan), volume)
    rotate(scene, volume, node)
    shift(scene, node, warped=warped)
    expected = segmentation_from_node(node, volume)
    with monkeypatch.context() as patch:
        patch.setattr(labelled, "segmentation_from_node", lambda *_given: pytest.fail("it reads"))
        drawn = take(node, volume)
    node.SetAndObserveTransformNodeID(None)
    _scan, found = drawn.read()
    assert expected.segmentation.segments == found.segmentation.segments
    assert sitk.Hash(expected.segmentation.labels) == sitk.Hash(found.segmentation.labels)
    assert expected.findings == found.findings
    assert np.ptp(sitk.GetArrayViewFromImage(found.segmentation.labels)) > 0


def shift(scene, node, *, warped: bool) -> None:
    """Put a node below a transform of its own that moves it a little, and bends it."""
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonTransforms import vtkThinPlateSplineTransform, vtkTransform

    moved = vtkTransform()
    moved.Translate(0.8, -0.6, 1.2)
    if warped:
        moved = vtkThinPlateSplineTransform()
        source, target = vtkPoints(), vtkPoints()
        bounds = np.zeros(6)
        node.GetRASBounds(bounds)
        for corner in itertools.product(*bounds.reshape(3, 2)):
            source.InsertNextPoint(*corner)
            target.InsertNextPoint(*(np.array(corner) + np.sin(corner)))
        moved.SetSourceLandmarks(source)
        moved.SetTargetLandmarks(target)
        moved.SetBasisToR()
    above = scene.AddNewNodeByClass("vtkMRMLTransformNode", "Its own")
    above.SetAndObserveTransformToParent(moved)
    above.SetAndObserveTransformNodeID(node.GetTransformNodeID())
    node.SetAndObserveTransformNodeID(above.GetID())


def test_a_structure_has_one_value_whatever_its_number_in_the_scene(scene, tmp_path) -> None:
    """The liver of one case would be learned as the kidney of another."""
    scan = make_scan(oblique(1.0))
    pairs = []
    for swapped in (False, True):
        volume = add_scan(scene, scan)
        node = add_segmentation(scene, make_segmentation(scan), volume)
        own = node.GetSegmentation()
        first, second = (own.GetSegment(own.GetNthSegmentID(n)) for n in (0, 1))
        if swapped:
            names = first.GetName(), second.GetName()
            first.SetName(names[1])
            second.SetName(names[0])
        pairs.append((node, volume))
    write_training_set([take(*pair) for pair in pairs], tmp_path / "set")
    labels = json.loads((tmp_path / "set/dataset.json").read_text())["labels"]
    assert sorted(labels.values()) == list(range(len(labels)))
    one, two = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"set/labels/case_{n}.nrrd")))
        for n in (1, 2)
    )
    assert np.array_equal(one == 1, two == 2)
    assert np.array_equal(one == 2, two == 1)
    assert (one == 1).any()


def test_cases_of_one_patient_are_known_as_such(scene, tmp_path) -> None:
    """One patient's scans would be learned from and tested on."""
    import slicer

    tree = scene.GetSubjectHierarchyNode()
    patient = tree.CreateSubjectItem(tree.GetSceneItemID(), "Doe^John")
    level = slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelPatient()
    assert tree.GetItemLevel(patient) == level
    pairs = []
    for number in range(3):
        scan = make_scan(oblique(1.0))
        volume = add_scan(scene, scan)
        pairs.append((add_segmentation(scene, make_segmentation(scan), volume), volume))
        if number < 2:
            tree.SetItemParent(tree.GetItemByDataNode(volume), patient)
    write_training_set([take(*pair) for pair in pairs], tmp_path / "set")
    groups = [case.group for case in read_dataset(tmp_path / "set").cases]
    assert len(set(groups)) == 2
    assert "Doe" not in (tmp_path / "set/dataset.json").read_text() + str(list(tmp_path.rglob("*")))


def test_nothing_drawn_is_said(scene, tmp_path) -> None:
    scan = make_scan(oblique(1.0))
    volume = add_scan(scene, scan)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    with pytest.raises(InputError, match="nothing is drawn"):
        write_training_set([take(node, volume)], tmp_path / "set")


def test_a_segmentation_that_was_moved_apart_from_its_volume_is_moved_back(scene, tmp_path) -> None:
    """Labels would lie where the segmentation was before it was registered."""
    scan = make_scan(oblique(1.0))
    volume = add_scan(scene, scan)
    made = make_segmentation(scan)
    node = add_segmentation(scene, made, volume)
    before = write_training_set([take(node, volume)], tmp_path / "before")
    rotate(scene, volume)
    written = write_training_set([take(node, volume)], tmp_path / "set")
    assert written.cases == before.cases
    one, two = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f / "labels/case_1.nrrd")))
        for f in ("before", "set")
    )
    assert not np.array_equal(one, two)
