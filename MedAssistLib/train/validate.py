"""How well a network does on cases that it has not seen, through the engine that will run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from torch import nn

from MedAssistLib import files, geometry
from MedAssistLib.case import Scan
from MedAssistLib.errors import InputError, cannot_write
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
# Cases that are looked at while a network learns.
_GLANCES = 8


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


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a network that still learns makes of a case that it has not seen.

    Attributes:
        case: Name of the case.
        scan: Its first channel, a file or a folder.
        labels: Label image on that scan's grid; the next preview replaces it.
        values: The label value of each structure.
    """

    case: str
    scan: Path
    labels: Path
    values: tuple[int, ...]


class Examiner:
    """Runs networks on cases that were held out.

    A case that cannot be read any more is told and left out: hours of training must not be lost
    for it.

    Args:
        cases: The cases.
        structures: What their labels mean.
        plan: How the network is run.
        device: Where.
        say: Told in a sentence of each case that is left out.

    Attributes:
        preview: What the network made of the first case at the last glance.
    """

    def __init__(
        self,
        cases: Sequence[LabelledCase],
        structures: Structures,
        plan: InferencePlan,
        device: str,
        say: Callable[[str], None],
    ) -> None:
        self._cases, self._structures = list(cases), structures
        self._plan, self._device, self._say = plan, device, say
        self.preview: Preview | None = None

    def glance(self, network: nn.Module, keep: Path, progress: Progress) -> tuple[float, ...]:
        """Return the mean Dice of each structure over the first cases, for the curve.

        Args:
            network: The network.
            keep: Where its answer for the first of them is kept, to be looked at.
            progress: Told what is done; its fraction stays.
        """
        scores: list[list[float]] = []
        for case, scans, truth in self._readable(_GLANCES):
            looking = progress.part("Looking at cases", 0.0, 0.0)
            result = self._run(scans, network, looking, thorough=False)
            if not scores:
                self.preview = self._kept(case, scans[0], result.labels, keep)
            pairs = self._masks(result.labels, truth)
            scores.append([dice(found, true) for found, true in pairs.values()])
        return tuple(float(value) for value in _mean_of_known(np.array(scores))) if scores else ()

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
        done: list[HeldOut] = []
        for case, scans, truth in self._readable(len(self._cases)):
            share = len(done) / len(self._cases), (len(done) + 1) / len(self._cases)
            examining = progress.part("Examining", *share)
            result = self._run(scans, network, examining, thorough=True)
            i, j, k = scans[0].image.GetSpacing()
            found = {
                name: agreement(*pair, (k, j, i), tolerance=_TOLERANCE)
                for name, pair in self._masks(result.labels, truth).items()
            }
            done.append(HeldOut(case=case.name, fold=fold, structures=found))
            if result.probabilities is not None and not self._structures.overlapping:
                confidence.add(result.probabilities, truth)
        progress.update(1.0)
        return done

    def _readable(
        self, most: int
    ) -> Iterator[tuple[LabelledCase, tuple[Scan, ...], npt.NDArray[np.int16]]]:
        """Give cases with their voxels; forget those that cannot be read."""
        for case in self._cases[:most]:
            try:
                scans, truth = read_case(case, self._structures)
            except InputError as error:
                self._say(f"{case.name} was held out and is left out now: {error}")
                self._cases.remove(case)
                continue
            yield case, scans, truth

    def _run(
        self, scans: Sequence[Scan], network: nn.Module, progress: Progress, *, thorough: bool
    ) -> TiledResult:
        model = TiledModel(plan=self._plan, members=(lambda _device: network,))
        options = TiledOptions(
            device=self._device, mirror=thorough, probabilities=thorough, backend="torch"
        )
        return run_tiled(scans, model, options, progress)

    def _kept(
        self, case: LabelledCase, scan: Scan, labels: npt.NDArray[np.integer], path: Path
    ) -> Preview:
        with files.replacing(path) as temporary:
            try:
                sitk.WriteImage(geometry.from_array(labels, scan.image), str(temporary), True)
            except RuntimeError as error:
                raise cannot_write(path, OSError(str(error))) from error
        values = self._structures.painted
        return Preview(case=case.name, scan=case.images[0], labels=path, values=values)

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
