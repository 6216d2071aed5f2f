"""Filters: each needs no more of the image than it says, turns with it, and bears odd scans."""

from __future__ import annotations

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Scan
from MedAssistLib.enhance import Step, enhance
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.progress import Progress
from Testing import orientations
from Testing.filter_cases import KINDS, NAMES, SAME_GRID, applied, array, options_of, spread


@pytest.mark.parametrize("name", NAMES)
def test_the_image_stays_as_it_was(head: sitk.Image, reference: Path, name: str) -> None:
    before = sitk.Hash(head)
    result = applied(name, head, reference)
    assert sitk.Hash(head) == before
    assert result.GetPixelID() == sitk.sitkFloat32
    assert np.isfinite(array(result)).all()
    if KINDS[name].keeps_grid:
        assert geometry.same_grid(result, head)
        assert sitk.Hash(result) != before


def slab_of(image: sitk.Image, axis: int, at: int, reach: float) -> tuple[sitk.Image, int]:
    """Return the slices within ``reach`` mm of one, and where this one is among them."""
    around = math.ceil(reach / image.GetSpacing()[axis] - 1e-6)
    first, stop = max(at - around, 0), min(at + around + 1, image.GetSize()[axis])
    if stop - first < 2:  # A volume has two slices at least.
        first, stop = (at, at + 2) if at + 2 <= image.GetSize()[axis] else (at - 1, at + 1)
    cut = [slice(None)] * 3
    cut[axis] = slice(first, stop)
    return image[tuple(cut)], at - first


def plane(image: sitk.Image, axis: int, at: int) -> np.ndarray:
    return np.take(array(image), at, 2 - axis)


