"""A drawing against a model's: each rule speaks where they differ, and only there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from MedAssistLib import geometry
from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check import CheckOptions, Context, Opinion, check
from MedAssistLib.check.directions import across, ends, towards
from MedAssistLib.errors import InputError
from MedAssistLib.models import find
from Testing import orientations
from Testing.opinion_cases import (
    LIVER,
    OPINION,
    SPLEEN,
    Labels,
    Mask,
    ellipsoid,
    findings,
    opinion,
    segmentation,
    truth,
    with_liver,
)


def _liver() -> Mask:
    return truth() == LIVER


def _away(mask: Mask) -> np.ndarray:
    return ndimage.distance_transform_edt(~mask, sampling=(2.0, 1.2, 1.0))


def _moved(millimetres: float, first: int = 0) -> Labels:
    """Return the labels with the liver's slices from one on pushed to the left."""
    mask = _liver()
    mask[first:] = np.roll(mask[first:], round(millimetres), axis=2)
    return with_liver(mask)


def _cut() -> Labels:
    mask = _liver()
    mask[26:] = False
    return with_liver(mask)


def _named() -> Labels:
    return np.array([0, SPLEEN, LIVER], dtype=np.uint8)[truth()]


ERRORS: dict[str, tuple[Callable[[], Labels], str, str]] = {
    "bump": (
        lambda: with_liver(_liver() | ellipsoid((22.0, 51.0, 38.0), (6.5, 9.0, 8.0))),
        "opinion.surface",
        "beyond where the model sees it",
    ),
    "bite": (
        lambda: with_liver(_liver() & ~ellipsoid((22.0, 47.0, 38.0), (10.0, 9.0, 11.0))),
        "opinion.surface",
        "beyond where it is drawn",
    ),
    "larger": (lambda: with_liver(_away(_liver()) <= 2.0), "opinion.whole", "larger"),
    "smaller": (lambda: with_liver(_away(~_liver()) > 2.0), "opinion.whole", "smaller"),
    "moved": (lambda: _moved(2.0), "opinion.moved", "Liver fits where the model sees it better"),
    "step": (lambda: _moved(3.0, 19), "opinion.moved", "A part of Liver fits"),
    "cut": (_cut, "opinion.ends", "at its top end"),
    "extra": (
        lambda: with_liver(_liver() | ellipsoid((52.0, 8.0, 10.0), (3.0, 3.0, 4.0))),
        "opinion.parts",
        "drawn where the model sees none",
    ),
    "missed": (
        lambda: np.where(ellipsoid((48.1, 35.2, 40.9), (9.0, 10.0, 13.0)), 0, truth()),
        "geometry.labels",
        "Spleen is listed, but nothing is drawn",
    ),
    "named": (_named, "opinion.names", "is Liver for the model"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_told_where_it_is(error: str) -> None:
    damage, rule, words = ERRORS[error]
    labels = damage()
    found = [f for f in findings(segmentation(labels), opinion()) if f.rule == rule]
    told = next(f for f in found if words in f.title)
    wrong = np.argwhere(labels != truth())[:, ::-1] * np.array((1.0, 1.2, 2.0))
    assert told.point is not None
    assert np.linalg.norm(wrong - told.point, axis=1).min() < 3.0
    assert told.evidence[0].expected
    assert all(np.isfinite(entry.measured) for entry in told.evidence)


def test_a_drawing_as_the_model_would_have_it_is_left_alone() -> None:
    assert findings(segmentation(truth()), opinion()) == []


def test_small_differences_all_round_are_left_alone() -> None:
    """People draw with a trembling hand: half a voxel to and fro is nothing."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=truth().shape), 1.0)
    depth = _away(~_liver()) - _away(_liver())
    trembling = depth + 0.5 * noise / noise.std() > 0.0
    assert (trembling != _liver()).any()
    assert findings(segmentation(with_liver(trembling)), opinion()) == []


def test_where_the_model_is_unsure_the_same_difference_is_left_alone() -> None:
    """A false alarm at every blurred border would make the doctor deaf to the true ones."""
    labels = ERRORS["bump"][0]()
    sure = np.stack([np.where(truth() == label, 0.99, 0.01) for label in (1, 2, 3)])
    unsure = sure.copy()
    unsure[0][(labels == LIVER) & ~_liver()] = 0.45
    assert findings(segmentation(labels), opinion(sure))
    assert findings(segmentation(labels), opinion(unsure)) == []


def test_a_temperature_makes_a_boastful_model_modest() -> None:
    made = segmentation(ERRORS["bump"][0]())
    likely = np.stack([np.where(truth() == label, 0.97, 0.03) for label in (1, 2, 3)])
    values = geometry.from_array(truth().astype(np.int16), made.labels)
    boastful = opinion(likely)
    scores = []
    for second in (boastful, replace(boastful, temperature=2.0)):
        context = Context(scan=Scan(image=values), segmentation=made, opinion=second)
        signs = OPINION["opinion.surface"].measure(context)
        scores.append(max(sign.score for sign in signs if sign.kind == "outside"))
    # Half the logarithm of the odds is half as sure.
    assert scores[1] == pytest.approx(scores[0] / 2.0, rel=0.01)


def test_a_model_doubts_its_own_answer() -> None:
    likely = np.stack([np.where(truth() == label, 0.98, 0.0) for label in (1, 2, 3)])
    likely[1][truth() == SPLEEN] = 0.5
    second = opinion(likely)
    (told,) = [f for f in findings(second.segmentation, second) if f.rule == "opinion.doubt"]
    assert told.structure == "Spleen"
    assert "it expects a Dice coefficient of 0.6" in told.title
    # Somebody else's drawing is compared instead.
    assert findings(segmentation(truth()), second) == []


def test_a_models_own_result_is_not_held_against_peoples_drawings() -> None:
    """All that a model draws would be too smooth: a card's thresholds come from people's."""
    second = opinion()
    limits = {"shape.surface": {"smooth": {"Liver": 1.0}}}
    strict = {"calibration": {"rate": 0.2, "cases": 9, "limits": limits}}
    options = CheckOptions(card=replace(find("hippocampus"), measured=strict))
    scan = Scan(image=sitk.Cast(second.segmentation.labels, sitk.sitkFloat32), modality="CT")

    def smooth(made: Segmentation) -> list[str]:
        found = check(scan, made, options, opinion=second)
        return [f.structure for f in found if f.rule == "shape.surface"]

    saved = replace(second.segmentation)
    assert smooth(second.segmentation) == smooth(saved) == []
    assert smooth(replace(saved, made_by="")) == ["Liver"]


def test_a_missing_structure_counts_only_where_the_model_sees_it() -> None:
    """The pancreas has a name and no voxel; the model sees none either."""
    alone = {f.structure for f in findings(segmentation(truth()), opinion())}
    assert alone == set()
    labels = ERRORS["missed"][0]()
    (told,) = findings(segmentation(labels), opinion())
    assert told.structure == "Spleen"
    assert told.box is not None


def test_what_the_model_does_not_know_is_not_compared() -> None:
    second = opinion()
    known = tuple(s for s in second.segmentation.segments if s.name != "Liver")
    labels = np.where(truth() == LIVER, 0, truth())
    other = replace(segmentation(labels, "model"), segments=known)
    found = findings(segmentation(_moved(5.0)), Opinion(segmentation=other))
    assert found == []


@pytest.mark.parametrize(("order", "flips"), orientations.ALL[5::9])
@pytest.mark.parametrize("error", ["bump", "step", "cut", "larger"])
def test_however_it_is_stored_the_same_is_told(
    error: str, order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    made = segmentation(ERRORS[error][0]())
    second = opinion()

    def seen(drawn: object, model: Opinion) -> list[tuple[object, ...]]:
        return [
            (f.rule, f.structure, f.title, f.box and np.round(f.box, 2).tolist())
            for f in findings(drawn, model)  # type: ignore[arg-type]
        ]

    turned = replace(made, labels=orientations.stored(made.labels, order, flips))
    model = replace(
        second.segmentation, labels=orientations.stored(second.segmentation.labels, order, flips)
    )
    assert seen(turned, Opinion(segmentation=model)) == seen(made, second)


def test_directions_are_named_as_the_grid_lies() -> None:
    """To say left for right would send the doctor to the wrong side."""
    grid = sitk.DICOMOrient(segmentation(truth()).labels, "RAS")
    assert across(grid, 2) == "left-right"
    assert ends(grid, 2) == ("left", "right")
    assert ends(grid, 0) == ("bottom", "top")
    assert towards(grid, (0, 0, 1)) == ("right", 1.0)
    way, far = towards(grid, (1, 1, 0))
    assert way == "front and top"
    assert far == pytest.approx(np.hypot(1.2, 2.0))


def test_an_opinion_on_another_grid_is_refused() -> None:
    small = sitk.Image([5, 5, 5], sitk.sitkInt16)
    with pytest.raises(InputError, match="not on the scan's grid"):
        Context(scan=Scan(image=small), opinion=opinion())
    with pytest.raises(ValueError, match="probabilities of shape"):
        opinion(np.zeros((2, 3, 3, 3)))
    values = geometry.from_array(truth().astype(np.int16), segmentation(truth()).labels)
    with pytest.raises(ValueError, match="no second opinion"):
        next(Context(scan=Scan(image=values)).compared())
