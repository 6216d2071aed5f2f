"""Many cases in few numbers: by structure, and by case with the worst first."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from MedAssistLib.measure.agreement.evaluation import Evaluation
from MedAssistLib.measure.agreement.masks import Agreement, Found


@dataclass(frozen=True)
class Spread:
    """The mean of some numbers and their sample standard deviation; NaN where there is none."""

    mean: float
    sd: float


@dataclass(frozen=True, kw_only=True)
class StructureSummary:
    """How well one structure agrees over many cases.

    Dice and NSD are over all cases in which one of the two has it, where a structure that one side
    lacks has 0; distances and volume differences over the cases in which both have it.

    Attributes:
        structure: Its name.
        cases: Number of cases in which at least one of the two has it.
        missed: Number of cases in which only the reference has it.
        extra: Number of cases in which only the prediction has it.
        dice: Overlap, 0 to 1.
        nsd_1mm: Normalised surface Dice at 1 mm, 0 to 1.
        nsd: Normalised surface Dice at the tolerance, 0 to 1.
        hd95: 95th percentile of the surfaces' distances, mm.
        assd: Average symmetric surface distance, mm.
        difference_percent: How much larger the prediction is, in percent of the reference.
    """

    structure: str
    cases: int
    missed: int
    extra: int
    dice: Spread
    nsd_1mm: Spread
    nsd: Spread
    hd95: Spread
    assd: Spread
    difference_percent: Spread


@dataclass(frozen=True, kw_only=True)
class CaseSummary:
    """How well one case agrees over its structures.

    Attributes:
        case: What it is called.
        dice: Mean over its structures, 0 to 1; NaN if it has none.
        nsd: Mean normalised surface Dice at the tolerance, 0 to 1.
        hd95: The largest of its structures that both have, mm.
        lowest: The structure with the lowest Dice.
        lowest_dice: That Dice.
    """

    case: str
    dice: float
    nsd: float
    hd95: float
    lowest: str
    lowest_dice: float


@dataclass(frozen=True)
class Summary:
    """Many cases: each structure in order of appearance, each case with the worst Dice first."""

    structures: tuple[StructureSummary, ...]
    cases: tuple[CaseSummary, ...]

    def mean(self, quantity: str) -> float:
        """Return the mean over the structures of their mean ``"dice"``, ``"hd95"`` or the like."""
        means = (getattr(structure, quantity).mean for structure in self.structures)
        return _spread(means).mean


def summarise(evaluations: Sequence[Evaluation]) -> Summary:
    """Sum up many cases by structure and by case; structures are the same if their names are."""
    names = dict.fromkeys(name for one in evaluations for name in one.structures)
    structures = tuple(
        _of_structure(name, [e.structures[name] for e in evaluations if name in e.structures])
        for name in names
    )
    cases = [_of_case(evaluation) for evaluation in evaluations]
    cases.sort(key=lambda case: (math.isnan(case.dice), case.dice))
    return Summary(structures, tuple(cases))


def _of_structure(name: str, found: Sequence[Agreement]) -> StructureSummary:
    count = {kind: sum(one.found is kind for one in found) for kind in Found}
    both = [one for one in found if one.found is Found.BOTH]
    return StructureSummary(
        structure=name,
        cases=len(found) - count[Found.NEITHER],
        missed=count[Found.MISSED],
        extra=count[Found.EXTRA],
        dice=_spread(one.dice for one in found),
        nsd_1mm=_spread(one.nsd_1mm for one in found),
        nsd=_spread(one.nsd for one in found),
        hd95=_spread(one.hd95 for one in both),
        assd=_spread(one.assd for one in both),
        difference_percent=_spread(one.difference_percent for one in both),
    )


def _of_case(evaluation: Evaluation) -> CaseSummary:
    there = {n: a for n, a in evaluation.structures.items() if a.found is not Found.NEITHER}
    lowest = min(there, key=lambda name: there[name].dice, default="")
    both = [one.hd95 for one in there.values() if one.found is Found.BOTH]
    return CaseSummary(
        case=evaluation.case,
        dice=_spread(one.dice for one in there.values()).mean,
        nsd=_spread(one.nsd for one in there.values()).mean,
        hd95=max(both, default=math.nan),
        lowest=lowest,
        lowest_dice=there[lowest].dice if lowest else math.nan,
    )


def _spread(values: Iterable[float]) -> Spread:
    """Return mean and standard deviation of the values that are numbers."""
    known = [value for value in values if not math.isnan(value)]
    mean = statistics.fmean(known) if known else math.nan
    return Spread(mean, statistics.stdev(known) if len(known) > 1 else math.nan)
