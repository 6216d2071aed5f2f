"""Letting the views look at a place: the slices, the cameras, and the brightness there."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from MedAssistLib import geometry
from MedAssistLib.scene.grid import grid_of
from MedAssistLib.scene.voxels import view

Place = Sequence[float]
Box = Sequence[Place]

_AROUND_MM = 15.0
_ENOUGH_VOXELS = 200_000
_DARKEST_AND_BRIGHTEST = (0.5, 99.5)


def to_ras(point: Place) -> tuple[float, float, float]:
    """Return an LPS point as RAS."""
    left, posterior, superior = point
    return -left, -posterior, superior


def look_at(scene: Any, volume: Any, point: Place) -> None:
    """Turn all slice views and cameras to a point, LPS mm below the volume's transform.

    The views keep their direction, their zoom and their distance.
    """
    world = [0.0, 0.0, 0.0]
    volume.TransformPointToWorld(to_ras(point), world)
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        scene.GetNthNodeByClass(number, "vtkMRMLSliceNode").JumpSliceByCentering(*world)
    for number in range(scene.GetNumberOfNodesByClass("vtkMRMLCameraNode")):
        camera = scene.GetNthNodeByClass(number, "vtkMRMLCameraNode")
        moved = np.array(world) - camera.GetFocalPoint()
        unblock = camera.StartModify()
        camera.SetPosition(*(np.array(camera.GetPosition()) + moved).tolist())
        camera.SetFocalPoint(*world)
        camera.EndModify(unblock)
        camera.ResetClippingRange()


class Brightness:
    """Fits window and level to places, and puts back what there was before."""

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        self._before: dict[str, tuple[bool, float, float]] = {}

    def fit(self, volume: Any, point: Place, box: Box | None) -> None:
        """Let the grey values around a place fill the range from black to white."""
        display = volume.GetScalarVolumeDisplayNode()
        values = _around(volume, box or (point, point))
        if display is None or not values.size:
            return
        low, high = np.percentile(values, _DARKEST_AND_BRIGHTEST)
        if not low < high:
            return
        was = bool(display.GetAutoWindowLevel()), display.GetWindow(), display.GetLevel()
        self._before.setdefault(display.GetID(), was)
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(float(low), float(high))

    def put_back(self) -> None:
        """Show every volume as it was shown before the first fit."""
        for name, (auto, window, level) in self._before.items():
            display = self._scene.GetNodeByID(name)
            if display is not None:
                display.SetAutoWindowLevel(auto)
                display.SetWindowLevel(window, level)
        self.forget()

    def forget(self) -> None:
        """Leave it as it is now: the volumes are going."""
        self._before.clear()


def _around(volume: Any, box: Box) -> np.ndarray:
    """Return finite values of the voxels in and around a box (two corners, LPS mm), or some."""
    image = volume.GetImageData()
    values = view(image)
    to_index = np.linalg.inv(geometry.index_to_lps(grid_of(volume)))
    low, high = np.min(box, axis=0) - _AROUND_MM, np.max(box, axis=0) + _AROUND_MM
    corners = np.array(list(itertools.product(*zip(low, high, strict=True))))
    indices = (np.column_stack([corners, np.ones(8)]) @ to_index.T)[:, 2::-1]
    first = np.clip(np.floor(indices.min(axis=0)), 0, values.shape).astype(int)
    last = np.clip(np.ceil(indices.max(axis=0)) + 1, 0, values.shape).astype(int)
    part = values[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    stride = max(1, int(np.ceil((part.size / _ENOUGH_VOXELS) ** (1 / 3))))
    some = part[::stride, ::stride, ::stride].astype(np.float64)
    return np.asarray(some[np.isfinite(some)])
