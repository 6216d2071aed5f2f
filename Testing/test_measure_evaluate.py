"""``medassist evaluate`` and what is behind it: segmentations against a reference."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Segment, Segmentation
from MedAssistLib.cli import main
from MedAssistLib.errors import InputError, UsageError
from MedAssistLib.export.images import write_labels
from MedAssistLib.export.seg_nrrd import write_seg_nrrd
from MedAssistLib.measure.agreement import (
    EvaluateOptions,
    Evaluation,
    Found,
    agreement,
    evaluate,
    summarise,
)
from Testing import orientations

Run = tuple[int, str, str]


@pytest.fixture
def medassist(capsys: pytest.CaptureFixture[str]) -> Callable[..., Run]:
    """Run the command; return its exit status, what it prints and its errors."""

    def run(*arguments: object) -> Run:
        status = main([*map(str, arguments)])
        return status, *capsys.readouterr()

    return run


def changed(segmentation: Segmentation, values: np.ndarray) -> Segmentation:
    """Return the segmentation with other voxels, axes (k, j, i)."""
    labels = sitk.GetImageFromArray(values)
    labels.CopyInformation(segmentation.labels)
    return dataclasses.replace(segmentation, labels=labels)


@pytest.fixture
def predicted(small_segmentation: Segmentation) -> Segmentation:
    """The liver moved by one voxel, no kidney."""
    values = sitk.GetArrayFromImage(small_segmentation.labels)
    return changed(small_segmentation, np.roll(np.where(values == 1, 1, 0), 1, 0).astype(np.uint8))


def test_each_structure_is_compared_in_millimetres_of_its_own_axes(
    predicted: Segmentation, small_segmentation: Segmentation
) -> None:
    """Spacings taken in the wrong order would make other distances."""
    found = evaluate(predicted, small_segmentation, case="one")
    liver = found.structures["Liver"]
    assert liver.hd == pytest.approx(2.5)
    assert liver.dice == pytest.approx(0.8)
    assert liver.reference_ml == pytest.approx(5 * 7 * 9 * 0.9 * 1.1 * 2.5 / 1000)
    assert found.structures["Left kidney"].found is Found.MISSED
    assert found.notes == ()


def test_cutting_to_the_structures_box_changes_no_number(shared_data: Path) -> None:
    from MedAssistLib.read import read_segmentation

    reference = read_segmentation(shared_data / "ct" / "example_seg.nii.gz")
    values = sitk.GetArrayFromImage(reference.labels)
    moved = np.roll(values, 1, axis=2)
    found = evaluate(changed(reference, moved), reference)
    assert len(found.structures) == 41
    spacing = reference.labels.GetSpacing()[::-1]
    for segment in reference.segments[::8]:
        whole = agreement(moved == segment.label, values == segment.label, spacing)
        assert found.structures[segment.name] == whole


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[::5])
def test_the_way_a_prediction_is_stored_changes_no_number(
    predicted: Segmentation,
    small_segmentation: Segmentation,
    order: tuple[int, ...],
    flips: tuple[bool, ...],
) -> None:
    turned = orientations.stored(predicted.labels, order, flips)
    moved = dataclasses.replace(predicted, labels=turned)
    assert evaluate(moved, small_segmentation) == evaluate(predicted, small_segmentation)


def test_another_grid_is_refused_or_resampled_and_told(small_segmentation: Segmentation) -> None:
    fine = sitk.Resample(
        small_segmentation.labels, [60, 54, 42], sitk.Transform(), sitk.sitkNearestNeighbor,
        small_segmentation.labels.TransformContinuousIndexToPhysicalPoint([-1 / 3] * 3),
        [s / 3 for s in small_segmentation.labels.GetSpacing()],
        small_segmentation.labels.GetDirection(),
    )  # fmt: skip
    other = dataclasses.replace(small_segmentation, labels=fine)
    with pytest.raises(InputError, match="different grids"):
        evaluate(other, small_segmentation)
    found = evaluate(other, small_segmentation, EvaluateOptions(resample=True))
    assert [one.dice for one in found.structures.values()] == [1.0, 1.0]
    assert "resampled" in found.notes[0]
    fine.SetOrigin([value + 500 for value in fine.GetOrigin()])
    with pytest.raises(InputError, match="beside"):
        evaluate(other, small_segmentation, EvaluateOptions(resample=True))


def test_the_32_bits_of_a_nifti_spacing_change_no_number(
    small_segmentation: Segmentation, tmp_path: Path
) -> None:
    """5 × 0.4 mm is 2 mm, though 0.4 has another last digit in a NIfTI file."""
    from MedAssistLib.read import read_segmentation

    labels = sitk.Image(small_segmentation.labels)
    labels.SetSpacing((0.4, 0.4, 0.4))
    reference = dataclasses.replace(small_segmentation, labels=labels)
    other = changed(reference, np.roll(sitk.GetArrayFromImage(labels), 5, axis=2))
    for name in ("a.nii", "a.nrrd"):
        write_labels(reference, tmp_path / name)
        again = read_segmentation(tmp_path / name)
        found = evaluate(dataclasses.replace(other, labels=other.labels), again)
        assert found.structures["Liver"].nsd == 1.0


@pytest.mark.parametrize("tolerance", [0.0, -1.0, math.nan, math.inf])
def test_a_tolerance_that_is_none_is_refused(tolerance: float) -> None:
    with pytest.raises(UsageError):
        EvaluateOptions(tolerance=tolerance)


def test_means_count_a_miss_as_nothing_found_and_leave_out_what_nobody_has(
    predicted: Segmentation, small_segmentation: Segmentation
) -> None:
    spleen = Segment(label=9, name="Spleen", colour=(1, 2, 3))
    more = (*small_segmentation.segments, spleen)
    reference = dataclasses.replace(small_segmentation, segments=more)
    cases = [
        evaluate(predicted, reference, case="bad"),
        evaluate(reference, reference, case="good"),
    ]
    summary = summarise(cases)
    liver, kidney, absent = summary.structures
    assert (liver.cases, liver.missed, liver.dice.mean) == (2, 0, pytest.approx(0.9))
    assert liver.dice.sd == pytest.approx(np.std([0.8, 1.0], ddof=1))
    assert (kidney.cases, kidney.missed, kidney.dice.mean) == (2, 1, 0.5)
    assert kidney.hd95.mean == 0.0
    assert absent.cases == 0
    assert math.isnan(absent.dice.mean)
    assert summary.mean("dice") == pytest.approx(0.7)
    assert [case.case for case in summary.cases] == ["bad", "good"]
    assert summary.cases[0].lowest == "Left kidney"


def test_no_structure_at_all_is_no_fault(small_segmentation: Segmentation) -> None:
    empty = np.zeros((14, 18, 20), dtype=np.uint8)
    nothing = dataclasses.replace(changed(small_segmentation, empty), segments=())
    found: Evaluation = evaluate(nothing, nothing, case="empty")
    assert found.structures == {}
    assert math.isnan(summarise([found]).cases[0].dice)


@pytest.fixture
def folders(
    predicted: Segmentation, small_segmentation: Segmentation, tmp_path: Path
) -> tuple[Path, Path]:
    """Predictions and references of three cases, and one more in each folder."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder in (mine, theirs):
        folder.mkdir()
        (folder / "dataset.json").write_text("{}", "utf-8")
        (folder / "._a.nii.gz").write_bytes(b"\0\5\x16\7")
    for name, segmentation in (("a", predicted), ("b", small_segmentation), ("only", predicted)):
        write_seg_nrrd(segmentation, mine / f"{name}.seg.nrrd")
    for name in ("a", "b", "lost"):
        write_labels(small_segmentation, theirs / f"{name}.nii.gz")
    return mine, theirs


