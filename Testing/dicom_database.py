"""Stand-ins for Slicer's DICOM database and CTK's indexer, as far as MedAssist uses them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pydicom
from PySide6 import QtCore


class Database:
    """Stands in for ``slicer.dicomDatabase``.

    Attributes:
        files: Paths by SOP Instance UID.
        isOpen: Whether it is in use; a property in PythonQt.
        told: How often whoever shows it was told that it has changed.
    """

    def __init__(self, files: Sequence[Path] = ()) -> None:
        self.files = {_instance(path): str(path) for path in files}
        self.isOpen, self.told = True, 0

    def fileForInstance(self, uid: str) -> str:  # noqa: N802 - Qt's name
        """Return the file of an instance, or nothing."""
        return self.files.get(uid, "")

    def databaseChanged(self) -> None:  # noqa: N802
        """Tell whoever shows it."""
        self.told += 1


class Indexer(QtCore.QObject):
    """Stands in for ``ctk.ctkDICOMIndexer``: works only in the background, and copies.

    Attributes:
        added: What was added, in order.
    """

    indexingComplete = QtCore.Signal(int, int, int, int)  # noqa: N815 - Qt's name
    SIGNALS = ("indexingComplete(int,int,int,int)",)
    added: ClassVar[list[Path]] = []

    def __init__(self) -> None:
        super().__init__()
        self.backgroundImportEnabled = False

    def addListOfFiles(self, database: Database, files: Any, copy: Any) -> None:  # noqa: N802
        """Add files to a database."""
        self._add(database, [Path(name) for name in files], copy)

    def addDirectory(self, database: Database, folder: str, copy: Any) -> None:  # noqa: N802
        """Add the files of a folder to a database."""
        self._add(database, [p for p in sorted(Path(folder).rglob("*")) if p.is_file()], copy)

    def _add(self, database: Database, files: list[Path], copy: Any) -> None:
        assert self.backgroundImportEnabled, "the window would wait"
        assert copy is True, "files that are moved would be missing in the database"
        assert database.isOpen
        QtCore.QTimer.singleShot(50, lambda: self._finish(database, files))

    def _finish(self, database: Database, files: list[Path]) -> None:
        for path in files:
            database.files[_instance(path)] = str(path)
        Indexer.added += files
        self.indexingComplete.emit(1, 1, 1, len(files))


def _instance(path: Path) -> str:
    data = pydicom.dcmread(path, stop_before_pixels=True)
    return str(data.SOPInstanceUID or data.file_meta.MediaStorageSOPInstanceUID)
