"""PythonQt's ``connect("signal(type)", slot)``: trims the arguments to what the slot takes."""

from __future__ import annotations

import inspect
import re
import weakref
from collections.abc import Callable
from typing import Any

from PySide6 import QtCore

from Testing.host.errors import NotInSlicerError

_CONNECTED: weakref.WeakKeyDictionary[Any, list[tuple[str, Any, Any]]] = weakref.WeakKeyDictionary()
# PySide looks at how many arguments a slot takes: each number needs a function of its own.
_WITH_ARGUMENTS: tuple[Callable[[Any], Any], ...] = (
    # ruff: noqa: PLW0108
    lambda call: lambda: call(),
    lambda call: lambda a: call(a),
    lambda call: lambda a, b: call(a, b),
    lambda call: lambda a, b, c: call(a, b, c),
    lambda call: lambda a, b, c, d: call(a, b, c, d),
)


def by_name(given: tuple[Any, ...]) -> bool:
    """Tell whether the arguments of a ``connect`` are those of PythonQt."""
    return bool(given) and isinstance(given[0], str) and not given[0][:1].isdigit()


def connect(sender: Any, signature: str, *rest: Any) -> bool:
    """Connect a signal to a callable, or to a slot of another object by its signature.

    Raises:
        NotInSlicerError: If there is no such signal, of which PythonQt says only ``False``, or if
            the callable needs more arguments than the signal gives, where PythonQt never runs it.
    """
    slot = rest[0] if len(rest) == 1 else getattr(rest[0], rest[1].partition("(")[0])
    if not callable(slot):
        raise NotInSlicerError(f"{slot!r} cannot be called, and so not be connected to {signature}")
    signature = normalised(signature)
    types = _types(signature)
    signal = _signal(sender, signature, types)
    least, most = _arity(slot)
    if least > len(types):
        name = getattr(slot, "__qualname__", repr(slot))
        raise NotInSlicerError(f"{name} needs {least} arguments and {signature} gives {len(types)}")

    def call(*values: Any) -> None:
        slot(*values[:most])

    wrapped = _WITH_ARGUMENTS[len(types)](call)
    signal.connect(wrapped)
    _CONNECTED.setdefault(sender, []).append((signature, slot, wrapped))
    return True


def disconnect(sender: Any, signature: str, *rest: Any) -> bool:
    """Undo :func:`connect`; the signature must be the one that was connected."""
    signature = normalised(signature)
    slot = rest[0] if rest else None
    entries = _CONNECTED.get(sender, [])
    found = [e for e in entries if e[0] == signature and (slot is None or e[1] == slot)]
    for entry in found:
        _signal(sender, signature, _types(signature)).disconnect(entry[2])
        entries.remove(entry)
    return bool(found)


def end(*lasting: Any) -> None:
    """Undo every :func:`connect` of senders that stay, and forget those of senders that went."""
    for sender in lasting:
        for signature, slot, _wrapped in list(_CONNECTED.get(sender, [])):
            disconnect(sender, signature, slot)
    _CONNECTED.clear()  # a slot often holds its sender, which would then never go


def normalised(signature: str) -> str:
    """Return a signal's signature as Qt writes it."""
    if not re.fullmatch(r"\w+\(.*\)", signature):
        raise NotInSlicerError(f"{signature!r} is no signal: write it as 'name(types)'")
    return bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()


def _types(signature: str) -> list[str]:
    inside = signature[signature.index("(") + 1 : -1]
    return inside.split(",") if inside else []


def _signal(sender: Any, signature: str, types: list[str]) -> Any:
    name = signature.partition("(")[0]
    if signature in getattr(type(sender), "SIGNALS", ()):
        return getattr(sender, name)
    if sender.metaObject().indexOfSignal(signature) < 0:
        raise NotInSlicerError(f"{type(sender).__name__} has no signal {signature}")
    bound = getattr(sender, name)
    return _overload(bound, signature, len(types))


def _overload(bound: Any, signature: str, count: int) -> Any:
    """Pick one of several signals of a name; Qt lists default arguments as signals of their own."""
    try:
        return bound[signature[signature.index("(") + 1 : -1]] if count else bound
    except (IndexError, KeyError, TypeError):
        return bound


def _arity(slot: Any) -> tuple[int, int | None]:
    """Return how many arguments a callable needs, and takes at most (None: as many as come)."""
    if not (inspect.isfunction(slot) or inspect.ismethod(slot)):
        return 0, None
    code = slot.__code__ if inspect.isfunction(slot) else slot.__func__.__code__
    own = 1 if inspect.ismethod(slot) else 0
    needed = code.co_argcount - own - len(slot.__defaults__ or ())
    if code.co_flags & inspect.CO_VARARGS:
        return needed, None
    return needed, code.co_argcount - own
