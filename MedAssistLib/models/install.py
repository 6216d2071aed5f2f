"""Putting models into the user's folder: whole or not at all."""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from MedAssistLib.errors import ModelError, UsageError, cannot_write
from MedAssistLib.files import make_folder
from MedAssistLib.models import catalogue
from MedAssistLib.models.archive import require_space
from MedAssistLib.models.card import ModelCard
from MedAssistLib.models.catalogue import Entry, RemoteFile
from MedAssistLib.models.download import fetch
from MedAssistLib.models.hashes import digest, is_first_time, remember
from MedAssistLib.models.intake import take
from MedAssistLib.models.record import Fingerprint, Origin, Record, fingerprints, write_record
from MedAssistLib.models.store import (
    CONTENT,
    DOWNLOADS,
    describe,
    models_folder,
    shipped,
    stored_names,
)
from MedAssistLib.progress import Progress

_HASHES = "hashes.json"
_LEFT_OVER_S = 86_400
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}(?<!\.)")


def add(sources: Sequence[Path], progress: Progress, *, name: str = "") -> str:
    """Copy a model that the user has into the user's folder.

    Args:
        sources: A model's folder, zip or file; several if a model is published in parts.
        progress: Told how far it is.
        name: What to call it; empty to take the name that the catalogue or its files give.

    Returns:
        Its name.

    Raises:
        ModelError: If it is no model that MedAssist can run, not safe, damaged, or its name taken.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    entry = catalogue.recognised(sources)
    name = name or (entry.name if entry else "")
    if name:
        require_free(name)
    with _workshop() as work:
        origins = []
        for number, source in enumerate(sources):
            start, stop = number / len(sources), (number + 1) / len(sources)
            part = progress.part(f"Taking {source.name}", 0.7 * start, 0.7 * stop)
            take(source, work / CONTENT, part)
            sha256 = digest(source, part) if source.is_file() else ""
            origins.append(Origin(name=source.resolve().name, url="", sha256=sha256))
        return _install(work, name, entry, origins, progress.part("Checking", 0.7, 1.0))


def download(entry: Entry, progress: Progress) -> tuple[str, dict[str, bool]]:
    """Download a model into the user's folder.

    Args:
        entry: What to download.
        progress: Told how far it is.

    Returns:
        Its name, and for each address whether its SHA-256 is only now recorded, because nobody
        knew it before.

    Raises:
        ModelError: If it cannot be had, is not what it should be, or its name is taken.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop; calling again goes on.
    """
    require_free(entry.name)
    require_obtainable(entry)
    folder = make_folder(models_folder() / DOWNLOADS / entry.name)
    there = sum(path.stat().st_size for path in folder.iterdir())
    # The zips and, for a while beside them, what they hold, which is no smaller.
    require_space(folder, max(0, entry.size - there) + entry.size)
    origins, paths = [], []
    for file, part in _shares(entry.files, progress.part("", 0.0, 0.8)):
        path, sha256 = fetch(file, folder, part)
        origins.append(Origin(name=file.name, url=file.url, sha256=sha256))
        paths.append(path)
    try:
        first = _first_times(entry, origins)
        with _workshop() as work:
            for path, origin in zip(paths, origins, strict=True):
                part = progress.part(f"Unpacking {origin.name}", 0.8, 0.9)
                take(path, work / CONTENT, part, name=origin.name)
            name = _install(work, entry.name, entry, origins, progress.part("Checking", 0.9, 1.0))
    except ModelError:
        # What arrived is complete and yet of no use: another try must begin anew.
        shutil.rmtree(folder, ignore_errors=True)
        raise
    # Only now: what a network's log-in page answers must not be taken for the publisher's file.
    remember(models_folder() / _HASHES, {origin.url: origin.sha256 for origin in origins})
    shutil.rmtree(folder, ignore_errors=True)
    return name, first


def _shares(
    files: Sequence[RemoteFile], progress: Progress
) -> Iterator[tuple[RemoteFile, Progress]]:
    for number, file in enumerate(files):
        start, stop = number / len(files), (number + 1) / len(files)
        yield file, progress.part(f"Downloading {file.name}", start, stop)


def _first_times(entry: Entry, origins: Sequence[Origin]) -> dict[str, bool]:
    """Tell of each file whether there is nothing to compare its SHA-256 with."""
    book = models_folder() / _HASHES
    return {
        file.url: not file.sha256 and is_first_time(book, file.url, origin.sha256)
        for file, origin in zip(entry.files, origins, strict=True)
    }


def require_obtainable(entry: Entry) -> None:
    """Refuse an entry that only its publisher hands out.

    Raises:
        ModelError: That says how to get it.
    """
    if not entry.files:
        what = f"only its publisher hands it out. {entry.terms}"
        hint = f"Get it with TotalSegmentator itself, then: medassist models add {entry.folder}"
        raise ModelError(what, where=f"model {entry.name}", hint=hint)


def require_free(name: str) -> None:
    """Refuse a name that is taken or cannot be a folder's.

    Raises:
        UsageError: If it cannot be a folder's name.
        ModelError: If it is taken.
    """
    if not _NAME.fullmatch(name):
        hint = "Use letters, digits, - and _"
        raise UsageError(f'"{name}" cannot be the name of a model', hint=hint)
    taken = [card.name for card in shipped()] + stored_names()
    # Windows and macOS take names that differ in case only for the same.
    if name.casefold() in [other.casefold() for other in taken]:
        hint = f"Remove it first (medassist models remove {name}), or choose another with --name"
        raise ModelError(f'there is already a model "{name}"', hint=hint)


@contextmanager
def _workshop() -> Iterator[Path]:
    """Give a hidden folder in the store, on the same disk; it is gone afterwards."""
    store = make_folder(models_folder())
    try:
        work = Path(tempfile.mkdtemp(prefix=".new-", dir=store))
        # What a crash left behind is as large as a model.
        for old in (*store.glob(".new-*"), *store.glob(".removed-*")):
            if time.time() - old.stat().st_mtime > _LEFT_OVER_S:
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise cannot_write(store, error) from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _install(
    work: Path, name: str, entry: Entry | None, origins: Sequence[Origin], progress: Progress
) -> str:
    """Check what lies in the workshop, and give it its place in one step."""
    marks = fingerprints(work / CONTENT, progress)
    card = describe(work / CONTENT)
    _require_whole(card, work / CONTENT, marks)
    name = name or re.sub(r"[^A-Za-z0-9._+-]+", "-", card.name).strip("-.")
    require_free(name)
    record = Record(
        title=entry.title if entry else "",
        licence=(entry and entry.licence) or card.licence or "not stated",
        terms=entry.terms if entry else "",
        source=(entry and entry.source) or card.source or "not stated",
        added=datetime.now(UTC).date().isoformat(),
        origins=tuple(origins),
        files=marks,
    )
    write_record(record, work)
    try:
        work.rename(models_folder() / name)
    except OSError as error:
        raise cannot_write(models_folder() / name, error) from error
    return name


def _require_whole(card: ModelCard, content: Path, marks: Mapping[str, Fingerprint]) -> None:
    """Refuse a model whose card means files that are not there, are others, or lie elsewhere."""
    if card.package:
        hint = f"Install it instead: pip install {card.package}"
        raise ModelError("its weights come in a Python package", where=card.name, hint=hint)
    for entry in card.weights.values():
        path = (card.folder / entry.path).resolve()
        inside = path.is_relative_to(content.resolve())
        mark = marks.get(path.relative_to(content.resolve()).as_posix()) if inside else None
        if mark is None:
            raise ModelError(f'its weights "{entry.path}" are not in it', where=card.name)
        if mark.size != entry.size or (entry.sha256 and mark.sha256 != entry.sha256):
            what = f'its weights "{entry.path}" are not those that its card means'
            raise ModelError(what, where=card.name, hint="Copy or download it again")
