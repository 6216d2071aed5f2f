"""``medassist check DATASET --audit``: which labels of a training set are probably wrong."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.tables import table
from MedAssistLib.cli.times import minutes
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.check.audit import Suspect
    from MedAssistLib.check.labelled import Judges
    from MedAssistLib.train.audit import Audit
    from MedAssistLib.train.dataset import TrainingSet
    from MedAssistLib.train.told import Report

_SUFFIXES = (".json", ".csv", ".html")
_SHOWN = 20
_LONGEST_REASON = 80
# Of the progress: looking at the data, learning, judging.
_LOOKED, _LEARNED, _JUDGED = 0.05, 0.85, 0.97


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what only an audit has."""
    parser.add_argument(
        "--audit",
        action="store_true",
        help="SCAN is a data set as for training: rank its cases by how probably their labels are "
        "wrong; --model is then the folder of a training of it, best one with --folds 5",
    )
    parser.add_argument(
        "--time",
        default="",
        metavar="10m",
        help="of an audit without --model: time to train networks that judge the cases that they "
        "have not seen (10m); 0m for the rules alone",
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Look at the data, let networks judge it, rank."""
    from MedAssistLib.check.audit import audit_labels
    from MedAssistLib.check.audit_file import audit_data, write_audit_csv, write_audit_json
    from MedAssistLib.export.formats import suffix_of
    from MedAssistLib.files import require_writable, write_text
    from MedAssistLib.train.audit import audit
    from MedAssistLib.train.dataset import read_dataset
    from MedAssistLib.train.facts import gather

    if arguments.segmentation or arguments.layer:
        hint = "Leave --segmentation and --layer out"
        raise UsageError("--audit judges the labels of a data set", hint=hint)
    output = arguments.output
    suffix = suffix_of(output, _SUFFIXES) if output else ""
    if output:
        require_writable(output)
    dataset = read_dataset(arguments.scan)
    looked = audit(dataset, gather(dataset, progress.part("Reading cases", 0.0, _LOOKED)))
    learning = progress.part("", _LOOKED, _LEARNED)
    beside = output.absolute().parent if output else None
    with tempfile.TemporaryDirectory(
        prefix=".medassist-", dir=beside, ignore_cleanup_errors=True
    ) as folder:
        judges, judged_by = _judges(arguments, dataset, looked, Path(folder), learning)
        suspects = audit_labels(judges, looked, progress.part("", _LEARNED, _JUDGED))
        data = audit_data(suspects, dataset.name, judged_by)
        if suffix == ".html":
            from MedAssistLib.cli.audit_page import audit_page

            drawing = progress.part("Drawing", _JUDGED, 1.0)
            write_text(output, audit_page(judges, suspects, judged_by, drawing))
        elif suffix:
            (write_audit_json if suffix == ".json" else write_audit_csv)(data, output)
    return Outcome(_text(suspects, judged_by), data)


def _judges(
    arguments: argparse.Namespace,
    dataset: TrainingSet,
    looked: Audit,
    folder: Path,
    progress: Progress,
) -> tuple[Judges, str]:
    """Return the networks that judge the cases, and a sentence on them."""
    from MedAssistLib.check.cross_fitting import MINUTES, NETWORKS, cross_fitted
    from MedAssistLib.check.labelled import Judges, judges_of

    time = minutes(arguments.time) if arguments.time else MINUTES
    if arguments.model:
        judges, how = judges_of(dataset, Path(arguments.model)), "of an earlier training"
    elif time == 0.0:
        return Judges(dataset=dataset), "The cases were judged by the rules alone."
    else:
        from MedAssistLib.segment.device import device_of

        device_of("auto")  # Says in words that PyTorch is missing.
        _say(
            f"{NETWORKS} networks learn for {time:g} minutes in all, each from one half of the "
            "cases, to judge the other half; --model takes those of an earlier training, and "
            "--time 0m judges by the rules alone"
        )
        judges = cross_fitted(
            Path(arguments.scan),
            dataset,
            looked,
            folder,
            minutes=time,
            progress=progress,
            tell=_tell,
        )
        how = f"trained for {time:g} minutes"
    heard, everything = len(judges.heard), len(dataset.cases)
    rest = "" if heard == everything else ", the others by the rules alone"
    return judges, (
        f"{heard} of {everything} cases were judged by a network {how} that had not seen "
        f"them{rest}."
    )


def _tell(report: Report) -> None:
    if report.epoch is None:
        _say(report.message)
        return
    epoch = report.epoch
    dice = ", Dice " + " ".join(f"{value:.3f}" for value in epoch.dice) if epoch.dice else ""
    _say(f"network {report.fold + 1}, epoch {epoch.number}: loss {epoch.loss:.3f}{dice}")


def _say(text: str) -> None:
    print(f"medassist: {text}", file=sys.stderr)


def _text(suspects: Sequence[Suspect], judged_by: str) -> str:
    """Return the most suspicious cases as a table."""
    from MedAssistLib.check.audit_file import RARITY, rarity

    rows = [
        [str(rank), suspect.case, _rarity(rarity(suspect)), _short(suspect.reason)]
        for rank, suspect in enumerate(suspects[:_SHOWN], 1)
    ]
    lines = [table(["rank", "case", "rarity", "why"], rows), "", judged_by, RARITY]
    more = len(suspects) - _SHOWN
    return "\n".join(lines + [f"{more} more cases: see the file (-o)"] * (more > 0))


def _rarity(value: float | None) -> str:
    return "not usable" if value is None else f"{value:.1f}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
