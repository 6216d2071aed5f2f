"""``medassist export -o FOLDER``: several files of one case, all of them or none."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from MedAssistLib.errors import UsageError
from MedAssistLib.export import parcel as parcels
from MedAssistLib.export.parcel import Parcel, file_name

if TYPE_CHECKING:
    from MedAssistLib.case import Case
    from MedAssistLib.export.provenance import Provenance
    from MedAssistLib.progress import Progress


def _kinds() -> dict[str, str]:
    """Return what each suffix is asked for; of two kinds with the same one the first has it."""
    found: dict[str, str] = {}
    for kind in (
        *(parcels.SEGMENTATION, parcels.SURFACES, parcels.MEASUREMENTS, parcels.REPORT),
        parcels.DICOM_REPORT,
    ):
        for suffix in parcels.CHOICES[kind]:
            found.setdefault(suffix, kind)
    return found


_KIND_OF = _kinds()
_KNOWN = ", ".join(suffix[1:] for suffix in _KIND_OF)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the argument that says which files."""
    what = f"what to write to a folder, with commas: {_KNOWN}"
    parser.add_argument("--formats", default="", metavar="LIST", help=what)


def is_folder(output: Path) -> bool:
    """Tell whether an output means a folder: it is one, or has no suffix."""
    return output.is_dir() or not output.suffix


class Asked(NamedTuple):
    """What is written, and the folder for it."""

    parcel: Parcel
    folder: Path


def wanted(arguments: argparse.Namespace) -> Asked:
    """Return what is written to which folder.

    Raises:
        UsageError: If nothing is, a format is not known, or two are of the same kind.
    """
    hint = f"Give --formats with one or more of {_KNOWN}"
    if not arguments.formats:
        what = "is a folder, and nothing says what to write to it"
        raise UsageError(what, where=arguments.output, hint=hint)
    kinds: dict[str, str] = {}
    for text in arguments.formats.split(","):
        suffix = f".{text.strip().lstrip('.').lower()}"
        kind = _KIND_OF.get(suffix)
        if kind is None:
            raise UsageError(f'there is no format "{text.strip()}"', hint=hint)
        if kind in kinds:
            both = f"{kinds[kind][1:]} and {suffix[1:]} are both of the {kind}"
            raise UsageError(both, hint="Write them one after the other")
        kinds[kind] = suffix
    if parcels.SURFACES not in kinds and (arguments.space or arguments.separate):
        raise UsageError("--space and --separate are for meshes", hint="Write one, such as stl")
    space = arguments.space or "LPS"
    asked = Parcel(name="case", kinds=kinds, space=space, separate=arguments.separate)
    return Asked(asked, arguments.output)


def write(
    case: Case,
    asked: Asked,
    arguments: argparse.Namespace,
    made: Provenance | None,
    progress: Progress,
) -> list[Path]:
    """Write the files and return them; their names begin with the scan's.

    Raises:
        MedAssistError: As :func:`MedAssistLib.worker.packing.pack` does; or if one of the files
            would replace what is read.
    """
    from MedAssistLib.export.dicom.sources import source_of
    from MedAssistLib.worker.packing import Contents, pack
    from MedAssistLib.worker.usual import usual_volumes

    name = file_name(case.scan.name) or asked.parcel.name
    parcel, folder = replace(asked.parcel, name=name), asked.folder
    read = {Path(path).resolve() for path in (arguments.scan, arguments.segmentation)}
    for name in parcel.names(case.segmentations[-1].segments):
        if (folder / name).resolve() in read:
            hint = "Give another folder"
            raise UsageError("is an input and would be replaced", where=folder / name, hint=hint)
    contents = Contents(
        case=case,
        source=source_of(case.scan) if parcel.of_dicom else None,
        ranges=usual_volumes(case, arguments.age, arguments.sex, arguments.reference_ranges),
        provenance=made,
    )
    staging = f".medassist-{secrets.token_hex(6)}"
    return list(pack(contents, parcel, folder, staging, progress).files)