def test_folders_are_compared_by_name_and_every_lone_file_is_told(
    folders: tuple[Path, Path], tmp_path: Path, medassist: Callable[..., Run]
) -> None:
    table = tmp_path / "table.csv"
    status, text, errors = medassist("evaluate", *folders, "-o", table)
    assert (status, errors) == (0, "")
    assert "no prediction, not counted: lost" in text
    assert "no reference, not counted: only" in text
    with table.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["case"], row["structure"], row["found"]) for row in rows] == [
        ("a", "Liver", "both"),
        ("a", "Left kidney", "missed"),
        ("b", "Liver", "both"),
        ("b", "Left kidney", "both"),
    ]
    assert [row["dice"] for row in rows] == ["0.8", "0.0", "1.0", "1.0"]
    assert [row["hd95_mm"] for row in rows] == ["2.5", "", "0.0", "0.0"]
    liver = next(line for line in text.splitlines() if line.startswith("Liver"))
    assert liver.split()[:6] == ["Liver", "2", "0", "0", "0.9000", "±"]


def test_json_holds_every_number_and_no_nan(
    folders: tuple[Path, Path], tmp_path: Path, medassist: Callable[..., Run]
) -> None:
    out = tmp_path / "all.json"
    status, text, _ = medassist("evaluate", *folders, "--tolerance", 3, "--json", "-o", out)
    assert status == 0

    def refuse(name: str) -> None:
        raise AssertionError(name)

    data = json.loads(text, parse_constant=refuse)
    assert data == json.loads(out.read_text("utf-8"))
    first = data["cases"][0]["structures"][0]
    assert (first["tolerance_mm"], first["nsd"], first["hd95_mm"]) == (3.0, 1.0, 2.5)
    assert data["cases"][0]["structures"][1]["hd95_mm"] is None
    assert data["without_prediction"] == ["lost"]
    assert data["mean"]["dice"] == 0.7


