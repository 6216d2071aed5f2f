"""``medassist evaluate``: how well segmentations agree with a reference."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.cli.label_pairs import LabelPairs
    from MedAssistLib.measure.agreement import EvaluateOptions, Evaluation

_FORMATS = (".csv", ".json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    what = ".seg.nrrd file, label image or DICOM; or a folder of them"
    parser.add_argument("predicted", type=Path, metavar="PRED", help=what)
    what = "the same of the reference; files of folders are paired by name"
    parser.add_argument("reference", type=Path, metavar="REF", help=what)
    add_output(parser, "write every case and structure: .csv or .json", required=False)
    parser.add_argument(
        "--tolerance",
        type=float,
        default=2.0,
        metavar="MM",
        help="distance of surfaces that is close enough for the surface Dice (NSD); 2 mm",
    )
    parser.add_argument(
        "--resample",
        action="store_true",
        help="bring predictions on another grid onto the reference's; otherwise they are refused",
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, compare, write if asked."""
    from MedAssistLib.cli.evaluation_text import case_text, cohort_text
    from MedAssistLib.cli.label_pairs import label_pairs
    from MedAssistLib.export.formats import suffix_of
    from MedAssistLib.files import require_writable, write_text
    from MedAssistLib.measure.agreement import EvaluateOptions, summarise
    from MedAssistLib.measure.agreement.table import to_csv, to_data

    options = EvaluateOptions(tolerance=arguments.tolerance, resample=arguments.resample)
    suffix = suffix_of(arguments.output, _FORMATS) if arguments.output else ""
    if suffix:
        require_writable(arguments.output)
    pairs = label_pairs(arguments.predicted, arguments.reference)
    evaluations = _evaluations(pairs, options, progress)
    summary = summarise(evaluations)
    data = {"tolerance_mm": options.tolerance} | to_data(evaluations, summary)
    data |= {
        "without_prediction": list(pairs.only_reference),
        "without_reference": list(pairs.only_predicted),
    }
    if suffix:
        whole = json.dumps(data, indent=1, ensure_ascii=False) + "\n"
        write_text(arguments.output, to_csv(evaluations) if suffix == ".csv" else whole)
    if arguments.predicted.is_dir() and arguments.reference.is_dir():
        text = cohort_text(evaluations, summary, options.tolerance)
    else:
        text = case_text(evaluations[0], summary, options.tolerance)
    return Outcome("\n".join([text, *_unpaired(pairs)]), data)


def _evaluations(
    pairs: LabelPairs, options: EvaluateOptions, progress: Progress
) -> list[Evaluation]:
    from MedAssistLib.measure.agreement import evaluate
    from MedAssistLib.read import read_segmentation

    evaluations = []
    for number, (case, (predicted, reference)) in enumerate(pairs.paths.items()):
        share = number / len(pairs.paths), (number + 1) / len(pairs.paths)
        part = progress.part(f"Reading {case}", *share)
        part.update(0.0)
        first, second = read_segmentation(predicted), read_segmentation(reference)
        evaluations.append(evaluate(first, second, options, case=case, progress=part))
    return evaluations


def _unpaired(pairs: LabelPairs) -> list[str]:
    """Say which files had no partner, because a mean without them may flatter."""
    told = {
        "no prediction, not counted": pairs.only_reference,
        "no reference, not counted": pairs.only_predicted,
    }
    return [f"{what}: {', '.join(names)}" for what, names in told.items() if names]
