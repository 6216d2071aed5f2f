"""The layers of a segmentation node, laid onto the grid of a volume node.

A node keeps its segments in layers: label maps that may overlap each other, be cropped, lie on a
grid of their own and hang below another transform than the volume does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from MedAssistLib.errors import InputError
from MedAssistLib.scene.grid import ijk_to_ras
from MedAssistLib.scene.voxels import view

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLScalarVolumeNode,
        vtkMRMLSegmentationNode,
        vtkOrientedImageData,
        vtkSegmentation,
    )
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

_LABELMAP = "Binary labelmap"
_TOLERANCE = 1e-3  # voxels: file formats round

Ranks = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Overlap:
    """Voxels that two segments claim.

    Attributes:
        below: Rank of the segment that lost them, from 1.
        above: Rank of the segment that has them, from 1.
        indices: The voxels, one (i, j, k) a row.
    """

    below: int
    above: int
    indices: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Flattened:
    """All segments of a node in one array.

    Attributes:
        ranks: Which segment each voxel belongs to (axes k, j, i): its place in the node's list,
            from 1; 0 where there is none.
        overlaps: Where the later segment was taken.
        outside: Ranks of the segments that reach beyond the volume.
    """

    ranks: Ranks
    overlaps: tuple[Overlap, ...]
    outside: tuple[int, ...]


def flatten(node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode) -> Flattened:
    """Lay every segment of ``node`` onto the grid of ``volume``; a later segment covers earlier.

    Label maps on the volume's grid keep every voxel; others are moved by nearest neighbour.

    Raises:
        InputError: If the segments have no label maps and none can be made of what they have.
    """
    move = _Move(node, volume)
    ranks = np.zeros(move.shape, np.uint16)
    overlaps: list[Overlap] = []
    outside: set[int] = set()
    for layer, rank_of in _layers(_with_labelmaps(node, volume)):
        own = _ranks(view(move.onto_grid(layer)), rank_of)
        overlaps += _overlaps(ranks, own)
        outside |= {rank_of[value] for value in move.values_outside(layer) if value in rank_of}
        np.maximum(ranks, own, out=ranks)
    return Flattened(ranks, tuple(overlaps), tuple(sorted(outside)))


class _Move:
    """From a layer of a segmentation node to the grid of a volume node."""

    def __init__(self, node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode) -> None:
        import slicer

        self._grid = slicer.vtkOrientedImageData()
        self._grid.SetExtent(volume.GetImageData().GetExtent())
        self._grid.SetGeometryFromImageToWorldMatrix(ijk_to_ras(volume))
        self._transform = _between(node, volume)

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the grid along k, j, i."""
        return tuple(self._grid.GetDimensions()[::-1])

    def onto_grid(self, layer: vtkOrientedImageData) -> vtkOrientedImageData:
        """Return the layer on the grid, by nearest neighbour."""
        import slicer

        moved = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage(
            layer, self._grid, moved, False, False, self._transform
        )
        return moved

    def values_outside(self, layer: vtkOrientedImageData) -> list[int]:
        """Return the values that the layer has beyond the grid."""
        bounds = np.array(layer.GetExtent()).reshape(3, 2)
        if (bounds[:, 0] > bounds[:, 1]).any():
            return []
        corners = np.array(list(itertools.product(*bounds)))
        if not self._outside(layer, corners).any():
            return []
        drawn = np.argwhere(view(layer))
        far = drawn[self._outside(layer, drawn[:, ::-1] + bounds[:, 0])]
        return [int(value) for value in np.unique(view(layer)[tuple(far.T)])]

    def _outside(
        self, layer: vtkOrientedImageData, indices: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.bool_]:
        """Tell which voxels (i, j, k) of a layer have their centre in no voxel of the grid."""
        points = _apply(_image_to_world(layer), indices)
        if self._transform is not None:
            points = _transformed(self._transform, points)
        to_grid = np.linalg.inv(_image_to_world(self._grid)).astype(np.float64)
        places = _apply(to_grid, points)
        low, high = np.array(self._grid.GetExtent()).reshape(3, 2).T
        margin = 0.5 + _TOLERANCE
        outside: npt.NDArray[np.bool_] = np.any(
            (places < low - margin) | (places > high + margin), axis=1
        )
        return outside


