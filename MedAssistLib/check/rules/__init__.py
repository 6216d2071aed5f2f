"""The rules: every module of this folder that has a ``RULE``."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import MappingProxyType

from MedAssistLib.check.rule import Rule


@functools.cache
def rule_kinds() -> MappingProxyType[str, Rule]:
    """Return all rules by name, in alphabetical order of their modules."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    return MappingProxyType({module.RULE.name: module.RULE for module in modules})
