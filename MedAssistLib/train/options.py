"""How a training is run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.errors import UsageError
from MedAssistLib.segment.options import DEVICES

FOLDS = 5
"""Parts that a training set is split into, or fewer if there are fewer patients."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a training is run.

    Attributes:
        device: Where: ``"cpu"``, ``"cuda"``, ``"mps"``, or ``"auto"`` for an NVIDIA card if there
            is one, else the processor.
        minutes: Time for learning, all networks together; ``None`` to go by the epochs.
        epochs: Epochs of each network; ``None`` for what the plan says.
        folds: Networks that are trained, from 1 to 5, each with another part of the cases held
            out; one for each part is a whole cross-validation. They run together as an ensemble.
        resume: Go on with what lies in the output folder.
        start: Folder of a model to start from; ``None`` for random weights.
        splits: File that says which cases are held out; ``None`` to have it made.
        seed: Of all random numbers.

    Raises:
        UsageError: If an option is out of its range.
    """

    device: str = "auto"
    minutes: float | None = None
    epochs: int | None = None
    folds: int = 1
    resume: bool = False
    start: Path | None = None
    splits: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.device not in DEVICES:
            hint = f"Choose one of {', '.join(DEVICES)}"
            raise UsageError(f'there is no device "{self.device}"', hint=hint)
        if self.minutes is not None and self.epochs is not None:
            raise UsageError("a time and a number of epochs were given", hint="Give one of them")
        if self.minutes is not None and not 0.0 < self.minutes < 60 * 24 * 365:
            raise UsageError(f"the time is {self.minutes:g} minutes", hint="Give such as 30m or 8h")
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"there are {self.epochs} epochs", hint="Give a number above 0")
        if not 1 <= self.folds <= FOLDS:
            hint = f"Give a number from 1 to {FOLDS}"
            raise UsageError(f"there are {self.folds} folds", hint=hint)
        if self.seed < 0:
            raise UsageError(f"the seed is {self.seed}", hint="Give a whole number from 0")
