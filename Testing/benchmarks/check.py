"""How well a check finds errors that were put into correct labels, and how often it cries wolf.

Correct labels get errors of known kind, size and place (see ``Testing/check_errors.py``). For each
kind and size it prints how many are found, and how far the finding's point is from the nearest
voxel that is wrong; and for the correct labels, how many findings there are. Rules that need a
model are left out. Run it with ``../shared/data`` beside the repository::

    python Testing/benchmarks/check.py --cases 60

The hippocampi are split: the thresholds come from three of four, all figures from the fourth. The
CT are too few for that and are checked with the rules' own thresholds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from MedAssistLib.case import Finding, Scan, Segmentation
from MedAssistLib.check import Context, calibrate, measured, rule_kinds
from MedAssistLib.check.body import pairs, rows
from MedAssistLib.check.calibration import MOST_COUNTED
from MedAssistLib.check.context import structures
from MedAssistLib.check.merge import findings_of, overlap
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import NOT_CALIBRATED, Calibration
from MedAssistLib.models import anatomy
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from Testing.check_cases import renamed_as
from Testing.check_errors import KINDS, Injected, inject, swapped

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
DRAWS = 8
"""Structures of a CT that get each error."""
CT_SCALE = 3.0
"""The CT were labelled on a grid of 3 mm: errors that are smaller cannot be drawn."""
RATES = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
_CLASSES = Path(anatomy.__file__).parent / "formats" / "totalsegmentator.json"


@dataclass(frozen=True, eq=False)
class Labelled:
    """A scan with correct labels."""

    name: str
    scan: Scan
    segmentation: Segmentation


@dataclass(frozen=True, eq=False)
class Trial:
    """One error in one case, and the signs without and with it."""

    error: Injected
    before: Sequence[Sign]
    after: Sequence[Sign]


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--part", choices=("hippocampus", "ct"), help="only one of the two")
    parser.add_argument("--cases", type=int, default=208, help="how many hippocampi, at most")
    parser.add_argument("--only", default="", help="only rules whose names begin so: shape,scan")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = _rules(tuple(arguments.only.split(",")))
    rng = np.random.default_rng(arguments.seed)
    if arguments.part != "ct":
        _hippocampus(arguments.cases, chosen, rng)
    if arguments.part != "hippocampus":
        _trunks(chosen, rng)


def _hippocampus(most: int, chosen: dict[str, Rule], rng: np.random.Generator) -> None:
    """Calibrate on three of four cases, and print how well that does on the others."""
    cases = list(hippocampi(DATA, most))
    began = time.perf_counter()
    clean = [_signs(case, case.segmentation, chosen) for case in cases]
    seconds = (time.perf_counter() - began) / len(cases)
    known, unseen = [signs for n, signs in enumerate(clean) if n % 4], clean[::4]
    names = [segment.name for segment in cases[0].segmentation.segments]
    trials = [
        trial
        for case, before in zip(cases[::4], unseen, strict=True)
        for trial in _trials(case, before, chosen, _errors(case, rng))
    ]
    print(f"hippocampus: {len(known)} cases to calibrate, {len(unseen)} to test")
    print(f"{seconds:.2f} s a case")
    _report("rules' own thresholds", unseen, trials, chosen, NOT_CALIBRATED)
    for rate in (rate for rate in RATES if rate * len(known) >= MOST_COUNTED):
        calibration = calibrate(known, chosen, names, rate)
        _report(f"calibrated to {rate} a clean case", unseen, trials, chosen, calibration)


def _trunks(chosen: dict[str, Rule], rng: np.random.Generator) -> None:
    """Print how well the rules do on CT without any calibration."""
    for case in trunks(DATA):
        began = time.perf_counter()
        signs = _signs(case, case.segmentation, chosen)
        seconds = time.perf_counter() - began
        count = len(case.segmentation.segments)
        print(f"\n{case.name}: {count} structures, {seconds:.2f} s")
        trials = list(_trials(case, signs, chosen, _errors(case, rng, DRAWS, CT_SCALE)))
        _report("rules' own thresholds", [signs], trials, chosen, NOT_CALIBRATED)


def hippocampi(data: Path, most: int) -> Iterator[Labelled]:
    """Yield labelled hippocampi, spread evenly over the data set."""
    folder = data / "hippocampus"
    names = {1: "Anterior hippocampus", 2: "Posterior hippocampus"}
    paths = sorted((folder / "imagesTr").glob("hippocampus_*.nii.gz"))
    for path in paths[:: max(1, len(paths) // most)][:most]:
        scan = read_scan(path, ReadOptions(modality="MR"))
        labels = folder / "labelsTr" / path.name
        yield Labelled(path.name, scan, renamed_as(read_segmentation(labels, scan), names))


def trunks(data: Path) -> Iterator[Labelled]:
    """Yield the two CT with TotalSegmentator's classes."""
    classes = json.loads(_CLASSES.read_text("utf-8"))["classes"]["total"]
    names = dict(enumerate(classes, 1))
    for name, path, labels in (
        ("CT of 3 mm", "ct/example_ct_sm.nii.gz", "ct/example_seg.nii.gz"),
        ("CT of 1×1×2 mm", "dicom/ct_abdomen_20slices", "ct/example_seg_dicom.nii.gz"),
    ):
        scan = read_scan(data / path, ReadOptions(modality="CT"))
        made = renamed_as(read_segmentation(data / labels, scan), names)
        yield Labelled(name, scan, made)


