"""Makes PySide6 behave as PythonQt, through which Slicer's scripts see Qt.

``install`` changes the classes of PySide6 for the whole process: properties are read and assigned
as attributes, ``connect("clicked(bool)", f)`` works, misspelt attributes raise. Where PythonQt
would ignore a mistake without a word (a signal that does not exist, a slot that never runs), the
host raises instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets

from Testing.host.errors import NotInSlicerError
from Testing.host.signals import by_name, connect, disconnect

_MODULES = (QtCore, QtGui, QtWidgets)
_READERS = {"checked": "isChecked", "enabled": "isEnabled", "visible": "isVisible"}
_TAKEN_OVER = {"connect": connect, "disconnect": disconnect}
_NUMBERS = {"int": int, "uint": int, "double": float, "float": float}
# Both the static function of this name and a property: scripts set it through setSingleShot.
_STATIC = {("QTimer", "singleShot")}
# Whether PySide's loader is at work, which hangs all children on the top widget by their names.
_loading = [False]


class QtProperty:
    """A property of Qt in the place of its getter, as PythonQt shows it.

    Args:
        meta: Qt's description of the property.
        getter: The method that it replaces, if the class has one of this name.
    """

    def __init__(self, meta: QtCore.QMetaProperty, getter: Any) -> None:
        self.name, self.getter = str(meta.name()), getter
        self.writable, self.number = meta.isWritable(), _NUMBERS.get(str(meta.typeName()))

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        if owner is None:
            return self.getter.__get__(None, kind) if self.getter is not None else self
        if self.getter is not None:
            value = self.getter.__get__(owner, kind)()
        else:
            value = owner.property(self.name)
        return tuple(value) if isinstance(value, list) else value

    def __set__(self, owner: Any, value: Any) -> None:
        if self.number is not None:
            if isinstance(value, str):
                raise NotInSlicerError(f"{self.name} takes a number, not {value!r}")
            value = self.number(value)
        if not self.writable or not owner.setProperty(self.name, value):
            raise NotInSlicerError(f"{type(owner).__name__}.{self.name} cannot be set to {value!r}")


@contextmanager
def loading() -> Iterator[None]:
    """Let PySide's loader hang children where it likes; PythonQt's does not, so nothing hangs."""
    _loading[0] = True
    try:
        yield
    finally:
        _loading[0] = False


def install() -> None:
    """Change PySide6's classes; a second call does nothing."""
    if getattr(QtCore.QObject, "className", None) is not None:
        return
    for kind in list(object_classes()):
        _show_properties(kind)
        kind.__setattr__ = _set_attribute
        if "__getattribute__" in vars(kind):  # also those with a static and an own method of a name
            kind.__getattribute__ = _getter(kind.__getattribute__)
    base: Any = QtCore.QObject
    base.__getattr__ = _child_or_dynamic
    base.className = lambda self: self.metaObject().className()
    base.delete = shiboken6.delete
    base.name = property(
        lambda self: self.objectName, lambda self, name: setattr(self, "objectName", name)
    )


def _getter(native: Any) -> Any:
    """Return a ``__getattribute__`` with PythonQt's ``connect`` and ``disconnect``."""

    def get_attribute(self: Any, name: str) -> Any:
        found = native(self, name)
        if name not in _TAKEN_OVER:
            return found
        # Qt itself connects through these names too, but never by PythonQt's strings.
        return lambda *given: _TAKEN_OVER[name](self, *given) if by_name(given) else found(*given)

    return get_attribute


def object_classes() -> Any:
    """Give every class of Qt that has properties; bases first."""
    found: dict[type, None] = {}
    for module in _MODULES:
        for name in dir(module):  # PySide fills its modules lazily: vars() would miss most
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, QtCore.QObject):
                found.update(
                    dict.fromkeys(
                        base for base in reversed(kind.__mro__) if issubclass(base, QtCore.QObject)
                    )
                )
    return found


def _show_properties(kind: Any) -> None:
    meta = kind.staticMetaObject
    for index in range(meta.propertyOffset(), meta.propertyCount()):
        entry = meta.property(index)
        name = str(entry.name())
        if (kind.__name__, name) in _STATIC:
            continue
        getter = _method(kind, name) or _method(kind, _READERS.get(name, ""))
        setattr(kind, name, QtProperty(entry, getter))
    for index in range(meta.propertyOffset()):  # getters that a class has anew, as sizeHint
        entry = meta.property(index)
        method = kind.__dict__.get(str(entry.name()))
        if method is not None and not isinstance(method, QtProperty):
            setattr(kind, str(entry.name()), QtProperty(entry, method))


def _method(kind: type, name: str) -> Any:
    """Return the plain method of a name, even where a property stands before it by now."""
    for base in kind.__mro__:
        found = base.__dict__.get(name)
        if found is not None:
            return found.getter if isinstance(found, QtProperty) else found
    return None


def _set_attribute(self: Any, name: str, value: Any) -> None:
    """Set a property or refuse, as PythonQt does; scripts' own classes may hold what they like."""
    own = type(self)
    for base in own.__mro__:
        if name in base.__dict__:
            found = base.__dict__[name]
            if isinstance(found, QtCore.Property) and found.fset is not None:
                found.fset(self, value)
                return
            if hasattr(type(found), "__set__"):
                type(found).__set__(found, self, value)
                return
            break
    if name in _dynamic_names(self):
        self.setProperty(name, value)
    elif (
        _is_written_in_cpp(own)
        and not name.startswith("_")
        and not isinstance(value, QtCore.SignalInstance)  # PySide keeps its signals here
    ):
        if not _loading[0]:
            raise AttributeError(f"{own.__name__} has no property {name!r}")
    else:
        shiboken6.Shiboken.Object.__setattr__(self, name, value)


def _is_written_in_cpp(kind: type) -> bool:
    """Tell whether Slicer has a class in C++: scripts cannot hang attributes on its objects."""
    return kind.__module__.startswith(("PySide6.", "Testing.host."))


def _dynamic_names(owner: Any) -> set[str]:
    return {bytes(name.data()).decode() for name in owner.dynamicPropertyNames()}


def _child_or_dynamic(self: Any, name: str) -> Any:
    """Return a child or a dynamic property by its name, as PythonQt does in the end."""
    if not name.startswith("_"):
        if name in _dynamic_names(self):
            return self.property(name)
        for child in self.children():
            if child.objectName == name:
                return child
    raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
