"""Made-up cases and checks that the tests of the MRML bridge share."""

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import (
    ANATOMICAL_STRUCTURE,
    Code,
    Scan,
    Segment,
    Segmentation,
)
from MedAssistLib.geometry import from_array, index_to_lps
from MedAssistLib.scene import (
    HeadlessScene,
    headless_scene,
)
from MedAssistLib.scene import grid as scene_grid
from MedAssistLib.scene.voxels import fill

SIZE = (5, 6, 7)
LIVER = Segment(
    label=3,
    name="Liver",
    colour=(221, 130, 101),
    category=ANATOMICAL_STRUCTURE,
    type=Code("10200004", "SCT", "Liver"),
)
KIDNEY = Segment(
    label=7,
    name="Left kidney",
    colour=(185, 102, 83),
    category=ANATOMICAL_STRUCTURE,
    type=Code("64033007", "SCT", "Kidney"),
    modifier=Code("7771000", "SCT", "Left"),
)
ABSENT = Segment(label=300, name="Gallbladder", colour=(139, 150, 98))


def turned(permutation: tuple[int, ...], signs: tuple[int, ...]) -> np.ndarray:
    return np.eye(3)[:, permutation] * signs


def oblique(handedness: float) -> np.ndarray:
    rotation = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.31, -0.42, 0.77)
    return np.array(rotation.GetMatrix()).reshape(3, 3) * (1.0, 1.0, handedness)


UPRIGHT = [
    turned(permutation, signs)
    for permutation in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
DIRECTIONS = [
    *(pytest.param(matrix, id=f"upright{number}") for number, matrix in enumerate(UPRIGHT)),
    pytest.param(oblique(1.0), id="oblique"),
    pytest.param(oblique(-1.0), id="oblique-left-handed"),
]


def on_grid(array: np.ndarray, direction: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 1.1, 2.3))
    image.SetOrigin((-31.7, 12.9, 440.3))
    image.SetDirection(np.asarray(direction, float).ravel().tolist())
    return image


def make_scan(direction: np.ndarray = UPRIGHT[0], size: tuple[int, int, int] = SIZE) -> Scan:
    values = np.random.default_rng(7).integers(-1000, 2000, size[::-1]).astype(np.int16)
    return Scan(image=on_grid(values, direction), modality="CT", name="abdomen")


def make_segmentation(scan: Scan) -> Segmentation:
    shape = scan.image.GetSize()[::-1]
    values = np.random.default_rng(8).choice([0, 0, 3, 7], shape).astype(np.uint16)
    return Segmentation(
        labels=from_array(values, grid=scan.image),
        segments=(KIDNEY, LIVER, ABSENT),
        made_by="organ model 1.2: fast; GPU",
    )


def block_segmentation(scan: Scan) -> Segmentation:
    """A block of liver that touches no side, so that its surface is closed."""
    values = np.zeros(scan.image.GetSize()[::-1], np.uint8)
    values[1:-1, 1:-1, 1:-1] = 3
    return Segmentation(labels=from_array(values, grid=scan.image), segments=(LIVER,))


def nothing_on(scan: Scan) -> Segmentation:
    labels = from_array(np.zeros(scan.image.GetSize()[::-1], np.uint8), grid=scan.image)
    return Segmentation(labels=labels, segments=())


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def assert_same_grid(first: sitk.Image, second: sitk.Image) -> None:
    assert first.GetSize() == second.GetSize()
    for part in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(first, part)(), getattr(second, part)(), atol=1e-12)


def assert_same_voxels(first: sitk.Image, second: sitk.Image) -> None:
    assert_same_grid(first, second)
    np.testing.assert_array_equal(array(first), array(second))


def place_in_slicer(scene, path: Path) -> np.ndarray:
    """Return 4×4 from voxel index to LPS mm of an image file that Slicer reads."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    matrix = vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    to_ras = np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ to_ras


def rotate(scene, *nodes):
    """Put nodes below a new transform that is no multiple of a right angle."""
    from vtkmodules.vtkCommonTransforms import vtkTransform

    transform = vtkTransform()
    transform.Translate(11.0, -3.0, 5.0)
    transform.RotateWXYZ(33.0, 1.0, 2.0, 3.0)
    parent = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "registration")
    parent.SetMatrixTransformToParent(transform.GetMatrix())
    for node in nodes:
        node.SetAndObserveTransformNodeID(parent.GetID())
    return parent


def add_labelmap(node, name: str, values: np.ndarray, grid: sitk.Image, start=(0, 0, 0)) -> None:
    """Add a segment with a label map of its own, as the Segment Editor does for overlaps."""
    import slicer

    labelmap = slicer.vtkOrientedImageData()
    fill(labelmap, values)
    scene_grid._set_matrix(labelmap, index_to_lps(grid))
    stop = np.add(start, values.shape[::-1]) - 1
    labelmap.SetExtent(*(int(value) for pair in zip(start, stop, strict=True) for value in pair))
    segment = slicer.vtkSegment()
    segment.SetName(name)
    segment.AddRepresentation("Binary labelmap", labelmap)
    segment.SetLabelValue(1)
    node.GetSegmentation().AddSegment(segment, name)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[HeadlessScene]:
    import slicer

    with headless_scene() as reader:
        messages = slicer.vtkMRMLMessageCollection()
        assert reader.scene.ReadFromMRB(str(path), False, messages), (
            messages.GetAllMessagesAsString()
        )
        yield reader


def nodes(scene, name: str) -> list:
    return [scene.GetNthNodeByClass(i, name) for i in range(scene.GetNumberOfNodesByClass(name))]