def test_two_files_are_compared_structure_by_structure(
    folders: tuple[Path, Path], medassist: Callable[..., Run]
) -> None:
    mine, theirs = folders
    status, text, _ = medassist("evaluate", mine / "a.seg.nrrd", theirs / "a.nii.gz")
    assert status == 0
    lines = text.splitlines()
    assert lines[1].split()[:2] == ["Liver", "0.8000"]
    assert lines[2].split()[:5] == ["Left", "kidney", "0.0000", "0.0000", "0.0000"]
    assert "only in the reference: Left kidney" in lines


def test_two_empty_label_images_have_nothing_to_compare(
    small_segmentation: Segmentation, tmp_path: Path, medassist: Callable[..., Run]
) -> None:
    empty = changed(small_segmentation, np.zeros((14, 18, 20), dtype=np.uint8))
    write_labels(empty, tmp_path / "empty.nii.gz")
    run = medassist("evaluate", tmp_path / "empty.nii.gz", tmp_path / "empty.nii.gz")
    assert run == (0, "no structures\n", "")
    assert medassist("evaluate", tmp_path, tmp_path)[0] == 0


def test_bad_input_ends_with_its_status_and_one_line(
    folders: tuple[Path, Path], tmp_path: Path, medassist: Callable[..., Run]
) -> None:
    mine, theirs = folders
    good, empty = theirs / "a.nii.gz", tmp_path / "empty"
    empty.mkdir()
    twice = shutil.copytree(theirs, tmp_path / "twice")
    shutil.copy(mine / "a.seg.nrrd", twice)
    broken = shutil.copytree(theirs, tmp_path / "broken")
    (broken / "b.nii.gz").write_bytes(good.read_bytes()[:200])
    for expected, arguments in (
        (3, (tmp_path / "missing.nii.gz", good)),
        (3, (mine, empty)),
        (3, (mine, twice)),
        (3, (mine, broken)),
        (3, (theirs, good)),
        (2, (mine, theirs, "--tolerance", "0")),
        (2, (mine, theirs, "-o", tmp_path / "table.xlsx")),
        (5, (mine, theirs, "-o", tmp_path / "nowhere" / "table.csv")),
    ):
        status, text, errors = medassist("evaluate", *arguments)
        assert status == expected, (arguments, errors)
        assert len(errors.splitlines()) == 1, errors
        assert text == ""


def test_two_people_s_hippocampi_are_compared_in_one_run(
    shared_data: Path, tmp_path: Path, medassist: Callable[..., Run]
) -> None:
    """Real label images of other sizes: refused as they are, compared when asked for."""
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    labels = sorted((shared_data / "hippocampus" / "labelsTr").glob("*.nii.gz"))[:6]
    for folder, paths in ((mine, labels[1:]), (theirs, labels[:-1])):
        folder.mkdir()
        for number, path in enumerate(paths):
            shutil.copy(path, folder / f"case_{number}.nii.gz")
    status, _, errors = medassist("evaluate", mine, theirs)
    assert status == 3
    assert "--resample" in errors
    status, text, _ = medassist("evaluate", mine, theirs, "--resample", "--json")
    assert status == 0
    data = json.loads(text)
    assert [structure["structure"] for structure in data["structures"]] == ["Label 1", "Label 2"]
    assert all(0.1 < structure["dice"]["mean"] < 0.9 for structure in data["structures"])
