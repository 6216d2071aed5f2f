"""How sure a network may be: a temperature under which its confidence is what it is worth.

Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

# Voxels of a case that are remembered: those about which the network had any doubt, drawn evenly.
_VOXELS = 4000
_DOUBT = 0.999
_LEAST = 1e-6
_BINS = 15
_TEMPERATURES = np.exp(np.linspace(np.log(0.25), np.log(4.0), 81))


@dataclass
class Confidence:
    """What a network said of voxels whose truth is known.

    Attributes:
        logarithms: Of the probabilities, axes (voxel, output), one array a case.
        truths: The right output, one array a case.
    """

    logarithms: list[npt.NDArray[np.float32]] = field(default_factory=list)
    truths: list[npt.NDArray[np.int16]] = field(default_factory=list)

    def add(self, probabilities: npt.NDArray[np.float32], truth: npt.NDArray[np.int16]) -> None:
        """Remember voxels of a case.

        Args:
            probabilities: Axes (output, k, j, i); the outputs exclude one another.
            truth: The right output, -1 where it does not count, axes (k, j, i).
        """
        doubted = np.flatnonzero((probabilities.max(0) < _DOUBT) & (truth >= 0))
        random = np.random.default_rng(len(self.truths))
        chosen = random.permutation(doubted)[:_VOXELS]
        seen = probabilities.reshape(len(probabilities), -1)[:, chosen].T
        self.logarithms.append(np.log(np.maximum(seen, _LEAST)).astype(np.float32))
        self.truths.append(truth.reshape(-1)[chosen])

    def calibration(self) -> dict[str, float]:
        """Return the temperature, and the expected calibration error without and with it.

        The voxels are those in doubt; nothing if there are none.
        """
        if not sum(map(len, self.truths)):
            return {}
        logarithms, truths = np.concatenate(self.logarithms), np.concatenate(self.truths)
        costs = [_cost(logarithms / t, truths) for t in _TEMPERATURES]
        best = float(_TEMPERATURES[int(np.argmin(costs))])
        return {
            "temperature": round(best, 3),
            "expected_calibration_error": round(_error(logarithms, truths), 4),
            "expected_calibration_error_with_temperature": round(
                _error(logarithms / best, truths), 4
            ),
            "voxels": float(len(truths)),
        }


def _softmax(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    raised = np.exp(scores - scores.max(1, keepdims=True))
    softened: npt.NDArray[np.float32] = raised / raised.sum(1, keepdims=True)
    return softened


def _cost(scores: npt.NDArray[np.float32], truths: npt.NDArray[np.int16]) -> float:
    """Return the mean negative log-likelihood of the truth."""
    right = _softmax(scores)[np.arange(len(truths)), truths]
    return float(-np.log(np.maximum(right, _LEAST)).mean())


def _error(scores: npt.NDArray[np.float32], truths: npt.NDArray[np.int16]) -> float:
    """Return the mean difference of confidence and share of right answers, over bins of both."""
    probabilities = _softmax(scores)
    sure, right = probabilities.max(1), probabilities.argmax(1) == truths
    bins = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    apart = np.abs(np.bincount(bins, sure, _BINS) - np.bincount(bins, right, _BINS))
    return float(apart.sum() / max(counts.sum(), 1))
