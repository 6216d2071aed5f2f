"""3D Slicer's segmentation file, ``.seg.nrrd``: label images with names, colours and codes.

Keys as Slicer's ``vtkMRMLSegmentationStorageNode`` writes them.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.export.images import write_image
from MedAssistLib.read.labels import LABELS_KEY, MADE_BY_KEY, labels_hash
from MedAssistLib.terminology import segment_ids, to_slicer

_TOLERANCE = 1e-3  # voxels: file formats round


def write_seg_nrrd(segmentation: Segmentation, path: Path) -> None:
    """Write a segmentation that Slicer loads with names, colours and SNOMED codes.

    Raises:
        ResourceError: If the file cannot be written whole; an earlier file is as it was.
    """
    _write(sitk.Image(segmentation.labels), [segmentation], path)


def write_layers(layers: Sequence[Segmentation], scan: sitk.Image, path: Path) -> None:
    """Write label images that may overlap each other, and lie on other voxels than the scan's.

    The file is on the scan's grid, as far as that goes, if all was drawn on its voxels; else on
    the finest voxels of the layers, as large as what is drawn.

    Args:
        layers: The label images, each with its segments.
        scan: The scan that they were drawn on.
        path: Where to.

    Raises:
        ResourceError: If the file cannot be written whole; an earlier file is as it was.
    """
    highest = max((own.label for made in layers for own in made.segments), default=0)
    pixel = np.uint8 if highest < 256 else np.int32
    labels = [_known(made, pixel) for made in layers]
    grid = _common_grid(labels, scan)
    images = [
        sitk.Resample(image, grid, sitk.Transform(), sitk.sitkNearestNeighbor) for image in labels
    ]
    _write(sitk.Compose(images) if len(images) > 1 else images[0], layers, path)


def _write(image: sitk.Image, layers: Sequence[Segmentation], path: Path) -> None:
    fields = {
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    extent = " ".join(f"0 {size - 1}" for size in image.GetSize())
    segments = [(layer, own) for layer, made in enumerate(layers) for own in made.segments]
    identifiers = segment_ids([own for _layer, own in segments])
    for number, (layer, segment) in enumerate(segments):
        entries = {"ID": identifiers[number], "Extent": extent, **_described(segment, layer)}
        fields |= {f"Segment{number}_{key}": value for key, value in entries.items()}
    made_by = layers[0].made_by
    if made_by:
        fields[MADE_BY_KEY] = " ".join(made_by.split())
    if made_by and len(layers) == 1:
        fields[LABELS_KEY] = labels_hash(image)
    for key, value in fields.items():
        image.SetMetaData(key, value)
    write_image(image, path)


def _known(made: Segmentation, pixel: type[np.integer]) -> sitk.Image:
    """Return the labels without values that no segment has."""
    values = sitk.GetArrayViewFromImage(made.labels)
    known = np.isin(values, [segment.label for segment in made.segments])
    return geometry.from_array(np.where(known, values, 0).astype(pixel), made.labels)


def _common_grid(labels: Sequence[sitk.Image], scan: sitk.Image) -> sitk.Image:
    """Return an image of one value that covers what is drawn; see :func:`write_layers`."""
    drawn = [image for image in labels if sitk.GetArrayViewFromImage(image).any()]
    if all(_shares_voxels(image, scan) for image in drawn):
        base, corners = scan, [_corners(scan)]
    else:
        base, corners = min(drawn, key=geometry.voxel_volume), []
    to_base = np.linalg.inv(geometry.index_to_lps(base))
    for image in drawn:
        low, high = _box(image)
        corners.append(_corners(image, low, high) @ (to_base @ geometry.index_to_lps(image)).T)
    covered = np.vstack(corners)[:, :3]
    first = np.floor(covered.min(axis=0) + _TOLERANCE).astype(int)
    last = np.ceil(covered.max(axis=0) - _TOLERANCE).astype(int)
    last = np.maximum(last, first + 1)  # ITK's readers take one slice for a flat image.
    grid = sitk.Image((last - first + 1).tolist(), sitk.sitkUInt8)
    grid.SetSpacing(base.GetSpacing())
    grid.SetDirection(base.GetDirection())
    grid.SetOrigin(base.TransformContinuousIndexToPhysicalPoint(first.astype(float).tolist()))
    return grid


def _shares_voxels(image: sitk.Image, scan: sitk.Image) -> bool:
    """Tell whether the voxels of an image are some of the scan's, in whatever order."""
    to_scan = np.linalg.inv(geometry.index_to_lps(scan)) @ geometry.index_to_lps(image)
    places = _corners(image) @ to_scan.T
    whole = np.abs(places - np.round(places)).max() < _TOLERANCE
    return bool(whole and abs(abs(np.linalg.det(to_scan)) - 1.0) < _TOLERANCE)


def _box(image: sitk.Image) -> tuple[list[int], list[int]]:
    """Return the lowest and the highest index (i, j, k) of what is drawn."""
    values = sitk.GetArrayViewFromImage(image)
    sides = [np.flatnonzero(values.any(axis=rest)) for rest in ((0, 1), (0, 2), (1, 2))]
    return [int(side[0]) for side in sides], [int(side[-1]) for side in sides]


def _corners(
    image: sitk.Image, low: Sequence[int] = (0, 0, 0), high: Sequence[int] | None = None
) -> np.ndarray:
    """Return the indices (i, j, k, 1) of the corner voxels of a box, or of all of an image."""
    high = [size - 1 for size in image.GetSize()] if high is None else high
    return np.array(list(itertools.product(*zip(low, high, strict=True), (1,))))


def _described(segment: Segment, layer: int) -> dict[str, str]:
    return {
        "Name": " ".join(segment.name.split()),
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{value / 255:.6g}" for value in segment.colour),
        "ColorAutoGenerated": "0",
        "LabelValue": str(segment.label),
        "Layer": str(layer),
        "Tags": f"TerminologyEntry:{to_slicer(segment)}|",
    }
