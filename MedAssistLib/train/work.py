"""One training, from its plan to its model."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from MedAssistLib.errors import ResourceError, UsageError
from MedAssistLib.models import find
from MedAssistLib.models.card import ModelCard, WeightFile, write_card
from MedAssistLib.models.formats.own_plan import read_plan as inference_plan
from MedAssistLib.models.plan import InferencePlan
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import memory
from MedAssistLib.train.answers import ANSWERS, Answers
from MedAssistLib.train.batches import Batches, BatchPlan
from MedAssistLib.train.checkpoint import Epoch
from MedAssistLib.train.confidence import Confidence
from MedAssistLib.train.examples import Example, prepare_examples
from MedAssistLib.train.loop import Course, Training
from MedAssistLib.train.network import new_network, start_from
from MedAssistLib.train.options import TrainOptions
from MedAssistLib.train.plan import write_plan
from MedAssistLib.train.preparation import PLAN, WORK, Prepared
from MedAssistLib.train.publish import card_of, described, write_weights
from MedAssistLib.train.result import Measured
from MedAssistLib.train.smaller import smaller
from MedAssistLib.train.start import read_start
from MedAssistLib.train.together import Together
from MedAssistLib.train.told import Report
from MedAssistLib.train.validate import Examiner, HeldOut

CASES = "cases"
"""Folder of the prepared cases, within that of what a training needs to go on."""
PREVIEW = "preview.nrrd"
"""What the network makes of a case held out, in the same folder."""
_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A network that has learned.

    Attributes:
        weights: Tensors by name.
        held_out: How well it does on each case held out; empty in other processes than the first.
        history: Its epochs.
    """

    weights: dict[str, torch.Tensor]
    held_out: list[HeldOut]
    history: list[Epoch]


