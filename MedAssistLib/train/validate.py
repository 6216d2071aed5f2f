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
from MedAssistLib.machine import free_memory
from MedAssistLib.measure.agreement import Agreement, agreement, dice, spacing_of
from MedAssistLib.models.plan import InferencePlan, TiledModel
from MedAssistLib.progress import Progress
from MedAssistLib.segment.engine import TiledOptions, run_tiled
from MedAssistLib.segment.engine.run import TiledResult
from MedAssistLib.train.answers import Answers
from MedAssistLib.train.confidence import Confidence
from MedAssistLib.train.dataset import LabelledCase, Structures
from MedAssistLib.train.dataset.reading import read_case

# Surfaces of good segmentations lie within a voxel of one another.
_TOLERANCE = 1.0
# Cases that are looked at while a network learns: fewer if they have more voxels than this.
_GLANCES = 8
_GLANCE_VOXELS = 40_000_000
# Scores on the network's grid, probabilities on the scan's, and what is made of them.
_COPIES = 3


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
        voxels = 0
        for case, scans, truth in self._readable(_GLANCES):
            looking = progress.part("Looking at cases", 0.0, 0.0)
            result = self._run(scans, network, looking, probabilities=False)
            if not scores:
                self.preview = self._kept(case, scans[0], result.labels, keep)
            pairs = self._masks(result.labels, truth)
            scores.append([dice(found, true) for found, true in pairs.values()])
            voxels += truth.size
            if voxels > _GLANCE_VOXELS:
                break
        return tuple(float(value) for value in _mean_of_known(np.array(scores))) if scores else ()

    def examine(
        self,
        network: nn.Module,
        fold: int,
        confidence: Confidence,
        answers: Answers,
        progress: Progress,
    ) -> list[HeldOut]:
        """Run a network as a user would and compare all of the cases with the truth.

        Args:
            network: The network.
            fold: Its fold.
            confidence: Told how sure the network was, and how often it was right.
            answers: Keeps what the network said.
            progress: Told how far it is.
        """
        done: list[HeldOut] = []
        too_large = False
        for case, scans, truth in self._readable(len(self._cases)):
            share = len(done) / len(self._cases), (len(done) + 1) / len(self._cases)
            examining = progress.part("Examining", *share)
            room = self._has_room(scans[0])
            if not room and not too_large:
                self._say(f"no memory for the probabilities of such as {case.name}")
            too_large |= not room
            result = self._run(scans, network, examining, probabilities=room)
            spacing = spacing_of(scans[0].image)
            found = {
                name: agreement(*pair, spacing, tolerance=_TOLERANCE)
                for name, pair in self._masks(result.labels, truth).items()
            }
            done.append(HeldOut(case=case.name, fold=fold, structures=found))
            if result.probabilities is not None:
                drawn = result.probabilities[-len(self._structures.names) :]
                answers.keep(case.name, result.labels, drawn)
                if not self._structures.overlapping:
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

    def _has_room(self, scan: Scan) -> bool:
        """Tell whether the probabilities of all structures fit into memory."""
        free = free_memory()
        needed = _COPIES * 4 * self._plan.outputs * scan.image.GetNumberOfPixels()
        return not free or needed < free

    def _run(
        self, scans: Sequence[Scan], network: nn.Module, progress: Progress, *, probabilities: bool
    ) -> TiledResult:
        model = TiledModel(plan=self._plan, members=(lambda _device: network,))
        # Nothing is mirrored, because it is not when the model is run as usual.
        options = TiledOptions(device=self._device, probabilities=probabilities, backend="torch")
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
        """Return the voxels of each structure in an answer and in the truth, where that counts.

        A region is all of it, also where its parts are painted over it, as in nnU-Net's numbers.
        """
        counts, names = truth >= 0, self._structures.names
        belongs = self._structures.membership()[-len(names) :]
        return {
            name: (np.isin(labels, shown) & counts, member[truth] & counts)
            for name, shown, member in zip(names, self._structures.shown, belongs, strict=True)
        }


def _mean_of_known(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the mean over the cases in which there was something to compare; 1 if in none."""
    known = ~np.isnan(scores)
    total = np.where(known, scores, 0.0).sum(0)
    return np.where(known.any(0), total / np.maximum(known.sum(0), 1), 1.0)
