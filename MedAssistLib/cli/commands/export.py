"""``medassist export``: a scan and its segmentation as files for other programs."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from MedAssistLib.case import Case
from MedAssistLib.cli import export_folder
from MedAssistLib.cli.commands import Outcome
from MedAssistLib.cli.inputs import add_output, add_scan, add_segmentation, read_case
from MedAssistLib.errors import UsageError
from MedAssistLib.export import formats
from MedAssistLib.progress import Progress

if TYPE_CHECKING:
    from MedAssistLib.export.provenance import Provenance

_SCENE = ".mrb"
_KINDS = (
    *formats.SEGMENTATION_FORMATS,
    *formats.MEASUREMENT_FORMATS,
    *formats.MESH_FORMATS,
    *formats.REPORT_FORMATS,
    *formats.DICOM_FORMATS,
)

_NO_SERIES = (
    "note: the scan's files do not say their series; the DICOM files name one that was made up, "
    "which no archive knows"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_scan(parser)
    add_segmentation(parser, required=True)
    kinds = ", ".join(_KINDS)
    what = f"the suffix picks the format: {kinds} or {_SCENE} (a scene for 3D Slicer); or a folder"
    add_output(parser, what)
    export_folder.add_arguments(parser)
    what = "findings file of medassist check, with the reviewer's answers, for reports"
    parser.add_argument("--findings", type=Path, metavar="FILE", help=what)
    people = parser.add_argument_group("reference ranges", "of volumes, drawn into reports")
    people.add_argument("--age", type=float, metavar="YEARS", help="of the person")
    people.add_argument("--sex", choices=("F", "M"), default="", help="of the person")
    people.add_argument(
        "--reference-ranges", type=Path, metavar="FILE", help="volumes of healthy people"
    )
    meshes = parser.add_argument_group("meshes")
    meshes.add_argument(
        "--space",
        choices=("LPS", "RAS"),
        help="x and y grow to the patient's left and back (LPS, the default) or right and front",
    )
    meshes.add_argument("--separate", action="store_true", help="one file for each structure")
    traces = parser.add_argument_group("where it comes from")
    traces.add_argument(
        "--model", default="", help="name or folder of the model that made the segmentation"
    )
    traces.add_argument(
        "--provenance",
        type=Path,
        metavar="FILE",
        help="also write, as JSON, hashes of inputs and outputs, versions, options and the model",
    )


def run(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Read, measure, write."""
    if export_folder.is_folder(arguments.output):
        return _to_folder(arguments, progress)
    if arguments.formats:
        raise UsageError("--formats is for a folder", hint="Give -o the name of one")
    suffix = formats.suffix_of(arguments.output, (*_KINDS, _SCENE))
    if (arguments.space or arguments.separate) and suffix not in formats.MESH_FORMATS:
        hint = f"Leave them away, or write {', '.join(formats.MESH_FORMATS)}"
        raise UsageError("--space and --separate are for meshes", hint=hint)
    known = arguments.age is not None or arguments.sex or arguments.reference_ranges
    if known and suffix not in formats.REPORT_FORMATS:
        hint = f"Leave them away, or write {', '.join(formats.REPORT_FORMATS)}"
        raise UsageError("--age, --sex and --reference-ranges are for reports", hint=hint)
    case = _known_better(read_case(arguments, progress.part("Reading", 0.0, 0.5)), arguments)
    made = _trace(case, arguments, [suffix], progress.part("Hashing", 0.5, 0.6))
    progress.part("Writing", 0.6, 1.0).update(0.0)
    return _told(case, _write(case, arguments, suffix, made), made, arguments)


def _to_folder(arguments: argparse.Namespace, progress: Progress) -> Outcome:
    """Write several files."""
    asked = export_folder.wanted(arguments)
    arguments.output = None  # Each of its files is looked at when its name is known.
    case = _known_better(read_case(arguments, progress.part("Reading", 0.0, 0.5)), arguments)
    suffixes = list(asked.parcel.kinds.values())
    made = _trace(case, arguments, suffixes, progress.part("Hashing", 0.5, 0.6))
    part = progress.part("Writing", 0.6, 1.0)
    outputs = export_folder.write(case, asked, arguments, made, part)
    return _told(case, outputs, made, arguments)


