"""Trainings that take seconds: a tiny plan, and what the tests of training share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from MedAssistLib.models.checkpoints import read_checkpoint
from MedAssistLib.models.plan import Normalisation, Scheme
from MedAssistLib.train import planning
from MedAssistLib.train.augment import Augmentation, Intensity, Spatial
from MedAssistLib.train.design import make_plan
from MedAssistLib.train.plan import TrainPlan, write_plan
from MedAssistLib.train.preparation import PLAN, WORK
from MedAssistLib.train.run import Report
from Testing.labelled_sets import SPACING

ARGUMENTS = {
    "n_stages": 2,
    "features_per_stage": [8, 16],
    "conv_op": "torch.nn.Conv3d",
    "kernel_sizes": [[3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [2, 2, 2]],
    "n_conv_per_stage": [1, 1],
    "n_conv_per_stage_decoder": [1],
    "conv_bias": True,
    "norm_op": "torch.nn.InstanceNorm3d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}
TINY = TrainPlan(
    orientation="RAS",
    spacing=SPACING[::-1],  # type: ignore[arg-type]
    crop_to_nonzero=False,
    normalisation=(Normalisation(scheme=Scheme.Z_SCORE),),
    network="PlainConvUNet",
    arguments=ARGUMENTS,
    patch=(16, 16, 16),
    batch=2,
    foreground=0.5,
    augmentation=Augmentation(spatial=Spatial(chance_bend=0.0), intensity=Intensity()),
    learning_rate=0.02,
    other_rate=0.003,
    weight_decay=0.01,
    mean_weights=0.9,
    supervised=1,
    steps=4,
    epochs=3,
)


def put_plan(output: Path, **changes: Any) -> Path:
    """Put a tiny plan where a training into ``output`` takes it from; return ``output``."""
    (output / WORK).mkdir(parents=True)
    write_plan(output / WORK / PLAN, replace(TINY, **changes))
    return output


def hardly_learning(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Make plans as usual, but of two steps an epoch that change next to nothing.

    Args:
        monkeypatch: Undoes it after the test.
        changes: Other entries of the plan.
    """
    few = {"steps": 2, "learning_rate": 1e-6, "other_rate": 1e-6, **changes}

    def made(*given: Any) -> TrainPlan:
        return replace(make_plan(*given), **few)

    monkeypatch.setattr(planning, "make_plan", made)


def weights_of(output: Path, fold: int = 0) -> dict[str, torch.Tensor]:
    """Return the weights of a finished model."""
    return dict(read_checkpoint(output / f"fold_{fold}.pt"))


def same_weights(first: Path, second: Path) -> bool:
    """Tell whether two models have the same weights, bit by bit."""
    one, other = weights_of(first), weights_of(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


class Told(list[Report]):
    """What a training told; call it with each report."""

    def __call__(self, report: Report) -> None:
        self.append(report)

    @property
    def text(self) -> str:
        """All messages."""
        return "\n".join(report.message for report in self if report.message)
