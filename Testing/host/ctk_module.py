"""The module ``ctk`` of Slicer's Python."""

from __future__ import annotations

import types
from typing import Any

from Testing.host import widgets
from Testing.host.errors import MissingStandInError


def build() -> types.ModuleType:
    """Return the module."""
    module = types.ModuleType("ctk")
    for name, kind in widgets.STAND_INS.items():
        if name.startswith("ctk"):
            setattr(module, name, kind)
    module.__getattr__ = _missing
    return module


def _missing(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise MissingStandInError(f"ctk.{name}")
