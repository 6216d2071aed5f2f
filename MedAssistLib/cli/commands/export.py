"""``medassist export``: a scan and its segmentation as a file for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from MedAssistLib.case import Case
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, add_segmentation, read_case
from MedAssistLib.export import formats
from MedAssistLib.progress import Progress

_SCENE = ".mrb"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_segmentation(parser, required=True)
    kinds = ", ".join((*formats.SEGMENTATION_FORMATS, *formats.MEASUREMENT_FORMATS, ".html"))
    add_output(parser, f"the suffix picks the format: {kinds} or {_SCENE} (a scene for 3D Slicer)")


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, measure, write."""
    write = case_writer(arguments.output)
    case = read_case(arguments, progress.part("Reading", 0.0, 0.5))
    progress.part("Writing", 0.5, 1.0).update(0.0)
    write(case)
    return Outcome(f"wrote {arguments.output}", {"output": str(arguments.output)})


def case_writer(path: Path) -> Callable[[Case], None]:
    """Return what writes a case to ``path``.

    Raises:
        UsageError: If the suffix is that of no format.
    """
    labels, numbers, report = (
        formats.SEGMENTATION_FORMATS,
        formats.MEASUREMENT_FORMATS,
        formats.REPORT_FORMATS,
    )
    suffix = formats.suffix_of(path, (*labels, *numbers, *report, _SCENE))
    if suffix == _SCENE:
        return lambda case: _write_scene(case, path)
    if suffix in labels:
        return lambda case: formats.writer(labels, path)(case.segmentations[-1], path)
    if suffix in numbers:
        return lambda case: formats.writer(numbers, path)(case.measurements, path)
    return lambda case: formats.writer(report, path)(case, path)


def _write_scene(case: Case, path: Path) -> None:
    from MedAssistLib.scene import write_mrb

    write_mrb(case, path)
