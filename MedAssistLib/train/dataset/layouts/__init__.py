"""The layouts that can be read: every module of this folder that has a ``LAYOUT``."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from MedAssistLib.train.dataset.layout import Layout


@functools.cache
def layouts() -> tuple[Layout, ...]:
    """Return all layouts, in alphabetical order of their modules."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    return tuple(module.LAYOUT for module in modules)