def _rules(prefixes: tuple[str, ...]) -> dict[str, Rule]:
    return {
        name: rule
        for name, rule in rule_kinds().items()
        if name.startswith(prefixes) and Need.MODEL not in rule.needs
    }


def _signs(case: Labelled, made: Segmentation, chosen: dict[str, Rule]) -> list[Sign]:
    return list(measured(Context(scan=case.scan, segmentation=made), chosen))


def _trials(
    case: Labelled,
    before: Sequence[Sign],
    chosen: dict[str, Rule],
    errors: Iterator[Injected],
) -> Iterator[Trial]:
    """Yield each error of a case with the signs without and with it."""
    for error in errors:
        yield Trial(error, before, _signs(case, error.segmentation, chosen))


def _errors(
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


def _report(
    title: str,
    clean: Sequence[Sequence[Sign]],
    trials: Sequence[Trial],
    chosen: dict[str, Rule],
    calibration: Calibration,
) -> None:
    """Print how many errors were found and how many findings were false."""
    false = [findings_of(signs, chosen, calibration) for signs in clean]
    found: dict[tuple[str, float], list[float | None]] = defaultdict(list)
    right = wrong = 0
    for trial in trials:
        hits, others = _judged(trial, chosen, calibration)
        right, wrong = right + len(hits), wrong + len(others)
        key = (trial.error.kind, trial.error.size)
        # The first finding is the one that a person sees first.
        at = trial.error.distance(hits[0].point) if hits and hits[0].point else np.nan
        found[key].append(at if hits else None)
    print(f"\n{title}")
    print(f"  findings in a clean case: {np.mean([len(f) for f in false]):.3f}", _by_rule(false))
    print(f"  {'error':18} {'mm':>4} {'cases':>6} {'found':>6} {'median mm from it':>18}")
    for (kind, size), places in found.items():
        hit = [at for at in places if at is not None]
        away = np.nanmedian(hit) if hit and not np.isnan(hit).all() else np.nan
        print(f"  {kind:18} {size:4g} {len(places):6} {len(hit) / len(places):6.2f} {away:18.1f}")
    everything = [at for places in found.values() for at in places]
    hit = [at for at in everything if at is not None]
    print(
        f"  all kinds: found {len(hit) / len(everything):.3f}, precision "
        f"{right / max(right + wrong, 1):.3f}, median {np.nanmedian(hit):.1f} mm from the error"
    )


def _judged(
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


def _by_rule(false: Sequence[Sequence[Finding]]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for findings in false:
        for finding in findings:
            counts[finding.rule] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    main()
