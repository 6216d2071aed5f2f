"""What the host says when it is asked for something that it does not have."""

from __future__ import annotations


class MissingStandInError(NotImplementedError):
    """Slicer has it and the host does not: write a stand-in, or do without it.

    Args:
        name: What was asked for, as its user wrote it.
        where: Where it was asked for.
    """

    def __init__(self, name: str, where: str = "") -> None:
        place = f" ({where})" if where else ""
        super().__init__(f"the test host has no stand-in for {name}{place}")
        self.name = name


class NotInSlicerError(TypeError):
    """Real PySide allows it, and Slicer's PythonQt does not or would silently ignore it."""
