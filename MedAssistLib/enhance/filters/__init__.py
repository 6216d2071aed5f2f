"""The filters that can stand in a chain: one file each, listed here."""

from __future__ import annotations

from MedAssistLib.enhance.filters import bias_n4, denoise_curvature
from MedAssistLib.enhance.kind import FilterKind

_ALL = (bias_n4.FILTER, denoise_curvature.FILTER)


def filter_kinds() -> dict[str, FilterKind]:
    """Return all filters by name."""
    return {kind.name: kind for kind in _ALL}
