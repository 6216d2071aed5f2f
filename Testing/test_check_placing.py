"""Segmentations that do not fit as they come: another grid, other names, none at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segment, Segmentation, Severity
from MedAssistLib.check import Context, check, named, placed, renamed
from MedAssistLib.errors import InputError
from MedAssistLib.models import anatomy
from Testing import orientations
from Testing.check_cases import array, body, changed


@pytest.fixture(scope="module")
def healthy() -> tuple[Scan, Segmentation]:
    return body()


def _moved(made: Segmentation, shift: tuple[float, float, float]) -> Segmentation:
    labels = sitk.Image(made.labels)
    labels.SetOrigin([a + b for a, b in zip(labels.GetOrigin(), shift, strict=True)])
    return replace(made, labels=labels)


def test_the_same_voxels_in_another_order_are_taken_without_a_word(
    healthy: tuple[Scan, Segmentation],
) -> None:
    scan, made = healthy
    for order, flips in orientations.ALL[::11]:
        turned = replace(made, labels=orientations.stored(made.labels, order, flips))
        back, notes = placed(turned, scan)
        assert notes == ()
        assert (array(back) == array(made)).all()


def test_a_finer_grid_is_resampled_with_a_note(healthy: tuple[Scan, Segmentation]) -> None:
    """Drawn on a series of thinner slices of the same person."""
    scan, made = healthy
    fine = sitk.Expand(made.labels, [1, 1, 2], sitk.sitkNearestNeighbor)
    back, (note,) = placed(replace(made, labels=fine), scan)
    assert np.mean(array(back) == array(made)) > 0.995
    assert set(np.unique(array(back))) == set(np.unique(array(made)))
    assert note.severity is Severity.INFO
    assert note.title == "The segmentation was on another grid."
    assert check(scan, back) is not None


def test_what_lies_outside_the_scan_is_said(healthy: tuple[Scan, Segmentation]) -> None:
    scan, made = healthy
    _, (note,) = placed(_moved(made, (60.0, 0.0, 0.0)), scan)
    assert note.severity is Severity.REVIEW
    lost = float(note.title.split(" and ")[1].split("%")[0])
    assert 5.0 < lost < 60.0
    assert note.evidence[0].measured == pytest.approx(1.0 - lost / 100.0, abs=0.01)


def test_another_persons_segmentation_is_refused(healthy: tuple[Scan, Segmentation]) -> None:
    scan, made = healthy
    with pytest.raises(InputError, match="nothing of the segmentation lies in the scan"):
        placed(_moved(made, (900.0, 0.0, 0.0)), scan)


def test_rules_refuse_a_segmentation_on_another_grid(healthy: tuple[Scan, Segmentation]) -> None:
    scan, made = healthy
    with pytest.raises(InputError, match="not on the scan's grid"):
        Context(scan=scan, segmentation=_moved(made, (3.0, 0.0, 0.0)))


def test_an_empty_segmentation_has_a_place_anywhere(healthy: tuple[Scan, Segmentation]) -> None:
    scan, made = healthy
    empty = changed(made, np.zeros_like(array(made)))
    back, (note,) = placed(_moved(empty, (900.0, 0.0, 0.0)), scan)
    assert note.severity is Severity.INFO
    assert not array(back).any()


MODEL = anatomy.segments({1: "liver", 2: "spleen", 3: "kidney_left", 4: "kidney_right"})


def _plain(*names: str) -> Segmentation:
    labels = np.zeros((6, 6, 6), dtype=np.uint8)
    for number in range(1, len(names) + 1):
        labels[number, 1:4, 1:4] = number
    segments = tuple(
        Segment(label=number, name=name, colour=(0, 0, 0)) for number, name in enumerate(names, 1)
    )
    return Segmentation(labels=sitk.GetImageFromArray(labels), segments=segments)


def test_a_persons_names_become_the_models_by_word_and_code() -> None:
    made, notes = named(_plain("Kidney left", "LIVER", "Cyst"), MODEL)
    by_label = {s.label: s.name for s in made.segments}
    assert {by_label[1], by_label[2], by_label[3]} == {"Left kidney", "Liver", "Cyst"}
    assert notes == ()
    absent = {s.name for s in made.segments if s.label > 3}
    assert absent == {"Spleen", "Right kidney"}, "what the model expects and nobody drew"


def test_a_plain_label_image_has_the_models_values_and_says_so() -> None:
    made, notes = named(_plain("Label 1", "Label 2"), MODEL)
    assert [s.name for s in made.segments][:2] == ["Liver", "Spleen"]
    assert len(notes) == 2
    assert all("label value" in note.title for note in notes)


def test_names_that_fit_nothing_are_asked_for() -> None:
    with pytest.raises(InputError, match=r"none of its structures \(A, B\).*1=Liver"):
        named(_plain("A", "B"), MODEL)


def test_an_empty_list_of_structures_is_no_question() -> None:
    made, _ = named(replace(_plain(), segments=()), MODEL)
    assert [s.name for s in made.segments] == [s.name for s in MODEL]


def test_a_person_says_what_the_values_mean() -> None:
    made = renamed(_plain("Label 1", "Label 2"), {2: "kidney_left", 7: "spleen"})
    assert [(s.label, s.name) for s in made.segments] == [
        (1, "Label 1"),
        (2, "Left kidney"),
        (7, "Spleen"),
    ]
    assert made.segments[1].modifier == anatomy.SIDES[0]
