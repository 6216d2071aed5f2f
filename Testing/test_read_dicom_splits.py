"""Several volumes in one series: echoes, b-values, time points and stacks, told apart by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.dicom import load_volume
from Testing.dicom_series import found_in, loaded, pixels, rules, slice_of, up, write, write_series

VALUES = np.random.default_rng(2).integers(0, 4000, (6, 5, 4)).astype(np.int16)
PLACES = up([0, 2, 4, 0, 2, 4])


def _set(**groups: tuple[object, object]) -> Callable[[int, Dataset], None]:
    """Give the first three slices one value of an attribute, the other three another."""

    def change(number: int, data: Dataset) -> None:
        for keyword, values in groups.items():
            setattr(data, keyword, values[number // 3])

    return change


def _private_b_value(number: int, data: Dataset) -> None:
    block = data.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", str((50, 800)[number // 3]))


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (_set(EchoTime=("20.5", "4.6")), ("echo 2", "echo 1")),
        (_set(DiffusionBValue=(0.0, 1000.0)), ("b = 0 s/mm²", "b = 1000 s/mm²")),
        (_private_b_value, ("b = 50 s/mm²", "b = 800 s/mm²")),
        (_set(TemporalPositionIdentifier=("2", "1")), ("time point 2", "time point 1")),
        (_set(AcquisitionNumber=("1", "2")), ("time point 1", "time point 2")),
        (_set(TriggerTime=("30", "5.5")), ("time point 2", "time point 1")),
        (_set(AcquisitionTime=("101500", "101600.5")), ("time point 1", "time point 2")),
        (_set(ConvolutionKernel=("B70f", "B30f")), ("kernel B70f", "kernel B30f")),
        (_set(FlipAngle=("5", "20")), ("flip angle 5°", "flip angle 20°")),
        (_set(KVP=("80", "140")), ("80 kV", "140 kV")),
        (_set(InversionTime=("100", "900")), ("inversion 100 ms", "inversion 900 ms")),
        (
            _set(ImageType=(["ORIGINAL", "PRIMARY", "P"], ["ORIGINAL", "PRIMARY", "M"])),
            ("phase", "magnitude"),
        ),
        (
            _set(DiffusionGradientOrientation=([1.0, 0.0, 0.0], [0.0, 1.0, 0.0])),
            ("direction 2", "direction 1"),
        ),
    ],
)
def test_images_of_one_place_become_volumes_of_their_own(
    tmp_path: Path, change: Callable[[int, Dataset], None], names: tuple[str, str]
) -> None:
    """Read as one stack they would alternate: every second slice another contrast."""
    folder = write_series(tmp_path, VALUES, PLACES, change=change, modality="MR")
    volumes = {volume.split: volume for volume in found_in(folder).volumes}
    assert set(volumes) == set(names)
    for name, expected in zip(names, (VALUES[:3], VALUES[3:]), strict=True):
        scan = load_volume(volumes[name], Progress())
        assert np.array_equal(pixels(scan.image), expected)
        assert scan.findings == ()
        assert name in scan.name


def test_echoes_of_several_time_points_are_split_by_both(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.EchoTime = ("5", "10")[number // 2 % 2]
        data.AcquisitionNumber = 1 + number // 4

    values = np.random.default_rng(3).integers(0, 4000, (8, 5, 4)).astype(np.int16)
    folder = write_series(tmp_path, values, up([0, 2] * 4), change=change, modality="MR")
    volumes = found_in(folder).volumes
    assert [v.split for v in volumes] == [
        f"echo {echo}, time point {time}" for echo in (1, 2) for time in (1, 2)
    ]
    assert np.array_equal(pixels(load_volume(volumes[1], Progress()).image), values[4:6])


def test_slices_that_only_differ_in_time_stay_one_volume(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.AcquisitionNumber, data.AcquisitionTime = number + 1, f"1015{number:02d}"
        data.EchoTime = str(5 + number // 3)

    scan = loaded(write_series(tmp_path, VALUES, up(range(6)), change=change, modality="MR"))
    assert scan.findings == ()
    assert np.array_equal(pixels(scan.image), VALUES)


TWELVE = np.random.default_rng(4).integers(0, 4000, (12, 5, 4)).astype(np.int16)


def _without(folder: Path, number: int) -> Path:
    """Delete one image of a series by its instance number."""
    for path in folder.iterdir():
        if pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber == number:
            path.unlink()
    return folder


@pytest.mark.parametrize(
    "facts",
    [
        {"AcquisitionNumber": (1, 2, 3)},
        {"TriggerTime": ("5", "30", "55")},
        {"AcquisitionTime": ("101500", "101600", "101700")},
        {"ConvolutionKernel": ("A", "B", "C")},
    ],
)
def test_a_missing_image_does_not_mix_the_parts(
    tmp_path: Path, facts: dict[str, tuple[object, ...]]
) -> None:
    """Counted off place by place, one phase would show a slice of the next."""

    def change(number: int, data: Dataset) -> None:
        for keyword, values in facts.items():
            setattr(data, keyword, values[number // 4])

    folder = write_series(tmp_path, TWELVE, up([0, 2, 4, 6] * 3), change=change, modality="MR")
    first, second, third = found_in(_without(folder, 2)).volumes
    assert rules(first) == ["scan.missing-slices"]
    assert np.array_equal(
        pixels(load_volume(first, Progress()).image)[[0, 2, 3]], TWELVE[[0, 2, 3]]
    )
    for volume, expected in ((second, TWELVE[4:8]), (third, TWELVE[8:])):
        assert rules(volume) == []
        assert np.array_equal(pixels(load_volume(volume, Progress()).image), expected)


def test_a_phase_that_covers_less_stays_apart(tmp_path: Path) -> None:
    """Taken as duplicates, the lower half of the organ would be of another phase."""

    def change(number: int, data: Dataset) -> None:
        data.AcquisitionNumber = 1 if number < 2 else 2

    folder = write_series(tmp_path, VALUES, up([0, 2, 0, 2, 4, 6]), change=change)
    assert [(v.split, v.slices) for v in found_in(folder).volumes] == [
        ("time point 1", 2),
        ("time point 2", 4),
    ]


def test_parts_that_nothing_tells_apart_say_so(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.TriggerTime = str(10 * (number // 4) + number)

    folder = write_series(tmp_path, TWELVE, up([0, 2, 4, 6] * 3), change=change, modality="MR")
    assert [rules(v) for v in found_in(folder).volumes] == [[], [], []]
    volumes = found_in(_without(folder, 2)).volumes
    assert all("scan.uncertain-parts" in rules(v) for v in volumes)
    assert "from 2 to 3 images" in volumes[0].findings[0].title
    with pytest.raises(InputError, match="time points may be mixed"):
        load_volume(volumes[0], Progress(), strict=True)


def test_images_numbered_place_by_place_without_a_time_are_doubted(tmp_path: Path) -> None:
    folder = write_series(tmp_path, VALUES, up([0, 0, 2, 2, 4, 4]), modality="MR")
    volumes = found_in(folder).volumes
    assert [rules(v) for v in volumes] == [["scan.uncertain-parts"]] * 2


def test_echo_times_that_jitter_do_not_mix_time_points(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.EchoTime = ("4.6", "4.61")[(number % 3 + number // 3) % 2]
        data.TemporalPositionIdentifier = 1 + number // 3

    folder = write_series(tmp_path, VALUES, PLACES, change=change, modality="MR")
    volumes = found_in(folder).volumes
    assert [v.split for v in volumes] == ["time point 1", "time point 2"]
    assert np.array_equal(pixels(load_volume(volumes[0], Progress()).image), VALUES[:3])


def test_attributes_that_part_differently_are_doubted(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.EchoTime = ("5", "10")[(number % 3 + number // 3) % 2]
        data.TemporalPositionIdentifier = 1 + number // 3

    folder = write_series(tmp_path, VALUES, PLACES, change=change, modality="MR")
    assert [rules(v) for v in found_in(folder).volumes] == [["scan.uncertain-parts"]] * 2


def test_one_derived_duplicate_does_not_tear_the_volume(tmp_path: Path) -> None:
    def change(number: int, data: Dataset) -> None:
        data.ImageType = ["ORIGINAL", "PRIMARY", ("A", "B")[number % 2]]
        if number == 0:
            data.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]

    folder = write_series(tmp_path, VALUES, up([4, 0, 2, 4, 6, 8]), change=change)
    scan = loaded(folder)
    assert rules(scan) == ["scan.duplicate-slices"]
    assert "of the more usual image type" in scan.findings[0].explanation
    assert np.array_equal(pixels(scan.image), VALUES[1:])
    with pytest.raises(InputError, match="in a place that is taken"):
        loaded(folder, strict=True)


@pytest.mark.parametrize("seed", range(5))
def test_stacks_side_by_side_are_parted_wherever_they_lie(tmp_path: Path, seed: int) -> None:
    """Offsets rounded to whole millimetres scattered the slices that lay near a half."""
    noise = np.random.default_rng(seed)
    positions = [
        (-125.5 + 200.0 * part + jitter[0], -100.5 + 1.5 * k + jitter[1], 3.0 * k)
        for part in range(2)
        for k, jitter in enumerate(noise.uniform(-0.003, 0.003, (3, 2)))
    ]
    volumes = found_in(write_series(tmp_path, VALUES, positions)).volumes
    assert [(v.split, v.slices) for v in volumes] == [("position 1", 3), ("position 2", 3)]
    slices = [{f.traits.instance[0] for f in v.frames} for v in volumes]
    assert slices == [{1, 2, 3}, {4, 5, 6}]


def _group(**macros: dict[str, object]) -> Dataset:
    group = Dataset()
    for sequence, attributes in macros.items():
        item = Dataset()
        for keyword, value in attributes.items():
            setattr(item, keyword, value)
        setattr(group, sequence, Items([item]))
    return group


def _enhanced(path: Path, order: list[int], change: Callable[[int, Dataset], None]) -> Path:
    """Write six frames in one file, in any order, three places two times."""
    data = slice_of(VALUES[0], (0, 0, 0), modality="MR")
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(data, keyword)
    data.SOPClassUID = EnhancedMRImageStorage
    data.NumberOfFrames = len(order)
    data.PixelData = VALUES[order].tobytes()
    data.SharedFunctionalGroupsSequence = Items(
        [
            _group(
                PlaneOrientationSequence={"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
                PixelMeasuresSequence={"PixelSpacing": [1.5, 1.25], "SliceThickness": 9},
            )
        ]
    )
    data.PerFrameFunctionalGroupsSequence = Items([])
    for frame in order:
        group = _group(
            PlanePositionSequence={"ImagePositionPatient": [-2.0 * (frame % 3), 5.0, 7.0]},
            FrameContentSequence={"TemporalPositionIndex": 1},
        )
        change(frame, group)
        data.PerFrameFunctionalGroupsSequence.append(group)
    return write(data, path)


def test_enhanced_frames_are_placed_by_their_own_positions(tmp_path: Path) -> None:
    def times(frame: int, group: Dataset) -> None:
        group.FrameContentSequence[0].TemporalPositionIndex = 1 + frame // 3

    path = _enhanced(tmp_path / "x.dcm", [4, 0, 2, 5, 1, 3], times)
    volumes = found_in(path).volumes
    assert [v.split for v in volumes] == ["time point 1", "time point 2"]
    for volume, expected in zip(volumes, (VALUES[:3], VALUES[3:]), strict=True):
        scan = load_volume(volume, Progress())
        assert np.array_equal(pixels(scan.image), expected)
        assert scan.image.GetSpacing() == pytest.approx((1.25, 1.5, 2.0))
        assert scan.image.GetOrigin() == (0.0, 5.0, 7.0)
        assert scan.image.TransformIndexToPhysicalPoint((1, 1, 2)) == pytest.approx((-4, 6.25, 5.5))
        assert scan.source == path


def test_enhanced_echoes_and_b_values_are_split(tmp_path: Path) -> None:
    def echoes(frame: int, group: Dataset) -> None:
        item = {"EffectiveEchoTime": 5.0 + frame // 3}
        group.MREchoSequence = _group(MREchoSequence=item).MREchoSequence

    def b_values(frame: int, group: Dataset) -> None:
        item = {"DiffusionBValue": 500.0 * (frame // 3)}
        group.MRDiffusionSequence = _group(MRDiffusionSequence=item).MRDiffusionSequence

    first = found_in(_enhanced(tmp_path / "e.dcm", list(range(6)), echoes))
    assert [v.split for v in first.volumes] == ["echo 1", "echo 2"]
    second = found_in(_enhanced(tmp_path / "b.dcm", list(range(6)), b_values))
    assert [v.split for v in second.volumes] == ["b = 0 s/mm²", "b = 500 s/mm²"]


def test_enhanced_stacks_are_split_and_frames_keep_their_own_rescale(tmp_path: Path) -> None:
    def stacks(frame: int, group: Dataset) -> None:
        group.FrameContentSequence[0].StackID = str(1 + frame // 3)
        group.PixelValueTransformationSequence = _group(
            PixelValueTransformationSequence={"RescaleSlope": 0.5, "RescaleIntercept": frame}
        ).PixelValueTransformationSequence

    volumes = found_in(_enhanced(tmp_path / "x.dcm", list(range(6)), stacks)).volumes
    assert [v.split for v in volumes] == ["stack 1", "stack 2"]
    values = pixels(load_volume(volumes[1], Progress()).image)
    expected = VALUES[3:] * 0.5 + np.arange(3, 6)[:, None, None]
    assert values.dtype == np.float32
    assert np.array_equal(values, expected)


def test_enhanced_ct_is_read_too(tmp_path: Path) -> None:
    def places(frame: int, group: Dataset) -> None:
        group.PlanePositionSequence[0].ImagePositionPatient = [-3.0 * frame, 5.0, 7.0]

    path = _enhanced(tmp_path / "x.dcm", list(range(6)), places)
    data = pydicom.dcmread(path)
    data.SOPClassUID, data.Modality = EnhancedCTImageStorage, "CT"
    scan = loaded(write(data, path))
    assert scan.modality == "CT"
    assert "scan.missing-slices" not in rules(scan)
    assert np.array_equal(pixels(scan.image), VALUES)


def test_a_frames_own_acquisition_number_goes_before_the_files(tmp_path: Path) -> None:
    def acquisitions(frame: int, group: Dataset) -> None:
        del group.FrameContentSequence[0].TemporalPositionIndex
        group.FrameContentSequence[0].FrameAcquisitionNumber = 2 - frame // 3

    path = _enhanced(tmp_path / "x.dcm", [0, 4, 2, 3, 1, 5], acquisitions)
    data = pydicom.dcmread(path)
    data.AcquisitionNumber = 1
    volumes = found_in(write(data, path)).volumes
    assert np.array_equal(pixels(load_volume(volumes[0], Progress()).image), VALUES[3:])
    assert np.array_equal(pixels(load_volume(volumes[1], Progress()).image), VALUES[:3])


@pytest.mark.parametrize("stated", [5, 8])
def test_frames_that_do_not_match_their_description_are_refused(
    tmp_path: Path, stated: int
) -> None:
    """Each frame's pixels would be shown where another lies."""
    path = _enhanced(tmp_path / "x.dcm", list(range(6)), lambda _frame, _group: None)
    data = pydicom.dcmread(path)
    data.NumberOfFrames = stated
    data.PixelData = VALUES[[0] * stated].tobytes()
    found = found_in(write(data, path))
    assert not found.volumes
    assert f"{stated} frames, but describes 6" in found.refused[0].reason
