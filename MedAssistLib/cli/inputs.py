"""Arguments that several commands share, and the case that they make."""

from __future__ import annotations

import argparse
from pathlib import Path

from MedAssistLib.case import Case, Scan
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress


def add_scan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a scan."""
    parser.add_argument("scan", metavar="SCAN", help="image file, DICOM file or DICOM folder")
    add_scan_options(parser)


def add_scan_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how a scan is read."""
    parser.add_argument("--series", default="", help="series of a DICOM folder: number or UID")
    parser.add_argument("--modality", default="", help="MR, CT, …, for files that do not say")


def add_segmentation(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the argument that names a segmentation."""
    parser.add_argument(
        "--segmentation", metavar="SEG", required=required, help=".seg.nrrd file or label image"
    )


def add_output(parser: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """Add the argument that names the output."""
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", required=required, help=what)


def read_scan_of(arguments: argparse.Namespace, progress: Progress) -> Scan:
    """Read the scan that the arguments name, unless its output could not be written."""
    (scan,) = _read([arguments.scan], arguments, progress)
    return scan


def read_scans_of(arguments: argparse.Namespace, progress: Progress) -> list[Scan]:
    """Read the scans that the arguments name, unless the output could not be written."""
    return _read(arguments.scans, arguments, progress)


def _read(paths: list[str], arguments: argparse.Namespace, progress: Progress) -> list[Scan]:
    from MedAssistLib.files import require_writable
    from MedAssistLib.read import ReadOptions, read_scan

    outputs = [p for p in (arguments.output, getattr(arguments, "probabilities", None)) if p]
    others = [getattr(arguments, name, None) for name in ("segmentation", "roi_mask")]
    _require_apart(outputs, [*paths, *(name for name in others if name)])
    for path in outputs:
        require_writable(path)
    options = ReadOptions(series=arguments.series, modality=arguments.modality.upper())
    return [
        read_scan(path, options, progress.part("Reading", n / len(paths), (n + 1) / len(paths)))
        for n, path in enumerate(paths)
    ]


def _require_apart(outputs: list[Path], inputs: list[str]) -> None:
    """Refuse an output that would replace an input or another output."""
    taken = [Path(path).resolve() for path in inputs]
    for output in outputs:
        if output.resolve() in taken:
            hint = "Give the output another name"
            raise UsageError("is an input and would be replaced", where=output, hint=hint)
        taken.append(output.resolve())


def read_case(arguments: argparse.Namespace, progress: Progress) -> Case:
    """Read the scan and the segmentation that the arguments name, and measure it."""
    from MedAssistLib.measure import measure
    from MedAssistLib.read import read_segmentation

    scan = read_scan_of(arguments, progress.part("Reading", 0.0, 0.5))
    if not arguments.segmentation:
        return Case(scan=scan, findings=scan.findings)
    segmentation = read_segmentation(arguments.segmentation, scan)
    measurements = measure(scan, segmentation, progress.part("Measuring", 0.5, 1.0))
    return Case(
        scan=scan,
        segmentations=(segmentation,),
        measurements=measurements,
        findings=scan.findings,
    )
