"""How much memory a run will take, asked of the background process once for each case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from MedAssistLib.errors import InputError
from MedAssistLib.panel.context import Context
from MedAssistLib.panel.jobs import Job
from MedAssistLib.scene.grid import grid_of


class Estimates:
    """Answers by model and grid; a question that was not asked yet is asked."""

    def __init__(self, context: Context, changed: Callable[[], None]) -> None:
        self._context, self._changed = context, changed
        self._found: dict[tuple[Any, ...], Mapping[str, Any] | None] = {}

    def of(self, model: str, volume: Any) -> Mapping[str, Any] | None:
        """Return the worker's estimate; ``None`` while it is not known."""
        if volume.GetImageData() is None:
            return None
        try:
            direction = grid_of(volume).GetDirection()
        except InputError:
            return None
        size, spacing = volume.GetImageData().GetDimensions(), volume.GetSpacing()
        key = (model, size, spacing, direction)
        if key not in self._found:
            self._found[key] = None
            request = {"model": model, "size": size, "spacing": spacing, "direction": direction}
            self._context.submit(
                "ask",
                Job(
                    title="",
                    verb="estimate",
                    request=request,
                    land=lambda _job, answer: self._take(key, answer),
                    quiet=True,
                ),
            )
        return self._found[key]

    def _take(self, key: tuple[Any, ...], answer: Mapping[str, Any]) -> None:
        self._found[key] = answer
        self._changed()