@pytest.mark.parametrize("name", SAME_GRID)
def test_a_slab_gives_the_same_slice_as_the_whole(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """The preview runs a filter on a slab: a reach that is too short would show another image."""
    kind = KINDS[name]
    options = options_of(name, reference)
    whole = kind.apply(head, options, Progress())
    limit = kind.tolerance * spread(whole)
    state = kind.prepare(head, options, Progress()) if kind.prepare else None
    for axis, at in ((2, 17), (0, 33), (2, 0)):
        reach = kind.reach(options, head.GetSpacing()[axis])
        slab, middle = slab_of(head, axis, at, reach)
        if kind.part:
            wanted = (axis, middle, middle + 1)
            part, middle = kind.part(slab, options, Progress(), state, wanted), 0
        else:
            part = kind.apply(slab, options, Progress(), state)
        apart = np.abs(plane(part, axis, middle) - plane(whole, axis, at)).max()
        assert apart <= limit, f"{apart / spread(whole):.2g} of the range, axis {axis}, slice {at}"


@pytest.mark.parametrize("name", [n for n in SAME_GRID if KINDS[n].prepare and KINDS[n].coarse])
def test_a_coarse_copy_of_the_whole_is_enough_to_prepare(
    head: sitk.Image, reference: Path, name: str
) -> None:
    kind = KINDS[name]
    options = options_of(name, reference)
    whole = kind.apply(head, options, Progress())
    state = kind.prepare(sitk.Shrink(head, [2, 2, 1]), options, Progress())
    coarse = kind.apply(head, options, Progress(), state)
    apart = np.abs(array(coarse) - array(whole))
    assert np.percentile(apart, 99) <= kind.tolerance * spread(whole)


@pytest.mark.parametrize("name", SAME_GRID)
def test_orientation_does_not_change_the_result(
    head: sitk.Image, reference: Path, name: str
) -> None:
    expected = applied(name, head, reference)
    for order, flips in orientations.ALL[9::19]:
        turned = applied(name, orientations.stored(head, order, flips), reference)
        apart = array(turned) - array(orientations.stored(expected, order, flips))
        assert np.abs(apart).max() <= 1e-3 * spread(expected)


@pytest.mark.parametrize("name", ["geometry.crop", "geometry.resample", "geometry.reorient"])
def test_a_filter_that_moves_the_grid_moves_it_the_same_way_in_every_orientation(
    head: sitk.Image, reference: Path, name: str
) -> None:
    given = {"geometry.resample": "spacing=3"}.get(name, "")
    expected = sitk.DICOMOrient(applied(name, head, reference, given), "LPS")
    for order, flips in orientations.ALL[9::19]:
        result = applied(name, orientations.stored(head, order, flips), reference, given)
        turned = sitk.DICOMOrient(result, "LPS")
        assert geometry.same_grid(turned, expected)
        assert np.allclose(array(turned), array(expected), atol=1e-3 * spread(expected))


def test_resampling_puts_values_where_they_were(reference: Path) -> None:
    """A grid shifted by half a voxel is the classic mistake."""
    k, j, i = np.mgrid[:12, :20, :24].astype(np.float32)
    image = sitk.GetImageFromArray(5 * i + 3 * j + 2 * k)
    image.SetSpacing((0.8, 0.9, 3.0))
    image.SetOrigin((10.0, -20.0, 30.0))
    for spacing in (0.7, 1.0, 2.0):
        result = applied("geometry.resample", image, reference, f"spacing={spacing}")
        assert result.GetSpacing() == pytest.approx((spacing,) * 3)
        centre = result.TransformContinuousIndexToPhysicalPoint(
            [(n - 1) / 2 for n in result.GetSize()]
        )
        assert image.TransformPhysicalPointToContinuousIndex(centre) == pytest.approx(
            [11.5, 9.5, 5.5]
        )
        index = [n // 2 for n in result.GetSize()]
        at = image.TransformPhysicalPointToContinuousIndex(
            result.TransformIndexToPhysicalPoint(index)
        )
        assert result[index] == pytest.approx(np.dot(at, (5, 3, 2)), abs=0.01)


def test_resampling_coarser_leaves_no_false_pattern(reference: Path) -> None:
    """Every other row bright: without a blur, each fourth voxel would show stripes or nothing."""
    values = np.zeros((8, 40, 40), dtype=np.float32)
    values[:, ::2] = 100.0
    result = array(
        applied("geometry.resample", sitk.GetImageFromArray(values), reference, "spacing=3")
    )
    inner = result[1:-1, 2:-2, 2:-2]
    assert np.abs(inner - 50.0).max() < 15.0


def test_a_resampling_that_no_machine_can_hold_is_refused(reference: Path) -> None:
    image = sitk.Image(512, 512, 20, sitk.sitkFloat32)
    with pytest.raises(UsageError, match="Give a larger spacing"):
        applied("geometry.resample", image, reference, "spacing=0.05")


def test_cropping_keeps_the_body_with_its_margin(reference: Path) -> None:
    values = np.full((20, 60, 50), -1000.0, dtype=np.float32)
    values[6:15, 20:40, 10:30] = 40.0
    values[:, 55, :] = 200.0  # A table below, as thin as tables are.
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((1.0, 1.0, 2.0))
    options = KINDS["geometry.crop"].options.make({"margin": 4}, "CT")
    result = KINDS["geometry.crop"].apply(image, options, Progress())
    first = np.array(image.TransformPhysicalPointToIndex(result.GetOrigin()))
    last = first + result.GetSize() - 1
    # The body is found on voxels of 3 mm.
    assert (np.array((6, 16, 4)) - first).tolist() == pytest.approx([1.5, 1.5, 0.5], abs=1.5)
    assert (last - (33, 43, 16)).tolist() == pytest.approx([1.5, 1.5, 0.5], abs=1.5)


def test_a_tube_answers_to_vesselness_and_a_plate_to_sheetness(reference: Path) -> None:
    """Exchanged dimensions would show bones as vessels."""
    values = np.zeros((30, 40, 40), dtype=np.float32)
    values[:, 9:12, 9:12] = 200.0
    values[:, 28:30, :] = 200.0
    image = sitk.GetImageFromArray(values)
    given = "smallest=1,largest=2,sizes=2,contrast=100"
    tubes = array(applied("structure.vesselness", image, reference, given))
    plates = array(applied("structure.sheetness", image, reference, given))
    assert tubes[15, 10, 10] > 0.5
    assert tubes[15, 28, 20] < 0.2
    assert plates[15, 28, 20] > 0.5 > plates[15, 10, 10]
    dark = array(applied("structure.vesselness", image * -1, reference, given + ",side=dark"))
    assert np.allclose(dark, tubes, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_volume_of_two_slices_is_no_obstacle(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """ITK's recursive Gaussians, for one, refuse fewer than four."""
    assert np.isfinite(array(applied(name, head[:, :, 16:18], reference))).all()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_image_gives_a_result_or_one_line(
    head: sitk.Image, reference: Path, name: str
) -> None:
    with contextlib.suppress(InputError):  # Which is one line by what it is.
        result = applied(name, head[:20, :20, :6] * 0 + 7, reference)
        assert np.isfinite(array(result)).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_a_hole_of_no_number_does_not_stop_a_filter(
    head: sitk.Image, reference: Path, name: str
) -> None:
    image = head[:30, :30, :10]
    image[3, 4, 5] = math.nan
    step = Step(KINDS[name], options_of(name, reference))
    assert np.isfinite(array(enhance(Scan(image=image), (step,)).image)).all()


def test_gamma_makes_a_number_of_the_darkest_value(reference: Path) -> None:
    """A lower end that float32 rounds up would leave a little less than 0 there, and its power."""
    values = np.linspace(0.1, 5.0, 4096, dtype=np.float32).reshape(4, 32, 32)
    image = sitk.GetImageFromArray(values)
    for low in np.random.default_rng(2).uniform(0.1, 4.0, 50):
        result = array(applied("contrast.gamma", image, reference, f"low={low!s},high=5"))
        assert np.isfinite(result).all()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bias.n4"])
def test_a_filter_says_whether_hounsfield_units_stay(reference: Path, name: str) -> None:
    """A CT model would be run on values that mean something else, without a word."""
    values = np.full((24, 44, 44), -1000.0, dtype=np.float32)
    values[2:22, 6:38, 6:38] = 60.0
    values[8:12, 10:14, 10:14] = 400.0
    image = sitk.GetImageFromArray(values)
    middle = image.TransformIndexToPhysicalPoint((26, 26, 14))
    given = {"reference": str(reference)} if name == "contrast.match" else {}
    result = KINDS[name].apply(image, KINDS[name].options.make(given, "CT"), Progress())
    kept = abs(result[result.TransformPhysicalPointToIndex(middle)] - 60.0) < 1.0
    assert kept == KINDS[name].keeps_unit


@pytest.mark.parametrize("name", ["denoise.median", "denoise.bilateral", "denoise.gaussian"])
def test_a_denoiser_works_on_coarse_voxels_too(
    head: sitk.Image, reference: Path, name: str
) -> None:
    """A default in mm that is less than a voxel would do nothing."""
    noise = np.random.default_rng(8).normal(0.0, 5.0, head.GetSize()[::-1]).astype(np.float32)
    for spacing in (0.3, 1.0, 5.0):
        image = sitk.GetImageFromArray(noise)
        image.SetSpacing([spacing] * 3)
        assert array(applied(name, image, reference)).std() < 0.7 * noise.std()
