"""``medassist read``: what is this scan, and write it as one file."""

from __future__ import annotations

import argparse

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, read_scan_of
from MedAssistLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_output(parser, "write the scan: .nii.gz, .nrrd or .mha", required=False)


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, write if asked, and tell what it is."""
    from MedAssistLib.cli.tables import facts_text, scan_facts
    from MedAssistLib.export.formats import SCAN_FORMATS, writer

    write = writer(SCAN_FORMATS, arguments.output) if arguments.output else None
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.8))
    if write is not None:
        progress.part("Writing", 0.8, 1.0).update(0.0)
        write(scan, arguments.output)
    return Outcome(facts_text(scan), scan_facts(scan))
