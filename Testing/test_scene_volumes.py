"""Scans in real MRML scenes (slicer-core): no voxel may move or change."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import (
    Case,
    Scan,
)
from MedAssistLib.errors import InputError
from MedAssistLib.scene import (
    add_scan,
    add_segmentation,
    image_from_volume,
    scan_from_volume,
    write_mrb,
)
from Testing.scene_cases import (
    DIRECTIONS,
    SIZE,
    UPRIGHT,
    array,
    assert_same_voxels,
    make_scan,
    make_segmentation,
    nodes,
    oblique,
    on_grid,
    opened,
)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_scan_keeps_every_voxel_in_its_place(scene, direction):
    """A mirrored or shifted scan puts every finding in the wrong place, in Slicer or in reports."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    scan, matrix = make_scan(direction), vtkMatrix4x4()
    node = add_scan(scene, scan)
    node.GetIJKToRASMatrix(matrix)
    left, posterior, superior = scan.image.TransformIndexToPhysicalPoint((1, 2, 5))
    ras = matrix.MultiplyPoint((1.0, 2.0, 5.0, 1.0))[:3]
    np.testing.assert_allclose(ras, (-left, -posterior, superior), atol=1e-9)
    back = scan_from_volume(node)
    assert_same_voxels(back.image, scan.image)
    assert back.image.GetPixelID() == scan.image.GetPixelID()
    assert (back.name, back.modality) == ("abdomen", "CT")


@pytest.mark.parametrize(
    "pixel",
    [np.uint8, np.uint16, np.int16, np.uint32, np.int32, np.float32, np.float64],
)
def test_every_pixel_type_survives_the_scene_and_the_file(scene, tmp_path, pixel):
    """A scan in an unusual pixel type would come back clipped or not open at all."""
    limits = np.iinfo(pixel) if np.issubdtype(pixel, np.integer) else np.finfo(pixel)
    values = np.zeros(SIZE[::-1], pixel)
    values[0, 0, 0], values[1, 1, 1] = limits.min, limits.max
    scan = Scan(image=on_grid(values, UPRIGHT[0]))
    back = image_from_volume(add_scan(scene, scan))
    assert back.GetPixelID() == scan.image.GetPixelID()
    assert_same_voxels(back, scan.image)
    write_mrb(Case(scan=scan), tmp_path / "scene.mrb")
    with opened(tmp_path / "scene.mrb") as reader:
        volume = nodes(reader.scene, "vtkMRMLScalarVolumeNode")[0]
        assert image_from_volume(volume).GetPixelID() == scan.image.GetPixelID()
        np.testing.assert_array_equal(array(image_from_volume(volume)), values)


@pytest.mark.parametrize(
    ("pixel", "lowest", "highest"),
    [
        (np.int8, -128, 127),
        (np.int64, -(2**15), 2**15),
        (np.int64, -(2**31), 2**31),
        (np.uint64, 0, 2**53),
    ],
)
def test_numbers_that_mrml_cannot_write_are_kept_exactly(tmp_path, pixel, lowest, highest):
    """MRML's files have no such pixels: the scan would be missing, or its values wrapped."""
    values = np.zeros(SIZE[::-1], pixel)
    values[0, 0, 0], values[1, 1, 1] = lowest, highest
    write_mrb(Case(scan=Scan(image=on_grid(values, UPRIGHT[0]))), tmp_path / "scene.mrb")
    with opened(tmp_path / "scene.mrb") as reader:
        (volume,) = nodes(reader.scene, "vtkMRMLScalarVolumeNode")
        np.testing.assert_array_equal(array(image_from_volume(volume)), values)


@pytest.mark.parametrize("pixel", [sitk.sitkUInt64, sitk.sitkComplexFloat32])
def test_numbers_that_no_scene_holds_are_refused(scene, pixel):
    """They would be stored as other numbers without a word."""
    image = sitk.Image(SIZE, pixel) + (2**60 if pixel == sitk.sitkUInt64 else 0)
    with pytest.raises(InputError, match="scene cannot hold"):
        add_scan(scene, Scan(image=image, name="odd"))
    assert not nodes(scene, "vtkMRMLScalarVolumeNode")