class Work:
    """One training.

    Args:
        prepared: What it begins with.
        folder: The model's.
        options: How it is run.
        device: Where.
        together: The processes that run it.
        tell: Called after each epoch, and with messages.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        prepared: Prepared,
        folder: Path,
        options: TrainOptions,
        device: torch.device,
        together: Together,
        tell: Callable[[Report], None],
    ) -> None:
        self._prepared, self._folder, self._options = prepared, folder, options
        self._device, self._together = device, together
        self._tell = tell
        self._plan = prepared.plan
        origin = find(str(options.start)) if options.start else None
        self._card = card_of(self._plan, prepared.dataset, folder.name, folder, origin)
        self._running: InferencePlan = inference_plan(self._card)
        self._confidence = Confidence()

    def examples(self, progress: Progress) -> dict[str, Example]:
        """Return the cases as the network sees them, by name."""
        dataset = self._prepared.dataset
        kept = self._folder / WORK / CASES
        found = prepare_examples(
            dataset.cases,
            dataset.structures,
            self._running,
            kept,
            progress,
            hashes=self._prepared.hashes,
        )
        return {example.name: example for example in found}

    def fold(self, fold: int, examples: dict[str, Example], progress: Progress) -> Trained:
        """Train one network, with less memory if it does not suffice, and examine it.

        Args:
            fold: Its number, from 0.
            examples: All cases by name.
            progress: Told how far it is.
        """
        held_out = set(self._prepared.held_out[fold])
        learned = [example for name, example in examples.items() if name not in held_out]
        cases = [case for case in self._prepared.dataset.cases if case.name in held_out]
        structures = self._prepared.dataset.structures
        examiner = Examiner(cases, structures, self._running, self._device.type, self._say)
        learning = progress.part("Learning", 0.0, 0.95)
        training = self._learned(fold, learned, examiner, learning)
        # What is measured is what is written: weights in half precision.
        training.mean.half().float()
        results = []
        if self._together.first:
            examining = progress.part("Examining", 0.95, 1.0)
            answers = Answers(self._folder / WORK / ANSWERS)
            results = examiner.examine(training.mean, fold, self._confidence, answers, examining)
        return Trained(
            weights=training.mean.state_dict(), held_out=results, history=training.history
        )

    def publish(self, trained: list[Trained]) -> tuple[ModelCard, Measured]:
        """Write the model: the weights first, and the card, which makes it one, last."""
        measured = Measured(
            held_out=tuple(held for network in trained for held in network.held_out),
            confidence=self._confidence.calibration(),
            folds=len(trained),
        )
        if not self._together.first:
            return self._card, measured
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
        # A model that is handed on must not hold the scans that it was made of.
        shutil.rmtree(self._folder / WORK / CASES, ignore_errors=True)
        return card, measured

    def _learned(
        self, fold: int, learned: list[Example], examiner: Examiner, progress: Progress
    ) -> Training:
        """Train a network; if memory is short, with smaller batches or patches."""
        usual = Report(
            fold=fold,
            folds=self._options.folds,
            structures=self._prepared.dataset.structures.names,
        )
        keep = self._folder / WORK / PREVIEW

        def told(epoch: Epoch) -> None:
            preview = examiner.preview if epoch.dice else None
            self._tell(replace(usual, epoch=epoch, preview=preview))

        while True:
            training = self._training(fold, learned)
            if self._goes_on(fold, training):
                message = f"network {fold + 1} goes on after epoch {len(training.history)}"
                self._tell(replace(usual, earlier=tuple(training.history), message=message))
            try:
                training.run(lambda net: examiner.glance(net, keep, progress), told, progress)
            except (MemoryError, RuntimeError) as error:
                if not memory.is_out_of_memory(error):
                    raise
            else:
                return training
            del training
            memory.free(self._device.type)
            self._shrink()

    def _goes_on(self, fold: int, training: Training) -> bool:
        """Take up the state that a network was left in; tell whether there is one.

        Raises:
            UsageError: If it is that of another training, which must not be lost.
        """
        if not self._checkpoint(fold).is_file():
            return False
        if not training.resume():
            what = "holds a training that began with another plan, seed or model to start from"
            hint = "Go on as it began, or choose another folder"
            raise UsageError(what, where=self._folder, hint=hint)
        return True

    def _checkpoint(self, fold: int) -> Path:
        return self._folder / WORK / f"fold_{fold}.pt"

    def _shrink(self) -> None:
        """Make the plan smaller, so that what goes on does not fail for the same reason.

        Raises:
            ResourceError: If it cannot be smaller, or others are in the middle of a step.
        """
        less = smaller(self._plan)
        if less is None:
            raise memory.out_of_memory(["smaller batches", "smaller patches"])
        write_plan(self._folder / WORK / PLAN, less)
        self._plan = less
        size = "×".join(str(n) for n in less.patch)
        what = f"memory was short: now {less.batch} patches of {size} voxels a batch"
        if self._together.number > 1:
            raise ResourceError(what, hint="Go on with --resume")
        self._say(what)

    def _say(self, message: str) -> None:
        self._tell(Report(message=message))

    def _training(self, fold: int, learned: list[Example]) -> Training:
        plan, options, dataset = self._plan, self._options, self._prepared.dataset
        membership = dataset.structures.membership()
        path = self._checkpoint(fold)
        torch.manual_seed(options.seed + fold)
        network = new_network(
            plan.network, plan.arguments, inputs=len(dataset.channels), outputs=len(membership)
        )
        if options.start and not path.is_file():
            start = read_start(options.start, dataset.structures.names)
            fresh = start_from(network, start.network.state_dict())
            if fresh:
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
        return Training(network, batches, self._course(fold), self._device, path, self._together)

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
            earlier=plan.earlier_steps,
        )

    def _key(self, fold: int) -> str:
        """Return what makes a training what it is: one that goes on must have the same."""
        prepared, options = self._prepared, self._options
        # These shrink when memory is short, and the training goes on.
        plan = {**asdict(self._plan), "batch": None, "patch": None}
        held_out = prepared.held_out[fold]
        told = [plan, prepared.found.data, held_out, options.seed, str(options.start)]
        return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()
