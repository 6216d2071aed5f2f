"""Learning: steps, epochs, and what is kept of them."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

from MedAssistLib.errors import InputError
from MedAssistLib.models.networks import Trainable
from MedAssistLib.progress import Progress
from MedAssistLib.train.batches import Batches
from MedAssistLib.train.checkpoint import Checkpoint, Epoch, read_state, write_checkpoint
from MedAssistLib.train.ema import MeanWeights
from MedAssistLib.train.loss import loss
from MedAssistLib.train.muon import optimisers
from MedAssistLib.train.precision import Precision
from MedAssistLib.train.schedule import rate
from MedAssistLib.train.together import Together

# Longer gradients are shortened to this, as in nnU-Net.
_LONGEST_GRADIENT = 12.0
# So many steps without a usable loss in one epoch end the training.
_MOST_SKIPPED = 20
# Looking at the cases held out takes no more than this share of the time.
_MOST_LOOKING = 0.2


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long and how fast a network learns.

    Attributes:
        key: Names the training, so that a checkpoint of another one is not taken for its own.
        seed: Of all random numbers.
        steps: Steps of an epoch.
        epochs: Epochs; ``None`` to go by the time.
        seconds: Time to learn; ``None`` to go by the epochs.
        learning_rate: The greatest, of the convolutions within the network.
        other_rate: The greatest, of all other weights.
        decay: Of the weights.
        mean: How much of the running mean of the weights stays at each step.
        overlapping: The structures do not exclude one another.
        levels: Resolutions of the decoder that are supervised.
        earlier: Steps that the weights to begin with count for in the running mean.
    """

    key: str
    seed: int
    steps: int
    epochs: int | None
    seconds: float | None
    learning_rate: float
    other_rate: float
    decay: float
    mean: float
    overlapping: bool
    levels: int
    earlier: int = 0


Look = Callable[[nn.Module], tuple[float, ...]]
Tell = Callable[[Epoch], None]


