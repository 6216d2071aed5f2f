"""Errors put into correct labels, and the signs of a check without and with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, measured
from MedAssistLib.check.body import pairs, rows
from MedAssistLib.check.context import structures
from MedAssistLib.check.merge import findings_of, overlap
from MedAssistLib.check.opinion import Opinion
from MedAssistLib.check.rule import Rule, Sign
from MedAssistLib.check.thresholds import Calibration
from Testing.check_errors import KINDS, Injected, inject, swapped


@dataclass(frozen=True, eq=False)
class Labelled:
    """A scan with correct labels, and what a network says that has not seen it."""

    name: str
    scan: Scan
    segmentation: Segmentation
    opinion: Opinion | None = None


@dataclass(frozen=True, eq=False)
class Trial:
    """One error in one case, and the signs without and with it."""

    error: Injected
    before: Sequence[Sign]
    after: Sequence[Sign]


def signs_of(case: Labelled, made: Segmentation, chosen: dict[str, Rule]) -> list[Sign]:
    """Return what rules measure on a case with some labels."""
    context = Context(scan=case.scan, segmentation=made, opinion=case.opinion)
    return list(measured(context, chosen))


def trials_of(
    case: Labelled,
    before: Sequence[Sign],
    chosen: dict[str, Rule],
    errors: Iterator[Injected],
) -> Iterator[Trial]:
    """Yield each error of a case with the signs without and with it."""
    for error in errors:
        yield Trial(error, before, signs_of(case, error.segmentation, chosen))


def errors_of(
    case: Labelled, rng: np.random.Generator, draws: int = 1, scale: float = 1.0
) -> Iterator[Injected]:
    """Yield errors of each kind and size in as many structures, drawn at random, and all swaps."""
    segments = case.segmentation.segments
    for kind, (_, sizes) in KINDS.items():
        for size in sizes:
            # Not every structure is large enough for every error.
            order = [segments[n] for n in rng.permutation(len(segments))]
            made = (inject(kind, case.segmentation, one, scale * size, rng) for one in order)
            yield from islice((error for error in made if error is not None), draws)
    there = structures(case.segmentation)
    exchanged = [tuple(pair) for pair in pairs(there)]
    for row in rows(there).values():
        exchanged += pairwise(level.structure for level in row)
    if len(there) == 2:
        exchanged.append((there[0], there[1]))
    for first, second in exchanged:
        yield swapped(case.segmentation, first.segment, second.segment)


def judged(
    trial: Trial, chosen: dict[str, Rule], calibration: Calibration
) -> tuple[list[Finding], list[Finding]]:
    """Return the new findings about what was changed, and the other new ones."""
    before = findings_of(trial.before, chosen, calibration)
    after = findings_of(trial.after, chosen, calibration)
    new = [finding for finding in after if not any(_same(finding, old) for old in before)]
    mine = trial.error.affected | {""}
    return [f for f in new if f.structure in mine], [f for f in new if f.structure not in mine]


def _same(one: Finding, other: Finding) -> bool:
    if (one.rule, one.structure) != (other.rule, other.structure):
        return False
    return one.box is None or other.box is None or overlap(one.box, other.box) > 0.5
