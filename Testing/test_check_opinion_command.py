"""``medassist check --model``: the model is asked, compared with, and checked itself."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from MedAssistLib.case import Scan, Segmentation
from MedAssistLib.check import CheckOptions, ask, ask_if_possible, check, named
from MedAssistLib.cli import main
from MedAssistLib.errors import ModelError
from MedAssistLib.models import find
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing import tiny_models
from Testing.check_cases import renamed_as
from Testing.check_errors import inject, swapped
from Testing.test_own_formats import write


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan, a tiny model, what it draws (nothing but a spleen), and that called a liver."""
    folder = tmp_path_factory.mktemp("asked")
    write(folder / "belly", "state-dict")
    scan = replace(tiny_models.scan((20, 24, 22)), modality="CT")
    sitk.WriteImage(scan.image, folder / "scan.nii.gz")
    opinion, _ = ask(scan, find(str(folder / "belly")), device="cpu")
    made = opinion.segmentation
    sitk.WriteImage(made.labels, folder / "same.nii.gz")
    other = swapped(made, *made.segments)
    sitk.WriteImage(other.segmentation.labels, folder / "named.nii.gz")
    return folder


def _check(home: Path, *more: str) -> tuple[int, list[dict]]:
    out = home / "out.json"
    out.unlink(missing_ok=True)
    arguments = ["check", str(home / "scan.nii.gz"), "--modality", "CT", "-o", str(out), *more]
    status = main(arguments)
    return status, json.loads(out.read_text("utf-8"))["findings"] if out.is_file() else []


def _of(found: list[dict], rule: str) -> list[dict]:
    return [finding for finding in found if finding["rule"].startswith(rule)]


def test_a_drawing_is_compared_with_the_models(home: Path) -> None:
    names = ("--names", "1=Liver,2=Spleen", "--model", str(home / "belly"), "--device", "cpu")
    status, same = _check(home, "--segmentation", str(home / "same.nii.gz"), *names)
    assert status == 0
    assert _of(same, "opinion.") == []
    status, other = _check(home, "--segmentation", str(home / "named.nii.gz"), *names)
    assert status == 0
    (told,) = _of(other, "opinion.names")
    assert told["title"] == "What is drawn as Liver is Spleen for the model, by 100%."


def test_without_a_drawing_the_models_own_is_checked(home: Path) -> None:
    """Weights drawn at random are sure of nothing: a model's own doubts must be told."""
    status, found = _check(home, "--model", str(home / "belly"), "--device", "cpu")
    assert status == 0
    assert _of(found, "opinion.doubt")
    assert {f["rule"] for f in _of(found, "opinion.")} == {"opinion.doubt"}


def test_a_model_that_cannot_run_is_told_in_words(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rules that need no model must not be lost for it; without a drawing nothing is left."""
    (home / "belly" / "weights.pt").rename(home / "gone")
    try:
        drawn = ("--segmentation", str(home / "same.nii.gz"), "--names", "1=Liver,2=Spleen")
        status, found = _check(home, *drawn, "--model", str(home / "belly"))
        assert status == 0
        (note,) = _of(found, "check.model")
        assert "The model belly could not be asked:" in note["title"]
        assert "weights are not there" in note["title"]
        assert _check(home, "--model", str(home / "belly")) == (4, [])
        assert "weights are not there" in capsys.readouterr().err
    finally:
        (home / "gone").rename(home / "belly" / "weights.pt")


def test_another_modality_is_not_asked(home: Path) -> None:
    card = find(str(home / "belly"))
    scan = replace(tiny_models.scan((20, 24, 22)), modality="MR")
    opinion, (note,) = ask_if_possible(scan, card, device="cpu")
    assert opinion is None
    assert "is MR, but the model belly is for CT" in note.title
    with pytest.raises(ModelError):
        ask(scan, card, device="cpu")


def test_probabilities_are_those_of_the_structures_in_their_order(home: Path) -> None:
    scan = replace(tiny_models.scan((20, 24, 22)), modality="CT")
    opinion, _ = ask(scan, find(str(home / "belly")), device="cpu")
    labels = sitk.GetArrayViewFromImage(opinion.segmentation.labels)
    assert opinion.probabilities is not None
    assert opinion.probabilities.shape == (2, *labels.shape)
    liver, spleen = opinion.probabilities
    assert (labels == 2).any()
    # Of three answers, the likeliest has a third at least; what lost has half at most.
    assert spleen[labels == 2].min() >= 1.0 / 3.0 - 1e-3
    assert spleen[labels != 2].max() <= 0.5 + 1e-3
    assert liver[labels == 2].max() <= 0.5 + 1e-3


@pytest.fixture(scope="module")
def hippocampus(shared_data: Path) -> tuple[Scan, Segmentation]:
    """A hippocampus that the model which comes with MedAssist was not trained on."""
    folder = shared_data / "hippocampus"
    scan = read_scan(folder / "imagesTr" / "hippocampus_006.nii.gz", ReadOptions(modality="MR"))
    made = read_segmentation(folder / "labelsTr" / "hippocampus_006.nii.gz", scan)
    return scan, renamed_as(made, {1: "Anterior hippocampus", 2: "Posterior hippocampus"})


def test_a_shifted_hippocampus_is_found_and_a_correct_one_left_alone(
    hippocampus: tuple[Scan, Segmentation],
) -> None:
    scan, correct = hippocampus
    card = find("hippocampus")
    opinion, doubts = ask(scan, card, device="cpu")
    assert doubts == ()
    correct, _ = named(correct, opinion.segmentation.segments)
    options = CheckOptions(card=card)
    found = check(scan, correct, options, opinion=opinion)
    assert [f.title for f in found if f.rule.startswith("opinion.")] == []
    error = inject("shift", correct, correct.segments[0], 3.0, np.random.default_rng(2))
    assert error is not None
    found = check(scan, error.segmentation, options, opinion=opinion)
    told = [f for f in found if f.rule.startswith("opinion.") and f.structure == error.structure]
    assert told
    assert told[0].point is not None
    assert error.distance(told[0].point) < 3.0
