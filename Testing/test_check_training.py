"""A scan and its structures beside what the model learned from, which its card says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib import geometry
from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import CheckOptions, check
from MedAssistLib.models import anatomy, find
from MedAssistLib.models.card import ModelCard
from Testing import orientations

SCAN, VOLUME = "scan.training", "volume.training"


def found(rule: str, scan: Scan, made: Segmentation | None, card: ModelCard) -> list[Finding]:
    return [f for f in check(scan, made, CheckOptions(card=card)) if f.rule == rule]


def blank(*spacing: float) -> Scan:
    image = sitk.Image([30, 30, 30], sitk.sitkInt16)
    image.SetSpacing(spacing)
    return Scan(image=image, modality="MR")


@pytest.mark.parametrize(
    ("spacing", "told"),
    [
        ((1.0, 1.0, 5.0), "5 mm apart from bottom to top"),
        ((1.0, 4.0, 1.0), "4 mm apart from front to back"),
        ((0.5, 0.5, 2.0), ""),
    ],
)
def test_slices_far_apart_are_told(spacing: tuple[float, float, float], told: str) -> None:
    """A hippocampus on slices of 5 mm looks like nothing that the network knows."""
    card, scan = find("hippocampus"), blank(*spacing)
    for order, flips in orientations.ALL[::7]:
        other = replace(scan, image=orientations.stored(scan.image, order, flips))
        titles = [finding.title for finding in found(SCAN, other, None, card)]
        assert len(titles) == bool(told)
        assert all(told in title and "at most 1 mm" in title for title in titles)
    assert not found(SCAN, scan, None, replace(card, training={}))


def cube(millilitres: float, *, start: int = 4) -> tuple[Scan, Segmentation]:
    labels = np.zeros((40, 40, 40), dtype=np.uint8)
    side = round((1000.0 * millilitres) ** (1 / 3))
    labels[start : start + side, start : start + side, start : start + side] = 1
    image = sitk.GetImageFromArray(labels)
    segments = anatomy.segments({1: "Left anterior hippocampus"})
    scan = Scan(image=geometry.from_array(labels.astype(np.int16), image), modality="MR")
    return scan, Segmentation(labels=image, segments=segments, made_by="test")


@pytest.mark.parametrize(("millilitres", "told"), [(8.0, "larger"), (0.3, "smaller"), (2.0, "")])
def test_a_volume_beyond_all_that_was_learned_is_told(millilitres: float, told: str) -> None:
    """A hippocampus of 8 mL has run into its neighbours."""
    card = find("hippocampus")
    titles = [finding.title for finding in found(VOLUME, *cube(millilitres), card)]
    assert len(titles) == bool(told)
    assert all(told in title and "1.05 to 2.59 mL" in title for title in titles)
    # What the image cuts off has no volume; a card need not say what was learned.
    assert not found(VOLUME, *cube(millilitres, start=0), card)
    assert not found(VOLUME, *cube(millilitres), replace(card, training={}))


@pytest.mark.parametrize(
    "data", [None, 3, {"spacing": [1]}, {"structures": [{"name": 1}, 2]}, {"structures": 3}]
)
def test_a_card_may_say_anything(data: object) -> None:
    """Models come from strangers: a check must not end for what a card holds."""
    card = replace(find("hippocampus"), training={"data": data})
    scan, made = cube(8.0)
    assert not found(SCAN, blank(9.0, 9.0, 9.0), None, card)
    assert not found(VOLUME, scan, made, card)
