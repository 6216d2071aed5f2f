"""What a user chose once for all cases, kept by Slicer's settings."""

from __future__ import annotations

import qt

from MedAssistLib.panel.text import tr as _

_PREFIX = "MedAssist/"


class Settings:
    """The user's settings; a value that is not possible any more is as none."""

    @property
    def device(self) -> str:
        """Where models run."""
        found = self._text("Device")
        return found if found in device_texts() else "auto"

    @device.setter
    def device(self, name: str) -> None:
        self._keep("Device", name)

    @property
    def folder(self) -> str:
        """Where files were last chosen; empty if nowhere yet."""
        return self._text("Folder")

    @folder.setter
    def folder(self, path: str) -> None:
        self._keep("Folder", path)

    def _text(self, name: str) -> str:
        found = qt.QSettings().value(_PREFIX + name)
        return found if isinstance(found, str) else ""

    def _keep(self, name: str, value: str) -> None:
        qt.QSettings().setValue(_PREFIX + name, value)


def device_texts() -> dict[str, str]:
    """Return the devices of :mod:`MedAssistLib.segment.options`, with a text for each.

    That package is not imported here: it takes longer than all of the panel.
    """
    return {
        "auto": _("automatic"),
        "cpu": _("processor"),
        "cuda": _("NVIDIA card"),
        "mps": _("Apple graphics"),
    }
