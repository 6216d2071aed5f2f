"""How stand-ins declare properties: as Qt's own, so that ``.ui`` files and scripts can set them."""

from __future__ import annotations

from typing import Any

from PySide6 import QtCore


def stored(name: str, kind: Any, default: Any, changed: str = "") -> Any:
    """Return a property that keeps its value, and calls a method when it is set.

    Args:
        name: Its name, by which the value is kept.
        kind: Its type; ``"QStringList"`` for a list of texts, which reads back as a tuple.
        default: Its value at first.
        changed: The method to call after setting, without arguments.
    """
    slot = f"_{name}"

    def read(self: Any) -> Any:
        value = self.__dict__.get(slot, default)
        return tuple(value) if kind == "QStringList" else value

    def write(self: Any, value: Any) -> None:
        self.__dict__[slot] = tuple(value) if kind == "QStringList" else value
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, read, write)


def with_setters(kind: type) -> type:
    """Give a class ``setName(value)`` for each of its own properties, as Qt's classes have."""
    for name, found in list(vars(kind).items()):
        setter = f"set{name[0].upper()}{name[1:]}"
        if isinstance(found, QtCore.Property) and not hasattr(kind, setter):
            setattr(kind, setter, _setter(name))
    return kind


def _setter(name: str) -> Any:
    def set_value(self: Any, value: Any) -> None:
        setattr(self, name, value)

    return set_value