def test_scene_and_scan_share_no_memory(scene):
    """Painting in Slicer would change the scan that results were computed from, or vice versa."""
    scan = make_scan()
    node = add_scan(scene, scan)
    taken = image_from_volume(node)
    before = array(scan.image)
    node.GetImageData().GetPointData().GetScalars().Fill(5)
    np.testing.assert_array_equal(array(scan.image), before)
    np.testing.assert_array_equal(array(taken), before)


def test_volume_whose_first_index_is_not_zero_stays_in_place(scene):
    """A cropped VTK image counts its voxels from elsewhere; ignoring that shifts the scan."""
    scan = make_scan(oblique(1.0))
    node = add_scan(scene, scan)
    node.GetImageData().SetExtent(2, 6, -1, 4, 3, 9)
    moved = image_from_volume(node)
    expected = scan.image.TransformContinuousIndexToPhysicalPoint((2.0, -1.0, 3.0))
    np.testing.assert_allclose(moved.GetOrigin(), expected)


def test_scan_from_volume_takes_what_slicer_read_from_dicom(scene):
    """Without modality and series UID a CT is not treated as CT and DICOM SEG has no reference."""
    node = add_scan(scene, replace(make_scan(), modality=""))
    tree = scene.GetSubjectHierarchyNode()
    item = tree.GetItemByDataNode(node)
    tree.SetItemAttribute(item, "DICOM.Modality", "MR")
    tree.SetItemUID(item, "DICOM", "1.2.840.1")
    scan = scan_from_volume(node)
    assert (scan.modality, scan.series_uid) == ("MR", "1.2.840.1")


def test_what_was_done_to_a_scan_is_remembered(scene):
    """An enhanced scan read back as an original one would be measured as if it were one."""
    scan = replace(make_scan(), enhancement=("clahe:clip=0.02;tiles=8", "denoise"))
    assert scan_from_volume(add_scan(scene, scan)).enhancement == scan.enhancement


def test_reading_a_volume_leaves_the_scene_alone(scene):
    """Choosing a volume in the panel must not mark the user's scene as changed."""
    node = add_scan(scene, make_scan())
    before = (node.GetMTime(), scene.GetSubjectHierarchyNode().GetMTime(), scene.GetNumberOfNodes())
    scan_from_volume(node)
    after = (node.GetMTime(), scene.GetSubjectHierarchyNode().GetMTime(), scene.GetNumberOfNodes())
    assert after == before


def test_volume_without_voxels_is_refused_by_name(scene):
    """A new, empty volume chosen by mistake must be named, not end in a traceback."""
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "nothing yet")
    with pytest.raises(InputError, match="nothing yet: is a volume without voxels"):
        image_from_volume(node)
    with pytest.raises(InputError, match="without voxels"):
        add_segmentation(scene, make_segmentation(make_scan()), node)


def test_colour_volume_is_refused(scene):
    """Its first channel would be taken for the scan."""
    from vtkmodules.vtkCommonDataModel import vtkImageData

    data = vtkImageData()
    data.SetDimensions(*SIZE)
    data.AllocateScalars(3, 3)
    node = scene.AddNewNodeByClass("vtkMRMLVectorVolumeNode", "photograph")
    node.SetAndObserveImageData(data)
    with pytest.raises(InputError, match="photograph: has 3 values a voxel"):
        image_from_volume(node)


def test_volume_without_extent_in_space_is_refused(scene):
    """A broken header would otherwise end in SimpleITK's words about determinants."""
    node = add_scan(scene, make_scan())
    node.SetIJKToRASDirections(1, 0, 0, 0, 1, 0, 0, 0, 0)
    with pytest.raises(InputError, match="abdomen: has axes that do not span space"):
        image_from_volume(node)
