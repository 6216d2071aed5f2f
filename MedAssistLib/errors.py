"""The errors that a user can meet: each says what is wrong, where, and what to do about it."""

from __future__ import annotations

import errno
import os
from typing import ClassVar


class MedAssistError(Exception):
    """Anything that MedAssist refuses or cannot do.

    Args:
        what: What is wrong, in plain words, without a full stop.
        where: The file, folder, model or option that it is about.
        hint: What the user can do, in plain words, without a full stop.
    """

    kind: ClassVar[str] = "error"
    exit_status: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str | os.PathLike[str] = "", hint: str = "") -> None:
        self.what = _one_line(what)
        self.where = _one_line(os.fspath(where))
        self.hint = _one_line(hint)
        super().__init__(self.what)

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        advice = f". {self.hint}" if self.hint else ""
        return f"{place}{self.what}{advice}"


class UsageError(MedAssistError):
    """An option or argument that makes no sense."""

    kind = "usage"
    exit_status = 2


class InputError(MedAssistError):
    """A scan, segmentation or other input that is missing, unreadable or not usable."""

    kind = "input"
    exit_status = 3


class ModelError(MedAssistError):
    """A model that is missing, unknown, unsafe, or does not fit the scan."""

    kind = "model"
    exit_status = 4


class ResourceError(MedAssistError):
    """Not enough memory or disk, an output that cannot be written, or a missing system library."""

    kind = "resource"
    exit_status = 5


class CancelledError(MedAssistError):
    """The user asked to stop."""

    kind = "cancelled"
    exit_status = 130

    def __init__(self) -> None:
        super().__init__("cancelled")


def cannot_write(path: str | os.PathLike[str], cause: OSError) -> ResourceError:
    """Turn the system's refusal to write ``path`` into an error that says what to do."""
    if cause.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        hint = "Free some space or choose another disk; any earlier file is as it was"
        return ResourceError("there is not enough space to write it", where=path, hint=hint)
    reason = (cause.strerror or str(cause)).lower()
    hint = "Choose a folder that exists and that you may write to; any earlier file is as it was"
    return ResourceError(f"cannot be written ({reason})", where=path, hint=hint)


def _one_line(text: str) -> str:
    """Collapse line breaks, because an error is one line wherever it is shown."""
    return " ".join(text.split())
