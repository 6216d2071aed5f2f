"""How well a network does on cases that it has not seen, through the engine that will run it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import nn

from MedAssistLib.measure.agreement import Agreement, agreement, dice
from MedAssistLib.models.plan import InferencePlan, TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.engine.run import TiledResult
from MedAssistLib.train.confidence import Confidence
from MedAssistLib.train.dataset import LabelledCase, Structures
from MedAssistLib.train.dataset.reading import read_case

# Surfaces of good segmentations lie within a voxel of one another.
_TOLERANCE = 1.0


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How well a network did on one case that it had not seen.

    Attributes:
        case: Name of the case.
        fold: The network, by the fold that was held out.
        structures: Each structure's agreement with the truth, by name.
    """

    case: str
    fold: int
    structures: dict[str, Agreement]


class Examiner:
    """Runs networks on cases that were held out.

    Args:
        cases: The cases.
        structures: What their labels mean.
        plan: How the network is run.
        device: Where.
    """

    def __init__(
        self,
        cases: Sequence[LabelledCase],
        structures: Structures,
        plan: InferencePlan,
        device: str,
    ) -> None:
        self._cases, self._structures = cases, structures
        self._plan, self._device = plan, device

    def glance(self, network: nn.Module, most: int) -> tuple[float, ...]:
        """Return the mean Dice of each structure over a few of the cases, for the curve.

        Args:
            network: The network.
            most: Number of cases, the first ones.
        """
        scores = []
        for case in self._cases[:most]:
            result, truth, _ = self._run(case, network, mirror=False, probabilities=False)
            pairs = self._masks(result.labels, truth)
            scores.append([dice(found, true) for found, true in pairs.values()])
        return tuple(float(value) for value in _mean_of_known(np.array(scores)))

    def examine(
        self, network: nn.Module, fold: int, confidence: Confidence, progress: Progress
    ) -> list[HeldOut]:
        """Run a network as a user would and compare all of the cases with the truth.

        Args:
            network: The network.
            fold: Its fold.
            confidence: Told how sure the network was, and how often it was right.
            progress: Told how far it is.
        """
        done = []
        for number, case in enumerate(self._cases):
            progress.update(number / len(self._cases))
            result, truth, spacing = self._run(case, network, mirror=True, probabilities=True)
            pairs = self._masks(result.labels, truth)
            found = {
                name: agreement(*pair, spacing, tolerance=_TOLERANCE)
                for name, pair in pairs.items()
            }
            done.append(HeldOut(case=case.name, fold=fold, structures=found))
            if result.probabilities is not None and not self._structures.overlapping:
                confidence.add(result.probabilities, truth)
        progress.update(1.0)
        return done

    def _run(
        self, case: LabelledCase, network: nn.Module, *, mirror: bool, probabilities: bool
    ) -> tuple[TiledResult, npt.NDArray[np.int16], tuple[float, float, float]]:
        scans, truth = read_case(case, self._structures)
        model = TiledModel(plan=self._plan, members=(lambda _device: network,))
        options = TiledOptions(
            device=self._device, mirror=mirror, probabilities=probabilities, backend="torch"
        )
        i, j, k = scans[0].image.GetSpacing()
        return run_tiled(scans, model, options), truth, (k, j, i)

    def _masks(
        self, labels: npt.NDArray[np.integer], truth: npt.NDArray[np.int16]
    ) -> dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]:
        """Return the voxels of each structure in an answer and in the truth, where that counts."""
        counts = truth >= 0
        painted = _painted(truth, self._structures)
        return {
            name: ((labels == label) & counts, painted == label)
            for name, label in zip(self._structures.names, self._structures.painted, strict=True)
        }


def _painted(truth: npt.NDArray[np.int16], structures: Structures) -> npt.NDArray[np.int64]:
    """Return the labels that a faultless result would have: later structures lie over earlier."""
    painted = np.zeros(len(structures.values) + 1, dtype=np.int64)
    for members, label in zip(structures.members, structures.painted, strict=True):
        painted[[structures.values.index(value) for value in members]] = label
    return painted[truth]


def _mean_of_known(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over the cases in which there was something to compare; 1 if in none."""
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0.0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), 1.0)
