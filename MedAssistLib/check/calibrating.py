"""After a training: thresholds for the checks, from the cases that the networks had not seen."""

from __future__ import annotations

import os
from dataclasses import replace

from MedAssistLib.check.calibration import RATE, calibrate, fewest
from MedAssistLib.check.labelled import judges_of
from MedAssistLib.check.rule import Sign
from MedAssistLib.errors import InputError
from MedAssistLib.models.card import ModelCard, write_card
from MedAssistLib.progress import Progress
from MedAssistLib.train.dataset import read_dataset

MOST_CASES = 400
"""More cases hardly make the thresholds better."""


def calibrate_model(
    source: str | os.PathLike[str], card: ModelCard, progress: Progress | None = None
) -> str:
    """Find thresholds for the checks that use a model, and write them into its card.

    The labels of the training set stand for correct ones, and each case is compared with the answer
    of a network that had not seen it.

    Args:
        source: The training set.
        card: The model's, which ``medassist train`` just made.
        progress: Told how far it is.

    Returns:
        A sentence that says what was found, or why there is no calibration.

    Raises:
        ResourceError: If the card cannot be written.
        CancelledError: If the user asked to stop; the card is as it was.
    """
    progress = progress or Progress()
    try:
        judges = judges_of(read_dataset(source), card.folder)
    except InputError as error:
        return f"the checks are not calibrated: {error}"
    cases = judges.heard[:: -(-len(judges.heard) // MOST_CASES)]
    signs: list[list[Sign]] = []
    for number, case in enumerate(cases):
        part = progress.part(
            "Calibrating the checks", number / len(cases), (number + 1) / len(cases)
        )
        try:
            signs.append(judges.signs(case, judges.rules, part))
        except InputError:
            continue  # The training has told of it.
    if len(signs) < fewest(RATE):
        return (
            f"the checks are not calibrated: {len(signs)} cases were held out, and "
            f"{fewest(RATE)} are needed; train with --folds 5, or on more cases"
        )
    names = [segment.name for segment in judges.segments]
    found = calibrate(signs, judges.rules, names)
    write_card(replace(card, measured={**card.measured, "calibration": found.to_json()}))
    return f"the checks are calibrated on {found.cases} cases that were held out"
