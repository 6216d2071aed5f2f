"""``medassist measure``: numbers about the structures of a segmentation."""

from __future__ import annotations

import argparse

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, add_segmentation, read_case
from MedAssistLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_segmentation(parser, required=True)
    add_output(parser, "write all measurements: .csv or .json", required=False)


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, measure, write if asked."""
    from MedAssistLib.cli.tables import measurements_table
    from MedAssistLib.export.formats import MEASUREMENT_FORMATS, writer
    from MedAssistLib.export.table import rows

    write = writer(MEASUREMENT_FORMATS, arguments.output) if arguments.output else None
    case = read_case(arguments, progress)
    if write is not None:
        write(case.measurements, arguments.output)
    return Outcome(measurements_table(case.measurements), {"measurements": rows(case.measurements)})
