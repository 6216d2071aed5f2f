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
from MedAssistLib.scene.grid import applied, between, ijk_to_ras, image_to_world, transformed
from MedAssistLib.scene.voxels import view

if TYPE_CHECKING:
    from slicer import (
        vtkMRMLScalarVolumeNode,
        vtkMRMLSegmentationNode,
        vtkOrientedImageData,
        vtkSegmentation,
    )
    from vtkmodules.vtkCommonTransforms import vtkAbstractTransform

_LABELMAP = "Binary labelmap"
_TOLERANCE = 1e-3  # voxels: file formats round
_ENOUGH_VOXELS = 500_000

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
        moved: Ranks of the segments that were drawn on other voxels than the volume's.
        vanished: Ranks of those of them that have no voxel there.
    """

    ranks: Ranks
    overlaps: tuple[Overlap, ...]
    outside: tuple[int, ...]
    moved: tuple[int, ...]
    vanished: tuple[int, ...]


def flatten(
    node: vtkMRMLSegmentationNode,
    volume: vtkMRMLScalarVolumeNode,
    below: vtkAbstractTransform | None = None,
) -> Flattened:
    """Lay every segment of ``node`` onto the grid of ``volume``; a later segment covers earlier.

    Label maps on the volume's grid keep every voxel; others are moved by nearest neighbour.

    Args:
        node: The segmentation.
        volume: Gives the grid.
        below: For nodes outside a scene, what :func:`between` says of those that they stand for.

    Raises:
        InputError: If the segments have no label maps and none can be made of what they have.
    """
    move = _Move(volume, below or between(node, volume))
    ranks = np.zeros(move.shape, np.uint16)
    overlaps: list[Overlap] = []
    outside, moved, vanished = set[int](), set[int](), set[int]()
    for layer, rank_of in _layers(_with_labelmaps(node, volume)):
        own = _ranks(move.onto_grid(layer), rank_of)
        overlaps += _overlaps(ranks, own)
        outside |= {rank_of[value] for value in move.values_outside(layer) if value in rank_of}
        if not move.shares_voxels(layer):
            drawn = {rank_of[value] for value in _values(view(layer)) & rank_of.keys()}
            moved |= drawn
            vanished |= drawn - _values(own)
        np.maximum(ranks, own, out=ranks)
    found = (tuple(sorted(those)) for those in (outside, moved, vanished))
    return Flattened(ranks, tuple(overlaps), *found)


class _Move:
    """From a layer of a segmentation node to the grid of a volume node."""

    def __init__(
        self, volume: vtkMRMLScalarVolumeNode, transform: vtkAbstractTransform | None
    ) -> None:
        import slicer

        self._grid = slicer.vtkOrientedImageData()
        self._grid.SetExtent(volume.GetImageData().GetExtent())
        self._grid.SetGeometryFromImageToWorldMatrix(ijk_to_ras(volume))
        self._transform = transform

    @property
    def shape(self) -> tuple[int, ...]:
        """Size of the grid along k, j, i."""
        return tuple(self._grid.GetDimensions()[::-1])

    def onto_grid(self, layer: vtkOrientedImageData) -> npt.NDArray[np.generic]:
        """Return the layer's values on the grid (axes k, j, i), by nearest neighbour."""
        import slicer

        resample = slicer.vtkOrientedImageDataResample
        i, more_i, j, more_j, first, last = self._grid.GetExtent()
        found = np.zeros(self.shape, view(layer).dtype)
        slab, moved = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
        slab.CopyDirections(self._grid)
        slab.SetSpacing(self._grid.GetSpacing())
        slab.SetOrigin(self._grid.GetOrigin())
        # In parts, because no other thread runs while VTK works: the window would stand still.
        step = max(1, _ENOUGH_VOXELS // max(1, found[0].size))
        for k in range(first, last + 1, step):
            slab.SetExtent(i, more_i, j, more_j, k, min(k + step - 1, last))
            resample.ResampleOrientedImageToReferenceOrientedImage(
                layer, slab, moved, False, False, self._transform
            )
            found[k - first : k - first + step] = view(moved)
        return found

    def shares_voxels(self, layer: vtkOrientedImageData) -> bool:
        """Tell whether the voxels of a layer are some of the grid's, in whatever order."""
        low, high = np.array(layer.GetExtent()).reshape(3, 2).T
        steps = np.maximum(high - low, 1)
        places = self._places(layer, low + np.vstack([np.zeros((1, 3)), np.diag(steps)]))
        axes = (places[1:] - places[0]) / steps[:, np.newaxis]
        whole = np.abs(places - np.round(places)).max() < _TOLERANCE
        return bool(whole and abs(abs(np.linalg.det(axes)) - 1.0) < _TOLERANCE)

    def values_outside(self, layer: vtkOrientedImageData) -> list[int]:
        """Return the values that the layer has beyond the grid."""
        bounds = np.array(layer.GetExtent()).reshape(3, 2)
        if (bounds[:, 0] > bounds[:, 1]).any():
            return []
        corners = np.array(list(itertools.product(*bounds)))
        if not self._outside(layer, corners).any():
            return []
        values = set[int]()
        for k, plane in enumerate(view(layer), start=bounds[2, 0]):
            down, across = np.nonzero(plane)
            places = np.column_stack([across, down, np.full(len(down), k)])
            places[:, :2] += bounds[:2, 0]
            values |= set(np.unique(plane[down, across][self._outside(layer, places)]).tolist())
        return sorted(values)

    def _outside(
        self, layer: vtkOrientedImageData, indices: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.bool_]:
        """Tell which voxels (i, j, k) of a layer have their centre in no voxel of the grid."""
        places = self._places(layer, indices)
        low, high = np.array(self._grid.GetExtent()).reshape(3, 2).T
        margin = 0.5 + _TOLERANCE
        outside: npt.NDArray[np.bool_] = np.any(
            (places < low - margin) | (places > high + margin), axis=1
        )
        return outside

    def _places(
        self,
        layer: vtkOrientedImageData,
        indices: npt.NDArray[np.intp] | npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Return where voxels (i, j, k) of a layer lie, in voxels of the grid."""
        points = applied(image_to_world(layer), indices)
        if self._transform is not None:
            points = transformed(self._transform, points)
        return applied(np.linalg.inv(image_to_world(self._grid)).astype(np.float64), points)


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


def _values(array: npt.NDArray[np.generic]) -> set[int]:
    """Return the values of an array; in parts, because no other thread runs meanwhile."""
    return {value for plane in array for value in np.unique(plane).tolist()}


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
