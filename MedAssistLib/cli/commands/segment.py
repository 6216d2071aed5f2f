"""``medassist segment``: find structures with a model."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan_options, read_scans_of
from MedAssistLib.errors import UsageError
from MedAssistLib.progress import Progress
from MedAssistLib.segment.options import BACKENDS, DEVICES, SegmentOptions

if TYPE_CHECKING:
    from MedAssistLib.case import Point, Scan
    from MedAssistLib.models.card import ModelCard
    from MedAssistLib.segment import SegmentResult

_GIGABYTE = 10**9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    what = "image file, DICOM file or DICOM folder; one for each channel of the model, in order"
    parser.add_argument("scans", metavar="SCAN", nargs="+", help=what)
    add_scan_options(parser)
    add_output(parser, "write the segmentation: .seg.nrrd (with names), .nii.gz, .nrrd or .mha")
    parser.add_argument(
        "--model", required=True, help="name (see: medassist models list) or model folder"
    )
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where to run it")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="what runs it")
    region = parser.add_mutually_exclusive_group()
    region.add_argument(
        "--roi", metavar="x0,x1,y0,y1,z0,z1", help="segment only this box, LPS mm; write --roi=…"
    )
    region.add_argument("--roi-mask", metavar="FILE", help="segment only the box of this mask")
    parser.add_argument("--classes", default="", help="only these structures: liver,spleen")
    parser.add_argument("--folds", default="", help="only these of an ensemble: 0,1")
    parser.add_argument(
        "--orientation",
        default="",
        help="how the training data were stored, such as RAS, if the model does not say it",
    )
    parser.add_argument(
        "--step", type=float, help="distance of patches, 0 to 1 (what the model's authors chose)"
    )
    parser.add_argument("--mirror", action="store_true", help="average mirrored patches: slower")
    parser.add_argument(
        "--precision", choices=("auto", "full", "reduced"), default="auto", help="of the network"
    )
    parser.add_argument("--max-memory", type=float, metavar="GB", help="most memory to take")
    parser.add_argument(
        "--probabilities", type=Path, metavar="FILE", help="also write them: .nii.gz, .nrrd, .mha"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="DANGEROUS: let the weights run the programs that they hold, if they need to",
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, segment, write."""
    from MedAssistLib.export.formats import SCAN_FORMATS, SEGMENTATION_FORMATS, writer
    from MedAssistLib.models import find
    from MedAssistLib.segment import segment_in_detail

    write = writer(SEGMENTATION_FORMATS, arguments.output)
    if arguments.probabilities:
        writer(SCAN_FORMATS, arguments.probabilities)
    card = replace(find(arguments.model), trusted=arguments.trust)
    options = _options(arguments)
    scans = read_scans_of(arguments, progress.part("Reading", 0.0, 0.1))
    _tell_need(card, scans[0], options)
    result = segment_in_detail(scans, card, options, progress.part("Segmenting", 0.1, 0.9))
    progress.part("Writing", 0.9, 1.0).update(0.0)
    write(result.segmentation, arguments.output)
    if arguments.probabilities:
        _write_probabilities(result, arguments.probabilities)
    return _outcome(result, arguments)


def _tell_need(card: ModelCard, scan: Scan, options: SegmentOptions) -> None:
    """Say on a terminal how much memory the run takes, and anywhere if that may be too much."""
    from MedAssistLib.machine import free_memory
    from MedAssistLib.segment.forecast import Extent, forecast

    need = forecast(card, Extent.of(scan.image), probabilities=options.probabilities).main
    free = free_memory()
    scarce = bool(free) and need > free
    if scarce or sys.stderr.isatty():
        room = f"; {free / _GIGABYTE:.1f} GB are free" if free else ""
        where = "" if options.device == "cpu" else " without a graphics card"
        text = f"needs up to {need / _GIGABYTE:.1f} GB of main memory{where}{room}"
        print(f"medassist: {text}", file=sys.stderr)


def _options(arguments: argparse.Namespace) -> SegmentOptions:
    limit = arguments.max_memory
    return SegmentOptions(
        device=arguments.device,
        backend=arguments.backend,
        region=_region(arguments),
        classes=_list(arguments.classes),
        folds=_list(arguments.folds),
        orientation=arguments.orientation.upper(),
        step=arguments.step,
        mirror=arguments.mirror,
        reduced={"auto": None, "full": False, "reduced": True}[arguments.precision],
        max_memory=None if limit is None else _bytes(limit),
        probabilities=arguments.probabilities is not None,
    )


def _bytes(gigabytes: float) -> int:
    if not math.isfinite(gigabytes):
        raise UsageError(
            f"--max-memory {gigabytes} is not a size", hint="Give gigabytes, such as 8"
        )
    return int(gigabytes * _GIGABYTE)


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _region(arguments: argparse.Namespace) -> tuple[Point, Point] | None:
    if arguments.roi_mask:
        from MedAssistLib.read import region_of_mask

        return region_of_mask(arguments.roi_mask)
    if not arguments.roi:
        return None
    try:
        values = [float(value) for value in arguments.roi.split(",")]
    except ValueError:
        values = []
    if len(values) != 6 or not all(map(math.isfinite, values)):
        hint = "Give six numbers in LPS millimetres: x0,x1,y0,y1,z0,z1"
        raise UsageError(f"--roi {arguments.roi} is not a box", hint=hint)
    x0, x1, y0, y1, z0, z1 = values
    return (x0, y0, z0), (x1, y1, z1)


def _write_probabilities(result: SegmentResult, path: Path) -> None:
    """Write the probabilities as an image with one value a voxel for each output."""
    import numpy as np
    import SimpleITK as sitk

    from MedAssistLib.export.images import write_image

    if result.probabilities is None:
        what = f"{result.segmentation.made_by} gives no probabilities"
        raise UsageError(what, hint="Leave --probabilities away; the segmentation is written")
    layers = np.moveaxis(result.probabilities, 0, -1)
    image = sitk.GetImageFromArray(np.ascontiguousarray(layers), isVector=True)
    image.CopyInformation(result.segmentation.labels)
    write_image(image, path)


def _outcome(result: SegmentResult, arguments: argparse.Namespace) -> Outcome:
    made = result.segmentation
    names = [entry.name for entry in made.segments]
    ran = f"{result.device}, {result.backend}" if result.backend else result.device
    lines = [f"{', '.join(names)} by {made.made_by} on {ran}"]
    lines += [f"memory was short: {step}" for step in result.steps]
    lines += [f"note: {finding.title}" for finding in result.findings]
    outputs = [str(path) for path in (arguments.output, arguments.probabilities) if path]
    data = {
        "segments": names,
        "made_by": made.made_by,
        "device": result.device,
        "backend": result.backend,
        "memory_steps": list(result.steps),
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "findings": [finding.title for finding in result.findings],
        "outputs": outputs,
    }
    return Outcome("\n".join(lines + [f"wrote {path}" for path in outputs]), data)
