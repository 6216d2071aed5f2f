"""Where slices lie: any orientation, any order of files, and every kind of irregular stack."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import (
    assert_agrees_with_dcm2niix,
    found_in,
    loaded,
    pixels,
    rules,
    up,
    write_series,
)

NOISE = np.random.default_rng(5).integers(-1000, 2000, (7, 6, 8)).astype(np.int16)
AXES = np.vstack([np.eye(3), -np.eye(3)])
ROWS_AND_COLUMNS = [(a, b) for a, b in itertools.product(AXES, AXES) if a @ b == 0]


def _series(folder: Path, turn: np.ndarray, *, step: float = 2.5, seed: int = 0) -> Path:
    """Write slices that lie along the third column of ``turn``, either way round."""
    row, column, along = turn.T
    first = np.array([-31.25, 12.5, 40.75])
    positions = [first + k * step * along for k in range(len(NOISE))]
    return write_series(folder, NOISE, positions, (*row, *column), seed=seed)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("number", range(24))
def test_each_of_48_orientations_agrees_with_dcm2niix(
    tmp_path: Path, number: int, sign: int
) -> None:
    """A flipped axis is the mistake that shows the left side for the right."""
    row, column = ROWS_AND_COLUMNS[number]
    turn = np.column_stack([row, column, sign * np.cross(row, column)])
    folder = _series(tmp_path / "d", turn, seed=number)
    scan = loaded(folder)
    assert scan.findings == ()
    assert scan.image.GetSpacing() == pytest.approx((1.25, 1.5, 2.5))
    assert_agrees_with_dcm2niix(scan.image, folder, tmp_path / "o")


@pytest.mark.parametrize("seed", range(6))
def test_oblique_stacks_agree_with_dcm2niix(tmp_path: Path, seed: int) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    folder = _series(tmp_path / "d", turn, seed=seed)
    scan = loaded(folder)
    assert scan.findings == ()
    assert_agrees_with_dcm2niix(scan.image, folder, tmp_path / "o")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32 - 1), st.floats(0.3, 20.0))
def test_every_voxel_is_where_its_slice_says(
    tmp_path_factory: pytest.TempPathFactory, seed: int, step: float
) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    folder = _series(tmp_path_factory.mktemp("d"), turn, step=step, seed=seed)
    image = loaded(folder).image
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        i, j, k = image.TransformPhysicalPointToIndex([float(v) for v in data.ImagePositionPatient])
        assert (i, j) == (0, 0)
        place = np.array(image.TransformIndexToPhysicalPoint((0, 0, k)))
        assert np.abs(place - np.array(data.ImagePositionPatient, dtype=float)).max() < 0.01
        assert np.array_equal(pixels(image)[k], data.pixel_array)


def _ball(
    folder: Path, zs: np.ndarray, degrees: float = 0.0, *, columns: int = 64
) -> tuple[Path, np.ndarray]:
    """Write axial-ish slices through a smooth ball, each where a gantry so tilted takes it."""
    angle = np.radians(degrees)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(angle), -np.sin(angle)])
    centre = np.array([0.0, 0.0, float(np.mean(zs))])
    j, i = np.mgrid[:48, :columns]
    slices, positions = [], []
    for z in zs:
        first = np.array([-columns * 1.25 / 2, -36.0 * np.cos(angle), z + 36.0 * np.sin(angle)])
        points = first + i[..., None] * 1.25 * row + j[..., None] * 1.5 * column
        slices.append(_brightness(points, centre))
        positions.append(first)
    values = np.rint(slices).astype(np.int16)
    return write_series(folder, values, positions, (*row, *column)), centre


def _brightness(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
    distance = np.linalg.norm(points - centre, axis=-1)
    return 1000.0 * np.exp(-((distance / 18.0) ** 2))


def _assert_shows_the_ball(image: sitk.Image, centre: np.ndarray, tolerance: float) -> None:
    size = image.GetSize()
    indices = np.stack(np.meshgrid(*[np.arange(n) for n in size], indexing="ij"), -1)
    matrix = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    points = indices @ matrix.T + np.array(image.GetOrigin())
    expected = _brightness(points, centre)
    near = np.linalg.norm(points - centre, axis=-1) < 25.0
    difference = np.abs(pixels(image).transpose(2, 1, 0) - expected)[near]
    assert difference.max() < tolerance


@pytest.mark.parametrize("degrees", [-25.0, -3.0, 12.0, 30.0])
def test_a_tilted_stack_shows_what_is_there(tmp_path: Path, degrees: float) -> None:
    """Slices stacked without their sideways shift would slant every organ."""
    folder, centre = _ball(tmp_path, np.arange(-40.0, 41.0, 2.0), degrees)
    scan = loaded(folder)
    assert rules(scan) == ["scan.tilt"]
    assert f"{abs(degrees):.1f}°" in scan.findings[0].title
    assert scan.findings[0].evidence[0].measured == pytest.approx(abs(degrees), abs=0.01)
    _assert_shows_the_ball(scan.image, centre, 8.0)


def test_uneven_slices_show_what_is_there(tmp_path: Path) -> None:
    steps = np.random.default_rng(1).uniform(1.0, 3.0, 40)
    folder, centre = _ball(tmp_path, np.cumsum(steps))
    scan = loaded(folder)
    assert rules(scan) == ["scan.uneven-slices"]
    shown = f"from {steps[1:].min():.2f} to {steps[1:].max():.2f} mm"
    assert shown in scan.findings[0].title
    _assert_shows_the_ball(scan.image, centre, 12.0)


def test_slices_on_the_grid_keep_their_exact_values(tmp_path: Path) -> None:
    """What lies beside a gap must not be blurred by filling the gap."""
    zs = [0, 2, 4, 10, 12, 14, 18]
    scan = loaded(write_series(tmp_path, NOISE, up(zs)))
    assert rules(scan) == ["scan.missing-slices"]
    (finding,) = scan.findings
    assert finding.title == "3 slices are missing, at z = 6.0, 8.0, 16.0 mm."
    assert finding.point == pytest.approx((-10 + 1.25 * 3.5, 20 + 1.5 * 2.5, 6.0))
    values = pixels(scan.image)
    assert np.array_equal(values[[z // 2 for z in zs]], NOISE)
    between = np.rint((NOISE[5].astype(float) + NOISE[6]) / 2)
    assert np.abs(values[8] - between).max() <= 1
    with pytest.raises(InputError, match=r"missing, at z = 6\.0, 8\.0, 16\.0 mm"):
        loaded(tmp_path, strict=True)


def test_a_missing_slice_of_a_tilted_stack_is_named_where_it_lies(tmp_path: Path) -> None:
    zs = [z for z in np.arange(-20.0, 21.0, 2.0) if z != 4.0]
    folder, _ = _ball(tmp_path, np.array(zs), 20.0)
    scan = loaded(folder)
    assert rules(scan) == ["scan.tilt", "scan.missing-slices"]
    expected = 4.0 + 36.0 * np.sin(np.radians(20.0))
    assert f"z = {expected:.2f} mm" in scan.findings[1].title


def test_overlapping_slices_are_named(tmp_path: Path) -> None:
    scan = loaded(write_series(tmp_path, NOISE, up([0, 5, 10, 11, 16, 21, 26])))
    assert rules(scan) == ["scan.uneven-slices", "scan.overlapping-slices"]
    assert "at z = 11.0 mm" in scan.findings[1].title


def test_rounded_positions_are_not_called_uneven(tmp_path: Path) -> None:
    """Scanners write two decimals; resampling for that would blur every such scan."""
    zs = [round(k * 0.7, 1) + 0.01 * (k % 2) for k in range(7)]
    scan = loaded(write_series(tmp_path, NOISE, up(zs)))
    assert scan.findings == ()
    assert np.array_equal(pixels(scan.image), NOISE)


@pytest.mark.parametrize("same_instance", [True, False])
def test_doubled_slices_are_left_out_and_named(tmp_path: Path, same_instance: bool) -> None:
    def double(number: int, data: pydicom.Dataset) -> None:
        if same_instance:
            data.SOPInstanceUID = f"1.2.3.{min(number, 5)}"

    zs = [0, 2, 4, 6, 8, 10, 10]
    scan = loaded(write_series(tmp_path, NOISE, up(zs), change=double))
    assert rules(scan) == ["scan.duplicate-slices"]
    assert scan.findings[0].title == "One slice is in a place that is taken, at z = 10.0 mm."
    assert scan.image.GetSize()[2] == 6
    assert np.array_equal(pixels(scan.image)[:5], NOISE[:5])


def test_a_wide_gap_parts_the_series(tmp_path: Path) -> None:
    folder = write_series(tmp_path, NOISE, up([0, 2, 4, 6, 300, 302, 304]))
    volumes = found_in(folder).volumes
    assert [(v.split, v.slices) for v in volumes] == [("block 1", 4), ("block 2", 3)]
    assert all(rules(v) == ["scan.gap"] for v in volumes)
    assert "294.0 mm" in volumes[0].findings[0].title


def test_a_lone_slice_far_away_is_no_end_of_the_volume(tmp_path: Path) -> None:
    """Interpolated across, three slices at 0, 3 and 303 mm were a volume with a step of 303 mm."""
    found = found_in(write_series(tmp_path, NOISE[:3], up([0, 3, 303])))
    (volume,) = found.volumes
    assert (volume.slices, volume.spacing[2]) == (2, 3.0)
    assert rules(volume) == ["scan.gap", "scan.left-out-images"]
    with pytest.raises(InputError, match="a gap of 300"):
        load_volume(volume, Progress(), strict=True)


def test_slices_far_apart_are_named(tmp_path: Path) -> None:
    scan = loaded(write_series(tmp_path, NOISE[:2], up([0, 100])))
    assert rules(scan) == ["scan.wide-slices"]
    assert "100.0 mm apart" in scan.findings[0].title


def test_time_points_a_hair_apart_share_their_places(tmp_path: Path) -> None:
    """They became pairs with a step of 0.005 mm, each of two time points."""

    def time(number: int, data: pydicom.Dataset) -> None:
        data.AcquisitionNumber = 1 + number // 3

    places = up([0, 2.5, 5, 0.005, 2.505, 5.005])
    volumes = found_in(write_series(tmp_path, NOISE, places, change=time)).volumes
    assert [v.slices for v in volumes] == [3, 3]
    assert [v.spacing[2] for v in volumes] == pytest.approx([2.5, 2.5])


def test_pairs_of_slices_do_not_make_an_absurd_step(tmp_path: Path) -> None:
    zs = [0, 0.05, 2.5, 2.55, 5, 5.05]
    (volume,) = found_in(write_series(tmp_path, NOISE, up(zs))).volumes
    assert volume.spacing[2] > 0.5
    assert rules(volume) == ["scan.uneven-slices"]
    hair = found_in(write_series(tmp_path / "x", NOISE[:2], up([0, 0.009])))
    assert not [v for v in hair.volumes if v.spacing[2] < 0.1]


def test_thin_slices_stay_slices(tmp_path: Path) -> None:
    """Of a micro-CT, whose whole step is below what others round away."""
    orientation = (1, 0, 0, 0, 1, 0)

    def fine(_number: int, data: pydicom.Dataset) -> None:
        data.PixelSpacing = [0.009, 0.009]

    places = [(0, 0, 0.009 * k) for k in range(6)]
    scan = loaded(write_series(tmp_path, NOISE, places, orientation, change=fine))
    assert scan.image.GetSize()[2] == 6
    assert scan.findings == ()


def test_mixed_orientations_are_volumes_of_their_own(tmp_path: Path) -> None:
    write_series(tmp_path / "a", NOISE, up(range(7)))
    sagittal = [(float(x), 0.0, 0.0) for x in range(7)]
    write_series(tmp_path / "b", NOISE, sagittal, (0, 1, 0, 0, 0, -1))
    volumes = found_in(tmp_path).volumes
    assert len(volumes) == 2
    assert [v.split for v in volumes] == ["stack 1", "stack 2"]
    scans = [load_volume(volume, Progress()) for volume in volumes]
    normals = {tuple(np.abs(np.array(s.image.GetDirection())[[2, 5, 8]])) for s in scans}
    assert normals == {(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)}


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("ImagePositionPatient", ["1", "2"], "no usable position"),
        ("ImagePositionPatient", ["1", "2", "nan"], "no usable position"),
        ("ImageOrientationPatient", ["1", "0", "0", "1", "0", "0"], "not two perpendicular"),
        ("ImageOrientationPatient", ["2", "0", "0", "0", "1", "0"], "not two perpendicular"),
        ("PixelSpacing", None, "no usable pixel spacing"),
        ("PixelSpacing", ["0", "1"], "impossible pixel spacing"),
        ("PixelSpacing", ["1"], "no usable pixel spacing"),
        ("RescaleSlope", "0", "impossible rescale slope"),
        ("Rows", 0, "impossible size"),
        ("BitsStored", 17, "impossible pixel layout"),
    ],
)
def test_a_slice_of_unusable_geometry_is_refused_and_the_others_read(
    tmp_path: Path, keyword: str, value: object, reason: str
) -> None:
    """A guess in its place would put tissue where it is not."""

    def spoil(number: int, data: pydicom.Dataset) -> None:
        if number == 6:
            vr = pydicom.datadict.dictionary_VR(keyword)
            data[keyword] = pydicom.DataElement(keyword, "US" if vr == "US" else "LO", value)

    folder = write_series(tmp_path, NOISE, up(range(7)), change=spoil)
    found = found_in(folder)
    assert [volume.slices for volume in found.volumes] == [6]
    (refused,) = found.refused
    assert reason in refused.reason


def test_a_slice_far_beside_the_others_does_not_fill_the_memory(tmp_path: Path) -> None:
    positions = [(-10.0, 20.0, float(z)) for z in range(6)] + [(9e4, 9e4, 6.0)]
    with pytest.raises(InputError, match="too far apart"):
        loaded(write_series(tmp_path / "a", NOISE, positions))
    positions[-1] = (1e12, 0.0, 6.0)
    found = found_in(write_series(tmp_path / "b", NOISE, positions))
    assert "impossible position" in found.refused[0].reason
