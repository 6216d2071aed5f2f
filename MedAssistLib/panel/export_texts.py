"""What the section "Export" says of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from MedAssistLib.panel.text import tr as _

_MOST_LISTED = 12
_KILOBYTE = 1000.0


def replace_question(folder: Path, there: Sequence[str]) -> str:
    """Return the question whether files may be replaced."""
    if len(there) == 1:
        text = _("{name} is in the folder {folder} already. Replace it?")
        return text.format(name=there[0], folder=folder.name)
    text = _("{n} of these files are in the folder {folder} already. Replace them?")
    return text.format(n=len(there), folder=folder.name)


def written_text(answer: Mapping[str, Any], state: str) -> str:
    """Return what was written, line by line.

    Args:
        answer: The worker's; see :func:`MedAssistLib.worker.export_jobs.export`.
        state: What became of it besides; may be empty.
    """
    files = [(Path(path), size) for path, size in answer["files"]]
    total = sum(size for _path, size in files)
    lines = [_("Written, {size}:").format(size=amount(total)), *_listed(files)]
    lines += [f"⚠ {text}" for text in (*answer["notes"], *answer["warnings"])]
    return "\n".join([*lines, *([state] if state else [])])


def amount(size: float) -> str:
    """Return a number of bytes in words."""
    if size < 0.05 * _KILOBYTE**2:
        return _("{n} kB").format(n=max(1, round(size / _KILOBYTE)))
    return _("{n} MB").format(n=f"{size / _KILOBYTE**2:.1f}")


def _listed(files: Iterable[tuple[Path, int]]) -> Iterator[str]:
    """Yield a line a file, and one for the rest of very many."""
    lines = [_("{name}, {size}").format(name=path.name, size=amount(size)) for path, size in files]
    yield from lines[:_MOST_LISTED]
    if len(lines) > _MOST_LISTED:
        yield _("and {n} more").format(n=len(lines) - _MOST_LISTED)
