"""The DICOM series that a volume was read from: what a DICOM export refers to.

Slicer notes the instances of a volume, and its database knows their files. A folder that the user
chose goes before them; the volume keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MedAssistLib.panel.context import Context
from MedAssistLib.panel.glue import Ticker
from MedAssistLib.panel.series_oddities import INSTANCES, Search, look_up
from MedAssistLib.panel.text import tr as _

FOLDER = "MedAssist.dicomFolder"
"""Attribute of volume nodes: the folder, zip or file that the user chose."""
_TURN_EVERY_MS = 50
# Files that were missing may have come into the database since.
_AGAIN_AFTER_S = 5.0


@dataclass(frozen=True)
class Series:
    """Where the DICOM series of a volume is.

    Attributes:
        files: Its files, by Slicer's database.
        folder: The folder that the user chose.
        text: The same in words, or why there is none.
        searching: Whether the answer is still to come.
    """

    files: tuple[str, ...] = ()
    folder: str = ""
    text: str = ""
    searching: bool = False

    @property
    def known(self) -> bool:
        """Whether a DICOM export knows where to look."""
        return bool(self.files or self.folder)

    @property
    def request(self) -> dict[str, Any]:
        """The same for the worker; see :func:`MedAssistLib.worker.export_jobs.export`."""
        if self.folder:
            return {"folder": self.folder}
        return {"files": list(self.files)} if self.files else {}


class SeriesFiles:
    """Looks up the files of volumes in short turns: only the window's thread may ask.

    Args:
        context: The panel's.
        changed: Called when an answer has come.
    """

    def __init__(self, context: Context, changed: Callable[[], None]) -> None:
        self._context, self._changed = context, changed
        self._found: dict[str, tuple[str, ...] | None] = {}
        self._missed: dict[str, float] = {}
        self._searches: list[Search] = []
        self._ticker = Ticker(_TURN_EVERY_MS, self._search)

    def of(self, volume: Any) -> Series:
        """Return where a volume's series is; a search begins if nobody asked yet."""
        folder = volume.GetAttribute(FOLDER) or ""
        if folder:
            return Series(folder=folder, text=_("the folder {name}").format(name=Path(folder).name))
        instances = volume.GetAttribute(INSTANCES)
        if not instances:
            return Series(text=_("this volume was not loaded from DICOM"))
        missed = self._missed.get(instances)
        if instances not in self._found or (
            missed is not None and time.monotonic() - missed > _AGAIN_AFTER_S
        ):
            self._missed.pop(instances, None)
            self._found[instances] = None
            self._searches.append(Search(instances, iter(instances.split())))
            self._ticker.start()
        files = self._found[instances]
        if files is None:
            return Series(text=_("looking for its files"), searching=True)
        if not files:
            return Series(text=_("Slicer's database does not have all of its files any more"))
        return Series(files=files, text=_("{n} files of Slicer's database").format(n=len(files)))

    def close(self) -> None:
        """Stop looking."""
        self._ticker.stop()

    def _search(self) -> None:
        search = self._searches[0]
        if not look_up(search):
            self._searches.pop(0)
            self._found[search.instances] = tuple(dict.fromkeys(search.files))
            if not search.files:
                self._missed[search.instances] = time.monotonic()
            self._changed()
        if not self._searches:
            self._ticker.stop()
