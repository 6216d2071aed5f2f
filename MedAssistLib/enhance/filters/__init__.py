"""The filters that can stand in a chain: every module of this folder that has a ``FILTER``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import MappingProxyType

from MedAssistLib.enhance.kind import FilterKind


@functools.cache
def filter_kinds() -> MappingProxyType[str, FilterKind]:
    """Return all filters by name, in alphabetical order of their modules."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    return MappingProxyType({module.FILTER.name: module.FILTER for module in modules})
