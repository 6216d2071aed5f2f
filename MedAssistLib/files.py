"""Writing files so that an interrupted run leaves the old one or the new one, never half of it."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from MedAssistLib.errors import InputError, ResourceError, cannot_write

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary file beside ``path`` to write to; rename it to ``path`` if all went well.

    The temporary name ends like ``path``, because many writers choose the format by the suffix.

    Raises:
        ResourceError: If the folder is missing or read-only, or the disk is full.
    """
    final = Path(path)
    folder = _folder_beside(final)
    temporary = folder / final.name
    try:
        yield temporary
        _flush(temporary)
        os.replace(temporary, final)
    except OSError as error:
        raise cannot_write(final, error) from error
    finally:
        _remove(temporary, folder)


def require_writable(path: str | os.PathLike[str]) -> None:
    """Refuse, before any work is done, a path that :func:`replacing` could not write to.

    Raises:
        ResourceError: If it is a folder, or its folder is missing or read-only.
    """
    _folder_beside(Path(path)).rmdir()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 with line feeds, replacing ``path`` in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """Return CSV (RFC 4180) with a header.

    Text that a spreadsheet would take for a formula, and run, gets an apostrophe before it, as
    OWASP advises; a name from a file must not start a program.

    Args:
        columns: Names of the columns.
        rows: The fields of each row by column; a missing one is empty.
    """
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows({name: _harmless(field) for name, field in row.items()} for row in rows)
    return text.getvalue()


def _harmless(field: object) -> object:
    if not isinstance(field, str) or not field.startswith(_FORMULA):
        return field
    try:
        float(field)
    except ValueError:
        return f"'{field}"
    return field


@contextmanager
def readable(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading.

    Raises:
        InputError: If the system refuses.
    """
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "Check that you may read it"
        raise InputError(f"cannot be read ({reason})", where=path, hint=hint) from error


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder for outputs, with its parents.

    Raises:
        ResourceError: If it cannot be made.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return folder


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder_beside(final: Path) -> Path:
    """Make a temporary folder on the disk that ``final`` shall be on."""
    if final.is_dir():
        raise ResourceError("is a folder", where=final, hint="Give the name of a file")
    try:
        return Path(tempfile.mkdtemp(prefix=".medassist-", dir=final.parent.absolute()))
    except OSError as error:
        raise cannot_write(final, error) from error


def _flush(path: Path) -> None:
    """Push the file to the disk: a full one may only say so now."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def _remove(temporary: Path, folder: Path) -> None:
    """Remove what a failed write left behind, without hiding the error that made it fail."""
    try:
        temporary.unlink(missing_ok=True)
        folder.rmdir()
    except OSError:
        pass
