"""``medassist check``: what in a scan and its segmentation deserves a second look."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.case import Case, State
from MedAssistLib.cli import check_audit
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, add_segmentation, read_scan_of
from MedAssistLib.cli.label_names import label_names
from MedAssistLib.cli.tables import table
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress
from MedAssistLib.segment.options import DEVICES

if TYPE_CHECKING:
    from MedAssistLib.case import Finding, Scan, Segmentation
    from MedAssistLib.check import CheckOptions, Opinion
    from MedAssistLib.models.card import ModelCard

_SUFFIXES = (".json", ".csv", ".html")
_RULES = "list the rules, what they look for and what to do, and exit"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_segmentation(parser, required=False)
    parser.add_argument(
        "--layer",
        action="append",
        default=[],
        metavar="SEG",
        help="more structures on the same scan, which must not overlap with the segmentation's",
    )
    parser.add_argument(
        "--names",
        default="",
        metavar="1=NAME,…|FILE",
        help="what the values of a plain label image mean, or a dataset.json that says it",
    )
    parser.add_argument(
        "--model",
        default="",
        help="name or folder of a model that reads the scan, too; without --segmentation, its own "
        "result is checked",
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the model runs")
    parser.add_argument(
        "--reference-ranges", type=Path, metavar="FILE", help="volumes of healthy people"
    )
    parser.add_argument("--age", type=float, metavar="YEARS", help="of the person")
    parser.add_argument("--sex", choices=("F", "M"), default="", help="of the person")
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", help="findings file of an earlier run: its answers"
    )
    add_output(
        parser, "write the findings: .json, .csv, or .html (a report with pictures)", required=False
    )
    check_audit.add_arguments(parser)
    parser.add_argument("--rules-help", action=_RulesHelp, help=_RULES)


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, check, write if asked."""
    if arguments.audit:
        return check_audit.run(arguments, progress)
    from MedAssistLib.check import check, ranked, with_answers
    from MedAssistLib.check.findings_file import (
        FindingsFile,
        read_json,
        to_data,
        write_csv,
        write_json,
    )
    from MedAssistLib.export.formats import suffix_of
    from MedAssistLib.models.formats import suited

    suffix = suffix_of(arguments.output, _SUFFIXES) if arguments.output else ""
    options = _options(arguments)
    names = label_names(arguments.names)
    earlier = read_json(arguments.answers).findings if arguments.answers else ()
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.2))
    card = suited(options.card, scan.image) if options.card else None
    options = replace(options, card=card)
    made = [
        _segmentation(path, scan, names, options)
        for path in (arguments.segmentation, *arguments.layer)
        if path
    ]
    layers = tuple(segmentation for segmentation, _ in made)
    notes = [note for _, notes in made for note in notes]
    opinion, doubts = _opinion(arguments, scan, card, progress.part("Asking", 0.2, 0.7))
    if opinion and not layers:
        layers = (opinion.segmentation,)
    first = layers[0] if layers else None
    part = progress.part("Checking", 0.7, 1.0)
    found = check(scan, first, options, part, layers=layers[1:], opinion=opinion)
    findings = with_answers(ranked((*found, *notes, *doubts, *scan.findings)), earlier)
    result = FindingsFile(
        findings=findings,
        scan=scan.name,
        segmentation=first.made_by if first else "",
        model=options.card.name if options.card else "",
    )
    if suffix == ".html":
        case = Case(scan=scan, segmentations=layers, findings=findings)
        _write_report(case, options, arguments.output)
    elif suffix:
        (write_json if suffix == ".json" else write_csv)(result, arguments.output)
    return Outcome(_text(findings), to_data(result))


def _write_report(case: Case, options: CheckOptions, path: Path) -> None:
    """Write the report of a case, with the measurements of what is drawn."""
    from MedAssistLib.export.formats import REPORT_FORMATS, writer
    from MedAssistLib.export.report import ReportOptions
    from MedAssistLib.measure import measure
    from MedAssistLib.worker.usual import usual_volumes

    measurements = tuple(m for made in case.segmentations for m in measure(case.scan, made))
    case = replace(case, measurements=measurements)
    ranges = usual_volumes(case, options.age, options.sex, options.reference_ranges)
    writer(REPORT_FORMATS, path)(case, path, ReportOptions(ranges=ranges))


def _options(arguments: argparse.Namespace) -> CheckOptions:
    from MedAssistLib.check import CheckOptions
    from MedAssistLib.models import find

    if arguments.layer and not arguments.segmentation:
        raise UsageError("--layer needs --segmentation", hint="Give the first one with that")
    return CheckOptions(
        card=find(arguments.model) if arguments.model else None,
        age=arguments.age,
        sex=arguments.sex,
        reference_ranges=arguments.reference_ranges,
    )


def _opinion(
    arguments: argparse.Namespace, scan: Scan, card: ModelCard | None, progress: Progress
) -> tuple[Opinion | None, tuple[Finding, ...]]:
    """Ask the model; that it cannot be asked is an error only if nothing else was drawn."""
    from MedAssistLib.check import ask, ask_if_possible

    if card is None:
        return None, ()
    asking = ask_if_possible if arguments.segmentation else ask
    return asking(scan, card, device=arguments.device, progress=progress)


def _segmentation(
    path: str, scan: Scan, names: Mapping[int, str], options: CheckOptions
) -> tuple[Segmentation, list[Finding]]:
    """Read a segmentation, on the scan's grid and with the names that were asked for."""
    from MedAssistLib.check import named, placed, renamed
    from MedAssistLib.read import read_segmentation

    segmentation, notes = placed(read_segmentation(path), scan)
    if names:
        segmentation = renamed(segmentation, names)
    if options.card is None:
        return segmentation, list(notes)
    segmentation, more = named(segmentation, options.card.segments)
    return segmentation, [*notes, *more]


def _text(findings: Sequence[Finding]) -> str:
    """Return the findings as a table, the most important first."""
    if not findings:
        return "nothing that deserves a second look was found"
    rows = [
        [str(finding.severity), finding.structure or "–", finding.title, _place(finding)]
        for finding in findings
    ]
    answered = [finding for finding in findings if finding.state is not State.OPEN]
    text = table(["severity", "structure", "what", "LPS mm"], rows)
    return text + (f"\n{len(answered)} of {len(findings)} are answered" if answered else "")


def _place(finding: Finding) -> str:
    return ", ".join(f"{value:.0f}" for value in finding.point) if finding.point else "–"


class _RulesHelp(argparse.Action):
    """Print the rules and exit, as ``--help`` does."""

    def __init__(self, option_strings: list[str], dest: str, help: str) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_unused: object) -> None:
        from MedAssistLib.check import rule_kinds

        lines = [
            f"{rule.name}\n  {rule.looks_for}\n  {rule.advice}" for rule in rule_kinds().values()
        ]
        print("\n".join(lines))
        parser.exit()