def _told(
    case: Case, outputs: list[Path], made: Provenance | None, arguments: argparse.Namespace
) -> Outcome:
    """Write the record if it is asked for, and tell what was written."""
    if made and arguments.provenance:
        from MedAssistLib.export.provenance import write_provenance

        write_provenance(made, outputs, arguments.provenance)
        outputs = [*outputs, arguments.provenance]
    lines = [f"wrote {path}" for path in outputs]
    if not case.scan.series_uid and any(path.suffix == ".dcm" for path in outputs):
        lines.append(_NO_SERIES)
    text = "\n".join(lines)
    return Outcome(text, {"outputs": [str(path) for path in outputs]})


def _known_better(case: Case, arguments: argparse.Namespace) -> Case:
    """Return the case with what the arguments say of it: the findings, and who segmented it."""
    if arguments.findings:
        from MedAssistLib.check.findings_file import read_json

        case = replace(case, findings=read_json(arguments.findings).findings)
    if arguments.model:
        from MedAssistLib.models import find

        card = find(arguments.model)
        made_by = f"model {card.name} ({card.version})" if card.version else f"model {card.name}"
        segmentation = replace(case.segmentations[-1], made_by=made_by)
        case = replace(case, segmentations=(*case.segmentations[:-1], segmentation))
    return case


def _trace(
    case: Case, arguments: argparse.Namespace, suffixes: list[str], progress: Progress
) -> Provenance | None:
    """Return how the case was made, if a report or a file shall tell it."""
    if not arguments.provenance and not set(suffixes) & set(formats.REPORT_FORMATS):
        return None
    from MedAssistLib.export.provenance import (
        source,
        source_of_scan,
        source_of_segmentation,
        trace,
    )
    from MedAssistLib.models import find

    inputs = [
        source_of_scan(Path(arguments.scan), arguments.series, progress),
        source_of_segmentation(Path(arguments.segmentation)),
        *(source("findings", [path]) for path in (arguments.findings,) if path),
        *(source("reference ranges", [path]) for path in (arguments.reference_ranges,) if path),
    ]
    # Neither the series, whose UID tells who it is, nor age and sex.
    asked = {name: getattr(arguments, name) for name in ("modality", "strict", "spacing")}
    asked |= {name: getattr(arguments, name) for name in ("space", "separate")}
    options = {"format": " ".join(suffixes)} | {
        name: value for name, value in asked.items() if value
    }
    return trace(case, inputs, find(arguments.model) if arguments.model else None, options)


def _write(
    case: Case, arguments: argparse.Namespace, suffix: str, made: Provenance | None
) -> list[Path]:
    """Write the case in the format of the suffix and return the files."""
    path: Path = arguments.output
    if suffix in formats.DICOM_FORMATS:
        files: list[Path] = formats.writer(formats.DICOM_FORMATS, path)(case, path)
        return files
    if suffix in formats.MESH_FORMATS:
        from MedAssistLib.export.meshes import MeshOptions, write_meshes

        options = MeshOptions(space=arguments.space or "LPS", separate=arguments.separate)
        return write_meshes(case.segmentations[-1], path, options)
    if suffix in formats.REPORT_FORMATS:
        from MedAssistLib.export.report import ReportOptions
        from MedAssistLib.worker.usual import usual_volumes

        ranges = usual_volumes(case, arguments.age, arguments.sex, arguments.reference_ranges)
        told = ReportOptions(ranges=ranges, provenance=made)
        formats.writer(formats.REPORT_FORMATS, path)(case, path, told)
    elif suffix == _SCENE:
        from MedAssistLib.scene import write_mrb

        write_mrb(case, path)
    elif suffix in formats.SEGMENTATION_FORMATS:
        formats.writer(formats.SEGMENTATION_FORMATS, path)(case.segmentations[-1], path)
    else:
        formats.writer(formats.MEASUREMENT_FORMATS, path)(case.measurements, path)
    return [path]