def _between(
    node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode
) -> vtkGeneralTransform | None:
    """Return the transform from below one node's parent to below the other's, if they differ."""
    import slicer
    from vtkmodules.vtkCommonTransforms import vtkGeneralTransform

    source, target = node.GetParentTransformNode(), volume.GetParentTransformNode()
    if source is target:
        return None
    transform = vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return transform


def _with_labelmaps(
    node: vtkMRMLSegmentationNode, volume: vtkMRMLScalarVolumeNode
) -> vtkSegmentation:
    """Return the node's segments with label maps; made in a copy if it has none, as from STL."""
    import slicer

    segmentation = node.GetSegmentation()
    if not segmentation.GetNumberOfSegments() or segmentation.ContainsRepresentation(_LABELMAP):
        return segmentation
    converter = slicer.vtkSegmentationConverter
    geometry = converter.SerializeImageGeometry(ijk_to_ras(volume), volume.GetImageData())
    twin = slicer.vtkSegmentation()
    twin.DeepCopy(segmentation)
    twin.SetConversionParameter(converter.GetReferenceImageGeometryParameterName(), geometry)
    if not twin.CreateRepresentation(_LABELMAP):
        hint = "Convert it to a binary labelmap in the Segmentations module"
        raise InputError("cannot be turned into voxels", where=node.GetName() or "", hint=hint)
    return twin


def _layers(segmentation: vtkSegmentation) -> Iterator[tuple[vtkOrientedImageData, dict[int, int]]]:
    """Give each layer with the ranks of its segments by the label value that each has in it."""
    ranks = {name: rank for rank, name in enumerate(segmentation.GetSegmentIDs(), start=1)}
    for index in range(segmentation.GetNumberOfLayers(_LABELMAP)):
        names = segmentation.GetSegmentIDsForLayer(index, _LABELMAP)
        rank_of = {segmentation.GetSegment(name).GetLabelValue(): ranks[name] for name in names}
        yield segmentation.GetLayerDataObject(index, _LABELMAP), rank_of


def _ranks(layer: npt.NDArray[np.generic], rank_of: dict[int, int]) -> Ranks:
    """Return the layer with ranks in place of label values; other values become 0."""
    values = np.array(sorted(rank_of))
    rank_at = np.array([rank_of[int(value)] for value in values], np.uint16)
    drawn = np.flatnonzero(layer)
    found = layer.ravel()[drawn]
    place = np.searchsorted(values, found).clip(max=len(values) - 1)
    ranks = np.zeros(layer.size, np.uint16)
    ranks[drawn] = np.where(values[place] == found, rank_at[place], 0)
    return ranks.reshape(layer.shape)


def _overlaps(ranks: Ranks, own: Ranks) -> list[Overlap]:
    """Return where ``own`` meets what is there, one entry for each pair of segments."""
    both = np.flatnonzero((ranks > 0) & (own > 0))
    pairs = np.column_stack([ranks.ravel()[both], own.ravel()[both]])
    pairs.sort(axis=1)
    indices = np.column_stack(np.unravel_index(both, ranks.shape)[::-1])
    return [
        Overlap(int(below), int(above), indices[(pairs == (below, above)).all(axis=1)])
        for below, above in np.unique(pairs, axis=0)
    ]


def _image_to_world(image: vtkOrientedImageData) -> npt.NDArray[np.float64]:
    from vtkmodules.vtkCommonMath import vtkMatrix4x4

    matrix = vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return np.array(matrix.GetData()).reshape(4, 4)


def _apply(
    matrix: npt.NDArray[np.float64], points: npt.NDArray[np.integer] | npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = points @ matrix[:3, :3].T + matrix[:3, 3]
    return result


def _transformed(
    transform: vtkGeneralTransform, points: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkPoints

    before, after = vtkPoints(), vtkPoints()
    before.SetData(numpy_to_vtk(points))
    after.SetDataTypeToDouble()
    transform.TransformPoints(before, after)
    moved: npt.NDArray[np.float64] = vtk_to_numpy(after.GetData()).copy()
    return moved
