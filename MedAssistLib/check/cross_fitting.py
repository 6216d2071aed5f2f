"""Networks for an audit: trained quickly, each on one half of the cases to judge the other half."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.check.labelled import Judges, judges_of
from MedAssistLib.files import make_folder
from MedAssistLib.progress import Progress
from MedAssistLib.train.audit import Audit
from MedAssistLib.train.dataset import TrainingSet
from MedAssistLib.train.options import TrainOptions
from MedAssistLib.train.split import folds, joined, write_folds

if TYPE_CHECKING:
    from MedAssistLib.train.told import Report

NETWORKS = 2
"""Each learns from the other half of the cases: in little time, two learn more than five."""
MINUTES = 10.0
"""For both, unless another time is asked for."""


def cross_fitted(  # noqa: PLR0913
    source: Path,
    dataset: TrainingSet,
    looked: Audit,
    folder: Path,
    *,
    minutes: float = MINUTES,
    device: str = "auto",
    progress: Progress | None = None,
    tell: Callable[[Report], None] = lambda _report: None,
) -> Judges:
    """Train networks on a training set, each without the half of the cases that it judges.

    Args:
        source: Where the training set lies.
        dataset: The training set.
        looked: What the audit of the data found: cases that show the same are in one half.
        folder: Where they are trained.
        minutes: Time to learn, for all of them together.
        device: Where, as in :class:`MedAssistLib.train.TrainOptions`.
        progress: Told how far it is.
        tell: Called after each epoch, and with messages.

    Raises:
        MedAssistError: As :func:`MedAssistLib.train.run.train` does.
    """
    from MedAssistLib.train.run import train

    splits = make_folder(folder) / "halves.json"
    together = joined(dataset.cases, looked.together)
    names = [case.name for case in dataset.cases]
    write_folds(splits, folds(together, NETWORKS, seed=0), names)
    options = TrainOptions(device=device, minutes=minutes, folds=NETWORKS, splits=splits)
    train(source, folder / "model", options, progress, tell)
    return judges_of(dataset, folder / "model")
