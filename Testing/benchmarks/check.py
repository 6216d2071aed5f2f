"""How well a check finds errors that were put into correct labels, and how often it cries wolf.

Correct labels get errors of known kind, size and place (see ``Testing/check_errors.py``). For each
kind and size it prints how many are found, and how far the finding's point is from the nearest
voxel that is wrong; and for the correct labels, how many findings there are. Run it with
``../shared/data`` beside the repository::

    medassist train ../shared/data/hippocampus -o MODEL --folds 5
    python Testing/benchmarks/check.py --training MODEL

Each hippocampus is compared with the answer of the network that had not seen it; without
``--training`` the rules that need a model are left out. The thresholds come from the cases that are
not tested. The CT are too few for that and are checked with the rules' own thresholds.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from MedAssistLib.case import Finding
from MedAssistLib.check import calibrate, rule_kinds
from MedAssistLib.check.calibration import MOST_COUNTED, RATE
from MedAssistLib.check.labelled import Judges, judges_of
from MedAssistLib.check.merge import findings_of
from MedAssistLib.check.rule import Need, Rule, Sign
from MedAssistLib.check.thresholds import NOT_CALIBRATED, Calibration
from MedAssistLib.models import anatomy
from MedAssistLib.read import ReadOptions, read_scan, read_segmentation
from MedAssistLib.train.dataset import read_dataset
from Testing.check_cases import renamed_as
from Testing.check_trials import Labelled, Trial, errors_of, judged, signs_of, trials_of

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
CT_SCALE = 3.0
"""The CT were labelled on a grid of 3 mm: errors that are smaller cannot be drawn."""
RATES = (0.05, 0.1, 0.2, 0.25, 0.3, 0.5, 1.0)
PROMISED = (0.1, RATE, 0.5)
SPLITS = 10
"""How often the clean cases are split at random to see whether the promise is kept."""
_CLASSES = Path(anatomy.__file__).parent / "formats" / "totalsegmentator.json"


def main() -> None:
    """Run the benchmark and print its tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--part", choices=("hippocampus", "ct"), help="only one of the two")
    parser.add_argument("--training", type=Path, help="model that was trained with --folds 5")
    parser.add_argument("--every", type=int, default=8, help="of so many hippocampi, one is tested")
    parser.add_argument("--draws", type=int, default=8, help="structures of a CT for each error")
    parser.add_argument("--only", default="", help="only rules whose names begin so: shape,scan")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    prefixes = tuple(arguments.only.split(","))
    if arguments.part != "ct":
        dataset = read_dataset(DATA / "hippocampus")
        judges = Judges(dataset=dataset)
        if arguments.training:
            judges = judges_of(dataset, arguments.training)
        chosen = {n: r for n, r in judges.rules.items() if n.startswith(prefixes)}
        _hippocampus(judges, chosen, arguments.every, rng)
    if arguments.part != "hippocampus":
        _trunks(_rules(prefixes), arguments.draws, rng)


def _hippocampus(
    judges: Judges, chosen: dict[str, Rule], every: int, rng: np.random.Generator
) -> None:
    """Put errors into some cases, and print how many the thresholds of the others find."""
    cases = list(hippocampi(judges))
    began = time.perf_counter()
    clean = [signs_of(case, case.segmentation, chosen) for case in cases]
    seconds = (time.perf_counter() - began) / len(cases)
    known, unseen = [signs for n, signs in enumerate(clean) if n % every], clean[::every]
    names = [segment.name for segment in judges.segments]
    trials = [
        trial
        for case, before in zip(cases[::every], unseen, strict=True)
        for trial in trials_of(case, before, chosen, errors_of(case, rng))
    ]
    second = "compared with networks" if judges.answers else "without a model"
    print(f"hippocampus, {second}: {len(known)} cases to calibrate, {len(unseen)} to test")
    print(f"{seconds:.2f} s a case")
    _report("rules' own thresholds", unseen, trials, chosen, NOT_CALIBRATED)
    rates = [rate for rate in RATES if rate * len(known) >= MOST_COUNTED]
    for rate in rates:
        calibration = calibrate(known, chosen, names, rate)
        title = f"calibrated to {rate} a clean case"
        _report(title, unseen, trials, chosen, calibration, kinds=rate == RATE)
    for rate in PROMISED:
        _promise(clean, chosen, names, rate, rng)


