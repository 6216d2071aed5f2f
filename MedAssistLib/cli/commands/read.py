"""``medassist read``: what is this scan, and write it as one file."""

from __future__ import annotations

import argparse

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, read_scan_of
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    parser.add_argument("--list", action="store_true", help="list what can be read, and stop")
    add_output(parser, "write the scan: .nii.gz, .nrrd or .mha", required=False)


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, write if asked, and tell what it is."""
    from MedAssistLib.cli.tables import facts_text, scan_facts
    from MedAssistLib.export.formats import SCAN_FORMATS, writer

    if arguments.list:
        return _list(arguments, progress)
    write = writer(SCAN_FORMATS, arguments.output) if arguments.output else None
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.8))
    if write is not None:
        progress.part("Writing", 0.8, 1.0).update(0.0)
        write(scan, arguments.output)
    return Outcome(facts_text(scan), scan_facts(scan))


def _list(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    from MedAssistLib.cli.tables import listing_data, listing_text
    from MedAssistLib.read import list_scans

    if arguments.output:
        hint = "Leave one of them away"
        raise UsageError("--list writes no scan, so that -o makes no sense with it", hint=hint)
    listing = list_scans(arguments.scan, progress)
    return Outcome(listing_text(listing), listing_data(listing))
