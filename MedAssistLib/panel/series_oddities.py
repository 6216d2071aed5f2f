"""What is odd about the DICOM files of a volume that Slicer loaded by itself.

Slicer notes which files a volume came from, and not what was odd about them. The files are looked
up in Slicer's database in short turns, because only the window's thread may ask it, and read by a
background process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import slicer

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import Ticker
from MedAssistLib.panel.jobs import Job

INSTANCES = "DICOM.instanceUIDs"
"""Attribute of volume nodes: SOP Instance UIDs with blanks between, as Slicer's reader writes."""

_TURN_S, _TURN_EVERY_MS = 0.01, 50


@dataclass
class Search:
    """The files of one volume, found one after the other.

    Attributes:
        instances: SOP Instance UIDs with blanks between.
        left: Those that were not looked up yet.
        files: The files of the others; none at all if one is missing.
    """

    instances: str
    left: Iterator[str]
    files: list[str] = field(default_factory=list)


class SeriesOddities:
    """Answers by volume; a question that was not asked yet is asked.

    Args:
        context: The panel's.
        changed: Called when an answer has come.
    """

    def __init__(self, context: Context, changed: Callable[[], None]) -> None:
        self._context, self._changed = context, changed
        self._found: dict[str, tuple[str, ...]] = {}
        self._searches: list[Search] = []
        self._ticker = Ticker(_TURN_EVERY_MS, self._search)

    def of(self, volume: Any) -> tuple[str, ...]:
        """Return what is odd, a sentence each; none while it is not known."""
        instances = volume.GetAttribute(INSTANCES)
        if not instances:
            return ()
        if instances not in self._found:
            self._found[instances] = ()
            self._searches.append(Search(instances, iter(instances.split())))
            self._ticker.start()
        return self._found[instances]

    def close(self) -> None:
        """Stop looking."""
        self._ticker.stop()

    def _search(self) -> None:
        search = self._searches.pop()
        if look_up(search):
            self._searches.append(search)
        elif search.files:
            self._ask(search)
        if not self._searches:
            self._ticker.stop()

    def _ask(self, search: Search) -> None:
        job = Job(
            title="",
            verb="oddities",
            request={"files": search.files},
            land=lambda _job, answer: self._take(search.instances, answer),
            quiet=True,
        )
        self._context.submit("ask", job)

    def _take(self, instances: str, answer: Mapping[str, Any]) -> None:
        self._found[instances] = tuple(answer["odd"])
        self._changed()


def look_up(search: Search) -> bool:
    """Look up files for a moment; return whether some are left."""
    database = getattr(slicer, "dicomDatabase", None)
    until = time.monotonic() + _TURN_S
    for instance in search.left:
        name = database.fileForInstance(instance) if database else ""
        if not name:  # Without one of them its slice would seem to be missing.
            search.files.clear()
            return False
        search.files.append(str(name))
        if time.monotonic() > until:
            return True
    return False
