"""The whole way from a data set to a model folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from MedAssistLib.models.card import ModelCard
from MedAssistLib.progress import Progress
from MedAssistLib.segment.device import device_of
from MedAssistLib.train.checkpoint import Epoch
from MedAssistLib.train.options import TrainOptions
from MedAssistLib.train.preparation import WORK, Prepared, prepare_training
from MedAssistLib.train.result import Measured
from MedAssistLib.train.saving import locked, remove_unfinished
from MedAssistLib.train.together import Together
from MedAssistLib.train.told import Report
from MedAssistLib.train.work import CASES, Work

__all__ = ["Report", "TrainResult", "train"]


@dataclass(frozen=True, kw_only=True)
class TrainResult:
    """What a training gave.

    Attributes:
        card: The model's, in its folder.
        measured: How well it does on cases that were held out.
        prepared: What it began with.
        epochs: Of each network.
    """

    card: ModelCard
    measured: Measured
    prepared: Prepared
    epochs: tuple[tuple[Epoch, ...], ...]


def train(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: TrainOptions | None = None,
    progress: Progress | None = None,
    tell: Callable[[Report], None] = lambda _report: None,
) -> TrainResult:
    """Train a model.

    Args:
        source: The data set; see :func:`MedAssistLib.train.dataset.read_dataset`.
        output: Folder of the model, which is made.
        options: How the training is run.
        progress: Told how far it is; stops the training when asked to. It can go on afterwards.
        tell: Called after each epoch, and with messages; of several processes, in the first one.

    Returns:
        The model, which lies in ``output``.

    Raises:
        InputError: If there is nothing to learn from.
        UsageError: If the output folder holds a model or another training, or one is at work there.
        ModelError: If torch is missing, or the model to start from does not fit.
        ResourceError: If memory or disk does not suffice.
        CancelledError: If the user asked to stop.
    """
    options, progress = options or TrainOptions(), progress or Progress()
    device = torch.device(device_of(options.device))
    folder = Path(output).absolute()
    together = Together(device)

    def told(report: Report) -> None:
        if together.first:
            tell(report)

    if not together.first:
        # The first process prepares everything; the others take it from the folder.
        together.wait()
        options = replace(options, resume=True)
    prepared = prepare_training(
        Path(source),
        folder,
        options,
        device.type,
        lambda line: told(Report(message=line)),
        progress.part("Reading the cases", 0.0, 0.05),
    )
    work = Work(prepared, folder, options, device, together, told)
    # Not before it is certain that the folder is not that of another training.
    with locked(folder / WORK) if together.first else nullcontext():
        if together.first:
            remove_unfinished(folder, folder / WORK, folder / WORK / CASES)
        return _learned(work, prepared, options, together, progress)


def _learned(
    work: Work, prepared: Prepared, options: TrainOptions, together: Together, progress: Progress
) -> TrainResult:
    """Train all networks and publish the model."""
    examples = work.examples(progress.part("Preparing the cases", 0.05, 0.1))
    if together.first:
        together.wait()
    trained = []
    for fold in range(options.folds):
        share = (0.1 + 0.9 * fold / options.folds, 0.1 + 0.9 * (fold + 1) / options.folds)
        name = f"Network {fold + 1} of {options.folds}" if options.folds > 1 else "Learning"
        trained.append(work.fold(fold, examples, progress.part(name, *share)))
    examples.clear()  # Windows deletes no file that is in use.
    card, measured = work.publish(trained)
    together.end()
    epochs = tuple(tuple(network.history) for network in trained)
    return TrainResult(card=card, measured=measured, prepared=prepared, epochs=epochs)
