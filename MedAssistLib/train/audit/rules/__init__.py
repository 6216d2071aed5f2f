"""The rules of the audit: every module of this folder that has a ``RULE``."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from MedAssistLib.train.audit.rule import Rule


@functools.cache
def rules() -> tuple[Rule, ...]:
    """Return all rules, in alphabetical order of their modules."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}")
        for found in pkgutil.iter_modules(__path__)
    ]
    return tuple(module.RULE for module in modules)
