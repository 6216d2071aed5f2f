"""The audit finds each planted mistake, in the case that has it, and says nothing of sound ones."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Severity
from MedAssistLib.errors import CancelledError
from MedAssistLib.progress import Cancellation, Progress
from MedAssistLib.train.audit import Audit, audit
from MedAssistLib.train.dataset import TrainingSet, read_dataset
from MedAssistLib.train.facts import CaseFacts, case_facts, gather
from MedAssistLib.train.split import folds, joined
from Testing.labelled_sets import block_case, pairs, write
from Testing.orientations import stored

COUNT = 10
BAD = "case_04"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return read_dataset(pairs(tmp_path_factory.mktemp("sound"), COUNT))


@pytest.fixture(scope="module")
def sound_facts(sound: TrainingSet) -> tuple[CaseFacts, ...]:
    return gather(sound)


@pytest.fixture
def audited(
    sound: TrainingSet, sound_facts: tuple[CaseFacts, ...], tmp_path: Path
) -> Callable[..., Audit]:
    """Audit the sound set with some cases replaced by other images and labels."""

    def run(**changed: tuple[sitk.Image | Path, sitk.Image | Path]) -> Audit:
        facts = {known.case.name: known for known in sound_facts}
        for name, (image, labels) in changed.items():
            case = next(case for case in sound.cases if case.name == name)
            paths = [
                made if isinstance(made, Path) else write(tmp_path / f"{name}_{kind}.nii.gz", made)
                for kind, made in (("image", image), ("label", labels))
            ]
            case = replace(case, images=(paths[0],), label=paths[1])
            facts[name] = case_facts(case, sound.structures)
        return audit(sound, list(facts.values()))

    return run


def _edited(labels: sitk.Image, edit: Callable[[np.ndarray], None]) -> sitk.Image:
    array = sitk.GetArrayFromImage(labels)
    edit(array)
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(labels)
    return made


def test_a_sound_set_has_no_findings(sound: TrainingSet, sound_facts) -> None:
    """An audit that cries wolf is not read."""
    found = audit(sound, sound_facts)
    assert found.flags == ()
    assert (found.refused, found.together, len(found.cases)) == ((), (), COUNT)


def _moved(image: sitk.Image, labels: sitk.Image):
    labels.SetOrigin((0.0, 0.0, 0.0))
    return image, labels


def _cropped(image: sitk.Image, labels: sitk.Image):
    return image, labels[2:, :, :]


def _unknown(image: sitk.Image, labels: sitk.Image):
    def edit(array: np.ndarray) -> None:
        array[0, 0, :3] = 9

    return image, _edited(labels, edit)


def _empty(image: sitk.Image, labels: sitk.Image):
    return image, labels * 0


def _without_dark(image: sitk.Image, labels: sitk.Image):
    return image, sitk.ChangeLabel(labels, {2: 0})


def _at_the_border(image: sitk.Image, labels: sitk.Image):
    """The first voxels along k lie at the bottom: the axis goes up."""

    def edit(array: np.ndarray) -> None:
        box = np.argwhere(array == 1).min(axis=0)
        array[: box[0], box[1], box[2]] = 1

    return image, _edited(labels, edit)


def _with_an_island(image: sitk.Image, labels: sitk.Image):
    def edit(array: np.ndarray) -> None:
        array[1, 20, 18] = 1

    return image, _edited(labels, edit)


def _far_too_large(image: sitk.Image, labels: sitk.Image):
    def edit(array: np.ndarray) -> None:
        array[1:-1, 1:-1, 1:-1] = np.where(array[1:-1, 1:-1, 1:-1] == 2, 2, 1)

    return image, _edited(labels, edit)


def _thick_slices(image: sitk.Image, labels: sitk.Image):
    for made in (image, labels):
        made.SetSpacing((1.0, 1.2, 6.0))
    return image, labels


def _with_gaps(image: sitk.Image, labels: sitk.Image):
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    array[0, 0, :5] = np.nan
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made, labels


@pytest.mark.parametrize(
    ("spoil", "rule", "severity", "says"),
    [
        (_moved, "dataset.geometry", Severity.URGENT, "lies elsewhere"),
        (_cropped, "dataset.geometry", Severity.URGENT, "18 × 22 × 18 voxels, not 20 ×"),
        (_unknown, "dataset.unknown-labels", Severity.URGENT, "9 (3 voxels)"),
        (_empty, "dataset.missing-structures", Severity.REVIEW, "is empty"),
        (_without_dark, "dataset.missing-structures", Severity.REVIEW, "no Dark, which 9"),
        (_at_the_border, "dataset.border", Severity.REVIEW, "touches the bottom"),
        (_with_an_island, "dataset.islands", Severity.INFO, "an island of 1 voxels"),
        (_far_too_large, "dataset.volume", Severity.REVIEW, "times as large"),
        (_thick_slices, "dataset.spacing", Severity.REVIEW, "6 mm from bottom to top"),
        (_with_gaps, "scan.not-a-number", Severity.INFO, "5 voxels"),
    ],
)
def test_a_planted_mistake_is_found_in_its_case(
    audited, spoil, rule: str, severity: Severity, says: str
) -> None:
    found = audited(**{BAD: spoil(*block_case(4))})
    assert {name for flag in found.flags for name in flag.cases} == {BAD}
    (finding,) = [one for one in found.of_case(BAD) if one.rule == rule]
    assert finding.severity == severity
    assert says in finding.title
    assert found.refused == ((BAD,) if severity == Severity.URGENT else ())


def test_a_finding_with_a_place_points_at_it(audited) -> None:
    """Slicer jumps there."""
    image, labels = _with_an_island(*block_case(4))
    found = audited(**{BAD: (image, labels)})
    place = image.TransformIndexToPhysicalPoint((18, 20, 1))
    assert found.of_case(BAD)[0].point == pytest.approx(place)
    image, labels = _at_the_border(*block_case(4))
    found = audited(**{BAD: (image, labels)})
    assert image.TransformPhysicalPointToIndex(found.of_case(BAD)[0].point)[2] == 0


def test_a_case_that_cannot_be_read_is_told_and_the_others_are_audited(
    audited, tmp_path: Path
) -> None:
    image, labels = block_case(4)
    whole = write(tmp_path / "whole.nii.gz", image)
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(whole.read_bytes()[:900])
    found = audited(**{BAD: (cut, labels), "case_07": _with_an_island(*block_case(7))})
    assert found.refused == (BAD,)
    assert "cut.nii.gz is damaged or cut off" in found.of_case(BAD)[0].title
    assert found.flags[0].cases == (BAD,)
    assert [finding.rule for finding in found.of_case("case_07")] == ["dataset.islands"]


def test_a_vanished_case_is_told(audited, tmp_path: Path) -> None:
    found = audited(**{BAD: (tmp_path / "gone.nii.gz", block_case(4)[1])})
    assert found.refused == (BAD,)
    assert "does not exist" in found.of_case(BAD)[0].title


def test_a_wrong_number_of_channels_is_refused(audited) -> None:
    image, labels = block_case(4)
    found = audited(**{BAD: (sitk.JoinSeries([image, image]), labels)})
    assert found.refused == (BAD,)
    assert "2 channels, the set has 1" in found.of_case(BAD)[0].title


def _turned(image: sitk.Image, labels: sitk.Image):
    """The same voxels, stored in another order and with more bits."""
    order, flips = (2, 0, 1), (True, False, True)
    more = sitk.Cast(image, sitk.sitkFloat32)
    return stored(more, order, flips), stored(labels, order, flips)


def _smoothed(image: sitk.Image, labels: sitk.Image):
    made = sitk.SmoothingRecursiveGaussian(image, 0.7)
    return sitk.Cast(made, sitk.sitkInt16) * 2 + 30, labels


def _other_labels(image: sitk.Image, labels: sitk.Image):
    return image, sitk.BinaryErode(labels, (1, 1, 0), sitk.sitkBall, 0, 1)


@pytest.mark.parametrize(
    ("copy", "says"),
    [
        (_turned, "have the same image voxels."),
        (_other_labels, "have the same image voxels but other labels."),
        (_smoothed, "nearly the same"),
    ],
)
def test_a_copy_under_another_name_is_found_and_kept_in_one_fold(
    sound: TrainingSet, audited, copy, says: str
) -> None:
    found = audited(**{BAD: copy(*block_case(7))})
    (flag,) = [flag for flag in found.flags if says in flag.finding.title]
    assert flag.cases == (BAD, "case_07")
    assert flag.together
    held = folds(joined(sound.cases, found.together), 5, 0)
    assert any({BAD, "case_07"} <= set(fold) for fold in held)


def test_the_same_labels_on_other_images_are_found(audited) -> None:
    """A label file that was saved under the wrong name."""
    found = audited(**{BAD: (block_case(4)[0], block_case(7)[1])})
    assert "case_04, case_07 have the same labels on different images." in [
        finding.title for finding in found.of_case(BAD)
    ]


def test_one_patient_in_several_folds_is_leakage(sound: TrainingSet, sound_facts) -> None:
    cases = tuple(
        replace(case, group="one") if number in (2, 6) else case
        for number, case in enumerate(sound.cases)
    )
    same = replace(sound, cases=cases)
    names = [case.name for case in cases]
    leaking = audit(same, sound_facts, [names[:5], names[5:]])
    assert [(flag.finding.rule, flag.cases) for flag in leaking.flags] == [
        ("dataset.leakage", ("case_02", "case_06")),
        ("dataset.patients", ()),
    ]
    assert "lie in the folds 0, 1" in leaking.flags[0].finding.title
    told = audit(same, sound_facts, folds(cases, 2, 0)).flags
    assert [flag.finding.rule for flag in told] == ["dataset.patients"]


def test_a_copy_in_another_fold_is_leakage(sound: TrainingSet, sound_facts) -> None:
    facts = [
        replace(known, images_hash=sound_facts[7].images_hash) if known.case.name == BAD else known
        for known in sound_facts
    ]
    names = [case.name for case in sound.cases]
    found = audit(sound, facts, [names[:5], names[5:]])
    assert found.flags[0].finding.rule == "dataset.leakage"
    assert found.flags[0].cases == (BAD, "case_07")


def test_what_most_cases_share_is_told_once(audited) -> None:
    """Of crops, every structure touches the border: 200 lines of it would hide the rest."""
    changed = {f"case_{n:02d}": _at_the_border(*block_case(n)) for n in range(8)}
    found = audited(**changed)
    (flag,) = [flag for flag in found.flags if flag.finding.rule == "dataset.border"]
    assert flag.cases == tuple(changed)
    assert flag.finding.severity == Severity.INFO
    assert "In 8 of 10 cases structures touch the side of the image" in flag.finding.title


def test_a_structure_that_no_case_has_is_told(sound: TrainingSet, tmp_path: Path) -> None:
    shutil.copytree(sound.folder, tmp_path / "set")
    text = (tmp_path / "set/dataset.json").read_text()
    (tmp_path / "set/dataset.json").write_text(text.replace('"Dark": 2', '"Dark": 2, "Third": 3'))
    dataset = read_dataset(tmp_path / "set")
    found = audit(dataset, gather(dataset))
    assert [finding.title for finding in found.of_set] == ["No case has Third."]


def test_what_was_left_out_is_in_the_audit(sound: TrainingSet, tmp_path: Path) -> None:
    shutil.copytree(sound.folder, tmp_path / "set")
    (tmp_path / "set/labels/case_03.nii.gz").unlink()
    dataset = read_dataset(tmp_path / "set")
    found = audit(dataset, gather(dataset))
    assert "image without a label (case_03.nii.gz)" in found.of_set[0].title


def test_the_table_holds_every_finding(audited, tmp_path: Path) -> None:
    found = audited(**{BAD: _with_an_island(*block_case(4)), "case_01": _moved(*block_case(1))})
    found.write_csv(tmp_path / "audit.csv")
    with (tmp_path / "audit.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows == found.rows()
    assert [row["cases"] for row in rows] == ["case_01", BAD]
    assert (rows[1]["structure"], rows[1]["measured"], rows[1]["expected"]) == ("Bright", "2", "1")
    assert float(rows[1]["S mm"]) == pytest.approx(101.0 + 1.5, abs=0.01)


def test_counting_can_be_stopped(sound: TrainingSet) -> None:
    stop = Cancellation()
    fractions: list[float] = []

    def report(event) -> None:
        fractions.append(event.fraction)
        if len(fractions) == 4:
            stop.cancel()

    with pytest.raises(CancelledError):
        gather(sound, Progress(report, stop))
    assert len(fractions) == 4


def test_few_findings_on_real_hippocampi(shared_data: Path) -> None:
    """Of 208 careful cases one has a stray island of four voxels; nothing else is to be said."""
    dataset = read_dataset(shared_data / "hippocampus")
    some = (*dataset.cases[:12], next(c for c in dataset.cases if c.name == "hippocampus_156"))
    dataset = replace(dataset, cases=some)
    found = audit(dataset, gather(dataset), folds(dataset.cases, 3, 0))
    assert [(flag.finding.rule, flag.cases) for flag in found.flags] == [
        ("dataset.islands", ("hippocampus_156",))
    ]
    assert "an island of 4 voxels" in found.flags[0].finding.title
