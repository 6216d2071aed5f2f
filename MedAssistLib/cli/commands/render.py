"""``medassist render``: pictures of a scan and its segmentation."""

from __future__ import annotations

import argparse

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, add_segmentation, read_case
from MedAssistLib.export.formats import suffix_of
from MedAssistLib.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_segmentation(parser, required=True)
    parser.add_argument(
        "--view", choices=("slices", "3d"), default="slices", help="three planes, or surfaces"
    )
    add_output(parser, "write the picture: .png")


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read and draw."""
    from MedAssistLib.export.render3d import write_render
    from MedAssistLib.export.slices import write_slices

    suffix_of(arguments.output, (".png",))
    case = read_case(arguments, progress.part("Reading", 0.0, 0.5))
    progress.part("Drawing", 0.5, 1.0).update(0.0)
    draw = write_slices if arguments.view == "slices" else write_render
    draw(case.scan, case.segmentations[-1], arguments.output)
    return Outcome(f"wrote {arguments.output}", {"output": str(arguments.output)})
