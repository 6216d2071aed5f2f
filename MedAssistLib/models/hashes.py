"""SHA-256 of large files, and what files of a publisher had when they were first downloaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from MedAssistLib.errors import ModelError
from MedAssistLib.files import write_text
from MedAssistLib.progress import Progress

_CHUNK = 1 << 20


def digest(path: Path, progress: Progress) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits; stops within a mebibyte.

    Raises:
        ModelError: If it cannot be read.
        CancelledError: If the user asked to stop.
    """
    result = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                progress.check()
                result.update(chunk)
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", where=path) from error
    return result.hexdigest()


def is_first_time(book: Path, url: str, sha256: str) -> bool:
    """Compare a download with the first one of the same address.

    Args:
        book: The JSON file that keeps the first ones.
        url: Where the file came from.
        sha256: What it has now.

    Returns:
        Whether this is the first time, so that there is nothing to compare with.

    Raises:
        ModelError: If it was another file the first time, or ``book`` is not readable.
    """
    first = _read(book).get(url)
    if first and first["sha256"] != sha256:
        what = f"is another file than on {first['seen']}: its SHA-256 was {first['sha256']}"
        hint = f"If the publisher replaced it on purpose, delete its entry in {book}"
        raise ModelError(what, where=url, hint=hint)
    return first is None


def remember(book: Path, found: Mapping[str, str]) -> None:
    """Record the SHA-256 of files by their address, for :func:`is_first_time`.

    Raises:
        ResourceError: If it cannot be written.
    """
    seen = datetime.now(UTC).date().isoformat()
    new = {url: {"sha256": sha256, "seen": seen} for url, sha256 in found.items()}
    write_text(book, json.dumps({**new, **_read(book)}, indent=2) + "\n")


def _read(book: Path) -> dict[str, dict[str, str]]:
    try:
        first: dict[str, dict[str, str]] = json.loads(book.read_text(encoding="utf-8"))
        if all({"sha256", "seen"} <= set(entry) for entry in first.values()):
            return first
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError):
        pass
    raise ModelError("is not readable", where=book, hint="Delete it to record all hashes anew")
