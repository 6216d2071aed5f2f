"""What networks said of cases that they had not seen is kept, so that checks can be calibrated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MedAssistLib.check import CheckOptions
from MedAssistLib.check.calibrating import calibrate_model
from MedAssistLib.cli.main import main
from MedAssistLib.errors import InputError
from MedAssistLib.models import find
from MedAssistLib.train import TrainOptions
from MedAssistLib.train.answers import ANSWERS, Answers
from MedAssistLib.train.dataset import read_dataset
from MedAssistLib.train.preparation import WORK
from MedAssistLib.train.run import train
from Testing.corrupted_labels import answered
from Testing.labelled_sets import pairs
from Testing.train_cases import put_plan


def test_an_answer_is_kept_to_some_percent_of_the_odds(tmp_path: Path) -> None:
    """A calibration would be made on other numbers than those that a check sees later."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, (4, 5, 6))
    probabilities = rng.beta(0.2, 0.2, (2, 4, 5, 6)).astype(np.float32)
    answers = Answers(tmp_path / "kept")
    assert "a/b: *" not in answers
    answers.keep("a/b: *", labels, probabilities)
    assert "a/b: *" in answers
    kept = answers.of("a/b: *")
    np.testing.assert_array_equal(kept.labels, labels)
    middle = (probabilities > 1e-3) & (probabilities < 1.0 - 1e-3)
    before, after = (p[middle] / (1.0 - p[middle]) for p in (probabilities, kept.probabilities))
    assert np.abs(np.log(before) - np.log(after)).max() < 0.4
    np.testing.assert_allclose(kept.probabilities, probabilities, atol=0.02)


def test_a_damaged_answer_is_told(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.keep("one", np.zeros((2, 2, 2), int), np.zeros((1, 2, 2, 2), np.float32))
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="no answer of a network"):
        answers.of("one")


def test_a_training_answers_to_each_case_that_it_held_out(tmp_path: Path) -> None:
    """A check could not be calibrated, or would be with cases that the network had learned."""
    data, output = pairs(tmp_path / "data", 6), put_plan(tmp_path / "model", epochs=1)
    result = train(data, output, TrainOptions(device="cpu"))
    answers = Answers(output / WORK / ANSWERS)
    held_out = result.prepared.held_out[0]
    for case in read_dataset(data).cases:
        assert (case.name in answers) == (case.name in held_out)
    kept = answers.of(held_out[0])
    assert kept.probabilities.shape == (2, *kept.labels.shape)
    # What is drawn is the likeliest, but for voxels of which the network knows nothing yet.
    background = 1.0 - kept.probabilities.astype(np.float32).sum(axis=0)
    likeliest = np.concatenate([background[np.newaxis], kept.probabilities]).argmax(axis=0)
    assert np.mean(likeliest == kept.labels) > 0.9


def test_a_training_calibrates_the_checks_if_it_held_out_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Checks with the model would go by taste, or promise what nobody measured."""
    data, output = pairs(tmp_path / "data", 26), put_plan(tmp_path / "model", epochs=1, steps=1)
    assert main(["train", str(data), "-o", str(output), "--device", "cpu"]) == 0
    assert "not calibrated: 6 cases were held out, and 25 are needed" in capsys.readouterr().err
    card = find(str(output))
    assert "calibration" not in card.measured
    # As if five networks had been trained.
    answered(data, output)
    assert calibrate_model(data, card) == (
        "the checks are calibrated on 26 cases that were held out"
    )
    card = find(str(output))
    assert card.measured["confidence"], "how sure the network may be is another thing"
    thresholds = CheckOptions(card=card).thresholds
    assert (thresholds.rate, thresholds.cases) == (0.2, 26)
    assert {"Bright", "Dark"} <= set(thresholds.limits["geometry.spikes"]["spike"])
