"""Downloading one file: going on where an earlier try stopped, and checking what arrived."""

from __future__ import annotations

import json
import time
from pathlib import Path

from MedAssistLib.errors import ModelError, cannot_write
from MedAssistLib.files import write_text
from MedAssistLib.models.archive import require_space
from MedAssistLib.models.catalogue import RemoteFile, require_safe_address
from MedAssistLib.models.hashes import digest
from MedAssistLib.models.transfer import Interrupted, Transfer
from MedAssistLib.progress import Progress

# Tries in a row that bring nothing new, and the seconds to wait before the first of them.
_TRIES = 4
_WAIT_S = 0.5


def announced_size(url: str, progress: Progress) -> int:
    """Ask a server how large a file is, in bytes.

    Raises:
        ModelError: If it does not answer, or does not say.
        CancelledError: If the user asked to stop.
    """
    try:
        with Transfer(url, {"Range": "bytes=0-0"}, require_safe_address) as transfer:
            return transfer.head(progress).total
    except Interrupted as error:
        raise _unreachable(url, error) from error


def fetch(remote: RemoteFile, folder: Path, progress: Progress) -> tuple[Path, str]:
    """Download a file, or the rest of it if an earlier call was interrupted.

    Args:
        remote: The file.
        folder: Where to; what has arrived so far is kept there when the call fails.
        progress: Told how much is there; looked at several times a second.

    Returns:
        The path of the complete file, and its SHA-256.

    Raises:
        ModelError: If the server refuses, cannot be reached, or gives something else than
            ``remote`` says.
        ResourceError: If the disk is too small.
        CancelledError: If the user asked to stop.
    """
    part = folder / f"{remote.name}.part"
    failures, furthest = 0, _size(part)
    while True:
        try:
            _go_on(remote, part, progress)
            break
        except Interrupted as error:
            if error.stale:
                _note(part).unlink(missing_ok=True)
            failures = 0 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures == _TRIES:
                raise _unreachable(remote.url, error) from error
            _wait(_WAIT_S * 2**failures, progress)
    found = digest(part, progress)
    if remote.sha256 and found != remote.sha256:
        part.unlink()
        hint = "Try again; if it stays so, the publisher replaced the file or somebody else did"
        what = f"is not the file that was meant: its SHA-256 is {found}, not {remote.sha256}"
        raise ModelError(what, where=remote.url, hint=hint)
    return part, found


def _go_on(remote: RemoteFile, part: Path, progress: Progress) -> None:
    """Download from where the part ends; returns when it is complete."""
    have, validator, total = _so_far(part, remote.url)
    if have and have == total:
        return
    # If-Range: a server whose file has changed since gives all of the new one.
    resume = {"Range": f"bytes={have}-", "If-Range": validator} if have and validator else {}
    with Transfer(remote.url, resume, require_safe_address) as transfer:
        head = transfer.head(progress)
        if remote.size not in (0, head.total):
            what = f"is {head.total} bytes large on the server, not {remote.size}"
            hint = "The publisher replaced it, or something on the way answered in its place"
            raise ModelError(what, where=remote.url, hint=hint)
        if head.start and (head.start, head.total) != (have, total):
            raise Interrupted("the server goes on with something else", stale=True)
        require_space(part, head.total - head.start)
        if not head.start:
            part.unlink(missing_ok=True)
        note = {"url": remote.url, "validator": head.validator, "total": head.total}
        write_text(_note(part), json.dumps(note))
        _receive(transfer, part, head.start, head.total, progress)


def _receive(transfer: Transfer, part: Path, start: int, total: int, progress: Progress) -> None:
    count = start
    try:
        with part.open("r+b" if start else "wb") as stream:
            stream.truncate(start)
            stream.seek(start)
            for chunk in transfer.chunks(progress):
                count += len(chunk)
                if count > total:
                    raise Interrupted("the server gives more than it said", stale=True)
                stream.write(chunk)
                progress.update(count / total)
    except OSError as error:
        raise cannot_write(part, error) from error
    if count < total:
        raise Interrupted("the connection broke")


def _so_far(part: Path, url: str) -> tuple[int, str, int]:
    """Return the bytes that are there, the server's mark of that version, and its full size."""
    try:
        note = json.loads(_note(part).read_text(encoding="utf-8"))
        if note["url"] == url and 0 < _size(part) <= note["total"]:
            return _size(part), str(note["validator"]), int(note["total"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # Without a readable note nobody knows what the part is: begin again.
    return 0, "", 0


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _wait(seconds: float, progress: Progress) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        progress.check()
        time.sleep(0.05)


def _unreachable(url: str, cause: Interrupted) -> ModelError:
    hint = "Run the same command again to go on, or get the file with a browser and add it"
    return ModelError(f"cannot be downloaded now: {cause}", where=url, hint=hint)
