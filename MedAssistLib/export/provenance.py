"""Where an output comes from: hashes of what went in and out, versions, options, the model.

Nothing about the patient goes into it: no name of an input, no path, no UID, no time. The same
inputs, options and versions give the same record.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from MedAssistLib import __version__
from MedAssistLib.case import Case
from MedAssistLib.files import readable, sha256, write_text
from MedAssistLib.models import ModelCard, locate
from MedAssistLib.progress import Progress
from MedAssistLib.read import chosen_files
from MedAssistLib.read.images import header_of, inspect
from MedAssistLib.read.itk import READERS
from MedAssistLib.read.kinds import Kind, kind_of

_FORMAT = "MedAssist provenance 1"
# What computes, reads or writes, by the name of the distribution.
_LIBRARIES = (
    "SimpleITK", "numpy", "scipy", "torch", "vtk", "slicer-core", "pydicom", "highdicom", "pillow",
    "jinja2",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files that something was read from.

    Attributes:
        role: What was read, such as ``"scan"``.
        sha256: SHA-256 of each file, sorted.
    """

    role: str
    sha256: tuple[str, ...]

    @property
    def combined(self) -> str:
        """One SHA-256 for all files: of a single one its own, else of theirs, one a line."""
        if len(self.sha256) == 1:
            return self.sha256[0]
        return hashlib.sha256("".join(f"{line}\n" for line in self.sha256).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """How something was made.

    Attributes:
        inputs: What was read.
        filters: The chain of filters of each scan that was enhanced, as the command line has it.
        segmented_by: The models of the segmentations, and whether a person changed them.
        model: The model that made the segmentation, if it is known.
        weights: SHA-256 of the model's files, by role.
        options: What was asked for besides.
        versions: Versions of MedAssist, Python and the libraries.
    """

    inputs: tuple[Source, ...]
    filters: tuple[tuple[str, ...], ...]
    segmented_by: tuple[str, ...]
    model: ModelCard | None
    weights: Mapping[str, str]
    options: Mapping[str, Any]
    versions: Mapping[str, str]


def trace(
    case: Case,
    inputs: Sequence[Source],
    model: ModelCard | None = None,
    options: Mapping[str, Any] | None = None,
) -> Provenance:
    """Return how a case was made.

    Args:
        case: The case.
        inputs: What it was read from.
        model: The model that made its segmentation, if it is known.
        options: What was asked for, as JSON has it; nothing about the patient.

    Raises:
        ModelError: If the model's card has no hashes and its weights are not there.
    """
    scans = (case.scan, *case.enhanced)
    makers = [made.made_by for made in case.segmentations]
    return Provenance(
        inputs=tuple(inputs),
        filters=tuple(scan.enhancement for scan in scans if scan.enhancement),
        # Other makers are people and files, whose names may be a patient's.
        segmented_by=tuple(m for m in makers if m.startswith("model ")),
        model=model,
        weights=_weights(model) if model else {},
        options=dict(options or {}),
        versions=versions(),
    )


def source_of_scan(path: Path, series: str, progress: Progress) -> Source:
    """Return the files that :func:`MedAssistLib.read.read_scan` reads; of a zip the zip.

    Raises:
        InputError: If there is nothing to read, or ``series`` does not tell which.
        CancelledError: If the user asked to stop.
    """
    if path.is_file() and kind_of(path) is Kind.ZIP:
        return source("scan", [path])
    files = chosen_files(path, series, progress)
    return source("scan", {part for file in files for part in _parts(file)})


def source_of_segmentation(path: Path) -> Source:
    """Return the file that a segmentation was read from, or all below a folder.

    Raises:
        InputError: If one of them cannot be read.
    """
    if path.is_dir():
        return source("segmentation", [file for file in path.rglob("*") if file.is_file()])
    return source("segmentation", _parts(path))


def source(role: str, files: Iterable[Path]) -> Source:
    """Return some files as a source.

    Raises:
        InputError: If one of them cannot be read.
    """
    return Source(role=role, sha256=tuple(sorted(_hash(path) for path in files)))


def _parts(path: Path) -> set[Path]:
    """Return the files of an image: one, or one with its header and one with its voxels."""
    header = header_of(path)
    kind = kind_of(header)
    data = inspect(header, kind).stated.data if kind in READERS else None
    return {header, data or header}


def versions() -> dict[str, str]:
    """Return the versions of MedAssist, Python and the libraries that are there, by name."""
    found = {"MedAssist": __version__, "Python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def to_data(made: Provenance, outputs: Sequence[Path]) -> dict[str, Any]:
    """Return how outputs were made as it stands in JSON.

    Raises:
        InputError: If an output cannot be read.
    """
    return {
        "format": _FORMAT,
        "versions": dict(made.versions),
        "inputs": [{"role": entry.role, "sha256": list(entry.sha256)} for entry in made.inputs],
        "filters": [list(chain) for chain in made.filters],
        "segmented_by": list(made.segmented_by),
        "model": _described(made.model, made.weights) if made.model else None,
        "options": dict(made.options),
        "outputs": [{"name": path.name, "sha256": _hash(path)} for path in outputs],
    }


def write_provenance(made: Provenance, outputs: Sequence[Path], path: Path) -> None:
    """Write how outputs were made as JSON.

    Raises:
        InputError: If an output cannot be read.
        ResourceError: If it cannot be written; an earlier file is as it was.
    """
    write_text(path, json.dumps(to_data(made, outputs), indent=1, ensure_ascii=False) + "\n")


def _hash(path: Path) -> str:
    with readable(path):
        return sha256(path)


def _weights(card: ModelCard) -> dict[str, str]:
    return {
        role: entry.sha256 or sha256(locate(card, role)) for role, entry in card.weights.items()
    }


def _described(card: ModelCard, weights: Mapping[str, str]) -> dict[str, Any]:
    names = ("name", "title", "version", "format", "licence", "source")
    return {name: getattr(card, name) for name in names} | {"weights": dict(weights)}
