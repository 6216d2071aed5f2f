"""A markups ROI as the box that segmenting takes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from MedAssistLib.case import Point

if TYPE_CHECKING:
    from slicer import vtkMRMLMarkupsROINode, vtkMRMLTransformableNode


def box_of(roi: vtkMRMLMarkupsROINode, volume: vtkMRMLTransformableNode) -> tuple[Point, Point]:
    """Return two corners, LPS mm below the volume's transform, of the box around an ROI.

    The ROI may be turned, and each of the two may lie below a transform of its own.
    """
    import slicer
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

    to_world = vtkMatrix4x4()
    to_world.DeepCopy(roi.GetObjectToWorldMatrix())
    # An ROI's size is in its own axes; those of the world may be stretched by its transform.
    half = np.array(roi.GetSize()) / 2.0
    from_world = vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(
        None, volume.GetParentTransformNode(), from_world
    )
    corners = []
    for signs in itertools.product((-1.0, 1.0), repeat=3):
        world = to_world.MultiplyPoint([*(half * signs), 1.0])[:3]
        right, anterior, superior = from_world.TransformPoint(world)
        corners.append((-right, -anterior, superior))
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    return _point(low), _point(high)


def _point(values: np.ndarray) -> Point:
    return float(values[0]), float(values[1]), float(values[2])
