"""Slicer's DICOM database: what was written can be found there again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ctk
import slicer

from MedAssistLib.panel.glue import on


class DicomDatabase:
    """Adds files to the database, which keeps a copy of each, in a thread of CTK.

    Args:
        added: Called once all are in.
    """

    def __init__(self, added: Callable[[], None]) -> None:
        self._added = added
        self._indexer: Any = None

    @property
    def open(self) -> bool:
        """Whether there is a database, and it is in use."""
        database = getattr(slicer, "dicomDatabase", None)
        return bool(getattr(database, "isOpen", False))

    def add(self, paths: Sequence[Path]) -> None:
        """Add DICOM files, and those in folders."""
        if self._indexer is None:
            self._indexer = ctk.ctkDICOMIndexer()
            self._indexer.backgroundImportEnabled = True
            signal = "indexingComplete(int,int,int,int)"
            on(self._indexer, signal, lambda _patients: self._complete())
        files = [str(path) for path in paths if path.suffix == ".dcm"]
        if files:
            self._indexer.addListOfFiles(slicer.dicomDatabase, files, True)
        for path in paths:
            if str(path) not in files:
                self._indexer.addDirectory(slicer.dicomDatabase, str(path), True)

    def _complete(self) -> None:
        # Another connection wrote: whoever shows the database does not know yet.
        if self.open:
            slicer.dicomDatabase.databaseChanged()
        self._added()
