"""Agreement of two masks: the numbers of the reference program, of geometry, and of nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import surface_distance
from scipy import ndimage
from surface_distance.lookup_tables import create_table_neighbour_code_to_surface_area

from MedAssistLib.measure.agreement import (
    Agreement,
    Found,
    agreement,
    compare_surfaces,
    surface_dice,
)
from MedAssistLib.measure.agreement.elements import Spacing, element_areas
from MedAssistLib.volumes import Mask
from Testing import orientations

pytestmark = pytest.mark.filterwarnings("ignore:Please import:DeprecationWarning")

Pair = tuple[Mask, Mask, Spacing]
ISOTROPIC = (1.0, 1.0, 1.0)
EMPTY = np.zeros((9, 9, 9), dtype=bool)


def ball(radius: float, spacing: Spacing = ISOTROPIC, shift: float = 0.0) -> Mask:
    """Return a ball in a box of 40 mm, moved along the first axis, both in mm."""
    axes = [np.arange(math.ceil(40 / s)) * s - 20 for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    mask: Mask = (z - shift) ** 2 + y**2 + x**2 <= radius**2
    return mask


def assert_as_the_reference_program(first: Mask, second: Mask, spacing: Spacing) -> None:
    ours = agreement(first, second, spacing, tolerance=2.0)
    found = surface_distance.compute_surface_distances(second, first, spacing)
    expected = {
        "dice": surface_distance.compute_dice_coefficient(second, first),
        "nsd_1mm": surface_distance.compute_surface_dice_at_tolerance(found, 1.0),
        "nsd": surface_distance.compute_surface_dice_at_tolerance(found, 2.0),
        "hd95": surface_distance.compute_robust_hausdorff(found, 95),
        "hd": surface_distance.compute_robust_hausdorff(found, 100),
    }
    areas = found["surfel_areas_gt"], found["surfel_areas_pred"]
    means = surface_distance.compute_average_surface_distance(found)
    total = [area.sum() for area in areas]
    expected["assd"] = np.dot(means, total) / sum(total)
    assert {name: getattr(ours, name) for name in expected} == pytest.approx(expected, rel=1e-9)


def random_pairs() -> Iterator[Pair]:
    chance = np.random.default_rng(20180912)
    while True:
        shape = tuple(chance.integers(1, 10, 3))
        density = chance.choice([0.05, 0.3, 0.7])
        first, second = chance.random((2, *shape)) < density
        if first.any() and second.any():
            yield first, second, tuple(chance.choice([0.5, 0.7, 0.9765625, 1.0, 3.0], 3))


def test_random_masks_have_the_numbers_of_surface_distance() -> None:
    """Every pattern of voxels, masks at the border, thin ones: papers have these numbers."""
    for _, pair in zip(range(200), random_pairs(), strict=False):
        assert_as_the_reference_program(*pair)


@pytest.mark.parametrize("spacing", [ISOTROPIC, (0.7, 0.7, 5.0), (2.5, 0.33, 1.1)])
def test_surface_elements_have_the_areas_of_surface_distance(spacing: Spacing) -> None:
    """Each of 256 patterns: a rare wrong one would hide in every other test."""
    expected = create_table_neighbour_code_to_surface_area(spacing)
    np.testing.assert_allclose(element_areas(spacing), expected, rtol=1e-12)


def test_real_hippocampi_have_the_numbers_of_surface_distance(shared_data: Path) -> None:
    """Two people's hippocampi differ as much as a bad segmentation does from the truth."""
    paths = sorted((shared_data / "hippocampus" / "labelsTr").glob("*.nii.gz"))[:7]
    arrays = [sitk.GetArrayFromImage(sitk.ReadImage(str(path))) for path in paths]
    for one, other in itertools.pairwise(arrays):
        shape = np.minimum(one.shape, other.shape)
        part = tuple(slice(n) for n in shape)
        for label in (1, 2):
            assert_as_the_reference_program(one[part] == label, other[part] == label, ISOTROPIC)


def test_real_organs_have_the_numbers_of_surface_distance(shared_data: Path) -> None:
    image = sitk.ReadImage(str(shared_data / "ct" / "example_seg.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    spacing = image.GetSpacing()[::-1]
    for label in np.unique(labels)[1:]:
        mask = labels == label
        other = ndimage.binary_dilation(mask, iterations=1 + label % 3)
        assert_as_the_reference_program(other & (labels != label + 1), mask, spacing)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.4, 0.8, 0.5)])
def test_balls_apart_by_2_mm_have_the_numbers_of_geometry(spacing: Spacing) -> None:
    radius, shift = 12.0, 2.0
    found = agreement(ball(radius, spacing, shift), ball(radius, spacing), spacing)
    # Two caps have the common volume. Surfaces are shift × |cos| apart, less the half voxel on
    # both sides that corners of mixed voxels are.
    common = math.pi * (4 * radius + shift) * (2 * radius - shift) ** 2 / 12
    volume = 4 / 3 * math.pi * radius**3
    assert found.dice == pytest.approx(common / volume, abs=0.003)
    assert found.hd == pytest.approx(shift, abs=1e-6)
    assert found.assd == pytest.approx(shift / 2, abs=0.25)
    assert found.nsd == 1.0
    assert 0.5 <= found.nsd_1mm < 0.7
    assert found.reference_ml == pytest.approx(volume / 1000, rel=0.01)
    assert found.difference_ml == pytest.approx(0.0, abs=1e-9)