class Training:
    """One network that learns.

    Args:
        network: The network, with the weights to begin with.
        batches: What it learns from.
        course: How long and how fast.
        device: Where.
        checkpoint: Where its state is kept after each epoch; also read to go on.
        together: The processes that train it together.

    Attributes:
        history: The epochs so far.
    """

    def __init__(  # noqa: PLR0913, PLR0917
        self,
        network: Trainable,
        batches: Batches,
        course: Course,
        device: torch.device,
        checkpoint: Path,
        together: Together,
    ) -> None:
        self._course, self._batches, self._together = course, batches, together
        self._device, self._path = device, checkpoint
        self._precision = Precision(device)
        self._network = network.to(device).train()
        self._network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self._mean = MeanWeights(self._network, course.mean)
        # Weights that have two names are one.
        self._weights = list(self._network.parameters())
        self._optimisers = optimisers(
            self._network, course.learning_rate, course.other_rate, course.decay
        )
        self._greatest = [optimiser.defaults["lr"] for optimiser in self._optimisers]
        self._steps, self._seconds, self._looked_s = 0, 0.0, 0.0
        self.history: list[Epoch] = []

    @property
    def mean(self) -> nn.Module:
        """The network with the running mean of the weights: the result of the training."""
        return self._mean.network

    @property
    def done(self) -> float:
        """How much of the training is done, in [0, 1]."""
        course = self._course
        if course.epochs is not None:
            return min(self._steps / (course.epochs * course.steps), 1.0)
        return min(self._seconds / (course.seconds or 1.0), 1.0)

    def resume(self) -> bool:
        """Go on where the checkpoint ends; tell whether there is one of this training.

        Raises:
            ModelError: If it is damaged.
        """
        if not self._path.is_file():
            return False
        state = read_state(self._path)
        if state.key != self._course.key:
            return False
        self._network.load_state_dict(state.weights)
        self._mean.network.load_state_dict(state.mean)
        for optimiser, own in zip(self._optimisers, state.optimisers, strict=True):
            # Tensors that stay in the file would keep Windows from replacing it.
            optimiser.load_state_dict(copy.deepcopy(own))
        self._precision.load(state.scaler)
        self._steps, self._seconds, self.history = state.steps, state.seconds, state.history
        return True

    def run(self, look: Look, tell: Tell, progress: Progress) -> None:
        """Learn until the course is done.

        Args:
            look: Called after some epochs, in the first process, with the mean network; gives its
                Dice by structure.
            tell: Called after each epoch, in the first process.
            progress: Told after each step; stops the training when asked to, after which it can
                go on from the last epoch.

        Raises:
            InputError: If the losses are no numbers.
            ResourceError: If the disk is full.
            CancelledError: If the user asked to stop.
        """
        while self.done < 1.0:
            number = len(self.history) + 1
            epoch = self._epoch(number, progress)
            self._look(epoch, look)
            self.history.append(epoch)
            if self._together.first:
                write_checkpoint(self._path, self._state())
                tell(epoch)
        progress.update(1.0)

    def _look(self, epoch: Epoch, look: Look) -> None:
        """Look at the cases held out if it is time to; that is part of the time to learn."""
        began = time.perf_counter()
        due = epoch.number % 5 == 0 or epoch.number <= 2
        affordable = self._looked_s <= _MOST_LOOKING * self._seconds
        if self._together.first and (self.done >= 1.0 or (due and affordable)):
            epoch.dice = look(self.mean)
        took = self._together.agreed(time.perf_counter() - began)
        self._looked_s += took
        self._seconds += took

    def _epoch(self, number: int, progress: Progress) -> Epoch:
        course, began, before = self._course, time.perf_counter(), self._seconds
        rates, losses, skipped, patches = 0.0, [], 0, 0
        drawn = self._batches.epoch(course.steps, course.seed, number, self._together.rank)
        batch = next(drawn, None)
        while batch is not None and self.done < 1.0:
            progress.update(self.done)
            patches += len(batch[0]) * self._together.number
            rates = self._set_rate()
            wrong = self._backward(*batch)
            # The next batch is asked for before anything is waited for, so that a device has work.
            batch = next(drawn, None)
            if self._forward():
                losses.append(float(wrong))
            else:
                skipped += 1
            self._steps += 1
            self._seconds = before + self._together.agreed(time.perf_counter() - began)
        if skipped > _MOST_SKIPPED or not losses:
            hint = "Look at the intensities of the cases, or lower the plan's learning rate"
            raise InputError("the training came to values that are no numbers", hint=hint)
        return Epoch(
            number=number,
            loss=self._together.mean(fmean(losses)),
            rate=rates,
            seconds=self._seconds - before,
            patches=patches,
            skipped=skipped,
        )

    def _set_rate(self) -> float:
        share = rate(self.done)
        for optimiser, greatest in zip(self._optimisers, self._greatest, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = greatest * share
        return self._course.learning_rate * share

    def _backward(self, images: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """Find out how wrong the network is, and which way is better."""
        self._network.zero_grad(set_to_none=True)
        images = images.contiguous(memory_format=torch.channels_last_3d)
        with self._precision.reduced():
            scores = self._network.all_scores(images)
        scores = scores[: self._course.levels]
        wrong = loss(scores, shares, overlapping=self._course.overlapping)
        torch.autograd.backward(self._precision.scaled(wrong))
        return wrong.detach()

    def _forward(self) -> bool:
        """Go a step that way, unless its length is no number."""
        self._together.average(self._weights)
        self._precision.unscale(self._optimisers)
        length = torch.nn.utils.clip_grad_norm_(self._weights, _LONGEST_GRADIENT)
        good = bool(length.isfinite())
        self._precision.step(self._optimisers, good=good)
        if good:
            self._mean.update(self._network, self._course.earlier + self._steps)
        return good

    def _state(self) -> Checkpoint:
        return Checkpoint(
            key=self._course.key,
            weights=self._network.state_dict(),
            mean=self._mean.network.state_dict(),
            optimisers=[optimiser.state_dict() for optimiser in self._optimisers],
            scaler=self._precision.state(),
            steps=self._steps,
            seconds=self._seconds,
            history=self.history,
        )
