"""What the store remembers of an installed model, ``installed.json``."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.files import write_text
from MedAssistLib.models.archive import clutter
from MedAssistLib.models.hashes import digest
from MedAssistLib.progress import Progress

RECORD_NAME = "installed.json"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """Size in bytes and SHA-256 of a file."""

    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a model came from.

    Attributes:
        name: Name of the zip, folder or file.
        url: Web address; empty if it was at hand.
        sha256: SHA-256 of the file; empty for a folder.
    """

    name: str
    url: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the store remembers of an installed model.

    Attributes:
        title: What it segments; empty to take it from the model's own files.
        licence: Licence of its weights.
        terms: What else a user must know before using it.
        source: Who publishes it.
        added: Day of the installation, as YYYY-MM-DD.
        origins: Where it came from.
        files: Its files by their path below the model's folder, with ``/``.
    """

    title: str
    licence: str
    terms: str
    source: str
    added: str
    origins: tuple[Origin, ...]
    files: Mapping[str, Fingerprint]


def write_record(record: Record, folder: Path) -> None:
    """Write a record into a folder of the store.

    Raises:
        ResourceError: If it cannot be written.
    """
    text = json.dumps(dataclasses.asdict(record), indent=2, ensure_ascii=False)
    write_text(folder / RECORD_NAME, text + "\n")


def read_record(folder: Path) -> Record:
    """Read the record of a folder of the store.

    Raises:
        ModelError: If it is missing or damaged.
    """
    path = folder / RECORD_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        fields["origins"] = tuple(Origin(**origin) for origin in fields["origins"])
        fields["files"] = {name: Fingerprint(**mark) for name, mark in fields["files"].items()}
        return Record(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        hint = "Remove the model and install it again"
        raise ModelError(f"is not readable ({error})", where=path, hint=hint) from error


def fingerprints(folder: Path, progress: Progress) -> dict[str, Fingerprint]:
    """Return size and SHA-256 of every file below a folder that is more than clutter.

    Raises:
        ModelError: If one cannot be read.
        CancelledError: If the user asked to stop.
    """
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not clutter(path.relative_to(folder).parts)
    )
    total = sum(path.stat().st_size for path in paths) or 1
    marks, done = {}, 0
    for path in paths:
        size = path.stat().st_size
        marks[path.relative_to(folder).as_posix()] = Fingerprint(
            size=size, sha256=digest(path, progress)
        )
        done += size
        progress.update(done / total)
    return marks


def differences(record: Record, folder: Path, progress: Progress) -> str:
    """Compare the files below a folder with the record.

    Returns:
        What differs, in plain words; empty if nothing does.

    Raises:
        ModelError: If a file cannot be read.
        CancelledError: If the user asked to stop.
    """
    now = fingerprints(folder, progress)
    kinds = {
        "missing": record.files.keys() - now.keys(),
        "changed": {name for name in record.files.keys() & now if record.files[name] != now[name]},
        "not installed by MedAssist": now.keys() - record.files.keys(),
    }
    return "; ".join(f"{kind}: {_some(names)}" for kind, names in kinds.items() if names)


def _some(names: set[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(sorted(names)[:_SHOWN]) + more
