"""Size, place and intensity of each structure.

Units are UCUM. Surface area follows Lehmann and Legland, "Efficient N-Dimensional surface
estimation using Crofton formula and run-length encoding", Insight Journal 2012, as ITK has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Measurement, Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress

AXES = ("L", "P", "S")
HOUNSFIELD = "[hnsf'U]"

_VOXELS = "voxel count × voxel volume"
_CROFTON = "Crofton formula over 13 directions"
_WITHIN = "over all voxels of the structure"
_CENTROID = "mean position of its voxels, LPS"
_BOX = "outer edges of its voxels along the LPS axes"


def measure(
    scan: Scan, segmentation: Segmentation, progress: Progress | None = None
) -> tuple[Measurement, ...]:
    """Measure each structure of a segmentation.

    Args:
        scan: The scan whose intensities are measured.
        segmentation: Structures on the scan's grid.
        progress: Told how far it is.

    Returns:
        For each segment: volume (mL), surface area (cm2), mean and standard deviation of the
        intensity (HU for CT), centroid and box (LPS mm). An empty structure has volume 0 and NaN
        elsewhere.

    Raises:
        InputError: If the segmentation is not on the scan's grid.
        CancelledError: If the user asked to stop.
    """
    progress = (progress or Progress()).part("Measuring", 0.0, 1.0)
    progress.update(0.0)
    if not geometry.same_grid(scan.image, segmentation.labels):
        hint = "Give the scan that it was drawn on"
        raise InputError(
            "the segmentation is not on the scan's grid", where=scan.source or "", hint=hint
        )
    statistics = _statistics(scan.image, segmentation.labels)
    measured = [
        measurement
        for segment in segmentation.segments
        for measurement in _measured(segment, statistics, scan)
    ]
    progress.update(1.0)
    return tuple(measured)


def _statistics(image: sitk.Image, labels: sitk.Image) -> sitk.LabelIntensityStatisticsImageFilter:
    aligned = sitk.Image(labels)
    aligned.CopyInformation(image)
    statistics = sitk.LabelIntensityStatisticsImageFilter()
    statistics.ComputePerimeterOn()
    statistics.Execute(aligned, image)
    return statistics


def _measured(
    segment: Segment, statistics: sitk.LabelIntensityStatisticsImageFilter, scan: Scan
) -> Iterator[Measurement]:
    for quantity, value, unit, method in _values(segment.label, statistics, scan):
        yield Measurement(
            structure=segment.name, quantity=quantity, value=value, unit=unit, method=method
        )


def _values(
    label: int, statistics: sitk.LabelIntensityStatisticsImageFilter, scan: Scan
) -> Iterator[tuple[str, float, str, str]]:
    there = statistics.HasLabel(label)
    grey = HOUNSFIELD if scan.modality == "CT" else "1"
    area = statistics.GetPerimeter(label) / 100.0 if there else math.nan
    volume = statistics.GetPhysicalSize(label) / 1000.0 if there else 0.0
    mean = statistics.GetMean(label) if there else math.nan
    deviation = statistics.GetStandardDeviation(label) if there else math.nan
    yield "volume", volume, "mL", _VOXELS
    yield "surface area", area, "cm2", _CROFTON
    yield "mean intensity", mean, grey, _WITHIN
    yield "intensity standard deviation", deviation, grey, _WITHIN
    centroid = statistics.GetCentroid(label) if there else (math.nan,) * 3
    for axis, value in zip(AXES, centroid, strict=True):
        yield f"centroid {axis}", value, "mm", _CENTROID
    yield from _box_values(statistics.GetBoundingBox(label) if there else None, scan)


def _box_values(box: tuple[int, ...] | None, scan: Scan) -> Iterator[tuple[str, float, str, str]]:
    nowhere = (math.nan,) * 3
    low, high = geometry.box_lps(scan.image, box[:3], box[3:]) if box else (nowhere, nowhere)
    for axis, least, most in zip(AXES, low, high, strict=True):
        yield f"box {axis} minimum", least, "mm", _BOX
        yield f"box {axis} maximum", most, "mm", _BOX
