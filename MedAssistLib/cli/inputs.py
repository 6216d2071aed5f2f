"""Arguments that several commands share, and the case that they make."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.case import Case, Scan
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.read import ReadOptions

WHAT_A_SCAN_IS = "image file, DICOM file, folder, zip or DICOMDIR"


def add_scan(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a scan."""
    parser.add_argument("scan", metavar="SCAN", help=WHAT_A_SCAN_IS)
    add_scan_options(parser)


def add_scan_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say how a scan is read."""
    parser.add_argument(
        "--series",
        default="",
        metavar="N|UID",
        help="which of several scans: number in the list, UID",
    )
    parser.add_argument("--modality", default="", help="MR, CT, …, for files that do not say")
    parser.add_argument(
        "--strict", action="store_true", help="refuse tilted or uneven slices; do not repair them"
    )
    parser.add_argument(
        "--spacing", metavar="x,y,z", help="mm between voxels, for files that do not say (NumPy)"
    )


def add_segmentation(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Add the argument that names a segmentation."""
    parser.add_argument(
        "--segmentation",
        metavar="SEG",
        required=required,
        help=".seg.nrrd file, label image or DICOM",
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


def read_options(arguments: argparse.Namespace) -> ReadOptions:
    """Return how to read, as the arguments say.

    Raises:
        UsageError: If they make no sense.
    """
    from MedAssistLib.read import ReadOptions

    return ReadOptions(
        series=arguments.series,
        modality=arguments.modality.upper(),
        strict=arguments.strict,
        spacing=_spacing(arguments.spacing),
    )


def _spacing(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError as error:
        hint = "Give millimetres along i, j and k, such as 0.8,0.8,1.5"
        raise UsageError(f"--spacing {text} is not three numbers", hint=hint) from error
    return x, y, z


def _read(paths: list[str], arguments: argparse.Namespace, progress: Progress) -> list[Scan]:
    from MedAssistLib.files import require_writable
    from MedAssistLib.read import read_scan

    besides = [getattr(arguments, name, None) for name in ("probabilities", "provenance")]
    outputs = [path for path in (arguments.output, *besides) if path]
    others = [getattr(arguments, name, None) for name in ("segmentation", "roi_mask")]
    _require_apart(outputs, [*paths, *(name for name in others if name)])
    for path in outputs:
        require_writable(path)
    options = read_options(arguments)
    for path in paths:
        _require_not_chosen(outputs, path, options.series, progress)
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


def _require_not_chosen(outputs: list[Path], source: str, series: str, progress: Progress) -> None:
    """Refuse an output that is one of the files which will be read below ``source``."""
    from MedAssistLib.read import chosen_files

    replaced = [path for path in outputs if path.is_file()]
    # Path.exists fails on names that are too long.
    if not replaced or not os.path.exists(source):  # noqa: PTH110
        return
    folder = Path(source).resolve() if Path(source).is_dir() else Path(source).resolve().parent
    inside = [path for path in replaced if folder in path.resolve().parents]
    if inside:
        read = chosen_files(source, series, progress)
        _require_apart(inside, [str(path) for path in read])


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
