"""Reads ``.ui`` files as Slicer's loader does, and refuses what the host cannot make."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from Testing.host import widgets
from Testing.host.errors import MissingStandInError, NotInSlicerError
from Testing.host.pythonqt import loading
from Testing.host.signals import connect

_LAYOUT_LIKE = {"Line": "QFrame", "Spacer": "QSpacerItem"}


class QUiLoader:
    """Stands in for ``qt.QUiLoader``."""

    def load(self, file: QtCore.QIODevice, parent: Any = None) -> Any:
        """Return the widget that a file describes.

        Raises:
            MissingStandInError: If it has a widget of a class that the host lacks.
            NotInSlicerError: If it sets a property that the class does not have.
        """
        root = ET.fromstring(bytes(file.readAll().data()))  # noqa: S314 our own files
        used = {entry.get("class", "") for entry in root.iter("widget")}
        for name in used:
            _require_known(name, root)
        connections = _take_out_connections(root)
        loader = QtUiTools.QUiLoader()
        for name, kind in widgets.STAND_INS.items():
            if name in used:
                loader.registerCustomWidget(kind)
        buffer = QtCore.QBuffer()
        buffer.setData(ET.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        with loading():
            top = loader.load(buffer, parent)
        if top is None:
            raise NotInSlicerError(f"Qt cannot read the file: {loader.errorString()}")
        named = _named(top)
        top._named = named  # Python objects of the stand-ins must live as long as the widget
        _require_classes_and_properties(root, named)
        for link in connections:
            _wire(named, link)
        return top


def _require_known(name: str, root: ET.Element) -> None:
    if name in widgets.STAND_INS or name in _LAYOUT_LIKE or hasattr(QtWidgets, name):
        return
    raise MissingStandInError(name, f"in the .ui file of {root.findtext('class', '?')}")


def _take_out_connections(root: ET.Element) -> list[ET.Element]:
    """Return the file's connections: Qt cannot make those between Python's classes."""
    block = root.find("connections")
    if block is None:
        return []
    root.remove(block)
    return list(block.iter("connection"))


def _named(top: Any) -> dict[str, Any]:
    return {child.objectName: child for child in [top, *_descendants(top)] if child.objectName}


def _descendants(widget: Any) -> Iterable[Any]:
    return widget.findChildren(QtCore.QObject)


def _require_classes_and_properties(root: ET.Element, named: dict[str, Any]) -> None:
    for entry in root.iter("widget"):
        widget = named[entry.get("name", "")]
        meta = widget.metaObject()
        wanted = entry.get("class", "")
        if wanted not in _LAYOUT_LIKE and meta.className() != wanted:
            raise NotInSlicerError(
                f"{widget.objectName} became a {meta.className()}, not a {wanted}"
            )
        for item in entry.findall("property"):
            name = item.get("name", "")
            known = meta.indexOfProperty(name) >= 0 or item.get("stdset") == "0"
            if not known and wanted not in _LAYOUT_LIKE:
                raise NotInSlicerError(f"{wanted} has no property {name} ({widget.objectName})")


def _wire(named: dict[str, Any], link: ET.Element) -> None:
    ends = {part: link.findtext(part, "") for part in ("sender", "signal", "receiver", "slot")}
    sender, receiver = named[ends["sender"]], named[ends["receiver"]]
    slot = getattr(receiver, ends["slot"].partition("(")[0])
    connect(sender, ends["signal"], slot)
