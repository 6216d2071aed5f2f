"""``medassist segment``: find structures with a model."""

from __future__ import annotations

import argparse

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, read_scan_of
from MedAssistLib.progress import Progress
from MedAssistLib.segment.options import DEVICES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_output(parser, "write the segmentation: .seg.nrrd (with names), .nii.gz, .nrrd or .mha")
    parser.add_argument(
        "--model", required=True, help="name (see: medassist models list) or model folder"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to run it")


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, segment, write."""
    from MedAssistLib.export.formats import SEGMENTATION_FORMATS, writer
    from MedAssistLib.models import find
    from MedAssistLib.segment import SegmentOptions, segment

    write = writer(SEGMENTATION_FORMATS, arguments.output)
    card = find(arguments.model)
    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.1))
    options = SegmentOptions(device=arguments.device)
    result = segment(scan, card, options, progress.part("Segmenting", 0.1, 0.9))
    progress.part("Writing", 0.9, 1.0).update(0.0)
    write(result, arguments.output)
    names = [entry.name for entry in result.segments]
    text = f"{', '.join(names)} by {result.made_by}\nwrote {arguments.output}"
    data = {"segments": names, "made_by": result.made_by, "output": str(arguments.output)}
    return Outcome(text, data)
