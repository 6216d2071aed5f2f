"""Prepared cases: however a scan is stored, the network learns from the same voxels."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from MedAssistLib.models.formats.own_plan import read_plan
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset.cases import LabelledCase, TrainingSet, exclusive
from MedAssistLib.train.examples import Example, prepare_examples
from MedAssistLib.train.publish import card_of
from Testing.labelled_sets import block_case, write
from Testing.train_cases import TINY

_STRUCTURES = exclusive({1: "Bright", 2: "Dark"})
_CODES = [
    "".join(code)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for code in itertools.product(*order)
]


def plan(folder: Path) -> InferencePlan:
    """Return how a tiny network sees its scans."""
    training_set = TrainingSet(
        name="blocks",
        title="Blocks",
        channels=("T1",),
        modality="MR",
        structures=_STRUCTURES,
        cases=(),
        licence="",
        source="",
        folder=folder,
    )
    return read_plan(card_of(TINY, training_set, "blocks", folder))


def prepared(folder: Path, image: sitk.Image, labels: sitk.Image) -> Example:
    case = LabelledCase(
        name="case",
        images=(write(folder / "image.nrrd", image),),
        label=write(folder / "label.nrrd", labels),
        group="case",
    )
    (example,) = prepare_examples([case], _STRUCTURES, plan(folder), folder / "kept", Progress())
    return example


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory) -> Example:
    return prepared(tmp_path_factory.mktemp("upright"), *block_case(1))


@settings(max_examples=12, deadline=None)
@given(scan=st.sampled_from(_CODES), drawn=st.sampled_from(_CODES))
def test_how_a_scan_is_stored_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, upright: Example, scan: str, drawn: str
) -> None:
    """Left and right, or the axes, would be mixed up in scans of another scanner."""
    image, labels = block_case(1)
    turned = sitk.DICOMOrient(image, scan), sitk.DICOMOrient(labels, drawn)
    found = prepared(tmp_path_factory.mktemp("turned"), *turned)
    assert torch.allclose(found.image, upright.image, atol=2e-3)
    assert torch.equal(found.labels, upright.labels)
    for mine, theirs in zip(found.places, upright.places, strict=True):
        assert np.array_equal(mine, theirs)


def test_places_have_their_values_and_axes_point_to_the_right_front_and_top(
    upright: Example,
) -> None:
    """Patches would lie beside what they are to show."""
    for value, places in enumerate(upright.places, 1):
        assert (upright.labels.numpy()[tuple(places.T)] == value).all()
    _, labels = block_case(1)
    original = sitk.GetArrayFromImage(sitk.DICOMOrient(labels, "RAS"))
    assert np.array_equal(upright.labels.numpy(), original)
