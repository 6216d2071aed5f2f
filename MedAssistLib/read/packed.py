"""Unpacking gzip files that a stranger may have made."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

from MedAssistLib.archive import pour
from MedAssistLib.errors import InputError
from MedAssistLib.progress import Progress
from MedAssistLib.read.kinds import Kind, kind_of

MOST_RATIO = 200.0
"""The most that honest content shrinks; a bomb shrinks a thousandfold."""

_MOST_BYTES = 20 * 10**9
# Below this size even a bomb hurts nobody.
_RATIO_MATTERS_FROM = 200 * 10**6


def unpack_gzip(source: Path, target: Path, progress: Progress, most: int = _MOST_BYTES) -> None:
    """Unpack a gzip file.

    Args:
        source: The file.
        target: Where to; it must not be there yet.
        progress: Told how far it is.
        most: Bytes from which it is refused.

    Raises:
        InputError: If it is damaged, or grows to more than honest content does.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    size = source.stat().st_size
    try:
        with gzip.open(source) as stream:
            most = int(min(most, max(size * MOST_RATIO, _RATIO_MATTERS_FROM)))
            limited = cast("IO[bytes]", _Limited(stream, source, most))
            pour(limited, target, size, progress, lasting=False)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        hint = "Copy or export it again"
        raise InputError("is a damaged packed file", where=source, hint=hint) from error


def packed_dicom(paths: Sequence[Path], progress: Progress) -> list[Path]:
    """Return those of some files that are DICOM, each packed by itself and named ``.gz``."""
    found = []
    for path in paths:
        if path.suffix.lower() == ".gz":
            progress.check()
            with contextlib.suppress(InputError):  # The listing will say that it cannot be read.
                if kind_of(path) is Kind.GZIP_DICOM:
                    found.append(path)
    return found


def unpack_each(
    packed: Sequence[Path], folder: Path, target: Path, progress: Progress
) -> tuple[dict[Path, Path], list[tuple[Path, str]]]:
    """Unpack gzip files, which together may not grow to more than honest content does.

    Args:
        packed: The files.
        folder: A folder above all of them.
        target: Where to; each keeps its name and its place below ``folder``.
        progress: Told how far it is.

    Returns:
        Where each lies now, and those that are damaged or grow too much, each with why.

    Raises:
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    total = sum(path.stat().st_size for path in packed)
    left = int(min(_MOST_BYTES, max(total * MOST_RATIO, _RATIO_MATTERS_FROM)))
    unpacked: dict[Path, Path] = {}
    refused: list[tuple[Path, str]] = []
    for number, path in enumerate(packed):
        part = progress.part("Unpacking", number / len(packed), (number + 1) / len(packed))
        place = target / path.relative_to(folder)
        try:
            unpack_gzip(path, place, part, left)
        except InputError as error:
            refused.append((path, error.what))
        else:
            unpacked[path] = place
        # What was refused counts too: a thousand bombs would keep the disk busy for hours.
        left = max(0, left - place.stat().st_size)
    return unpacked, refused


class _Limited:
    """A packed stream that refuses to grow without end."""

    def __init__(self, stream: gzip.GzipFile, source: Path, most: int) -> None:
        self._stream, self._source, self._most = stream, source, most
        self._count = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._count += len(chunk)
        if self._count > self._most:
            what = f"grows to more than {self._most / 1e9:.1f} GB when unpacked"
            raise InputError(what, where=self._source, hint="Unpack it yourself if you trust it")
        return chunk