def _promise(
    clean: Sequence[Sequence[Sign]],
    chosen: dict[str, Rule],
    names: Sequence[str],
    rate: float,
    rng: np.random.Generator,
) -> None:
    """Print how many findings unseen clean cases have over random halves of the cases."""
    means = []
    for _ in range(SPLITS):
        order = rng.permutation(len(clean))
        half = len(clean) // 2
        if rate * half < MOST_COUNTED:
            return
        calibration = calibrate([clean[n] for n in order[:half]], chosen, names, rate)
        found = [len(findings_of(clean[n], chosen, calibration)) for n in order[half:]]
        means.append(float(np.mean(found)))
    print(
        f"promised {rate} false findings a clean case: {np.mean(means):.3f} on unseen halves "
        f"(SD over {SPLITS} splits {np.std(means):.3f})"
    )


def _trunks(chosen: dict[str, Rule], draws: int, rng: np.random.Generator) -> None:
    """Print how well the rules do on CT without any calibration."""
    for case in trunks(DATA):
        began = time.perf_counter()
        signs = signs_of(case, case.segmentation, chosen)
        seconds = time.perf_counter() - began
        count = len(case.segmentation.segments)
        print(f"\n{case.name}: {count} structures, {seconds:.2f} s")
        trials = list(trials_of(case, signs, chosen, errors_of(case, rng, draws, CT_SCALE)))
        _report("rules' own thresholds", [signs], trials, chosen, NOT_CALIBRATED)


def hippocampi(judges: Judges) -> Iterator[Labelled]:
    """Yield labelled hippocampi; if there are networks, those that they have answered to."""
    for case in judges.heard or judges.dataset.cases:
        scan, made, opinion = judges.read(case)
        yield Labelled(case.name, scan, made, opinion)


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
        if name.startswith(prefixes) and rule.needs <= {Need.SCAN, Need.SEGMENTATION}
    }


def _report(  # noqa: PLR0913
    title: str,
    clean: Sequence[Sequence[Sign]],
    trials: Sequence[Trial],
    chosen: dict[str, Rule],
    calibration: Calibration,
    *,
    kinds: bool = True,
) -> None:
    """Print how many errors were found, each kind by itself if asked, and what was false."""
    false = [findings_of(signs, chosen, calibration) for signs in clean]
    found: dict[tuple[str, float], list[float | None]] = defaultdict(list)
    right = wrong = 0
    for trial in trials:
        hits, others = judged(trial, chosen, calibration)
        right, wrong = right + len(hits), wrong + len(others)
        key = (trial.error.kind, trial.error.size)
        # The first finding is the one that a person sees first.
        at = trial.error.distance(hits[0].point) if hits and hits[0].point else np.nan
        found[key].append(at if hits else None)
    print(f"\n{title}")
    print(f"  findings in a clean case: {np.mean([len(f) for f in false]):.3f}", _by_rule(false))
    if kinds:
        _by_kind(found)
    everything = [at for places in found.values() for at in places]
    hit = [at for at in everything if at is not None]
    print(
        f"  all kinds: found {len(hit) / len(everything):.3f}, precision "
        f"{right / max(right + wrong, 1):.3f}, median {np.nanmedian(hit):.1f} mm from the error"
    )


def _by_kind(found: dict[tuple[str, float], list[float | None]]) -> None:
    print(f"  {'error':18} {'mm':>4} {'cases':>6} {'found':>6} {'median mm from it':>18}")
    for (kind, size), places in found.items():
        hit = [at for at in places if at is not None]
        away = np.nanmedian(hit) if hit and not np.isnan(hit).all() else np.nan
        print(f"  {kind:18} {size:4g} {len(places):6} {len(hit) / len(places):6.2f} {away:18.1f}")


def _by_rule(false: Sequence[Sequence[Finding]]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for findings in false:
        for finding in findings:
            counts[finding.rule] += 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    main()
