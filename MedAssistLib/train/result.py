"""What a training comes to: how well the networks do on cases that they have not seen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from MedAssistLib.train.validate import HeldOut

_NUMBERS = ("dice", "hd95", "nsd_1mm", "assd", "predicted_ml", "reference_ml")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """How well the networks do.

    Attributes:
        held_out: Each case with the network that had not seen it.
        confidence: See :meth:`MedAssistLib.train.confidence.Confidence.calibration`.
        folds: Number of networks.
    """

    held_out: tuple[HeldOut, ...]
    confidence: Mapping[str, float]
    folds: int

    def dice(self) -> dict[str, float]:
        """Return the mean Dice of each structure, without cases that have none of it."""
        scores = _scores(self.held_out, "dice")
        return {name: fmean(values) for name, values in scores.items() if values}

    def accuracy(self) -> str:
        """Return one line for a card."""
        means = self.dice()
        if not means:
            return "not measured"
        each = ", ".join(f"{name} {value:.4f}" for name, value in means.items())
        how = f"{self.folds} networks, each on cases that it had not seen"
        if self.folds == 1:
            how = "cases that were held out"
        cases = f"{len(self.held_out)} case{'s' * (len(self.held_out) != 1)}"
        return f"mean Dice {fmean(means.values()):.4f} ({each}) on {cases} ({how})"

    def as_json(self) -> dict[str, Any]:
        """Return everything for a card: by structure, by case, and the confidence."""
        scores = {number: _scores(self.held_out, number) for number in _NUMBERS[:4]}
        names = list(self.held_out[0].structures) if self.held_out else []
        return {
            "folds": self.folds,
            "structures": {
                name: {number: _spread(scores[number][name]) for number in scores} for name in names
            },
            "cases": [
                {
                    "case": held.case,
                    "fold": held.fold,
                    "structures": {
                        name: {number: _plain(getattr(found, number)) for number in _NUMBERS}
                        for name, found in held.structures.items()
                    },
                }
                for held in self.held_out
            ],
            "confidence": dict(self.confidence),
        }


def _scores(held_out: Sequence[HeldOut], number: str) -> dict[str, list[float]]:
    """Return the finite values of a number by structure."""
    names = list(held_out[0].structures) if held_out else []
    values = {
        name: [float(getattr(held.structures[name], number)) for held in held_out] for name in names
    }
    return {name: [v for v in each if math.isfinite(v)] for name, each in values.items()}


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    if not values:
        return {"mean": None, "sd": None, "least": None, "greatest": None, "cases": 0}
    return {
        "mean": _plain(fmean(values)),
        "sd": _plain(stdev(values)) if len(values) > 1 else None,
        "least": _plain(min(values)),
        "greatest": _plain(max(values)),
        "cases": len(values),
    }


def _plain(value: float) -> float | None:
    return round(float(value), 5) if math.isfinite(value) else None
