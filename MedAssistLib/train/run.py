"""The whole way from a data set to a model folder."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from MedAssistLib.errors import ModelError
from MedAssistLib.models import find
from MedAssistLib.models.card import ModelCard, WeightFile, write_card
from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.formats.own_plan import read_plan as inference_plan
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.models.weights import locate
from MedAssistLib.progress import Progress
from MedAssistLib.segment.device import device_of
from MedAssistLib.segment.engine import memory
from MedAssistLib.train.batches import Batches, BatchPlan
from MedAssistLib.train.checkpoint import Epoch
from MedAssistLib.train.confidence import Confidence
from MedAssistLib.train.design import smaller
from MedAssistLib.train.examples import Example, prepare_examples
from MedAssistLib.train.loop import Course, Training
from MedAssistLib.train.network import new_network, start_from
from MedAssistLib.train.options import TrainOptions
from MedAssistLib.train.plan import write_plan
from MedAssistLib.train.preparation import PLAN, WORK, Prepared, prepare_training
from MedAssistLib.train.publish import card_of, described, write_weights
from MedAssistLib.train.result import Measured
from MedAssistLib.train.together import Together
from MedAssistLib.train.validate import Examiner, HeldOut

# Cases that are looked at while a network learns.
_GLANCES = 8
_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a training tells while it goes on.

    Attributes:
        fold: The network, from 0.
        folds: Number of networks.
        epoch: What its last epoch came to; ``None`` for a message.
        message: What else there is to tell, in one line.
    """

    fold: int = 0
    folds: int = 1
    epoch: Epoch | None = None
    message: str = ""


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
        tell: Called after each epoch, and with messages.

    Returns:
        The model, which lies in ``output``.

    Raises:
        InputError: If there is nothing to learn from.
        UsageError: If the output folder holds a model or another training.
        ModelError: If torch is missing, or the model to start from does not fit.
        ResourceError: If memory or disk does not suffice.
        CancelledError: If the user asked to stop.
    """
    options, progress = options or TrainOptions(), progress or Progress()
    device = device_of(options.device)
    folder = Path(output).absolute()
    together = Together(torch.device(device))
    if not together.first:
        # The first process prepares everything; the others take it from the folder.
        together.wait()
        options = replace(options, resume=True)
    prepared = prepare_training(
        Path(source), folder, options, device, progress.part("Reading the cases", 0.0, 0.05)
    )
    work = _Work(prepared, folder, options, device, together, tell)
    preparing = progress.part("Preparing the cases", 0.05, 0.1)
    examples = work.examples(preparing)
    if together.first:
        together.wait()
    trained = []
    for fold in range(options.folds):
        share = (0.1 + 0.9 * fold / options.folds, 0.1 + 0.9 * (fold + 1) / options.folds)
        name = f"Network {fold + 1} of {options.folds}" if options.folds > 1 else "Learning"
        trained.append(work.fold(fold, examples, progress.part(name, *share)))
    return work.publish(trained)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trained:
    weights: dict[str, torch.Tensor]
    held_out: list[HeldOut]
    history: list[Epoch]


class _Work:
    """One training, from its plan to its model."""

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        prepared: Prepared,
        folder: Path,
        options: TrainOptions,
        device: str,
        together: Together,
        tell: Callable[[Report], None],
    ) -> None:
        self._prepared, self._folder, self._options = prepared, folder, options
        self._device, self._together = torch.device(device), together
        self._tell = tell
        self._plan = prepared.plan
        self._card = card_of(self._plan, prepared.dataset, folder.name, folder)
        self._running: InferencePlan = inference_plan(self._card)
        self._confidence = Confidence()

    def examples(self, progress: Progress) -> dict[str, Example]:
        """Return the cases as the network sees them, by name."""
        dataset = self._prepared.dataset
        kept = self._folder / WORK / "cases"
        found = prepare_examples(dataset.cases, dataset.structures, self._running, kept, progress)
        return {example.name: example for example in found}

    def fold(self, fold: int, examples: dict[str, Example], progress: Progress) -> _Trained:
        """Train one network, with less memory if it does not suffice, and examine it."""
        held_out = set(self._prepared.held_out[fold])
        learned = [example for name, example in examples.items() if name not in held_out]
        cases = [case for case in self._prepared.dataset.cases if case.name in held_out]
        structures = self._prepared.dataset.structures
        examiner = Examiner(cases, structures, self._running, self._device.type)
        training = self._learned(fold, learned, examiner, progress.part("Learning", 0.0, 0.95))
        # What is measured is what is written: weights in half precision.
        training.mean.half().float()
        results = examiner.examine(
            training.mean, fold, self._confidence, progress.part("Examining", 0.95, 1.0)
        )
        return _Trained(
            weights=training.mean.state_dict(), held_out=results, history=training.history
        )

    def _learned(
        self, fold: int, learned: list[Example], examiner: Examiner, progress: Progress
    ) -> Training:
        """Train a network; if memory is short, with smaller batches or patches."""

        def told(epoch: Epoch) -> None:
            self._tell(Report(fold=fold, folds=self._options.folds, epoch=epoch))

        while True:
            training = self._training(fold, learned)
            if self._options.resume and training.resume():
                self._say(f"network {fold + 1} goes on after epoch {len(training.history)}")
            try:
                training.run(lambda net: examiner.glance(net, _GLANCES), told, progress)
            except (MemoryError, RuntimeError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            else:
                return training
            del training
            memory.free(self._device.type)
            self._shrink()

    def _shrink(self) -> None:
        less = smaller(self._plan)
        if less is None:
            raise memory.out_of_memory(["smaller batches", "smaller patches"])
        self._plan = less
        if self._together.first:
            # What goes on later must not fail for the same reason first.
            write_plan(self._folder / WORK / PLAN, less)
        size = "×".join(str(n) for n in less.patch)
        self._say(f"memory was short: now {less.batch} patches of {size} voxels a batch")

    def _say(self, message: str) -> None:
        if self._together.first:
            self._tell(Report(message=message))

    def _training(self, fold: int, learned: list[Example]) -> Training:
        plan, options, dataset = self._plan, self._options, self._prepared.dataset
        membership = dataset.structures.membership()
        torch.manual_seed(options.seed + fold)
        network = new_network(
            plan.network, plan.arguments, inputs=len(dataset.channels), outputs=len(membership)
        )
        if options.start:
            fresh = start_from(network, _weights_of(options.start))
            self._say(f"{len(fresh)} weights of the earlier model do not fit and begin anew")
        batches = Batches(
            learned,
            BatchPlan(
                patch=plan.patch,
                batch=plan.batch,
                foreground=plan.foreground,
                spacing=plan.spacing,
                augmentation=plan.augmentation,
            ),
            membership,
            self._device,
        )
        path = self._folder / WORK / f"fold_{fold}.pt"
        course = self._course(fold)
        return Training(network, batches, course, self._device, path, self._together)

    def _course(self, fold: int) -> Course:
        plan, options = self._plan, self._options
        timed = options.minutes is not None
        return Course(
            key=self._key(fold),
            seed=options.seed + fold,
            steps=plan.steps,
            epochs=None if timed else options.epochs or plan.epochs,
            seconds=options.minutes * _SECONDS / options.folds if options.minutes else None,
            learning_rate=plan.learning_rate,
            other_rate=plan.other_rate,
            decay=plan.weight_decay,
            mean=plan.mean_weights,
            overlapping=self._prepared.dataset.structures.overlapping,
            levels=plan.supervised,
        )

    def _key(self, fold: int) -> str:
        """Return what makes a training what it is: one that goes on must have the same."""
        prepared, options = self._prepared, self._options
        told = [
            asdict(self._plan),
            prepared.found.data,
            prepared.held_out[fold],
            options.seed,
            str(options.start),
        ]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()

    def publish(self, trained: list[_Trained]) -> TrainResult:
        """Write the model: the weights first, and the card, which makes it one, last."""
        held_out = tuple(held for network in trained for held in network.held_out)
        measured = Measured(
            held_out=held_out,
            confidence=self._confidence.calibration(),
            folds=len(trained),
        )
        card = self._card
        if self._together.first:
            weights: dict[str, WeightFile] = {
                f"fold {fold}": write_weights(self._folder / f"fold_{fold}.pt", network.weights)
                for fold, network in enumerate(trained)
            }
            card = replace(
                self._card,
                weights=weights,
                accuracy=measured.accuracy(),
                training=described(self._plan, self._prepared.found, self._options),
                measured=measured.as_json(),
            )
            write_card(card)
        epochs = tuple(tuple(network.history) for network in trained)
        return TrainResult(card=card, measured=measured, prepared=self._prepared, epochs=epochs)


def _weights_of(model: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the first network of a model.

    Raises:
        ModelError: If it is no model whose weights can be gone on from.
    """
    card = find(str(model))
    path = locate(card, next(iter(card.weights)))
    found = read_checkpoint(path)
    found = found.get("network_weights", found) if isinstance(found, dict) else {}
    weights = {str(k): v for k, v in found.items() if isinstance(v, torch.Tensor)}
    if not weights:
        hint = "Start from a model that MedAssist or nnU-Net trained"
        raise ModelError("has no weights to start from", where=model, hint=hint)
    return weights