def test_distances_are_above_zero_outside_and_below_inside() -> None:
    """A map of disagreements would show what is missed as too much."""
    small, large = ball(8.0), ball(11.0)
    outer, inner = compare_surfaces(large, small, ISOTROPIC)
    assert outer.signed == pytest.approx(3.0, abs=math.sqrt(3.0))
    assert inner.signed == pytest.approx(-3.0, abs=math.sqrt(3.0))
    here, there = compare_surfaces(ball(8.0, shift=2.0), ball(8.0), ISOTROPIC)
    front, back = here.points[:, 0] > 25.0, here.points[:, 0] < 17.0
    assert (here.signed[front].min(), here.signed[front].max()) == (0.0, 2.0)
    assert (here.signed[back].min(), here.signed[back].max()) == (-2.0, 0.0)
    assert there.signed[there.points[:, 0] < 17.0].max() == 2.0


def test_points_lie_around_the_voxels_wherever_the_mask_is() -> None:
    """Marks of disagreement would lie beside it, by half a voxel or by the crop."""
    first, second = np.zeros((2, 12, 14, 16), dtype=bool)
    first[7, 8, 9] = second[2, 8, 9] = True
    mine, _ = compare_surfaces(first, second, (2.0, 1.0, 1.0))
    assert len(mine.points) == 8
    np.testing.assert_array_equal(mine.points.min(axis=0), [6.5, 7.5, 8.5])
    np.testing.assert_array_equal(mine.points.max(axis=0), [7.5, 8.5, 9.5])
    np.testing.assert_array_equal(np.unique(mine.signed), [8.0, 10.0])


def test_equal_masks_agree_wholly() -> None:
    found = agreement(ball(9.0), ball(9.0), ISOTROPIC)
    assert (found.dice, found.nsd, found.nsd_1mm) == (1.0, 1.0, 1.0)
    assert (found.hd, found.hd95, found.assd, found.difference_percent) == (0.0, 0.0, 0.0, 0.0)


def test_a_structure_that_only_one_has_is_a_whole_miss() -> None:
    """A mean would flatter the model that finds nothing."""
    one = EMPTY.copy()
    one[3:6, 4:6, 4:7] = True
    missed, extra = agreement(EMPTY, one, ISOTROPIC), agreement(one, EMPTY, ISOTROPIC)
    for found in (missed, extra):
        assert (found.dice, found.nsd, found.nsd_1mm) == (0.0, 0.0, 0.0)
        assert (found.hd, found.hd95, found.assd) == (math.inf, math.inf, math.inf)
    assert (missed.found, extra.found) == (Found.MISSED, Found.EXTRA)
    assert missed.difference_percent == -100.0
    assert math.isnan(extra.difference_percent)


def test_a_structure_that_nobody_has_is_neither_good_nor_bad() -> None:
    found = agreement(EMPTY, EMPTY, ISOTROPIC)
    assert found.found is Found.NEITHER
    numbers = (found.dice, found.nsd, found.nsd_1mm, found.hd, found.hd95, found.assd)
    assert all(map(math.isnan, numbers))
    assert found.difference_ml == 0.0


@pytest.fixture(scope="module")
def lumps() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    noise = np.random.default_rng(5).normal(size=(2, 14, 18, 23))
    smooth = ndimage.gaussian_filter(noise, (0, 2, 2, 2))
    first, second = (smooth > 0.02).astype(np.uint8)
    return first, second


@pytest.mark.parametrize(("order", "flips"), orientations.ALL)
def test_the_order_of_axes_changes_no_number(
    lumps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    images = [sitk.GetImageFromArray(array) for array in lumps]
    for image in images:
        image.SetSpacing((0.7, 1.1, 2.5))

    def numbers(first: sitk.Image, second: sitk.Image) -> Agreement:
        masks = [sitk.GetArrayFromImage(image) > 0 for image in (first, second)]
        return agreement(masks[0], masks[1], first.GetSpacing()[::-1])

    turned = [orientations.stored(image, order, flips) for image in images]
    assert astuple(numbers(*turned)) == pytest.approx(astuple(numbers(*images)), rel=1e-12)


def test_a_wider_tolerance_never_lowers_the_surface_dice(
    lumps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
) -> None:
    pair = compare_surfaces(lumps[0] > 0, lumps[1] > 0, (2.5, 1.1, 0.7))
    values = [surface_dice(pair, tolerance) for tolerance in np.linspace(0.0, 30.0, 61)]
    assert values == sorted(values)
    assert 0.0 < values[0] < values[-1] == 1.0


def test_spacing_scales_distances_and_volumes(
    lumps: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]],
) -> None:
    masks = lumps[0] > 0, lumps[1] > 0
    small = agreement(*masks, (1.0, 0.5, 0.75), tolerance=1.5)
    large = agreement(*masks, (2.0, 1.0, 1.5), tolerance=3.0)
    for name, factor in {"dice": 1, "nsd": 1, "hd": 2, "hd95": 2, "assd": 2}.items():
        assert getattr(large, name) == pytest.approx(factor * getattr(small, name))
    assert large.predicted_ml == pytest.approx(8 * small.predicted_ml)
