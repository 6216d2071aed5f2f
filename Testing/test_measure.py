"""Measuring: numbers that a surgeon may rely on, equal to what geometry says they are."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segment, Segmentation
from MedAssistLib.errors import InputError
from MedAssistLib.measure import measure
from Testing import orientations


def _values(scan: Scan, segmentation: Segmentation, structure: str) -> dict[str, float]:
    found = measure(scan, segmentation)
    return {entry.quantity: entry.value for entry in found if entry.structure == structure}


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.9, 1.6)])
def test_a_ball_has_the_volume_surface_and_place_of_a_ball(
    spacing: tuple[float, float, float],
) -> None:
    radius, middle = 20.0, np.array([31.0, -12.0, 55.0])
    size = [int(56 / s) for s in spacing]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin((middle - (np.array(size) - 1) / 2 * spacing).tolist())
    index = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), axis=-1)
    place = index * spacing + np.array(grid.GetOrigin())
    ball = (np.square(place - middle).sum(axis=-1) <= radius**2).transpose(2, 1, 0)
    labels = sitk.GetImageFromArray(ball.astype(np.uint8))
    labels.CopyInformation(grid)
    image = sitk.GetImageFromArray(np.where(ball, 40, -1000).astype(np.int16))
    image.CopyInformation(grid)
    segmentation = Segmentation(
        labels=labels, segments=(Segment(label=1, name="Ball", colour=(9, 9, 9)),)
    )
    found = _values(Scan(image=image, modality="CT"), segmentation, "Ball")
    assert found["volume"] == pytest.approx(4 / 3 * math.pi * radius**3 / 1000, rel=0.01)
    assert found["surface area"] == pytest.approx(4 * math.pi * radius**2 / 100, rel=0.02)
    assert found["mean intensity"] == 40.0
    assert found["intensity standard deviation"] == 0.0
    for axis, name in enumerate("LPS"):
        assert found[f"centroid {name}"] == pytest.approx(middle[axis], abs=0.05)
        assert found[f"box {name} minimum"] == pytest.approx(
            middle[axis] - radius, abs=spacing[axis]
        )
        assert found[f"box {name} maximum"] == pytest.approx(
            middle[axis] + radius, abs=spacing[axis]
        )


def test_intensity_is_that_of_the_voxels_inside(
    small_scan: Scan, small_segmentation: Segmentation
) -> None:
    inside = sitk.GetArrayFromImage(small_segmentation.labels) == 2
    values = sitk.GetArrayFromImage(small_scan.image)[inside].astype(float)
    found = _values(small_scan, small_segmentation, "Left kidney")
    assert found["mean intensity"] == pytest.approx(values.mean())
    assert found["intensity standard deviation"] == pytest.approx(values.std(ddof=1))
    assert found["volume"] == pytest.approx(inside.sum() * 0.9 * 1.1 * 2.5 / 1000)


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::5])
def test_the_way_a_scan_is_stored_changes_no_number(
    small_scan: Scan,
    small_segmentation: Segmentation,
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    turned = dataclasses.replace(
        small_scan, image=orientations.stored(small_scan.image, order, flips)
    )
    labels = orientations.stored(small_segmentation.labels, order, flips)
    moved = dataclasses.replace(small_segmentation, labels=labels)
    expected = [entry.value for entry in measure(small_scan, small_segmentation)]
    assert [entry.value for entry in measure(turned, moved)] == pytest.approx(expected)


def test_an_empty_structure_is_reported_not_dropped(
    small_scan: Scan, small_segmentation: Segmentation
) -> None:
    lost = Segment(label=9, name="Spleen", colour=(1, 2, 3))
    more = dataclasses.replace(small_segmentation, segments=(*small_segmentation.segments, lost))
    found = _values(small_scan, more, "Spleen")
    assert found.pop("volume") == 0.0
    assert all(math.isnan(value) for value in found.values())


def test_hounsfield_units_only_for_ct(small_scan: Scan, small_segmentation: Segmentation) -> None:
    for modality, unit in (("CT", "[hnsf'U]"), ("MR", "1")):
        scan = dataclasses.replace(small_scan, modality=modality)
        units = {entry.quantity: entry.unit for entry in measure(scan, small_segmentation)}
        assert units["mean intensity"] == unit
        assert units["volume"] == "mL"


def test_a_segmentation_of_another_grid_is_refused(
    small_scan: Scan, small_segmentation: Segmentation
) -> None:
    moved = sitk.Image(small_segmentation.labels)
    moved.SetOrigin([value + 0.5 for value in moved.GetOrigin()])
    other = dataclasses.replace(small_segmentation, labels=moved)
    with pytest.raises(InputError, match="not on the scan's grid"):
        measure(small_scan, other)
