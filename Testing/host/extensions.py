"""Modules of Python that Slicer has beside its own: sample data and package installing."""

from __future__ import annotations

import types
from typing import Any

# What was registered and asked for, for tests to look at.
SAMPLES: list[dict[str, Any]] = []
CATEGORIES: list[dict[str, Any]] = []
INSTALLED: list[str] = []


class SampleDataLogic:
    """Records what is registered."""

    @staticmethod
    def registerCustomSampleDataCategory(category: str, **named: Any) -> None:
        """Take a category."""
        CATEGORIES.append({"category": category, **named})

    @staticmethod
    def registerCustomSampleDataSource(  # noqa: PLR0913, PLR0917 Slicer's own
        category: str | None = None,
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileType: Any = None,
        loadFiles: Any = None,
        loadFileProperties: Any = None,
        checksums: Any = None,
        **newer: Any,
    ) -> None:
        """Take a sample."""
        SAMPLES.append({name: value for name, value in locals().items() if value is not None})


def pip_install(requirements: Any, **_named: Any) -> None:
    """Record what would be installed."""
    INSTALLED.append(requirements if isinstance(requirements, str) else " ".join(requirements))


def modules() -> dict[str, types.ModuleType]:
    """Return the modules by name."""
    samples = types.ModuleType("SampleData")
    samples.SampleDataLogic = SampleDataLogic
    packaging = types.ModuleType("slicer.packaging")
    packaging.pip_install = pip_install
    return {samples.__name__: samples, packaging.__name__: packaging}
